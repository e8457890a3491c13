//! Chinese maps' coordinates, for the edges where they come in.
//!
//! Maps sold in China are shifted by law: GCJ-02 (国测局, Amap, Tencent) by some hundred metres against WGS-84, BD-09
//! (Baidu) by some more. The shift is known as a formula in one direction only; the other is found by iteration.
//! Everything inside is WGS-84: what comes in goes through [`Datum::to_wgs84`] once. The formula is the one that
//! circulates since 2010 ("eviltransform"), with Krasovsky's ellipsoid.

use std::f64::consts::PI;

use crate::place::{NoPosition, Position};

/// In which terms two numbers say a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Datum {
    /// What satellites say.
    #[default]
    Wgs84,
    /// 国测局坐标, 火星坐标: Amap (高德), Tencent, Google's maps of China.
    Gcj02,
    /// Baidu's maps (百度).
    Bd09,
}

/// Krasovsky's ellipsoid: half of the long axis, in metres, and the first eccentricity squared.
const A_M: f64 = 6_378_245.0;
const E2: f64 = 0.006_693_421_622_965_943;
const BD_TURN: f64 = PI * 3000.0 / 180.0;
/// Each round leaves about a hundredth of the error before it: in the far north five are needed to a millionth of a metre,
/// and one more for BD-09.
const ROUNDS: usize = 6;

impl Datum {
    /// The place that these degrees mean.
    pub fn to_wgs84(self, lat_deg: f64, lon_deg: f64) -> Result<Position, NoPosition> {
        // Refused before it is turned into something that looks like a place.
        let said = Position::new(lat_deg, lon_deg)?;
        let (lat, lon) = match self {
            Self::Wgs84 => return Ok(said),
            Self::Gcj02 | Self::Bd09 => self.inverse(lat_deg, lon_deg),
        };
        Position::new(lat, lon)
    }

    /// Walks back until the way there leads to these degrees.
    fn inverse(self, lat: f64, lon: f64) -> (f64, f64) {
        let (mut guess_lat, mut guess_lon) = (lat, lon);
        for _ in 0..ROUNDS {
            let (to_lat, to_lon) = self.there(guess_lat, guess_lon);
            guess_lat -= to_lat - lat;
            guess_lon -= to_lon - lon;
        }
        (guess_lat, guess_lon)
    }

    /// How this datum says a place: degrees of latitude and longitude.
    pub fn from_wgs84(self, place: Position) -> (f64, f64) {
        self.there(place.lat_deg(), place.lon_deg())
    }

    fn there(self, lat: f64, lon: f64) -> (f64, f64) {
        match self {
            Self::Wgs84 => (lat, lon),
            Self::Gcj02 => shift(lat, lon),
            Self::Bd09 => {
                let (lat, lon) = shift(lat, lon);
                gcj02_to_bd09(lat, lon)
            }
        }
    }
}

/// Within the rectangle and drawn without a shift by most maps: coarse outlines, latitude first, of Taiwan, Hong Kong and
/// Macau. The console has the same.
const UNSHIFTED: [&[(f64, f64)]; 3] = [
    &[(21.5, 119.2), (21.5, 122.3), (25.5, 122.3), (25.3, 120.6), (23.9, 119.2)],
    &[
        (22.13, 113.82),
        (22.13, 114.45),
        (22.54, 114.45),
        (22.555, 114.25),
        (22.56, 114.16),
        (22.53, 114.11),
        (22.505, 114.05),
        (22.48, 113.95),
        (22.44, 113.87),
        (22.2, 113.82),
    ],
    &[(22.105, 113.526), (22.105, 113.605), (22.217, 113.605), (22.217, 113.526)],
];

/// The shift applies to a rectangle around China, its neighbours' corners too.
fn is_shifted(lat: f64, lon: f64) -> bool {
    let is_near = (0.8293..=55.8271).contains(&lat) && (72.004..=137.8347).contains(&lon);
    is_near && !UNSHIFTED.iter().any(|outline| is_within(outline, lat, lon))
}

/// Whether a point lies within an outline: a line to the east crosses it an odd number of times.
fn is_within(outline: &[(f64, f64)], lat: f64, lon: f64) -> bool {
    let ends = outline.iter().skip(1).chain(outline.first());
    let crossings = outline.iter().zip(ends).filter(|((lat1, lon1), (lat2, lon2))| {
        (*lat1 > lat) != (*lat2 > lat) && lon < lon1 + (lat - lat1) / (lat2 - lat1) * (lon2 - lon1)
    });
    crossings.count() % 2 == 1
}

/// WGS-84 to GCJ-02.
fn shift(lat: f64, lon: f64) -> (f64, f64) {
    if !is_shifted(lat, lon) {
        return (lat, lon);
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let root = x.abs().sqrt();
    let wave = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + wave
        + (20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + wave
        + (20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let sine = lat.to_radians().sin();
    let flat = 1.0 - E2 * sine * sine;
    let north_deg = (north_m * 180.0) / ((A_M * (1.0 - E2)) / (flat * flat.sqrt()) * PI);
    let east_deg = (east_m * 180.0) / (A_M / flat.sqrt() * lat.to_radians().cos() * PI);
    (lat + north_deg, lon + east_deg)
}

fn gcj02_to_bd09(lat: f64, lon: f64) -> (f64, f64) {
    let radius = lat.hypot(lon) + 0.000_02 * (lat * BD_TURN).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * BD_TURN).cos();
    (radius * angle.sin() + 0.006, radius * angle.cos() + 0.0065)
}

#[cfg(test)]
mod tests;
