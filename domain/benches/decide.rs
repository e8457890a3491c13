//! What a position and a case cost in the core: a wearer's state taken out of its row, judged and put back; and who is to go.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use domain::dispatch::{Board, Case, Mode, Outlook, Person, Standing, Urgency, Weights, plan};
use domain::id::{FenceId, IncidentId, ResponderId};
use domain::place::{Metres, Position, Source};
use domain::whereabouts::{Area, Fix, Kind, Wearer, Zone};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::constant(1_772_352_000, 0);

fn main() {
    divan::main();
}

/// So many metres east and north of the middle of town.
fn at(east_m: f64, north_m: f64) -> Position {
    Position::new(28.228 + north_m / 111_195.0, 112.938 + east_m / 97_970.0).unwrap()
}

/// A fix so many minutes on, so many metres north of home.
fn fix(minute: i32, north_m: f64) -> Fix {
    let then = NOW + SignedDuration::from_mins(minute.into());
    Fix {
        place: at(f64::from(minute * 7 % 5), north_m + f64::from(minute * 3 % 4)),
        accuracy: Some(Metres(12.5)),
        source: Source::Gnss,
        speed_kmh: None,
        device_at: Some(then),
        received_at: then,
    }
}

fn row(bencher: Bencher<'_, '_>, pace_m: f64) {
    let home = at(0.0, 0.0);
    let area = Arc::new(Area::circle(home, Metres(300.0)).unwrap());
    let zone = Zone { id: FenceId(Uuid::from_u128(1)), kind: Kind::Safe, area, grace: SignedDuration::from_mins(3) };
    let zones = [zone];
    let mut wearer = Wearer::new(home, Metres(300.0), zones.to_vec());
    let walked = |minute: i32| pace_m * f64::from(minute - 20).max(0.0);
    for minute in 0..40 {
        wearer.watch(&fix(minute, walked(minute)));
    }
    let (kept, next) = (wearer.keep(), fix(40, walked(40)));
    println!("{} bytes in the row", kept.len());
    bencher.bench(|| {
        let mut wearer = Wearer::restore(home, zones.to_vec(), black_box(&kept)).unwrap();
        let changes = wearer.watch(black_box(&next));
        (changes, wearer.keep())
    });
}

/// A position of somebody at home: out of the row, judged, back into the row.
#[divan::bench]
fn row_of_somebody_at_home(bencher: Bencher<'_, '_>) {
    row(bencher, 0.0);
}

/// The same of somebody who has been walking away for twenty minutes.
#[divan::bench]
fn row_of_somebody_who_walks_away(bencher: Bencher<'_, '_>) {
    row(bencher, 70.0);
}

/// One open case, and so many who could go to it.
#[divan::bench(args = [10, 100, 1_000])]
fn nearest_responder(bencher: Bencher<'_, '_>, people: u32) {
    bench_plan(bencher, 1, people);
}

/// So many open cases, and five who could go to each.
#[divan::bench(args = [1, 12, 60])]
fn plan_for_all(bencher: Bencher<'_, '_>, cases: u32) {
    bench_plan(bencher, cases, 5 * cases);
}

fn bench_plan(bencher: Bencher<'_, '_>, cases: u32, people: u32) {
    // Spread as dice would, and always the same.
    let spread = |number: u32| at(f64::from(number * 7_919 % 9_973), f64::from(number * 104_729 % 9_967));
    let cases = (0..cases).map(|number| Case {
        incident: IncidentId(Uuid::from_u128(number.into())),
        urgency: if number.is_multiple_of(4) { Urgency::Routine } else { Urgency::Urgent },
        at: spread(number + 1),
        lasts: SignedDuration::from_mins(20),
        going: None,
        asked: Vec::new(),
        able: (0..people as usize).collect(),
        upgrades: 0,
        ways: HashMap::new(),
    });
    let person = |number: u32| Person {
        responder: ResponderId(Uuid::from_u128(1_000_000 + u128::from(number))),
        at: spread(number + 500),
        mode: Mode::Ebike,
        standing: Standing::Free,
        until: None,
        yes: 0.7,
        handicap: SignedDuration::ZERO,
        is_first_aider: number.is_multiple_of(3),
    };
    let board = Board {
        now: NOW,
        cases: cases.collect(),
        people: (0..people).map(person).collect(),
        outlook: Outlook::default(),
    };
    let weights = Weights::default();
    bencher.bench(|| plan(black_box(&board), &weights));
}
