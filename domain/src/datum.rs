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
/// Degrees; a centimetre.
const NEAR_ENOUGH_DEG: f64 = 1.0e-7;
/// Each step leaves about a thousandth of the error; three are enough.
const STEPS_MAX: usize = 10;

impl Datum {
    /// The place that these degrees mean.
    pub fn to_wgs84(self, lat_deg: f64, lon_deg: f64) -> Result<Position, NoPosition> {
        // Refused before it is turned into something that looks like a place.
        let said = Position::new(lat_deg, lon_deg)?;
        let (lat, lon) = match self {
            Self::Wgs84 => return Ok(said),
            Self::Gcj02 => invert(lat_deg, lon_deg),
            Self::Bd09 => {
                let (lat, lon) = bd09_to_gcj02(lat_deg, lon_deg);
                invert(lat, lon)
            }
        };
        Position::new(lat, lon)
    }

    /// How this datum says a place: degrees of latitude and longitude.
    pub fn from_wgs84(self, place: Position) -> (f64, f64) {
        let (lat, lon) = (place.lat_deg(), place.lon_deg());
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

/// The shift applies to a rectangle around China, its neighbours' corners too.
fn is_shifted(lat: f64, lon: f64) -> bool {
    (0.8293..=55.8271).contains(&lat) && (72.004..=137.8347).contains(&lon)
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

/// GCJ-02 to WGS-84, by walking back until the shift leads where we are.
fn invert(lat: f64, lon: f64) -> (f64, f64) {
    let (mut guess_lat, mut guess_lon) = (lat, lon);
    for _ in 0..STEPS_MAX {
        let (to_lat, to_lon) = shift(guess_lat, guess_lon);
        let (off_lat, off_lon) = (to_lat - lat, to_lon - lon);
        guess_lat -= off_lat;
        guess_lon -= off_lon;
        if off_lat.abs().max(off_lon.abs()) < NEAR_ENOUGH_DEG {
            break;
        }
    }
    (guess_lat, guess_lon)
}

fn gcj02_to_bd09(lat: f64, lon: f64) -> (f64, f64) {
    let radius = lat.hypot(lon) + 0.000_02 * (lat * BD_TURN).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * BD_TURN).cos();
    (radius * angle.sin() + 0.006, radius * angle.cos() + 0.0065)
}

fn bd09_to_gcj02(lat: f64, lon: f64) -> (f64, f64) {
    let (lat, lon) = (lat - 0.006, lon - 0.0065);
    let radius = lat.hypot(lon) - 0.000_02 * (lat * BD_TURN).sin();
    let angle = lat.atan2(lon) - 0.000_003 * (lon * BD_TURN).cos();
    (radius * angle.sin(), radius * angle.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_changsha_the_maps_lie_some_hundred_metres_off() {
        let here = Position::new(28.228, 112.938).unwrap();
        for (datum, least_m, most_m) in [(Datum::Gcj02, 400.0, 800.0), (Datum::Bd09, 800.0, 2000.0)] {
            let (lat, lon) = datum.from_wgs84(here);
            let off = here.distance(Position::new(lat, lon).unwrap()).0;
            assert!((least_m..most_m).contains(&off), "{datum:?}: {off} m");
        }
    }

    #[test]
    fn the_way_there_and_back_ends_where_it_began() {
        for step in 0..2000_u32 {
            let (lat, lon) = (18.0 + f64::from(step % 50) * 0.7, 74.0 + f64::from(step / 50) * 1.5);
            let here = Position::new(lat, lon).unwrap();
            for (datum, off_m) in [(Datum::Wgs84, 0.001), (Datum::Gcj02, 0.05), (Datum::Bd09, 1.0)] {
                let (lat, lon) = datum.from_wgs84(here);
                let back = datum.to_wgs84(lat, lon).unwrap();
                assert!(here.distance(back).0 < off_m, "{datum:?} at {here:?}: {} m", here.distance(back).0);
            }
        }
    }

    #[test]
    fn elsewhere_nothing_is_shifted() {
        assert_eq!(Datum::Gcj02.to_wgs84(52.5, 13.4), Position::new(52.5, 13.4));
        assert_eq!(Datum::Gcj02.to_wgs84(0.0, 0.0), Err(NoPosition::Null));
        assert_eq!(Datum::Bd09.to_wgs84(f64::NAN, 112.0), Err(NoPosition::OutOfRange));
    }
}
