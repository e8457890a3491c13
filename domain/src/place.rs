//! Places: always WGS-84, always with how sure we are.

use jiff::SignedDuration;

use crate::word::words;

/// A point on the earth, WGS-84. Cannot hold anything that is no place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    lat_deg: f64,
    lon_deg: f64,
}

/// Why two numbers are no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPosition {
    /// Exactly 0/0: every family of receivers sends it for "I do not know".
    #[error("0/0 is what a receiver says when it knows nothing")]
    Null,
    /// Outside ±90° / ±180°, or not a number.
    #[error("outside the range of latitudes and longitudes")]
    OutOfRange,
}

impl Position {
    /// Reads degrees of latitude and longitude.
    pub fn new(lat_deg: f64, lon_deg: f64) -> Result<Self, NoPosition> {
        if !(lat_deg.abs() <= 90.0 && lon_deg.abs() <= 180.0) {
            return Err(NoPosition::OutOfRange);
        }
        if lat_deg == 0.0 && lon_deg == 0.0 {
            return Err(NoPosition::Null);
        }
        Ok(Self { lat_deg, lon_deg })
    }

    /// Latitude in degrees, north positive.
    pub const fn lat_deg(self) -> f64 {
        self.lat_deg
    }

    /// Longitude in degrees, east positive.
    pub const fn lon_deg(self) -> f64 {
        self.lon_deg
    }

    /// Great-circle distance on a sphere of 6 371 008.8 m (IUGG mean radius); within 0.6 % of the
    /// ellipsoid, enough to say how far away somebody is.
    pub fn distance(self, other: Self) -> Metres {
        let (lat_a, lat_b) = (self.lat_deg.to_radians(), other.lat_deg.to_radians());
        let half_lat = (lat_b - lat_a) / 2.0;
        let half_lon = (other.lon_deg - self.lon_deg).to_radians() / 2.0;
        let chord = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
        Metres(2.0 * 6_371_008.8 * chord.sqrt().min(1.0).asin())
    }
}

/// A distance in metres.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Metres(pub f64);

/// How far an old person on foot gets, in metres a second: 3.6 km/h.
const ON_FOOT_M_S: f64 = 1.0;
/// How sure a position is taken for that does not say it.
const UNSURE: Metres = Metres(500.0);

/// How far from a position somebody may be who was there, within `accuracy`, so long ago.
///
/// By this a place is chosen among several: satellites before access points before cells while they are equally fresh, and
/// a cell of now before satellites of an hour ago.
pub fn reach(accuracy: Option<Metres>, age: SignedDuration) -> Metres {
    Metres(accuracy.unwrap_or(UNSURE).0 + age.as_secs_f64().max(0.0) * ON_FOOT_M_S)
}

words! {
    /// How a position was come by.
    pub enum Source ("position source") {
        /// The terminal's own satellite receiver.
        Gnss = "gnss",
        /// Known access points nearby.
        Wifi = "wifi",
        /// The cell that the terminal was in.
        Cell = "cell",
        /// A beacon with a known place.
        Beacon = "beacon",
        /// The terminal did not say.
        Unknown = "unknown",
        /// The resident's registered home, because nothing better is known.
        Home = "home",
        /// Told by a person, on the telephone for instance.
        Told = "told",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_island_and_impossible_numbers_are_no_places() {
        assert_eq!(Position::new(0.0, 0.0), Err(NoPosition::Null));
        assert_eq!(Position::new(90.1, 0.0), Err(NoPosition::OutOfRange));
        assert_eq!(Position::new(f64::NAN, 112.0), Err(NoPosition::OutOfRange));
        assert!(Position::new(0.0, 112.0).is_ok());
    }

    #[test]
    fn a_cell_of_now_says_more_than_satellites_of_an_hour_ago_and_less_than_those_of_a_minute_ago() {
        let cell = reach(Some(Metres(900.0)), SignedDuration::ZERO);
        let satellites = |minutes| reach(Some(Metres(10.0)), SignedDuration::from_mins(minutes));
        assert!(satellites(1) < cell && cell < satellites(60));
        assert_eq!(reach(None, SignedDuration::from_secs(-5)), UNSURE);
    }

    #[test]
    fn a_thousandth_of_a_degree_of_latitude_is_111_metres() {
        let a = Position::new(28.228, 112.938).unwrap();
        let b = Position::new(28.229, 112.938).unwrap();
        assert!((a.distance(b).0 - 111.195).abs() < 0.01);
    }
}
