//! What must hold of the engine whatever comes. How well it does is measured: `docs/wandering.md`.

mod anywhere;
mod areas;
mod by_rules;
mod kept;
mod outlines;
mod together;
mod wearers;
mod world;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Area, Fix, Ground, Kind, Spot, Wearer, Zone};
use crate::id::FenceId;
use crate::place::{Metres, Position, Source};

/// 2026-03-01 16:00 in Changsha.
const NOON: Timestamp = Timestamp::constant(1_772_352_000, 0);

fn at(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon).unwrap()
}

/// In Kaifu, Changsha.
fn home() -> Position {
    at(28.228, 112.986)
}

/// So many metres east and north of a place.
fn spot(from: Position, east: f64, north: f64) -> Position {
    Ground::around(from).place(Spot { east, north }).unwrap()
}

fn zone(kind: Kind, area: Area) -> Zone {
    Zone { id: FenceId(Uuid::from_u128(1)), kind, area: Arc::new(area), grace: SignedDuration::from_secs(180) }
}

/// Somebody with a fence of 150 m around where they live.
fn wearer(home: Position) -> Wearer {
    let area = Area::circle(home, Metres(150.0)).unwrap();
    Wearer::new(home, Metres(150.0), vec![zone(Kind::Safe, area)])
}

/// A good satellite fix, on time, so many seconds after noon.
fn fix(place: Position, second: i64) -> Fix {
    let at = NOON + SignedDuration::from_secs(second);
    Fix {
        place,
        accuracy: Some(Metres(8.0)),
        source: Source::Gnss,
        speed_kmh: None,
        device_at: Some(at),
        received_at: at,
    }
}
