//! All of a wearer's zones together: who is to be asked for more fixes, who has left, who is back.
//!
//! Somebody is where they should be in any of the places where they may be: at home, at the day centre, or on the way
//! between. So they are away from all of them as surely as from the one that they are least surely away from. A place that
//! they must keep away from counts by itself.

use jiff::Timestamp;

use super::fix::Fix;
use super::ground::Spot;
use super::guess::Story;
use super::standing::{Kind, NEVER, Standing};
use super::turn::Turn;
use super::wearer::Wearer;
use crate::id::FenceId;
use crate::place::Position;
use crate::word::words;

words! {
    /// What a fix means for somebody and all of their zones.
    pub enum Step ("step") {
        /// They may be where they should not be: more fixes would tell.
        Suspected = "suspected",
        /// They are, for longer than is allowed.
        Left = "left",
        /// They were, and are no more.
        Returned = "returned",
    }
}

/// Where somebody goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heading {
    /// Clockwise from north, 0 to 360.
    pub degrees: f64,
    /// Metres a second.
    pub speed: f64,
}

/// A step, and how it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub step: Step,
    /// The zone that it hangs on; of several at once, the one whose edge is nearest.
    pub turn: Turn,
    /// Where the fixes since they crossed showed them, oldest first.
    pub track: Vec<(Timestamp, Position)>,
    /// Where they most likely go, when they do.
    pub heading: Option<Heading>,
}

/// What one fix changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noticed {
    /// Of each zone.
    pub turns: Vec<Turn>,
    /// Of all of them together.
    pub changes: Vec<Change>,
}

/// Whether somebody is where they should not be who stands so with each of their zones.
pub fn is_away(standings: impl IntoIterator<Item = (Kind, Standing)>) -> bool {
    // Without a place of their own that always holds they are away from nowhere.
    let (mut has_own, mut is_out) = (false, true);
    for (kind, standing) in standings {
        let is_away = standing == Standing::Confirmed;
        match kind {
            Kind::Forbidden if is_away => return true,
            Kind::Forbidden | Kind::Hazard => {}
            Kind::Haven => is_out &= is_away,
            Kind::Safe | Kind::Corridor => (has_own, is_out) = (true, is_out && is_away),
        }
    }
    has_own && is_out
}

/// How far a standing is from all being well.
const fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Inside | Standing::Returned => 0,
        Standing::Doubtful => 1,
        Standing::Suspected => 2,
        Standing::Confirmed => 3,
    }
}

/// What it means that somebody stood so and stands so now.
fn step(was: Standing, is: Standing) -> Option<Step> {
    match (was, is) {
        (Standing::Confirmed, Standing::Confirmed) => None,
        (_, Standing::Confirmed) => Some(Step::Left),
        (Standing::Confirmed, _) => Some(Step::Returned),
        (Standing::Suspected, _) => None,
        (_, Standing::Suspected) => Some(Step::Suspected),
        _ => None,
    }
}

impl Wearer {
    /// Takes one fix, when it arrives, and tells what it means for all of their zones together.
    pub fn watch(&mut self, fix: &Fix) -> Vec<Change> {
        self.notice(fix).changes
    }

    /// The same, with what changes of each zone alone.
    pub fn notice(&mut self, fix: &Fix) -> Noticed {
        let was = self.allowed();
        let turns = self.see(fix);
        if turns.is_empty() {
            return Noticed::default();
        }
        Noticed { changes: self.changes(was, turns.clone()), turns }
    }

    /// What turns come to for somebody who stood so with all of their zones.
    fn changes(&self, was: Standing, mut turns: Vec<Turn>) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(step) = step(was, self.allowed()) {
            let is_told_by = |turn: &Turn| {
                !turn.kind.is_kept_off()
                    && match step {
                        Step::Suspected => rank(turn.to) >= rank(Standing::Suspected),
                        Step::Left => turn.to == Standing::Confirmed,
                        Step::Returned => turn.from == Standing::Confirmed,
                    }
            };
            let nearest = turns
                .extract_if(.., |turn| is_told_by(turn))
                .min_by(|one, other| one.beyond.0.abs().total_cmp(&other.beyond.0.abs()));
            changes.extend(nearest.map(|turn| self.change(step, turn)));
        }
        for turn in turns.into_iter().filter(|turn| turn.kind == Kind::Forbidden) {
            changes.extend(step(turn.from, turn.to).map(|step| self.change(step, turn)));
        }
        changes
    }

    /// Whether they are where they should not be.
    pub fn is_away(&self) -> bool {
        is_away(self.standings().map(|(zone, standing, _)| (zone.kind, standing)))
    }

    /// Whether they are suspected to be, and nobody knows yet.
    pub fn is_suspected(&self) -> bool {
        let mut forbidden = self.standings().filter(|(zone, ..)| zone.kind == Kind::Forbidden);
        self.allowed() == Standing::Suspected || forbidden.any(|(_, standing, _)| standing == Standing::Suspected)
    }

    /// How they stand with each zone, and, while they are where they should not be, since when.
    pub fn stands(&self) -> impl Iterator<Item = (FenceId, Standing, Option<Timestamp>)> + '_ {
        self.zones.iter().enumerate().map(|(number, zone)| {
            let mark = self.now.mark(number, &self.zones, &self.ground);
            let is_away = mark.standing == Standing::Confirmed && mark.since != NEVER;
            let since = is_away.then(|| Timestamp::from_millisecond(mark.since).ok()).flatten();
            (zone.id, mark.standing, since)
        })
    }

    /// Where they most likely go.
    pub fn heading(&self) -> Option<Heading> {
        let best = self.now.mind.guesses().first()?;
        let speed = best.u[0].hypot(best.u[1]);
        let goes = matches!(best.story, Story::Walks | Story::Rides | Story::PhantomWalks);
        let is_going = goes && speed > SLOWEST;
        is_going.then(|| Heading {
            degrees: f64::from(best.u[0].atan2(best.u[1]).to_degrees()).rem_euclid(360.0),
            speed: f64::from(speed),
        })
    }

    /// How they stand with all the places where they may be.
    fn allowed(&self) -> Standing {
        if !self.zones.iter().any(|zone| matches!(zone.kind, Kind::Safe | Kind::Corridor)) {
            return Standing::Inside;
        }
        let allowed = self.zones.iter().enumerate().filter(|(_, zone)| !zone.kind.is_kept_off());
        allowed
            .map(|(number, _)| self.now.standing(number))
            .min_by_key(|standing| rank(*standing))
            .unwrap_or(Standing::Inside)
    }

    fn change(&self, step: Step, turn: Turn) -> Change {
        let since = turn.since.as_millisecond();
        let shown = self.window.seen().iter().filter(|seen| seen.at >= since).filter_map(|seen| {
            let spot = Spot { east: f64::from(seen.x[0]), north: f64::from(seen.x[1]) };
            Some((Timestamp::from_millisecond(seen.at).ok()?, self.ground.place(spot).ok()?))
        });
        Change { step, track: shown.collect(), heading: self.heading(), turn }
    }
}

/// Slower than this nobody goes anywhere, metres a second.
const SLOWEST: f32 = 0.3;
