//! What is drawn, made into an area, or refused with a sentence and the places where something is wrong.
//!
//! What is careless and clear is repaired: a ring that is not closed, a point told twice, either direction, a small curl
//! where a hand slipped. What could mean two things is refused.

use super::edges::{Edges, Stretch};
use super::ground::{Ground, Spot};
use crate::place::{Metres, Position};
use crate::word::words;

/// Smaller, no receiver can tell whether somebody is in it.
const RADIUS_MIN_M: f64 = 20.0;
/// Larger, it keeps nobody from being lost.
const REACH_MAX_M: f64 = 50_000.0;
/// Half the width of a line: narrower than a street no receiver can follow; wider it is no way.
const HALF_WIDTH_M: std::ops::RangeInclusive<f64> = 10.0..=5_000.0;
/// 20 m by 20 m.
const AREA_MIN_M2: f64 = 400.0;
/// Outline and holes together. More is a line that a machine traced.
pub const CORNERS_MAX: usize = 10_000;
/// So many places where something is wrong are told.
const WHERE_MAX: usize = 16;
/// A curl smaller than this share of the whole is a slip of the hand.
const CURL_MAX: f64 = 0.01;

/// Which line something is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Around it.
    Outline,
    /// A hole, counted from 1.
    Hole(usize),
    /// The middle of a corridor.
    Way,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outline => f.write_str("the outline"),
            Self::Hole(number) => write!(f, "hole {number}"),
            Self::Way => f.write_str("the line"),
        }
    }
}

/// Why something that was drawn is no area.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadArea {
    /// A circle of no size, or of too much.
    #[error("the radius is {0:.0} m; it must lie between 20 m and 50 km")]
    Radius(f64),
    /// A corridor of no width, or of too much.
    #[error("it reaches {0:.0} m to either side; that must lie between 10 m and 5 km")]
    Width(f64),
    /// Nothing was drawn.
    #[error("nothing is drawn")]
    Nothing,
    /// A line that goes nowhere.
    #[error("{0} has too few distinct points: an outline needs 3, a way 2")]
    TooFewPoints(Line, Vec<Position>),
    /// More points than an area needs.
    #[error("there are {0} points; at most {CORNERS_MAX} are taken")]
    TooManyPoints(usize),
    /// A ring that crosses or touches itself.
    #[error("{0} crosses or touches itself in {places} places", places = .1.len())]
    Crosses(Line, Vec<Position>),
    /// A hole that is not within, or two lines that cross.
    #[error("{0} and {1} cross or touch in {places} places", places = .2.len())]
    Meet(Line, Line, Vec<Position>),
    /// A hole that lies outside of the outline, or in another hole.
    #[error("{0} does not lie within the outline and outside of all other holes")]
    Astray(Line, Vec<Position>),
    /// Too small to tell whether somebody is in it.
    #[error("its area is {0:.0} m²; it must be at least 400 m²")]
    TooSmall(f64, Vec<Position>),
    /// It reaches too far.
    #[error("it reaches {0:.0} m from its middle; at most 50 km are taken")]
    TooLarge(f64, Vec<Position>),
}

impl Line {
    /// Which ring it is, for programs: 0 is the outline, then the holes; none is a way.
    pub const fn ring(self) -> Option<usize> {
        match self {
            Self::Outline => Some(0),
            Self::Hole(number) => Some(number),
            Self::Way => None,
        }
    }
}

impl BadArea {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Radius(_) => "drawing_radius",
            Self::Width(_) => "drawing_width",
            Self::Nothing => "drawing_nothing",
            Self::TooFewPoints(..) => "drawing_too_few_points",
            Self::TooManyPoints(_) => "drawing_too_many_points",
            Self::Crosses(..) => "drawing_crosses",
            Self::Meet(..) => "drawing_meets",
            Self::Astray(..) => "drawing_astray",
            Self::TooSmall(..) => "drawing_too_small",
            Self::TooLarge(..) => "drawing_too_large",
        }
    }

    /// The lines that it is about.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::TooFewPoints(line, _) | Self::Crosses(line, _) | Self::Astray(line, _) => vec![*line],
            Self::Meet(line, other, _) => vec![*line, *other],
            Self::Radius(_)
            | Self::Width(_)
            | Self::Nothing
            | Self::TooManyPoints(_)
            | Self::TooSmall(..)
            | Self::TooLarge(..) => Vec::new(),
        }
    }

    /// The number that it is about: metres, square metres, or how many points.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Radius(number) | Self::Width(number) | Self::TooSmall(number, _) | Self::TooLarge(number, _) => {
                Some(*number)
            }
            Self::TooManyPoints(points) => u32::try_from(*points).ok().map(f64::from),
            Self::Nothing | Self::TooFewPoints(..) | Self::Crosses(..) | Self::Meet(..) | Self::Astray(..) => None,
        }
    }

    /// Where on the map, for a picture. Empty when it is about a number.
    pub fn places(&self) -> &[Position] {
        match self {
            Self::Radius(_) | Self::Width(_) | Self::Nothing | Self::TooManyPoints(_) => &[],
            Self::TooFewPoints(_, places)
            | Self::Crosses(_, places)
            | Self::Meet(_, _, places)
            | Self::Astray(_, places)
            | Self::TooSmall(_, places)
            | Self::TooLarge(_, places) => places,
        }
    }
}

/// What was drawn, found good.
pub(super) struct Checked {
    pub(super) ground: Ground,
    pub(super) middle: Position,
    pub(super) stretches: Vec<Stretch>,
    /// Holes taken off, m².
    pub(super) area: f64,
    /// From the middle, metres.
    pub(super) reach: f64,
}

pub(super) fn radius(radius: Metres) -> Result<f64, BadArea> {
    if (RADIUS_MIN_M..=REACH_MAX_M).contains(&radius.0) { Ok(radius.0) } else { Err(BadArea::Radius(radius.0)) }
}

pub(super) fn corridor(mut line: Vec<Position>, half_width: Metres) -> Result<Checked, BadArea> {
    if !HALF_WIDTH_M.contains(&half_width.0) {
        return Err(BadArea::Width(half_width.0));
    }
    if line.len() > CORNERS_MAX {
        return Err(BadArea::TooManyPoints(line.len()));
    }
    line.dedup();
    if line.len() < 2 {
        return Err(BadArea::TooFewPoints(Line::Way, line));
    }
    let (ground, middle, reach) = ground(&line)?;
    let spots: Vec<Spot> = line.iter().map(|place| ground.flatten(*place)).collect();
    let stretches = spots.windows(2).map(|pair| Stretch { from: pair[0], to: pair[1] }).collect();
    Ok(Checked { ground, middle, stretches, area: 0.0, reach })
}

pub(super) fn polygon(rings: &[Vec<Position>]) -> Result<Checked, BadArea> {
    let Whole { ground, middle, reach, area, rings, .. } = made_whole(rings)?;
    let stretches = rings.iter().flat_map(|(_, ring)| sides(ring)).collect();
    Ok(Checked { ground, middle, stretches, area, reach })
}

/// Something that was drawn carelessly, and was put right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mend {
    /// What.
    pub what: Mended,
    /// In which line.
    pub line: Line,
    /// Where.
    pub at: Position,
}

words! {
    /// What was put right in something that was drawn.
    pub enum Mended ("mend") {
        /// A point told twice in a row counts once.
        Doubled = "doubled",
        /// A small curl, where the line crosses itself, or a spike was cut off.
        Uncurled = "uncurled",
        /// It went around the other way: outlines go to the left, holes to the right.
        Turned = "turned",
    }
}

/// The rings of a polygon as they are judged, closed and each going its way around, and what had to be put right. Points
/// that could stay are where they were, to the last digit.
pub fn mended(rings: &[Vec<Position>]) -> Result<(Vec<Vec<Position>>, Vec<Mend>), BadArea> {
    let whole = made_whole(rings)?;
    let mut mends = whole.mends;
    let mut told = Vec::with_capacity(rings.len());
    for ((line, mut spots), drawn) in whole.rings.into_iter().zip(rings) {
        if (twice_area(&spots) > 0.0) != (line == Line::Outline) {
            // Begin where they began.
            spots[1..].reverse();
            mends.extend(drawn.first().map(|at| Mend { what: Mended::Turned, line, at: *at }));
        }
        let known: std::collections::HashMap<[u64; 2], Position> =
            drawn.iter().map(|place| (spot_bits(whole.ground.flatten(*place)), *place)).collect();
        let place = |spot: &Spot| known.get(&spot_bits(*spot)).copied().or_else(|| whole.ground.place(*spot).ok());
        let mut ring: Vec<Position> = spots.iter().filter_map(place).collect();
        ring.extend(ring.first().copied());
        told.push(ring);
    }
    mends.truncate(WHERE_MAX);
    Ok((told, mends))
}

fn spot_bits(spot: Spot) -> [u64; 2] {
    [spot.east, spot.north].map(f64::to_bits)
}

/// What was drawn, ring by ring, found good.
struct Whole {
    ground: Ground,
    middle: Position,
    reach: f64,
    area: f64,
    rings: Vec<(Line, Vec<Spot>)>,
    mends: Vec<Mend>,
}

fn made_whole(rings: &[Vec<Position>]) -> Result<Whole, BadArea> {
    let points = rings.iter().map(Vec::len).sum();
    if points > CORNERS_MAX {
        return Err(BadArea::TooManyPoints(points));
    }
    let Some(outline) = rings.first() else { return Err(BadArea::Nothing) };
    if outline.is_empty() {
        return Err(BadArea::Nothing);
    }
    let (ground, middle, reach) = ground(outline)?;
    let mut mends = Vec::new();
    let mut checked: Vec<(Line, Vec<Spot>)> = Vec::with_capacity(rings.len());
    for (index, ring) in rings.iter().enumerate() {
        let line = if index == 0 { Line::Outline } else { Line::Hole(index) };
        checked.push((line, whole(line, ring, &ground, &mut mends)?));
    }
    let room = |ring: &[Spot]| twice_area(ring).abs() / 2.0;
    let area = room(&checked[0].1) - checked[1..].iter().map(|(_, ring)| room(ring)).sum::<f64>();
    if area < AREA_MIN_M2 {
        return Err(BadArea::TooSmall(area, vec![middle]));
    }
    apart(&checked, &ground)?;
    Ok(Whole { ground, middle, reach, area, rings: checked, mends })
}

/// The map around the middle of what is drawn, its middle, and how far it reaches.
fn ground(points: &[Position]) -> Result<(Ground, Position, f64), BadArea> {
    // Twice: once around a corner, to find the middle, which may lie over a pole or the 180th meridian.
    let rough = Ground::around(points[0]);
    let (mut least, mut most) = (
        Spot { east: f64::INFINITY, north: f64::INFINITY },
        Spot { east: f64::NEG_INFINITY, north: f64::NEG_INFINITY },
    );
    for spot in points.iter().map(|point| rough.flatten(*point)) {
        least = Spot { east: least.east.min(spot.east), north: least.north.min(spot.north) };
        most = Spot { east: most.east.max(spot.east), north: most.north.max(spot.north) };
    }
    let middle = Spot { east: f64::midpoint(least.east, most.east), north: f64::midpoint(least.north, most.north) };
    let middle = rough.place(middle).unwrap_or(points[0]);
    let (reach, farthest) = points
        .iter()
        .map(|point| (middle.distance(*point).0, *point))
        .fold((0.0, middle), |far, next| if next.0 > far.0 { next } else { far });
    if reach > REACH_MAX_M {
        return Err(BadArea::TooLarge(reach, vec![farthest]));
    }
    Ok((Ground::around(middle), middle, reach))
}

/// Nearer than this two points are one, metres.
const SAME_M: f64 = 0.01;

/// A ring as spots: not closed, no point twice in a row, curls cut off.
fn whole(line: Line, ring: &[Position], ground: &Ground, mends: &mut Vec<Mend>) -> Result<Vec<Spot>, BadArea> {
    let mut spots: Vec<Spot> = ring.iter().map(|place| ground.flatten(*place)).collect();
    let mut mend = |what, spot| mends.extend(ground.place(spot).ok().map(|at| Mend { what, line, at }));
    spots.dedup_by(|a, b| {
        let is_same = a.distance(*b) < SAME_M;
        if is_same {
            mend(Mended::Doubled, *b);
        }
        is_same
    });
    while spots.len() > 1 && spots[0].distance(spots[spots.len() - 1]) < SAME_M {
        spots.pop();
    }
    if spots.len() < 3 {
        return Err(BadArea::TooFewPoints(line, ring.iter().take(WHERE_MAX).copied().collect()));
    }
    // Each cut takes corners away, so this ends.
    loop {
        let crossings = crossings(&spots);
        let cut = crossings.iter().find_map(|crossing| uncurled(&spots, crossing).map(|ring| (crossing.at, ring)));
        let Some((at, curl)) = cut else {
            if crossings.is_empty() {
                return Ok(spots);
            }
            let places = crossings.iter().filter_map(|crossing| ground.place(crossing.at).ok()).collect();
            return Err(BadArea::Crosses(line, places));
        };
        mend(Mended::Uncurled, at);
        spots = curl;
        if spots.len() < 3 {
            return Err(BadArea::TooFewPoints(line, ring.iter().take(WHERE_MAX).copied().collect()));
        }
    }
}

/// Where the side after corner `one` and that after corner `other` cross.
struct Crossing {
    one: usize,
    other: usize,
    at: Spot,
}

/// Where a ring meets itself other than where it goes on, up to [`WHERE_MAX`] places.
fn crossings(ring: &[Spot]) -> Vec<Crossing> {
    let numbered: Vec<Stretch> = sides(ring).collect();
    let edges = Edges::new(numbered.clone());
    // The index has its own order: find each stretch's number again.
    let mut number: Vec<usize> = (0..ring.len()).collect();
    let key = |stretch: &Stretch| (stretch.from.east, stretch.from.north, stretch.to.east, stretch.to.north);
    let order = |a: &Stretch, b: &Stretch| {
        let (a, b) = (key(a), key(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)).then(a.3.total_cmp(&b.3))
    };
    number.sort_by(|a, b| order(&numbered[*a], &numbered[*b]));
    let number_of = |stretch: &Stretch| {
        number.binary_search_by(|index| order(&numbered[*index], stretch)).map_or(0, |place| number[place])
    };
    let mut found = Vec::new();
    edges.pairs(|a, b| {
        let (a, b) = (number_of(&edges.stretches()[a]), number_of(&edges.stretches()[b]));
        let (one, other) = (a.min(b), a.max(b));
        if let Some(at) = meet(&numbered, one, other) {
            found.push(Crossing { one, other, at });
        }
        found.len() < WHERE_MAX
    });
    found
}

/// Where two sides of a ring meet, if they should not.
fn meet(sides: &[Stretch], one: usize, other: usize) -> Option<Spot> {
    let (a, b) = (sides[one], sides[other]);
    let (follows, precedes) = (other == one + 1, one == 0 && other == sides.len() - 1);
    if follows || precedes {
        // Neighbours share a corner; they may not fold back onto each other.
        let (corner, far_a, far_b) = if follows { (a.to, a.from, b.to) } else { (a.from, a.to, b.from) };
        let (east_a, north_a) = (far_a.east - corner.east, far_a.north - corner.north);
        let (east_b, north_b) = (far_b.east - corner.east, far_b.north - corner.north);
        let across = east_a * north_b - north_a * east_b;
        let along = east_a * east_b + north_a * north_b;
        return (along > 0.0 && across.abs() < 1e-9 * along).then_some(corner);
    }
    intersection(a, b)
}

/// Where two stretches meet.
fn intersection(a: Stretch, b: Stretch) -> Option<Spot> {
    let turn = |from: Spot, to: Spot, spot: Spot| {
        (to.east - from.east) * (spot.north - from.north) - (to.north - from.north) * (spot.east - from.east)
    };
    let (b_from, b_to) = (turn(a.from, a.to, b.from), turn(a.from, a.to, b.to));
    let (a_from, a_to) = (turn(b.from, b.to, a.from), turn(b.from, b.to, a.to));
    if ((b_from > 0.0 && b_to < 0.0) || (b_from < 0.0 && b_to > 0.0))
        && ((a_from > 0.0 && a_to < 0.0) || (a_from < 0.0 && a_to > 0.0))
    {
        let share = a_from / (a_from - a_to);
        return Some(Spot {
            east: a.from.east + share * (a.to.east - a.from.east),
            north: a.from.north + share * (a.to.north - a.from.north),
        });
    }
    let on = |stretch: Stretch, spot: Spot| Edges::new(vec![stretch]).distance(spot) < SAME_M;
    [(a, b.from), (a, b.to), (b, a.from), (b, a.to)]
        .into_iter()
        .find(|(side, spot)| on(*side, *spot))
        .map(|(_, spot)| spot)
}

/// The ring without the smaller of the two loops that a crossing makes of it, when that one is a slip of the hand.
fn uncurled(ring: &[Spot], crossing: &Crossing) -> Option<Vec<Spot>> {
    let (one, other) = (crossing.one + 1, crossing.other + 1);
    let mut inner: Vec<Spot> = ring[one..other].to_vec();
    inner.push(crossing.at);
    let mut outer: Vec<Spot> = ring[..one].to_vec();
    outer.push(crossing.at);
    outer.extend_from_slice(&ring[other..]);
    let (in_room, out_room) = (twice_area(&inner).abs(), twice_area(&outer).abs());
    let (small, mut large) = if in_room < out_room { (in_room, outer) } else { (out_room, inner) };
    large.dedup_by(|a, b| a.distance(*b) < SAME_M);
    // A loop of no area is a spike: there and back again.
    let is_shorter = large.len() < ring.len();
    (small <= CURL_MAX * in_room.max(out_room) && is_shorter).then_some(large)
}

/// Rings must be apart, holes within the outline and in no other hole.
fn apart(rings: &[(Line, Vec<Spot>)], ground: &Ground) -> Result<(), BadArea> {
    if rings.len() < 2 {
        return Ok(());
    }
    let edges: Vec<Edges> = rings.iter().map(|(_, ring)| Edges::new(sides(ring).collect())).collect();
    for (hole, (line, ring)) in rings.iter().enumerate().skip(1) {
        for (other, (other_line, other_ring)) in rings.iter().enumerate().take(hole) {
            let places: Vec<Position> = shared(ring, other_ring).filter_map(|spot| ground.place(spot).ok()).collect();
            if !places.is_empty() {
                return Err(BadArea::Meet(*other_line, *line, places));
            }
            let is_within = |one: usize, corner: Spot| edges[one].is_within(corner);
            let is_astray = if other == 0 {
                !is_within(0, ring[0])
            } else {
                is_within(other, ring[0]) || is_within(hole, other_ring[0])
            };
            if is_astray {
                return Err(BadArea::Astray(*line, ground.place(ring[0]).into_iter().collect()));
            }
        }
    }
    Ok(())
}

/// Where two rings meet, up to [`WHERE_MAX`] places.
fn shared<'r>(one: &'r [Spot], other: &'r [Spot]) -> impl Iterator<Item = Spot> + 'r {
    let mut joined: Vec<Stretch> = sides(one).collect();
    joined.extend(sides(other));
    let edges = Edges::new(joined);
    let of_one: std::collections::HashSet<[u64; 4]> = sides(one).map(|side| bits(&side)).collect();
    let mut found = Vec::new();
    edges.pairs(|a, b| {
        let (a, b) = (edges.stretches()[a], edges.stretches()[b]);
        if of_one.contains(&bits(&a)) != of_one.contains(&bits(&b)) {
            found.extend(intersection(a, b));
        }
        found.len() < WHERE_MAX
    });
    found.into_iter()
}

fn bits(side: &Stretch) -> [u64; 4] {
    [side.from.east, side.from.north, side.to.east, side.to.north].map(f64::to_bits)
}

/// The sides of a ring that is not closed.
fn sides(ring: &[Spot]) -> impl Iterator<Item = Stretch> + '_ {
    (0..ring.len()).map(|corner| Stretch { from: ring[corner], to: ring[(corner + 1) % ring.len()] })
}

fn twice_area(ring: &[Spot]) -> f64 {
    sides(ring).map(|side| side.from.east * side.to.north - side.to.east * side.from.north).sum()
}
