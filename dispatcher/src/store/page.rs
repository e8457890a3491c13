//! Long lists, read a page at a time: each page says after which of its things the next one begins.

use uuid::Uuid;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// After this thing; none: the first page.
    pub after: Option<Uuid>,
    /// At most so many things.
    pub limit: u16,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// What is on it.
    pub things: Vec<T>,
    /// After which the next one begins; none when this is the last.
    pub next: Option<Uuid>,
}

impl<T> Paged<T> {
    /// A page of `limit` things, made of one thing more where there is one.
    pub fn of(mut things: Vec<T>, limit: u16, id: impl Fn(&T) -> Uuid) -> Self {
        let has_more = things.len() > usize::from(limit);
        things.truncate(usize::from(limit));
        let next = things.last().filter(|_| has_more).map(id);
        Self { things, next }
    }
}
