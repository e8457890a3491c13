//! Has terminals told what to do: takes commands that are due, hands each to the gateway, records what it said of it.
//! What the terminal makes of it comes back with the reports.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use wire::command::{Carried, Order, VERSION};

use crate::desk::Desk;
use crate::outbox::{Terminals, half_done};
use crate::store::StoreError;
use crate::store::commands::{self, Came, Due, Looked, Still};
use crate::together::{Book, Writing, writing};

/// How often it is looked for commands when nobody says that there are some.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many are on their way at once.
const LEASED_MAX: usize = 64;
/// A terminal that is not there, or a gateway that does not answer, is tried again this soon; then ever more slowly.
const RETRY_AFTER_S: [i64; 5] = [1, 5, 15, 30, 60];
/// What was sent and not answered is sent again this soon, and then no more: a terminal that shows each copy of a text
/// would show it for ever.
const REPEAT_AFTER_S: [i64; 4] = [5, 15, 30, 60];
/// The same while many cases wait to be decided: then an answer may well be here, and wait to be read.
const REPEAT_BEHIND_S: [i64; 4] = [60; 4];

/// Sends until told to stop.
pub(crate) async fn run(desk: Desk, terminals: Arc<dyn Terminals>, stop: CancellationToken) {
    let desk = desk.for_sending();
    let (record, recorder) = writing(LEASED_MAX);
    tokio::join!(send_all(&desk, terminals, record, stop), recorder.write_into(Record(desk.clone())));
}

/// Where it is recorded what came of commands.
struct Record(Desk);

impl Book for Record {
    type Line = Looked;

    async fn write(&self, looked: &[Looked]) -> Result<(), StoreError> {
        let Self(desk) = self;
        commands::record(&mut *desk.conn().await?, looked).await?;
        desk.live.nudge();
        Ok(())
    }
}

async fn send_all(desk: &Desk, terminals: Arc<dyn Terminals>, record: Writing<Looked>, stop: CancellationToken) {
    let mut sending = JoinSet::new();
    loop {
        let unsent = desk.unsent.notified();
        tokio::pin!(unsent);
        unsent.as_mut().enable();
        while sending.try_join_next().is_some() {}
        let room = LEASED_MAX.saturating_sub(sending.len());
        let due = if room > 0 { lease(desk, room).await } else { Vec::new() };
        let is_more = due.len() == room;
        for due in due {
            let (record, terminals) = (record.clone(), Arc::clone(&terminals));
            let repeats = if desk.planner.is_behind() { &REPEAT_BEHIND_S } else { &REPEAT_AFTER_S };
            sending.spawn(async move { deliver(&record, &*terminals, due, repeats).await });
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = unsent => {}
            // As soon as there is room for many of those that wait.
            () = half_done(&mut sending, LEASED_MAX), if is_more => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    sending.join_all().await;
}

async fn lease(desk: &Desk, room: usize) -> Vec<Due> {
    let leased = async { commands::lease(&mut *desk.conn().await?, room).await };
    leased.await.unwrap_or_else(|cause: StoreError| {
        warn!(%cause, "which commands are due cannot be read");
        Vec::new()
    })
}

async fn deliver(record: &Writing<Looked>, terminals: &dyn Terminals, due: Due, repeats: &[i64]) {
    let came = match due.still {
        Still::Expired => Came::Expired,
        Still::Cancelled => Came::Cancelled,
        Still::Wanted => send(terminals, &due, repeats).await,
    };
    debug!(command.id = %due.id, terminal.serial = due.serial, came = word(&came), "a command was looked at");
    if let Err(cause) = record.write(Looked { seq: due.seq, came }).await {
        // The lease runs out and it is tried again.
        warn!(command.id = %due.id, %cause, "what came of a command could not be recorded");
    }
}

async fn send(terminals: &dyn Terminals, due: &Due, repeats: &[i64]) -> Came {
    let Some(command) = due.command.clone() else {
        return Came::Refused("it was asked for by another version, and cannot be read here".into());
    };
    let (serial, number, not_after) = (due.serial.clone(), due.number, due.not_after);
    let order = Order { version: VERSION, id: due.id, serial, command, number, not_after };
    match terminals.order(order).await {
        Ok(carried) => came_of(carried, due.tries, due.sends, repeats),
        Err(cause) => {
            warn!(command.id = %due.id, %cause, "a command was not taken by a gateway");
            Came::RetryIn(step(&RETRY_AFTER_S, due.tries))
        }
    }
}

/// What a gateway's word means for a command that was tried, and left, so often before; so soon it is sent again.
fn came_of(carried: Carried, tries: i32, sends: i32, repeats: &[i64]) -> Came {
    let repeat = usize::try_from(sends).ok().and_then(|sends| repeats.get(sends));
    let repeat = repeat.map(|&seconds| SignedDuration::from_secs(seconds));
    match carried {
        Carried::Sent { is_answered: true } | Carried::Posted { is_answered: true } => {
            repeat.map_or(Came::SentForGood, Came::Sent)
        }
        Carried::Sent { is_answered: false } => Came::Left,
        Carried::Posted { is_answered: false } => Came::Posted(step(repeats, sends)),
        Carried::Away => Came::RetryIn(step(&RETRY_AFTER_S, tries)),
        Carried::NoWord => Came::Refused("this terminal's dialect has no word for it".into()),
        Carried::Unfit { why } => Came::Refused(why),
    }
}

fn step(waits_s: &[i64], tries: i32) -> SignedDuration {
    let tries = usize::try_from(tries).unwrap_or(0);
    SignedDuration::from_secs(waits_s[tries.min(waits_s.len() - 1)])
}

/// For the log: nothing of what was asked or answered.
const fn word(came: &Came) -> &'static str {
    match came {
        Came::Sent(_) | Came::SentForGood | Came::Posted(_) | Came::Left => "sent",
        Came::RetryIn(_) => "retried",
        Came::Refused(_) => "refused",
        Came::Expired => "expired",
        Came::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_sent_again_a_few_times_and_then_only_waited_for() {
        let repeats = &REPEAT_AFTER_S;
        let sent = |sends| came_of(Carried::Sent { is_answered: true }, 99, sends, repeats);
        assert_eq!(sent(0), Came::Sent(SignedDuration::from_secs(5)));
        assert_eq!(sent(3), Came::Sent(SignedDuration::from_secs(60)));
        assert_eq!(sent(4), Came::SentForGood);
        let behind = |sends| came_of(Carried::Sent { is_answered: true }, 99, sends, &REPEAT_BEHIND_S);
        assert_eq!([behind(0), behind(4)], [Came::Sent(SignedDuration::from_secs(60)), Came::SentForGood]);
        assert_eq!(came_of(Carried::Sent { is_answered: false }, 0, 0, repeats), Came::Left);
        assert_eq!(came_of(Carried::Away, 99, 0, repeats), Came::RetryIn(SignedDuration::from_secs(60)));
        assert!(matches!(came_of(Carried::NoWord, 0, 0, repeats), Came::Refused(_)));
    }
}
