//! The table of sessions: who is connected, and what is remembered of those who are not.
//!
//! A session is known by its terminal's serial and its client id. A login belongs to one serial; when
//! the directory gives it to another, the sessions that it opened are closed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use wire::directory::{Directory, Lookup, Terminal};
use wire::topics::{self, ydt};

use crate::mailbox::Mailbox;
use crate::packet::{Known, Qos, Start};

/// How many absent sessions of one terminal are remembered.
const KEPT_PER_TERMINAL_MAX: usize = 4;
/// How many filters one session may hold: there are not more topics than this below one terminal.
const FILTERS_MAX: usize = 16;

/// What a session remembers from one connection to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Filters and the QoS granted.
    pub(crate) subscriptions: Vec<(String, Qos)>,
    /// Packet ids of QoS 2 publishes that were acknowledged with PUBREC and not yet released.
    pub(crate) received: Vec<u16>,
}

impl Memory {
    /// `false` when there is no room for another filter.
    pub(crate) fn subscribe(&mut self, filter: String, qos: Qos) -> bool {
        let room = self.subscriptions.len() < FILTERS_MAX;
        match self.subscriptions.iter_mut().find(|(held, _)| *held == filter) {
            Some(held) => held.1 = qos,
            None if room => self.subscriptions.push((filter, qos)),
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

    /// The topics that a terminal which keeps its session gets without asking, so that a server that
    /// has forgotten it says nothing less to it than before.
    fn subscribe_implicitly(&mut self, terminal: &Terminal) {
        let leaves: &[&str] = match terminal.dialect {
            wire::directory::Dialect::Ydt => &[ydt::NOTICE, ydt::RECEIPT],
            wire::directory::Dialect::OwnTracks => &["cmd"],
        };
        for leaf in leaves {
            let topic = topics::topic(terminal.dialect, &terminal.serial, leaf);
            if !self.subscriptions.iter().any(|(held, _)| *held == topic) {
                self.subscriptions.push((topic, Qos::AtLeastOnce));
            }
        }
    }
}

/// One connected session, as everybody but its own task sees it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) serial: Arc<str>,
    client_id: String,
    pub(crate) mailbox: Mailbox,
    pub(crate) memory: Arc<Mutex<Memory>>,
    terminal: Mutex<Arc<Terminal>>,
    /// Microseconds since 1970 UTC.
    heard_at: AtomicI64,
    /// Heard since somebody last asked.
    heard: AtomicBool,
}

impl Handle {
    /// The terminal as the directory has it now.
    pub(crate) fn terminal(&self) -> Arc<Terminal> {
        Arc::clone(&self.terminal.lock())
    }

    pub(crate) fn hear(&self, at: Timestamp) {
        self.heard_at.store(at.as_microsecond(), Ordering::Relaxed);
        self.heard.store(true, Ordering::Relaxed);
    }

    /// When it was last heard, if that was after this was last asked.
    pub(crate) fn heard_since(&self) -> Option<Timestamp> {
        let heard = self.heard.swap(false, Ordering::Relaxed);
        heard.then(|| Timestamp::from_microsecond(self.heard_at.load(Ordering::Relaxed)).unwrap_or_default())
    }

    /// Takes over what the directory says now. `false` when this session may not go on: its terminal
    /// has gone, or its login, secret or dialect is another.
    pub(crate) fn follow(&self, directory: &Directory) -> bool {
        let mut held = self.terminal.lock();
        match directory.by_serial(&self.serial) {
            Lookup::NoDirectory => true,
            Lookup::Listed(now)
                if (&now.login, now.secret_sha256, now.dialect) == (&held.login, held.secret_sha256, held.dialect) =>
            {
                *held = now;
                true
            }
            Lookup::Unlisted | Lookup::Listed(_) => false,
        }
    }
}

/// What a session asks for when it opens.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) terminal: Arc<Terminal>,
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
    /// Sessions of the terminal that are too many now.
    pub(crate) pushed_out: Vec<Arc<Handle>>,
}

#[derive(Debug)]
struct Kept {
    client_id: String,
    memory: Arc<Mutex<Memory>>,
    until: Instant,
}

#[derive(Debug, Default)]
struct Identity {
    /// Oldest first.
    live: Vec<Arc<Handle>>,
    kept: Vec<Kept>,
}

/// All sessions of this door. Bounded by the directory: only listed terminals get in.
#[derive(Debug)]
pub(crate) struct Sessions {
    per_terminal_max: usize,
    by_serial: Mutex<HashMap<Arc<str>, Identity>>,
}

impl Sessions {
    pub(crate) fn new(per_terminal_max: usize) -> Self {
        Self { per_terminal_max: per_terminal_max.max(1), by_serial: Mutex::default() }
    }

    pub(crate) fn open(&self, wanted: Wanted, at: Timestamp, now: Instant) -> Opened {
        let Wanted { terminal, client_id, start, keeps } = wanted;
        let mut by_serial = self.by_serial.lock();
        let serial = match by_serial.get_key_value(terminal.serial.as_str()) {
            Some((serial, _)) => Arc::clone(serial),
            None => terminal.serial.as_str().into(),
        };
        let identity = by_serial.entry(Arc::clone(&serial)).or_default();

        let replaced = identity.live.iter().position(|live| live.client_id == client_id);
        let replaced = replaced.map(|place| identity.live.remove(place));
        let kept = identity.kept.iter().position(|kept| kept.client_id == client_id);
        let kept = kept.map(|place| identity.kept.remove(place)).filter(|kept| now < kept.until);

        let remembered = match (&replaced, kept) {
            _ if start == Start::Clean => None,
            (Some(replaced), _) => Some(Arc::clone(&replaced.memory)),
            (None, kept) => kept.map(|kept| kept.memory),
        };
        let present = if remembered.is_some() { Known::Yes } else { Known::No };
        let memory = remembered.unwrap_or_default();
        if keeps == Keeps::Yes || start == Start::Resume {
            memory.lock().subscribe_implicitly(&terminal);
        }
        let handle = Arc::new(Handle {
            serial,
            client_id,
            mailbox: Mailbox::default(),
            memory,
            terminal: Mutex::new(terminal),
            heard_at: AtomicI64::new(at.as_microsecond()),
            heard: AtomicBool::new(true),
        });
        identity.live.push(Arc::clone(&handle));
        let too_many = identity.live.len().saturating_sub(self.per_terminal_max);
        let pushed_out = identity.live.drain(..too_many).collect();
        Opened { handle, present, replaced, pushed_out }
    }

    /// Takes a session out, and remembers it for `keep`. Whether that was the terminal's last.
    pub(crate) fn close(&self, handle: &Arc<Handle>, keep: Duration, now: Instant) -> Last {
        let mut by_serial = self.by_serial.lock();
        let Entry::Occupied(mut entry) = by_serial.entry(Arc::clone(&handle.serial)) else { return Last::No };
        let identity = entry.get_mut();
        let place = identity.live.iter().position(|live| Arc::ptr_eq(live, handle));
        if let Some(place) = place {
            identity.live.remove(place);
        }
        // Whoever took a session over, or pushed it out, decides what is remembered.
        if !keep.is_zero() && place.is_some() {
            identity.kept.retain(|kept| kept.client_id != handle.client_id && now < kept.until);
            if identity.kept.len() >= KEPT_PER_TERMINAL_MAX {
                identity.kept.remove(0);
            }
            let memory = Arc::clone(&handle.memory);
            identity.kept.push(Kept { client_id: handle.client_id.clone(), memory, until: now + keep });
        }
        let last = identity.live.is_empty();
        if last && identity.kept.is_empty() {
            entry.remove();
        }
        if last { Last::Yes } else { Last::No }
    }

    /// The sessions of one terminal.
    pub(crate) fn of(&self, serial: &str) -> Vec<Arc<Handle>> {
        self.by_serial.lock().get(serial).map(|identity| identity.live.clone()).unwrap_or_default()
    }

    /// All sessions.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.by_serial.lock().values().flat_map(|identity| identity.live.iter().cloned()).collect()
    }

    /// Forgets absent sessions whose time is over or whose terminal the directory does not list.
    pub(crate) fn forget(&self, directory: &Directory, now: Instant) {
        self.by_serial.lock().retain(|serial, identity| {
            if !matches!(directory.by_serial(serial), Lookup::Listed(_)) {
                identity.kept.clear();
            }
            identity.kept.retain(|kept| now < kept.until);
            !identity.live.is_empty() || !identity.kept.is_empty()
        });
    }
}

/// Whether a terminal has no session left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::directory::{Dialect, Update, hash_secret};

    const HOUR: Duration = Duration::from_hours(1);

    fn terminal(serial: &str) -> Terminal {
        Terminal {
            serial: serial.into(),
            login: serial.into(),
            secret_sha256: hash_secret(b"s"),
            dialect: Dialect::Ydt,
            manual_publish_means_help: false,
            drill: false,
        }
    }

    fn open(sessions: &Sessions, client_id: &str, start: Start) -> Opened {
        let keeps = if start == Start::Resume { Keeps::Yes } else { Keeps::No };
        let wanted = Wanted { terminal: Arc::new(terminal("P1")), client_id: client_id.into(), start, keeps };
        sessions.open(wanted, Timestamp::UNIX_EPOCH, Instant::now())
    }

    #[test]
    fn the_newest_of_the_same_pair_wins_and_takes_what_the_old_one_knew() {
        let sessions = Sessions::new(4);
        let old = open(&sessions, "a", Start::Resume);
        old.handle.memory.lock().subscribe("ydt/1/P1/x".into(), Qos::AtMostOnce);
        let new = open(&sessions, "a", Start::Resume);
        assert!(Arc::ptr_eq(&new.replaced.unwrap(), &old.handle));
        assert_eq!(new.present, Known::Yes);
        assert_eq!(new.handle.memory.lock().qos_of("ydt/1/P1/x"), Some(Qos::AtMostOnce));
        // The old task ends later and must not take the new session with it.
        assert_eq!(sessions.close(&old.handle, HOUR, Instant::now()), Last::No);
        assert_eq!(sessions.of("P1").len(), 1);
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
        assert_eq!(sessions.by_serial.lock()["P1"].kept.len(), KEPT_PER_TERMINAL_MAX);
        let directory = Directory::default();
        directory.apply(Update { from: None, to: 1, upserts: vec![terminal("P2")], removed: vec![] }).unwrap();
        sessions.forget(&directory, Instant::now());
        assert!(sessions.by_serial.lock().is_empty());
    }

    #[test]
    fn a_session_follows_the_directory_or_ends() {
        let directory = Directory::default();
        let mut listed = terminal("P1");
        let list = |terminal: &Terminal, to| {
            directory.apply(Update { from: None, to, upserts: vec![terminal.clone()], removed: vec![] }).unwrap();
        };
        let handle = open(&Sessions::new(4), "a", Start::Clean).handle;
        assert!(handle.follow(&directory), "no directory is no reason to end");
        listed.manual_publish_means_help = true;
        list(&listed, 1);
        assert!(handle.follow(&directory));
        assert!(handle.terminal().manual_publish_means_help);
        listed.secret_sha256 = hash_secret(b"another");
        list(&listed, 2);
        assert!(!handle.follow(&directory));
        directory.apply(Update { from: None, to: 3, upserts: vec![], removed: vec![] }).unwrap();
        assert!(!handle.follow(&directory));
    }
}
