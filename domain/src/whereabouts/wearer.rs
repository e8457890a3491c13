//! One wearer: what is believed of where they are, and how they stand with their zones.
//!
//! Fixes are put in their place by device time. What is believed is a fold over them in that order, so it does not
//! matter in which order they came; what is *said* is decided at each arrival with what has arrived by then. The last
//! fixes are kept, with what was believed before them, so that a late one can be put between them.

use jiff::Timestamp;

use super::chapter::{Chapter, to_f32};
use super::fix::Fix;
use super::ground::{Ground, Spot};
use super::guess::Story;
use super::seen::Seen;
use super::standing::{NEVER, Standing, Zone};
use super::turn::{Evidence, Turn};
use super::window::{LATE_MAX, Window};
use crate::place::{Metres, Position};
use crate::word::Word as _;

/// One wearer and their zones. Small, and bounded whatever comes.
///
/// Half a million of them are more than any processor keeps near, so that what a fix costs is how many places in memory
/// it touches: what the fix of somebody at rest needs lies in the first three lines of 64 bytes, and the place for the fix
/// itself in a fourth.
#[derive(Debug, Clone, PartialEq)]
#[repr(C, align(64))]
pub struct Wearer {
    pub(super) ground: Ground,
    /// Whether all that was last said is that they are where they should be.
    pub(super) is_calm: bool,
    pub(super) now: Chapter,
    /// By device time.
    pub(super) window: Window,
    /// Before the first fix of the window.
    pub(super) start: Chapter,
    /// After [`LATE_MAX`] fixes of the window, once there are so many.
    pub(super) middle: Option<Chapter>,
    pub(super) zones: Box<[Zone]>,
    /// What was said of each zone.
    pub(super) said: Box<[Standing]>,
}

impl Wearer {
    /// Somebody who is expected within some distance of `home`, until fixes say where they are.
    pub fn new(home: Position, within: Metres, zones: Vec<Zone>) -> Self {
        let now = Chapter::new(within, zones.len());
        Self {
            ground: Ground::around(home),
            window: Window::EMPTY,
            is_calm: true,
            start: now.clone(),
            middle: None,
            now,
            said: vec![Standing::Inside; zones.len()].into_boxed_slice(),
            zones: zones.into_boxed_slice(),
        }
    }

    /// Takes one fix, when it arrives, and tells what changes with it.
    pub fn see(&mut self, fix: &Fix) -> Vec<Turn> {
        if !self.place(fix) || (self.is_calm && self.now.is_at_ease()) {
            return Vec::new();
        }
        let mut turns = Vec::new();
        for zone in 0..self.zones.len() {
            let (was, is) = (self.said[zone], self.now.standing(zone));
            if was != is {
                self.said[zone] = is;
                turns.push(self.turn(zone, was, is, fix));
            }
        }
        self.is_calm = self.said.iter().all(|said| *said == Standing::Inside);
        turns
    }

    /// Has every zone looked at with the next fix, as if there were no ease.
    #[cfg(test)]
    pub(super) fn wake(&mut self) {
        self.now.wake(&self.zones, &self.ground);
    }

    /// Puts a fix in its place. False when nothing can come of it: it was told before, or is older than anything kept.
    fn place(&mut self, fix: &Fix) -> bool {
        let spot = self.ground.flatten(fix.place);
        let x = [to_f32(spot.east), to_f32(spot.north)];
        let (claimed, speed_kmh) = (fix.claimed().map(to_f32), fix.speed_kmh().map(to_f32));
        let seen = Seen::new(fix.at().as_millisecond(), x, claimed, speed_kmh, fix.source);
        if !self.window.is_newest(&seen) && seen.at <= self.start.at {
            return false;
        }
        let Some(place) = self.window.place_of(&seen) else { return false };
        self.window.insert(place, seen);
        if place + 1 < self.window.len() {
            self.replay(place);
        } else {
            self.now.read(&seen, &self.zones, &self.ground);
            if self.window.len() == LATE_MAX {
                self.middle = Some(self.now.clone());
            }
        }
        if self.window.is_full()
            && let Some(middle) = self.middle.replace(self.now.clone())
        {
            self.start = middle;
            self.window.forget();
        }
        true
    }

    /// Reads the window again, from the last chapter that holds.
    pub(super) fn replay(&mut self, changed: usize) {
        let from = match &self.middle {
            Some(middle) if changed >= LATE_MAX => {
                self.now.clone_from(middle);
                LATE_MAX
            }
            _ => {
                self.now.clone_from(&self.start);
                0
            }
        };
        for index in from..self.window.len() {
            self.now.read(&self.window.seen()[index], &self.zones, &self.ground);
            if index + 1 == LATE_MAX {
                self.middle = Some(self.now.clone());
            }
        }
    }

    fn turn(&self, zone: usize, from: Standing, to: Standing, fix: &Fix) -> Turn {
        let mark = self.now.mark(zone, &self.zones, &self.ground);
        let judged = &self.zones[zone];
        let since = if mark.since == NEVER { self.now.at } else { mark.since };
        let tells = self.window.seen().iter().rev().take_while(|seen| seen.at >= since || seen.at == self.now.at);
        let mut evidence: Vec<Evidence> = tells.take(Evidence::MAX).map(|seen| self.evidence(seen, judged)).collect();
        evidence.reverse();
        Turn {
            zone: judged.id,
            kind: judged.kind,
            from,
            to,
            at: moment(self.now.at, fix.received_at),
            since: moment(since, fix.received_at),
            decided_at: fix.received_at,
            chance: f64::from(mark.chance),
            beyond: Metres(f64::from(mark.beyond)),
            stories: self.stories(),
            evidence,
        }
    }

    fn evidence(&self, seen: &Seen, zone: &Zone) -> Evidence {
        let spot = Spot { east: f64::from(seen.x[0]), north: f64::from(seen.x[1]) };
        let from_edge = zone.area.distance_on(self.ground.carry(spot, zone.area.ground()));
        Evidence {
            at: moment(seen.at, Timestamp::UNIX_EPOCH),
            source: seen.source,
            beyond: Metres(if zone.kind.is_kept_off() { -from_edge } else { from_edge }),
            claimed: seen.claimed().map(|claimed| Metres(f64::from(claimed))),
        }
    }

    /// Each story that is told of them, and how likely it is.
    pub fn stories(&self) -> [(Story, f64); Story::ALL.len()] {
        let mut stories = std::array::from_fn(|number| (Story::ALL[number], 0.0));
        for guess in self.now.mind.guesses() {
            for (story, share) in &mut stories {
                if *story == guess.story {
                    *share += f64::from(guess.weight.exp());
                }
            }
        }
        stories
    }

    /// Where they most likely are by each guess: place, standard deviation along each axis, story, likelihood.
    pub fn guesses(&self) -> impl Iterator<Item = (Option<Position>, Metres, Story, f64)> + '_ {
        self.now.mind.guesses().iter().map(|guess| {
            let (x, xx) = guess.place();
            let spot = Spot { east: f64::from(x[0]), north: f64::from(x[1]) };
            let sigma = Metres(f64::from(xx.sqrt()));
            (self.ground.place(spot).ok(), sigma, guess.story, f64::from(guess.weight.exp()))
        })
    }

    /// How they stand with each zone, and how likely they are where they should not be.
    pub fn standings(&self) -> impl Iterator<Item = (&Zone, Standing, f64)> + '_ {
        self.zones.iter().enumerate().map(|(index, zone)| {
            let mark = self.now.mark(index, &self.zones, &self.ground);
            (zone, mark.standing, f64::from(mark.chance))
        })
    }

    /// How much memory they take, the areas of their zones left out, in bytes.
    pub fn size(&self) -> usize {
        let chapters = [Some(&self.start), self.middle.as_ref(), Some(&self.now)];
        size_of::<Self>()
            + chapters.into_iter().flatten().map(Chapter::size_elsewhere).sum::<usize>()
            + size_of_val(&*self.zones)
            + size_of_val(&*self.said)
    }
}

fn moment(millisecond: i64, otherwise: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or(otherwise)
}
