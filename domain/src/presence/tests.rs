use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::battery::{self, Level};
use super::outage::{self, Gone, Kind, MEMBERS_MIN, Open, Tie, WINDOW};
use super::signs::{FROZEN_AFTER, FROZEN_TOLD, NOT_WORN_AFTER, Same, is_frozen, is_not_worn};
use super::*;
use crate::id::TerminalId;
use crate::place::Source;

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn terms() -> Terms {
    let minutes = SignedDuration::from_mins;
    Terms {
        moving: minutes(5),
        still: minutes(10),
        charging: minutes(15),
        late_beats: 2,
        silent_beats: 6,
        lost_after: minutes(24 * 60),
    }
}

fn known(heard: Option<i64>) -> Known {
    Known {
        heard_at: heard.map(at),
        heard_before: heard.map(at),
        before: Stage::Heard,
        given_at: at(0),
        listening_since: at(0),
        motion: Motion::Still,
    }
}

#[test]
fn the_standard_contract_is_one_that_could_be_made() {
    assert_eq!(Contract::new(terms()), Ok(Contract::standard()));
}

#[test]
fn terms_that_contradict_themselves_make_no_contract() {
    let second = SignedDuration::from_secs(1);
    for (terms, why) in [
        (Terms { still: EVERY_MIN - second, ..terms() }, BadContract::Every),
        (Terms { moving: EVERY_MAX + second, ..terms() }, BadContract::Every),
        (Terms { late_beats: 0, ..terms() }, BadContract::Beats),
        (Terms { silent_beats: 2, ..terms() }, BadContract::Beats),
        (Terms { silent_beats: 101, ..terms() }, BadContract::Beats),
        (Terms { lost_after: SignedDuration::from_mins(30), ..terms() }, BadContract::Lost),
        (Terms { lost_after: LOST_MAX + second, ..terms() }, BadContract::Lost),
    ] {
        assert_eq!(Contract::new(terms), Err(why), "{terms:?}");
    }
}

#[test]
fn a_silence_goes_from_late_to_silent_to_lost() {
    // Motion, minutes of silence, the stage that it has come to.
    let table = [
        (Motion::Still, 0, Stage::Heard),
        (Motion::Still, 19, Stage::Heard),
        (Motion::Still, 20, Stage::Late),
        (Motion::Still, 59, Stage::Late),
        (Motion::Still, 60, Stage::Silent),
        (Motion::Still, 24 * 60 - 1, Stage::Silent),
        (Motion::Still, 24 * 60, Stage::Lost),
        (Motion::Moving, 9, Stage::Heard),
        (Motion::Moving, 10, Stage::Late),
        (Motion::Moving, 30, Stage::Silent),
        (Motion::Charging, 29, Stage::Heard),
        (Motion::Charging, 30, Stage::Late),
        (Motion::Charging, 90, Stage::Silent),
    ];
    for (motion, minutes, stage) in table {
        let known = Known { motion, ..known(Some(100)) };
        let found = judge(&Contract::standard(), &known, at(100 + minutes));
        assert_eq!(found.stage, stage, "{motion} for {minutes} minutes");
    }
}

#[test]
fn who_was_never_heard_is_not_late() {
    assert_eq!(judge(&Contract::standard(), &known(None), at(10_000)).stage, Stage::Unheard);
    // What another wearer's terminal said counts for nothing.
    let lent = Known { given_at: at(500), ..known(Some(400)) };
    assert_eq!(judge(&Contract::standard(), &lent, at(10_000)).stage, Stage::Unheard);
}

#[test]
fn a_restart_of_ours_makes_nobody_silent_and_brings_nobody_back() {
    let contract = Contract::standard();
    let deaf = Known { listening_since: at(600), ..known(Some(100)) };
    assert_eq!(judge(&contract, &deaf, at(610)).stage, Stage::Heard);
    assert_eq!(judge(&contract, &deaf, at(620)).stage, Stage::Late);
    let silent = Known { before: Stage::Silent, ..deaf };
    assert_eq!(judge(&contract, &silent, at(610)).stage, Stage::Silent);
    let back = Known { heard_at: Some(at(605)), ..silent };
    assert_eq!(judge(&contract, &back, at(610)).stage, Stage::Heard);
}

proptest! {
    #[test]
    fn a_silence_only_grows_and_nothing_is_overslept(
        heard in 0_i64..1000,
        listening in 0_i64..2000,
        steps in prop::collection::vec(1_i64..600, 1..40),
    ) {
        let contract = Contract::standard();
        let mut known = Known { listening_since: at(listening), ..known(Some(heard)) };
        let mut now = at(heard.max(listening));
        for minutes in steps {
            let before = known.before;
            let found = judge(&contract, &known, now);
            prop_assert!(found.stage >= before, "{before} before {}", found.stage);
            prop_assert!(found.look_at > now, "{found:?} at {now}");
            // Whoever looks at the times it is told to misses no change: just before, all is as it was.
            let just_before = found.look_at - SignedDuration::from_millis(1);
            let later = judge(&contract, &Known { before: found.stage, ..known }, just_before.max(now));
            prop_assert_eq!(later.stage, found.stage);
            known.before = found.stage;
            now = if minutes % 2 == 0 { found.look_at } else { now + SignedDuration::from_mins(minutes) };
        }
    }

    #[test]
    fn being_heard_brings_everybody_back(
        before in prop::sample::select(vec![Stage::Unheard, Stage::Heard, Stage::Late, Stage::Silent, Stage::Lost]),
        silence in 1_i64..5000,
    ) {
        let known = Known {
            heard_at: Some(at(silence)),
            heard_before: Some(at(0)),
            before,
            ..known(None)
        };
        let found = judge(&Contract::standard(), &known, at(silence + 1));
        prop_assert_eq!(found.stage, Stage::Heard);
    }
}

// ---- battery ---------------------------------------------------------------------------------------

fn levels(told: &[(i64, u8)]) -> Vec<Level> {
    told.iter().map(|(minutes, pct)| Level { at: at(*minutes), pct: *pct }).collect()
}

#[test]
fn a_battery_that_falls_evenly_is_flat_when_the_line_says_so() {
    let found = battery::forecast(&levels(&[(0, 42), (60, 37), (120, 32), (180, 27)])).unwrap();
    assert!((found.pct_per_hour - 5.0).abs() < 0.01);
    assert_eq!(found.flat_at, at(180 + 5 * 60));
}

#[test]
fn what_tells_too_little_or_charges_is_not_forecast() {
    let table: &[&[(i64, u8)]] = &[
        &[],
        &[(0, 50), (600, 40)],
        &[(0, 50), (10, 45), (20, 40)],
        &[(0, 50), (60, 49), (120, 48)],
        &[(0, 50), (60, 50), (120, 50)],
        &[(0, 20), (30, 40), (60, 60), (90, 80)],
        // Just off the charger.
        &[(0, 60), (60, 40), (120, 20), (130, 90), (140, 89)],
    ];
    for told in table {
        assert_eq!(battery::forecast(&levels(told)), None, "{told:?}");
    }
}

#[test]
fn what_was_before_the_charger_does_not_count() {
    let found =
        battery::forecast(&levels(&[(0, 90), (60, 50), (120, 10), (180, 100), (240, 96), (300, 92), (360, 88)]));
    assert!((found.unwrap().pct_per_hour - 4.0).abs() < 0.01);
}

proptest! {
    #[test]
    fn readings_that_waver_move_the_forecast_little(
        rate in 2.0_f64..12.0,
        wavers in prop::collection::vec(-1_i8..=1, 12),
        jump in 0_usize..12,
    ) {
        let exact = |hour: f64| 100.0 - rate * hour;
        let mut told: Vec<Level> = wavers.iter().zip(0_i64..).map(|(waver, half_hour)| {
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
            let pct = (exact(half_hour as f64 / 2.0) + f64::from(*waver)).clamp(0.0, 100.0).round() as u8;
            Level { at: at(half_hour * 30), pct }
        }).collect();
        // One reading in between is far too low, as terminals tell them while they send.
        if (1..11).contains(&jump) {
            told[jump].pct = told[jump].pct.saturating_sub(2);
        }
        let found = battery::forecast(&told);
        let truth = 60.0 * 98.0 / rate;
        if let Some(found) = found {
            let flat = found.flat_at.duration_since(at(0)).as_secs_f64() / 60.0;
            prop_assert!((flat - truth).abs() < truth * 0.35 + 60.0, "{flat} for {truth}");
            prop_assert!(found.flat_at >= told[told.len() - 1].at);
        } else {
            prop_assert!(rate < 4.0, "nothing at {rate} % an hour");
        }
    }

    #[test]
    fn any_levels_are_taken(told in prop::collection::vec((0_i64..100_000, any::<u8>()), 0..100)) {
        let mut told = told;
        told.sort_unstable();
        if let Some(found) = battery::forecast(&levels(&told)) {
            prop_assert!(found.pct_per_hour > 0.0);
        }
    }
}

// ---- signs -----------------------------------------------------------------------------------------

#[test]
fn a_receiver_is_frozen_only_when_nothing_else_explains_it() {
    let same = Same { since: at(0), told: FROZEN_TOLD, source: Source::Gnss, moved_at: None };
    let long = at(0) + FROZEN_AFTER;
    assert!(is_frozen(&same, long));
    assert!(!is_frozen(&same, long - SignedDuration::from_secs(1)));
    assert!(!is_frozen(&Same { told: FROZEN_TOLD - 1, ..same }, long));
    assert!(!is_frozen(&Same { source: Source::Cell, ..same }, long));
    let walked = Same { told: FROZEN_TOLD / 3, moved_at: Some(at(30)), ..same };
    assert!(is_frozen(&walked, at(120)) && !is_frozen(&Same { moved_at: Some(at(-5)), ..walked }, at(120)));
}

#[test]
fn a_terminal_is_not_worn_after_a_while_and_not_on_its_charger() {
    let after = at(0) + NOT_WORN_AFTER;
    assert!(is_not_worn(Some(at(0)), false, after));
    assert!(!is_not_worn(Some(at(0)), true, after));
    assert!(!is_not_worn(Some(at(1)), false, after));
    assert!(!is_not_worn(None, false, after));
}

// ---- outages ---------------------------------------------------------------------------------------

fn tie(kind: Kind, key: &str) -> Tie {
    Tie { kind, key: key.into() }
}

fn gone(terminal: i64, minutes: i64, ties: &[Tie]) -> Gone {
    Gone { terminal: TerminalId(terminal), heard_at: at(minutes), ties: ties.to_vec() }
}

#[test]
fn five_hundred_of_one_cell_are_one_group_and_who_went_beside_them_is_not_in_it() {
    let (cell, carrier) = (tie(Kind::Cell, "a"), tie(Kind::Carrier, "00"));
    let mut all: Vec<Gone> = (0..500).map(|n| gone(n, n % 10, &[cell.clone(), carrier.clone()])).collect();
    all.push(gone(900, 3, &[tie(Kind::Cell, "b"), carrier.clone()]));
    let shares = BTreeMap::from([(cell.clone(), 510), (carrier, 100_000), (tie(Kind::Cell, "b"), 400)]);
    let groups = outage::group(&all, &shares);
    assert_eq!(groups.len(), 1);
    assert_eq!((&groups[0].tie, groups[0].members.len(), groups[0].of), (&cell, 500, 510));
    assert_eq!(groups[0].began_at, at(0));
}

#[test]
fn what_explains_most_is_the_cause() {
    let carrier = tie(Kind::Carrier, "01");
    let all: Vec<Gone> =
        (0..60).map(|n| gone(n, 0, &[tie(Kind::Cell, &(n % 6).to_string()), carrier.clone()])).collect();
    let mut shares: BTreeMap<Tie, u32> = (0..6).map(|n| (tie(Kind::Cell, &n.to_string()), 10)).collect();
    shares.insert(carrier.clone(), 60);
    let groups = outage::group(&all, &shares);
    assert_eq!(groups.iter().map(|group| &group.tie).collect::<Vec<_>>(), [&carrier]);
    // A carrier of whom most are well is not the cause: each cell is.
    shares.insert(carrier, 10_000);
    assert_eq!(outage::group(&all, &shares).len(), 6);
}

#[test]
fn few_or_scattered_silences_are_no_outage() {
    let cell = tie(Kind::Cell, "a");
    let few: Vec<Gone> = (0..4).map(|n| gone(n, 0, std::slice::from_ref(&cell))).collect();
    assert!(outage::group(&few, &BTreeMap::from([(cell.clone(), 4)])).is_empty());
    let scattered: Vec<Gone> = (0..50).map(|n| gone(n, n * 40, std::slice::from_ref(&cell))).collect();
    assert!(outage::group(&scattered, &BTreeMap::from([(cell.clone(), 50)])).is_empty());
    let many_are_well: Vec<Gone> = (0..20).map(|n| gone(n, 0, std::slice::from_ref(&cell))).collect();
    assert!(outage::group(&many_are_well, &BTreeMap::from([(cell, 41)])).is_empty());
}

#[test]
fn who_goes_later_joins_the_outage_that_goes_on() {
    let open = [
        Open { id: Uuid::from_u128(1), tie: tie(Kind::Carrier, "00"), began_at: at(100) },
        Open { id: Uuid::from_u128(2), tie: tie(Kind::Cell, "a"), began_at: at(100) },
    ];
    let both = [tie(Kind::Cell, "a"), tie(Kind::Carrier, "00")];
    let joined = |gone: &Gone| outage::joins(gone, &open).map(|open| open.id.as_u128());
    assert_eq!(joined(&gone(7, 140, &both)), Some(2));
    assert_eq!(joined(&gone(7, 140, &both[1..])), Some(1));
    assert_eq!(joined(&gone(7, 140, &[tie(Kind::Cell, "b")])), None);
    // Silent long before it began: of something else.
    assert_eq!(joined(&gone(7, 60, &both)), None);
}

#[test]
fn an_outage_is_over_when_nearly_all_are_back() {
    assert!(outage::is_over(500, 50) && !outage::is_over(500, 51));
    assert!(!outage::is_over(5, 1) && outage::is_over(5, 0));
}

proptest! {
    #[test]
    fn nobody_is_in_two_groups_and_each_group_holds_together(
        told in prop::collection::vec((0_i64..80, 0_i64..200, 0_u8..4, 0_u8..3), 0..120),
        turn in 0_usize..120,
    ) {
        let mut all: Vec<Gone> = told
            .iter()
            .map(|(terminal, minutes, cell, community)| {
                let ties = [tie(Kind::Cell, &cell.to_string()), tie(Kind::Community, &community.to_string())];
                gone(*terminal, *minutes, &ties)
            })
            .collect();
        // One terminal went once.
        all.sort_by_key(|gone| gone.terminal);
        all.dedup_by_key(|gone| gone.terminal);
        let shares: BTreeMap<Tie, u32> = outage::suspects(&all).into_iter().map(|tie| (tie, 25)).collect();
        let groups = outage::group(&all, &shares);
        let mut seen = BTreeSet::new();
        for group in &groups {
            prop_assert!(group.members.len() >= MEMBERS_MIN);
            prop_assert!(u32::try_from(group.members.len()).unwrap() * 2 >= group.of);
            for member in &group.members {
                prop_assert!(seen.insert(*member), "{member} is in two");
                let found = all.iter().find(|gone| gone.terminal == *member).unwrap();
                prop_assert!(found.ties.contains(&group.tie));
                prop_assert!(found.heard_at >= group.began_at && found.heard_at <= group.began_at + WINDOW);
            }
        }
        // The order in which they come says nothing.
        let turn = turn.min(all.len());
        all.rotate_left(turn);
        prop_assert_eq!(outage::group(&all, &shares), groups);
    }

    #[test]
    fn each_group_is_the_one_that_explains_most_of_who_is_left(
        told in prop::collection::vec((0_i64..80, 0_u8..12, 0_u8..3), 0..120),
        share in 5_u32..40,
    ) {
        let mut left: Vec<Gone> = (0..)
            .zip(&told)
            .map(|(terminal, (minutes, cell, community))| {
                let ties = [tie(Kind::Cell, &cell.to_string()), tie(Kind::Community, &community.to_string())];
                gone(terminal, *minutes, &ties)
            })
            .collect();
        let shares: BTreeMap<Tie, u32> = outage::suspects(&left).into_iter().map(|tie| (tie, share)).collect();
        let mut groups = outage::group(&left, &shares);
        // One after the other, each found anew among all who are left.
        while let Some(first) = outage::group(&left, &shares).into_iter().next() {
            prop_assert_eq!(&groups.remove(0), &first);
            left.retain(|gone| !first.members.contains(&gone.terminal));
        }
        prop_assert!(groups.is_empty());
    }
}
