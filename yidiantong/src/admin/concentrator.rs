//! `yidiantong concentrator`: credentials that each speak for many terminals (集中器), and for which.

use anyhow::Context as _;
use dispatcher::store;
use dispatcher::store::concentrators;
use dispatcher::store::terminals::{Reinstate, Rotated};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use wire::directory::{Fingerprint, hash_secret};

use super::{Place, say, say_json, secret, with_database};

/// Credentials that each speak for many terminals, such as the gateway of a building's buttons.
#[derive(Debug, clap::Args)]
pub struct Concentrator {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Add a concentrator. Its secret is made, and shown once.
    Add {
        /// Its MQTT user name: no terminal's, and never changed.
        login: String,
        /// What people call it.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List all.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take a concentrator's right to connect away; it is disconnected within five seconds.
    Revoke {
        /// Its MQTT user name.
        login: String,
    },
    /// Give a concentrator a new secret, shown once. The old one counts no longer.
    Rotate {
        /// Its MQTT user name.
        login: String,
        /// Let it in again though it was revoked.
        #[arg(long)]
        reinstate: bool,
    },
    /// Say which certificate a concentrator must show (over TLS) from now on, besides its secret.
    Bind {
        /// Its MQTT user name.
        login: String,
        /// SHA-256 of the certificate, as `openssl x509 -noout -fingerprint -sha256` tells it.
        #[arg(required_unless_present = "none")]
        fingerprint: Option<Fingerprint>,
        /// It needs none.
        #[arg(long, conflicts_with = "fingerprint")]
        none: bool,
    },
    /// Let a concentrator speak for terminals from now on, and no other.
    Attach {
        /// Its MQTT user name.
        login: String,
        /// The terminals' names in topics.
        #[arg(required = true)]
        serials: Vec<String>,
    },
    /// Let no concentrator speak for terminals any more.
    Detach {
        /// The terminals' names in topics.
        #[arg(required = true)]
        serials: Vec<String>,
    },
}

impl Concentrator {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            let said = match &self.deed {
                Deed::List { json } => return list(&concentrators::list(&mut tx).await?, *json),
                Deed::Add { login, name } => {
                    let is_odd = login.is_empty() || login.chars().any(char::is_control);
                    anyhow::ensure!(!is_odd, "a login has letters");
                    let (fresh, concentrator) = made(login);
                    let is_new = concentrators::add(&mut tx, &concentrator, name).await?;
                    anyhow::ensure!(is_new, "{login} is the login of a terminal or a concentrator already");
                    format!("concentrator {login}: secret (shown once) {fresh}")
                }
                Deed::Revoke { login } => {
                    known(&mut tx, login).await?;
                    let is_new = concentrators::revoke(&mut tx, login).await?;
                    let already = if is_new { "" } else { " (it was revoked before)" };
                    format!("{login} may no longer connect{already}")
                }
                Deed::Rotate { login, reinstate } => {
                    let (fresh, concentrator) = made(login);
                    let reinstate = if *reinstate { Reinstate::Yes } else { Reinstate::No };
                    match concentrators::rotate(&mut tx, &concentrator, reinstate).await? {
                        Rotated::Done => format!("concentrator {login}: secret (shown once) {fresh}"),
                        Rotated::Revoked => anyhow::bail!("{login} was revoked; --reinstate lets it in again"),
                        Rotated::Unknown => anyhow::bail!(unknown(login)),
                    }
                }
                Deed::Bind { login, fingerprint, .. } => {
                    let is_there = concentrators::bind(&mut tx, login, fingerprint.as_ref()).await?;
                    anyhow::ensure!(is_there, unknown(login));
                    let what =
                        if fingerprint.is_some() { "must show that certificate" } else { "needs no certificate" };
                    format!("{login} {what}")
                }
                Deed::Attach { login, serials } => {
                    known(&mut tx, login).await?;
                    attach(&mut tx, serials, Some(login)).await?;
                    format!("{login} may speak for {} terminals more", serials.len())
                }
                Deed::Detach { serials } => {
                    attach(&mut tx, serials, None).await?;
                    format!("{} terminals speak for themselves only", serials.len())
                }
            };
            tx.commit().await.context("nothing was changed")?;
            say(said);
            Ok(())
        })
        .await
    }
}

/// A fresh secret, and the concentrator that has it.
fn made(login: &str) -> (String, wire::directory::Concentrator) {
    let fresh = secret::fresh();
    let secret_sha256 = hash_secret(fresh.as_bytes());
    (fresh, wire::directory::Concentrator { login: login.into(), secret_sha256, certificate: None })
}

async fn attach(conn: &mut PgConnection, serials: &[String], concentrator: Option<&str>) -> anyhow::Result<()> {
    let attached = concentrators::attach(conn, serials, concentrator).await?;
    let missing: Vec<&str> = serials.iter().filter(|one| !attached.contains(one)).map(String::as_str).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "nothing was changed: there is no terminal {}; `yidiantong terminal list` shows all",
        missing.join(", ")
    );
    Ok(())
}

fn unknown(login: &str) -> String {
    format!("there is no concentrator {login}; `yidiantong concentrator list` shows all")
}

async fn known(conn: &mut PgConnection, login: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!concentrators::known(conn, &[login.to_owned()]).await?.is_empty(), unknown(login));
    Ok(())
}

fn list(concentrators: &[concentrators::Listed], json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&concentrators);
    }
    if concentrators.is_empty() {
        say("there is no concentrator; `yidiantong concentrator add LOGIN` adds one");
    }
    for concentrator in concentrators {
        let revoked = concentrator.revoked_at.map(|at| format!("; revoked {at:.0}")).unwrap_or_default();
        let (login, name, terminals) = (&concentrator.login, &concentrator.name, concentrator.terminals);
        say(format_args!("{login:<16} {name}: speaks for {terminals} terminals{revoked}"));
    }
    Ok(())
}
