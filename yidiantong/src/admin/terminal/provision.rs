//! Terminals that are to be added, one or a thousand: what a list says of them, what is wrong with it, and the secrets
//! that are made. All of them are added or none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dispatcher::store::{concentrators, terminals};
use domain::id::ResidentId;
use gateway::codec::mapped::Profiles;
use sqlx::PgConnection;
use wire::directory::{Dialect, NoFingerprint, PayloadKey, hash_secret};

use super::{Kind, dialect, meant, profiles};
use crate::admin::import::sheet::Sheet;
use crate::admin::secret;

#[derive(Debug, clap::Args)]
pub(super) struct Provision {
    /// A CSV file with the column serial (终端号), and if you like login (用户名), dialect (协议), model (型号),
    /// profile (型号配置), resident (服务对象), concentrator (集中器), certificate (证书指纹), key (加密密钥: of an OwnTracks
    /// phone, `new` makes one).
    file: PathBuf,
    /// Where to write serials, logins and secrets: a new file that only you can read. Needed unless the dialects of all
    /// of them know no secret.
    #[arg(long)]
    credentials: Option<PathBuf>,
    #[command(flatten)]
    kind: Kind,
}

/// A terminal that is to be added.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The line of the file.
    line: Option<u64>,
    pub(super) serial: String,
    pub(super) login: String,
    resident: Option<String>,
    /// Under which it encrypts what it says: `new` has one made.
    key: Option<String>,
    kind: Kind,
}

/// What stands in the list where a key is to be made.
const NEW_KEY: &str = "new";

const HEADINGS: [(&str, &[&str]); 9] = [
    ("serial", &["serial", "终端号", "设备号", "序列号"]),
    ("login", &["login", "用户名", "登录名"]),
    ("dialect", &["dialect", "协议"]),
    ("model", &["model", "型号"]),
    ("profile", &["profile", "型号配置"]),
    ("resident", &["resident", "服务对象", "佩戴人", "姓名", "编号"]),
    ("concentrator", &["concentrator", "集中器"]),
    ("certificate", &["certificate", "证书指纹", "证书"]),
    ("key", &["key", "加密密钥", "密钥"]),
];

impl Provision {
    /// What the file asks for.
    pub(super) fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        let file = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| format!("{file} cannot be read"))?;
        let sheet = Sheet::read(&bytes).with_context(|| format!("{file} cannot be brought in"))?;
        rows(&sheet, &self.kind).with_context(|| format!("{file} cannot be brought in"))
    }

    /// Where the secrets of those that were added go; `None` when there is none.
    pub(super) fn path(&self, added: &[Added]) -> anyhow::Result<Option<&Path>> {
        if added.iter().all(|(_, made)| made.secret.is_none() && made.key.is_none()) {
            return Ok(None);
        }
        let path = self.credentials.as_deref();
        path.map(Some).context("--credentials says where to write the secrets; nothing was changed")
    }
}

fn rows(sheet: &Sheet, kind: &Kind) -> anyhow::Result<Vec<Wanted>> {
    let column = |key: &str| {
        let (_, names) = HEADINGS.iter().find(|(name, _)| *name == key)?;
        sheet.headings.iter().position(|heading| names.contains(&heading.to_lowercase().as_str()))
    };
    let Some(serial) = column("serial") else { anyhow::bail!("no column is called serial or 终端号") };
    let columns =
        ["login", "dialect", "model", "profile", "resident", "concentrator", "certificate", "key"].map(column);
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for row in &sheet.rows {
        let cell =
            |column: Option<usize>| column.map(|column| row.cells[column].as_str()).filter(|cell| !cell.is_empty());
        let [login, spoken, model, profile, resident, concentrator, certificate, key] = columns.map(cell);
        let mut kind = kind.clone();
        match spoken.map(dialect) {
            None => {}
            Some(Ok(dialect)) => kind.dialect = dialect,
            Some(Err(why)) => refused.push(format!("line {}: {why}", row.line)),
        }
        match certificate.map(str::parse) {
            None => {}
            Some(Ok(fingerprint)) => kind.certificate = Some(fingerprint),
            Some(Err(NoFingerprint)) => refused.push(format!("line {}: {NoFingerprint}", row.line)),
        }
        kind.model = model.unwrap_or(&kind.model).into();
        kind.profile = profile.map(Into::into).or(kind.profile);
        kind.concentrator = concentrator.map(Into::into).or(kind.concentrator);
        let key = key.map(Into::into);
        wanted.push(Wanted { line: Some(row.line), key, ..Wanted::new(&row.cells[serial], login, resident, &kind) });
    }
    refuse(&refused)?;
    Ok(wanted)
}

fn refuse(refused: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(refused.is_empty(), "nothing was added:\n  - {}", refused.join("\n  - "));
    Ok(())
}

impl Wanted {
    pub(super) fn new(serial: &str, login: Option<&str>, resident: Option<&str>, kind: &Kind) -> Self {
        let named_after = match kind.dialect {
            Dialect::OwnTracks => serial.split('/').next().unwrap_or(serial),
            _ => serial,
        };
        Self {
            line: None,
            serial: serial.into(),
            login: login.unwrap_or(named_after).into(),
            resident: resident.map(Into::into),
            key: None,
            kind: kind.clone(),
        }
    }

    /// Why it can have no such key.
    fn key_fault(&self, key: &str) -> Option<String> {
        if self.kind.dialect != Dialect::OwnTracks {
            return Some(format!("it speaks {}; only own_tracks encrypts what it says", self.kind.dialect.as_str()));
        }
        key.parse::<PayloadKey>().err().map(|why| why.to_string())
    }

    /// What is said of it, with the line where it stands.
    fn said(&self, what: impl std::fmt::Display) -> String {
        self.line.map_or_else(|| what.to_string(), |line| format!("line {line}: {what}"))
    }

    /// Why it can be no terminal.
    fn fault(&self) -> Option<&'static str> {
        let Self { serial, login, .. } = self;
        let is_odd = |text: &str| {
            text.is_empty() || text.chars().any(|character| character.is_control() || "+#".contains(character))
        };
        match self.kind.dialect {
            _ if is_odd(serial) || is_odd(login) => Some("a serial and a login have letters and none of + and #"),
            dialect if dialect != Dialect::OwnTracks && serial.contains('/') => {
                Some("the serial holds a slash, which ends a word in a topic")
            }
            Dialect::OwnTracks if serial.split('/').filter(|part| !part.is_empty()).count() != 2 => {
                Some("the serial of an OwnTracks phone is user/device")
            }
            _ => None,
        }
    }
}

/// What is wrong with the list by itself.
fn faults(wanted: &[Wanted], profiles: &Profiles) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut serials, mut logins) = (BTreeSet::new(), BTreeSet::new());
    for one in wanted {
        if let Some(fault) = one.fault() {
            faults.push(one.said(format_args!("{}: {fault}", one.serial)));
        }
        let profile = one.kind.profile.as_deref();
        if let Some(fault) = profile.and_then(|profile| profiles::fault(one.kind.dialect, profile, profiles)) {
            faults.push(one.said(format_args!("{}: {fault}", one.serial)));
        }
        if let Some(fault) = one.key.as_deref().and_then(|key| one.key_fault(key)) {
            faults.push(one.said(format_args!("{}: {fault}", one.serial)));
        }
        if !serials.insert(&one.serial) || !logins.insert(&one.login) {
            faults.push(one.said(format_args!("{} or its login stands there twice", one.serial)));
        }
    }
    faults
}

/// What was made for a terminal that was added, and is shown once.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// Its secret; none where its dialect knows none.
    pub(super) secret: Option<String>,
    /// The key under which it is to encrypt, where one was to be made.
    pub(super) key: Option<String>,
}

/// A terminal that was added.
pub(super) type Added = (Wanted, Made);

/// Adds them, each with the secret that was made for it.
pub(super) async fn add(
    conn: &mut PgConnection,
    wanted: Vec<Wanted>,
    profiles: &Profiles,
) -> anyhow::Result<Vec<Added>> {
    let mut refused = faults(&wanted, profiles);
    let serials: Vec<String> = wanted.iter().map(|one| one.serial.clone()).collect();
    let logins: Vec<String> = wanted.iter().map(|one| one.login.clone()).collect();
    let asked: Vec<String> = wanted.iter().filter_map(|one| one.kind.concentrator.clone()).collect();
    let taken: BTreeSet<String> = terminals::taken(conn, &serials, &logins).await?.into_iter().collect();
    let known: BTreeSet<String> = concentrators::known(conn, &asked).await?.into_iter().collect();
    let mut residents: BTreeMap<&str, ResidentId> = BTreeMap::new();
    for one in &wanted {
        if let Some(name) = [&one.serial, &one.login].into_iter().find(|name| taken.contains(*name)) {
            let how = "`yidiantong terminal rotate` gives a terminal a new secret";
            refused.push(one.said(format_args!("{name} is there already: {how}")));
        }
        if let Some(concentrator) = one.kind.concentrator.as_ref().filter(|login| !known.contains(*login)) {
            let how = "`yidiantong concentrator list` shows all";
            refused.push(one.said(format_args!("there is no concentrator {concentrator}; {how}")));
        }
        if let Some(text) = &one.resident {
            match meant(conn, text).await {
                Ok(resident) => {
                    residents.insert(&one.serial, resident);
                }
                Err(why) => refused.push(one.said(why)),
            }
        }
    }
    refuse(&refused)?;
    let mut added = Vec::new();
    for one in &wanted {
        let fresh = secret::fresh();
        let listed = wire::directory::Terminal {
            serial: one.serial.as_str().into(),
            login: one.login.as_str().into(),
            secret_sha256: hash_secret(fresh.as_bytes()),
            dialect: one.kind.dialect,
            manual_publish_means_help: one.kind.manual_publish_means_help,
            drill: one.kind.drill,
            profile: one.kind.profile.as_deref().map(Into::into),
            concentrator: one.kind.concentrator.as_deref().map(Into::into),
            certificate: one.kind.certificate.map(Box::new),
        };
        let is_new = terminals::add(conn, &listed, &one.kind.model).await?;
        anyhow::ensure!(is_new, "{} came to be there meanwhile: nothing was added", one.serial);
        if let Some(resident) = residents.get(one.serial.as_str()) {
            terminals::assign(conn, &one.serial, Some(*resident)).await?;
        }
        let key = match one.key.as_deref() {
            Some(NEW_KEY) => Some(secret::fresh()),
            key => key.map(str::to_owned),
        };
        if let Some(key) = &key {
            terminals::set_key(conn, &one.serial, Some(&key.parse()?)).await?;
        }
        let is_made = one.key.as_deref() == Some(NEW_KEY);
        let secret = one.kind.dialect.proves_itself().then_some(fresh);
        added.push(Made { secret, key: key.filter(|_| is_made) });
    }
    Ok(wanted.into_iter().zip(added).collect())
}

/// The list of what was made.
pub(super) fn credentials(added: &[Added]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    // Only where there is a key to tell: what reads these lists knows three columns.
    let has_keys = added.iter().any(|(_, made)| made.key.is_some());
    let columns = ["serial", "login", "secret", "key"];
    out.write_record(&columns[..if has_keys { 4 } else { 3 }])?;
    for (wanted, made) in added.iter().filter(|(_, made)| made.secret.is_some() || made.key.is_some()) {
        let told = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = [wanted.serial.clone(), wanted.login.clone(), told(&made.secret), told(&made.key)];
        out.write_record(&row[..if has_keys { 4 } else { 3 }])?;
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(dialect: Dialect) -> Kind {
        Kind {
            dialect,
            model: "pager".into(),
            concentrator: None,
            certificate: None,
            manual_publish_means_help: false,
            profile: None,
            drill: false,
        }
    }

    fn read(text: &str) -> anyhow::Result<Vec<Wanted>> {
        rows(&Sheet::read(text.as_bytes()).unwrap(), &kind(Dialect::Ydt))
    }

    #[test]
    fn a_list_of_terminals_is_read_with_headings_in_either_language() {
        let rows =
            read("终端号,佩戴人,型号,集中器,协议\nP1,陈秀英,,,\nP2,,G616,hub,\nwang/phone,,,,own_tracks\n").unwrap();
        let said: Vec<_> = rows
            .iter()
            .map(|row| (row.line.unwrap(), &*row.serial, &*row.login, &*row.kind.model, row.resident.as_deref()))
            .collect();
        let wang = (4, "wang/phone", "wang", "pager", None);
        assert_eq!(said, [(2, "P1", "P1", "pager", Some("陈秀英")), (3, "P2", "P2", "G616", None), wang]);
        assert_eq!((rows[1].kind.concentrator.as_deref(), rows[2].kind.dialect), (Some("hub"), Dialect::OwnTracks));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let refused = read("serial,dialect,证书\nP1,ydt,\nP2,morse,\nP3,ydt,E3:B0\n").unwrap_err().to_string();
        assert!(refused.contains("line 4: a fingerprint is 64 hexadecimal digits"), "{refused}");
        assert!(refused.contains("line 3: the dialects are ydt, own_tracks"), "{refused}");
        let faults = super::faults(&read("serial,login\nP1,\nP/2,\nP1,x\nP3,P1\n").unwrap(), &Profiles::shipped());
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, line) in faults.iter().zip(["line 3: P/2", "line 4: P1", "line 5: P3"]) {
            assert!(fault.starts_with(line), "{fault}");
        }
    }

    #[test]
    fn profiles_that_nobody_defines_and_keys_of_those_who_do_not_encrypt_are_refused() {
        let list = "终端号,协议,型号配置,加密密钥\nW1,mapped,g616,\nW2,mapped,g617,\nJ1,jt808,\"utc,fall_bit_29\",\nJ2,jt808,utcc,\n\
                    li/phone,own_tracks,,new\nliu/phone,own_tracks,,kaifu-2026\nP1,ydt,,new\nwu/phone,own_tracks,,一二三四五六七八九十一二\n";
        let wanted = read(list).unwrap();
        assert_eq!(wanted[4].key.as_deref(), Some("new"));
        let faults = super::faults(&wanted, &Profiles::shipped());
        let begins = [
            "line 3: W2: no profile is called \"g617\"",
            "line 5: J2: jt808 knows no \"utcc\"",
            "line 8: P1: it speaks ydt",
            "line 9: wu/phone: the key has 36 bytes",
        ];
        assert_eq!(faults.len(), begins.len(), "{faults:#?}");
        for (fault, begin) in faults.iter().zip(begins) {
            assert!(fault.starts_with(begin), "{fault}");
        }
        assert!(faults[0].contains("g616") && faults[1].contains("pendant_bits"), "it says what there is: {faults:#?}");
    }

    #[test]
    fn a_key_that_was_made_stands_beside_the_secret_and_one_that_was_told_does_not() {
        let wanted = read("serial,dialect,key\nli/phone,own_tracks,new\nliu/phone,own_tracks,kaifu\n").unwrap();
        let made = |key: Option<&str>| Made { secret: Some("s".into()), key: key.map(Into::into) };
        let added: Vec<Added> = wanted.into_iter().zip([made(Some("k")), made(None)]).collect();
        let text = |added: &[Added]| String::from_utf8(credentials(added).unwrap()).unwrap();
        assert_eq!(text(&added), "serial,login,secret,key\nli/phone,li,s,k\nliu/phone,liu,s,\n");
        assert_eq!(text(&added[1..]), "serial,login,secret\nliu/phone,liu,s\n");
    }

    #[test]
    fn what_can_be_no_topic_is_refused() {
        let fault = |serial: &str, dialect| Wanted::new(serial, None, None, &kind(dialect)).fault();
        assert!(fault("P1", Dialect::Ydt).is_none() && fault("wang/phone", Dialect::OwnTracks).is_none());
        for serial in ["", "P+", "a/b", "P#", "P\n"] {
            assert!(fault(serial, Dialect::Ydt).is_some(), "{serial:?}");
        }
        assert!(fault("wang", Dialect::OwnTracks).is_some());
    }
}
