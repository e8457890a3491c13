//! `yidiantong terminal`: which terminals may connect, with which secrets, and who wears them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use dispatcher::store;
use dispatcher::store::terminals::{self, Reinstate, Rotated};
use domain::id::ResidentId;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use wire::directory::{Dialect, hash_secret};

use super::import::sheet::Sheet;
use super::{Over, Place, say, say_json, secret, with_database, write_private};

/// Which terminals may connect, with which secrets, and who wears them.
#[derive(Debug, clap::Args)]
pub struct Terminal {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Add a terminal, or many from a file. Secrets are made, and shown once.
    Add(Add),
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
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    serial: Option<String>,
    /// Its MQTT user name; else the serial, and for OwnTracks what stands before the slash.
    #[arg(long, conflicts_with = "from")]
    login: Option<String>,
    /// What it speaks.
    #[arg(long, value_parser = dialect, default_value = "ydt")]
    dialect: Dialect,
    /// What it is.
    #[arg(long, default_value = "")]
    model: String,
    /// Who wears it: number (编号), id or name.
    #[arg(long, conflicts_with = "from")]
    resident: Option<String>,
    /// A position published by hand is a call for help (OwnTracks).
    #[arg(long)]
    manual_publish_means_help: bool,
    /// Everything it says is an exercise.
    #[arg(long)]
    drill: bool,
    /// A CSV file with the columns serial (终端号), and if you like login, resident (服务对象), model (型号).
    #[arg(long, requires = "credentials")]
    from: Option<PathBuf>,
    /// Where to write serials, logins and secrets of those that were added: a new file that only you can read.
    #[arg(long)]
    credentials: Option<PathBuf>,
}

fn dialect(text: &str) -> Result<Dialect, String> {
    [Dialect::Ydt, Dialect::OwnTracks]
        .into_iter()
        .find(|dialect| dialect.as_str() == text)
        .ok_or_else(|| "the dialects are ydt and own_tracks".to_owned())
}

/// A terminal that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    /// In the file; 0 without one.
    row: u64,
    serial: String,
    login: String,
    model: String,
    resident: Option<String>,
}

impl Wanted {
    fn new(row: u64, serial: &str, login: Option<&str>, model: &str, resident: Option<&str>, dialect: Dialect) -> Self {
        let named_after = match dialect {
            Dialect::Ydt => serial,
            Dialect::OwnTracks => serial.split('/').next().unwrap_or(serial),
        };
        Self {
            row,
            serial: serial.into(),
            login: login.unwrap_or(named_after).into(),
            model: model.into(),
            resident: resident.map(Into::into),
        }
    }

    /// Why it can be no terminal.
    fn fault(&self, dialect: Dialect) -> Option<&'static str> {
        let Self { serial, login, .. } = self;
        let is_odd = |text: &str| {
            text.is_empty() || text.chars().any(|character| character.is_control() || "+#".contains(character))
        };
        match dialect {
            _ if is_odd(serial) || is_odd(login) => Some("a serial and a login have letters and none of + and #"),
            Dialect::Ydt if serial.contains('/') => Some("the serial holds a slash, which ends a word in a topic"),
            Dialect::OwnTracks if serial.split('/').filter(|part| !part.is_empty()).count() != 2 => {
                Some("the serial of an OwnTracks phone is user/device")
            }
            _ => None,
        }
    }
}

const HEADINGS: [(&str, &[&str]); 4] = [
    ("serial", &["serial", "终端号", "设备号", "序列号"]),
    ("login", &["login", "用户名", "登录名"]),
    ("resident", &["resident", "服务对象", "佩戴人", "姓名", "编号"]),
    ("model", &["model", "型号"]),
];

impl Terminal {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            match &self.deed {
                Deed::List { json } => return list(&terminals::list(&mut tx).await?, *json),
                Deed::Add(add) => {
                    let added = add.run(&mut tx).await?;
                    // Before the commit: secrets that nobody could read would be lost.
                    if let Some(path) = &add.credentials {
                        write_private(path, &credentials(&added)?, Over::Refuse)
                            .with_context(|| format!("{} cannot be written; nothing was changed", path.display()))?;
                    }
                    tx.commit().await.context("nothing was changed")?;
                    match &add.credentials {
                        Some(path) => {
                            say(format_args!("{} terminals added; secrets in {}", added.len(), path.display()))
                        }
                        None => {
                            added.iter().for_each(|(wanted, secret)| show(&wanted.serial, Some(&wanted.login), secret))
                        }
                    }
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
                    tx.commit().await.context("nothing was changed")?;
                    show(serial, None, &fresh);
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

impl Add {
    async fn run(&self, conn: &mut PgConnection) -> anyhow::Result<Vec<(Wanted, String)>> {
        let wanted = self.wanted()?;
        let mut refused: Vec<String> = Vec::new();
        let at = |row: u64| if row == 0 { String::new() } else { format!("row {row}: ") };
        let (mut serials, mut logins) = (BTreeSet::new(), BTreeSet::new());
        for one in &wanted {
            if let Some(fault) = one.fault(self.dialect) {
                refused.push(format!("{}{}: {fault}", at(one.row), one.serial));
            }
            if !serials.insert(one.serial.clone()) || !logins.insert(one.login.clone()) {
                refused.push(format!("{}{} or its login stands there twice", at(one.row), one.serial));
            }
        }
        let taken =
            terminals::taken(conn, &serials.into_iter().collect::<Vec<_>>(), &logins.into_iter().collect::<Vec<_>>())
                .await?;
        refused.extend(
            taken
                .into_iter()
                .map(|name| format!("{name} is there already: `yidiantong terminal rotate` gives it a new secret")),
        );
        let mut wearers = Vec::new();
        for one in &wanted {
            let Some(text) = &one.resident else {
                wearers.push(None);
                continue;
            };
            match meant(conn, text).await {
                Ok(resident) => wearers.push(Some(resident)),
                Err(why) => refused.push(format!("{}{why}", at(one.row))),
            }
        }
        anyhow::ensure!(refused.is_empty(), "nothing was added:\n  - {}", refused.join("\n  - "));
        let mut added = Vec::new();
        for (one, wearer) in wanted.into_iter().zip(wearers) {
            let fresh = secret::fresh();
            let listed = wire::directory::Terminal {
                serial: one.serial.clone(),
                login: one.login.clone(),
                secret_sha256: hash_secret(fresh.as_bytes()),
                dialect: self.dialect,
                manual_publish_means_help: self.manual_publish_means_help,
                drill: self.drill,
            };
            let is_new = terminals::add(conn, &listed, &one.model).await?;
            anyhow::ensure!(is_new, "{} came to be there meanwhile: nothing was added", one.serial);
            if wearer.is_some() {
                terminals::assign(conn, &one.serial, wearer).await?;
            }
            added.push((one, fresh));
        }
        Ok(added)
    }

    fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        match (&self.serial, &self.from) {
            (Some(serial), _) => {
                let (login, resident) = (self.login.as_deref(), self.resident.as_deref());
                Ok(vec![Wanted::new(0, serial, login, &self.model, resident, self.dialect)])
            }
            (None, Some(file)) => {
                let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
                let sheet = Sheet::read(&bytes).with_context(|| format!("{} cannot be brought in", file.display()))?;
                self.rows(&sheet).with_context(|| format!("{} cannot be brought in", file.display()))
            }
            (None, None) => anyhow::bail!("which terminal? give its serial, or a list with --from"),
        }
    }

    fn rows(&self, sheet: &Sheet) -> anyhow::Result<Vec<Wanted>> {
        let column = |key: &str| {
            let (_, names) = HEADINGS.iter().find(|(name, _)| *name == key)?;
            sheet.headings.iter().position(|heading| names.contains(&heading.to_lowercase().as_str()))
        };
        let Some(serial) = column("serial") else { anyhow::bail!("no column is called serial or 终端号") };
        let (login, resident, model) = (column("login"), column("resident"), column("model"));
        let rows = sheet.rows.iter().map(|row| {
            let cell =
                |column: Option<usize>| column.map(|column| row.cells[column].as_str()).filter(|cell| !cell.is_empty());
            let model = cell(model).unwrap_or(&self.model);
            Wanted::new(row.line, &row.cells[serial], cell(login), model, cell(resident), self.dialect)
        });
        Ok(rows.collect())
    }
}

async fn meant(conn: &mut PgConnection, text: &str) -> anyhow::Result<ResidentId> {
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

fn credentials(added: &[(Wanted, String)]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["serial", "login", "secret"])?;
    for (wanted, secret) in added {
        out.write_record([&wanted.serial, &wanted.login, secret])?;
    }
    Ok(out.into_inner()?)
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
        let drill = if terminal.drill { "; for exercises" } else { "" };
        say(format_args!(
            "{:<16} {} {}: worn by {wearer}; heard last: {heard}{drill}{revoked}",
            terminal.serial, terminal.dialect, terminal.model
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(dialect: Dialect) -> Add {
        Add {
            serial: None,
            login: None,
            dialect,
            model: "pager".into(),
            resident: None,
            manual_publish_means_help: false,
            drill: false,
            from: None,
            credentials: None,
        }
    }

    #[test]
    fn a_list_of_terminals_is_read_with_headings_in_either_language() {
        let sheet = Sheet::read("终端号,佩戴人,型号\nP1,陈秀英,\nP2,,G616\n".as_bytes()).unwrap();
        let rows = add(Dialect::Ydt).rows(&sheet).unwrap();
        assert_eq!(rows[0], Wanted::new(2, "P1", None, "pager", Some("陈秀英"), Dialect::Ydt));
        assert_eq!((rows[1].model.as_str(), rows[1].login.as_str(), &rows[1].resident), ("G616", "P2", &None));
    }

    #[test]
    fn what_can_be_no_topic_is_refused() {
        let fault = |serial: &str, dialect| Wanted::new(0, serial, None, "", None, dialect).fault(dialect);
        assert!(fault("P1", Dialect::Ydt).is_none() && fault("wang/phone", Dialect::OwnTracks).is_none());
        for serial in ["", "P+", "a/b", "P#", "P\n"] {
            assert!(fault(serial, Dialect::Ydt).is_some(), "{serial:?}");
        }
        assert!(fault("wang", Dialect::OwnTracks).is_some());
    }
}
