//! Our own frames: `frames/compose.py` makes them, and says what they mean.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::captured::{bytes, lines};
use super::inspect::{self, Finding, Specimen};

/// What the report of a finding says, by the names that the corpus has for it.
fn means(finding: &Finding) -> Map<String, Value> {
    let lane = finding.told.lane();
    let decoded = finding.told.clone().into_decoded();
    let fixes = decoded.fixes.iter().map(|fix| fix.freshness).collect::<Vec<_>>();
    let means = json!({
        "event": decoded.event, "also": decoded.also, "lane": lane, "freshness": fixes,
        "vitals": decoded.vitals.iter().filter(|vital| !matches!(vital, wire::report::Vital::Steps { .. })).collect::<Vec<_>>(),
        "doubts": decoded.doubts,
    });
    means.as_object().unwrap().clone()
}

fn is_close(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got).all(|(want, got)| is_close(want, got))
        }
        (Value::Object(want), Value::Object(got)) => {
            want.iter().all(|(name, want)| got.get(name).is_some_and(|got| is_close(want, got)))
        }
        _ => match (want.as_f64(), got.as_f64()) {
            (Some(want), Some(got)) => (want - got).abs() < 1e-6,
            _ => want == got,
        },
    }
}

/// Sets have no order.
fn sorted(value: &Value) -> Value {
    match value.as_array() {
        Some(list) if list.iter().all(Value::is_string) => {
            let mut list = list.iter().filter_map(Value::as_str).collect::<Vec<_>>();
            list.sort_unstable();
            json!(list)
        }
        _ => value.clone(),
    }
}

fn check(name: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("frames/{name}.jsonl"));
    let frames = lines(&path);
    assert!(frames.len() >= at_least, "{} has only {} frames", path.display(), frames.len());
    let mut wrong = Vec::new();
    for frame in frames {
        let payload = bytes(&frame);
        let specimen =
            Specimen { bytes: &payload, topic: None, key: None, profile: None, received_at: Timestamp::UNIX_EPOCH };
        let findings = inspect::inspect(name, &specimen).unwrap();
        let got = findings.summary();
        for (field, want) in frame["expect"].as_object().unwrap() {
            let got = got.get(field).unwrap_or(&Value::Null);
            let is_set = field == "alarms";
            if !(if is_set { sorted(want) == sorted(got) } else { is_close(want, got) }) {
                wrong.push(format!("{} {field}: expected {want}, got {got}", frame["id"]));
            }
        }
        for (field, want) in frame["means"].as_object().into_iter().flatten() {
            let (field, finding) = match field.strip_prefix("last_") {
                Some(field) => (field, findings.found.last()),
                None => (field.as_str(), findings.found.first()),
            };
            let got = finding.map(means).and_then(|means| means.get(field).cloned()).unwrap_or_default();
            if !is_close(want, &got) {
                wrong.push(format!("{} means {field}: expected {want}, got {got}", frame["id"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_frame_of_the_watches_means_what_it_says_there() {
    check("watch", 120);
}

#[test]
fn every_message_of_jt808_means_what_it_says_there() {
    check("jt808", 70);
}

#[test]
fn every_frame_of_gt06_means_what_it_says_there() {
    check("gt06", 80);
}
