//! The table of sessions: who is connected, and what is remembered of those who are not.
//!
//! A session is known by who speaks in it, a terminal or a concentrator, and its client id. A login belongs to one
//! serial; when the directory gives it to another, the sessions that it opened are closed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use wire::directory::{Dialect, Directory, Identity, Lookup};
use wire::topics::{self, ydt};

use crate::limits::Telemetry;
use crate::mailbox::Mailbox;
use crate::packet::{Known, Qos, Start};
use crate::session::downlinks::Downlinks;

/// How many absent sessions of one terminal or concentrator are remembered.
const KEPT_EACH_MAX: usize = 4;

/// What a session remembers from one connection to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Filters and the QoS granted.
    pub(crate) subscriptions: Vec<(String, Qos)>,
    /// Packet ids of QoS 2 publishes that were acknowledged with PUBREC and not yet released.
    pub(crate) received: Vec<u16>,
    /// What was sent down with QoS 1 and not acknowledged.
    pub(crate) downlinks: Downlinks,
}

impl Memory {
    /// `false` when there is no room for another filter beside `max` of them.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: Qos, max: usize) -> bool {
        let room = self.subscriptions.len() < max;
        match self.subscriptions.iter_mut().find(|(held, _)| *held == filter) {
            Some(held) => held.1 = qos,
            None if room => self.subscriptions.push((filter.to_owned(), qos)),
            None => return false,
        }
        true
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) -> Known {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|(held, _)| held != filter);
        if self.subscriptions.len() < before { Known::Yes } else { Known::No }
    }

    /// The best QoS that `topic` is subscribed with.
    pub(crate) fn qos_of(&self, topic: &str) -> Option<Qos> {
        let matching = self.subscriptions.iter().filter(|(filter, _)| topics::matches(filter, topic));
        matching.map(|(_, qos)| *qos).max()
    }

    /// The topics that whoever keeps a session gets without asking, so that a server that has forgotten it says
    /// nothing less to it than before. `mapped` are those of mapped terminals.
    fn subscribe_implicitly(&mut self, identity: &Identity, mapped: Vec<String>) {
        for filter in mapped {
            if !self.subscriptions.iter().any(|(held, _)| *held == filter) {
                self.subscriptions.push((filter, Qos::AtLeastOnce));
            }
        }
        let mut subscribe = |dialect, serial: &str| {
            let leaves: &[&str] = match dialect {
                Dialect::Ydt => &[ydt::NOTICE, ydt::RECEIPT, ydt::COMMAND],
                Dialect::OwnTracks => &["cmd"],
                _ => &[],
            };
            for leaf in leaves {
                let topic = topics::topic(dialect, serial, leaf);
                if !self.subscriptions.iter().any(|(held, _)| *held == topic) {
                    self.subscriptions.push((topic, Qos::AtLeastOnce));
                }
            }
        };
        match identity {
            Identity::Terminal(terminal) => subscribe(terminal.dialect, &terminal.serial),
            Identity::Concentrator(_) => {
                subscribe(Dialect::Ydt, "+");
                subscribe(Dialect::OwnTracks, "+/+");
            }
        }
    }
}

/// One connected session, as everybody but its own task sees it.
#[derive(Debug)]
pub(crate) struct Handle {
    client_id: String,
    pub(crate) mailbox: Mailbox,
    pub(crate) memory: Arc<Mutex<Memory>>,
    /// Shared with the other sessions of its terminal or concentrator.
    pub(crate) telemetry: Arc<Telemetry>,
    identity: Mutex<Identity>,
    /// Microseconds since 1970 UTC.
    heard_at: AtomicI64,
    /// Heard since somebody last asked.
    heard: AtomicBool,
}

impl Handle {
    /// Who speaks, as the directory has it now.
    pub(crate) fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// The serial of a terminal that speaks for itself.
    pub(crate) fn serial(&self) -> Option<Arc<str>> {
        match &*self.identity.lock() {
            Identity::Terminal(terminal) => Some(Arc::clone(&terminal.serial)),
            Identity::Concentrator(_) => None,
        }
    }

    pub(crate) fn hear(&self, at: Timestamp) {
        self.heard_at.store(at.as_microsecond(), Ordering::Relaxed);
        self.heard.store(true, Ordering::Relaxed);
    }

    /// When it was last heard.
    pub(crate) fn heard_at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.heard_at.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// When it was last heard, if that was after this was last asked.
    pub(crate) fn heard_since(&self) -> Option<Timestamp> {
        self.heard.swap(false, Ordering::Relaxed).then(|| self.heard_at())
    }

    /// Takes over what the directory says now. `false` when this session may not go on: its terminal or concentrator
    /// has gone, or its login, secret, certificate or dialect is another.
    pub(crate) fn follow(&self, directory: &Directory) -> bool {
        let mut held = self.identity.lock();
        let now = match &*held {
            Identity::Terminal(terminal) => match directory.by_serial(&terminal.serial) {
                Lookup::NoDirectory => return true,
                Lookup::Unlisted => None,
                Lookup::Listed(now) => {
                    let is_as_it_was = (&now.login, now.secret_sha256, now.dialect, &now.certificate)
                        == (&terminal.login, terminal.secret_sha256, terminal.dialect, &terminal.certificate);
                    is_as_it_was.then_some(Identity::Terminal(now))
                }
            },
            Identity::Concentrator(concentrator) => match directory.by_login(&concentrator.login) {
                Lookup::NoDirectory => return true,
                Lookup::Listed(now) if now == *held => Some(now),
                Lookup::Unlisted | Lookup::Listed(_) => None,
            },
        };
        let goes_on = now.is_some();
        *held = now.unwrap_or_else(|| held.clone());
        goes_on
    }
}

/// What a session asks for when it opens.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) identity: Identity,
    pub(crate) client_id: String,
    pub(crate) start: Start,
    /// Whether it is to be remembered at its end; then it also gets its implicit topics.
    pub(crate) keeps: Keeps,
}

/// Whether a session is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Yes,
    No,
}

/// What an opened session gets.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) handle: Arc<Handle>,
    pub(crate) present: Known,
    /// The session that it takes over.
    pub(crate) replaced: Option<Arc<Handle>>,
    /// Sessions of the same terminal or concentrator that are too many now.
    pub(crate) pushed_out: Vec<Arc<Handle>>,
}

#[derive(Debug)]
struct Kept {
    client_id: String,
    memory: Arc<Mutex<Memory>>,
    until: Instant,
}

/// The sessions of one terminal or concentrator.
#[derive(Debug)]
struct Seats {
    /// Oldest first.
    live: Vec<Arc<Handle>>,
    kept: Vec<Kept>,
    /// Stays until it is at rest: who comes back at once comes back to it.
    telemetry: Arc<Telemetry>,
}

impl Seats {
    fn of(identity: &Identity) -> Self {
        Self { live: Vec::new(), kept: Vec::new(), telemetry: Arc::new(Telemetry::of(identity)) }
    }

    /// Whether nothing is lost when they are forgotten.
    fn are_needless(&self, now: Instant) -> bool {
        self.live.is_empty() && self.kept.is_empty() && self.telemetry.is_at_rest(now)
    }
}

/// A serial may be somebody else's login: the two kinds have a table each.
type Table = Mutex<HashMap<Arc<str>, Seats>>;

/// All sessions of this door. Bounded by the directory: only who is listed gets in.
#[derive(Debug)]
pub(crate) struct Sessions {
    each_max: usize,
    /// By serial.
    terminals: Table,
    /// By login.
    concentrators: Table,
}

impl Sessions {
    /// `each_max`: how many a terminal or concentrator has at once.
    pub(crate) fn new(each_max: usize) -> Self {
        Self { each_max: each_max.max(1), terminals: Table::default(), concentrators: Table::default() }
    }

    /// Where the sessions of `identity` are, and under which name.
    fn table(&self, identity: &Identity) -> (&Table, Arc<str>) {
        match identity {
            Identity::Terminal(terminal) => (&self.terminals, Arc::clone(&terminal.serial)),
            Identity::Concentrator(concentrator) => (&self.concentrators, Arc::clone(&concentrator.login)),
        }
    }

    /// Opens one. `mapped` are the filters that it gets without asking besides those of our own dialects.
    pub(crate) fn open(&self, wanted: Wanted, mapped: Vec<String>, at: Timestamp, now: Instant) -> Opened {
        let Wanted { identity, client_id, start, keeps } = wanted;
        let (table, name) = self.table(&identity);
        let mut table = table.lock();
        let seats = table.entry(name).or_insert_with(|| Seats::of(&identity));

        let replaced = seats.live.iter().position(|live| live.client_id == client_id);
        let replaced = replaced.map(|place| seats.live.remove(place));
        let kept = seats.kept.iter().position(|kept| kept.client_id == client_id);
        let kept = kept.map(|place| seats.kept.remove(place)).filter(|kept| now < kept.until);

        let remembered = match (&replaced, kept) {
            _ if start == Start::Clean => None,
            (Some(replaced), _) => Some(Arc::clone(&replaced.memory)),
            (None, kept) => kept.map(|kept| kept.memory),
        };
        let present = if remembered.is_some() { Known::Yes } else { Known::No };
        let memory = remembered.unwrap_or_default();
        if keeps == Keeps::Yes || start == Start::Resume {
            memory.lock().subscribe_implicitly(&identity, mapped);
        }
        let handle = Arc::new(Handle {
            client_id,
            mailbox: Mailbox::default(),
            memory,
            telemetry: Arc::clone(&seats.telemetry),
            identity: Mutex::new(identity),
            heard_at: AtomicI64::new(at.as_microsecond()),
            heard: AtomicBool::new(true),
        });
        seats.live.push(Arc::clone(&handle));
        let too_many = seats.live.len().saturating_sub(self.each_max);
        let pushed_out = seats.live.drain(..too_many).collect();
        Opened { handle, present, replaced, pushed_out }
    }

    /// Takes a session out, and remembers it for `keep`. Whether that was the last of its terminal or concentrator.
    pub(crate) fn close(&self, handle: &Arc<Handle>, keep: Duration, now: Instant) -> Last {
        let (table, name) = self.table(&handle.identity());
        let mut table = table.lock();
        let Entry::Occupied(mut entry) = table.entry(name) else { return Last::No };
        let seats = entry.get_mut();
        let place = seats.live.iter().position(|live| Arc::ptr_eq(live, handle));
        if let Some(place) = place {
            seats.live.remove(place);
        }
        // Whoever took a session over, or pushed it out, decides what is remembered.
        if !keep.is_zero() && place.is_some() {
            seats.kept.retain(|kept| kept.client_id != handle.client_id && now < kept.until);
            if seats.kept.len() >= KEPT_EACH_MAX {
                seats.kept.remove(0);
            }
            let memory = Arc::clone(&handle.memory);
            seats.kept.push(Kept { client_id: handle.client_id.clone(), memory, until: now + keep });
        }
        let last = seats.live.is_empty();
        if seats.are_needless(now) {
            entry.remove();
        }
        if last { Last::Yes } else { Last::No }
    }

    /// The sessions in which a message for the terminal `serial` may be wanted: its own, and those of its
    /// `concentrator`.
    pub(crate) fn of(&self, serial: &str, concentrator: Option<&str>) -> Vec<Arc<Handle>> {
        let live = |table: &Table, name| table.lock().get(name).map(|seats| seats.live.clone()).unwrap_or_default();
        let mut sessions = live(&self.terminals, serial);
        if let Some(concentrator) = concentrator {
            sessions.extend(live(&self.concentrators, concentrator));
        }
        sessions
    }

    /// All sessions.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        let live = |table: &Table| -> Vec<_> { table.lock().values().flat_map(|seats| seats.live.clone()).collect() };
        let mut sessions = live(&self.terminals);
        sessions.extend(live(&self.concentrators));
        sessions
    }

    /// Forgets absent sessions whose time is over or whose terminal or concentrator the directory does not list, and who
    /// sent too much once it is over.
    pub(crate) fn forget(&self, directory: &Directory, now: Instant) {
        let forget = |table: &Table, is_listed: &dyn Fn(&str) -> bool| {
            table.lock().retain(|name, seats| {
                if !is_listed(name) {
                    seats.kept.clear();
                }
                seats.kept.retain(|kept| now < kept.until);
                !seats.are_needless(now)
            });
        };
        forget(&self.terminals, &|serial| matches!(directory.by_serial(serial), Lookup::Listed(_)));
        forget(&self.concentrators, &|login| {
            matches!(directory.by_login(login), Lookup::Listed(Identity::Concentrator(_)))
        });
    }
}

/// Whether a terminal or concentrator has no session left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;
    use wire::directory::{Concentrator, Terminal, Update, hash_secret};

    const HOUR: Duration = Duration::from_hours(1);

    fn terminal(serial: &str) -> Terminal {
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

    fn hub() -> Identity {
        Identity::Concentrator(Arc::new(Concentrator {
            login: "P1".into(),
            secret_sha256: hash_secret(b"s"),
            certificate: None,
        }))
    }

    fn open(sessions: &Sessions, client_id: &str, start: Start) -> Opened {
        open_as(sessions, Identity::Terminal(Arc::new(terminal("P1"))), client_id, start)
    }

    fn open_as(sessions: &Sessions, identity: Identity, client_id: &str, start: Start) -> Opened {
        let keeps = if start == Start::Resume { Keeps::Yes } else { Keeps::No };
        let wanted = Wanted { identity, client_id: client_id.into(), start, keeps };
        sessions.open(wanted, Vec::new(), Timestamp::UNIX_EPOCH, Instant::now())
    }

    #[test]
    fn the_newest_of_the_same_pair_wins_and_takes_what_the_old_one_knew() {
        let sessions = Sessions::new(4);
        let old = open(&sessions, "a", Start::Resume);
        old.handle.memory.lock().subscribe("ydt/1/P1/x", Qos::AtMostOnce, 16);
        let new = open(&sessions, "a", Start::Resume);
        assert!(Arc::ptr_eq(&new.replaced.unwrap(), &old.handle));
        assert_eq!(new.present, Known::Yes);
        assert_eq!(new.handle.memory.lock().qos_of("ydt/1/P1/x"), Some(Qos::AtMostOnce));
        // The old task ends later and must not take the new session with it.
        assert_eq!(sessions.close(&old.handle, HOUR, Instant::now()), Last::No);
        assert_eq!(sessions.of("P1", None).len(), 1);
        assert_eq!(sessions.close(&new.handle, Duration::ZERO, Instant::now()), Last::Yes);
        assert_eq!(open(&sessions, "a", Start::Resume).present, Known::No);
    }

    #[test]
    fn a_clean_start_forgets() {
        let sessions = Sessions::new(4);
        let old = open(&sessions, "a", Start::Resume);
        sessions.close(&old.handle, HOUR, Instant::now());
        let clean = open(&sessions, "a", Start::Clean);
        assert_eq!(clean.present, Known::No);
        assert_eq!(clean.handle.memory.lock().qos_of("ydt/1/P1/notice"), None);
        sessions.close(&clean.handle, Duration::ZERO, Instant::now());
        assert_eq!(open(&sessions, "a", Start::Resume).present, Known::No);
    }

    #[test]
    fn a_kept_session_is_there_until_its_time_is_over() {
        let sessions = Sessions::new(4);
        for keep in [HOUR, Duration::from_nanos(1)] {
            let opened = open(&sessions, "a", Start::Resume);
            sessions.close(&opened.handle, keep, Instant::now());
        }
        assert_eq!(open(&sessions, "a", Start::Resume).present, Known::No);
    }

    #[test]
    fn who_keeps_a_session_hears_without_having_subscribed() {
        let sessions = Sessions::new(4);
        let memory = Arc::clone(&open(&sessions, "a", Start::Resume).handle.memory);
        assert_eq!(memory.lock().qos_of("ydt/1/P1/notice"), Some(Qos::AtLeastOnce));
        assert_eq!(memory.lock().qos_of("ydt/1/P1/receipt"), Some(Qos::AtLeastOnce));
        assert_eq!(memory.lock().qos_of("ydt/1/P2/notice"), None);
    }

    #[test]
    fn the_oldest_session_of_a_terminal_goes_when_there_are_too_many() {
        let sessions = Sessions::new(2);
        let first = open(&sessions, "a", Start::Clean);
        assert!(open(&sessions, "b", Start::Clean).pushed_out.is_empty());
        let third = open(&sessions, "c", Start::Clean);
        assert_eq!(third.pushed_out.len(), 1);
        assert!(Arc::ptr_eq(&third.pushed_out[0], &first.handle));
        assert_eq!(sessions.close(&first.handle, HOUR, Instant::now()), Last::No);
        assert_eq!(sessions.all().len(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_ends_with_the_listing() {
        let sessions = Sessions::new(4);
        for client_id in 0..20 {
            let opened = open(&sessions, &client_id.to_string(), Start::Resume);
            sessions.close(&opened.handle, HOUR, Instant::now());
        }
        assert_eq!(sessions.terminals.lock()["P1"].kept.len(), KEPT_EACH_MAX);
        let directory = Directory::default();
        directory.apply(Update { to: 1, upserts: vec![terminal("P2")], ..Update::default() }).unwrap();
        sessions.forget(&directory, Instant::now());
        assert!(sessions.terminals.lock().is_empty());
    }

    #[test]
    fn the_sessions_of_one_terminal_have_one_rate_and_whoever_comes_back_has_it_still() {
        let (sessions, directory, mut now) = (Sessions::new(4), Directory::default(), Instant::now());
        let (rate, serial) = (Rate::new(1, 2).unwrap(), Arc::from("P1"));
        let take = |opened: &Opened, now| opened.handle.telemetry.take(&serial, rate, now).is_ok();
        let (first, second) = (open(&sessions, "a", Start::Clean), open(&sessions, "b", Start::Clean));
        assert!(take(&first, now) && take(&second, now) && !take(&first, now) && !take(&second, now));
        for opened in [first, second] {
            sessions.close(&opened.handle, Duration::ZERO, now);
        }
        sessions.forget(&directory, now);
        assert!(!take(&open(&sessions, "c", Start::Clean), now));
        now += Duration::from_secs(1);
        assert!(take(&open(&sessions, "d", Start::Clean), now));
        for handle in sessions.all() {
            sessions.close(&handle, Duration::ZERO, now);
        }
        sessions.forget(&directory, now);
        assert_eq!(sessions.terminals.lock().len(), 1);
        sessions.forget(&directory, now + Duration::from_secs(2));
        assert!(sessions.terminals.lock().is_empty());
    }

    #[test]
    fn a_concentrators_sessions_are_its_own_though_a_terminal_has_its_name() {
        let sessions = Sessions::new(1);
        let pager = open(&sessions, "a", Start::Resume);
        let hub = open_as(&sessions, hub(), "a", Start::Resume);
        assert!(hub.replaced.is_none() && hub.pushed_out.is_empty() && hub.present == Known::No);
        let names = |serial, concentrator| -> Vec<_> {
            sessions.of(serial, concentrator).iter().map(|session| session.serial()).collect()
        };
        assert_eq!(names("P1", None), [Some("P1".into())]);
        assert_eq!(names("P1", Some("P1")), [Some("P1".into()), None]);
        assert_eq!(names("P2", Some("P1")), [None]);
        assert_eq!(sessions.close(&pager.handle, Duration::ZERO, Instant::now()), Last::Yes);
        assert_eq!(names("P1", Some("P1")), [None]);
        assert_eq!(sessions.all().len(), 1);
    }

    #[test]
    fn a_concentrator_that_keeps_its_session_hears_for_all_its_terminals() {
        let memory = open_as(&Sessions::new(1), hub(), "a", Start::Resume).handle.memory.clone();
        for topic in ["ydt/1/P7/notice", "ydt/1/P8/receipt", "owntracks/chen/phone/cmd"] {
            assert_eq!(memory.lock().qos_of(topic), Some(Qos::AtLeastOnce), "{topic}");
        }
        assert_eq!(memory.lock().qos_of("ydt/1/P7/alert"), None);
    }

    #[test]
    fn a_concentrators_session_ends_with_its_listing_or_its_secret() {
        let directory = Directory::default();
        let handle = open_as(&Sessions::new(1), hub(), "a", Start::Clean).handle;
        assert!(handle.follow(&directory), "no directory is no reason to end");
        let list = |to, concentrators: Vec<Concentrator>| {
            directory.apply(Update { to, concentrators, ..Update::default() }).unwrap();
        };
        list(1, vec![Concentrator { login: "P1".into(), secret_sha256: hash_secret(b"s"), certificate: None }]);
        assert!(handle.follow(&directory));
        list(2, vec![Concentrator { login: "P1".into(), secret_sha256: hash_secret(b"another"), certificate: None }]);
        assert!(!handle.follow(&directory));
        list(3, vec![]);
        assert!(!handle.follow(&directory));
    }

    #[test]
    fn a_session_follows_the_directory_or_ends() {
        let directory = Directory::default();
        let mut listed = terminal("P1");
        let list = |terminal: &Terminal, to| {
            directory.apply(Update { to, upserts: vec![terminal.clone()], ..Update::default() }).unwrap();
        };
        let handle = open(&Sessions::new(4), "a", Start::Clean).handle;
        assert!(handle.follow(&directory), "no directory is no reason to end");
        listed.manual_publish_means_help = true;
        list(&listed, 1);
        assert!(handle.follow(&directory));
        assert!(matches!(handle.identity(), Identity::Terminal(now) if now.manual_publish_means_help));
        listed.secret_sha256 = hash_secret(b"another");
        list(&listed, 2);
        assert!(!handle.follow(&directory));
        directory.apply(Update { to: 3, ..Update::default() }).unwrap();
        assert!(!handle.follow(&directory));
    }
}
