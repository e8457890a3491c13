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
    /// Of the middle, radians.
    lat: f64,
    lon: f64,
    /// Of its latitude.
    sin: f64,
    cos: f64,
}

/// A direction from the middle of the earth, seen from a meridian: outward in its plane, eastward across it, northward.
#[derive(Debug, Clone, Copy)]
struct Direction {
    out: f64,
    east: f64,
    north: f64,
}

impl Direction {
    /// The same, seen from the meridian that lies `lon` to the east.
    fn turned(self, lon: f64) -> Self {
        let (sin, cos) = sin_cos(lon);
        Self { out: self.out * cos + self.east * sin, east: self.east * cos - self.out * sin, north: self.north }
    }
}

/// Sine and cosine. Small angles, as of who is somewhere near home, by the first terms of their series: exact to the last
/// bit or two, and several times as fast.
fn sin_cos(angle: f64) -> (f64, f64) {
    if angle.abs() > 0.1 {
        return angle.sin_cos();
    }
    let q = angle * angle;
    let sin = angle * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let cos = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))));
    (sin, cos)
}

impl Ground {
    /// The map around `middle`.
    pub fn around(middle: Position) -> Self {
        let (lat, lon) = (middle.lat_deg().to_radians(), middle.lon_deg().to_radians());
        let (sin, cos) = lat.sin_cos();
        Self { lat, lon, sin, cos }
    }

    /// Where `place` lies on the map.
    pub fn flatten(&self, place: Position) -> Spot {
        let (sin, cos) = sin_cos(place.lat_deg().to_radians() - self.lat);
        let lat = (self.sin * cos + self.cos * sin, self.cos * cos - self.sin * sin);
        let (sin_lon, cos_lon) = sin_cos(place.lon_deg().to_radians() - self.lon);
        self.project(Direction { out: lat.1 * cos_lon, east: lat.1 * sin_lon, north: lat.0 })
    }

    /// Where a spot of this map lies on `other`.
    pub fn carry(&self, spot: Spot, other: &Self) -> Spot {
        if self == other {
            return spot;
        }
        other.project(self.direction(spot).turned(other.lon - self.lon))
    }

    /// The place of a spot.
    pub fn place(&self, spot: Spot) -> Result<Position, NoPosition> {
        let Direction { out, east, north } = self.direction(spot);
        let lon = (self.lon + east.atan2(out)).to_degrees();
        let lon = if lon.abs() > 180.0 { lon - 360.0_f64.copysign(lon) } else { lon };
        Position::new(north.atan2(out.hypot(east)).to_degrees(), lon)
    }

    fn project(&self, Direction { out, east, north }: Direction) -> Spot {
        let (north, up) = (self.cos * north - self.sin * out, self.sin * north + self.cos * out);
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

    fn direction(&self, spot: Spot) -> Direction {
        let (east, north) = (spot.east / EARTH_M, spot.north / EARTH_M);
        let square = east * east + north * north;
        let (along, up) = if square < 1e-4 {
            (1.0 - square / 6.0 + square * square / 120.0, 1.0 - square / 2.0 + square * square / 24.0)
        } else {
            let (sine, cosine) = square.sqrt().sin_cos();
            (sine / square.sqrt(), cosine)
        };
        let (east, north) = (along * east, along * north);
        Direction { out: self.cos * up - self.sin * north, east, north: self.sin * up + self.cos * north }
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
