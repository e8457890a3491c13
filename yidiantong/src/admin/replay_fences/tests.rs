use super::case::{Answer, Case};

/// A morning in Kaifu: at home, a walk of twenty minutes away, some time there; told a little late and out of order now
/// and then.
fn morning() -> Case {
    let mut fixes = Vec::new();
    for step in 0..160_u32 {
        let at = f64::from(step) * 45.0;
        let away_m = (at - 3_000.0).clamp(0.0, 1_200.0);
        // A tremble that repeats itself after seven fixes.
        let tremble = f64::from((step * 5) % 7) - 3.0;
        let late = if step % 11 == 4 { 150.0 } else { 1.0 };
        fixes.push(serde_json::json!({
            "received_at": at + late, "at": at, "lat": 28.230 + (away_m + 2.0 * tremble) / 111_195.0,
            "lon": 112.986 + tremble * 2e-5, "accuracy_m": 9.0, "source": "gnss",
        }));
    }
    fixes.sort_by(|a, b| a["received_at"].as_f64().unwrap().total_cmp(&b["received_at"].as_f64().unwrap()));
    serde_json::from_value(serde_json::json!({
        "id": "morning", "grace_s": 180,
        "fences": [
            {"id": "home", "kind": "safe", "shape": {"type": "circle", "lat": 28.230, "lon": 112.986, "radius_m": 200}},
            {"id": "river", "kind": "forbidden",
             "shape": {"type": "polygon", "points": [[28.236, 112.98], [28.2365, 112.99], [28.242, 112.99], [28.242, 112.98]]}},
            {"id": "way", "kind": "corridor", "grace_s": 60,
             "shape": {"type": "corridor", "points": [[28.230, 112.986], [28.236, 112.986]], "half_width_m": 80}},
        ],
        "fixes": fixes,
    }))
    .unwrap()
}

fn told(answer: &Answer) -> Vec<(&str, &str, f64)> {
    answer.events.iter().map(|event| (event.fence.as_str(), event.event, event.at)).collect()
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

#[test]
fn what_is_no_position_is_passed_over() {
    let mut case = morning();
    let before = told(&case.play().unwrap()).len();
    for at in [3, 50, 100] {
        let mut broken = case.fixes[at].clone();
        broken.lat = Some(200.0);
        case.fixes.insert(at, broken.clone());
        broken.lat = None;
        case.fixes.insert(at, broken);
    }
    assert_eq!(told(&case.play().unwrap()).len(), before);
}

#[test]
fn a_picture_shows_the_belief() {
    let svg = super::picture::draw(&morning(), 0.0, f64::INFINITY).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("confirmed: ") && svg.contains("id=\"outside\""));
    assert!(super::picture::draw(&morning(), 1e9, 2e9).is_err());
}
