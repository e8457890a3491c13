//! A wearer's state as bytes, so that it can lie in a row of a table from one fix to the next.
//!
//! Most people are at home and rest there. Of them only what is believed now is kept, some eighty bytes: whatever comes
//! late of somebody who has been seen at rest since changes nothing that anybody would be told. Of who moves, or may be
//! away, the last fixes are kept too, so that a late one takes its place: two thousand bytes at most.
//!
//! Bytes that another version wrote, or that are damaged, are nothing: the state begins anew, from how the wearer stood
//! ([`Wearer::resume`]), so that nobody is missed twice.

use jiff::Timestamp;

use super::chapter::{Chapter, to_f32};
use super::ground::Ground;
use super::guess::{Guess, Story};
use super::mind::{GUESSES_MAX, Mind};
use super::seen::Seen;
use super::standing::{Mark, NEVER, Standing, Zone};
use super::wearer::Wearer;
use super::window::{LATE_MAX, WINDOW_MAX, Window};
use crate::id::FenceId;
use crate::place::{Metres, Position, Source};
use crate::word::Word;

/// Told first. Counts up whenever the same bytes come to mean something else.
const VERSION: u8 = 1;
/// What follows it: what is believed now, and nothing before.
const SETTLED: u8 = 0;
/// The last fixes as well.
const WITH_WINDOW: u8 = 1;
/// And what was believed in their middle.
const WITH_MIDDLE: u8 = 2;
/// Enough for who is at home with two fences.
const USUAL_BYTES: usize = 128;
/// How likely somebody of whom nothing is known yet is at home.
const AT_HOME: f32 = 0.9;
/// Who is not at home may be anywhere in town, metres.
const ANYWHERE_M: f32 = 5_000.0;
/// Bytes of the sum at the end.
const SUM_BYTES: usize = 4;

impl Wearer {
    /// The state, but for the zones, as bytes.
    pub fn keep(&self) -> Vec<u8> {
        let mut out = Out(Vec::with_capacity(USUAL_BYTES));
        out.byte(VERSION);
        let form = match (&self.middle, self.is_settled()) {
            (_, true) => SETTLED,
            (None, false) => WITH_WINDOW,
            (Some(_), false) => WITH_MIDDLE,
        };
        out.byte(form);
        out.byte(u8::try_from(self.zones.len()).unwrap_or(u8::MAX));
        out.chapter(&self.now);
        if form != SETTLED {
            out.chapter(&self.start);
            if let Some(middle) = &self.middle {
                out.chapter(middle);
            }
            out.byte(u8::try_from(self.window.len()).unwrap_or(u8::MAX));
            let mut before = 0;
            for seen in self.window.seen() {
                out.seen(seen, before);
                before = seen.at;
            }
        }
        let sum = sum(&out.0);
        out.0.extend_from_slice(&sum);
        out.0
    }

    /// Whether bytes can be read at all: written by this version, and whole.
    pub fn is_readable(kept: &[u8]) -> bool {
        kept.split_last_chunk::<SUM_BYTES>()
            .is_some_and(|(told, check)| told.first() == Some(&VERSION) && sum(told) == *check)
    }

    /// Goes on from bytes that were kept of the same zones; `None` when they cannot be read.
    pub fn restore(home: Position, zones: Vec<Zone>, kept: &[u8]) -> Option<Self> {
        if !Self::is_readable(kept) {
            return None;
        }
        let (told, _) = kept.split_last_chunk::<SUM_BYTES>()?;
        let mut bytes = In(told.get(1..)?);
        let form = bytes.byte()?;
        if usize::from(bytes.byte()?) != zones.len() {
            return None;
        }
        let count = zones.len();
        let now = bytes.chapter(count)?;
        let (start, middle) = match form {
            SETTLED => (now.clone(), None),
            WITH_WINDOW => (bytes.chapter(count)?, None),
            WITH_MIDDLE => (bytes.chapter(count)?, Some(bytes.chapter(count)?)),
            _ => return None,
        };
        // What is older than what is kept comes too late.
        let mut window = Window::after(start.at);
        if form != SETTLED {
            let fixes = usize::from(bytes.byte()?);
            if fixes >= WINDOW_MAX || (fixes >= LATE_MAX) != middle.is_some() {
                return None;
            }
            let mut before = 0;
            for _ in 0..fixes {
                let seen = bytes.seen(before)?;
                before = seen.at;
                window.insert(window.len(), seen);
            }
        }
        if !bytes.0.is_empty() || !window.seen().is_sorted_by(|one, next| one.order(next).is_lt()) {
            return None;
        }
        let said: Box<[Standing]> = (0..count).map(|zone| now.standing(zone)).collect();
        let is_calm = said.iter().all(|said| *said == Standing::Inside);
        let zones = zones.into_boxed_slice();
        Some(Self { ground: Ground::around(home), is_calm, now, window, start, middle, zones, said })
    }

    /// Somebody of whom no more is known than where they were said to be away from, and since when.
    pub fn resume(
        home: Position,
        within: Metres,
        zones: Vec<Zone>,
        away: impl Fn(FenceId) -> Option<Timestamp>,
    ) -> Self {
        let mut wearer = Self::new(home, within, zones);
        for (number, zone) in wearer.zones.iter().enumerate() {
            let Some(since) = away(zone.id) else { continue };
            let mark = Mark { standing: Standing::Confirmed, chance: 1.0, since: since.as_millisecond(), ..Mark::NEW };
            (wearer.now.marks[number], wearer.start.marks[number]) = (mark, mark);
            (wearer.said[number], wearer.is_calm) = (Standing::Confirmed, false);
        }
        if wearer.is_calm {
            // Side by side: as one, they would be a doubt of a mile or two, and the first mast would carry them off.
            let near = to_f32(within.0.clamp(30.0, 50_000.0) / 2.0);
            let mind = Mind::recalled(&[
                Guess::rests([0.0; 2], near, AT_HOME.ln()),
                Guess::rests([0.0; 2], ANYWHERE_M, (1.0 - AT_HOME).ln()),
            ]);
            (wearer.now.mind, wearer.start.mind) = (mind.clone(), mind);
        }
        wearer
    }

    /// Whether nothing that could still come late would change what is said.
    pub(super) fn is_settled(&self) -> bool {
        let rests = |standing| matches!(standing, Standing::Inside | Standing::Returned | Standing::Confirmed);
        matches!(self.now.mind.guesses(), [only] if only.story == Story::Rests)
            && (0..self.zones.len()).all(|zone| rests(self.now.standing(zone)))
    }
}

/// The sum by which bytes that were damaged are known (Fowler, Noll and Vo, 1a, 32 bits).
pub(super) fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let hash = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, hash).to_le_bytes()
}

/// Bytes that are written.
struct Out(Vec<u8>);

impl Out {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn word<W: Word + PartialEq>(&mut self, word: W) {
        let place = W::ALL.iter().position(|other| *other == word);
        self.byte(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX));
    }

    fn number(&mut self, number: f32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn numbers(&mut self, numbers: &[f32]) {
        for number in numbers {
            self.number(*number);
        }
    }

    fn moment(&mut self, millisecond: i64) {
        self.0.extend_from_slice(&millisecond.to_le_bytes());
    }

    fn chapter(&mut self, chapter: &Chapter) {
        self.moment(chapter.at);
        self.numbers(chapter.last.as_flattened());
        self.numbers(&chapter.proven);
        self.number(chapter.leeway.min(f32::MAX));
        for mark in &chapter.marks {
            self.word(mark.standing);
            self.numbers(&[mark.chance, mark.beyond]);
            self.moment(mark.since);
        }
        let guesses = chapter.mind.guesses();
        self.byte(u8::try_from(guesses.len()).unwrap_or(u8::MAX));
        for guess in guesses {
            self.word(guess.story);
            self.numbers(&[guess.weight, guess.x[0], guess.x[1], guess.u[0], guess.u[1], guess.xx, guess.xu, guess.uu]);
            if is_aside(guess.story) {
                self.numbers(&[guess.off[0], guess.off[1], guess.off_off]);
            }
        }
    }

    fn seen(&mut self, seen: &Seen, before: i64) {
        // From the one before, seven bits a byte: they are minutes apart, and in order.
        let mut since = seen.at.wrapping_sub(before).cast_unsigned();
        while since >= 0x80 {
            self.byte(since.to_le_bytes()[0] | 0x80);
            since >>= 7;
        }
        self.byte(since.to_le_bytes()[0]);
        self.numbers(&seen.x);
        self.numbers(&[seen.claimed().unwrap_or(UNTOLD), seen.speed_kmh().unwrap_or(UNTOLD)]);
        self.word(seen.source);
    }
}

/// What a number is when there is none: what it counts is never negative.
const UNTOLD: f32 = -1.0;

/// Whether a story has a second place.
const fn is_aside(story: Story) -> bool {
    matches!(story, Story::PhantomWalks | Story::PhantomSlides)
}

/// Bytes that are read.
struct In<'b>(&'b [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn word<W: Word>(&mut self) -> Option<W> {
        W::ALL.get(usize::from(self.byte()?)).copied()
    }

    fn number(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes).filter(|number| number.is_finite())
    }

    fn pair(&mut self) -> Option<[f32; 2]> {
        Some([self.number()?, self.number()?])
    }

    fn moment(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn chapter(&mut self, zones: usize) -> Option<Chapter> {
        let (at, last) = (self.moment()?, [self.pair()?, self.pair()?, self.pair()?]);
        let (proven, leeway) = ([self.number()?, self.number()?, self.number()?], self.number()?);
        // Of who is at ease they follow from the rest.
        let marked = if leeway < 0.0 { zones } else { 0 };
        let marks = (0..marked).map(|_| self.mark()).collect::<Option<_>>()?;
        let count = usize::from(self.byte()?);
        let mut guesses = [Guess::rests([0.0; 2], 1.0, 0.0); GUESSES_MAX];
        for guess in guesses.get_mut(..count).filter(|guesses| !guesses.is_empty())? {
            *guess = self.guess()?;
        }
        Some(Chapter { mind: Mind::recalled(&guesses[..count]), at, last, proven, leeway, marks })
    }

    fn mark(&mut self) -> Option<Mark> {
        let (standing, [chance, beyond], since) = (self.word()?, self.pair()?, self.moment()?);
        Some(Mark { standing, chance, beyond, since })
    }

    fn guess(&mut self) -> Option<Guess> {
        let (story, weight) = (self.word()?, self.number()?);
        let (x, u) = (self.pair()?, self.pair()?);
        let (xx, xu, uu) = (self.number()?, self.number()?, self.number()?);
        let (off, off_off) = if is_aside(story) { (self.pair()?, self.number()?) } else { ([0.0; 2], 0.0) };
        Some(Guess { story, weight, x, u, xx, xu, uu, off, off_off })
    }

    fn seen(&mut self, before: i64) -> Option<Seen> {
        let mut since: u64 = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            since |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let (x, [claimed, speed_kmh], source) = (self.pair()?, self.pair()?, self.word::<Source>()?);
        let told = |number: f32| (number >= 0.0).then_some(number);
        let at = before.wrapping_add(since.cast_signed());
        (at != NEVER).then(|| Seen::new(at, x, told(claimed), told(speed_kmh), source))
    }
}
