//! Frames out of a stream of bytes that may begin, end and break anywhere.
//!
//! A dialect tells by a pure function what the bytes at hand begin with ([`Cut`]); what it says of a beginning must hold
//! however the bytes go on, so that it makes no difference where a network cut them. [`Stream`] keeps what is not
//! complete yet, never more than its limit.

use std::borrow::Cow;
use std::ops::Range;

/// What some bytes begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Nothing complete: wait for more.
    More,
    /// A frame.
    Frame {
        /// Where it lies; what is before it is of no interest (fillings between frames).
        range: Range<usize>,
        /// How many bytes are done with: a mark between two frames may belong to both.
        taken: usize,
    },
    /// Something that is no frame of this dialect.
    Junk {
        /// How many bytes to leave out, at least one.
        len: usize,
        /// What is wrong with them, in a few words.
        why: Cow<'static, str>,
    },
}

impl Cut {
    /// The first `len` bytes are a frame.
    pub(crate) const fn frame(len: usize) -> Self {
        Self::Frame { range: 0..len, taken: len }
    }

    /// The first `len` bytes are none.
    pub(crate) const fn junk(len: usize, why: &'static str) -> Self {
        Self::Junk { len: if len == 0 { 1 } else { len }, why: Cow::Borrowed(why) }
    }
}

/// What a dialect's bytes begin with.
pub type Cutter = fn(&[u8]) -> Cut;

/// One piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'s> {
    /// A frame.
    Frame(&'s [u8]),
    /// Bytes that belong to none.
    Junk {
        /// The bytes.
        bytes: &'s [u8],
        /// What is wrong with them.
        why: Cow<'static, str>,
    },
}

/// The bytes of one connection that have not become frames yet.
#[derive(Debug)]
pub struct Stream {
    cut: Cutter,
    limit: usize,
    bytes: Vec<u8>,
    taken: usize,
}

impl Stream {
    /// Frames as `cut` finds them; of something longer than `limit` bytes that is not complete the first byte is junk,
    /// which makes the dialect look for the next beginning.
    pub fn new(cut: Cutter, limit: usize) -> Self {
        Self { cut, limit, bytes: Vec::new(), taken: 0 }
    }

    /// Adds what has been received. Take all [pieces](Self::next) before adding more.
    pub fn push(&mut self, received: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(received);
    }

    /// The next piece; `None` when more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "it lends what it gives, which an iterator cannot")]
    pub fn next(&mut self) -> Option<Piece<'_>> {
        let rest = self.bytes.get(self.taken..).filter(|rest| !rest.is_empty())?;
        let start = self.taken;
        match (self.cut)(rest) {
            Cut::More if rest.len() <= self.limit => None,
            Cut::More => {
                self.taken += 1;
                self.bytes
                    .get(start..=start)
                    .map(|bytes| Piece::Junk { bytes, why: Cow::Borrowed("longer than a frame can be") })
            }
            Cut::Frame { range, taken } => {
                let range = start + range.start..start + range.end;
                self.taken = (start + taken.max(1)).min(self.bytes.len());
                self.bytes.get(range).map(Piece::Frame)
            }
            Cut::Junk { len, why } => {
                self.taken = (start + len.max(1)).min(self.bytes.len());
                self.bytes.get(start..self.taken).map(|bytes| Piece::Junk { bytes, why })
            }
        }
    }

    /// Leaves out what waits for its end: where a transport keeps messages apart, none will come.
    pub fn leave_rest(&mut self) -> usize {
        let len = self.rest().len();
        self.taken = self.bytes.len();
        len
    }

    /// What waits for its end, for the log when a connection closes.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}
