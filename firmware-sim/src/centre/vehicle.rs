//! A vehicle on its way from a station to a place.

use std::time::Duration;

use wire::centre::{Progress, Status, Vehicle};

use crate::ground::Point;

/// How often the centre tells where it is.
const TOLD_EVERY: Duration = Duration::from_secs(4);

/// One drive.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    from: Point,
    to: Point,
    plate: String,
}

impl Drive {
    /// From the station that is nearest; `None` without stations.
    pub(super) fn from_nearest(stations: &[Point], to: Point, reference: &str) -> Option<Self> {
        let nearest = stations.iter().min_by(|one, other| one.distance_m(to).total_cmp(&other.distance_m(to)))?;
        // The same case, the same vehicle.
        let number = reference.trim_start_matches("120-").trim_start_matches('0');
        Some(Self { from: *nearest, to, plate: format!("湘A·120{number:0>2}") })
    }

    /// The vehicle after a part of the way.
    fn vehicle(&self, part: f64) -> Vehicle {
        let way_m = self.from.distance_m(self.to);
        let Point { lat, lon } = self.from.towards(self.to, way_m * part.clamp(0.0, 1.0)).rounded();
        Vehicle { plate: self.plate.clone(), lat, lon }
    }

    /// A story with the drive in it: told at the start, each few seconds until the vehicle arrives, and there.
    pub(super) fn shown_in(&self, steps: Vec<(Duration, Status)>) -> Vec<(Duration, Status)> {
        let mut shown: Vec<(Duration, Status)> = Vec::new();
        for (wait, mut status) in steps {
            match status.status {
                Progress::Dispatched => status.vehicle = Some(self.vehicle(0.0)),
                Progress::Arrived => {
                    let mut left = wait;
                    if let Some((_, dispatched)) = shown.last().cloned()
                        && dispatched.status == Progress::Dispatched
                    {
                        while let Some(rest) = left.checked_sub(TOLD_EVERY).filter(|rest| !rest.is_zero()) {
                            left = rest;
                            let part = 1.0 - left.as_secs_f64() / wait.as_secs_f64();
                            let minutes = dispatched.minutes.map(|minutes| minutes_left(minutes, part));
                            let vehicle = Some(self.vehicle(part));
                            shown.push((TOLD_EVERY, Status { minutes, vehicle, ..dispatched.clone() }));
                        }
                    }
                    status.vehicle = Some(self.vehicle(1.0));
                    shown.push((left, status));
                    continue;
                }
                _ => {}
            }
            shown.push((wait, status));
        }
        shown
    }
}

/// Minutes that are left after a part of the way; never none while it drives.
fn minutes_left(minutes: u16, part: f64) -> u16 {
    let left = (f64::from(minutes) * (1.0 - part)).ceil().clamp(1.0, f64::from(u16::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    let left = left as u16;
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: Progress, minutes: Option<u16>) -> Status {
        Status { status, reference: None, reason: None, minutes, vehicle: None }
    }

    #[test]
    fn a_vehicle_drives_from_the_nearest_station_and_is_there_when_it_arrives() {
        let place = Point { lat: 28.22, lon: 112.99 };
        let stations = [place.moved(3_000.0, 0.0), place.moved(0.0, -1_000.0)];
        let drive = Drive::from_nearest(&stations, place, "120-000042").unwrap();
        let told = drive.shown_in(vec![
            (Duration::from_secs(2), said(Progress::Acknowledged, None)),
            (Duration::from_secs(5), said(Progress::Dispatched, Some(8))),
            (Duration::from_secs(20), said(Progress::Arrived, None)),
            (Duration::from_secs(9), said(Progress::Closed, None)),
        ]);
        let whole: Duration = told.iter().map(|(wait, _)| *wait).sum();
        assert_eq!(whole, Duration::from_secs(36), "it arrives when it would have arrived unseen");
        let left_m: Vec<f64> = told
            .iter()
            .filter_map(|(_, status)| status.vehicle.as_ref())
            .map(|vehicle| Point { lat: vehicle.lat, lon: vehicle.lon }.distance_m(place))
            .collect();
        assert_eq!(left_m.len(), 6);
        assert!((left_m[0] - 1_000.0).abs() < 1.0 && left_m[5] < 1.0, "{left_m:?}");
        assert!(left_m.windows(2).all(|pair| pair[0] > pair[1]), "{left_m:?}");
        let minutes: Vec<_> = told.iter().filter_map(|(_, status)| status.minutes).collect();
        assert_eq!(minutes, [8, 7, 5, 4, 2]);
        assert!(Drive::from_nearest(&[], place, "120-000042").is_none());
    }
}
