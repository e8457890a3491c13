//! `yidiantong terminal`: which terminals may connect, with which secrets, and who wears them.

pub(in crate::admin) mod profiles;
mod provision;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dispatcher::store;
use dispatcher::store::terminals::{self, Reinstate, Rotated};
use domain::id::ResidentId;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use wire::directory::{Dialect, Fingerprint, PayloadKey, hash_secret};

use super::{Over, Place, say, say_json, secret, with_database, write_private};
use provision::{Provision, Wanted};

/// Which terminals may connect, with which secrets, and who wears them.
#[derive(Debug, clap::Args)]
pub struct Terminal {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Add a terminal. Its secret is made, and shown once; where its dialect knows none, none is shown.
    Add(Add),
    /// Add many terminals from a file, all of them or none. Their secrets are made, and written to a file once.
    Provision(Provision),
    /// List all.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a terminal's right to connect away; it is disconnected within five seconds.
    Revoke {
        /// Its name in topics.
        serial: String,
    },
    /// Give a terminal a new secret, shown once. The old one counts no longer.
    Rotate {
        /// Its name in topics.
        serial: String,
        /// Let it in again though it was revoked.
        #[arg(long)]
        reinstate: bool,
    },
    /// Say which certificate a terminal must show (over TLS) from now on, besides its secret.
    Bind {
        /// Its name in topics.
        serial: String,
        /// SHA-256 of the certificate, as `openssl x509 -noout -fingerprint -sha256` tells it.
        #[arg(required_unless_present = "none")]
        fingerprint: Option<Fingerprint>,
        /// It needs none.
        #[arg(long, conflicts_with = "fingerprint")]
        none: bool,
    },
    /// Say under which key an OwnTracks phone encrypts what it says from now on: one that is made, and shown once, for its
    /// settings. What it says under another key, or in the clear, is taken in all the same.
    Key {
        /// Its name in topics.
        serial: String,
        /// A file with the key, which the phone has already; `-` reads it from standard input. 32 bytes are the most.
        #[arg(long)]
        file: Option<PathBuf>,
        /// It encrypts nothing any more.
        #[arg(long, conflicts_with = "file")]
        none: bool,
    },
    /// Say who wears a terminal from now on.
    Assign {
        /// Its name in topics.
        serial: String,
        /// The resident: number (编号), id or name.
        #[arg(required_unless_present = "nobody")]
        resident: Option<String>,
        /// Nobody wears it.
        #[arg(long, conflicts_with = "resident")]
        nobody: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name in topics; for OwnTracks user/device.
    serial: String,
    /// Its MQTT user name; else the serial, and for OwnTracks what stands before the slash.
    #[arg(long)]
    login: Option<String>,
    /// Who wears it: number (编号), id or name.
    #[arg(long)]
    resident: Option<String>,
    #[command(flatten)]
    kind: Kind,
}

/// What a terminal is, or what those of a list are that says nothing else.
#[derive(Debug, Clone, clap::Args)]
struct Kind {
    /// What it speaks.
    #[arg(long, value_parser = dialect, default_value = "ydt")]
    dialect: Dialect,
    /// What it is.
    #[arg(long, default_value = "")]
    model: String,
    /// Which of its dialect's variants its model speaks (docs/dialects); else as most of its family do.
    #[arg(long)]
    profile: Option<String>,
    /// The concentrator (集中器) that may speak for it, by its login.
    #[arg(long)]
    concentrator: Option<String>,
    /// The certificate that it must show (over TLS) besides its secret: SHA-256, as `openssl x509 -noout -fingerprint
    /// -sha256` tells it.
    #[arg(long)]
    certificate: Option<Fingerprint>,
    /// A position published by hand is a call for help (OwnTracks).
    #[arg(long)]
    manual_publish_means_help: bool,
    /// Everything it says is an exercise.
    #[arg(long)]
    drill: bool,
}

fn dialect(text: &str) -> Result<Dialect, String> {
    Dialect::parse(text).ok_or_else(|| format!("the dialects are {}", Dialect::ALL.map(Dialect::as_str).join(", ")))
}

impl Terminal {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |settings, database| {
            let mut tx = store::begin(&database.pool).await?;
            match &self.deed {
                Deed::List { json } => return list(&terminals::list(&mut tx).await?, *json),
                Deed::Add(add) => {
                    let Add { serial, login, resident, kind } = add;
                    let wanted = Wanted::new(serial, login.as_deref(), resident.as_deref(), kind);
                    let added = provision::add(&mut tx, vec![wanted], &*settings.read_profiles()?).await?;
                    tx.commit().await.context("nothing was changed")?;
                    for (wanted, made) in &added {
                        match &made.secret {
                            Some(secret) => show(&wanted.serial, Some(&wanted.login), secret),
                            None => {
                                say(format_args!("terminal {}: listed; its dialect knows no secret", wanted.serial));
                            }
                        }
                    }
                    return Ok(());
                }
                Deed::Provision(provision) => {
                    let profiles = settings.read_profiles()?;
                    let added = provision::add(&mut tx, provision.wanted()?, &profiles).await?;
                    let path = provision.path(&added)?;
                    if let Some(path) = path {
                        // Before the commit: secrets that nobody could read would be lost.
                        write_private(path, &provision::credentials(&added)?, Over::Refuse)
                            .with_context(|| format!("{} cannot be written; nothing was changed", path.display()))?;
                    }
                    tx.commit().await.context("nothing was changed")?;
                    let secrets = path.map(|path| format!("; secrets in {}", path.display())).unwrap_or_default();
                    say(format_args!("{} terminals added{secrets}", added.len()));
                    return Ok(());
                }
                Deed::Revoke { serial } => {
                    known(&mut tx, serial).await?;
                    let is_new = terminals::revoke(&mut tx, serial).await?;
                    let already = if is_new { "" } else { " (it was revoked before)" };
                    say(format_args!("{serial} may no longer connect{already}"));
                }
                Deed::Rotate { serial, reinstate } => {
                    let fresh = secret::fresh();
                    let reinstate = if *reinstate { Reinstate::Yes } else { Reinstate::No };
                    match terminals::rotate(&mut tx, serial, &hash_secret(fresh.as_bytes()), reinstate).await? {
                        Rotated::Done => {}
                        Rotated::Revoked => anyhow::bail!("{serial} was revoked; --reinstate lets it in again"),
                        Rotated::Unknown => anyhow::bail!(unknown(serial)),
                    }
                    let spoken = terminals::dialect(&mut tx, serial).await?;
                    tx.commit().await.context("nothing was changed")?;
                    if spoken.as_deref().and_then(Dialect::parse).is_none_or(Dialect::proves_itself) {
                        show(serial, None, &fresh);
                    } else {
                        say(format_args!("{serial} may connect; its dialect knows no secret"));
                    }
                    return Ok(());
                }
                Deed::Bind { serial, fingerprint, .. } => {
                    let is_there = terminals::bind(&mut tx, serial, fingerprint.as_ref()).await?;
                    anyhow::ensure!(is_there, unknown(serial));
                    let what =
                        if fingerprint.is_some() { "must show that certificate" } else { "needs no certificate" };
                    say(format_args!("{serial} {what}"));
                }
                Deed::Key { serial, file, none } => {
                    let spoken = terminals::dialect(&mut tx, serial).await?.with_context(|| unknown(serial))?;
                    let encrypts = spoken == Dialect::OwnTracks.as_str();
                    anyhow::ensure!(
                        encrypts || *none,
                        "{serial} speaks {spoken}; only own_tracks encrypts what it says"
                    );
                    let key = if *none { None } else { Some(key(file.as_deref())?) };
                    terminals::set_key(&mut tx, serial, key.as_ref()).await?;
                    tx.commit().await.context("nothing was changed")?;
                    match key {
                        Some(key) if file.is_none() => {
                            say(format_args!("terminal {serial}: key (shown once) {}", key.reveal()));
                        }
                        Some(_) => say(format_args!("{serial} encrypts under that key")),
                        None => say(format_args!("{serial} has no key any more")),
                    }
                    return Ok(());
                }
                Deed::Assign { serial, resident, .. } => {
                    known(&mut tx, serial).await?;
                    let wearer = match resident {
                        Some(text) => Some(meant(&mut tx, text).await?),
                        None => None,
                    };
                    let is_new = terminals::assign(&mut tx, serial, wearer).await?;
                    let wearer = resident.as_deref().unwrap_or("nobody");
                    let already = if is_new { "" } else { " already" };
                    say(format_args!("{serial} is worn by {wearer}{already}"));
                }
            }
            tx.commit().await.context("nothing was changed")
        })
        .await
    }
}

/// The key in a file, which ends with its line; without a file, one that is made.
fn key(file: Option<&Path>) -> anyhow::Result<PayloadKey> {
    let text = match file {
        None => secret::fresh(),
        Some(path) if path.as_os_str() == "-" => {
            std::io::read_to_string(std::io::stdin()).context("no key can be read")?
        }
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).parse()?)
}

/// The resident who is meant by number, id or name, when there is one and no more.
pub(super) async fn meant(conn: &mut PgConnection, text: &str) -> anyhow::Result<ResidentId> {
    let found = terminals::residents_meant(conn, text).await?;
    match &found[..] {
        [(id, ..)] => Ok(ResidentId(*id)),
        [] => anyhow::bail!("there is no resident {text}"),
        several => {
            let several: Vec<String> =
                several.iter().map(|(id, name, address)| format!("{name}, {address}: {id}")).collect();
            anyhow::bail!(
                "{text} may be one of {}; say which by number or id:\n    {}",
                several.len(),
                several.join("\n    ")
            )
        }
    }
}

fn unknown(serial: &str) -> String {
    format!("there is no terminal {serial}; `yidiantong terminal list` shows all")
}

async fn known(conn: &mut PgConnection, serial: &str) -> anyhow::Result<()> {
    anyhow::ensure!(terminals::exists(conn, serial).await?, unknown(serial));
    Ok(())
}

fn show(serial: &str, login: Option<&str>, secret: &str) {
    let login = login.map(|login| format!(" login {login}")).unwrap_or_default();
    say(format_args!("terminal {serial}:{login} secret (shown once) {secret}"));
}

fn list(terminals: &[terminals::Listed], json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&terminals);
    }
    if terminals.is_empty() {
        say("there is no terminal yet; `yidiantong terminal add SERIAL` adds one");
    }
    for terminal in terminals {
        let wearer = terminal.wearer.as_deref().unwrap_or("nobody");
        let heard = terminal.heard_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        let revoked = terminal.revoked_at.map(|at| format!("; revoked {at:.0}")).unwrap_or_default();
        let profile = terminal.profile.as_ref().map(|profile| format!(" ({profile})")).unwrap_or_default();
        let drill = if terminal.drill { "; for exercises" } else { "" };
        let encrypts = if terminal.encrypts { "; encrypts" } else { "" };
        let under = terminal.concentrator.as_ref().map(|login| format!("; under {login}")).unwrap_or_default();
        say(format_args!(
            "{:<16} {} {}{profile}: worn by {wearer}; heard last: {heard}{under}{encrypts}{drill}{revoked}",
            terminal.serial, terminal.dialect, terminal.model
        ));
    }
    Ok(())
}
