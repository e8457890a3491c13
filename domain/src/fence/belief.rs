//! What is believed of a wearer and a fence, and how a fix changes it.

use jiff::{SignedDuration, Timestamp};

use super::{Fence, Fix, Kind, Print};
use crate::id::FenceId;
use crate::place::{Metres, Position, Source};
use crate::word::words;

/// The same bytes within this time are one message, told twice; after it, somebody who sits still and whose
/// terminal neither counts nor tells the time. As with presses.
const SAME_BYTES_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Nothing wider than this can say that somebody is in a fence that it does not fit into.
const NEAR: Metres = Metres(100.0);

/// What is believed of one terminal's wearer and one fence. Begins with inside: who is not, is noticed
/// by their first two fixes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Belief {
    /// What it comes to.
    pub standing: Standing,
    /// The time of the newest fix that was looked at; what is not newer is not.
    pub newest: Option<Timestamp>,
}

/// Inside, outside, or one fix short of outside.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Standing {
    /// Inside, for all that is known.
    #[default]
    Inside,
    /// One fix says outside.
    Doubtful {
        /// Which.
        first: Sighting,
    },
    /// Two have said so.
    Outside {
        /// When the second was.
        since: Timestamp,
        /// One fix that says inside again.
        back: Option<Sighting>,
    },
}

impl Standing {
    /// Whether it is settled that they are outside.
    pub const fn is_outside(&self) -> bool {
        matches!(self, Self::Outside { .. })
    }
}

/// One fix as seen from one fence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// When it was.
    pub at: Timestamp,
    /// Where.
    pub place: Position,
    /// From the edge: positive outside, negative inside.
    pub distance: Metres,
    /// How far off it may be, as told or as usual for its source.
    pub accuracy: Metres,
    /// How it was come by.
    pub source: Source,
    /// What tells its bytes from others.
    pub print: Print,
}

words! {
    /// Which way somebody crossed.
    pub enum Turn ("crossing") {
        /// Out of where they should be.
        Left = "left",
        /// Back.
        Returned = "returned",
    }
}

/// Somebody crossed the edge of where they should be, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// Which way.
    pub turn: Turn,
    /// Which fence's edge.
    pub fence: FenceId,
    /// The two fixes that agree, in their order.
    pub seen: [Sighting; 2],
}

/// Which side of an edge a fix is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inside,
    Outside,
}

/// The side that a fix is sure of. One whose circle touches the edge says nothing either way, unless the
/// fence is so small that no such circle has room in it: then its middle counts, or nobody would ever be
/// seen to come back.
fn side(fence: &Fence, sighting: &Sighting) -> Option<Side> {
    let (distance, accuracy) = (sighting.distance, sighting.accuracy);
    let has_room = accuracy <= fence.shape.breadth();
    if distance > accuracy {
        Some(Side::Outside)
    } else if -distance.0 > accuracy.0 || (!has_room && accuracy <= NEAR && distance.0 < 0.0) {
        Some(Side::Inside)
    } else {
        None
    }
}

/// What is believed after a fix, and whether that is a crossing.
pub fn judge(belief: Belief, fence: &Fence, fix: &Fix) -> (Belief, Option<Crossing>) {
    let at = fix.at();
    if belief.newest.is_some_and(|newest| at <= newest) {
        return (belief, None);
    }
    let sighting = Sighting {
        at,
        place: fix.place,
        distance: fence.shape.distance(fix.place),
        accuracy: fix.accuracy(),
        source: fix.source,
        print: fix.print,
    };
    let cross = |turn, first| Some(Crossing { turn, fence: fence.id, seen: [first, sighting] });
    let is_told_twice =
        |first: &Sighting| first.print == sighting.print && at.duration_since(first.at) <= SAME_BYTES_WITHIN;
    let (standing, crossing) = match (belief.standing, side(fence, &sighting)) {
        (standing, None) => (standing, None),
        (Standing::Inside | Standing::Doubtful { .. }, Some(Side::Inside)) => (Standing::Inside, None),
        (Standing::Inside, Some(Side::Outside)) => (Standing::Doubtful { first: sighting }, None),
        (standing @ Standing::Doubtful { first }, Some(Side::Outside)) if is_told_twice(&first) => (standing, None),
        (Standing::Doubtful { first }, Some(Side::Outside)) => {
            (Standing::Outside { since: at, back: None }, cross(Turn::Left, first))
        }
        (Standing::Outside { since, .. }, Some(Side::Outside)) => (Standing::Outside { since, back: None }, None),
        (Standing::Outside { since, back: None }, Some(Side::Inside)) => {
            (Standing::Outside { since, back: Some(sighting) }, None)
        }
        (standing @ Standing::Outside { back: Some(first), .. }, Some(Side::Inside)) if is_told_twice(&first) => {
            (standing, None)
        }
        (Standing::Outside { back: Some(first), .. }, Some(Side::Inside)) => {
            (Standing::Inside, cross(Turn::Returned, first))
        }
    };
    (Belief { standing, newest: Some(at) }, crossing)
}

/// One terminal's wearer and all of their fences. They are where they should be in any of the safe
/// areas: home, and the day centre too.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Watch {
    /// Each fence, and what is believed of it.
    pub beliefs: Vec<(Fence, Belief)>,
}

impl Watch {
    /// Whether they are outside every safe area that they have, and in no place that they go to by the calendar.
    pub fn is_out(&self) -> bool {
        let is_outside = |(_, belief): &(Fence, Belief)| belief.standing.is_outside();
        self.beliefs.iter().any(|(fence, _)| fence.kind == Kind::Safe)
            && self.beliefs.iter().filter(|(fence, _)| fence.kind != Kind::Hazard).all(is_outside)
    }

    /// Looks at a fix. A crossing is told when it takes the wearer out of the last safe area, or
    /// back into one; of several edges at once, the nearest.
    pub fn see(&mut self, fix: &Fix) -> Option<Crossing> {
        let was_out = self.is_out();
        let mut nearest: Option<Crossing> = None;
        for (fence, belief) in &mut self.beliefs {
            let (next, crossing) = judge(*belief, fence, fix);
            *belief = next;
            let from_edge = |crossing: &Crossing| crossing.seen[1].distance.0.abs();
            nearest = match (nearest, crossing) {
                (Some(one), Some(other)) if from_edge(&one) <= from_edge(&other) => Some(one),
                (one, other) => other.or(one),
            };
        }
        let turn = if was_out { Turn::Returned } else { Turn::Left };
        nearest.filter(|crossing| was_out != self.is_out() && crossing.turn == turn)
    }
}
