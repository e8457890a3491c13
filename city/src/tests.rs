//! Small cities, composed by hand, and what every policy has to keep to in them.

use std::collections::HashMap;

use super::*;

const HEAD: &str =
    r#"{"city": {"seed": "x", "days": 1, "detour": 1.3, "speed_mps": {"walk": 1.3, "ebike": 5.5, "car": 7.0}}}"#;

fn responder(name: &str, skills: &str, lon: f64) -> String {
    format!(
        r#"{{"responder": "{name}", "skills": [{skills}], "lat": 28.25, "lon": {lon}, "mode": "ebike", "shifts": [[0, 86400]]}}"#
    )
}

fn call(name: &str, at_s: u32, class: &str, skill: &str, lon: f64) -> String {
    format!(
        r#"{{"incident": "{name}", "at_s": {at_s}, "lat": 28.25, "lon": {lon}, "class": "{class}", "skill": "{skill}", "work_s": 900}}"#
    )
}

fn answer(incident: &str, responder: &str, kind: &str, after_s: f64) -> String {
    format!(
        r#"{{"answer": {{"incident": "{incident}", "responder": "{responder}", "kind": "{kind}", "after_s": {after_s}}}}}"#
    )
}

fn city(lines: &[String]) -> City {
    let text = format!("{HEAD}\n{}", lines.join("\n"));
    City::read(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    City::read(text.as_bytes()).unwrap_err().to_string()
}

/// `a` is next door, `b` farther away; both may go to the one emergency.
fn two_for_one(first: &str, second: &str) -> City {
    city(&[
        responder("a", r#""first_aid""#, 113.005),
        responder("b", r#""first_aid""#, 113.012),
        call("i", 36_000, "emergency", "first_aid", 113.0),
        answer("i", "a", first, 5.0),
        answer("i", "b", second, 5.0),
    ])
}

fn story(city: &City) -> Vec<(What, &str)> {
    play(city, &Play::default()).iter().map(|event| (event.event, event.responder.unwrap_or("-"))).collect()
}

#[test]
fn whoever_is_next_door_is_asked_says_yes_and_comes() {
    let city = two_for_one("accept", "accept");
    assert_eq!(story(&city), [(What::Offer, "a"), (What::Accept, "a"), (What::Arrive, "a")]);
}

#[test]
fn after_a_no_the_next_is_asked_at_once() {
    let city = two_for_one("decline", "accept");
    let told = play(&city, &Play::default());
    let kinds: Vec<What> = told.iter().map(|event| event.event).collect();
    assert_eq!(kinds, [What::Offer, What::Decline, What::Offer, What::Accept, What::Arrive]);
    assert!((told[2].at_s - told[1].at_s).abs() < 1e-6, "asked at {} s, not {} s", told[2].at_s, told[1].at_s);
}

#[test]
fn after_a_no_a_new_plan_keeps_the_first_aider_back_though_they_are_nearer() {
    let city = city(&[
        responder("a", r#""care""#, 113.002),
        responder("f", r#""first_aid", "care""#, 113.004),
        responder("b", r#""care""#, 113.008),
        call("i", 36_000, "service", "care", 113.0),
        answer("i", "a", "decline", 5.0),
        answer("i", "f", "accept", 5.0),
        answer("i", "b", "accept", 5.0),
        call("j", 80_000, "emergency", "first_aid", 113.0),
        answer("j", "f", "accept", 5.0),
    ]);
    let told = story(&city);
    assert_eq!(told[..3], [(What::Offer, "a"), (What::Decline, "a"), (What::Offer, "b")], "{told:?}");
}

#[test]
fn whoever_keeps_silent_is_not_waited_for_until_the_window_ends() {
    let city = two_for_one("silent", "accept");
    let told = play(&city, &Play::default());
    let second = told.iter().find(|event| event.event == What::Offer && event.responder == Some("b")).unwrap();
    let waited_s = second.at_s - 36_000.0;
    assert!(waited_s < 25.0, "the next was asked after {waited_s} s");
}

#[test]
fn whoever_says_yes_and_never_moves_is_replaced() {
    let city = two_for_one("vanish", "accept");
    let told = story(&city);
    assert!(told.contains(&(What::Withdraw, "a")), "{told:?}");
    assert_eq!(told.last(), Some(&(What::Arrive, "b")), "{told:?}");
}

#[test]
fn a_call_to_which_nobody_can_go_has_an_end() {
    let city = two_for_one("decline", "decline");
    assert_eq!(story(&city).last(), Some(&(What::GiveUp, "-")));
}

#[test]
fn without_a_plan_a_day_comes_to_its_end_too() {
    let city = busy_town();
    let told = play(&city, &Play { weights: None, ..Play::default() });
    hold_rules(&city, &told);
}

/// Twelve people and forty calls within a bad hour: everybody is wanted by several at once.
fn busy_town() -> City {
    let kinds = ["accept", "accept", "decline", "accept", "silent", "accept", "accept", "vanish"];
    let mut lines = Vec::new();
    for number in 0..12_u32 {
        let skills = if number.is_multiple_of(2) { r#""first_aid", "care""# } else { r#""care""# };
        lines.push(responder(&format!("r{number}"), skills, 113.0 + f64::from(number) * 0.003));
    }
    for number in 0..40_u32 {
        let (class, skill) = if number % 3 == 0 { ("emergency", "first_aid") } else { ("service", "care") };
        let name = format!("i{number}");
        let lon = 113.0 + f64::from(number * 7 % 40) * 0.001;
        lines.push(call(&name, 30_000 + number * 20, class, skill, lon));
        for responder in 0..12_u32 {
            let kind = kinds[usize::try_from(number * 5 + responder * 3).unwrap() % kinds.len()];
            lines.push(answer(&name, &format!("r{responder}"), kind, 4.0 + f64::from(number * responder % 30)));
        }
    }
    city(&lines)
}

/// What `score-city` holds against a policy.
fn hold_rules(city: &City, told: &[Event<'_>]) {
    let call_of = |name: &str| city.calls.iter().position(|call| call.name == name).unwrap();
    let helper_of = |name: &str| city.responders.iter().position(|responder| responder.name == name).unwrap();
    let mut asked: HashMap<(usize, usize), f64> = HashMap::new();
    let mut going: HashMap<usize, usize> = HashMap::new();
    let mut free_at: HashMap<usize, f64> = HashMap::new();
    let mut ended = vec![false; city.calls.len()];
    let mut last = 0.0;
    for event in told {
        assert!(event.at_s >= last, "out of order: {event:?}");
        last = event.at_s;
        let call = call_of(event.incident);
        let Some(helper) = event.responder.map(helper_of) else {
            assert_eq!(event.event, What::GiveUp);
            ended[call] = true;
            continue;
        };
        let answer = city.answer(call, helper);
        match event.event {
            What::Offer => {
                assert!(event.at_s >= city.calls[call].after.as_secs_f64(), "before the press: {event:?}");
                assert!(asked.insert((call, helper), event.at_s).is_none(), "asked twice: {event:?}");
                assert!(city.responders[helper].skills.contains(&city.calls[call].skill), "cannot: {event:?}");
                assert!(!going.contains_key(&helper), "goes elsewhere: {event:?}");
                assert!(free_at.get(&helper).is_none_or(|free_at| *free_at <= event.at_s), "busy: {event:?}");
            }
            What::Accept | What::Decline => {
                let after_s = event.at_s - asked[&(call, helper)];
                assert!((after_s - answer.after.as_secs_f64()).abs() < 1.1, "no such answer: {event:?}");
                let is_yes = matches!(answer.kind, file::Kind::Accept | file::Kind::Vanish);
                assert_eq!(is_yes, event.event == What::Accept, "{event:?}");
                if is_yes {
                    assert!(going.insert(helper, call).is_none(), "two at once: {event:?}");
                }
            }
            What::Withdraw => {
                if going.get(&helper) == Some(&call) {
                    going.remove(&helper);
                }
            }
            What::Arrive => {
                assert_eq!(going.remove(&helper), Some(call), "never said yes: {event:?}");
                assert_eq!(answer.kind, file::Kind::Accept, "vanished: {event:?}");
                free_at.insert(helper, event.at_s + city.calls[call].work.as_secs_f64());
                ended[call] = true;
            }
            What::GiveUp => ended[call] = true,
        }
    }
    assert!(ended.iter().all(|has_ended| *has_ended), "a call has no end");
}

#[test]
fn in_a_bad_hour_no_rule_is_broken_and_every_call_has_an_end() {
    let city = busy_town();
    let told = play(&city, &Play::default());
    hold_rules(&city, &told);
    let offers = told.iter().filter(|event| event.event == What::Offer).count();
    assert!(offers <= 3 * city.calls.len(), "{offers} offers for {} calls", city.calls.len());
}

#[test]
fn the_same_city_passes_the_same_way_twice() {
    let city = busy_town();
    assert_eq!(play(&city, &Play::default()), play(&city, &Play::default()));
}

#[test]
fn a_file_that_is_no_city_is_refused_with_a_sentence() {
    assert_eq!(refused(""), r#"does not begin with a line {"city": …}: is it a file of make-city?"#);
    assert_eq!(refused("hello"), "line 1: is not a line of a city");
    assert_eq!(refused(&responder("a", "", 113.0)), "line 1: a city is described once, in the first line");
    assert!(refused(&HEAD.replace("5.5", "9.0")).contains("speeds and detour are not ours"));
    let twice = [HEAD.to_owned(), responder("a", "", 113.0), responder("a", "", 113.0)].join("\n");
    assert_eq!(refused(&twice), "line 3: that responder is there already");
    let early = [HEAD.to_owned(), answer("i", "a", "accept", 1.0)].join("\n");
    assert_eq!(refused(&early), "line 2: an answer to an incident that is not there yet");
}
