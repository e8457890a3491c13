//! What a phone is sent: notices and commands, as `_type: cmd`.

use serde_json::{Map, Value, json};
use wire::command::Command;
use wire::directory::Dialect;
use wire::notice::{News, Notice};
use wire::topics;

use super::super::conversation::CannotSay;
use super::super::{Ordered, Outgoing};

/// Waypoints are known by the time of their making; a fence's number counts from here, so that a fence sent again is
/// the same fence.
const FENCES_MADE_AT: u64 = 1_000_000_000;
/// Reports more frequent than this need the application's "move" mode, in seconds.
const MOVE_MODE_BELOW_S: u32 = 300;
/// No place: the application forgets a waypoint that is there.
const NOWHERE_DEG: f64 = -1_000_000.0;

/// The one way to put words before the user of the application: a featured text with a notification, which only iOS
/// knows; Android receives it, acknowledges it and shows nothing.
pub fn encode_notice(notice: &Notice) -> Outgoing {
    written(&notice.serial, &text(&words(notice)))
}

/// A command in the application's words.
pub fn encode_command(serial: &str, command: &Command) -> Result<Ordered, CannotSay> {
    let said = match command {
        Command::Locate => json!({ "action": super::LOCATE }),
        Command::ReportEvery { every_s } => {
            let monitoring = if *every_s < MOVE_MODE_BELOW_S { 2 } else { 1 };
            json!({ "action": "setConfiguration", "configuration": {
                "_type": "configuration",
                "monitoring": monitoring,
                "locatorInterval": every_s,
                "moveModeLocatorInterval": every_s,
            } })
        }
        Command::Text { text: words } => text(words),
        Command::Fence { number, lat_deg, lon_deg, radius_m } => fence(*number, *lat_deg, *lon_deg, *radius_m),
        Command::NoFence { number } => fence(*number, NOWHERE_DEG, NOWHERE_DEG, 0),
        Command::Raw { content } => raw(content)?,
        Command::Burst { .. }
        | Command::SosNumbers { .. }
        | Command::Contacts { .. }
        | Command::Find
        | Command::FallSensitivity { .. }
        | Command::Restart
        | Command::ListenIn { .. } => return Err(CannotSay::NoWord),
    };
    // Of what we send only this is answered by a message of its own.
    let answered_as = matches!(command, Command::Locate).then(|| super::LOCATE.to_owned());
    Ok(Ordered { outgoing: written(serial, &said), answered_as })
}

fn fence(number: u8, lat_deg: f64, lon_deg: f64, radius_m: u32) -> Value {
    json!({ "action": "setWaypoints", "waypoints": { "_type": "waypoints", "waypoints": [{
        "_type": "waypoint",
        "tst": FENCES_MADE_AT + u64::from(number),
        "desc": format!("yidiantong {number}"),
        "lat": lat_deg,
        "lon": lon_deg,
        "rad": radius_m,
    }] } })
}

fn text(words: &str) -> Value {
    // The application renders the text as HTML.
    let plain = words.replace(['<', '>', '&'], " ");
    json!({ "action": "action", "notification": plain, "content": plain })
}

/// The bare name of an action, or a whole object.
fn raw(content: &str) -> Result<Value, CannotSay> {
    let content = content.trim();
    if !content.is_empty() && content.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(json!({ "action": content }));
    }
    match serde_json::from_str::<Map<String, Value>>(content) {
        Ok(fields) if fields.get("action").is_some_and(Value::is_string) => Ok(Value::Object(fields)),
        _ => Err(CannotSay::Unfit("OwnTracks takes the name of an action, or a JSON object with one".to_owned())),
    }
}

fn written(serial: &str, said: &Value) -> Outgoing {
    let mut message = said.clone();
    if let Some(fields) = message.as_object_mut() {
        fields.insert("_type".to_owned(), "cmd".into());
    }
    Outgoing { topic: topics::topic(Dialect::OwnTracks, serial, "cmd"), payload: message.to_string().into_bytes() }
}

/// The news in both languages.
fn words(notice: &Notice) -> String {
    let drill = if notice.drill { "【演练 drill】" } else { "" };
    let text = match &notice.news {
        News::Received => "已收到您的求助 · Your call has been received".to_owned(),
        News::Claimed => "坐席已受理 · An operator is dealing with it".to_owned(),
        News::Coming { minutes: None, who } => format!("{who} 正在赶来 · {who} is on the way"),
        News::Coming { minutes: Some(minutes), who } => {
            format!("{who} 正在赶来，约 {minutes} 分钟 · {who} is on the way, about {minutes} min")
        }
        News::Arrived { who } => format!("{who} 已到达 · {who} has arrived"),
        News::AllClear => "求助已办结 · All clear".to_owned(),
    };
    format!("{drill}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(command: &Command) -> Value {
        let outgoing = encode_command("chen/phone", command).unwrap().outgoing;
        assert_eq!(outgoing.topic, "owntracks/chen/phone/cmd");
        serde_json::from_slice(&outgoing.payload).unwrap()
    }

    fn raw(content: &str) -> Command {
        Command::Raw { content: content.to_owned() }
    }

    #[test]
    fn actions_are_written_as_the_booklet_shows_them() {
        let written = |command: &Command| encode_command("chen/phone", command).unwrap().outgoing.payload;
        assert_eq!(written(&Command::Locate), br#"{"_type":"cmd","action":"reportLocation"}"#);
        for action in ["status", "waypoints", "clearWaypoints", "dump", "reportSteps"] {
            assert_eq!(written(&raw(action)), format!(r#"{{"_type":"cmd","action":"{action}"}}"#).into_bytes());
        }
        assert_eq!(payload(&raw(r#"{"action":"reportSteps","from":1,"to":2}"#))["to"], 2);
    }

    #[test]
    fn a_fence_sent_again_is_the_same_fence_and_one_nowhere_is_none() {
        let fence = Command::Fence { number: 3, lat_deg: 28.2282, lon_deg: 112.9388, radius_m: 400 };
        let set = payload(&fence);
        let removed = payload(&Command::NoFence { number: 3 });
        let (set, removed) = (&set["waypoints"]["waypoints"][0], &removed["waypoints"]["waypoints"][0]);
        assert_eq!((&set["tst"], &set["desc"]), (&removed["tst"], &removed["desc"]));
        assert_eq!((set["rad"].as_u64(), removed["lat"].as_f64()), (Some(400), Some(-1_000_000.0)));
    }

    #[test]
    fn frequent_reports_need_the_mode_for_moving() {
        assert_eq!(payload(&Command::ReportEvery { every_s: 30 })["configuration"]["monitoring"], 2);
        assert_eq!(payload(&Command::ReportEvery { every_s: 900 })["configuration"]["monitoring"], 1);
    }

    #[test]
    fn what_a_phone_has_no_word_for_is_not_said() {
        assert_eq!(encode_command("chen/phone", &Command::Restart), Err(CannotSay::NoWord));
        assert!(matches!(encode_command("chen/phone", &raw("rm -rf /")), Err(CannotSay::Unfit(_))));
        assert!(matches!(encode_command("chen/phone", &raw("{\"a\":1}")), Err(CannotSay::Unfit(_))));
    }
}
