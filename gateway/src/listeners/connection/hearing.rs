//! What comes in on a connection: read, attributed, handed over.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::debug;
use wire::directory::{Dialect, Lookup};
use wire::report::{Event, Report};
use wire::topics::Lane;

use super::super::STRANGERS_ALARMS;
use super::super::limits::{Rate, network};
use super::super::owed::Origin;
use super::super::reports::{Frame, Source, is_empty};
use super::super::transactions::Came;
use super::{Connection, Ended, Who};
use crate::clock;
use crate::codec::conversation::{Context, Reply, Turn, When};
use crate::codec::framing::Piece;
use crate::codec::told::Told;
use crate::codec::{Decoded, printable, scaip};
use crate::handover::sleep_until;

/// Pieces of one connection that belong to no frame and are kept for whoever looks into it.
const JUNK_KEPT_MAX: u8 = 4;
/// Of each so many bytes.
const JUNK_BYTES_MAX: usize = 1024;

impl Connection {
    /// Takes what lies in the stream, as long as there is room for alerts.
    pub(super) async fn hear_all(&mut self) -> Result<(), Ended> {
        while self.has_room() {
            let found = match self.stream.next() {
                None => break,
                Some(Piece::Frame(frame)) => Ok(frame.to_vec()),
                Some(Piece::Junk { bytes, why }) => Err((bytes[..bytes.len().min(JUNK_BYTES_MAX)].to_vec(), why)),
            };
            match found {
                Ok(frame) => self.hear(frame).await?,
                Err((bytes, why)) => self.hear_junk(bytes, why)?,
            }
        }
        // What a datagram does not bring whole never comes.
        if self.socket.is_udp() && self.has_room() && self.stream.leave_rest() > 0 {
            self.intake.counters.junk.one();
        }
        Ok(())
    }

    /// Takes note of a request over SIP. One that came before is answered as it was, and not read.
    async fn has_come_before(&mut self, frame: &[u8]) -> Result<bool, Ended> {
        let Some(transactions) = &mut self.transactions else { return Ok(false) };
        match transactions.came(frame, Instant::now()) {
            Came::New => Ok(false),
            Came::Answer { is_first } => {
                if is_first {
                    self.intake.counters.requests_answered.one();
                }
                Ok(true)
            }
            Came::Again(answer) => {
                self.intake.counters.requests_repeated.one();
                if let Some(answer) = answer {
                    self.write(&answer).await?;
                }
                Ok(true)
            }
        }
    }

    fn hear_junk(&mut self, bytes: Vec<u8>, why: Cow<'static, str>) -> Result<(), Ended> {
        self.intake.counters.junk.one();
        // The stream leaves out one byte of what is too long, and all of what is none.
        let is_oversized = bytes.len() == 1 && self.stream.rest().len() >= self.frame_max;
        if matches!(self.who, Who::Listed { .. }) && self.junk_kept < JUNK_KEPT_MAX {
            self.junk_kept += 1;
            let event = Event::Unreadable { why: why.into_owned() };
            let decoded = Decoded { event: Some(event), ..Decoded::default() };
            let report = self.report((Lane::Telemetry, "junk"), bytes, clock::now(), decoded);
            self.intake.telemetry.push(report);
        }
        if is_oversized { Err(Ended::Oversized) } else { Ok(()) }
    }

    async fn hear(&mut self, frame: Vec<u8>) -> Result<(), Ended> {
        let received_at = clock::now();
        self.spoke = Instant::now();
        self.handle.heard(received_at);
        self.intake.counters.frames.one();
        if self.has_come_before(&frame).await? {
            return Ok(());
        }
        let (mut told, replies) = self.read(&frame, received_at)?;
        if let Some(answer) = &mut told.answer
            && let Some(notice) = self.asked.match_answer(answer)
        {
            self.intake.sessions.delivered(notice);
            told.answer = None;
        }
        let is_scaip = self.config.dialect == Dialect::Scaip;
        let may_be_press = is_scaip && scaip::may_be_press(&frame, &told);
        let (lane, word) = (if may_be_press { Lane::Alert } else { told.lane() }, told.word.clone());
        let origin = (lane == Lane::Alert).then(|| self.origin(&frame));
        let raw = if is_scaip { scaip::sip::content(&frame).to_vec() } else { frame };
        let decoded = Turn { identity: None, told, replies: Vec::new() }.into_decoded(received_at);
        let waits = |reply: &Reply| lane == Lane::Alert && reply.when == When::Durable;
        let (later, now): (Vec<Reply>, Vec<Reply>) = replies.into_iter().partition(waits);
        for reply in now {
            self.say(&reply.bytes).await?;
        }
        let is_listed = matches!(self.who, Who::Listed { .. });
        match origin {
            None if !is_listed && self.config.only_listed => self.intake.counters.strangers_telemetry.one(),
            None if is_empty(&decoded) => {}
            None => {
                let report = self.report((lane, &*word), raw, received_at, decoded);
                self.intake.telemetry.push(report);
            }
            // Its report has been handed over, and counts whatever becomes of the connection.
            Some(origin) if self.is_copy(&origin) => {
                self.intake.counters.alerts_repeated.one();
                debug!(serial = origin.says, dialect = self.config.dialect.as_str(), "an alarm was repeated meanwhile");
            }
            Some(origin) => {
                if !is_listed {
                    self.intake.counters.strangers_alerts.one();
                    self.slow_down().await?;
                }
                let report = self.report((lane, &*word), raw, received_at, decoded);
                self.hand_over((report, origin), later).await?;
            }
        }
        Ok(())
    }

    /// What a frame that is an alert is known again by.
    fn origin(&self, frame: &[u8]) -> Origin {
        let says = match &self.who {
            Who::Listed { says, .. } | Who::Stranger(says) => Some(says.clone()),
            Who::Nobody => None,
        };
        Origin { says, frame: frame.to_vec() }
    }

    /// Whether an alert is one that has been handed over and is answered, or just was, together with this copy of it.
    fn is_copy(&self, origin: &Origin) -> bool {
        // Where an answer says by a number which alarm it is for, one too many does no harm.
        let is_numbered = self.config.dialect != Dialect::Watch;
        self.owed.awaits(origin) || (!is_numbered && self.owed.crosses(origin, Instant::now()))
    }

    /// Reads a frame and learns who has sent it. What a model makes of it is known only then: it is read once more when
    /// that changes how.
    fn read(&mut self, frame: &[u8], received_at: Timestamp) -> Result<(Told, Vec<Reply>), Ended> {
        let profile = self.profile();
        let (identity, told, replies) = self.read_as(frame, profile.as_deref(), received_at);
        self.meet(identity)?;
        let real = self.profile();
        if real == profile {
            return Ok((told, replies));
        }
        let local = self.socket.local().unwrap_or(self.config.listen);
        if let Some(anew) = self.config.conversation(self.peer, local) {
            self.conversation = anew;
        }
        let (_, told, replies) = self.read_as(frame, real.as_deref(), received_at);
        Ok((told, replies))
    }

    fn read_as(
        &mut self,
        frame: &[u8],
        profile: Option<&str>,
        received_at: Timestamp,
    ) -> (Option<String>, Told, Vec<Reply>) {
        let context = Context { profile, received_at, strictness: self.config.strictness };
        let Turn { identity, told, replies } = self.conversation.read(frame, &context);
        (identity.map(Cow::into_owned), told, replies)
    }

    pub(super) fn profile(&self) -> Option<Arc<str>> {
        match &self.who {
            Who::Listed { terminal, .. } => terminal.profile.clone(),
            Who::Nobody | Who::Stranger(_) => None,
        }
    }

    /// Learns who has said something.
    fn meet(&mut self, identity: Option<String>) -> Result<(), Ended> {
        let Some(identity) = identity else { return Ok(()) };
        let terminal = match self.intake.directory.by_serial(&identity) {
            // Whether they are listed cannot be told: they are to come back.
            Lookup::NoDirectory => return Err(Ended::NoDirectory),
            Lookup::Listed(terminal) if terminal.dialect == self.config.dialect => terminal,
            Lookup::Listed(_) | Lookup::Unlisted => {
                if !self.config.only_listed {
                    self.counted.identified();
                }
                // It was listed a moment ago. Once it is a stranger it has no seat by which it would be found and ended:
                // what it says now is still heard, as a stranger's, and nothing after it.
                if matches!(&self.who, Who::Listed { says, .. } if *says == identity) {
                    self.handle.end.cancel();
                }
                self.who = Who::Stranger(identity);
                return Ok(());
            }
        };
        if let Who::Listed { says, terminal: known, .. } = &mut self.who
            && *says == identity
        {
            *known = terminal;
            return Ok(());
        }
        let who = (Arc::clone(&terminal.serial), terminal.dialect);
        let (seat, _) = self.intake.sessions.sit(who, Arc::clone(&self.handle), self.stop.clone());
        self.counted.identified();
        self.who = Who::Listed { says: identity, terminal, seat };
        Ok(())
    }

    fn report(&self, (lane, word): (Lane, &str), raw: Vec<u8>, received_at: Timestamp, decoded: Decoded) -> Report {
        let name;
        let source = match &self.who {
            Who::Listed { terminal, .. } => Source::Listed(terminal),
            Who::Stranger(says) => {
                name = self.name_of(Some(says));
                Source::Unlisted(&name)
            }
            Who::Nobody => {
                name = self.name_of(None);
                Source::Unlisted(&name)
            }
        };
        let (dialect, is_trusted) = (self.config.dialect, self.config.trusts_serials);
        Frame { dialect, source, is_trusted, lane, word, raw, received_at }.report(decoded)
    }

    /// What a stranger is called. Never as a terminal is, so that nobody's press is taken for that of a terminal of
    /// another dialect.
    fn name_of(&self, says: Option<&str>) -> String {
        let (dialect, now) = (self.config.dialect.as_str(), Instant::now());
        let strangers = &self.counted.shared.strangers;
        match says {
            Some(says) if strangers.lock().is_own_source(network(self.from()), says, now) => {
                format!("{dialect}:{}", printable(says, 32))
            }
            _ => format!("{dialect}@{}", self.from().to_canonical()),
        }
    }

    /// Whoever is not listed calls for help only so often: the next call is read later.
    async fn slow_down(&mut self) -> Result<(), Ended> {
        let Some(rate) = Rate::new(STRANGERS_ALARMS.0, STRANGERS_ALARMS.1) else { return Ok(()) };
        loop {
            let paces = &self.counted.shared.strangers_alarms;
            let Err(wait) = paces.lock().take(network(self.from()), rate, Instant::now()) else { return Ok(()) };
            let until = Instant::now() + wait;
            tokio::select! {
                () = self.stop.cancelled() => return Err(Ended::Stopping),
                Some(post) = self.posts.recv() => self.posted(post).await?,
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Hands an alert over, waiting for room in memory, and holds replies back until it is durable.
    async fn hand_over(&mut self, (report, origin): (Report, Origin), replies: Vec<Reply>) -> Result<(), Ended> {
        let id = report.id;
        self.intake.waiters.wait(id, self.handle.post.clone());
        self.owed.hold(id, origin, replies.into_iter().map(|reply| reply.bytes).collect(), Instant::now());
        let (alerts, door) = (Arc::clone(&self.intake.alerts), self.intake.door.clone());
        let mut taking = std::pin::pin!(async move { alerts.take(report, door).await });
        loop {
            let due = self.owed.overdue_at(self.config.receipt_within);
            tokio::select! {
                biased;
                () = &mut taking => return Ok(()),
                () = self.stop.cancelled() => return Err(Ended::Stopping),
                () = self.handle.end.cancelled() => return Err(Ended::Replaced),
                Some(post) = self.posts.recv() => self.posted(post).await?,
                () = sleep_until(due) => return Err(Ended::NoReceipt),
            }
        }
    }
}
