//! The latest violations: who said what they may not say, for those who administer.
//!
//! Bounded, and the same said again and again takes one place: somebody whose firmware is wrong hides nobody else.

use std::collections::VecDeque;

use jiff::Timestamp;
use parking_lot::Mutex;
use wire::door::{Breach, TOLD_MAX, VIOLATIONS_MAX, Violation};

use crate::clock;

/// The latest, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<VecDeque<Violation>>);

impl Violations {
    /// Notes one. `code` is what was answered.
    pub(crate) fn note(&self, login: &str, what: Breach, topic: Option<&str>, code: Option<u8>) {
        self.note_at(clock::now(), login, what, topic, code);
    }

    fn note_at(&self, at: Timestamp, login: &str, what: Breach, topic: Option<&str>, code: Option<u8>) {
        let cut = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(TOLD_MAX).collect::<String>();
        let (login, topic) = (cut(login), topic.map(cut));
        let mut latest = self.0.lock();
        let same = |held: &Violation| (&held.login, held.what, &held.topic, held.code) == (&login, what, &topic, code);
        let again = latest.iter().position(same).and_then(|place| latest.remove(place));
        let (id, times) = again.map_or((clock::new_id(), 0), |held| (held.id, held.times));
        if latest.len() >= VIOLATIONS_MAX {
            latest.pop_front();
        }
        latest.push_back(Violation { id, at, times: times.saturating_add(1), login, what, topic, code });
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Violation> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_takes_one_place_and_the_oldest_goes() {
        let violations = Violations::default();
        violations.note("P0", Breach::Publish, Some("ydt/1/P9/alert"), Some(0x87));
        for n in 1..VIOLATIONS_MAX {
            violations.note(&format!("P{n}"), Breach::Malformed, None, None);
        }
        violations.note("P0", Breach::Publish, Some("ydt/1/P9/alert"), Some(0x87));
        let all = violations.all();
        assert_eq!((all.len(), all[VIOLATIONS_MAX - 1].times), (VIOLATIONS_MAX, 2));
        violations.note("new", Breach::Quota, None, Some(0x97));
        let all = violations.all();
        assert_eq!((all.len(), all[0].login.as_str()), (VIOLATIONS_MAX, "P2"));
    }

    #[test]
    fn what_is_told_is_short_and_plain() {
        let violations = Violations::default();
        violations.note("P1", Breach::Publish, Some(&format!("a\u{0}b{}", "长".repeat(1_000))), None);
        let topic = violations.all()[0].topic.clone().unwrap();
        assert!(topic.starts_with("ab长") && topic.chars().count() == TOLD_MAX, "{topic}");
    }
}
