//! A flat map around a place, in metres.

use crate::place::{NoPosition, Position};

/// Mean radius of the earth (IUGG), in metres.
const EARTH_M: f64 = 6_371_008.8;

/// A place on a [`Ground`], in metres from its middle.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spot {
    /// Eastward.
    pub east: f64,
    /// Northward.
    pub north: f64,
}

impl Spot {
    /// How far from `other`, in metres.
    pub fn distance(self, other: Self) -> f64 {
        (self.east - other.east).hypot(self.north - other.north)
    }
}

/// A flat map around a place (azimuthal, equidistant): distance and direction from the middle are true, wherever that
/// is. Poles and the 180th meridian are places like any other. Within 50 km of the middle no distance is off by more
/// than one in fifty thousand of the sphere's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    up: [f64; 3],
    east: [f64; 3],
    north: [f64; 3],
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Ground {
    /// The map around `middle`.
    pub fn around(middle: Position) -> Self {
        let (sin_lat, cos_lat) = middle.lat_deg().to_radians().sin_cos();
        let (sin_lon, cos_lon) = middle.lon_deg().to_radians().sin_cos();
        Self {
            up: [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
            east: [-sin_lon, cos_lon, 0.0],
            north: [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
        }
    }

    /// Where `place` lies on the map.
    pub fn flatten(&self, place: Position) -> Spot {
        let (sin_lat, cos_lat) = place.lat_deg().to_radians().sin_cos();
        let (sin_lon, cos_lon) = place.lon_deg().to_radians().sin_cos();
        self.project([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat])
    }

    /// Where a spot of this map lies on `other`.
    pub fn carry(&self, spot: Spot, other: &Self) -> Spot {
        other.project(self.direction(spot))
    }

    /// The place of a spot.
    pub fn place(&self, spot: Spot) -> Result<Position, NoPosition> {
        let [x, y, z] = self.direction(spot);
        Position::new(z.atan2(x.hypot(y)).to_degrees(), y.atan2(x).to_degrees())
    }

    fn project(&self, direction: [f64; 3]) -> Spot {
        let (east, north, up) = (dot(direction, self.east), dot(direction, self.north), dot(direction, self.up));
        let square = east * east + north * north;
        // Near the middle the arc is its own sine, but for a third power: no arc tangent for who stays at home.
        let stretch = if up > 0.0 && square < 1e-4 {
            1.0 + square / 6.0 + square * square * 0.075
        } else {
            let sine = square.sqrt();
            // Exactly on the far side every direction is right.
            if sine < 1e-12 { std::f64::consts::PI / 1e-12 } else { sine.atan2(up) / sine }
        };
        Spot { east: EARTH_M * stretch * east, north: EARTH_M * stretch * north }
    }

    fn direction(&self, spot: Spot) -> [f64; 3] {
        let (east, north) = (spot.east / EARTH_M, spot.north / EARTH_M);
        let square = east * east + north * north;
        let (along, up) = if square < 1e-4 {
            (1.0 - square / 6.0 + square * square / 120.0, 1.0 - square / 2.0 + square * square / 24.0)
        } else {
            let (sine, cosine) = square.sqrt().sin_cos();
            (sine / square.sqrt(), cosine)
        };
        std::array::from_fn(|axis| up * self.up[axis] + along * (east * self.east[axis] + north * self.north[axis]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_comes_back_from_any_map_and_its_distance_is_true(
            lat in -90.0..90.0f64, lon in -180.0..180.0f64, lat_there in -90.0..90.0f64, lon_there in -180.0..180.0f64,
        ) {
            let (middle, there) = (Position::new(lat, lon).unwrap(), Position::new(lat_there, lon_there).unwrap());
            let ground = Ground::around(middle);
            let spot = ground.flatten(there);
            let distance = middle.distance(there).0;
            prop_assume!(distance < 19_900_000.0);
            prop_assert!((spot.east.hypot(spot.north) - distance).abs() < 0.5, "{spot:?} {distance}");
            prop_assert!(ground.place(spot).unwrap().distance(there).0 < 0.5);
            let other = Ground::around(Position::new(-lat, lon_there).unwrap());
            let carried = ground.carry(spot, &other);
            prop_assert!(other.place(carried).unwrap().distance(there).0 < 0.5);
        }
    }

    #[test]
    fn the_180th_meridian_and_the_pole_are_places_like_any_other() {
        let ground = Ground::around(Position::new(-16.5, 179.9999).unwrap());
        let over = ground.flatten(Position::new(-16.5, -179.9999).unwrap());
        assert!((over.east - 21.32).abs() < 0.1 && over.north.abs() < 0.01, "{over:?}");
        let pole = Ground::around(Position::new(90.0, 0.0).unwrap());
        let beyond = pole.flatten(Position::new(89.999, 180.0).unwrap());
        assert!((beyond.north - 111.2).abs() < 0.1, "{beyond:?}");
    }
}
