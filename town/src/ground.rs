//! Moving over the ground, along straight lines and over short distances.

use serde::{Deserialize, Serialize};

/// Metres in one degree of latitude, on a sphere of the earth's mean radius.
const METRES_IN_A_DEGREE: f64 = 111_195.0;

/// A point, WGS-84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Degrees, north positive.
    pub lat: f64,
    /// Degrees, east positive.
    pub lon: f64,
}

impl Point {
    /// Metres to `other`, on a plane that touches the earth here: good for a city.
    pub fn distance_m(self, other: Self) -> f64 {
        let north_m = (other.lat - self.lat) * METRES_IN_A_DEGREE;
        let east_m = (other.lon - self.lon) * METRES_IN_A_DEGREE * self.lat.to_radians().cos();
        north_m.hypot(east_m)
    }

    /// Where one is after `step_m` metres straight towards `goal`; never beyond it.
    #[must_use]
    pub fn towards(self, goal: Self, step_m: f64) -> Self {
        let distance_m = self.distance_m(goal);
        if distance_m <= step_m {
            return goal;
        }
        let part = step_m / distance_m;
        Self { lat: self.lat + (goal.lat - self.lat) * part, lon: self.lon + (goal.lon - self.lon) * part }
    }

    /// Where one is so many metres to the east and to the north of here.
    #[must_use]
    pub fn moved(self, east_m: f64, north_m: f64) -> Self {
        let lon = self.lon + east_m / (METRES_IN_A_DEGREE * self.lat.to_radians().cos());
        Self { lat: self.lat + north_m / METRES_IN_A_DEGREE, lon }
    }

    /// Degrees clockwise from north, from here straight to `goal`.
    pub fn course_deg(self, goal: Self) -> f64 {
        let east = (goal.lon - self.lon) * self.lat.to_radians().cos();
        east.atan2(goal.lat - self.lat).to_degrees().rem_euclid(360.0)
    }

    /// The same to a millionth of a degree, a hand's breadth: what a map can tell.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
        Self { lat: round(self.lat), lon: round(self.lon) }
    }
}

/// How long a way is, in metres, from corner to corner.
pub fn length_m(way: &[Point]) -> f64 {
    way.windows(2).map(|leg| leg[0].distance_m(leg[1])).sum()
}

/// Where one is after `along_m` metres on a way, and the corner that is ahead; at its end both are the
/// last corner. `None` for a way without a corner.
pub fn along(way: &[Point], along_m: f64) -> Option<(Point, Point)> {
    let mut left_m = along_m.max(0.0);
    for leg in way.windows(2) {
        let leg_m = leg[0].distance_m(leg[1]);
        if left_m < leg_m {
            return Some((leg[0].towards(leg[1], left_m), leg[1]));
        }
        left_m -= leg_m;
    }
    way.last().map(|end| (*end, *end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARTYRS_PARK: Point = Point { lat: 28.2110, lon: 112.9930 };
    const WUYI_SQUARE: Point = Point { lat: 28.1960, lon: 112.9770 };

    #[test]
    fn a_step_brings_one_nearer_by_its_length() {
        let whole_m = MARTYRS_PARK.distance_m(WUYI_SQUARE);
        assert!((2_200.0..2_400.0).contains(&whole_m), "{whole_m}");
        let left_m = MARTYRS_PARK.towards(WUYI_SQUARE, 500.0).distance_m(WUYI_SQUARE);
        assert!((whole_m - left_m - 500.0).abs() < 1.0, "{left_m}");
    }

    #[test]
    fn a_way_is_walked_from_corner_to_corner() {
        let corner = MARTYRS_PARK.moved(300.0, 0.0);
        let way = [MARTYRS_PARK, corner, corner.moved(0.0, -400.0)];
        assert!((length_m(&way) - 700.0).abs() < 1.0);
        let (place, ahead) = along(&way, 500.0).unwrap();
        assert!((place.distance_m(corner) - 200.0).abs() < 1.0);
        assert!((place.course_deg(ahead) - 180.0).abs() < 1.0);
        assert_eq!(along(&way, 1e6), Some((way[2], way[2])));
        assert_eq!(along(&[], 1.0), None);
    }

    #[test]
    fn nobody_walks_past_the_goal() {
        assert_eq!(MARTYRS_PARK.towards(WUYI_SQUARE, 1e6), WUYI_SQUARE);
        assert_eq!(WUYI_SQUARE.towards(WUYI_SQUARE, 1.0), WUYI_SQUARE);
    }
}
