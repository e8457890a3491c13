//! How the rest of a door speaks to one session: a queue with a bell, empty and without an
//! allocation for nearly all of a session's life.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::bus::Downlink;

use crate::session::acks::Slot;

/// Why a session is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// A newer session of the same terminal and client id is there.
    TakenOver,
    /// The terminal has opened too many.
    PushedOut,
    /// The directory no longer lists the terminal as it was.
    Revoked,
    /// The door closes.
    ShutDown,
}

/// One thing that a session is told.
#[derive(Debug)]
pub(crate) enum Post {
    /// The alert in this slot is durable.
    Durable(Slot),
    /// The alert in this slot had no receipt in time.
    Overdue(Slot),
    /// A message for the terminal.
    Downlink(Arc<Downlink>),
    /// End.
    End(Order),
}

/// There was no room for another downlink.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What a session has been told and has not looked at yet. Settled alerts are bounded by the alerts
/// that a session may have under way, downlinks by their own limit.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    posts: Mutex<VecDeque<Post>>,
    bell: Notify,
}

impl Mailbox {
    pub(crate) fn post(&self, post: Post) {
        self.posts.lock().push_back(post);
        self.bell.notify_one();
    }

    pub(crate) fn post_downlink(&self, downlink: Arc<Downlink>, max: usize) -> Result<(), Full> {
        let mut posts = self.posts.lock();
        if posts.len() >= max {
            return Err(Full);
        }
        posts.push_back(Post::Downlink(downlink));
        drop(posts);
        self.bell.notify_one();
        Ok(())
    }

    /// Everything posted so far.
    pub(crate) fn take(&self) -> VecDeque<Post> {
        std::mem::take(&mut *self.posts.lock())
    }

    /// Waits until something has been posted. May wake for nothing.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
