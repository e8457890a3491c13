//! Which terminal has which connection here: one each, the newest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::bus::Presence;
use wire::command::{Carried, Order};
use wire::directory::{Dialect, Directory, Lookup};
use wire::notice::{Delivered, Notice};
use wire::report::{Heard, Session};

use crate::clock;

/// How long a connection may take to say something to its terminal; below what the dispatcher waits for.
const SAID_WITHIN: Duration = Duration::from_secs(4);
/// Comings, goings and acknowledgements that wait to be told; beyond them they are forgotten: reports say it too.
const NEWS_MAX: usize = 100_000;

/// What a connection is told from outside.
#[derive(Debug)]
pub(super) enum Post {
    /// A report of its is durable.
    Durable(Uuid),
    /// News for the wearer.
    Tell(Notice, oneshot::Sender<Said>),
    /// What the terminal is to do.
    Order(Order, oneshot::Sender<Carried>),
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// It left on the terminal's connection.
    Sent,
    /// The terminal has no connection here.
    Away,
    /// Its dialect has no word for it.
    NoWord,
}

/// A connection, as others know it.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) post: mpsc::UnboundedSender<Post>,
    /// Ends it: another took its place, or it may not be there any more.
    pub(super) end: CancellationToken,
    /// Seconds since 1970.
    heard_at: AtomicI64,
}

impl Handle {
    pub(super) fn new(post: mpsc::UnboundedSender<Post>) -> Self {
        let heard_at = AtomicI64::new(clock::now().as_second());
        Self { post, end: CancellationToken::new(), heard_at }
    }

    /// The terminal has said something.
    pub(super) fn heard(&self, at: Timestamp) {
        self.heard_at.store(at.as_second(), Ordering::Relaxed);
    }

    fn heard_at(&self) -> Timestamp {
        Timestamp::from_second(self.heard_at.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

/// Everybody who has a connection here and is listed.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_serial: Mutex<HashMap<Arc<str>, (Dialect, Arc<Handle>)>>,
    news: Mutex<(Vec<Heard>, Vec<Delivered>)>,
}

/// A terminal's place among them; left when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    sessions: Arc<Sessions>,
    pub(super) serial: Arc<str>,
    handle: Arc<Handle>,
    /// Ends with the gateway itself: that makes a terminal unknown, not gone.
    stop: CancellationToken,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut by_serial = self.sessions.by_serial.lock();
        let is_its_own = by_serial.get(&self.serial).is_some_and(|(_, handle)| Arc::ptr_eq(handle, &self.handle));
        if is_its_own {
            by_serial.remove(&self.serial);
            drop(by_serial);
            if !self.stop.is_cancelled() {
                self.sessions.note(&self.serial, self.handle.heard_at(), Session::Closed);
            }
        }
    }
}

impl Sessions {
    /// Gives a terminal its place. Whoever had it is ended, and told in the answer's second half.
    pub(super) fn sit(
        self: &Arc<Self>,
        (serial, dialect): (Arc<str>, Dialect),
        handle: Arc<Handle>,
        stop: CancellationToken,
    ) -> (Seat, bool) {
        let before = self.by_serial.lock().insert(Arc::clone(&serial), (dialect, Arc::clone(&handle)));
        let before = before.filter(|(_, before)| !Arc::ptr_eq(before, &handle));
        if let Some((_, before)) = &before {
            before.end.cancel();
        }
        self.note(&serial, clock::now(), Session::Opened);
        (Seat { sessions: Arc::clone(self), serial, handle, stop }, before.is_some())
    }

    fn note(&self, serial: &str, at: Timestamp, session: Session) {
        let heard = &mut self.news.lock().0;
        if heard.len() < NEWS_MAX {
            heard.push(Heard { serial: serial.to_owned(), at, session });
        }
    }

    /// A terminal that holds no connection has been heard.
    pub(super) fn heard(&self, serial: &str) {
        self.note(serial, clock::now(), Session::Alive);
    }

    /// A terminal has answered a notice.
    pub(super) fn delivered(&self, notice: Uuid) {
        let delivered = &mut self.news.lock().1;
        if delivered.len() < NEWS_MAX {
            delivered.push(Delivered { notice, at: clock::now() });
        }
    }

    /// Who came and went and what was acknowledged since the last time; nothing when nothing.
    pub(super) fn news(&self, door: &str) -> Option<Presence> {
        let (heard, delivered) = std::mem::take(&mut *self.news.lock());
        let is_something = !heard.is_empty() || !delivered.is_empty();
        is_something.then(|| Presence { door: door.to_owned(), heard, delivered })
    }

    /// Notes everybody who has been heard since then.
    pub(super) fn note_alive(&self, since: Timestamp) {
        let mut alive = Vec::new();
        for (serial, (_, handle)) in &*self.by_serial.lock() {
            let at = handle.heard_at();
            if at >= since {
                alive.push(Heard { serial: serial.as_ref().to_owned(), at, session: Session::Alive });
            }
        }
        let heard = &mut self.news.lock().0;
        alive.truncate(NEWS_MAX.saturating_sub(heard.len()));
        heard.append(&mut alive);
    }

    /// Ends the connections of everybody whom the directory does not list as what they are any more.
    pub(super) fn end_unlisted(&self, directory: &Directory) {
        for (serial, (dialect, handle)) in &*self.by_serial.lock() {
            let is_listed = match directory.by_serial(serial) {
                Lookup::Listed(terminal) => terminal.dialect == *dialect,
                Lookup::Unlisted => false,
                Lookup::NoDirectory => true,
            };
            if !is_listed {
                handle.end.cancel();
            }
        }
    }

    fn handle(&self, serial: &str) -> Option<Arc<Handle>> {
        self.by_serial.lock().get(serial).map(|(_, handle)| Arc::clone(handle))
    }

    /// Has a terminal told news.
    pub(crate) async fn tell(&self, notice: Notice) -> Said {
        let Some(handle) = self.handle(&notice.serial) else { return Said::Away };
        let (answer, said) = oneshot::channel();
        let _ = handle.post.send(Post::Tell(notice, answer));
        match tokio::time::timeout(SAID_WITHIN, said).await {
            Ok(Ok(said)) => said,
            // It has just ended, or its terminal does not read.
            Ok(Err(_)) | Err(_) => Said::Away,
        }
    }

    /// Has a terminal told to do something.
    pub(crate) async fn order(&self, order: Order) -> Carried {
        let Some(handle) = self.handle(&order.serial) else { return Carried::Away };
        let (answer, carried) = oneshot::channel();
        let _ = handle.post.send(Post::Order(order, answer));
        match tokio::time::timeout(SAID_WITHIN, carried).await {
            Ok(Ok(carried)) => carried,
            Ok(Err(_)) | Err(_) => Carried::Away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Arc<Handle> {
        Arc::new(Handle::new(mpsc::unbounded_channel().0))
    }

    fn told(sessions: &Sessions) -> Vec<Session> {
        sessions.news("g").map_or_else(Vec::new, |news| news.heard.iter().map(|heard| heard.session).collect())
    }

    #[test]
    fn the_newest_wins_and_who_was_replaced_is_not_told_as_gone() {
        let (sessions, stop) = (Arc::new(Sessions::default()), CancellationToken::new());
        let (first, second) = (handle(), handle());
        let who = || (Arc::from("8800000015"), Dialect::Watch);
        let (old, replaced) = sessions.sit(who(), Arc::clone(&first), stop.clone());
        assert!(!replaced);
        let (new, replaced) = sessions.sit(who(), Arc::clone(&second), stop.clone());
        assert!(replaced && first.end.is_cancelled() && !second.end.is_cancelled());
        drop(old);
        assert_eq!(told(&sessions), [Session::Opened, Session::Opened]);
        assert!(sessions.handle("8800000015").is_some());
        drop(new);
        assert_eq!(told(&sessions), [Session::Closed]);
        assert!(sessions.handle("8800000015").is_none());
    }

    #[test]
    fn a_gateway_that_stops_says_of_nobody_that_they_have_gone() {
        let (sessions, stop) = (Arc::new(Sessions::default()), CancellationToken::new());
        let (seat, _) = sessions.sit((Arc::from("1"), Dialect::Gt06), handle(), stop.clone());
        stop.cancel();
        drop(seat);
        assert_eq!(told(&sessions), [Session::Opened]);
    }

    #[test]
    fn whoever_is_not_listed_as_what_they_are_is_ended() {
        let (sessions, directory) = (Arc::new(Sessions::default()), Directory::default());
        let held = handle();
        let _seat = sessions.sit((Arc::from("1"), Dialect::Gt06), Arc::clone(&held), CancellationToken::new());
        sessions.end_unlisted(&directory);
        assert!(!held.end.is_cancelled(), "without a directory nobody is unlisted");
        directory.apply(wire::directory::Update { to: 1, ..Default::default() }).unwrap();
        sessions.end_unlisted(&directory);
        assert!(held.end.is_cancelled());
    }
}
