use std::io::BufReader;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::case::{Answer, Case};

/// A morning in Kaifu: at home, a walk of twenty minutes away, some time there; told a little late and out of order now
/// and then.
fn morning() -> Case {
    serde_json::from_value(as_told()).unwrap()
}

fn as_told() -> Value {
    let mut fixes = Vec::new();
    for step in 0..160_u32 {
        let at = f64::from(step) * 45.0;
        let away_m = (at - 3_000.0).clamp(0.0, 1_200.0);
        // A tremble that repeats itself after seven fixes.
        let tremble = f64::from((step * 5) % 7) - 3.0;
        let late = if step % 11 == 4 { 150.0 } else { 1.0 };
        fixes.push(json!({
            "received_at": at + late, "at": at, "lat": 28.230 + (away_m + 2.0 * tremble) / 111_195.0,
            "lon": 112.986 + tremble * 2e-5, "accuracy_m": 9.0, "source": "gnss",
        }));
    }
    fixes.sort_by(|a, b| a["received_at"].as_f64().unwrap().total_cmp(&b["received_at"].as_f64().unwrap()));
    json!({
        "id": "morning", "grace_s": 180,
        "fences": [
            {"id": "home", "kind": "safe", "shape": {"type": "circle", "lat": 28.230, "lon": 112.986, "radius_m": 200}},
            {"id": "river", "kind": "forbidden",
             "shape": {"type": "polygon", "points": [[28.236, 112.98], [28.2365, 112.99], [28.242, 112.99], [28.242, 112.98]]}},
            {"id": "way", "kind": "corridor", "grace_s": 60,
             "shape": {"type": "corridor", "points": [[28.230, 112.986], [28.236, 112.986]], "half_width_m": 80}},
        ],
        "fixes": fixes,
    })
}

fn told(answer: &Answer) -> Vec<(&str, &str, f64, &str)> {
    answer.events.iter().map(|event| (event.fence.as_str(), event.event, event.at, event.why.as_str())).collect()
}

/// What is printed of these bytes, each line read again, and the lines that are refused.
fn printed(bytes: &[u8]) -> (Vec<Value>, Vec<(usize, String)>) {
    let (mut out, mut refused) = (Vec::new(), Vec::new());
    let count =
        super::play(BufReader::new(bytes), &mut out, |line, why| refused.push((line, format!("{why:#}")))).unwrap();
    assert_eq!(count, refused.len());
    let lines = String::from_utf8(out).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), refused)
}

/// A fix after the other of somebody who goes to and fro, in the order of arrival, with all that a line may lack, hold
/// twice, or hold besides.
fn any_fixes() -> impl Strategy<Value = Vec<Value>> {
    let step = (10..400_u32, -400.0..400.0f64, -30.0..30.0f64, 0..4_000_u32, 0..24_u32);
    prop::collection::vec(step, 0..160).prop_map(|steps| {
        let (mut at, mut north_m) = (0_u32, 0.0_f64);
        let mut fixes = Vec::new();
        for (passed, stride, tremble, late, kind) in steps {
            at += passed;
            north_m = (north_m + stride).clamp(-1_500.0, 1_500.0);
            let mut fix = json!({
                "received_at": at, "at": at, "lat": 28.230 + north_m / 111_195.0, "lon": 112.986 + tremble * 1e-5,
                "accuracy_m": 8.0, "source": "gnss",
            });
            match kind {
                0 => fix["accuracy_m"] = Value::Null,
                1 => _ = fix.as_object_mut().unwrap().remove("accuracy_m"),
                2 => fix["at"] = Value::Null,
                3 => _ = fix.as_object_mut().unwrap().remove("at"),
                4 => fix["source"] = json!("dowsing"),
                5 => _ = fix.as_object_mut().unwrap().remove("source"),
                6 => fix["lat"] = Value::Null,
                7 => fix["lon"] = json!(180.5),
                8 => fix["speed_kmh"] = json!(-1e300),
                9 => fix["battery"] = json!({"percent": [3, null]}),
                10 => fix["received_at"] = json!(at + late),
                11 => fix["at"] = json!(f64::from(at) - f64::from(late)),
                12 => fix["received_at"] = json!(f64::from(at) - f64::from(late)),
                13 => fix["received_at"] = Value::Null,
                14 => fix["at"] = json!(1e18),
                15 => fixes.push(fix.clone()),
                _ => {}
            }
            fixes.push(fix);
        }
        fixes
    })
}

#[test]
fn each_fence_is_told_of_with_why() {
    let answer = morning().play().unwrap();
    let mut confirmed: Vec<&str> = answer
        .events
        .iter()
        .filter(|event| event.event == "exit_confirmed")
        .map(|event| event.fence.as_str())
        .collect();
    // The river and the edge of the way are passed within a minute of each other.
    confirmed.sort_unstable();
    assert_eq!(confirmed, ["home", "river", "way"]);
    for event in &answer.events {
        assert!(event.why.contains("% sure") && event.why.contains("fixes: "), "{}", event.why);
    }
}

#[test]
fn what_is_said_of_a_cut_case_is_how_the_whole_begins() {
    let whole = morning();
    let all = whole.play().unwrap();
    assert!(all.events.len() >= 6);
    for cut in 0..=whole.fixes.len() {
        let mut part = whole.clone();
        part.fixes.truncate(cut);
        let part = part.play().unwrap();
        assert_eq!(told(&part), told(&all)[..part.events.len()], "cut after {cut} fixes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_case_that_is_cut_anywhere_says_how_the_whole_begins(
        fixes in any_fixes(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 12), fences in 0..8_usize,
    ) {
        let mut whole = as_told();
        // Some of the three fences, or none of them.
        let mut number = 0;
        whole["fences"].as_array_mut().unwrap().retain(|_| { number += 1; fences & (1 << (number - 1)) != 0 });
        whole["fixes"] = json!(fixes);
        let (all, refused) = printed(whole.to_string().as_bytes());
        prop_assert!(refused.is_empty(), "{refused:?}");
        let all = all[0]["events"].as_array().unwrap();
        prop_assert!(fences > 0 || all.is_empty());
        for cut in cuts {
            let cut = cut.index(fixes.len() + 1);
            let mut part = whole.clone();
            part["fixes"] = json!(fixes[..cut]);
            let (said, _) = printed(part.to_string().as_bytes());
            let said = said[0]["events"].as_array().unwrap();
            prop_assert_eq!(said.as_slice(), &all[..said.len()], "cut after {} fixes", cut);
        }
    }
}

#[test]
fn a_file_is_read_however_it_was_saved_and_a_line_that_is_no_case_keeps_nobody_from_the_next() {
    let good = as_told().to_string();
    let mut bow_tie = as_told();
    bow_tie["fences"][1]["shape"]["points"] =
        json!([[28.230, 112.98], [28.236, 112.99], [28.236, 112.98], [28.230, 112.99]]);
    let half = &good[..good.len() / 2];
    let file = format!(
        "\u{feff}{good}\r\n\r\n   \n{half}\n{bow_tie}\n{{\"fences\": [], \"fixes\": []}}\n\
         {{\"id\": \"bare\"}}\n{{\"id\": \"null\", \"fences\": null, \"fixes\": null, \"grace_s\": null, \"truth\": null}}\n{good}"
    );
    let (answers, refused) = printed(file.as_bytes());
    let said: Vec<(&str, usize)> = answers
        .iter()
        .map(|answer| (answer["id"].as_str().unwrap(), answer["events"].as_array().unwrap().len()))
        .collect();
    let events = morning().play().unwrap().events.len();
    assert_eq!(said, [("morning", events), ("bare", 0), ("null", 0), ("morning", events)]);
    let lines: Vec<usize> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [4, 5, 6]);
    let why: Vec<&str> = refused.iter().map(|(_, why)| why.as_str()).collect();
    assert!(why[0].starts_with("EOF while parsing") && why[2].contains("missing field `id`"), "{why:?}");
    assert_eq!(why[1], "fence river: the outline crosses or touches itself in 1 places");
    // Bytes that are no text belong to their line alone.
    let (answers, refused) = printed(&[b"\xff\xfe\n", good.as_bytes()].concat());
    assert_eq!((answers.len(), refused.len()), (1, 1));
}

#[test]
fn what_is_no_position_is_passed_over() {
    let mut case = morning();
    let before = case.play().unwrap().events.len();
    for at in [3, 50, 100] {
        let mut broken = case.fixes[at].clone();
        broken.lat = Some(200.0);
        case.fixes.insert(at, broken.clone());
        broken.lat = None;
        case.fixes.insert(at, broken);
    }
    assert_eq!(case.play().unwrap().events.len(), before);
}

#[test]
fn a_picture_shows_the_belief() {
    let svg = super::picture::draw(&morning(), 0.0, f64::INFINITY).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("confirmed: ") && svg.contains("id=\"outside\""));
    assert!(super::picture::draw(&morning(), 1e9, 2e9).is_err());
}
