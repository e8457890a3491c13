//! The newest fixes, by device time, so that a late one can be put between them.

use super::seen::Seen;
use super::standing::NEVER;
use crate::place::Source;

/// So many of the newest fixes can be told late and still take their place, at least.
pub const LATE_MAX: usize = 16;
/// So many are kept at most.
pub(super) const WINDOW_MAX: usize = 2 * LATE_MAX;

/// The newest fixes, by device time. Kept in place: to be told a fix is to write next to the last one.
#[derive(Debug, Clone)]
#[repr(C)]
pub(super) struct Window {
    len: usize,
    /// Device time of the last.
    newest: i64,
    seen: [Seen; WINDOW_MAX],
}

/// What was in a place that is not taken any more makes no difference.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.seen() == other.seen()
    }
}

impl Window {
    pub(super) const EMPTY: Self = Self {
        len: 0,
        newest: NEVER,
        seen: [Seen { at: 0, x: [0.0; 2], claimed: 0, speed_kmh: 0, source: Source::Unknown }; WINDOW_MAX],
    };

    /// None yet; what is older than `at` comes too late.
    pub(super) const fn after(at: i64) -> Self {
        Self { newest: at, ..Self::EMPTY }
    }

    pub(super) fn seen(&self) -> &[Seen] {
        &self.seen[..self.len]
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_full(&self) -> bool {
        self.len == WINDOW_MAX
    }

    /// Whether the next fix has what was believed written down anew.
    pub(super) const fn is_to_turn(&self) -> bool {
        (self.len + 1).is_multiple_of(LATE_MAX)
    }

    /// Looks at the place for the next fix; and at all that are kept, if the next one has half of them moved.
    pub(super) fn glance(&self) -> u64 {
        let next = self.seen.get(self.len).map_or(0, |seen| seen.at.cast_unsigned() ^ u64::from(seen.speed_kmh));
        let moved = if self.len + 1 == WINDOW_MAX { &self.seen[..] } else { &[] };
        moved.iter().fold(next, |looked, seen| looked ^ seen.at.cast_unsigned())
    }

    /// Whether a fix is later than all that are kept.
    pub(super) const fn is_newest(&self, seen: &Seen) -> bool {
        seen.at > self.newest
    }

    /// Where a fix belongs; none when it is there already.
    pub(super) fn place_of(&self, seen: &Seen) -> Option<usize> {
        if self.is_newest(seen) {
            return Some(self.len);
        }
        let kept = self.seen();
        let place = kept.partition_point(|other| other.order(seen).is_lt());
        kept.get(place).is_none_or(|other| other.order(seen).is_ne()).then_some(place)
    }

    /// Puts a fix where it belongs. A window that is full loses its newest.
    pub(super) fn insert(&mut self, place: usize, seen: Seen) {
        self.len = (self.len + 1).min(WINDOW_MAX);
        if place + 1 < self.len {
            self.seen.copy_within(place..self.len - 1, place + 1);
        }
        self.seen[place] = seen;
        self.newest = self.newest.max(seen.at);
    }

    /// Forgets the oldest [`LATE_MAX`].
    pub(super) fn forget(&mut self) {
        let forgotten = self.len.min(LATE_MAX);
        self.seen.copy_within(forgotten..self.len, 0);
        self.len -= forgotten;
    }
}
