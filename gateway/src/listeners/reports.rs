//! From a frame on a connection to a report.

use jiff::Timestamp;
use wire::directory::{Dialect, Terminal};
use wire::report::{Doubt, Event, Report};
use wire::topics::{self, Lane};

use crate::clock;
use crate::codec::{Decoded, printable};

/// Letters of a message's name in its topic.
const WORD_MAX: usize = 32;

/// Who says something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'s> {
    /// A terminal of this dialect that the directory lists.
    Listed(&'s Terminal),
    /// Somebody else, by what an operator may call them.
    Unlisted(&'s str),
}

/// One frame, on its way to the dispatcher.
pub(super) struct Frame<'f> {
    pub(super) dialect: Dialect,
    pub(super) source: Source<'f>,
    /// Whether the name that a terminal calls itself counts as proof.
    pub(super) is_trusted: bool,
    pub(super) lane: Lane,
    /// The dialect's name for it.
    pub(super) word: &'f str,
    pub(super) raw: Vec<u8>,
    pub(super) received_at: Timestamp,
}

impl Frame<'_> {
    /// The report that it is.
    pub(super) fn report(self, mut decoded: Decoded) -> Report {
        let (serial, drill) = match self.source {
            Source::Listed(terminal) => (terminal.serial.as_ref(), terminal.drill),
            Source::Unlisted(name) => (name, false),
        };
        let is_listed = matches!(self.source, Source::Listed(_));
        if !is_listed {
            decoded.doubts.push(Doubt::UnknownTerminal);
        }
        let word = printable(self.word, WORD_MAX);
        Report {
            version: wire::report::VERSION,
            id: clock::new_id(),
            serial: serial.to_owned(),
            dialect: self.dialect,
            // These dialects let a terminal say who it is, and prove nothing: a listed one rings as its wearer's press, but
            // 120 is called by a person, unless nobody but our terminals can reach the listener.
            authenticated: is_listed && self.is_trusted,
            drill: decoded.drill || drill,
            lane: self.lane,
            topic: topics::topic(self.dialect, serial, &word),
            received_at: self.received_at,
            // No transport says so here; the dispatcher knows the same bytes again.
            repeated: false,
            raw: self.raw,
            stamp: decoded.stamp,
            event: decoded.event,
            also: decoded.also,
            fixes: decoded.fixes,
            status: decoded.status,
            surroundings: decoded.surroundings,
            vitals: decoded.vitals,
            doubts: decoded.doubts,
        }
    }
}

/// Whether nobody but the connection itself wants to know of it: a login, a bare sign of life.
pub(super) fn is_empty(decoded: &Decoded) -> bool {
    let Decoded { event, also, fixes, status, surroundings, vitals, .. } = decoded;
    matches!(event, None | Some(Event::Other { .. }))
        && also.iter().all(|event| matches!(event, Event::Other { .. }))
        && fixes.is_empty()
        && status.is_none()
        && surroundings.is_empty()
        && vitals.is_empty()
}
