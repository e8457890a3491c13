//! What a fix may change, and what it may not.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const NOON: Timestamp = Timestamp::constant(1_772_352_000, 0);
const HOME: (f64, f64) = (28.228, 112.938);
const METRES_A_DEGREE: f64 = 111_195.08;

fn spot(east_m: f64, north_m: f64) -> Position {
    let shrink = HOME.0.to_radians().cos();
    Position::new(HOME.0 + north_m / METRES_A_DEGREE, HOME.1 + east_m / METRES_A_DEGREE / shrink).unwrap()
}

/// A fix some minutes after noon, with an accuracy of 10 m.
fn fix(minute: i64, north_m: f64) -> Fix {
    let at = NOON + SignedDuration::from_mins(minute);
    Fix {
        place: spot(0.0, north_m),
        accuracy: Some(Metres(10.0)),
        source: Source::Gnss,
        received_at: at,
        device_at: Some(at),
        print: Print(minute),
    }
}

fn fence(shape: Shape) -> Fence {
    Fence { id: FenceId(Uuid::from_u128(1)), kind: Kind::Safe, shape }
}

fn circle(radius_m: f64) -> Fence {
    fence(Shape::circle(spot(0.0, 0.0), Metres(radius_m)).unwrap())
}

fn turns(fence: &Fence, fixes: impl IntoIterator<Item = Fix>) -> Vec<Turn> {
    let mut watch = Watch { beliefs: vec![(fence.clone(), Belief::default())] };
    fixes.into_iter().filter_map(|fix| watch.see(&fix)).map(|crossing| crossing.turn).collect()
}

#[track_caller]
fn check(fixes: impl IntoIterator<Item = Fix>, expected: &[Turn]) {
    assert_eq!(turns(&circle(200.0), fixes), expected);
}

#[test]
fn two_fixes_outside_are_a_leaving_and_two_inside_a_return() {
    let walk = [fix(0, 0.0), fix(1, 400.0), fix(2, 500.0), fix(3, 600.0), fix(4, 10.0), fix(5, 0.0), fix(6, 0.0)];
    check(walk, &[Turn::Left, Turn::Returned]);
}

#[test]
fn one_fix_outside_is_nothing_when_the_next_is_inside() {
    check([fix(0, 0.0), fix(1, 400.0), fix(2, 0.0), fix(3, 400.0), fix(4, 0.0)], &[]);
}

#[test]
fn a_circle_that_touches_the_edge_says_nothing_either_way() {
    let wide = |minute| Fix { accuracy: Some(Metres(250.0)), ..fix(minute, 400.0) };
    check([wide(0), wide(1), wide(2)], &[]);
    // Nor does it take back what the one before it said.
    check([fix(0, 400.0), wide(1), fix(2, 400.0)], &[Turn::Left]);
}

#[test]
fn a_missing_accuracy_is_that_of_its_source() {
    let from = |source, north_m: f64| [0, 1].map(|minute| Fix { accuracy: None, source, ..fix(minute, north_m) });
    check(from(Source::Gnss, 229.0), &[]);
    check(from(Source::Gnss, 232.0), &[Turn::Left]);
    check(from(Source::Wifi, 279.0), &[]);
    check(from(Source::Cell, 1_699.0), &[]);
    check(from(Source::Cell, 1_702.0), &[Turn::Left]);
    check(from(Source::Unknown, 1_699.0), &[]);
    let zero = from(Source::Gnss, 229.0).map(|fix| Fix { accuracy: Some(Metres(0.0)), ..fix });
    check(zero, &[]);
}

#[test]
fn the_same_instant_and_the_same_bytes_are_one_fix() {
    check([fix(0, 400.0), Fix { print: Print(9), ..fix(0, 410.0) }], &[]);
    let timeless = |minute| Fix { device_at: None, print: Print(7), ..fix(minute, 400.0) };
    check([timeless(0), timeless(9)], &[]);
    // Who sits still before a receiver without a clock says the same for ever, and is outside all the same.
    check([timeless(0), timeless(11)], &[Turn::Left]);
}

#[test]
fn what_is_late_changes_nothing_and_in_its_place_it_counts() {
    // Home again at ten, and then the two fixes of the way arrive.
    let late = |minute| Fix { received_at: NOON + SignedDuration::from_mins(12), ..fix(minute, 400.0) };
    check([fix(10, 0.0), late(4), late(5)], &[]);
    check([fix(0, 0.0), late(4), late(5), fix(13, 0.0), fix(14, 0.0)], &[Turn::Left, Turn::Returned]);
}

#[test]
fn a_clock_that_cannot_be_right_is_not_asked() {
    let off = |minute, hours| Fix { device_at: Some(NOON + SignedDuration::from_hours(hours)), ..fix(minute, 400.0) };
    // All of them say the same instant, years back or hours ahead: their arrival counts.
    check([off(0, -50_000), off(1, -50_000)], &[Turn::Left]);
    check([off(0, 8), off(1, 8)], &[Turn::Left]);
    assert_eq!(off(3, 8).at(), off(3, 8).received_at);
    // What is a minute ahead of us is now, so that it does not make the next one late.
    let ahead = Fix { device_at: Some(NOON + SignedDuration::from_mins(1)), ..fix(0, 0.0) };
    assert_eq!(ahead.at(), NOON);
}

#[test]
fn a_crossing_says_how_it_is_known() {
    let mut watch = Watch { beliefs: vec![(circle(200.0), Belief::default())] };
    assert_eq!(watch.see(&fix(1, 400.0)), None);
    let crossing = watch.see(&fix(2, 500.0)).unwrap();
    assert_eq!((crossing.turn, crossing.fence), (Turn::Left, circle(200.0).id));
    let said = crossing.seen.map(|seen| (seen.at, format!("{:.0} m", seen.distance.0), seen.accuracy));
    let minute = |minute| NOON + SignedDuration::from_mins(minute);
    let expected = [(1, "200 m"), (2, "300 m")].map(|(at, far)| (minute(at), far.to_owned(), Metres(10.0)));
    assert_eq!(said, expected);
}

#[test]
fn in_a_fence_smaller_than_the_fix_its_middle_counts() {
    let small = |minute, north_m| Fix { accuracy: Some(Metres(60.0)), ..fix(minute, north_m) };
    let walk = [small(0, 300.0), small(1, 300.0), small(2, 5.0), small(3, 5.0)];
    assert_eq!(turns(&circle(30.0), walk), [Turn::Left, Turn::Returned]);
    let cell = |minute| Fix { accuracy: Some(Metres(1_500.0)), ..fix(minute, 5.0) };
    assert_eq!(turns(&circle(30.0), [small(0, 300.0), small(1, 300.0), cell(2), cell(3)]), [Turn::Left]);
}

#[test]
fn several_safe_areas_are_one_place_to_be() {
    let home = circle(200.0);
    let day_centre =
        Fence { id: FenceId(Uuid::from_u128(2)), ..fence(Shape::circle(spot(0.0, 1_000.0), Metres(200.0)).unwrap()) };
    let mut watch = Watch { beliefs: vec![(home.clone(), Belief::default()), (day_centre.clone(), Belief::default())] };
    let mut see = |minute, north_m| watch.see(&fix(minute, north_m)).map(|crossing| (crossing.turn, crossing.fence));
    // At home, then at the day centre: on the way between them they are in neither.
    let day = [(0, 0.0), (1, 0.0), (2, 1_000.0), (3, 1_000.0)].map(|(minute, north_m)| see(minute, north_m));
    assert_eq!(day, [None; 4]);
    assert_eq!(see(4, 1_300.0), None);
    assert_eq!(see(5, 1_400.0), Some((Turn::Left, day_centre.id)));
    assert_eq!((see(6, 0.0), see(7, 0.0)), (None, Some((Turn::Returned, home.id))));
    assert_eq!((see(8, 600.0), see(9, 600.0)), (None, Some((Turn::Left, home.id))));
}

#[test]
fn who_has_no_fence_is_never_out() {
    assert!(!Watch::default().is_out());
    assert_eq!(Watch::default().see(&fix(0, 9_000.0)), None);
}

/// A polygon without crossings: corners at growing angles around the home, each at a distance of its own.
fn star() -> impl Strategy<Value = (Vec<f64>, Fence)> {
    prop::collection::vec(60.0..2_000.0_f64, 5..40).prop_map(|reaches| {
        let corners = (0..reaches.len()).map(|index| away(&reaches, index, 1.0, 0.0)).collect();
        (reaches, fence(Shape::polygon(vec![corners]).unwrap()))
    })
}

/// In the direction of a corner: a share of the way there, and so many metres on.
#[expect(clippy::cast_precision_loss, reason = "a few corners")]
fn away(reaches: &[f64], index: usize, share: f64, on_m: f64) -> Position {
    let angle = index as f64 / reaches.len() as f64 * std::f64::consts::TAU;
    let reach = reaches[index] * share + on_m;
    spot(reach * angle.cos(), reach * angle.sin())
}

/// A place that is off by a share of its accuracy.
fn jittered(place: Position, accuracy_m: f64, share: f64, angle: f64) -> Position {
    // A flat map of a few kilometres is not off by one in a hundred.
    let off = accuracy_m * share * 0.99 / METRES_A_DEGREE;
    let shrink = place.lat_deg().to_radians().cos();
    Position::new(place.lat_deg() + off * angle.sin(), place.lon_deg() + off * angle.cos() / shrink).unwrap()
}

prop_compose! {
    fn jitter()(
        accuracy_m in prop_oneof![3.0..60.0_f64, 60.0..3_000.0_f64],
        share in 0.0..1.0_f64,
        angle in 0.0..std::f64::consts::TAU,
        gap_s in -300..900_i64,
    ) -> (f64, f64, f64, i64) {
        (accuracy_m, share, angle, gap_s)
    }
}

fn jittering(place: Position, jitters: &[(f64, f64, f64, i64)]) -> Vec<Fix> {
    let mut at = NOON;
    jitters
        .iter()
        .zip(0..)
        .map(|((accuracy_m, share, angle, gap_s), number)| {
            at += SignedDuration::from_secs(*gap_s);
            Fix {
                place: jittered(place, *accuracy_m, *share, *angle),
                accuracy: Some(Metres(*accuracy_m)),
                source: Source::Gnss,
                received_at: at,
                device_at: Some(at),
                print: Print(number),
            }
        })
        .collect()
}

proptest! {
    #[test]
    fn a_receiver_that_drifts_within_its_accuracy_never_makes_somebody_leave(
        (reaches, fence) in star(),
        corner in any::<prop::sample::Index>(),
        share in 0.0..0.98_f64,
        jitters in prop::collection::vec(jitter(), 1..60),
    ) {
        let place = away(&reaches, corner.index(reaches.len()), share, 0.0);
        prop_assert_eq!(turns(&fence, jittering(place, &jitters)), []);
    }

    #[test]
    fn who_walks_300_m_out_is_noticed_by_the_second_good_fix(
        (reaches, fence) in star(),
        corner in any::<prop::sample::Index>(),
        share in 0.0..0.98_f64,
        jitters in prop::collection::vec(jitter(), 0..30),
        first in jitter(),
        second in jitter(),
    ) {
        let farthest = reaches.iter().copied().fold(0.0, f64::max);
        let corner = corner.index(reaches.len());
        let mut fixes = jittering(away(&reaches, corner, share, 0.0), &jitters);
        let newest = fixes.iter().map(|fix| fix.received_at).max().unwrap_or(NOON);
        let out = away(&reaches, corner, 0.0, farthest + 300.0);
        for ((_, share, angle, _), (minute, print)) in [first, second].into_iter().zip([(1, 1_001), (2, 1_002)]) {
            let at = newest + SignedDuration::from_mins(minute);
            fixes.push(Fix {
                place: jittered(out, 100.0, share, angle),
                accuracy: Some(Metres(100.0)),
                source: Source::Gnss,
                received_at: at,
                device_at: Some(at),
                print: Print(print),
            });
        }
        prop_assert_eq!(turns(&fence, fixes), [Turn::Left]);
    }
}
