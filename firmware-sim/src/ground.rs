//! Moving over the ground, in a straight line and over short distances.

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
    fn nobody_walks_past_the_goal() {
        assert_eq!(MARTYRS_PARK.towards(WUYI_SQUARE, 1e6), WUYI_SQUARE);
        assert_eq!(WUYI_SQUARE.towards(WUYI_SQUARE, 1.0), WUYI_SQUARE);
    }
}
