//! What a process with a desk needs around it: the far ends it is told of, its pool, its addresses.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use dispatcher::config::{
    CentreConfig, Config, MailConfig, PositionSettings, PushConfig, RouterSettings, Secret, SmsConfig, SmsSettings,
};
use dispatcher::desk::Desk;
use dispatcher::http::{AlarmRule, Outline, Taken};
use gateway::codec::mapped::{Profile, Profiles};
use sqlx::PgPool;
use tokio::net::TcpListener;
use wire::internal::is_private;

use crate::database::Database;
use crate::settings::{CentreSettings, MailSettings, Settings};

/// Connections to the database: deciders, outbox, intake, consoles.
const CONNECTIONS_MAX: u32 = 20;
/// Four calls with presses are under way at once.
const PRESS_CONNECTIONS_MAX: u32 = 4;
/// Two decisions, appointments, and one more.
const DECISION_CONNECTIONS_MAX: u32 = 4;
/// Six channels and commands, and what came of both.
const SENDING_CONNECTIONS_MAX: u32 = 8;
/// For positions and for who has connected two calls each, for who has fallen silent one, and one more.
const ASIDE_CONNECTIONS_MAX: u32 = 6;
/// In the data folder: who was logged in lately.
pub(crate) const SESSIONS_FILE: &str = "console-sessions.json";
/// In the data folder: what pushes are signed with. Browsers have subscribed for it.
const PUSH_KEY_FILE: &str = "push-key";

/// The ways to far ends.
#[derive(Debug)]
pub(crate) struct Links {
    /// The centres that are reached by data.
    pub(crate) centres: Vec<CentreConfig>,
    /// How e-mail leaves.
    pub(crate) mail: Option<MailConfig>,
    /// How text messages leave.
    pub(crate) sms: Option<SmsConfig>,
}

/// How terminals with JSON of their own are read, as the console shows it.
pub(crate) fn outlines(profiles: &Profiles) -> Vec<Outline> {
    let outline = |profile: &Arc<Profile>| {
        let said = profile.outline();
        let taken = |(what, from)| Taken { what, from };
        let alarm = |[from, when, raises]: [String; 3]| AlarmRule { from, when, raises };
        Outline {
            name: said.name,
            shipped: said.is_shipped,
            datum: said.datum.to_owned(),
            up: said.up,
            answers: said.answers,
            down: said.down,
            takes: said.takes.into_iter().map(taken).collect(),
            alarms: said.alarms.into_iter().map(alarm).collect(),
            commands: said.commands,
        }
    };
    profiles.iter().map(outline).collect()
}

/// The links that are set up. Before anything opens: whoever has set one up wrongly is to see that, and nothing else.
pub(crate) fn links(settings: &Settings) -> anyhow::Result<Links> {
    let centres = settings.centres.iter().map(CentreSettings::link).collect::<Result<Vec<_>, _>>();
    let centres = centres.context("a centre is not set up right")?;
    let mail = settings.mail.as_ref().map(MailSettings::link).transpose().context("e-mail is not set up right")?;
    let sms = settings.sms.as_ref().map(SmsSettings::link).transpose().context("text messages are not set up right")?;
    Ok(Links { centres, mail, sms })
}

/// Makes the data folder when it is not there.
pub(crate) async fn make_data_folder(data: &Path) -> anyhow::Result<()> {
    let made = tokio::fs::create_dir_all(data).await;
    made.with_context(|| format!("the data folder {} cannot be made", data.display()))
}

/// Begins to listen.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))
}

/// The same where only we are.
pub(crate) async fn listen_inside(address: SocketAddr) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        is_private(address.ip()),
        "[internal] listen must be a loopback or private address, because nothing is encrypted there; it is {address}"
    );
    listen(address).await
}

/// How others reach what is served on `listener`.
pub(crate) fn public_url(settings: &Settings, listener: &TcpListener) -> anyhow::Result<String> {
    match &settings.public_url {
        Some(url) => Ok(url.clone()),
        None => Ok(format!("http://{}", listener.local_addr()?)),
    }
}

/// Who we are to push services: by the key of the settings, else by one that is made once and kept.
fn push(settings: &Settings, public_url: &str) -> anyhow::Result<PushConfig> {
    let key = match &settings.push.key {
        Some(key) => key.clone(),
        None => kept_key(&settings.data.join(PUSH_KEY_FILE))?,
    };
    // Push services want to know whom to ask; a machine that nobody reaches from outside has nobody to name.
    let nobody = "mailto:nobody@yidiantong.invalid";
    let of_ours = if public_url.starts_with("https://") { public_url } else { nobody };
    let contact = settings.push.contact.as_deref().unwrap_or(of_ours);
    PushConfig::new(&key, contact).context("[push] is not set up right")
}

fn kept_key(file: &Path) -> anyhow::Result<Secret> {
    let unreadable = || format!("the key for pushes, {}, cannot be read or made", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Secret(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = PushConfig::fresh_key();
            // Whole or not at all.
            let part = file.with_extension("part");
            let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
            let written = made.and_then(|mut file| file.write_all(key.0.as_bytes()));
            written.and_then(|()| std::fs::rename(&part, file)).with_context(unreadable)?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(unreadable),
    }
}

/// A desk, not open yet, with connections to a database that need not be there yet.
pub(crate) fn desk(
    settings: &Settings,
    database: &Database,
    public_url: String,
    links: Links,
) -> anyhow::Result<(PgPool, Desk)> {
    let pool = dispatcher::start::connect(database.options()?, CONNECTIONS_MAX);
    let push = push(settings, &public_url)?;
    let router =
        settings.router.as_ref().map(RouterSettings::link).transpose().context("[router] is not set up right")?;
    let positions = settings
        .positions
        .as_ref()
        .map(PositionSettings::link)
        .transpose()
        .context("[positions] is not set up right")?;
    let config = Config {
        public_url,
        call_back_phone: settings.call_back_phone.clone(),
        centres: links.centres,
        mail: links.mail,
        sms: links.sms,
        push: Some(push),
        router,
        positions,
        alarm_hook: settings.alarm_hook.clone(),
        canary: crate::canary::config(&settings.canary),
        map: settings.map.clone(),
        fixes_kept_days: settings.fixes_kept_days,
        presence_kept_days: settings.presence_kept_days,
        follow_emergencies: settings.commands.follow_emergencies,
        allow_listen_in: settings.commands.allow_listen_in,
        commands_kept_days: settings.commands.kept_days,
        learn_usual: settings.usual.learn,
        ..Config::default()
    };
    let presses = dispatcher::start::connect_urgent(database.options()?, PRESS_CONNECTIONS_MAX);
    let decisions = dispatcher::start::connect_urgent(database.options()?, DECISION_CONNECTIONS_MAX);
    let sending = dispatcher::start::connect_urgent(database.options()?, SENDING_CONNECTIONS_MAX);
    let aside = dispatcher::start::connect_aside(database.options()?, ASIDE_CONNECTIONS_MAX, database.is_here());
    let desk = Desk::new(pool.clone(), Arc::new(config));
    Ok((pool, desk.with_urgent(presses, decisions).with_sending(sending).with_aside(aside)))
}
