//! The native dialect as an AsyncAPI 3.0 document, made from the types in [`wire::ydt`].
//!
//! The committed copy is `docs/asyncapi.json`; `cargo run -p gateway --example asyncapi` writes it
//! anew, and a test fails while it is stale. It is told from the terminal's side: it *sends* alerts.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use wire::directory::Dialect;
use wire::command::Command;
use wire::notice::News;
use wire::topics::{self, ydt as leaf};
use wire::ydt;

/// Who sends it, and how surely it arrives.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// From the terminal, with this QoS.
    Up(u8),
    /// To the terminal, with this QoS.
    Down(u8),
}

struct Document {
    generator: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Document {
    fn message<T: JsonSchema + Serialize>(&mut self, (name, way): (&str, Way), summary: &str, examples: &[T]) {
        let (action, qos, operation) = match way {
            Way::Up(qos) => ("send", qos, format!("send_{name}")),
            Way::Down(qos) => ("receive", qos, format!("receive_{name}")),
        };
        let examples: Vec<Value> = examples.iter().map(|example| json!({ "payload": example })).collect();
        let message = json!({
            "name": name,
            "summary": summary,
            "contentType": "application/json",
            "payload": self.generator.subschema_for::<T>(),
            "examples": examples,
        });
        let channel = json!({
            "address": topics::topic(Dialect::Ydt, "{serial}", name),
            "parameters": { "serial": { "description": "The terminal's serial, as registered." } },
            "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
        });
        let operation_body = json!({
            "action": action,
            "summary": summary,
            "channel": { "$ref": format!("#/channels/{name}") },
            "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
            "bindings": { "mqtt": { "qos": qos, "retain": false, "bindingVersion": "0.2.0" } },
        });
        self.messages.insert(name.to_owned(), message);
        self.channels.insert(name.to_owned(), channel);
        self.operations.insert(operation, operation_body);
    }
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut document = Document {
        generator: settings.into_generator(),
        channels: Map::new(),
        operations: Map::new(),
        messages: Map::new(),
    };
    up(&mut document);
    down(&mut document);
    let schemas = document.generator.take_definitions(true);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "一点通 native terminal dialect (ydt)",
            "version": "1.0.0",
            "description": "Small JSON over MQTT 3.1.1 or 5, between a terminal (pager, watch, pendant) and the \
                edge. docs/protocol.md tells it in full: what a PUBACK means, which presses are the same, limits.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": document.channels,
        "operations": document.operations,
        "components": { "messages": document.messages, "schemas": schemas },
    })
}

fn alert(wants: ydt::Wants, seq: u32) -> ydt::Alert {
    let at = "2026-03-01T04:05:06Z".parse().ok();
    ydt::Alert { wants, boot: Some(3), seq: Some(seq), at, fix: None, battery_pct: Some(82), drill: false }
}

fn fix() -> ydt::Fix {
    ydt::Fix {
        lat: 28.2282,
        lon: 112.9388,
        acc_m: Some(12.0),
        at: "2026-03-01T04:05:00Z".parse().ok(),
        source: Some("gnss".to_owned()),
        speed_kmh: None,
        course_deg: None,
        alt_m: None,
    }
}

fn up(document: &mut Document) {
    let press = ydt::Alert { fix: Some(fix()), ..alert(ydt::Wants::Alert { kind: "sos".to_owned() }, 17) };
    let alerts = [
        press,
        alert(ydt::Wants::Cancel, 18),
        alert(ydt::Wants::CheckIn, 19),
        alert(ydt::Wants::Request { category: "meal".to_owned() }, 20),
    ];
    let summary = "Help is needed, is no longer needed, all is well, or daily help is wanted. PUBACK means: on disk.";
    document.message((leaf::ALERT, Way::Up(1)), summary, &alerts);
    let fixes = ydt::Fixes { fixes: vec![fix()] };
    document.message((leaf::FIX, Way::Up(1)), "Where the terminal was, oldest first.", &[fixes]);
    let status = ydt::Status { battery_pct: Some(82), charging: Some(false), worn: Some(true) };
    document.message((leaf::STATUS, Way::Up(0)), "How the terminal is.", &[status]);
    let acks = [
        Ack::Notice(ydt::Ack { notice: EXAMPLE_NOTICE }),
        Ack::Command(ydt::CommandAck { command: 7, done: Some(true), text: String::new() }),
    ];
    document.message((leaf::ACK, Way::Up(1)), "A notice has been shown, or a command carried out or not.", &acks);
}

/// The two things that a terminal acknowledges in one topic.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Ack {
    Notice(ydt::Ack),
    Command(ydt::CommandAck),
}

const EXAMPLE_NOTICE: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
const EXAMPLE_INCIDENT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002);

fn down(document: &mut Document) {
    let receipt = ydt::Receipt { boot: Some(3), seq: Some(17), incident: Some(EXAMPLE_INCIDENT) };
    let summary = "The alert-lane message with these numbers is on disk; for the screen, and not repeated.";
    document.message((leaf::RECEIPT, Way::Down(0)), summary, &[receipt]);
    let notices: Vec<_> = [
        News::Received,
        News::Claimed,
        News::Coming { minutes: Some(4), who: "李卫".to_owned() },
        News::Arrived { who: "李卫".to_owned() },
        News::AllClear,
    ]
    .into_iter()
    .filter_map(|news| {
        let not_after = "2026-03-01T05:05:06Z".parse().ok()?;
        Some(ydt::Notice { id: EXAMPLE_NOTICE, incident: EXAMPLE_INCIDENT, news, not_after, drill: false })
    })
    .collect();
    let summary = "News for the wearer, repeated until acknowledged or expired.";
    document.message((leaf::NOTICE, Way::Down(1)), summary, &notices);
    let commands: Vec<_> = [
        Command::Locate,
        Command::Burst { every_s: 10, for_s: 300 },
        Command::Text { text: "请打开门".to_owned() },
        Command::Find,
    ]
    .into_iter()
    .filter_map(|command| {
        let not_after = "2026-03-01T05:05:06Z".parse().ok()?;
        Some(ydt::Command { id: EXAMPLE_NOTICE, number: 7, command, not_after })
    })
    .collect();
    let summary = "Something for the terminal to do, repeated until it has it or it expires.";
    document.message((leaf::COMMAND, Way::Down(1)), summary, &commands);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use wire::topics::Lane;

    use super::*;
    use crate::codec::{self, Message};

    #[test]
    fn the_committed_document_is_the_one_that_the_types_give() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/asyncapi.json");
        let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(committed == document(), "stale: run `cargo run -p gateway --example asyncapi`");
    }

    /// The document's examples, and the lines to copy in `docs/protocol.md`, are read without a doubt.
    #[test]
    fn what_the_documents_show_is_what_the_codec_reads() {
        let mut shown: Vec<(String, String)> = Vec::new();
        for (name, message) in document()["components"]["messages"].as_object().unwrap() {
            if !matches!(name.as_str(), leaf::RECEIPT | leaf::NOTICE | leaf::COMMAND) {
                let examples = message["examples"].as_array().unwrap();
                shown.extend(examples.iter().map(|example| (name.clone(), example["payload"].to_string())));
            }
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
        let text = std::fs::read_to_string(path).unwrap();
        let told = text.lines().filter_map(|line| line.strip_prefix("mosquitto_pub "));
        for line in told.filter(|line| line.contains("ydt/1/")) {
            let (_, leaf) = line.split_once("ydt/1/P1001/").unwrap();
            let (leaf, _) = leaf.split_once(' ').unwrap();
            let payload = line.split('\'').nth(1).unwrap();
            shown.push((leaf.to_owned(), payload.to_owned()));
        }
        assert!(shown.len() >= 12, "{shown:?}");
        for (leaf, payload) in shown {
            let lane = if leaf == leaf::ALERT { Lane::Alert } else { Lane::Telemetry };
            let message = Message {
                leaf: &leaf,
                payload: payload.as_bytes(),
                lane,
                manual_publish: codec::ManualPublish::MeansHere,
                received_at: "2026-03-01T04:05:06Z".parse::<Timestamp>().unwrap(),
            };
            let decoded = codec::decode(Dialect::Ydt, &message);
            let doubts: Vec<_> = decoded.doubts.iter().filter(|doubt| **doubt != wire::report::Doubt::NoFix).collect();
            assert!(doubts.is_empty(), "{payload}: {doubts:?}");
            assert!(!matches!(decoded.event, Some(wire::report::Event::Unreadable { .. })), "{payload}: {decoded:?}");
        }
    }
}
