//! The area of a fence: how far a spot is from its edge, and how likely somebody is in it whose place is not sure.

use super::edges::{Edges, Stretch};
use super::ground::{Ground, Spot};
use super::outline::{self, BadArea};
use crate::place::{Metres, Position};

/// An area that somebody should be in, or should not.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    ground: Ground,
    middle: Position,
    form: Form,
    /// Radius of the circle that has the same room, metres.
    breadth: f64,
    /// How far its farthest point is from its middle, metres.
    reach: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Form {
    /// Within a distance of the middle.
    Circle(f64),
    /// Within an outline, and in none of its holes.
    Polygon(Edges),
    /// Within a distance of a line.
    Corridor(Edges, f64),
}

impl Area {
    /// Within `radius` of a place: 20 m to 50 km.
    pub fn circle(middle: Position, radius: Metres) -> Result<Self, BadArea> {
        let radius = outline::radius(radius)?;
        let form = Form::Circle(radius);
        Ok(Self { ground: Ground::around(middle), middle, form, breadth: radius, reach: radius })
    }

    /// Within an outline (the first ring), and in none of its holes (the others). A ring that is not closed is closed,
    /// a point told twice counts once, either direction will do, and a small curl where a line crosses itself is cut off.
    pub fn polygon(rings: &[Vec<Position>]) -> Result<Self, BadArea> {
        let checked = outline::polygon(rings)?;
        let breadth = (checked.area / std::f64::consts::PI).sqrt();
        Ok(Self {
            ground: checked.ground,
            middle: checked.middle,
            reach: checked.reach,
            form: Form::Polygon(Edges::new(checked.stretches)),
            breadth,
        })
    }

    /// Within `half_width` of a line: the way to school. 10 m to 5 km.
    pub fn corridor(line: Vec<Position>, half_width: Metres) -> Result<Self, BadArea> {
        let checked = outline::corridor(line, half_width)?;
        let length: f64 = checked.stretches.iter().map(|stretch| stretch.from.distance(stretch.to)).sum();
        let room = 2.0 * half_width.0 * length + std::f64::consts::PI * half_width.0 * half_width.0;
        Ok(Self {
            ground: checked.ground,
            middle: checked.middle,
            reach: checked.reach + half_width.0,
            form: Form::Corridor(Edges::new(checked.stretches), half_width.0),
            breadth: (room / std::f64::consts::PI).sqrt(),
        })
    }

    /// The map that its distances are measured on.
    pub const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Its middle: of a polygon or a line, of the box around it.
    pub const fn middle(&self) -> Position {
        self.middle
    }

    /// Radius of the circle that has as much room.
    pub const fn breadth(&self) -> Metres {
        Metres(self.breadth)
    }

    /// How far its farthest point is from its middle.
    pub const fn reach(&self) -> Metres {
        Metres(self.reach)
    }

    /// How far `place` is from the edge: positive outside, negative inside.
    pub fn distance(&self, place: Position) -> Metres {
        Metres(self.distance_on(self.ground.flatten(place)))
    }

    /// The same for a spot of its own ground, in metres.
    pub(super) fn distance_on(&self, spot: Spot) -> f64 {
        match &self.form {
            Form::Circle(radius) => (spot.east * spot.east + spot.north * spot.north).sqrt() - radius,
            Form::Polygon(edges) => {
                let to_edge = edges.distance(spot);
                if edges.is_within(spot) { -to_edge } else { to_edge }
            }
            Form::Corridor(edges, half_width) => edges.distance(spot) - half_width,
        }
    }

    /// How likely somebody is inside who is `distance` metres from the edge (negative: inside) as far as is known, and
    /// whose place has the standard deviation `sigma` along each axis. Exact for a straight edge, and right to some
    /// hundredths where the whole area is not much wider than the doubt.
    pub(super) fn chance_inside(&self, distance: f64, sigma: f64) -> f64 {
        let within = normal_beyond(distance / sigma);
        match &self.form {
            // Over the far side of the way they are off it as well.
            Form::Corridor(_, half_width) => within - normal_beyond((distance + 2.0 * half_width) / sigma),
            Form::Circle(_) | Form::Polygon(_) => within * (1.0 - (-0.5 * (self.breadth / sigma).powi(2)).exp()),
        }
    }

    /// Looks at what tells where its edge is kept, and at nothing else: the memory is nearer then.
    pub(super) fn glance(&self) -> u64 {
        let form = match &self.form {
            Form::Circle(radius) => radius.to_bits(),
            Form::Polygon(edges) | Form::Corridor(edges, _) => edges.stretches().len() as u64,
        };
        form ^ self.breadth.to_bits() ^ self.middle.lat_deg().to_bits()
    }

    /// Looks at the edge, as [`Self::glance`] does.
    pub(super) fn look(&self) -> u64 {
        match &self.form {
            Form::Circle(_) => 0,
            Form::Polygon(edges) | Form::Corridor(edges, _) => edges.glance(),
        }
    }

    /// Its straight stretches, for a picture: none for a circle.
    pub fn stretches(&self) -> Vec<(Spot, Spot)> {
        let pair = |stretch: &Stretch| (stretch.from, stretch.to);
        match &self.form {
            Form::Circle(_) => Vec::new(),
            Form::Polygon(edges) | Form::Corridor(edges, _) => edges.stretches().iter().map(pair).collect(),
        }
    }

    /// How much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match &self.form {
                Form::Circle(_) => 0,
                Form::Polygon(edges) | Form::Corridor(edges, _) => edges.size(),
            }
    }
}

/// The share of a normal distribution that lies beyond `z` standard deviations (W. J. Cody's and C. Hastings' way:
/// Abramowitz & Stegun 26.2.17, off by less than 1e-7).
fn normal_beyond(z: f64) -> f64 {
    if z > 8.0 {
        return 0.0;
    }
    if z < 0.0 {
        return 1.0 - normal_beyond(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let tail =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    0.398_942_280_4 * (-0.5 * z * z).exp() * tail
}
