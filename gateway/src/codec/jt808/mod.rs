//! To be filled.

use wire::command::Order;
use wire::notice::Notice;

use super::conversation::{CannotSay, Context, Speaker, Turn, Written};
use super::framing::Cut;
use super::told::Told;

pub(super) const FRAME_MAX: usize = 70_000;

pub(super) fn cut(bytes: &[u8]) -> Cut {
    Cut::junk(bytes.len(), "not yet")
}

#[derive(Debug, Default)]
pub(super) struct Session;

impl Speaker for Session {
    fn read<'f>(&mut self, _frame: &'f [u8], _context: &Context<'_>) -> Turn<'f> {
        Turn { identity: None, told: Told::unreadable("not yet"), replies: Vec::new() }
    }
    fn write(&mut self, _order: &Order, _profile: Option<&str>) -> Result<Written, CannotSay> {
        Err(CannotSay::NoWord)
    }
    fn tell(&mut self, _notice: &Notice) -> Option<Vec<u8>> {
        None
    }
}
