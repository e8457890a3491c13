//! The ground: a district that is cut into streets, communities, grids and courtyards which tile it.
//!
//! Each cut goes through one face of the map, from a point on its edge to another, and puts those points
//! into the neighbours' edges too. So faces that touch share every corner along the line where they
//! touch, and the outline of what holds many faces is made of their own corners: nothing overlaps and
//! nothing is left out, to the last digit. The cuts are the town's streets: people walk along them.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::{FRAC_PI_2, PI};

use serde::Serialize;

use crate::dice::Dice;
use crate::ground::Point;
use crate::names;

/// How many there are on each level below the district.
pub const STREETS: usize = 6;
/// Communities in all.
pub const COMMUNITIES: usize = 24;
/// Grids in all.
pub const GRIDS: usize = 90;
/// Courtyards in all.
pub const COURTYARDS: usize = 200;

/// Where the plane touches the earth.
const ORIGIN: Point = Point { lat: 28.230, lon: 112.988 };
/// A cut that comes nearer than this to a corner goes through it.
const SNAP_M: f64 = 25.0;
/// No piece is less round than this, where that can be had.
const ROUND_ENOUGH: f64 = 0.62;
/// A cut bends about once in so many metres.
const BEND_EVERY_M: f64 = 260.0;

/// The district's outline, counter-clockwise: on its west the bank of a river.
const OUTLINE: [(f64, f64); 26] = [
    (28.2098, 112.9712),
    (28.2087, 112.9765),
    (28.2101, 112.9828),
    (28.2089, 112.9894),
    (28.2104, 112.9959),
    (28.2096, 113.0021),
    (28.2135, 113.0062),
    (28.2192, 113.0049),
    (28.2251, 113.0071),
    (28.2303, 113.0058),
    (28.2362, 113.0084),
    (28.2421, 113.0069),
    (28.2473, 113.0081),
    (28.2512, 113.0043),
    (28.2503, 112.9987),
    (28.2521, 112.9921),
    (28.2509, 112.9862),
    (28.2523, 112.9806),
    (28.2508, 112.9751),
    (28.2466, 112.9729),
    (28.2419, 112.9714),
    (28.2371, 112.9704),
    (28.2322, 112.9699),
    (28.2272, 112.9698),
    (28.2219, 112.9699),
    (28.2158, 112.9703),
];

/// A level of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 区
    District,
    /// 街道
    Street,
    /// 社区
    Community,
    /// 网格
    Grid,
    /// 院落
    Courtyard,
}

impl Level {
    /// Its spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::District => "district",
            Self::Street => "street",
            Self::Community => "community",
            Self::Grid => "grid",
            Self::Courtyard => "courtyard",
        }
    }
}

/// A place of the tree, by its number in [`Map::nodes`].
pub type NodeNo = usize;

/// A place of the tree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Which level.
    pub level: Level,
    /// Its name; no two below the same parent have the same.
    pub name: String,
    /// What it lies in; none for the district.
    pub parent: Option<NodeNo>,
    /// Its outline, counter-clockwise, the first corner not repeated.
    pub ring: Vec<Point>,
    #[serde(skip)]
    corners: Vec<usize>,
}

/// What people go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotKind {
    /// 菜市场
    Market,
    /// 小游园
    Park,
    /// 社区活动中心
    Centre,
    /// 小学
    School,
}

/// Somewhere that people of a community go to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spot {
    /// What it is.
    pub kind: SpotKind,
    /// Whose it is.
    pub community: NodeNo,
    /// Where it is: a corner of two streets.
    pub place: Point,
    #[serde(skip)]
    corner: usize,
}

/// The ground.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Map {
    /// The tree, each after its parent.
    pub nodes: Vec<Node>,
    /// Where people go.
    pub spots: Vec<Spot>,
    #[serde(skip)]
    corners: Vec<Point>,
}

impl Map {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let tree = Tree::grow(dice);
        let mut plane = Plane::new();
        let mut nodes = Vec::new();
        plane.lay_out(dice, 0, &tree, None, &mut nodes);
        let corners: Vec<Point> =
            plane.corners.iter().map(|corner| ORIGIN.moved(corner.east_m, corner.north_m).rounded()).collect();
        let mut nodes: Vec<Node> = nodes
            .into_iter()
            .map(|Laid { level, parent, faces }| {
                let outline = plane.outline(&faces);
                let ring = outline.iter().map(|corner| corners[*corner]).collect();
                Node { level, name: String::new(), parent, ring, corners: outline }
            })
            .collect();
        names::name_places(dice, &mut nodes);
        let mut map = Self { nodes, spots: Vec::new(), corners };
        map.open_spots(dice);
        map
    }

    /// The places of a level.
    pub fn on(&self, level: Level) -> impl Iterator<Item = NodeNo> {
        (0..self.nodes.len()).filter(move |node| self.nodes[*node].level == level)
    }

    /// What a place lies in on a level; itself, when it is on that level.
    pub fn above(&self, node: NodeNo, level: Level) -> NodeNo {
        let mut here = node;
        while self.nodes[here].level > level
            && let Some(parent) = self.nodes[here].parent
        {
            here = parent;
        }
        here
    }

    /// The courtyard that holds a point, if one does.
    pub fn courtyard_at(&self, point: Point) -> Option<NodeNo> {
        self.on(Level::Courtyard).find(|node| holds(&self.nodes[*node].ring, point))
    }

    /// The places of a level below a place, itself included when it is of that level.
    pub fn below(&self, node: NodeNo, level: Level) -> impl Iterator<Item = NodeNo> {
        self.on(level).filter(move |below| self.above(*below, self.nodes[node].level) == node)
    }

    /// Somewhere inside a place.
    pub(crate) fn point_in(&self, dice: &mut Dice, node: NodeNo) -> Point {
        let ring = &self.nodes[node].ring;
        let ends = |of: fn(&Point) -> f64| {
            ring.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)))
        };
        let (south, north) = ends(|point| point.lat);
        let (west, east) = ends(|point| point.lon);
        loop {
            let point = Point { lat: dice.within(south, north), lon: dice.within(west, east) }.rounded();
            // Not on the wall: it has to be plain to whom it belongs.
            if holds(ring, point) && wall_m(ring, point) > 8.0 {
                return point;
            }
        }
    }

    /// A corner of two streets inside or at the edge of a place.
    pub(crate) fn corner_in(&self, dice: &mut Dice, node: NodeNo) -> Point {
        let yards: Vec<NodeNo> = self.below(node, Level::Courtyard).collect();
        let ring = &self.nodes[dice.pick(&yards)].ring;
        dice.pick(ring)
    }

    /// The mean of a place's corners.
    pub fn middle(&self, node: NodeNo) -> Point {
        let ring = &self.nodes[node].ring;
        #[expect(clippy::cast_precision_loss, reason = "a few corners")]
        let count = ring.len() as f64;
        let (lat, lon) = ring.iter().fold((0.0, 0.0), |(lat, lon), point| (lat + point.lat, lon + point.lon));
        Point { lat: lat / count, lon: lon / count }
    }

    /// Each community gets one of each kind, at corners of its own.
    fn open_spots(&mut self, dice: &mut Dice) {
        for community in self.on(Level::Community).collect::<Vec<_>>() {
            let yards = self.below(community, Level::Courtyard);
            let corners: BTreeSet<usize> = yards.flat_map(|yard| self.nodes[yard].corners.clone()).collect();
            let mut corners: Vec<usize> = corners.into_iter().collect();
            dice.shuffle(&mut corners);
            let kinds = [SpotKind::Market, SpotKind::Park, SpotKind::Centre, SpotKind::School];
            for (kind, corner) in kinds.into_iter().zip(corners) {
                self.spots.push(Spot { kind, community, place: self.corners[corner], corner });
            }
        }
    }

    /// The shortest way along a community's streets from a home in one of its courtyards to each of the
    /// community's spots: from the door to the next corner, and from corner to corner.
    pub(crate) fn ways(&self, home: Point, courtyard: NodeNo) -> Vec<(SpotKind, Vec<Point>)> {
        let community = self.above(courtyard, Level::Community);
        let mut streets: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for yard in self.below(community, Level::Courtyard) {
            for (from, to) in edges(&self.nodes[yard].corners) {
                streets.entry(from).or_default().insert(to);
                streets.entry(to).or_default().insert(from);
            }
        }
        let near = |corner: &&usize| self.corners[**corner].distance_m(home);
        let door = self.nodes[courtyard].corners.iter().min_by(|one, other| near(one).total_cmp(&near(other)));
        let Some(door) = door.copied() else { return Vec::new() };

        // Dijkstra: a community has some fifty corners.
        let mut reached: BTreeMap<usize, (f64, usize)> = BTreeMap::from([(door, (0.0, door))]);
        let mut open = BTreeSet::from([door]);
        let mut done = BTreeSet::new();
        while let Some(here) = open.iter().copied().min_by(|one, other| reached[one].0.total_cmp(&reached[other].0)) {
            open.remove(&here);
            done.insert(here);
            let (so_far_m, _) = reached[&here];
            for next in streets.get(&here).into_iter().flatten().filter(|next| !done.contains(*next)) {
                let way_m = so_far_m + self.corners[here].distance_m(self.corners[*next]);
                if reached.get(next).is_none_or(|(known_m, _)| way_m < *known_m) {
                    reached.insert(*next, (way_m, here));
                    open.insert(*next);
                }
            }
        }
        let spots = self.spots.iter().filter(|spot| spot.community == community);
        spots
            .filter(|spot| reached.contains_key(&spot.corner))
            .map(|spot| {
                let mut way = vec![self.corners[spot.corner]];
                let mut corner = spot.corner;
                while corner != door {
                    corner = reached[&corner].1;
                    way.push(self.corners[corner]);
                }
                way.push(home);
                way.reverse();
                (spot.kind, way)
            })
            .collect()
    }
}

/// Whether a ring holds a point: a ray to the east crosses it an odd number of times.
pub fn holds(ring: &[Point], point: Point) -> bool {
    let crossed = edges(ring).filter(|(from, to)| {
        let spans = (from.lat > point.lat) != (to.lat > point.lat);
        spans && point.lon < from.lon + (point.lat - from.lat) / (to.lat - from.lat) * (to.lon - from.lon)
    });
    crossed.count() % 2 == 1
}

/// How far a point is from the nearest edge of a ring, in metres.
fn wall_m(ring: &[Point], point: Point) -> f64 {
    let to_edge = edges(ring).map(|(from, to)| {
        let edge = Xy::of(to, from);
        let here = Xy::of(point, from);
        let part = (here.dot(edge) / edge.dot(edge)).clamp(0.0, 1.0);
        here.minus(edge.times(part)).length()
    });
    to_edge.fold(f64::MAX, f64::min)
}

fn edges<T: Copy>(ring: &[T]) -> impl Iterator<Item = (T, T)> {
    ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))
}

/// How many parts a place has, and they in turn.
enum Tree {
    Leaf,
    Parts(Vec<Tree>),
}

impl Tree {
    /// The numbers of this module, dealt out unevenly.
    fn grow(dice: &mut Dice) -> Self {
        let communities = deal(dice, STREETS, COMMUNITIES);
        let grids = deal(dice, COMMUNITIES, GRIDS);
        let courtyards = deal(dice, GRIDS, COURTYARDS);
        let mut courtyards = courtyards.into_iter().map(|count| Self::parts(count, || Self::Leaf));
        let mut of_grid = || courtyards.next().unwrap_or(Self::Leaf);
        let mut grids = grids.into_iter();
        let mut of_community = || Self::parts(grids.next().unwrap_or(1), &mut of_grid);
        let mut communities = communities.into_iter();
        let of_street = || Self::parts(communities.next().unwrap_or(1), &mut of_community);
        Self::parts(STREETS, of_street)
    }

    fn parts(count: usize, part: impl FnMut() -> Self) -> Self {
        Self::Parts(std::iter::repeat_with(part).take(count).collect())
    }

    fn leaves(&self) -> usize {
        match self {
            Self::Leaf => 1,
            Self::Parts(parts) => parts.iter().map(Self::leaves).sum(),
        }
    }
}

/// Deals `total` out to `parts`, about evenly: nobody gets less than half of the mean.
fn deal(dice: &mut Dice, parts: usize, total: usize) -> Vec<usize> {
    let mut shares = vec![(total / parts).div_ceil(2).max(1); parts];
    let most = total.div_ceil(parts) * 3 / 2;
    while shares.iter().sum::<usize>() < total {
        let share = &mut shares[dice.index(parts)];
        *share = (*share + 1).min(most);
    }
    shares
}

/// A place on the plane, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Xy {
    east_m: f64,
    north_m: f64,
}

impl Xy {
    fn of(point: Point, origin: Point) -> Self {
        let east_m = origin.distance_m(Point { lat: origin.lat, ..point }).copysign(point.lon - origin.lon);
        let north_m = origin.distance_m(Point { lon: origin.lon, ..point }).copysign(point.lat - origin.lat);
        Self { east_m, north_m }
    }

    const fn minus(self, other: Self) -> Self {
        Self { east_m: self.east_m - other.east_m, north_m: self.north_m - other.north_m }
    }

    const fn plus(self, other: Self) -> Self {
        Self { east_m: self.east_m + other.east_m, north_m: self.north_m + other.north_m }
    }

    const fn times(self, factor: f64) -> Self {
        Self { east_m: self.east_m * factor, north_m: self.north_m * factor }
    }

    const fn dot(self, other: Self) -> f64 {
        self.east_m * other.east_m + self.north_m * other.north_m
    }

    const fn cross(self, other: Self) -> f64 {
        self.east_m * other.north_m - self.north_m * other.east_m
    }

    const fn left(self) -> Self {
        Self { east_m: -self.north_m, north_m: self.east_m }
    }

    fn length(self) -> f64 {
        self.east_m.hypot(self.north_m)
    }
}

/// A place of the tree with its leaves.
struct Laid {
    level: Level,
    parent: Option<NodeNo>,
    faces: Vec<usize>,
}

/// The faces as they are cut.
struct Plane {
    corners: Vec<Xy>,
    /// Counter-clockwise.
    faces: Vec<Vec<usize>>,
}

/// Where a cut meets the edge of a face.
#[derive(Clone, Copy, PartialEq)]
enum Meeting {
    Corner(usize),
    Edge { from: usize, to: usize, at: Xy },
}

impl Plane {
    fn new() -> Self {
        let corners: Vec<Xy> =
            OUTLINE.iter().map(|(lat, lon)| Xy::of(Point { lat: *lat, lon: *lon }, ORIGIN)).collect();
        let face = (0..corners.len()).collect();
        Self { corners, faces: vec![face] }
    }

    /// Cuts a face into the parts of a tree, and writes down what each place consists of.
    fn lay_out(&mut self, dice: &mut Dice, face: usize, tree: &Tree, parent: Option<NodeNo>, nodes: &mut Vec<Laid>) {
        let level = match parent {
            None => Level::District,
            Some(parent) => match nodes[parent].level {
                Level::District => Level::Street,
                Level::Street => Level::Community,
                Level::Community => Level::Grid,
                Level::Grid | Level::Courtyard => Level::Courtyard,
            },
        };
        let own = nodes.len();
        nodes.push(Laid { level, parent, faces: Vec::new() });
        match tree {
            Tree::Leaf => {
                let mut above = Some(own);
                while let Some(node) = above {
                    nodes[node].faces.push(face);
                    above = nodes[node].parent;
                }
            }
            Tree::Parts(parts) => {
                let weights: Vec<usize> = parts.iter().map(Tree::leaves).collect();
                for (face, part) in self.divide(dice, face, &weights).into_iter().zip(parts) {
                    self.lay_out(dice, face, part, Some(own), nodes);
                }
            }
        }
    }

    /// Cuts a face into as many as there are weights, with areas about in proportion.
    fn divide(&mut self, dice: &mut Dice, face: usize, weights: &[usize]) -> Vec<usize> {
        if weights.len() < 2 {
            return vec![face];
        }
        let (first, second) = weights.split_at(weights.len() / 2);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred leaves")]
        let [part, whole] = [first, weights].map(|weights| weights.iter().sum::<usize>() as f64);
        let other = self.cut(dice, face, part / whole);
        let mut faces = self.divide(dice, face, first);
        faces.extend(self.divide(dice, other, second));
        faces
    }

    /// Cuts a face across its length and leaves `part` of it, about; the rest is a new face.
    fn cut(&mut self, dice: &mut Dice, face: usize, part: f64) -> usize {
        let along = self.length_of(face);
        // Askew, and when the face is too crooked for that, more so: the first cut that leaves two pieces
        // which are round enough, else the one that leaves the roundest.
        let mut best: Option<(f64, (Meeting, Meeting))> = None;
        for attempt in 0..80_u32 {
            let askew = f64::from(attempt).mul_add(0.02, 0.25).min(FRAC_PI_2);
            let along = turned(along, dice.within(-askew, askew));
            let part = (part + dice.within(-0.06, 0.06)).clamp(0.2, 0.8);
            let Some((met, roundness)) = self.meetings(face, along, part) else { continue };
            if best.is_none_or(|(known, _)| roundness > known) {
                best = Some((roundness, met));
            }
            if roundness > ROUND_ENOUGH {
                break;
            }
        }
        let Some((_, (one, other))) = best else { unreachable!("a face of this town can be cut") };
        let (one, other) = (self.corner_at(one), self.corner_at(other));
        let bends = self.bends(dice, face, one, other);
        let ring = &mut self.faces[face];
        let start = ring.iter().position(|corner| *corner == one).unwrap_or_default();
        ring.rotate_left(start);
        let turn = ring.iter().position(|corner| *corner == other).unwrap_or_default();
        // The ring from `one` to `other`, and back along the cut; and the rest of it along the cut.
        let mut rest: Vec<usize> = ring.split_off(turn);
        ring.push(other);
        ring.extend(bends.iter().rev());
        rest.push(one);
        rest.extend(&bends);
        self.faces.push(rest);
        self.faces.len() - 1
    }

    /// The direction in which a face is longest.
    fn length_of(&self, face: usize) -> Xy {
        let ring = &self.faces[face];
        let mut longest = Xy { east_m: 1.0, north_m: 0.0 };
        for (index, one) in ring.iter().enumerate() {
            for other in &ring[index + 1..] {
                let line = self.corners[*other].minus(self.corners[*one]);
                if line.length() > longest.length() {
                    longest = line;
                }
            }
        }
        longest.times(1.0 / longest.length())
    }

    /// Where the line across `along` that has `part` of the face behind it meets its edge, and how round the
    /// less round of the two pieces is; `None` when it does so more than twice, or too near to where it began.
    fn meetings(&self, face: usize, along: Xy, part: f64) -> Option<((Meeting, Meeting), f64)> {
        let ring = &self.faces[face];
        let places: Vec<Xy> = ring.iter().map(|corner| self.corners[*corner]).collect();
        let whole = area(&places);
        let offsets = places.iter().map(|place| place.dot(along));
        let (mut low, mut high) = offsets.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if area(&behind(&places, along, middle)) < part * whole { low = middle } else { high = middle }
        }
        let mut met = Vec::new();
        for (from, to) in edges(ring) {
            let (a, b) = (self.corners[from], self.corners[to]);
            let (before, after) = (a.dot(along) - low, b.dot(along) - low);
            if (before < 0.0) == (after < 0.0) {
                continue;
            }
            let at = a.plus(b.minus(a).times(before / (before - after)));
            let near = |corner: usize| self.corners[corner].minus(at).length();
            let meeting = match (near(from), near(to)) {
                (near, far) if near <= far && near < SNAP_M => Meeting::Corner(from),
                (_, near) if near < SNAP_M => Meeting::Corner(to),
                _ => Meeting::Edge { from, to, at },
            };
            // The ring comes behind the line at the first, and leaves at the second.
            if before < 0.0 { met.push(meeting) } else { met.insert(0, meeting) }
        }
        let [one, other] = met[..] else { return None };
        if one == other {
            return None;
        }
        // Between two corners there may be a street already, or a way out of the face.
        let (from, to) = (self.place_of(one), self.place_of(other));
        let long_enough = to.minus(from).length() > 2.0 * SNAP_M;
        let neighbours = matches!((one, other), (Meeting::Corner(one), Meeting::Corner(other))
            if edges(ring).any(|edge| edge == (one, other) || edge == (other, one)));
        let roundness =
            roundness(&behind(&places, along, low)).min(roundness(&behind(&places, along.times(-1.0), -low)));
        (long_enough && !neighbours && self.runs_inside(face, &[from, to])).then_some(((one, other), roundness))
    }

    fn place_of(&self, meeting: Meeting) -> Xy {
        match meeting {
            Meeting::Corner(corner) => self.corners[corner],
            Meeting::Edge { at, .. } => at,
        }
    }

    /// The corner where a cut meets an edge: one that is there, or a new one in every face at that edge.
    fn corner_at(&mut self, meeting: Meeting) -> usize {
        let (from, to, at) = match meeting {
            Meeting::Corner(corner) => return corner,
            Meeting::Edge { from, to, at } => (from, to, at),
        };
        let corner = self.add(at);
        for ring in &mut self.faces {
            let found = edges(ring).position(|edge| edge == (from, to) || edge == (to, from));
            if let Some(index) = found {
                ring.insert(index + 1, corner);
            }
        }
        corner
    }

    fn add(&mut self, place: Xy) -> usize {
        self.corners.push(place);
        self.corners.len() - 1
    }

    /// Corners between the ends of a cut, so that streets are not drawn with a ruler.
    fn bends(&mut self, dice: &mut Dice, face: usize, one: usize, other: usize) -> Vec<usize> {
        let (from, to) = (self.corners[one], self.corners[other]);
        let line = to.minus(from);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
        let count = (line.length() / BEND_EVERY_M).round().clamp(1.0, 8.0) as u32;
        for bent in [0.07, 0.04, 0.02] {
            let mut way = vec![from];
            for bend in 1..=count {
                let part = (f64::from(bend) + dice.within(-0.2, 0.2)) / f64::from(count + 1);
                let aside = dice.within(-bent, bent) * (1.0 + 2.0 / f64::from(count));
                way.push(from.plus(line.times(part)).plus(line.left().times(aside / f64::from(count).sqrt())));
            }
            way.push(to);
            if self.runs_inside(face, &way) {
                return way[1..way.len() - 1].iter().map(|place| self.add(*place)).collect();
            }
        }
        Vec::new()
    }

    /// Whether a way from edge to edge of a face stays inside, and keeps its distance from the corners.
    fn runs_inside(&self, face: usize, way: &[Xy]) -> bool {
        let ring: Vec<Xy> = self.faces[face].iter().map(|corner| self.corners[*corner]).collect();
        let ends = [way[0], way[way.len() - 1]];
        let legs_pass = way.windows(2).all(|leg| {
            edges(&ring).all(|(a, b)| {
                // The edges that the way begins and ends at are met there.
                let touches = ends.iter().any(|end| distance_m(*end, a, b) < 1e-6);
                touches || !cross(leg[0], leg[1], a, b)
            })
        });
        let first = way[0].plus(way[1].minus(way[0]).times(0.5));
        let inner_inside = way[1..way.len() - 1]
            .iter()
            .chain([&first])
            .all(|place| winds_around(&ring, *place) && edges(&ring).all(|(a, b)| distance_m(*place, a, b) > 6.0));
        legs_pass && inner_inside
    }

    /// The outline of faces that hang together: the edges that only one of them has.
    fn outline(&self, faces: &[usize]) -> Vec<usize> {
        let all: BTreeSet<(usize, usize)> = faces.iter().flat_map(|face| edges(&self.faces[*face])).collect();
        let next: BTreeMap<usize, usize> =
            all.iter().copied().filter(|(from, to)| !all.contains(&(*to, *from))).collect();
        let Some((first, _)) = next.first_key_value() else { return Vec::new() };
        let mut ring = vec![*first];
        let mut here = next[first];
        while here != *first {
            ring.push(here);
            here = next[&here];
        }
        ring
    }
}

fn turned(line: Xy, by: f64) -> Xy {
    line.times(by.cos()).plus(line.left().times(by.sin()))
}

/// The area of a ring, positive when it runs counter-clockwise.
fn area(ring: &[Xy]) -> f64 {
    edges(ring).map(|(a, b)| a.cross(b)).sum::<f64>() / 2.0
}

/// 1 for a circle, 0.79 for a square, near 0 for a splinter.
fn roundness(ring: &[Xy]) -> f64 {
    let around_m: f64 = edges(ring).map(|(a, b)| b.minus(a).length()).sum();
    4.0 * PI * area(ring) / (around_m * around_m)
}

/// The part of a ring that lies behind a line across `along` (Sutherland and Hodgman).
fn behind(ring: &[Xy], along: Xy, offset: f64) -> Vec<Xy> {
    let mut kept = Vec::new();
    for (a, b) in edges(ring) {
        let (before, after) = (a.dot(along) - offset, b.dot(along) - offset);
        if before < 0.0 {
            kept.push(a);
        }
        if (before < 0.0) != (after < 0.0) {
            kept.push(a.plus(b.minus(a).times(before / (before - after))));
        }
    }
    kept
}

fn cross(a: Xy, b: Xy, c: Xy, d: Xy) -> bool {
    let side = |from: Xy, to: Xy, place: Xy| to.minus(from).cross(place.minus(from)) > 0.0;
    side(a, b, c) != side(a, b, d) && side(c, d, a) != side(c, d, b)
}

fn distance_m(place: Xy, a: Xy, b: Xy) -> f64 {
    let edge = b.minus(a);
    let part = (place.minus(a).dot(edge) / edge.dot(edge)).clamp(0.0, 1.0);
    place.minus(a).minus(edge.times(part)).length()
}

fn winds_around(ring: &[Xy], place: Xy) -> bool {
    let as_point = |xy: Xy| Point { lat: xy.north_m, lon: xy.east_m };
    let ring: Vec<Point> = ring.iter().copied().map(as_point).collect();
    holds(&ring, as_point(place))
}
