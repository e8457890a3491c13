//! OwnTracks over HTTP: the same JSON in the body of a POST, and what waits for the phone in the body of the answer.
//!
//! Only the reading and writing; whoever listens checks the credentials and hands the message on. The answer is
//! always 200: at any other status the application keeps the message and sends it again, which is right as long as a
//! press is not durable, and only then.

use serde_json::Value;
use wire::directory::Dialect;
use wire::topics;

use super::super::Outgoing;
use super::super::reading;

/// A request, as far as it says who speaks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Posted<'p> {
    /// The header `X-Limit-U`.
    pub limit_u: Option<&'p str>,
    /// The header `X-Limit-D`.
    pub limit_d: Option<&'p str>,
    /// What follows `?` in its address.
    pub query: Option<&'p str>,
    /// The JSON.
    pub body: &'p [u8],
}

/// Whose message it is, as the message says: to be held against who authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `user/device`.
    pub serial: String,
    /// The topic that it would have had over MQTT.
    pub topic: String,
}

/// Who speaks: by the headers, by the address, or by the topic that the application puts into its JSON. `None` when
/// none of them says.
pub fn said(posted: &Posted<'_>) -> Option<Said> {
    let body = reading::parse(posted.body).ok().map(|(value, _)| value);
    let field = |name| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    let in_body = field("topic").and_then(levels);
    let serial = named(posted.limit_u, posted.limit_d)
        .or_else(|| named(asked(posted.query, "u").as_deref(), asked(posted.query, "d").as_deref()))
        .or_else(|| in_body.map(|(serial, _)| serial.to_owned()))?;
    let leaf = match in_body {
        Some((_, leaf)) => leaf,
        None => leaf_of(field("_type").unwrap_or_default()),
    };
    let topic = match leaf {
        "" => topics::prefix(Dialect::OwnTracks, &serial),
        leaf => topics::topic(Dialect::OwnTracks, &serial, leaf),
    };
    Some(Said { serial, topic })
}

/// The body of the answer: what waits for the phone, or an empty list.
pub fn answer(waiting: &[Outgoing]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (number, outgoing) in waiting.iter().enumerate() {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&outgoing.payload);
    }
    body.push(b']');
    body
}

/// The second and third level of a topic, and what follows: the first is anything, mostly `owntracks`.
pub fn levels(topic: &str) -> Option<(&str, &str)> {
    let topic = topic.trim_start_matches('/');
    let rest = topic.split_once('/')?.1;
    let (user, below) = rest.split_once('/')?;
    let (device, leaf) = below.split_once('/').unwrap_or((below, ""));
    let is_named = !user.is_empty() && !device.is_empty();
    is_named.then(|| (rest.get(..=user.len() + device.len()).unwrap_or_default(), leaf))
}

/// Where a message of this type goes over MQTT.
fn leaf_of(kind: &str) -> &'static str {
    match kind {
        "transition" => "event",
        "waypoint" => "waypoint",
        "waypoints" => "waypoints",
        "steps" => "step",
        "beacon" => "beacon",
        "status" => "status",
        "card" => "info",
        "configuration" | "dump" => "dump",
        _ => "",
    }
}

fn named(user: Option<&str>, device: Option<&str>) -> Option<String> {
    let level = |text: &str| {
        let text = text.trim();
        let is_level = !text.is_empty() && !text.contains(['/', '+', '#', '\0']);
        is_level.then(|| text.to_owned())
    };
    Some(format!("{}/{}", level(user?)?, level(device?)?))
}

fn asked(query: Option<&str>, name: &str) -> Option<String> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.split_at_checked(2)).flatten();
        let escaped = escaped.and_then(|(digits, after)| Some((hex::decode(digits).ok()?, after)));
        if let Some((decoded, after)) = escaped {
            bytes.extend(decoded);
            rest = after;
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(posted: &Posted<'_>) -> Option<String> {
        said(posted).map(|said| said.serial)
    }

    #[test]
    fn who_speaks_stands_in_the_headers_the_address_or_the_body() {
        let body = br#"{"_type":"location","topic":"owntracks/chen/phone","lat":28.2,"lon":112.9}"#;
        let posted = Posted { body, ..Posted::default() };
        assert_eq!(serial(&posted).as_deref(), Some("chen/phone"));
        let posted = Posted { query: Some("x=1&u=li&d=red%20phone"), ..posted };
        assert_eq!(serial(&posted).as_deref(), Some("li/red phone"));
        let posted = Posted { limit_u: Some("wang"), limit_d: Some("1"), ..posted };
        assert_eq!(serial(&posted).as_deref(), Some("wang/1"));
        let nobody = Posted { body: br#"{"_type":"location"}"#, query: Some("u=chen"), ..Posted::default() };
        assert_eq!(said(&nobody), None);
        let sly = Posted { limit_u: Some("chen/phone"), limit_d: Some("#"), body: b"{}", query: None };
        assert_eq!(said(&sly), None, "a level of a topic is one level");
    }

    #[test]
    fn the_topic_is_the_one_that_it_would_have_over_mqtt() {
        let topic = |body: &str| {
            said(&Posted { limit_u: Some("chen"), limit_d: Some("phone"), body: body.as_bytes(), query: None })
                .unwrap()
                .topic
        };
        assert_eq!(topic(r#"{"_type":"location"}"#), "owntracks/chen/phone");
        assert_eq!(topic(r#"{"_type":"transition"}"#), "owntracks/chen/phone/event");
        assert_eq!(topic(r#"{"_type":"steps","topic":"owntracks/x/y/step"}"#), "owntracks/chen/phone/step");
        assert_eq!(topic("{broken"), "owntracks/chen/phone");
    }

    #[test]
    fn what_waits_is_one_list() {
        let outgoing = |payload: &str| Outgoing { topic: String::new(), payload: payload.as_bytes().to_vec() };
        assert_eq!(answer(&[]), b"[]");
        assert_eq!(answer(&[outgoing("{\"a\":1}"), outgoing("{}")]), b"[{\"a\":1},{}]");
    }

    #[test]
    fn the_first_level_of_a_topic_may_be_anything() {
        assert_eq!(levels("owntracks/chen/phone"), Some(("chen/phone", "")));
        assert_eq!(levels("/ot/chen/phone/event"), Some(("chen/phone", "event")));
        for nobody in ["", "owntracks", "owntracks/chen", "owntracks//phone", "owntracks/chen/"] {
            assert_eq!(levels(nobody), None, "{nobody}");
        }
    }
}
