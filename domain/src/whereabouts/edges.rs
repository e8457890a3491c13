//! The edge of an area: how far away it is, and whether a spot lies within it, without looking at every stretch.

use super::ground::Spot;

/// One straight stretch of an edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Spot,
    pub(super) to: Spot,
}

/// A box around stretches.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Frame {
    const NONE: Self =
        Self { west: f64::INFINITY, south: f64::INFINITY, east: f64::NEG_INFINITY, north: f64::NEG_INFINITY };

    fn around(stretches: &[Stretch]) -> Self {
        stretches.iter().flat_map(|stretch| [stretch.from, stretch.to]).fold(Self::NONE, |frame, spot| Self {
            west: frame.west.min(spot.east),
            south: frame.south.min(spot.north),
            east: frame.east.max(spot.east),
            north: frame.north.max(spot.north),
        })
    }

    /// The square of the distance to `spot`, 0 within.
    fn square_to(&self, spot: Spot) -> f64 {
        let east = (self.west - spot.east).max(spot.east - self.east).max(0.0);
        let north = (self.south - spot.north).max(spot.north - self.north).max(0.0);
        east * east + north * north
    }

    fn meets(&self, other: &Self) -> bool {
        self.west <= other.east && other.west <= self.east && self.south <= other.north && other.south <= self.north
    }
}

/// So few stretches are looked at one by one.
const LEAF: usize = 8;
/// Halving so often ends with one stretch, however many there are.
const DEPTH: usize = 48;

/// Stretches in an order in which those near each other are together, below boxes around halves, quarters, eighths:
/// what is farther off than the nearest yet, or lies above or below a line of sight, is never looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Edges {
    stretches: Vec<Stretch>,
    frames: Vec<Frame>,
}

impl Edges {
    pub(super) fn new(mut stretches: Vec<Stretch>) -> Self {
        let mut frames = vec![Frame::NONE; frames_for(stretches.len())];
        build(&mut stretches, &mut frames, 0);
        Self { stretches, frames }
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Looks at the first stretches, and at nothing else: the memory is nearer then.
    pub(super) fn glance(&self) -> u64 {
        self.stretches.iter().take(LEAF).fold(0, |looked, stretch| looked ^ stretch.to.north.to_bits())
    }

    /// The distance to the nearest stretch, in metres; infinite when there is none.
    pub(super) fn distance(&self, spot: Spot) -> f64 {
        let mut least = f64::INFINITY;
        if self.stretches.len() <= LEAF {
            for stretch in &self.stretches {
                least = least.min(square_to(stretch, spot));
            }
            return least.sqrt();
        }
        let mut waiting = Waiting::new(self.stretches.len());
        while let Some((node, from, to)) = waiting.pop() {
            if self.frames[node].square_to(spot) >= least {
                continue;
            }
            if to - from <= LEAF {
                for stretch in &self.stretches[from..to] {
                    least = least.min(square_to(stretch, spot));
                }
                continue;
            }
            let (left, right) = halves(node, from, to);
            // The nearer half is looked at first: popped last in, first out.
            if self.frames[left.0].square_to(spot) <= self.frames[right.0].square_to(spot) {
                waiting.push(right);
                waiting.push(left);
            } else {
                waiting.push(left);
                waiting.push(right);
            }
        }
        least.sqrt()
    }

    /// Whether the stretches, as closed rings, have `spot` within: odd ones out are holes.
    pub(super) fn is_within(&self, spot: Spot) -> bool {
        let mut is_odd = false;
        if self.stretches.len() <= LEAF {
            for stretch in &self.stretches {
                is_odd ^= is_crossed(stretch, spot);
            }
            return is_odd;
        }
        let mut waiting = Waiting::new(self.stretches.len());
        while let Some((node, from, to)) = waiting.pop() {
            let frame = &self.frames[node];
            if spot.north < frame.south || spot.north > frame.north || spot.east > frame.east {
                continue;
            }
            if to - from <= LEAF {
                for stretch in &self.stretches[from..to] {
                    is_odd ^= is_crossed(stretch, spot);
                }
            } else {
                let (left, right) = halves(node, from, to);
                waiting.push(left);
                waiting.push(right);
            }
        }
        is_odd
    }

    /// Calls `meets` with each pair of stretches whose boxes meet, by their places in [`Self::stretches`], until it
    /// says that it has seen enough.
    pub(super) fn pairs(&self, mut meets: impl FnMut(usize, usize) -> bool) {
        for (one, stretch) in self.stretches.iter().enumerate() {
            let frame = Frame::around(std::slice::from_ref(stretch));
            let mut waiting = Waiting::new(self.stretches.len());
            while let Some((node, from, to)) = waiting.pop() {
                if to <= one + 1 || !self.frames[node].meets(&frame) {
                    continue;
                }
                if to - from <= LEAF {
                    for other in from.max(one + 1)..to {
                        if Frame::around(&self.stretches[other..=other]).meets(&frame) && !meets(one, other) {
                            return;
                        }
                    }
                } else {
                    let (left, right) = halves(node, from, to);
                    waiting.push(left);
                    waiting.push(right);
                }
            }
        }
    }

    /// How much memory they take, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&self.stretches[..]) + size_of_val(&self.frames[..])
    }
}

type Node = (usize, usize, usize);

/// Which nodes are still to be looked at.
struct Waiting {
    nodes: [Node; DEPTH],
    len: usize,
}

impl Waiting {
    fn new(stretches: usize) -> Self {
        let mut waiting = Self { nodes: [(0, 0, 0); DEPTH], len: 0 };
        if stretches > 0 {
            waiting.push((0, 0, stretches));
        }
        waiting
    }

    fn push(&mut self, node: Node) {
        self.nodes[self.len] = node;
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Node> {
        self.len = self.len.checked_sub(1)?;
        Some(self.nodes[self.len])
    }
}

/// The two nodes below one, as in a heap.
const fn halves(node: usize, from: usize, to: usize) -> (Node, Node) {
    let middle = from + (to - from) / 2;
    ((2 * node + 1, from, middle), (2 * node + 2, middle, to))
}

/// How many nodes there may be below a root over so many stretches.
const fn frames_for(stretches: usize) -> usize {
    let mut size = stretches;
    let mut frames = 1;
    while size > LEAF {
        size = size.div_ceil(2);
        frames = 2 * frames + 1;
    }
    frames
}

fn build(stretches: &mut [Stretch], frames: &mut [Frame], node: usize) {
    let frame = Frame::around(stretches);
    frames[node] = frame;
    let len = stretches.len();
    if len <= LEAF {
        return;
    }
    let is_wide = frame.east - frame.west > frame.north - frame.south;
    let along = |stretch: &Stretch| {
        if is_wide { stretch.from.east + stretch.to.east } else { stretch.from.north + stretch.to.north }
    };
    let middle = len / 2;
    stretches.select_nth_unstable_by(middle, |a, b| along(a).total_cmp(&along(b)));
    let (left, right) = stretches.split_at_mut(middle);
    build(left, frames, 2 * node + 1);
    build(right, frames, 2 * node + 2);
}

/// The square of the distance of a spot to a stretch.
fn square_to(stretch: &Stretch, spot: Spot) -> f64 {
    let (along_east, along_north) = (stretch.to.east - stretch.from.east, stretch.to.north - stretch.from.north);
    let (east, north) = (spot.east - stretch.from.east, spot.north - stretch.from.north);
    let square = along_east * along_east + along_north * along_north;
    let share = if square > 0.0 { ((east * along_east + north * along_north) / square).clamp(0.0, 1.0) } else { 0.0 };
    let (off_east, off_north) = (east - share * along_east, north - share * along_north);
    off_east * off_east + off_north * off_north
}

/// Whether a line of sight eastward from `spot` crosses a stretch.
fn is_crossed(stretch: &Stretch, spot: Spot) -> bool {
    let Stretch { from, to } = stretch;
    if (from.north > spot.north) == (to.north > spot.north) {
        return false;
    }
    let share = (spot.north - from.north) / (to.north - from.north);
    spot.east < from.east + share * (to.east - from.east)
}
