//! What is believed after some fix, and what follows from the next one.

use super::ground::{Ground, Spot};
use super::guess::Guess;
use super::mind::{Mind, nod};
use super::seen::{Again, Heard, Seen};
use super::standing::{Mark, NEVER, Standing, Zone};
use crate::place::{Metres, Source};

/// What is believed after some fix. What the next fix of somebody at rest needs comes first, and together.
#[derive(Debug, Clone)]
#[repr(C)]
pub(super) struct Chapter {
    /// Device time of the fix, milliseconds since 1970; [`NEVER`] before the first.
    pub(super) at: i64,
    /// Where the last satellite fix was, the last by a mast, and the last by anything else.
    pub(super) last: [[f32; 2]; 3],
    /// How likely each of these was right about where they were, 0 to 1, when that was surest.
    pub(super) proven: [f32; 3],
    pub(super) mind: Mind,
    /// While they rest so well on the right side of every edge that no zone need be looked at: how far they may yet be
    /// moved before that is asked again, metres. Else [`UNEASY`].
    pub(super) leeway: f32,
    /// How they stand with each zone; none while there is leeway, for then it follows from the mind.
    pub(super) marks: Box<[Mark]>,
}

/// How far they may yet be moved is what looking is spared, and no part of what is believed; how sure one is of a zone
/// follows from the mind.
impl PartialEq for Chapter {
    fn eq(&self, other: &Self) -> bool {
        let stands = |chapter: &Self, zone: usize| {
            chapter.marks.get(zone).map_or((Standing::Inside, NEVER), |mark| (mark.standing, mark.since))
        };
        self.at == other.at
            && self.last == other.last
            && self.proven == other.proven
            && self.mind == other.mind
            && (0..self.marks.len().max(other.marks.len())).all(|zone| stands(self, zone) == stands(other, zone))
    }
}

/// The middle of nowhere: no fix is there.
const NOWHERE: [f32; 2] = [f32::MAX; 2];
/// The zones have to be looked at.
pub(super) const UNEASY: f32 = -1.0;
/// So many standard deviations from every edge the chance of being beyond one of them is less than a hundred-thousandth.
const FAR: f32 = 5.0;
/// So much farther than that they must be for ease to begin, metres: it should last a while.
const EASE_M: f32 = 10.0;

impl Chapter {
    /// Somebody who is expected within some distance of the middle, until fixes say where they are.
    pub(super) fn new(within: Metres, zones: usize) -> Self {
        let sigma = to_f32(within.0.clamp(30.0, 50_000.0) / 2.0);
        // Nine in ten are at home when their terminal is put on; the others may be anywhere in town.
        let mind =
            Mind::new(&[Guess::rests([0.0; 2], sigma, 0.9_f32.ln()), Guess::rests([0.0; 2], 5_000.0, 0.1_f32.ln())]);
        let marks = vec![Mark::NEW; zones].into_boxed_slice();
        Self { at: NEVER, last: [NOWHERE; 3], proven: [0.0; 3], mind, leeway: UNEASY, marks }
    }

    /// Whether they are where they should be, beyond any doubt that could matter.
    pub(super) fn is_at_ease(&self) -> bool {
        self.leeway >= 0.0
    }

    /// Has every zone looked at with the next fix, as if there were no ease.
    #[cfg(test)]
    pub(super) fn wake(&mut self, zones: &[Zone], ground: &Ground) {
        if self.is_at_ease() {
            self.marks = zones.iter().map(|zone| self.mind.at_ease(zone, ground)).collect();
            self.leeway = UNEASY;
        }
    }

    /// How they stand with a zone, by its number.
    pub(super) fn standing(&self, zone: usize) -> Standing {
        self.marks.get(zone).map_or(Standing::Inside, |mark| mark.standing)
    }

    /// The memory that they take elsewhere, in bytes.
    pub(super) fn size_elsewhere(&self) -> usize {
        size_of_val(&*self.marks) + self.mind.size_elsewhere()
    }

    /// All that is known of a zone, by its number.
    pub(super) fn mark(&self, zone: usize, zones: &[Zone], ground: &Ground) -> Mark {
        self.marks.get(zone).copied().unwrap_or_else(|| self.mind.at_ease(&zones[zone], ground))
    }

    /// Goes on with one fix.
    #[expect(clippy::cast_precision_loss, reason = "seconds between two fixes")]
    pub(super) fn read(&mut self, seen: &Seen, zones: &[Zone], ground: &Ground) {
        let by = means(seen.source);
        let is_like = |last: [f32; 2]| seen.x.map(f32::to_bits) == last.map(f32::to_bits);
        if is_like(self.last[by]) || (by == GNSS && self.last.iter().any(|last| is_like(*last))) {
            // A frozen receiver shows the same centimetre for ever. That is silence, with noise.
            return;
        }
        let before = self.at;
        let dt = if before == NEVER { 0.0 } else { ((seen.at - before) as f32 / 1000.0).min(GAP_MAX_S) };
        // A mast stands still, so the same mast again says little, but something: that they are still near it.
        let again = (by != GNSS && is_near(seen, self.last[by]))
            .then_some(Again { at: self.last[by], proven: self.proven[by] });
        let soon = if before == NEVER { 1.0 } else { (dt / SOON_S).clamp(0.1, 1.0) };
        let voice = if again.is_some() { AGAIN * soon } else { soon };
        self.at = seen.at;
        self.last[by] = seen.x;
        let heard = Heard { seen: *seen, voice, again };
        if !self.stays_at_ease(dt, &heard) {
            self.judge(dt, &heard, before, zones, ground);
        }
        let right = if by == GNSS { 0.0 } else { self.mind.bears_out(seen) };
        self.proven[by] = again.map_or(right, |again| again.proven.max(right));
    }

    /// The common case: they rest far from every edge, and the fix says what was expected. An edge cannot come nearer by
    /// more than they are moved, so none is looked at; every standing is what looking would have found.
    fn stays_at_ease(&mut self, dt: f32, heard: &Heard) -> bool {
        let (Mind::Sure(rests), true) = (&mut self.mind, self.leeway >= 0.0) else { return false };
        let Some(next) = nod(rests, dt, heard) else { return false };
        let leeway = self.leeway - apart(next.x, rests.x);
        if leeway < FAR * next.xx.sqrt() {
            return false;
        }
        (*rests, self.leeway) = (next, leeway);
        true
    }

    /// Every zone, after one more fix.
    fn judge(&mut self, dt: f32, heard: &Heard, before: i64, zones: &[Zone], ground: &Ground) {
        if self.is_at_ease() {
            self.marks = zones.iter().map(|zone| self.mind.at_ease(zone, ground)).collect();
        }
        self.mind.hear(dt, heard);
        let mut leeway = f32::INFINITY;
        for (mark, zone) in self.marks.iter_mut().zip(zones) {
            let (chance, beyond) = self.mind.breach(zone, ground);
            *mark = mark.after(chance, beyond, before, heard.seen.at, zone);
            let is_calm = mark.standing == Standing::Inside && mark.since == NEVER;
            leeway = leeway.min(if is_calm { -beyond } else { UNEASY });
        }
        self.leeway = match &self.mind {
            Mind::Sure(guess) if guess.is_at_rest() && leeway > FAR * guess.xx.sqrt() + EASE_M => leeway,
            _ => UNEASY,
        };
        if self.is_at_ease() {
            self.marks = Box::default();
        }
    }
}

const GNSS: usize = 0;

/// What tells the same again when it is the same again: the place among the last of each kind.
const fn means(source: Source) -> usize {
    match source {
        Source::Gnss => GNSS,
        Source::Cell => 1,
        Source::Wifi | Source::Beacon | Source::Unknown | Source::Home | Source::Told => 2,
    }
}

/// Whether a fix by access points or masts is about where the last was: then it was the same ones, and what is wrong with
/// them is wrong again.
fn is_near(seen: &Seen, last: [f32; 2]) -> bool {
    apart(seen.x, last) < 0.6 * seen.claimed().unwrap_or(60.0)
}

/// Metres between two spots.
fn apart(one: [f32; 2], other: [f32; 2]) -> f32 {
    let off: [f32; 2] = std::array::from_fn(|axis| one[axis] - other[axis]);
    (off[0] * off[0] + off[1] * off[1]).sqrt()
}

/// A longer silence says no more than this one, in seconds.
const GAP_MAX_S: f32 = 86_400.0;
/// What is not satellite and is the same again says so much of what something new would.
const AGAIN: f32 = 0.2;
/// Fixes that follow each other faster share their errors, seconds.
const SOON_S: f32 = 20.0;

impl Mind {
    /// How somebody stands with a zone who is at ease.
    fn at_ease(&self, zone: &Zone, ground: &Ground) -> Mark {
        let (chance, beyond) = self.breach(zone, ground);
        Mark { chance, beyond, ..Mark::NEW }
    }

    /// How likely the wearer is where they should not be, and how far beyond the edge the likeliest guess has them.
    fn breach(&self, zone: &Zone, ground: &Ground) -> (f32, f32) {
        let (mut inside, mut beyond, mut best) = (0.0, 0.0, f32::NEG_INFINITY);
        for guess in self.guesses() {
            if guess.weight < NEGLIGIBLE {
                continue;
            }
            let (x, xx) = guess.place();
            let spot = Spot { east: f64::from(x[0]), north: f64::from(x[1]) };
            let from_edge = zone.area.distance_on(ground.carry(spot, zone.area.ground()));
            inside += f64::from(guess.weight.exp()) * zone.area.chance_inside(from_edge, f64::from(xx.sqrt()));
            if guess.weight > best {
                (best, beyond) = (guess.weight, from_edge);
            }
        }
        let inside = to_f32(inside).clamp(0.0, 1.0);
        if zone.kind.is_kept_off() { (inside, -to_f32(beyond)) } else { (1.0 - inside, to_f32(beyond)) }
    }
}

/// A guess less likely than this (a logarithm) does not change a chance.
const NEGLIGIBLE: f32 = -9.0;

#[expect(clippy::cast_possible_truncation, reason = "metres, and what is finer than a millimetre is noise")]
pub(super) const fn to_f32(number: f64) -> f32 {
    number as f32
}
