//! Fixes of many wearers, in the order in which they arrive.
//!
//! Half a million wearers are more than any processor keeps near: what a fix costs is mostly the wait for a few lines of
//! memory, a tenth of a microsecond each, one after the other. A processor waits for dozens of lines at once when it is
//! asked for them together. So what the next few fixes need is looked at before the first of them is judged. Nothing
//! that is believed or said depends on it.

use std::hint::black_box;

use super::fix::Fix;
use super::standing::Zone;
use super::turn::Turn;
use super::wearer::Wearer;

/// So many wearers are looked at together. What their fixes need must fit into the nearest 32 KB.
const TOGETHER: usize = 32;
/// Of so many zones a look is taken: most have one or two.
const ZONES: usize = 2;

/// Takes fixes, each with the place of its wearer among `wearers`, and tells what changes with each, with the place of the
/// fix among `fixes`: exactly what [`Wearer::see`] would, one after the other. A fix of nobody among them is passed over.
pub fn see_all(wearers: &mut [Wearer], fixes: &[(usize, Fix)], mut tell: impl FnMut(usize, Vec<Turn>)) {
    let mut first = 0;
    for group in fixes.chunks(TOGETHER) {
        fetch(wearers, group);
        for (place, (number, fix)) in (first..).zip(group) {
            let Some(wearer) = wearers.get_mut(*number) else { continue };
            let turns = wearer.see(fix);
            if !turns.is_empty() {
                tell(place, turns);
            }
        }
        first += TOGETHER;
    }
}

/// Looks at what the fixes of a group need. Each round finds where the next has to look.
fn fetch(wearers: &[Wearer], group: &[(usize, Fix)]) {
    look(wearers, group, Wearer::head);
    look(wearers, group, Wearer::beyond_head);
    look(wearers, group, |wearer| wearer.unsure_of().map(|zone| zone.area.glance()).fold(0, std::ops::BitXor::bitxor));
    look(wearers, group, |wearer| wearer.unsure_of().map(|zone| zone.area.look()).fold(0, std::ops::BitXor::bitxor));
}

/// All together: none of them waits for another.
fn look(wearers: &[Wearer], group: &[(usize, Fix)], at: impl Fn(&Wearer) -> u64) {
    let seen = group.iter().filter_map(|(number, _)| wearers.get(*number)).fold(0, |seen, wearer| seen ^ at(wearer));
    black_box(seen);
}

impl Wearer {
    /// The lines that every fix needs.
    fn head(&self) -> u64 {
        u64::from(self.is_calm) ^ u64::from(self.now.proven[0].to_bits()) ^ self.window.len() as u64
    }

    /// Where the fix will be written down; what every sixteenth fix has to move; and of who is not at ease, what is
    /// believed of them and their zones.
    fn beyond_head(&self) -> u64 {
        let mut seen = self.window.glance();
        if self.window.is_to_turn() {
            let chapters = [Some(&self.start), self.middle.as_ref()];
            seen ^= chapters
                .into_iter()
                .flatten()
                .fold(0, |seen, chapter| seen ^ chapter.at.cast_unsigned() ^ u64::from(chapter.leeway.to_bits()));
        }
        if !self.now.is_at_ease() {
            let guesses = self.now.mind.guesses().iter().map(|guess| u64::from(guess.weight.to_bits()));
            let marks = self.now.marks.iter().take(ZONES).map(|mark| u64::from(mark.chance.to_bits()));
            seen ^= guesses.chain(marks).fold(0, std::ops::BitXor::bitxor);
        }
        seen
    }

    /// The zones that the next fix has looked at for certain.
    fn unsure_of(&self) -> impl Iterator<Item = &Zone> {
        let is_unsure = !self.now.is_at_ease();
        self.zones.iter().take(if is_unsure { ZONES } else { 0 })
    }
}
