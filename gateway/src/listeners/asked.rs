//! What a terminal was told over its connection and may answer: which notice or order an answer belongs to.

use std::collections::VecDeque;

use uuid::Uuid;
use wire::command::Answer;
use wire::directory::Dialect;

/// So much may be on its way to one terminal; what is older is not waited for.
const ASKED_MAX: usize = 32;

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Notice(Uuid),
    Order(u16),
}

/// What is on its way to one terminal, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Asked {
    waiting: VecDeque<(String, What)>,
    /// The notices that left on this connection: TCP brings them, or the connection breaks.
    told: VecDeque<Uuid>,
}

/// The word under which terminals of a dialect answer a notice, which travels as their dialect's text message; `None`
/// where they do not.
fn word_of_notices(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::Watch => Some("MESSAGE"),
        Dialect::Jt808 => Some("8300"),
        _ => None,
    }
}

impl Asked {
    /// Whether this notice has left before. It is told once on a connection: these terminals know no notice again, and
    /// would show it anew each time.
    pub(super) fn was_told(&self, notice: Uuid) -> bool {
        self.told.contains(&notice)
    }

    /// A notice has left.
    pub(super) fn notice(&mut self, notice: Uuid, dialect: Dialect) {
        if self.told.len() == ASKED_MAX {
            self.told.pop_front();
        }
        self.told.push_back(notice);
        if let Some(word) = word_of_notices(dialect) {
            self.ask(word.to_owned(), What::Notice(notice));
        }
    }

    /// An order has left that is answered with `word`.
    pub(super) fn order(&mut self, number: u16, word: String) {
        self.ask(word, What::Order(number));
    }

    fn ask(&mut self, word: String, what: What) {
        if self.waiting.len() == ASKED_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((word, what));
    }

    /// Gives an answer the number of the order that it belongs to; or, when it is about a notice, the notice, and then
    /// it is no answer to any order.
    pub(super) fn match_answer(&mut self, answer: &mut Answer) -> Option<Uuid> {
        let same_word = |word: &str| word.eq_ignore_ascii_case(&answer.word);
        let is_it = |(word, what): &(String, What)| match (what, answer.number) {
            (What::Order(number), Some(answered)) => *number == answered && same_word(word),
            _ => same_word(word),
        };
        // An order that is named by its number goes before whatever else has the same word.
        let by_number = self.waiting.iter().position(|asked| matches!(asked.1, What::Order(_)) && is_it(asked));
        let at = by_number.filter(|_| answer.number.is_some()).or_else(|| self.waiting.iter().position(is_it))?;
        match self.waiting.remove(at)?.1 {
            What::Notice(notice) => Some(notice),
            What::Order(number) => {
                answer.number = Some(number);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: Option<u16>, word: &str) -> Answer {
        Answer { number, word: word.into(), done: Some(true), text: String::new() }
    }

    #[test]
    fn an_answer_belongs_to_the_oldest_of_its_word() {
        let (mut asked, notice) = (Asked::default(), Uuid::from_u128(7));
        asked.order(3, "CR".into());
        asked.notice(notice, Dialect::Watch);
        asked.order(4, "MESSAGE".into());
        let mut located = answer(None, "cr");
        assert_eq!((asked.match_answer(&mut located), located.number), (None, Some(3)));
        assert_eq!(asked.match_answer(&mut answer(None, "MESSAGE")), Some(notice));
        let mut shown = answer(None, "MESSAGE");
        assert_eq!((asked.match_answer(&mut shown), shown.number), (None, Some(4)));
        let mut unasked = answer(None, "MESSAGE");
        assert_eq!((asked.match_answer(&mut unasked), unasked.number), (None, None));
        assert!(asked.was_told(notice) && !asked.was_told(Uuid::nil()));
    }

    #[test]
    fn an_order_that_is_named_by_its_number_goes_first() {
        let (mut asked, notice) = (Asked::default(), Uuid::from_u128(7));
        asked.notice(notice, Dialect::Jt808);
        asked.order(9, "8300".into());
        assert_eq!(asked.match_answer(&mut answer(Some(9), "8300")), None);
        assert_eq!(asked.match_answer(&mut answer(Some(0), "8300")), Some(notice));
    }

    #[test]
    fn only_so_much_is_waited_for() {
        let mut asked = Asked::default();
        for number in 0..=40 {
            asked.order(number, "CR".into());
        }
        let mut oldest = answer(None, "CR");
        asked.match_answer(&mut oldest);
        assert_eq!(oldest.number, Some(9));
    }
}
