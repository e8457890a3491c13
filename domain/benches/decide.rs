//! What a position and a case cost in the core: a fence check, and who is to go.

#![expect(clippy::unwrap_used, reason = "a benchmark knows its own figures")]

use std::collections::HashMap;
use std::hint::black_box;

use divan::Bencher;
use domain::dispatch::{Board, Case, Mode, Outlook, Person, Standing, Urgency, Weights, plan};
use domain::fence::{Belief, Fence, Fix, Kind, Print, Shape, Watch};
use domain::id::{FenceId, IncidentId, ResponderId};
use domain::place::{Metres, Position, Source};
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

fn fix(place: Position) -> Fix {
    Fix {
        place,
        accuracy: Some(Metres(12.5)),
        source: Source::Gnss,
        received_at: NOW,
        device_at: None,
        print: Print(7),
    }
}

fn sees(bencher: Bencher<'_, '_>, shapes: Vec<Shape>) {
    let fence = |(number, shape)| Fence { id: FenceId(Uuid::from_u128(number)), kind: Kind::Safe, shape };
    let beliefs = (1..).zip(shapes).map(fence).map(|fence| (fence, Belief::default())).collect();
    let watch = Watch { beliefs };
    let fix = fix(at(40.0, 10.0));
    bencher.with_inputs(|| watch.clone()).bench_refs(|watch| watch.see(black_box(&fix)));
}

/// A position held against a circle around home.
#[divan::bench]
fn fence_circle(bencher: Bencher<'_, '_>) {
    sees(bencher, vec![Shape::circle(at(0.0, 0.0), Metres(300.0)).unwrap()]);
}

/// A position held against an outline of so many corners.
#[divan::bench(args = [8, 64, 512])]
fn fence_outline(bencher: Bencher<'_, '_>, corners: u32) {
    let corner = |number: u32| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(number) / f64::from(corners)).sin_cos();
        at(300.0 * cos, 300.0 * sin)
    };
    let ring: Vec<Position> = (0..corners).map(corner).collect();
    sees(bencher, vec![Shape::polygon(vec![ring]).unwrap()]);
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
