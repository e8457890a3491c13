//! Numbers that stand for topics, for as long as a connection lasts (MQTT 5). Pure.

use crate::packet::{Publish, Violation};

/// How many topics may have a number: a terminal publishes to four.
pub(super) const MAX: u16 = 8;
/// The longest topic that may have one: what is held for a terminal is bounded.
const TOPIC_MAX_BYTES: usize = 512;

/// Which number stands for which topic; without an allocation for whoever uses none.
#[derive(Debug, Default)]
pub(super) struct Aliases(Vec<(u16, Box<str>)>);

impl Aliases {
    /// Puts the topic in where a number stands for it, and keeps the number of one that has both.
    pub(super) fn resolve(&mut self, publish: &mut Publish) -> Result<(), Violation> {
        let Some(alias) = publish.alias else { return Ok(()) };
        if !(1..=MAX).contains(&alias) || publish.topic.len() > TOPIC_MAX_BYTES {
            return Err(Violation::Alias);
        }
        let held = self.0.iter_mut().find(|(held, _)| *held == alias);
        match (held, publish.topic.is_empty()) {
            (Some((_, topic)), true) => publish.topic = topic.to_string(),
            (None, true) => return Err(Violation::Unexpected),
            (Some((_, topic)), false) => *topic = publish.topic.as_str().into(),
            (None, false) => self.0.push((alias, publish.topic.as_str().into())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Dup, Qos};

    fn resolved(aliases: &mut Aliases, topic: &str, alias: Option<u16>) -> Result<String, Violation> {
        let (topic, payload) = (topic.to_owned(), bytes::Bytes::new());
        let mut publish = Publish { topic, payload, qos: Qos::AtMostOnce, dup: Dup::First, pid: 0, alias };
        aliases.resolve(&mut publish).map(|()| publish.topic)
    }

    #[test]
    fn a_number_stands_for_the_topic_that_it_came_with_last() {
        let mut aliases = Aliases::default();
        assert!(matches!(resolved(&mut aliases, "", Some(1)), Err(Violation::Unexpected)));
        assert_eq!(resolved(&mut aliases, "a", Some(1)).unwrap(), "a");
        assert_eq!(resolved(&mut aliases, "b", Some(8)).unwrap(), "b");
        assert_eq!(resolved(&mut aliases, "c", None).unwrap(), "c");
        assert_eq!(resolved(&mut aliases, "", Some(1)).unwrap(), "a");
        assert_eq!(resolved(&mut aliases, "d", Some(1)).unwrap(), "d");
        assert_eq!(resolved(&mut aliases, "", Some(1)).unwrap(), "d");
        assert_eq!(resolved(&mut aliases, "", Some(8)).unwrap(), "b");
    }

    #[test]
    fn numbers_that_were_not_granted_and_endless_topics_are_refused() {
        let mut aliases = Aliases::default();
        for (topic, alias) in [("a", 0), ("a", 9), (&*"x".repeat(513), 1)] {
            assert!(matches!(resolved(&mut aliases, topic, Some(alias)), Err(Violation::Alias)), "{alias}");
        }
    }
}
