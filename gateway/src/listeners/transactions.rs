//! The transactions of one unit over SIP (RFC 3261, 17): a request that comes again is not a new one and hears what the
//! first has heard, and what we ask over UDP is said again until it is answered.
//!
//! A unit that gives two messages the marks of one transaction is heard twice: only the same bytes are the same request.
//!
//! Pure: `now` comes in, bytes go out.

use std::collections::VecDeque;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::codec::scaip::sip::{Message, Start};

/// How many of a unit's requests are remembered, and how many of ours wait for an answer.
const REMEMBERED_MAX: usize = 32;
/// When something is said for the second time; then after twice as long each time.
const T1: Duration = Duration::from_millis(500);
/// The longest time between two.
const T2: Duration = Duration::from_secs(4);
/// For how long a request is remembered, and how long an answer to ours is waited for.
const OVER_AFTER: Duration = Duration::from_secs(32);

/// A request of the unit's.
#[derive(Debug)]
struct Theirs {
    key: String,
    /// Of its bytes.
    digest: [u8; 32],
    since: Instant,
    /// Nothing while it waits to be durable.
    answer: Option<Vec<u8>>,
}

/// A request of ours.
#[derive(Debug)]
struct Ours {
    key: String,
    bytes: Vec<u8>,
    again_at: Instant,
    wait: Duration,
    over_at: Instant,
}

/// Which message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// A request that nobody has read yet, or bytes that are none.
    New,
    /// A request that came before, with what it was answered, if it was.
    Again(Option<Vec<u8>>),
    /// An answer to a request of ours, the first final one, or another.
    Answer { is_first: bool },
}

/// Those of one unit.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    theirs: VecDeque<Theirs>,
    ours: VecDeque<Ours>,
}

impl Transactions {
    /// Takes note of what the unit says.
    pub(super) fn came(&mut self, frame: &[u8], now: Instant) -> Came {
        let Ok(message) = Message::read(frame.trim_ascii_start()) else { return Came::New };
        let key = message.transaction();
        match message.start {
            Start::Response { code } => {
                let waiting = self.ours.len();
                if code >= 200 {
                    self.ours.retain(|ours| ours.key != key);
                }
                Came::Answer { is_first: self.ours.len() < waiting }
            }
            Start::Request { method: "ACK", .. } => Came::New,
            Start::Request { .. } => {
                self.theirs.retain(|theirs| now < theirs.since + OVER_AFTER);
                let digest: [u8; 32] = Sha256::digest(frame).into();
                if let Some(theirs) = self.theirs.iter().find(|theirs| theirs.key == key && theirs.digest == digest) {
                    return Came::Again(theirs.answer.clone());
                }
                if self.theirs.len() == REMEMBERED_MAX {
                    self.theirs.pop_front();
                }
                self.theirs.push_back(Theirs { key, digest, since: now, answer: None });
                Came::New
            }
        }
    }

    /// Takes note of what is said to the unit. A request is said again when `is_repeated`.
    pub(super) fn said(&mut self, bytes: &[u8], now: Instant, is_repeated: bool) {
        let Ok(message) = Message::read(bytes) else { return };
        let key = message.transaction();
        match message.start {
            Start::Response { .. } => {
                let mut waiting = self.theirs.iter_mut().filter(|theirs| theirs.answer.is_none());
                if let Some(theirs) = waiting.find(|theirs| theirs.key == key) {
                    theirs.answer = Some(bytes.to_vec());
                }
            }
            Start::Request { .. } => {
                if self.ours.len() == REMEMBERED_MAX {
                    self.ours.pop_front();
                }
                let over_at = now + OVER_AFTER;
                let again_at = if is_repeated { now + T1 } else { over_at };
                self.ours.push_back(Ours { key, bytes: bytes.to_vec(), again_at, wait: T1, over_at });
            }
        }
    }

    /// When something has to be said again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ours.iter().map(|ours| ours.again_at).min()
    }

    /// What has to be said again now. What was said for long enough is forgotten.
    pub(super) fn again(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.ours.retain(|ours| now < ours.over_at);
        let mut again = Vec::new();
        for ours in self.ours.iter_mut().filter(|ours| ours.again_at <= now) {
            ours.wait = (ours.wait * 2).min(T2);
            ours.again_at = now + ours.wait;
            again.push(ours.bytes.clone());
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(branch: &str, start: &str, cseq: &str) -> Vec<u8> {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 10.0.0.5;branch={branch};rport\r\nFrom: <sip:26000017@10.0.0.5>;tag=7\r\n\
             To: <sip:alarm@10.0.0.1>\r\nCall-ID: c1\r\nCSeq: {cseq} MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    const ASKS: &str = "MESSAGE sip:alarm@10.0.0.1 SIP/2.0";
    const OK: &str = "SIP/2.0 200 OK";

    #[test]
    fn a_request_that_comes_again_hears_what_the_first_has_heard() {
        let (mut transactions, now) = (Transactions::default(), Instant::now());
        let asked = message("z9hG4bK1", ASKS, "1");
        assert_eq!(transactions.came(&asked, now), Came::New);
        assert_eq!(transactions.came(&asked, now), Came::Again(None), "it waits to be durable");
        let answer = message("z9hG4bK1", OK, "1");
        transactions.said(&answer, now, true);
        assert_eq!(transactions.came(&asked, now), Came::Again(Some(answer)));
        assert_eq!(transactions.came(&message("z9hG4bK2", ASKS, "2"), now), Came::New);
        let other = [&asked[..], b"<mrq>another press</mrq>"].concat();
        assert_eq!(transactions.came(&other, now), Came::New, "the marks are the same, and it is another");
        assert_eq!(transactions.came(&asked, now + OVER_AFTER), Came::New, "nobody repeats for so long");
        assert_eq!(transactions.due(), None, "an answer is not repeated by itself");
    }

    #[test]
    fn what_we_ask_is_said_again_until_it_is_answered_or_over() {
        let (mut transactions, now) = (Transactions::default(), Instant::now());
        let asked = message("z9hG4bK9", ASKS, "1");
        transactions.said(&asked, now, true);
        assert_eq!(transactions.again(now), [[0; 0]; 0]);
        let mut times = 0;
        while let Some(due) = transactions.due() {
            times += transactions.again(due).len();
        }
        // After 0.5, 1.5, 3.5, 7.5 s and then each 4 s, for 32 s.
        assert_eq!(times, 10);
        transactions.said(&asked, now, true);
        let answered = |is_first| Came::Answer { is_first };
        assert_eq!(transactions.came(&message("z9hG4bK9", "SIP/2.0 100 Trying", "1"), now), answered(false));
        assert_eq!(transactions.came(&message("z9hG4bK9", OK, "1"), now), answered(true));
        assert_eq!(transactions.came(&message("z9hG4bK9", OK, "1"), now), answered(false));
        assert_eq!(transactions.due(), None);
        transactions.said(&asked, now, false);
        assert_eq!(transactions.due(), Some(now + OVER_AFTER), "a stream loses nothing");
        assert_eq!((transactions.again(now + OVER_AFTER), transactions.due()), (vec![], None));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (mut transactions, now) = (Transactions::default(), Instant::now());
        for number in 0..100 {
            let asked = message(&format!("z9hG4bK{number}"), ASKS, "1");
            transactions.came(&asked, now);
            transactions.said(&asked, now, true);
        }
        assert_eq!((transactions.theirs.len(), transactions.ours.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
