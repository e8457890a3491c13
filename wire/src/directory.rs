//! Who may connect, in which dialect: a versioned snapshot with deltas, published by the dispatcher,
//! kept in memory and on disk by broker and gateway so that terminals can reconnect while the
//! database is away.
//!
//! Half a million terminals are held by every broker and gateway, and one is looked up for each message: names are
//! shared rather than copied, and nobody holds the lock for longer than some terminals take.

mod copy;
mod payload_key;

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::topics::{self, Lane, Mapping, Mappings};

pub use payload_key::{Keyed, NoPayloadKey, PayloadKey};

/// The promise: whose right to connect is taken away is disconnected within this, though one dispatcher stands still.
/// Whoever waits for something on that way has a share of it (`yidiantong/src/apart/far_dispatchers.rs` adds them up).
pub const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// The family of payloads that a terminal speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Our own, version 1: `docs/protocol.md`.
    Ydt,
    /// The OwnTracks application's JSON.
    OwnTracks,
    /// MQTT-native terminals with JSON of their own, read by a settings file.
    Mapped,
    /// The text protocol of most elder watches and pendants (SeTracker, 3G ELEC), TCP.
    Watch,
    /// JT/T 808-2011, -2013 and -2019, TCP and UDP.
    Jt808,
    /// GT06 (Concox, Jimi), TCP.
    Gt06,
    /// The EV-07B family of pendants, TCP.
    Eview,
    /// Social alarms of SS 91100, in SIP over TCP and UDP.
    Scaip,
}

impl Dialect {
    /// Each of them.
    pub const ALL: [Self; 8] =
        [Self::Ydt, Self::OwnTracks, Self::Mapped, Self::Watch, Self::Jt808, Self::Gt06, Self::Eview, Self::Scaip];

    /// The spelling used in the database and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ydt => "ydt",
            Self::OwnTracks => "own_tracks",
            Self::Mapped => "mapped",
            Self::Watch => "watch",
            Self::Jt808 => "jt808",
            Self::Gt06 => "gt06",
            Self::Eview => "eview",
            Self::Scaip => "scaip",
        }
    }

    /// What [`as_str`](Self::as_str) spells.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == word)
    }

    /// Whether its terminals come through the MQTT front door; the others have a socket of the gateway's.
    pub const fn is_mqtt(self) -> bool {
        matches!(self, Self::Ydt | Self::OwnTracks | Self::Mapped)
    }

    /// Whether its terminals prove who they are, by a secret. Of the others it is known what they call themselves.
    pub const fn proves_itself(self) -> bool {
        self.is_mqtt()
    }
}

/// One terminal as broker and gateway know it: nothing about the person who wears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// The name in its topics. For OwnTracks `user/device`.
    pub serial: Arc<str>,
    /// The MQTT user name. For most terminals the serial itself.
    pub login: Arc<str>,
    /// SHA-256 of the secret. Secrets are random and long, so that a plain hash is enough and a
    /// storm of reconnections costs no password hashing.
    #[serde(with = "hash")]
    pub secret_sha256: [u8; 32],
    /// What it speaks.
    pub dialect: Dialect,
    /// OwnTracks only: a position published by hand (`t:"u"`) is a call for help.
    pub manual_publish_means_help: bool,
    /// Everything that this terminal says is an exercise (演练).
    pub drill: bool,
    /// Which of its dialect's variants its model speaks, in words that the codecs know; `None`: as most do. For a mapped
    /// terminal the name of its profile; `None`: whichever its topics belong to.
    #[serde(default)]
    pub profile: Option<Arc<str>>,
    /// The login of the concentrator that may speak for it.
    #[serde(default)]
    pub concentrator: Option<Arc<str>>,
    /// It must show this certificate, over TLS, besides its secret.
    #[serde(default)]
    pub certificate: Option<Box<Fingerprint>>,
}

/// One credential that may speak for many terminals (集中器): the gateway of a building's buttons, an alarm hub. Each
/// terminal says whether it is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concentrator {
    /// Its MQTT user name: no terminal has the same.
    pub login: Arc<str>,
    /// SHA-256 of the secret, as a terminal's.
    #[serde(with = "hash")]
    pub secret_sha256: [u8; 32],
    /// It must show this certificate, over TLS, besides its secret.
    #[serde(default)]
    pub certificate: Option<Box<Fingerprint>>,
}

/// SHA-256 of a certificate in DER, as `openssl x509 -noout -fingerprint -sha256` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(#[serde(with = "hash")] pub [u8; 32]);

impl Fingerprint {
    /// Of these bytes of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// It is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits, with or without colons: `openssl x509 -noout -fingerprint -sha256`")]
pub struct NoFingerprint;

impl std::str::FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.replace(':', ""), &mut bytes).map_err(|_| NoFingerprint)?;
        Ok(Self(bytes))
    }
}

impl Terminal {
    /// Whether `concentrator` may speak for it.
    pub fn is_under(&self, concentrator: &Concentrator) -> bool {
        self.concentrator.as_ref().is_some_and(|login| *login == concentrator.login)
    }
}

/// Whom a login belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A terminal, which speaks for itself.
    Terminal(Arc<Terminal>),
    /// A concentrator, which speaks for the terminals that list it.
    Concentrator(Arc<Concentrator>),
}

impl Identity {
    /// Its MQTT user name.
    pub fn login(&self) -> &Arc<str> {
        match self {
            Self::Terminal(terminal) => &terminal.login,
            Self::Concentrator(concentrator) => &concentrator.login,
        }
    }

    /// The certificate that they must show.
    pub fn certificate(&self) -> Option<&Fingerprint> {
        match self {
            Self::Terminal(terminal) => terminal.certificate.as_deref(),
            Self::Concentrator(concentrator) => concentrator.certificate.as_deref(),
        }
    }

    /// Whether `secret` is theirs, in constant time.
    pub fn is_secret(&self, secret: &[u8]) -> bool {
        let held = match self {
            Self::Terminal(terminal) => &terminal.secret_sha256,
            Self::Concentrator(concentrator) => &concentrator.secret_sha256,
        };
        hash_secret(secret).ct_eq(held).into()
    }
}

/// The form in which a secret is stored.
pub fn hash_secret(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// A change from one version of the directory to another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Update {
    /// `None`: a whole snapshot that replaces everything. Otherwise the version it builds upon.
    pub from: Option<i64>,
    /// The version after it.
    pub to: i64,
    /// Terminals added or changed.
    pub upserts: Vec<Terminal>,
    /// Secrets under which some of those encrypt what they say. Who is among `upserts` and not here has none.
    #[serde(default)]
    pub keys: Vec<Keyed>,
    /// Serials that may no longer connect.
    pub removed: Vec<String>,
    /// Concentrators added or changed.
    #[serde(default)]
    pub concentrators: Vec<Concentrator>,
    /// Logins of concentrators that may no longer connect.
    #[serde(default)]
    pub removed_concentrators: Vec<String>,
}

/// An update that does not follow what we have: ask for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the update starts from version {from}, we have {have:?}")]
pub struct Gap {
    /// Where the update starts.
    pub from: i64,
    /// What we have.
    pub have: Option<i64>,
}

/// A terminal in the table, found by its serial.
#[derive(Debug)]
struct BySerial(Arc<Terminal>);

impl Borrow<str> for BySerial {
    fn borrow(&self) -> &str {
        &self.0.serial
    }
}

impl PartialEq for BySerial {
    fn eq(&self, other: &Self) -> bool {
        self.0.serial == other.0.serial
    }
}

impl Eq for BySerial {}

impl Hash for BySerial {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.serial.hash(state);
    }
}

#[derive(Debug, Default)]
struct Pages {
    version: i64,
    edition: u64,
    by_serial: HashSet<BySerial>,
    /// Those whose login is not their serial: terminals of that kind, and concentrators.
    by_login: HashMap<Arc<str>, Identity>,
    /// By serial; beside the terminals, because hardly any has one.
    keys: HashMap<Arc<str>, PayloadKey>,
}

impl Pages {
    fn of(
        version: i64,
        concentrators: impl IntoIterator<Item = Arc<Concentrator>>,
        terminals: impl IntoIterator<Item = Arc<Terminal>>,
        mut keys: Keys,
    ) -> Self {
        let mut pages = Self { version, ..Self::default() };
        concentrators.into_iter().for_each(|concentrator| pages.put_concentrator(concentrator));
        terminals.into_iter().for_each(|terminal| pages.put_with(terminal, &mut keys));
        pages.by_serial.shrink_to_fit();
        pages
    }

    fn terminals(&self) -> impl Iterator<Item = &Arc<Terminal>> {
        self.by_serial.iter().map(|BySerial(terminal)| terminal)
    }

    fn concentrators(&self) -> impl Iterator<Item = &Arc<Concentrator>> {
        self.by_login.values().filter_map(|identity| match identity {
            Identity::Concentrator(concentrator) => Some(concentrator),
            Identity::Terminal(_) => None,
        })
    }

    fn terminal(&self, serial: &str) -> Option<&Arc<Terminal>> {
        self.by_serial.get(serial).map(|BySerial(terminal)| terminal)
    }

    fn identity(&self, login: &str) -> Option<Identity> {
        let eponymous = || self.terminal(login).filter(|terminal| &*terminal.login == login);
        self.by_login.get(login).cloned().or_else(|| eponymous().cloned().map(Identity::Terminal))
    }

    /// Puts a terminal with the key that is its own, if there is one among these.
    fn put_with(&mut self, terminal: Arc<Terminal>, keys: &mut Keys) {
        let serial = Arc::clone(&terminal.serial);
        self.put(terminal);
        let key = keys.remove(&*serial);
        if self.keys.get(&*serial) != key.as_ref() {
            self.edition += 1;
            match key {
                Some(key) => self.keys.insert(serial, key),
                None => self.keys.remove(&*serial),
            };
        }
    }

    fn put(&mut self, mut terminal: Arc<Terminal>) {
        if self.terminal(&terminal.serial).is_some_and(|listed| *listed == terminal) {
            return;
        }
        self.edition += 1;
        self.take_out(&terminal.serial);
        let concentrator = terminal.concentrator.as_deref().and_then(|login| self.by_login.get_key_value(login));
        let concentrator = concentrator.map(|(login, _)| Arc::clone(login));
        // Nobody else has it yet, so that nothing is copied.
        let named = Arc::make_mut(&mut terminal);
        named.concentrator = concentrator.or(named.concentrator.take());
        if named.login == named.serial {
            named.login = Arc::clone(&named.serial);
        } else {
            self.by_login.insert(Arc::clone(&terminal.login), Identity::Terminal(Arc::clone(&terminal)));
        }
        self.by_serial.insert(BySerial(terminal));
    }

    fn strike(&mut self, serial: &str) {
        self.keys.remove(serial);
        self.take_out(serial);
    }

    fn take_out(&mut self, serial: &str) {
        let Some(BySerial(gone)) = self.by_serial.take(serial) else { return };
        self.edition += 1;
        // Another may have been given its login before it was struck.
        if let Some(Identity::Terminal(held)) = self.by_login.get(&gone.login)
            && held.serial == gone.serial
        {
            self.by_login.remove(&gone.login);
        }
    }

    fn put_concentrator(&mut self, concentrator: Arc<Concentrator>) {
        let identity = Identity::Concentrator(concentrator);
        if self.by_login.get(identity.login()) != Some(&identity) {
            self.edition += 1;
            self.by_login.insert(Arc::clone(identity.login()), identity);
        }
    }

    fn strike_concentrator(&mut self, login: &str) {
        if let Some(Identity::Concentrator(_)) = self.by_login.get(login) {
            self.by_login.remove(login);
            self.edition += 1;
        }
    }
}

/// Keys by serial, on their way to their terminals.
type Keys = HashMap<String, PayloadKey>;

fn by_serial(keys: Vec<Keyed>) -> Keys {
    keys.into_iter().map(|Keyed { serial, key }| (serial, key)).collect()
}

/// How many terminals are put at once; whoever looks somebody up waits no longer.
const PUT_AT_ONCE: usize = 512;

/// The directory as broker and gateway hold it: shared, and empty until something has been loaded. One task keeps it
/// up to date, anybody looks in it.
#[derive(Debug, Default)]
pub struct Directory {
    pages: RwLock<Option<Pages>>,
    /// Topics of mapped terminals, from the installation's settings: the same for everybody, and for good.
    mappings: OnceLock<Arc<Mappings>>,
}

/// What looking somebody up can give.
#[derive(Debug, Clone)]
pub enum Lookup<T = Arc<Terminal>> {
    /// There is no directory at all yet: the answer is "server unavailable", never "bad credentials".
    NoDirectory,
    /// There is one, and it does not list them.
    Unlisted,
    /// Listed.
    Listed(T),
}

impl Update {
    /// Whether it lists or strikes anybody, or replaces everything.
    pub fn tells_something(&self) -> bool {
        self.from.is_none()
            || !self.upserts.is_empty()
            || !self.removed.is_empty()
            || !self.concentrators.is_empty()
            || !self.removed_concentrators.is_empty()
    }
}

impl Directory {
    /// Says where mapped terminals speak and listen. Only the first word counts.
    pub fn map(&self, mappings: Arc<Mappings>) {
        let _ = self.mappings.set(mappings);
    }

    /// Whose topic, or filter, it is: see [`topics::serial`]. A mapped terminal's is told by its profile's template.
    pub fn serial<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let mapped = || self.mappings.get()?.of(topic).map(|(_, said, _)| said.serial);
        topics::serial(topic).or_else(mapped)
    }

    /// The lane of what `terminal` publishes to `topic`; none when it may not publish there.
    pub fn publish_lane(&self, terminal: &Terminal, topic: &str) -> Option<Lane> {
        match terminal.dialect {
            Dialect::Mapped => {
                let (mapping, said, lane) = self.mappings.get()?.of(topic)?;
                (said.serial == &*terminal.serial && is_of(terminal, mapping)).then_some(lane)
            }
            _ => topics::publish_lane(terminal, topic),
        }
    }

    /// The lane of a topic that is some mapped terminal's, whoever that is.
    pub fn mapped_lane(&self, topic: &str) -> Option<Lane> {
        self.mappings.get()?.of(topic).map(|(_, _, lane)| lane)
    }

    /// Whether `terminal` may subscribe to `filter`.
    pub fn may_subscribe(&self, terminal: &Terminal, filter: &str) -> bool {
        match terminal.dialect {
            Dialect::Mapped => {
                self.mappings_of(terminal).any(|mapping| mapping.may_subscribe(&terminal.serial, filter))
            }
            _ => topics::may_subscribe(terminal, filter),
        }
    }

    /// Whether `concentrator` may subscribe to `filter`: to the topics of any terminals, of which it gets those that are
    /// its own, or of one that is.
    pub fn may_subscribe_for(&self, concentrator: &Concentrator, filter: &str) -> bool {
        topics::may_subscribe_for(filter, |_| false)
            || self.profiles().any(|mapping| mapping.is_of_all(filter))
            || self.may_subscribe_for_one(concentrator, filter)
    }

    /// Whether `filter` asks only for topics of one terminal for which `concentrator` may speak.
    pub fn may_subscribe_for_one(&self, concentrator: &Concentrator, filter: &str) -> bool {
        let is_listener = |serial: &str| {
            let pages = self.pages.read();
            let terminal = pages.as_ref().and_then(|pages| pages.terminal(serial));
            terminal.is_some_and(|terminal| terminal.is_under(concentrator) && self.may_subscribe(terminal, filter))
        };
        topics::serial(filter).is_some_and(|serial| self.by_serial_under(serial, concentrator).is_some())
            || self.profiles().filter_map(|mapping| mapping.listener(filter)).any(is_listener)
    }

    /// The filters of what is said to mapped terminals: of one, or of all of them.
    pub fn mapped_filters(&self, terminal: Option<&Terminal>) -> Vec<String> {
        match terminal {
            Some(terminal) if terminal.dialect == Dialect::Mapped => self
                .mappings_of(terminal)
                .filter_map(|mapping| Some(mapping.down.as_ref()?.filter(&terminal.serial)))
                .collect(),
            Some(_) => Vec::new(),
            None => self.profiles().filter_map(|mapping| Some(mapping.down.as_ref()?.filter("+"))).collect(),
        }
    }

    fn mappings_of<'d>(&'d self, terminal: &'d Terminal) -> impl Iterator<Item = &'d Mapping> {
        self.profiles().filter(|mapping| is_of(terminal, mapping))
    }

    fn profiles(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.get().into_iter().flat_map(|mappings| mappings.iter())
    }

    /// The secret under which a terminal encrypts what it says. Of hardly any there is one.
    pub fn payload_key(&self, serial: &str) -> Option<PayloadKey> {
        self.pages.read().as_ref()?.keys.get(serial).cloned()
    }

    /// The version held, `None` before the first snapshot.
    pub fn version(&self) -> Option<i64> {
        self.pages.read().as_ref().map(|pages| pages.version)
    }

    /// Grows whenever something else is listed than before, and only then: versions pass also when nothing changes.
    /// Of this process: another counts its own. `None` before the first snapshot.
    pub fn edition(&self) -> Option<u64> {
        self.pages.read().as_ref().map(|pages| pages.edition)
    }

    /// Finds a terminal or a concentrator by its MQTT user name.
    pub fn by_login(&self, login: &str) -> Lookup<Identity> {
        self.look_up(|pages| pages.identity(login))
    }

    /// Finds a terminal by its serial.
    pub fn by_serial(&self, serial: &str) -> Lookup {
        self.look_up(|pages| pages.terminal(serial).cloned())
    }

    /// The terminal below whose prefix `topic` lies, if `concentrator` may speak for it.
    pub fn spoken_for(&self, concentrator: &Concentrator, topic: &str) -> Option<Arc<Terminal>> {
        self.by_serial_under(self.serial(topic)?, concentrator)
    }

    fn by_serial_under(&self, serial: &str, concentrator: &Concentrator) -> Option<Arc<Terminal>> {
        let pages = self.pages.read();
        let terminal = pages.as_ref()?.terminal(serial)?;
        terminal.is_under(concentrator).then(|| Arc::clone(terminal))
    }

    /// The terminal that `identity` speaks for when it publishes to `topic`, and the lane; none when it may not.
    pub fn lane(&self, identity: &Identity, topic: &str) -> Option<(Arc<Terminal>, Lane)> {
        let terminal = match identity {
            Identity::Terminal(terminal) => Arc::clone(terminal),
            Identity::Concentrator(concentrator) => self.spoken_for(concentrator, topic)?,
        };
        self.publish_lane(&terminal, topic).map(|lane| (terminal, lane))
    }

    fn look_up<T>(&self, find: impl FnOnce(&Pages) -> Option<T>) -> Lookup<T> {
        match self.pages.read().as_ref() {
            None => Lookup::NoDirectory,
            Some(pages) => find(pages).map_or(Lookup::Unlisted, Lookup::Listed),
        }
    }

    /// Takes in a snapshot or a delta. Applying the same one twice changes nothing.
    pub fn apply(&self, update: Update) -> Result<(), Gap> {
        let Some(from) = update.from else {
            let concentrators = update.concentrators.into_iter().map(Arc::new);
            let terminals = update.upserts.into_iter().map(Arc::new);
            self.replace(Pages::of(update.to, concentrators, terminals, by_serial(update.keys)));
            return Ok(());
        };
        match self.version() {
            // The same version again may tell more: it does not pass while an older transaction runs.
            Some(have) if update.to < have => return Ok(()),
            Some(have) if from <= have => {}
            have => return Err(Gap { from, have }),
        }
        self.change(|pages| {
            update.removed_concentrators.iter().for_each(|login| pages.strike_concentrator(login));
            update.removed.iter().for_each(|serial| pages.strike(serial));
            update.concentrators.into_iter().for_each(|concentrator| pages.put_concentrator(Arc::new(concentrator)));
        });
        let mut keys = by_serial(update.keys);
        let mut upserts = update.upserts.into_iter().map(Arc::new).peekable();
        while upserts.peek().is_some() {
            self.change(|pages| {
                upserts.by_ref().take(PUT_AT_ONCE).for_each(|terminal| pages.put_with(terminal, &mut keys));
            });
        }
        self.change(|pages| pages.version = update.to);
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Pages)) {
        if let Some(pages) = self.pages.write().as_mut() {
            change(pages);
        }
    }

    /// Puts a whole new directory in the place of the old one, which is taken apart when nobody waits for it.
    fn replace(&self, mut pages: Pages) {
        let mut held = self.pages.write();
        pages.edition = held.as_ref().map_or(0, |pages| pages.edition) + 1;
        let old = held.replace(pages);
        drop(held);
        drop(old);
    }
}

/// Whether it is this profile's. A terminal without a name for its own speaks as its topics say.
fn is_of(terminal: &Terminal, mapping: &Mapping) -> bool {
    terminal.profile.as_deref().is_none_or(|profile| profile == mapping.name)
}

/// 32 bytes: in hexadecimal where people may read it, as they are elsewhere.
mod hash {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            hex::serde::serialize(bytes, serializer)
        } else {
            bytes.serialize(serializer)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        if deserializer.is_human_readable() {
            hex::serde::deserialize(deserializer)
        } else {
            <[u8; 32]>::deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn terminal(serial: &str) -> Terminal {
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: hash_secret(b"s"),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            profile: None,
            drill: false,
            concentrator: None,
            certificate: None,
        }
    }

    pub(super) fn under(serial: &str, concentrator: &str) -> Terminal {
        Terminal { concentrator: Some(concentrator.into()), ..terminal(serial) }
    }

    pub(super) fn concentrator(login: &str) -> Concentrator {
        Concentrator { login: login.into(), secret_sha256: hash_secret(b"s"), certificate: None }
    }

    fn snapshot(to: i64, serials: &[&str]) -> Update {
        Update { to, upserts: serials.iter().map(|s| terminal(s)).collect(), ..Update::default() }
    }

    #[test]
    fn without_a_snapshot_nobody_is_called_a_stranger() {
        assert!(matches!(Directory::default().by_login("A"), Lookup::NoDirectory));
    }

    #[test]
    fn a_mapped_terminal_speaks_where_its_profile_says_and_nowhere_before_that_is_known() {
        let watch = Terminal { dialect: Dialect::Mapped, ..terminal("8600") };
        let directory = Directory::default();
        directory.apply(Update { to: 1, upserts: vec![watch.clone()], ..Update::default() }).unwrap();
        let identity = Identity::Terminal(Arc::new(watch.clone()));
        assert!(directory.lane(&identity, "atom/status/8600").is_none());
        let template = |text: &str| text.parse().unwrap();
        let mapping = topics::Mapping {
            name: "atom".to_owned(),
            up: vec![template("atom/status/{serial}")],
            answers: Vec::new(),
            down: Some(template("atom/cmd/{serial}/{word}")),
        };
        directory.map(Arc::new(Mappings::new(vec![mapping]).unwrap()));
        let lane = |topic| directory.lane(&identity, topic).map(|(_, lane)| lane);
        assert_eq!(lane("atom/status/8600"), Some(Lane::Alert));
        assert_eq!((lane("atom/status/8601"), lane("ydt/1/8600/alert")), (None, None));
        assert_eq!(directory.serial("atom/status/8600"), Some("8600"));
        assert!(directory.may_subscribe(&watch, "atom/cmd/8600/#") && !directory.may_subscribe(&watch, "atom/cmd/+/#"));
    }

    #[test]
    fn a_mapped_terminal_with_a_profile_speaks_in_no_other_and_its_concentrator_listens_for_it() {
        let watch = Terminal { dialect: Dialect::Mapped, profile: Some("one".into()), ..under("8600", "hub") };
        let directory = Directory::default();
        let concentrators = vec![concentrator("hub"), concentrator("other")];
        directory.apply(Update { to: 1, upserts: vec![watch.clone()], concentrators, ..Update::default() }).unwrap();
        let mapping = |name: &str| topics::Mapping {
            name: name.to_owned(),
            up: vec![format!("{name}/status/{{serial}}").parse().unwrap()],
            answers: Vec::new(),
            down: Some(format!("{name}/cmd/{{serial}}/{{word}}").parse().unwrap()),
        };
        directory.map(Arc::new(Mappings::new(vec![mapping("one"), mapping("two")]).unwrap()));
        assert_eq!(directory.publish_lane(&watch, "one/status/8600"), Some(Lane::Alert));
        assert_eq!(directory.publish_lane(&watch, "two/status/8600"), None);
        assert!(!directory.may_subscribe(&watch, "two/cmd/8600/#"));
        assert_eq!(directory.mapped_filters(Some(&watch)), ["one/cmd/8600/+"]);
        assert_eq!(directory.mapped_filters(None), ["one/cmd/+/+", "two/cmd/+/+"]);
        let (hub, other) = (concentrator("hub"), concentrator("other"));
        assert!(
            directory.may_subscribe_for(&hub, "one/cmd/8600/+") && directory.may_subscribe_for(&hub, "one/cmd/+/+")
        );
        assert!(directory.may_subscribe_for(&hub, "one/cmd/8600/MESSAGE"));
        assert!(!directory.may_subscribe_for(&other, "one/cmd/8600/+"));
        assert!(!directory.may_subscribe_for(&hub, "one/cmd/8601/+") && !directory.may_subscribe_for(&hub, "#"));
    }

    #[test]
    fn a_key_goes_with_its_terminal_and_is_told_anew_with_it() {
        let directory = Directory::default();
        let keyed = |serial: &str, key: &str| Keyed { serial: serial.into(), key: key.parse().unwrap() };
        let upserts = vec![terminal("A"), terminal("B")];
        directory.apply(Update { to: 1, upserts, keys: vec![keyed("A", "kaifu-2026")], ..Update::default() }).unwrap();
        let revealed = |serial: &str| directory.payload_key(serial).map(|key| key.reveal().to_owned());
        assert_eq!((revealed("A").as_deref(), revealed("B")), (Some("kaifu-2026"), None));
        let tell = |from, to, upserts, keys, removed| {
            let before = directory.edition();
            directory.apply(Update { from: Some(from), to, upserts, keys, removed, ..Update::default() }).unwrap();
            directory.edition() > before
        };
        assert!(!tell(1, 2, vec![terminal("B")], vec![], vec![]), "nothing is new of B");
        assert!(tell(2, 3, vec![terminal("A")], vec![keyed("A", "changsha")], vec![]), "only the key is new");
        assert_eq!(revealed("A").as_deref(), Some("changsha"));
        assert!(tell(3, 4, vec![terminal("A")], vec![], vec![]));
        assert_eq!(revealed("A"), None);
        assert!(tell(4, 5, vec![terminal("A")], vec![keyed("A", "changsha")], vec!["A".into()]));
        assert!(tell(5, 6, vec![], vec![], vec!["A".into()]));
        assert_eq!(revealed("A"), None, "who is struck takes it along");
    }

    #[test]
    fn deltas_follow_a_snapshot_and_a_gap_is_noticed() {
        let directory = Directory::default();
        assert!(directory.apply(Update { from: Some(1), to: 2, ..Update::default() }).is_err());
        directory.apply(snapshot(1, &["A", "B"])).unwrap();
        directory
            .apply(Update {
                from: Some(1),
                to: 2,
                upserts: vec![terminal("C")],
                removed: vec!["A".into()],
                ..Update::default()
            })
            .unwrap();
        assert!(matches!(directory.by_login("A"), Lookup::Unlisted));
        assert!(matches!(directory.by_serial("C"), Lookup::Listed(_)));
        let gap = directory.apply(Update { from: Some(5), to: 6, ..Update::default() });
        assert_eq!(gap, Err(Gap { from: 5, have: Some(2) }));
    }

    #[test]
    fn an_edition_is_new_when_somebody_is_listed_or_struck_and_only_then() {
        let directory = Directory::default();
        assert_eq!(directory.edition(), None);
        let tell = |from, to, upserts, removed| {
            directory.apply(Update { from, to, upserts, removed, ..Update::default() }).unwrap();
            directory.edition().unwrap()
        };
        let first = tell(None, 1, vec![terminal("A"), terminal("B")], vec![]);
        assert_eq!(tell(Some(1), 5, vec![], vec![]), first);
        assert_eq!(tell(Some(5), 6, vec![terminal("A")], vec!["X".into()]), first);
        // The version stands still while an old transaction runs; what is told with it counts.
        let second = tell(Some(6), 6, vec![], vec!["B".into()]);
        assert!(second > first && matches!(directory.by_login("B"), Lookup::Unlisted));
        let third = tell(Some(6), 7, vec![Terminal { drill: true, ..terminal("A") }], vec![]);
        assert!(third > second);
        assert!(tell(None, 7, vec![terminal("A")], vec![]) > third);
    }

    #[test]
    fn a_login_is_a_terminals_or_a_concentrators() {
        let directory = Directory::default();
        let crossed = Terminal { login: "A".into(), ..terminal("B") };
        let upserts = vec![Terminal { login: "x".into(), ..terminal("A") }, crossed, terminal("C")];
        let concentrators = vec![concentrator("hub")];
        directory.apply(Update { to: 1, upserts, concentrators, ..Update::default() }).unwrap();
        let serial_of = |login: &str| match directory.by_login(login) {
            Lookup::Listed(Identity::Terminal(terminal)) => terminal.serial.to_string(),
            Lookup::Listed(Identity::Concentrator(_)) => "a concentrator".into(),
            Lookup::Unlisted | Lookup::NoDirectory => "nobody".into(),
        };
        let logins = ["x", "A", "B", "C", "hub", "y"];
        assert_eq!(logins.map(serial_of), ["A", "B", "nobody", "C", "a concentrator", "nobody"]);
        // They change logins, and then one leaves.
        let upserts =
            vec![Terminal { login: "A".into(), ..terminal("A") }, Terminal { login: "x".into(), ..terminal("B") }];
        directory.apply(Update { from: Some(1), to: 2, upserts, ..Update::default() }).unwrap();
        assert_eq!(logins.map(serial_of), ["B", "A", "nobody", "C", "a concentrator", "nobody"]);
        let removed_concentrators = vec!["hub".into(), "x".into()];
        directory
            .apply(Update {
                from: Some(2),
                to: 3,
                removed: vec!["A".into()],
                removed_concentrators,
                ..Update::default()
            })
            .unwrap();
        assert_eq!(logins.map(serial_of), ["B", "nobody", "nobody", "C", "nobody", "nobody"]);
    }

    #[test]
    fn a_concentrator_speaks_for_those_who_list_it() {
        let directory = Directory::default();
        let hub = concentrator("hub");
        let phone = Terminal { dialect: Dialect::OwnTracks, ..under("chen/phone", "hub") };
        let upserts = vec![under("A", "hub"), phone, under("B", "another"), terminal("C")];
        directory.apply(Update { to: 1, upserts, concentrators: vec![hub.clone()], ..Update::default() }).unwrap();
        let whose = |topic: &str| directory.spoken_for(&hub, topic).map(|terminal| terminal.serial.to_string());
        assert_eq!(whose("ydt/1/A/alert").as_deref(), Some("A"));
        assert_eq!(whose("owntracks/chen/phone").as_deref(), Some("chen/phone"));
        assert_eq!(whose("owntracks/chen/phone/event").as_deref(), Some("chen/phone"));
        for foreign in ["ydt/1/B/alert", "ydt/1/C/alert", "ydt/1/X/alert", "ydt/1", "owntracks/chen", "", "$SYS/A"] {
            assert_eq!(whose(foreign), None, "{foreign}");
        }
        let edition = directory.edition();
        directory.apply(Update { from: Some(1), to: 2, upserts: vec![terminal("A")], ..Update::default() }).unwrap();
        assert_eq!(whose("ydt/1/A/alert"), None);
        assert!(directory.edition() > edition);
    }

    #[test]
    fn what_was_written_before_there_were_concentrators_is_understood() {
        let json = serde_json::to_value(Update { upserts: vec![terminal("A")], ..Update::default() }).unwrap();
        let mut old = json.clone();
        old.as_object_mut().unwrap().retain(|field, _| !field.contains("concentrators") && field != "keys");
        for new in ["concentrator", "certificate"] {
            old["upserts"][0].as_object_mut().unwrap().remove(new);
        }
        assert_ne!(old, json);
        assert_eq!(serde_json::from_value::<Update>(old).unwrap().upserts, [terminal("A")]);
    }

    #[test]
    fn a_fingerprint_is_read_as_openssl_tells_it() {
        let told = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(told.parse(), Ok(Fingerprint::of(b"")));
        assert_eq!(told.replace(':', "").to_lowercase().parse(), Ok(Fingerprint::of(b"")));
        for none in ["", "E3:B0", &format!("{told}:00"), &told.replace('E', "G")] {
            assert_eq!(none.parse::<Fingerprint>(), Err(NoFingerprint), "{none}");
        }
    }

    #[test]
    fn a_terminal_is_small() {
        // Half a million of them are to fit into a hundred megabytes, their names and the table included.
        assert!(size_of::<Terminal>() <= 112, "{} bytes", size_of::<Terminal>());
    }
}
