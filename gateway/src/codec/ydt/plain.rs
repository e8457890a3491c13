//! Positions as well-kept firmware sends them, which is nearly always: read in one go, without a tree in between.
//!
//! Whatever is unusual in a message is not for here but for [`super::fix_batch`], which reads everything that can be
//! read; of what is read here it reads the same.

use std::ops::RangeInclusive;

use domain::place::{Position, Source};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use wire::report::{Fix, Freshness};

use super::super::reading;
use super::super::{ACCURACY_M, ALTITUDE_M, COURSE_DEG, SPEED_KMH};

#[derive(Deserialize)]
struct Batch<'m> {
    #[serde(borrow)]
    fixes: Vec<Plain<'m>>,
}

#[derive(Deserialize)]
struct Plain<'m> {
    lat: f64,
    lon: f64,
    #[serde(default, deserialize_with = "there")]
    acc_m: Option<f64>,
    #[serde(default, deserialize_with = "there")]
    at: Option<Timestamp>,
    #[serde(borrow, default, deserialize_with = "there")]
    source: Option<&'m str>,
    #[serde(default, deserialize_with = "there")]
    speed_kmh: Option<f64>,
    #[serde(default, deserialize_with = "there")]
    course_deg: Option<f64>,
    #[serde(default, deserialize_with = "there")]
    alt_m: Option<f64>,
}

/// Absent, or there: `null` is unusual.
fn there<'m, D: Deserializer<'m>, T: Deserialize<'m>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// The positions of a batch of which everything is as it should be.
pub(super) fn fixes(payload: &[u8]) -> Option<Vec<Fix>> {
    let batch: Batch<'_> = serde_json::from_slice(payload).ok()?;
    if batch.fixes.len() > super::FIXES_MAX {
        return None;
    }
    batch.fixes.into_iter().map(Plain::into_fix).collect()
}

impl Plain<'_> {
    fn into_fix(self) -> Option<Fix> {
        let is_within = |number: Option<f64>, range: RangeInclusive<f64>| number.is_none_or(|it| range.contains(&it));
        let is_usual = is_within(self.acc_m, ACCURACY_M)
            && is_within(self.speed_kmh, SPEED_KMH)
            && is_within(self.course_deg, COURSE_DEG)
            && is_within(self.alt_m, ALTITUDE_M)
            && self.at.is_none_or(|at| reading::known(at).is_some());
        let position = Position::new(self.lat, self.lon).ok().filter(|_| is_usual)?;
        Some(Fix {
            freshness: Freshness::Live,
            lat_deg: position.lat_deg(),
            lon_deg: position.lon_deg(),
            accuracy_m: self.acc_m,
            device_at: self.at,
            source: match self.source {
                Some(word) => super::source(word)?,
                None => Source::Unknown,
            },
            speed_kmh: self.speed_kmh,
            course_deg: self.course_deg,
            altitude_m: self.alt_m,
        })
    }
}
