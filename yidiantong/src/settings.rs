//! What the executable is told: a TOML file, the environment over it, and the command line over both.

mod document;
mod door;
mod listeners;
mod profiles;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use dispatcher::config::map::MapConfig;
use dispatcher::config::{
    COMMANDS_KEPT_DAYS, CentreConfig, CentreError, CentreFormat, Certificates, FIXES_KEPT_DAYS, MailConfig, MailError,
    PRESENCE_KEPT_DAYS, PositionSettings, RouterSettings, Secret, SmsSettings,
};
use domain::incident::Centre;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::internal::{BadKey, Key, is_private};

pub use document::document;
pub use door::{DoorSettings, HalfACertificate};
pub use listeners::{ListenerSettings, ListenersSettings, ScaipAnswers};
pub use profiles::ProfilesError;

/// Settings of `yidiantong serve`, and of each role in a process of its own. Everything has a default that is safe on
/// one machine.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where everything that outlives the process lies.
    pub data: PathBuf,
    /// Where terminals connect (MQTT).
    pub mqtt_listen: SocketAddr,
    /// Files that say how terminals with JSON of their own are read and spoken to (docs/dialects/mapped.md), besides the
    /// profiles that are shipped. When the roles run apart, alike at each of them.
    pub profiles: Vec<PathBuf>,
    /// Where the console and the API listen.
    pub http_listen: SocketAddr,
    /// How others reach the console and the API, when that is not `http_listen` itself.
    #[schemars(example = "https://alarm.example")]
    pub public_url: Option<String>,
    /// The telephone at which operators answer.
    pub call_back_phone: String,
    /// The centres that can be reached by data.
    #[serde(rename = "centre")]
    pub centres: Vec<CentreSettings>,
    /// How e-mail to contacts leaves; nothing: it does not.
    pub mail: Option<MailSettings>,
    /// The provider that takes text messages (docs/channels.md); nothing: none are sent.
    pub sms: Option<SmsSettings>,
    /// A router that knows the streets: OSRM or Valhalla. Nothing: ways are reckoned by the line and a detour.
    pub router: Option<RouterSettings>,
    /// Who is asked where cells and access points stand (docs/positions.md). Nothing: only our own tables are.
    pub positions: Option<PositionSettings>,
    /// Pushes to responders' browsers.
    pub push: PushSettings,
    /// Where `yidiantong backup` puts its copies: best on another disk. Without it, `backups` in the data folder.
    #[schemars(example = "/mnt/other-disk/yidiantong")]
    pub backups: Option<PathBuf>,
    /// How many copies `yidiantong backup` keeps there; the oldest go.
    pub backups_kept: NonZeroUsize,
    /// How many whole days positions are kept; longer as far as an open case reaches back to them.
    pub fixes_kept_days: NonZeroU16,
    /// What is learnt of residents (docs/usual.md).
    pub usual: UsualSettings,
    /// How many days check-ins, outages that are over, test presses and rules that were not kept are kept; those of an open
    /// case longer (docs/presence.md).
    pub presence_kept_days: NonZeroU16,
    /// How maps are drawn on the consoles.
    pub map: MapConfig,
    /// A URL that is POSTed to when an alert cannot be stored, the canary is missing, or no supervisor acknowledges an
    /// outage. When the roles run apart, gateways tell it as well as
    /// dispatchers: the same alert may come several times.
    #[schemars(example = "https://alarm.example/hook")]
    pub alarm_hook: Option<String>,
    /// What a broker or gateway in a process of its own is called: no other of its kind may be called so.
    #[schemars(example = &"east")]
    pub name: Option<String>,
    /// Where a broker or gateway in a process of its own answers `/health` and `/metrics`.
    #[schemars(example = "127.0.0.1:9090")]
    pub health_listen: Option<SocketAddr>,
    /// The press of our own that shows that the line works.
    pub canary: CanarySettings,
    /// What terminals are told to do (docs/commands.md).
    pub commands: CommandSettings,
    /// The front door, where terminals connect: certificates and limits.
    pub door: DoorSettings,
    /// Where terminals connect that do not speak MQTT: gateways listen there.
    pub listeners: ListenersSettings,
    /// The bus between broker and gateways.
    pub bus: BusSettings,
    /// The hand-over between processes when the roles run apart.
    pub internal: InternalSettings,
    /// A broker of somebody else's that terminals connect to, for gateways (docs/other-brokers.md).
    pub outside: OutsideSettings,
}

/// A broker of somebody else's in front.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutsideSettings {
    /// Where a gateway subscribes to it, in MQTT 5 and in the clear: in a private network only. It logs in as `gateway`
    /// with the key of `[bus]`. Without it, gateways are on the buses of our own brokers only.
    #[schemars(example = "10.0.0.9:1883")]
    pub broker: Option<SocketAddr>,
    /// The name of the shared subscription: the same for all gateways that share the work.
    pub group: String,
}

/// A terminal of our own that presses again and again: nobody is woken, and everybody hears of it when it is missing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CanarySettings {
    /// Whether it presses.
    pub on: bool,
    /// How often, in seconds.
    pub every_s: NonZeroU32,
    /// Nothing has come through for this many seconds: the alarm hook is told, and the consoles show it.
    pub missing_after_s: NonZeroU32,
    /// Where it connects (MQTT), such as `10.0.0.2:1883`. Without it, at the front door of the same process.
    #[schemars(example = "10.0.0.2:1883")]
    pub mqtt: Option<String>,
}

/// What terminals are told to do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandSettings {
    /// Whether the terminal of whoever calls for help is asked at once to tell where it is, again and again.
    pub follow_emergencies: bool,
    /// Whether an operator may, in an open emergency and with a reason, have the terminal call a number and let it hear
    /// what the microphone hears.
    pub allow_listen_in: bool,
    /// How many days what terminals were told to do is kept once it is over; what belongs to an open case longer. That a
    /// person asked for it stays in the audit trail.
    #[schemars(example = 90)]
    pub kept_days: NonZeroU16,
}

/// What is usual of residents: where they stay, and when.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UsualSettings {
    /// Whether it is learnt of residents who have a safe area, or for whom somebody asked. Switched off, what was learnt of
    /// anybody is deleted within minutes.
    pub learn: bool,
}

impl Default for UsualSettings {
    fn default() -> Self {
        Self { learn: true }
    }
}

/// The bus between broker and gateways.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BusSettings {
    /// Where a broker's bus listens: on the loopback or in a private network, because it is not encrypted.
    pub listen: SocketAddr,
    /// What gateways must know, at least 32 bytes; alike at brokers and gateways. In one process it is made anew at
    /// each start.
    #[schemars(example = "32 bytes and more that nobody can guess")]
    pub key: Option<String>,
    /// The buses that a gateway in a process of its own is on: one for each broker.
    pub addresses: Vec<SocketAddr>,
}

/// The hand-over between processes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InternalSettings {
    /// Where a dispatcher takes reports, and a gateway notices: on the loopback or in a private network, because it is
    /// not encrypted.
    pub listen: SocketAddr,
    /// What all processes must know, at least 32 bytes.
    #[schemars(example = "32 bytes and more that nobody can guess")]
    pub key: Option<String>,
    /// Where brokers and gateways find dispatchers, each such as `http://10.0.0.2:8090`.
    pub dispatchers: Vec<String>,
    /// Where dispatchers find gateways, each such as `http://10.0.0.3:8090`.
    pub gateways: Vec<String>,
}

/// One centre.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CentreSettings {
    /// `120`, `119` or `110`.
    #[serde(with = "wire::word")]
    #[schemars(with = "String", example = "120")]
    pub number: Centre,
    /// Where to POST: `https`, or `http` on the loopback.
    #[schemars(example = "https://120.example/alerts")]
    pub url: String,
    /// The key for signatures both ways.
    #[schemars(example = "a long secret that only the two of you know")]
    pub secret: String,
    /// Whether it wants to hear of exercises; otherwise they are not sent to it.
    #[serde(default)]
    pub takes_drills: bool,
    /// How it is told (docs/120.md): `json`, or `cap`, the Common Alerting Protocol 1.2.
    #[serde(default)]
    pub format: CentreFormat,
    /// PEM: the only authorities that the centre's certificate may be from; without it, the public ones.
    #[schemars(example = "/etc/yidiantong/120-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// PEM: our own certificate with its key, for a centre that asks for one.
    #[schemars(example = "/etc/yidiantong/120-client.pem")]
    pub client_certificate_file: Option<PathBuf>,
}

/// The server that takes our e-mail.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://user:password@host`, `smtp://…?tls=required`, or plain `smtp` on the loopback.
    #[schemars(example = "smtps://user:password@mail.example")]
    pub smtp_url: String,
    /// Whom it is from: `一点通 <alerts@example.org>`.
    #[schemars(example = "一点通 <alerts@mail.example>")]
    pub from: String,
}

/// Pushes to responders' browsers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PushSettings {
    /// Where a push service reaches a person who runs this: `mailto:` or `https:`. Without it, `public_url`.
    #[schemars(example = "mailto:duty@alarm.example")]
    pub contact: Option<String>,
    /// What pushes are signed with: 32 bytes in base64url. Without it, `push-key` in the data folder, which is made at the
    /// first start; dispatchers that share a database need the same.
    #[schemars(example = "32 bytes in base64url")]
    pub key: Option<Secret>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: crate::cluster::default_data_dir(),
            mqtt_listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            profiles: Vec::new(),
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            call_back_phone: "0731-00000000".into(),
            centres: Vec::new(),
            mail: None,
            sms: None,
            router: None,
            positions: None,
            push: PushSettings::default(),
            alarm_hook: None,
            map: MapConfig::default(),
            fixes_kept_days: FIXES_KEPT_DAYS,
            usual: UsualSettings::default(),
            presence_kept_days: PRESENCE_KEPT_DAYS,
            backups: None,
            backups_kept: NonZeroUsize::new(14).unwrap_or(NonZeroUsize::MIN),
            name: None,
            health_listen: None,
            canary: CanarySettings::default(),
            commands: CommandSettings::default(),
            door: DoorSettings::default(),
            listeners: ListenersSettings::default(),
            bus: BusSettings::default(),
            internal: InternalSettings::default(),
            outside: OutsideSettings::default(),
        }
    }
}

impl Default for OutsideSettings {
    fn default() -> Self {
        Self { broker: None, group: "yidiantong".into() }
    }
}

/// Why a gateway cannot subscribe to a broker outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// What terminals say, and the key, would travel in the clear through the world.
    #[error("[outside] broker must be a loopback or private address, because nothing is encrypted there; it is {0}")]
    NotPrivate(SocketAddr),
    /// It would not do as a part of a subscription.
    #[error("[outside] group {0:?} is no name for a shared subscription: letters, digits, - and _ only")]
    Group(String),
}

impl OutsideSettings {
    /// The broker, checked.
    pub fn link(&self) -> Result<Option<gateway::Outside>, OutsideError> {
        let Some(broker) = self.broker else { return Ok(None) };
        if !is_private(broker.ip()) {
            return Err(OutsideError::NotPrivate(broker));
        }
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if self.group.is_empty() || !self.group.chars().all(plain) {
            return Err(OutsideError::Group(self.group.clone()));
        }
        Ok(Some(gateway::Outside { host: broker.ip().to_string(), port: broker.port(), group: self.group.clone() }))
    }
}

impl Default for CanarySettings {
    fn default() -> Self {
        let seconds = |seconds| NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN);
        Self { on: false, every_s: seconds(60), missing_after_s: seconds(180), mqtt: None }
    }
}

impl Default for CommandSettings {
    fn default() -> Self {
        Self { follow_emergencies: true, allow_listen_in: false, kept_days: COMMANDS_KEPT_DAYS }
    }
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), key: None, addresses: Vec::new() }
    }
}

impl BusSettings {
    /// The key.
    pub fn key(&self) -> Result<Key, KeyError> {
        read_key("[bus] key (YDT_BUS_KEY)", self.key.as_deref())
    }
}

impl Default for InternalSettings {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8090));
        Self { listen, key: None, dispatchers: Vec::new(), gateways: Vec::new() }
    }
}

impl InternalSettings {
    /// The key.
    pub fn key(&self) -> Result<Key, KeyError> {
        read_key("[internal] key (YDT_INTERNAL_KEY)", self.key.as_deref())
    }
}

fn read_key(setting: &'static str, text: Option<&str>) -> Result<Key, KeyError> {
    let text = text.ok_or(KeyError::Missing { setting })?;
    Key::new(text).map_err(|why| KeyError::Bad { setting, why })
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// None is set.
    #[error("{setting} is not set, without which processes do not let each other in; `openssl rand -hex 32` makes one")]
    Missing {
        /// Which.
        setting: &'static str,
    },
    /// What is set is none.
    #[error("{setting} {why}")]
    Bad {
        /// Which.
        setting: &'static str,
        /// What is wrong with it.
        why: BadKey,
    },
}

/// Why a settings file is no good.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("the settings file {path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not what is expected; the cause names line and field.
    #[error("the settings file {path} is not right")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Malformed,
    },
    /// A variable is not what is expected. What it is may be a secret.
    #[error("the environment variable {name} is no number, true or false, list, or table")]
    Variable {
        /// Which.
        name: String,
    },
    /// What the environment says is not what is expected.
    #[error("the settings in the environment (YDT_…) are not right")]
    Environment {
        /// Why.
        #[source]
        cause: Malformed,
    },
}

/// What is wrong with settings. It does not show the line, in which a secret may stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct Malformed {
    /// Where, from 1, when it is in a file.
    line: Option<usize>,
    /// What.
    message: String,
}

impl Malformed {
    fn new(error: &toml::de::Error, text: &str) -> Self {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        Self { line: line.filter(|_| !text.is_empty()), message: error.message().to_owned() }
    }
}

impl Settings {
    /// Reads a settings file, if one is given, and the environment over it.
    pub fn read(path: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let Some(path) = path else {
            let table = overridden(toml::Table::new(), environment)?;
            return table.try_into().map_err(|error| SettingsError::Environment { cause: Malformed::new(&error, "") });
        };
        let text =
            std::fs::read_to_string(path).map_err(|cause| SettingsError::Unreadable { path: path.into(), cause })?;
        let malformed = |error| SettingsError::Malformed { path: path.into(), cause: Malformed::new(&error, &text) };
        let read: toml::Table = toml::from_str(&text).map_err(malformed)?;
        let table = overridden(read.clone(), environment)?;
        if table == read {
            // The text itself, because then an error names its line.
            return toml::from_str(&text).map_err(malformed);
        }
        table.try_into().map_err(malformed)
    }

    /// Where backups go.
    pub fn backup_dir(&self) -> PathBuf {
        self.backups.clone().unwrap_or_else(|| self.data.join("backups"))
    }
}

/// Variables that begin as settings do and are none: a slip of the pen that would otherwise change nothing, in silence.
pub fn unknown_variables(environment: &BTreeMap<String, String>) -> Vec<&str> {
    let known: Vec<String> = document::leaves()
        .into_iter()
        .chain(CENTRES.iter().flat_map(|number| document::centre_leaves(number)))
        .map(|leaf| leaf.variable)
        .collect();
    let elsewhere = ["YDT_LOG_FORMAT", "YDT_SECRET", "YDT_TOKEN", "YDT_API"];
    let ours = environment.keys().map(String::as_str).filter(|name| name.starts_with(document::PREFIX));
    ours.filter(|name| !elsewhere.contains(name) && known.iter().all(|known| known != name)).collect()
}

const CENTRES: [&str; 3] = ["120", "119", "110"];

/// The settings of a file with what the environment says put over them.
fn overridden(mut table: toml::Table, environment: &BTreeMap<String, String>) -> Result<toml::Table, SettingsError> {
    let said = |leaf: &document::Leaf| -> Result<Option<toml::Value>, SettingsError> {
        let Some(text) = environment.get(&leaf.variable) else { return Ok(None) };
        let plain =
            || -> Option<toml::Value> { toml::from_str::<toml::Table>(&format!("v = {text}")).ok()?.remove("v") };
        let value = if leaf.is_text { Some(toml::Value::String(text.clone())) } else { plain() };
        value.map(Some).ok_or_else(|| SettingsError::Variable { name: leaf.variable.clone() })
    };
    for leaf in document::leaves() {
        if let Some(value) = said(&leaf)? {
            put(&mut table, &leaf.path, value);
        }
    }
    for number in CENTRES {
        let mut fields = toml::Table::new();
        for leaf in document::centre_leaves(number) {
            if let (Some(value), Some(field)) = (said(&leaf)?, leaf.path.last()) {
                fields.insert(field.clone(), value);
            }
        }
        if fields.is_empty() {
            continue;
        }
        let centres = table.entry("centre").or_insert_with(|| toml::Value::Array(Vec::new()));
        let Some(centres) = centres.as_array_mut() else { continue };
        let is_it = |centre: &toml::Value| centre.get("number").and_then(toml::Value::as_str) == Some(number);
        let index = centres.iter().position(is_it).unwrap_or_else(|| {
            centres.push(toml::Table::from_iter([("number".to_owned(), number.into())]).into());
            centres.len() - 1
        });
        if let Some(centre) = centres[index].as_table_mut() {
            centre.extend(fields);
        }
    }
    Ok(table)
}

fn put(table: &mut toml::Table, path: &[String], value: toml::Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let below = table.entry(first.clone()).or_insert_with(|| toml::Table::new().into());
    if let Some(below) = below.as_table_mut() {
        put(below, rest, value);
    }
}

impl CentreSettings {
    /// The link to it. Reads and checks its files.
    pub fn link(&self) -> Result<CentreConfig, CentreError> {
        let certificates = Certificates {
            ca_file: self.ca_file.clone(),
            client_certificate_file: self.client_certificate_file.clone(),
        };
        let mut link = CentreConfig::new(self.number, self.url.clone(), Secret(self.secret.clone()), &certificates)?;
        link.takes_drills = self.takes_drills;
        link.format = self.format;
        Ok(link)
    }
}

impl MailSettings {
    /// The way to it, checked.
    pub fn link(&self) -> Result<MailConfig, MailError> {
        MailConfig::new(&self.smtp_url, &self.from)
    }
}

#[cfg(test)]
mod tests {
    use dispatcher::config::map::Datum;

    use super::*;

    /// A certificate that vouches for itself, and its key, in PEM.
    fn papers() -> (String, String) {
        let papers = rcgen::generate_simple_self_signed(["120.example".to_owned()]).unwrap();
        (papers.cert.pem(), papers.signing_key.serialize_pem())
    }

    /// What the start says of a centre with these files, each given by its name and what it holds.
    fn said_of(url: &str, ca: Option<(&str, &str)>, client: Option<(&str, &str)>) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let written = |(name, text): (&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let settings = CentreSettings {
            number: Centre::Ambulance,
            url: url.into(),
            secret: "s".into(),
            takes_drills: false,
            format: CentreFormat::Json,
            ca_file: ca.map(written),
            client_certificate_file: client.map(written),
        };
        let said = |error| format!("{:#}", anyhow::Error::from(error));
        let folder_name = format!("{}/", folder.path().display());
        settings.link().map(|_| ()).map_err(|error| said(error).replace(&folder_name, ""))
    }

    const HTTPS: &str = "https://120.example/alerts";

    #[test]
    fn certificates_are_taken_as_they_should_be() {
        let (certificate, key) = papers();
        let two = certificate.clone() + &papers().0;
        let both = certificate + &key;
        assert_eq!(said_of(HTTPS, None, None), Ok(()));
        assert_eq!(said_of(HTTPS, Some(("ca.pem", &two)), Some(("us.pem", &both))), Ok(()));
    }

    #[test]
    fn a_file_that_vouches_for_nobody_ends_the_start_with_its_centre_its_name_and_why() {
        let ((certificate, key), (_, another_key)) = (papers(), papers());
        let no_certificate = "120: the file ca.pem holds no certificate (PEM is expected)";
        for text in ["", "not PEM at all", &key] {
            assert_eq!(said_of(HTTPS, Some(("ca.pem", text)), None), Err(no_certificate.into()), "{text}");
        }
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let said = said_of(HTTPS, Some(("ca.pem", garbage)), None).unwrap_err();
        assert!(said.starts_with("120: the certificates in ca.pem cannot be used: "), "{said}");
        let ours = [&certificate, &key, "", &(certificate.clone() + &another_key)];
        for text in ours {
            let said = said_of(HTTPS, Some(("ca.pem", &certificate)), Some(("us.pem", text))).unwrap_err();
            assert!(said.starts_with("120: the certificates in us.pem cannot be used: "), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_ends_the_start_with_its_centre_its_name_and_why() {
        let text =
            "[[centre]]\nnumber = \"119\"\nurl = \"https://119.example\"\nsecret = \"s\"\nca_file = \"/not/there.pem\"";
        let settings: Settings = toml::from_str(text).unwrap();
        let error = anyhow::Error::from(settings.centres[0].link().unwrap_err());
        let said = "119: the file /not/there.pem cannot be read: No such file or directory (os error 2)";
        assert_eq!(format!("{error:#}"), said);
    }

    #[test]
    fn a_centre_is_not_reached_in_the_clear_over_a_network() {
        assert_eq!(said_of("http://127.0.0.1:9/alerts", None, None), Ok(()));
        let refused = Err("120 is to be reached over https, or http on this machine only".to_owned());
        for url in ["http://120.example/alerts", "ftp://127.0.0.1/", "120.example", ""] {
            assert_eq!(said_of(url, None, None), refused, "{url}");
        }
    }

    #[test]
    fn a_key_that_is_missing_or_short_is_refused_with_its_setting() {
        let mut settings: Settings = toml::from_str("[bus]\nkey = \"short\"").unwrap();
        let said = settings.internal.key().unwrap_err().to_string();
        assert!(said.starts_with("[internal] key (YDT_INTERNAL_KEY) is not set"), "{said}");
        let said = settings.bus.key().unwrap_err().to_string();
        assert!(said.starts_with("[bus] key (YDT_BUS_KEY) has 5 bytes, 32 are the least"), "{said}");
        settings.bus.key = Some("k".repeat(32));
        assert!(settings.bus.key().is_ok());
    }

    #[test]
    fn a_broker_outside_stands_in_a_private_network_and_its_group_has_a_plain_name() {
        let link = |text: &str| toml::from_str::<OutsideSettings>(text).unwrap().link().map_err(|why| why.to_string());
        assert_eq!(link(""), Ok(None));
        let outside = link("broker = \"10.0.0.9:1883\"").unwrap().unwrap();
        assert_eq!((outside.host.as_str(), outside.port, outside.group.as_str()), ("10.0.0.9", 1883, "yidiantong"));
        let said = link("broker = \"8.8.8.8:1883\"").unwrap_err();
        assert!(said.starts_with("[outside] broker must be a loopback or private address"), "{said}");
        for group in ["", "a/b", "+", "$share"] {
            let said = link(&format!("broker = \"10.0.0.9:1883\"\ngroup = \"{group}\"")).unwrap_err();
            assert!(said.starts_with("[outside] group"), "{said}");
        }
    }

    #[test]
    fn a_centre_is_named_by_its_number_and_an_unknown_field_is_refused() {
        let settings: Settings = toml::from_str(
            r#"
            call_back_phone = "0731-84000000"
            [[centre]]
            number = "120"
            url = "https://120.example/alerts"
            secret = "s"
            "#,
        )
        .unwrap();
        assert_eq!(settings.centres[0].number, Centre::Ambulance);
        assert!(toml::from_str::<Settings>("mqtt_lisen = 3").is_err());
        let mail = "[mail]\nsmtp_url = \"smtps://u:p@mail.example\"\nfrom = \"a@mail.example\"";
        assert_eq!(toml::from_str::<Settings>(mail).unwrap().mail.unwrap().from, "a@mail.example");
    }

    #[test]
    fn tiles_are_named_with_their_datum_or_not_at_all() {
        let read = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.map);
        assert_eq!(read("").unwrap(), MapConfig::default());
        let map = read(
            r#"
            [map.tiles]
            url = "https://tiles.example/{z}/{x}/{y}.png"
            attribution = "© somebody"
            datum = "gcj02"
            "#,
        )
        .unwrap();
        assert_eq!(map.tiles.unwrap().datum, Datum::Gcj02);
        assert!(
            read("[map.tiles]\nurl = \"/tiles\"\nattribution = \"\"").unwrap_err().to_string().contains("https://")
        );
    }

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        let text = "http_listen = \"127.0.0.1:1\"\nbackups_kept = 3\n[[centre]]\nnumber = \"120\"\nurl = \"https://a\"\nsecret = \"\"";
        std::fs::write(&file, text).unwrap();
        let said = environment(&[
            ("YDT_HTTP_LISTEN", "127.0.0.1:2"),
            ("YDT_BACKUPS_KEPT", "5"),
            ("YDT_CALL_BACK_PHONE", "0731-1"),
            ("YDT_CENTRE_120_SECRET", "s"),
            ("YDT_CENTRE_119_URL", "https://b"),
            ("YDT_CENTRE_119_SECRET", "t"),
        ]);
        let settings = Settings::read(Some(&file), &said).unwrap();
        assert_eq!(settings.http_listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!((settings.backups_kept.get(), settings.call_back_phone.as_str()), (5, "0731-1"));
        let centres: Vec<_> = settings
            .centres
            .iter()
            .map(|centre| (centre.number, centre.url.as_str(), centre.secret.as_str()))
            .collect();
        assert_eq!(centres, [(Centre::Ambulance, "https://a", "s"), (Centre::Fire, "https://b", "t")]);
    }

    #[test]
    fn a_variable_that_is_no_number_is_refused_by_its_name_and_one_that_is_no_setting_is_told() {
        let refused = Settings::read(None, &environment(&[("YDT_BACKUPS_KEPT", "many")])).unwrap_err();
        assert!(refused.to_string().contains("YDT_BACKUPS_KEPT"), "{refused}");
        assert!(Settings::read(None, &environment(&[("YDT_HTTP_LISTEN", "nowhere")])).is_err());
        let slip = environment(&[("YDT_HTTP_LISEN", ""), ("YDT_DATA", ""), ("HOME", "")]);
        assert_eq!(unknown_variables(&slip), ["YDT_HTTP_LISEN"]);
    }
}
