//! The area of a fence as somebody drew it.
//!
//! A shape that exists is one that means something: its outline is closed, does not cross itself and has a
//! size that a receiver can tell inside from outside of. What is drawn carelessly (not closed, a point
//! twice) is repaired, what has no meaning is refused with a sentence.

use geo::algorithm::validation::{InvalidPolygon, RingRole, Validation as _};
use geo::{Area as _, Coord, LineString, Polygon};

use crate::place::{Metres, Position};
use crate::whereabouts::{Area, BadArea};

/// Smaller than this, no receiver can tell whether somebody is in it.
pub const RADIUS_MIN: Metres = Metres(20.0);
/// Larger than this, it keeps nobody from being lost.
pub const RADIUS_MAX: Metres = Metres(50_000.0);
/// 20 m by 20 m, in square metres: the same for a polygon.
const AREA_MIN_M2: f64 = 400.0;
/// Outline and holes together. More is a line that somebody traced, not an area that somebody drew.
pub const POINTS_MAX: usize = 1_000;
/// Nearer to a pole a flat map of a shape is no longer true to one in a hundred.
const LATITUDE_MAX_DEG: f64 = 80.0;

/// The area of a fence.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Within a distance of a point.
    Circle(Circle),
    /// Within an outline, and in none of its holes.
    Polygon(Outline),
    /// Within a distance of a line.
    Way(Way),
}

/// Within a distance of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    centre: Position,
    radius: Metres,
}

/// An outline and its holes.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    rings: Vec<Vec<Position>>,
    middle: Position,
}

/// Within a distance of a line: the way to school.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    line: Vec<Position>,
    half_width: Metres,
    middle: Position,
}

/// One ring of a polygon, to say in which something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// Around it.
    Outside,
    /// A hole, counted from 1.
    Hole(usize),
}

impl std::fmt::Display for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Outside => f.write_str("the outline"),
            Self::Hole(number) => write!(f, "hole {number}"),
        }
    }
}

impl From<RingRole> for Ring {
    fn from(role: RingRole) -> Self {
        match role {
            RingRole::Exterior => Self::Outside,
            RingRole::Interior(index) => Self::Hole(index + 1),
        }
    }
}

/// Why something is no shape of a fence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadShape {
    /// A circle of no size, or of too much.
    #[error("the radius is {0:.0} m; it must lie between 20 m and 50 km")]
    Radius(f64),
    /// A polygon without an outline.
    #[error("there is no outline")]
    NoOutline,
    /// A ring that goes nowhere.
    #[error("{0} has fewer than 3 distinct points")]
    TooFewPoints(Ring),
    /// More points than an area needs.
    #[error("there are {0} points; at most {POINTS_MAX} are taken")]
    TooManyPoints(usize),
    /// A ring that crosses or touches itself.
    #[error("{0} crosses or touches itself")]
    Crosses(Ring),
    /// A hole that does not lie within.
    #[error("{0} does not lie within the outline")]
    HoleOutside(Ring),
    /// Two rings that have more than a point in common.
    #[error("{0} and {1} overlap or run along each other")]
    Overlap(Ring, Ring),
    /// A polygon too small to tell whether somebody is in it.
    #[error("its area is {0:.0} m²; it must be at least 400 m²")]
    TooSmall(f64),
    /// A polygon that reaches too far.
    #[error("it reaches {0:.0} m from its middle; at most 50 km are taken")]
    TooLarge(f64),
    /// Where nobody lives and maps are not flat.
    #[error("it lies nearer to a pole than 80 degrees of latitude")]
    NearPole,
    /// What is wrong with a way.
    #[error(transparent)]
    Way(#[from] BadArea),
}

impl Ring {
    /// For programs: 0 is the outline, then the holes.
    pub const fn number(self) -> usize {
        match self {
            Self::Outside => 0,
            Self::Hole(number) => number,
        }
    }
}

impl BadShape {
    /// A stable code for programs, the same as [`BadArea::code`] where it is the same thing.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Radius(_) => "drawing_radius",
            Self::NoOutline => "drawing_nothing",
            Self::TooFewPoints(_) => "drawing_too_few_points",
            Self::TooManyPoints(_) => "drawing_too_many_points",
            Self::Crosses(_) => "drawing_crosses",
            Self::HoleOutside(_) => "drawing_astray",
            Self::Overlap(..) => "drawing_meets",
            Self::TooSmall(_) => "drawing_too_small",
            Self::TooLarge(_) => "drawing_too_large",
            Self::NearPole => "drawing_near_pole",
            Self::Way(why) => why.code(),
        }
    }

    /// The rings that it is about, by their numbers.
    pub fn rings(&self) -> Vec<usize> {
        match self {
            Self::TooFewPoints(ring) | Self::Crosses(ring) | Self::HoleOutside(ring) => vec![ring.number()],
            Self::Overlap(ring, other) => vec![ring.number(), other.number()],
            Self::Way(why) => why.lines().into_iter().filter_map(crate::whereabouts::Line::ring).collect(),
            Self::Radius(_)
            | Self::NoOutline
            | Self::TooManyPoints(_)
            | Self::TooSmall(_)
            | Self::TooLarge(_)
            | Self::NearPole => Vec::new(),
        }
    }

    /// The number that it is about: metres, square metres, or how many points.
    pub fn amount(&self) -> Option<f64> {
        match self {
            Self::Radius(number) | Self::TooSmall(number) | Self::TooLarge(number) => Some(*number),
            Self::TooManyPoints(points) => u32::try_from(*points).ok().map(f64::from),
            Self::Way(why) => why.number(),
            Self::NoOutline
            | Self::TooFewPoints(_)
            | Self::Crosses(_)
            | Self::HoleOutside(_)
            | Self::Overlap(..)
            | Self::NearPole => None,
        }
    }
}

impl Shape {
    /// A circle.
    pub fn circle(centre: Position, radius: Metres) -> Result<Self, BadShape> {
        if !(RADIUS_MIN.0..=RADIUS_MAX.0).contains(&radius.0) {
            return Err(BadShape::Radius(radius.0));
        }
        if centre.lat_deg().abs() > LATITUDE_MAX_DEG {
            return Err(BadShape::NearPole);
        }
        Ok(Self::Circle(Circle { centre, radius }))
    }

    /// A polygon: its outline, then its holes. A ring that is not closed is closed, and a point told twice
    /// in a row counts once.
    pub fn polygon(rings: Vec<Vec<Position>>) -> Result<Self, BadShape> {
        let points = rings.iter().map(Vec::len).sum();
        if points > POINTS_MAX {
            return Err(BadShape::TooManyPoints(points));
        }
        let rings: Vec<Vec<Position>> = rings.into_iter().map(closed).collect();
        if rings.is_empty() {
            return Err(BadShape::NoOutline);
        }
        for (index, ring) in rings.iter().enumerate() {
            // Three corners, and the first once more.
            if ring.len() < 4 {
                return Err(BadShape::TooFewPoints(if index == 0 { Ring::Outside } else { Ring::Hole(index) }));
            }
        }
        if rings[0].iter().any(|corner| corner.lat_deg().abs() > LATITUDE_MAX_DEG) {
            return Err(BadShape::NearPole);
        }
        let plane = Plane::around(&rings[0]);
        let reach = rings[0].iter().map(|corner| plane.origin.distance(*corner).0).fold(0.0, f64::max);
        if reach > RADIUS_MAX.0 {
            return Err(BadShape::TooLarge(reach));
        }
        let mut flat = rings.iter().map(|ring| LineString::new(ring.iter().map(|at| plane.flatten(*at)).collect()));
        let outline = flat.next().unwrap_or_else(|| LineString::new(Vec::new()));
        let flat = Polygon::new(outline, flat.collect());
        flat.check_validation().map_err(|why| match why {
            InvalidPolygon::TooFewPointsInRing(ring) => BadShape::TooFewPoints(ring.into()),
            InvalidPolygon::SelfIntersection(ring) | InvalidPolygon::NonFiniteCoord(ring, _) => {
                BadShape::Crosses(ring.into())
            }
            InvalidPolygon::InteriorRingNotContainedInExteriorRing(ring) => BadShape::HoleOutside(ring.into()),
            InvalidPolygon::IntersectingRingsOnALine(one, other)
            | InvalidPolygon::IntersectingRingsOnAnArea(one, other) => BadShape::Overlap(one.into(), other.into()),
        })?;
        let area = flat.unsigned_area();
        if area < AREA_MIN_M2 {
            return Err(BadShape::TooSmall(area));
        }
        Ok(Self::Polygon(Outline { rings, middle: plane.origin }))
    }

    /// A way: everything within `half_width` of a line.
    pub fn way(line: Vec<Position>, half_width: Metres) -> Result<Self, BadShape> {
        if line.iter().any(|point| point.lat_deg().abs() > LATITUDE_MAX_DEG) {
            return Err(BadShape::NearPole);
        }
        let middle = Area::corridor(line.clone(), half_width)?.middle();
        Ok(Self::Way(Way { line, half_width, middle }))
    }

    /// The same, as whereabouts are judged by it.
    pub fn area(&self) -> Result<Area, BadArea> {
        match self {
            Self::Circle(circle) => Area::circle(circle.centre, circle.radius),
            Self::Polygon(outline) => Area::polygon(&outline.rings),
            Self::Way(way) => Area::corridor(way.line.clone(), way.half_width),
        }
    }

    /// Its middle: of a polygon or a way, that of its surrounding box.
    pub const fn centre(&self) -> Position {
        match self {
            Self::Circle(circle) => circle.centre,
            Self::Polygon(outline) => outline.middle,
            Self::Way(way) => way.middle,
        }
    }
}

impl Circle {
    /// Its middle.
    pub const fn centre(&self) -> Position {
        self.centre
    }

    /// How far it reaches.
    pub const fn radius(&self) -> Metres {
        self.radius
    }
}

impl Outline {
    /// The outline, then the holes; each closed, with its first corner repeated at the end.
    pub fn rings(&self) -> &[Vec<Position>] {
        &self.rings
    }
}

impl Way {
    /// From one end to the other.
    pub fn line(&self) -> &[Position] {
        &self.line
    }

    /// How far it reaches to either side.
    pub const fn half_width(&self) -> Metres {
        self.half_width
    }
}

/// A ring with no point twice in a row, and its first corner at its end.
fn closed(mut ring: Vec<Position>) -> Vec<Position> {
    ring.dedup();
    if let (Some(first), Some(last)) = (ring.first().copied(), ring.last().copied())
        && first != last
    {
        ring.push(first);
    }
    ring
}

/// A flat map around a point, in metres: longitude shrinks as it does there. What is straight between two
/// corners in degrees stays straight, so inside and outside are exact; distances near the edge of the
/// largest shape are off by less than one in a hundred.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Plane {
    origin: Position,
    metres_a_degree_east: f64,
}

const METRES_A_DEGREE: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

impl Plane {
    fn around(ring: &[Position]) -> Self {
        let first = ring[0];
        // Eastward from the first corner, so that 180° is a place like any other.
        let east = |corner: &Position| short_way(corner.lon_deg() - first.lon_deg());
        let middle = |numbers: &mut dyn Iterator<Item = f64>| {
            let (least, most) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), number| {
                (least.min(number), most.max(number))
            });
            f64::midpoint(least, most)
        };
        let lat_deg = middle(&mut ring.iter().map(|corner| corner.lat_deg()));
        let lon_deg = short_way(first.lon_deg() + middle(&mut ring.iter().map(east)));
        let origin = Position::new(lat_deg, lon_deg).unwrap_or(first);
        Self { origin, metres_a_degree_east: METRES_A_DEGREE * origin.lat_deg().to_radians().cos() }
    }

    fn flatten(self, place: Position) -> Coord<f64> {
        Coord {
            x: short_way(place.lon_deg() - self.origin.lon_deg()) * self.metres_a_degree_east,
            y: (place.lat_deg() - self.origin.lat_deg()) * METRES_A_DEGREE,
        }
    }
}

/// A difference of longitudes, the short way round.
fn short_way(degrees: f64) -> f64 {
    if degrees > 180.0 {
        degrees - 360.0
    } else if degrees < -180.0 {
        degrees + 360.0
    } else {
        degrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    /// A ring of points given in metres east and north of Changsha.
    fn ring(points: &[(f64, f64)]) -> Vec<Position> {
        let origin = at(28.228, 112.938);
        let shrink = origin.lat_deg().to_radians().cos();
        points
            .iter()
            .map(|(east, north)| {
                at(origin.lat_deg() + north / METRES_A_DEGREE, origin.lon_deg() + east / METRES_A_DEGREE / shrink)
            })
            .collect()
    }

    fn spot(east: f64, north: f64) -> Position {
        ring(&[(east, north)])[0]
    }

    const SQUARE: [(f64, f64); 4] = [(-500.0, -500.0), (500.0, -500.0), (500.0, 500.0), (-500.0, 500.0)];

    #[track_caller]
    fn near(actual: Metres, expected: f64) {
        assert!((actual.0 - expected).abs() < 1.0, "{actual:?} instead of {expected}");
    }

    fn from(shape: &Shape, place: Position) -> Metres {
        shape.area().unwrap().distance(place)
    }

    #[test]
    fn distances_are_positive_outside_and_negative_inside() {
        let circle = Shape::circle(spot(0.0, 0.0), Metres(200.0)).unwrap();
        near(from(&circle, spot(0.0, 0.0)), -200.0);
        near(from(&circle, spot(0.0, 500.0)), 300.0);
        let square = Shape::polygon(vec![ring(&SQUARE)]).unwrap();
        near(from(&square, spot(0.0, 0.0)), -500.0);
        near(from(&square, spot(490.0, 0.0)), -10.0);
        near(from(&square, spot(800.0, 0.0)), 300.0);
        near(from(&square, spot(800.0, 900.0)), 500.0);
        let way = Shape::way(ring(&[(0.0, 0.0), (0.0, 1_000.0)]), Metres(40.0)).unwrap();
        near(from(&way, spot(100.0, 500.0)), 60.0);
        near(from(&way, spot(10.0, 500.0)), -30.0);
    }

    #[test]
    fn a_hole_is_outside_and_its_edge_is_an_edge() {
        let hole = ring(&[(-100.0, -100.0), (100.0, -100.0), (100.0, 100.0), (-100.0, 100.0)]);
        let shape = Shape::polygon(vec![ring(&SQUARE), hole]).unwrap();
        near(from(&shape, spot(0.0, 0.0)), 100.0);
        near(from(&shape, spot(150.0, 0.0)), -50.0);
    }

    #[test]
    fn the_way_round_and_what_was_not_closed_do_not_matter() {
        let open = Shape::polygon(vec![ring(&SQUARE)]).unwrap();
        let mut points = SQUARE.to_vec();
        points.push(SQUARE[0]);
        points.insert(1, SQUARE[0]);
        assert_eq!(Shape::polygon(vec![ring(&points)]).unwrap(), open);
        points.reverse();
        near(from(&Shape::polygon(vec![ring(&points)]).unwrap(), spot(0.0, 0.0)), -500.0);
    }

    #[test]
    fn a_shape_across_the_antimeridian_is_one_piece() {
        let square =
            Shape::polygon(vec![vec![at(0.1, 179.9), at(0.1, -179.9), at(-0.1, -179.9), at(-0.1, 179.9)]]).unwrap();
        assert!(from(&square, at(0.01, 179.95)).0 < 0.0);
        assert!(from(&square, at(0.01, -179.95)).0 < 0.0);
        assert!(from(&square, at(0.01, 0.0)).0 > 1_000_000.0);
        assert!(square.centre().lon_deg().abs() > 179.999);
    }

    #[test]
    fn what_means_nothing_is_refused_with_a_sentence() {
        let bow_tie = ring(&[(-500.0, -500.0), (500.0, 500.0), (500.0, -500.0), (-500.0, 500.0)]);
        let spike = ring(&[(0.0, 0.0), (500.0, 0.0), (500.0, 500.0), (500.0, 900.0), (500.0, 500.0), (0.0, 500.0)]);
        let speck = ring(&[(0.0, 0.0), (15.0, 0.0), (15.0, 15.0), (0.0, 15.0)]);
        let line = ring(&[(0.0, 0.0), (500.0, 0.0), (900.0, 0.0)]);
        let far_hole = ring(&[(900.0, 0.0), (990.0, 0.0), (990.0, 90.0)]);
        let crossing_hole = ring(&[(400.0, 0.0), (600.0, 0.0), (600.0, 90.0), (400.0, 90.0)]);
        let huge: Vec<Position> = vec![at(28.0, 112.0), at(28.0, 114.0), at(30.0, 114.0)];
        let traced: Vec<Position> = (0..1001).map(|step| at(28.0 + f64::from(step) * 1e-4, 112.0)).collect();
        let square = ring(&SQUARE);
        let checks: [(Vec<Vec<Position>>, &str); 10] = [
            (vec![], "there is no outline"),
            (vec![square[..2].to_vec()], "the outline has fewer than 3 distinct points"),
            (vec![vec![square[0], square[1], square[0], square[1]]], "the outline crosses or touches itself"),
            (vec![bow_tie], "the outline crosses or touches itself"),
            (vec![spike], "the outline crosses or touches itself"),
            (vec![speck], "its area is 225 m²; it must be at least 400 m²"),
            (vec![square.clone(), far_hole], "hole 1 does not lie within the outline"),
            (vec![square.clone(), crossing_hole], "hole 1 does not lie within the outline"),
            (vec![traced], "there are 1001 points; at most 1000 are taken"),
            (
                vec![vec![at(81.0, 1.0), at(81.0, 2.0), at(80.5, 1.0)]],
                "it lies nearer to a pole than 80 degrees of latitude",
            ),
        ];
        for (rings, sentence) in checks {
            assert_eq!(Shape::polygon(rings).unwrap_err().to_string(), sentence);
        }
        assert!(matches!(Shape::polygon(vec![huge]), Err(BadShape::TooLarge(_))));
        assert!(Shape::polygon(vec![line]).is_err());
        let circle = |radius| Shape::circle(spot(0.0, 0.0), Metres(radius));
        assert!(matches!(circle(f64::NAN), Err(BadShape::Radius(_))));
        assert_eq!(circle(19.0).unwrap_err().to_string(), "the radius is 19 m; it must lie between 20 m and 50 km");
        assert!(circle(50_001.0).is_err());
        let way = |width| Shape::way(ring(&[(0.0, 0.0), (0.0, 900.0)]), Metres(width));
        let sentence = "it reaches 9 m to either side; that must lie between 10 m and 5 km";
        assert_eq!(way(9.0).unwrap_err().to_string(), sentence);
        assert!(Shape::way(ring(&[(0.0, 0.0)]), Metres(20.0)).is_err());
        assert!(circle(20.0).is_ok());
    }
}
