//! Messages in several parts.

use super::frame::Message;

/// Pictures have some hundred parts, and nobody here looks at them: what is of interest is short.
const PARTS_MAX: u16 = 64;
/// A body has at most 1023 bytes.
const PART_MAX: usize = 1024;

/// The parts of one message that have come so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    id: u16,
    bodies: Vec<Option<Vec<u8>>>,
}

/// What has become of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It is a whole message.
    Whole(Message),
    /// More are missing.
    Waiting,
    /// Nobody waits for the rest.
    TooMany(Message),
}

impl Parts {
    /// Adds a part. A part of another message drops what was there.
    pub(super) fn join(&mut self, mut message: Message) -> Joined {
        let Some((total, index)) = message.part else { return Joined::Whole(message) };
        if total <= 1 {
            return Joined::Whole(message);
        }
        if total > PARTS_MAX || index == 0 || index > total || message.body.len() > PART_MAX {
            return Joined::TooMany(message);
        }
        if self.id != message.id || self.bodies.len() != usize::from(total) || index == 1 {
            self.id = message.id;
            self.bodies = vec![None; total.into()];
        }
        if let Some(place) = self.bodies.get_mut(usize::from(index) - 1) {
            *place = Some(std::mem::take(&mut message.body));
        }
        if self.bodies.iter().any(Option::is_none) {
            return Joined::Waiting;
        }
        message.body = std::mem::take(&mut self.bodies).into_iter().flatten().flatten().collect();
        Joined::Whole(message)
    }
}
