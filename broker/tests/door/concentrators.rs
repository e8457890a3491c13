//! One credential that speaks for many terminals.

use broker::{Config, Rate};
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{self, ConnectReturnCode};
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5::{self, DisconnectReasonCode, PubAckReason, SubscribeReasonCode};
use uuid::Uuid;
use wire::directory::{Concentrator, Dialect, Terminal, Update, hash_secret};
use wire::report::Session;
use wire::topics::Lane;

use crate::bench::{Door, Raw, pager, quick, secret_of, soon, until};

fn hub(secret: &str) -> Concentrator {
    Concentrator { login: "hub".into(), secret_sha256: hash_secret(secret.as_bytes()), certificate: None }
}

fn under(concentrator: &str, terminal: Terminal) -> Terminal {
    Terminal { concentrator: Some(concentrator.into()), ..terminal }
}

fn phone() -> Terminal {
    Terminal {
        serial: "chen/phone".into(),
        dialect: Dialect::OwnTracks,
        manual_publish_means_help: true,
        ..pager("chen")
    }
}

/// A door where the hub speaks for P1, P2 and Chen's phone, and another for P3.
async fn open(config: Config) -> Door {
    let mut door = Door::without_directory(config).await;
    let another = Concentrator { login: "another".into(), ..hub(&secret_of("another")) };
    let mut upserts = ["P1", "P2"].map(|serial| under("hub", pager(serial))).to_vec();
    upserts.extend([under("hub", phone()), under("another", pager("P3")), pager("P4")]);
    door.publish(Update { upserts, concentrators: vec![hub(&secret_of("hub")), another], ..Update::default() });
    door
}

async fn hear_puback(hub: &mut Raw) -> (u16, PubAckReason) {
    let v5::Packet::PubAck(ack) = hub.hear_v5().await else { panic!("no PUBACK") };
    (ack.pkid, ack.reason)
}

async fn subscribe(hub: &mut Raw, filters: &[&str]) -> Vec<SubscribeReasonCode> {
    let filters = filters.iter().map(|filter| v5::Filter::new(*filter, Qos5::AtLeastOnce));
    let mut subscribe = v5::Subscribe::new_many(filters, None);
    subscribe.pkid = 9;
    hub.say_v5(&v5::Packet::Subscribe(subscribe)).await;
    let v5::Packet::SubAck(ack) = hub.hear_v5().await else { panic!("no SUBACK") };
    ack.return_codes
}

#[tokio::test]
async fn a_concentrator_speaks_for_the_terminals_that_list_it() {
    let door = open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut raw = Raw::v5(&door, "hub").await;
    let said = [
        ("ydt/1/P1/alert", "P1", Lane::Alert),
        ("ydt/1/P2/fix", "P2", Lane::Telemetry),
        ("owntracks/chen/phone", "chen/phone", Lane::Alert),
        ("owntracks/chen/phone/event", "chen/phone", Lane::Telemetry),
    ];
    for (pid, (topic, serial, lane)) in (1..).zip(said) {
        raw.publish_v5(topic, Qos5::AtLeastOnce, pid, "{}").await;
        let uplink = gateway.uplink().await;
        assert_eq!((&*uplink.serial, &*uplink.topic, uplink.lane), (serial, topic, lane));
        if lane == Lane::Alert {
            // No acknowledgement of an alert before it is durable.
            raw.ping_v5().await;
            gateway.receipt(&uplink).await;
        }
        assert_eq!(hear_puback(&mut raw).await, (pid, PubAckReason::Success));
    }
    assert_eq!((door.counters.concentrators.get(), door.counters.publish_denied.get()), (1, 0));
    drop(raw);
    until("it has gone", || door.counters.concentrators.get() == 0).await;
}

#[tokio::test]
async fn a_concentrator_speaks_for_nobody_else() {
    let door = open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut raw = Raw::v5(&door, "hub").await;
    let foreign = ["ydt/1/P3/alert", "ydt/1/P4/alert", "ydt/1/P9/alert", "ydt/1/P1/notice", "ydt/1/hub/alert", "x"];
    for (pid, topic) in (1..).zip(foreign) {
        raw.publish_v5(topic, Qos5::AtLeastOnce, pid, "help").await;
        assert_eq!(hear_puback(&mut raw).await, (pid, PubAckReason::NotAuthorized), "{topic}");
    }
    assert_eq!(door.counters.publish_denied.get(), 6);
    raw.publish_v5("ydt/1/P1/alert", Qos5::AtLeastOnce, 7, "own").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"own");
    // And MQTT 3.1.1 has no other way to say so than to close.
    let mut raw = Raw::v4(&door, "hub").await;
    raw.publish_v4("ydt/1/P3/alert", 1, "help").await;
    raw.closed().await;
}

#[tokio::test]
async fn a_concentrator_hears_what_is_for_its_terminals_and_nothing_else() {
    let door = open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut raw = Raw::v5(&door, "hub").await;
    let granted = SubscribeReasonCode::Success(Qos5::AtLeastOnce);
    let denied = SubscribeReasonCode::NotAuthorized;
    let filters = ["ydt/1/+/#", "ydt/1/P2/receipt", "ydt/1/P3/#", "ydt/1/P9/#", "#", "bus/#"];
    let codes = subscribe(&mut raw, &filters).await;
    assert_eq!(codes, [granted, granted, denied, denied, denied, denied]);
    assert_eq!(door.counters.subscribe_denied.get(), 4);
    let notice = Uuid::from_u128(77);
    for (serial, notice) in [("P3", None), ("P4", None), ("P2", Some(notice)), ("P1", None)] {
        gateway.downlink(serial, "notice", serial, notice).await;
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        let v5::Packet::Publish(publish) = raw.hear_v5().await else { panic!("no PUBLISH") };
        if publish.pkid != 0 {
            raw.say_v5(&v5::Packet::PubAck(v5::PubAck::new(publish.pkid, None))).await;
        }
        heard.push(publish.payload);
    }
    heard.sort_unstable();
    assert_eq!(heard, ["P1", "P2"]);
    raw.ping_v5().await;
    let delivered = soon("that it was delivered", async {
        loop {
            let presence = gateway.presence.recv().await.unwrap();
            assert!(presence.heard.iter().all(|heard| heard.session != Session::Opened), "{:?}", presence.heard);
            if let Some(delivered) = presence.delivered.first() {
                return delivered.notice;
            }
        }
    });
    assert_eq!(delivered.await, notice);
}

#[tokio::test]
async fn one_terminal_more_or_less_counts_at_once_and_the_session_stays() {
    let mut door = open(quick()).await;
    let _gateway = door.gateway("g1").await;
    let mut raw = Raw::v5(&door, "hub").await;
    let upserts = vec![pager("P1"), under("hub", pager("P4"))];
    door.publish(Update { from: Some(0), upserts, removed: vec!["P2".into()], ..Update::default() });
    let said =
        [("P1", PubAckReason::NotAuthorized), ("P2", PubAckReason::NotAuthorized), ("P4", PubAckReason::Success)];
    for (pid, (serial, reason)) in (1..).zip(said) {
        raw.publish_v5(&format!("ydt/1/{serial}/alert"), Qos5::AtLeastOnce, pid, "help").await;
        assert_eq!(hear_puback(&mut raw).await, (pid, reason), "{serial}");
    }
    assert_eq!(door.counters.revoked.get(), 0);
}

#[tokio::test]
async fn a_concentrator_that_is_removed_or_gets_another_secret_loses_its_session() {
    let mut door = open(quick()).await;
    let mut own = Raw::v5(&door, "P1").await;
    let mut raw = Raw::v5(&door, "hub").await;
    door.publish(Update { from: Some(0), concentrators: vec![hub("another secret")], ..Update::default() });
    raw.dismissed(DisconnectReasonCode::NotAuthorized).await;
    let (_, ack) = Raw::v4_with(&door, "hub", |_| {}).await;
    assert_eq!(ack.code, ConnectReturnCode::BadUserNamePassword);
    let (mut raw, ack) = Raw::v4_with(&door, "hub", |connect| {
        connect.set_login("hub", "another secret");
    })
    .await;
    assert_eq!(ack.code, ConnectReturnCode::Success);
    door.publish(Update { from: Some(0), removed_concentrators: vec!["hub".into()], ..Update::default() });
    raw.closed().await;
    assert_eq!(door.counters.revoked.get(), 2);
    own.ping_v5().await;
}

#[tokio::test]
async fn a_concentrator_may_have_more_alerts_under_way_than_a_terminal() {
    let config = Config { alerts_per_session_max: 1, alerts_per_concentrator_max: 300, ..quick() };
    let door = open(config).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut raw = Raw::v4(&door, "hub").await;
    for pid in 1..=300 {
        raw.publish_v4(if pid % 2 == 0 { "ydt/1/P1/alert" } else { "ydt/1/P2/alert" }, pid, "help").await;
    }
    let mut uplinks = Vec::new();
    for _ in 0..300 {
        uplinks.push(gateway.uplink().await);
    }
    for uplink in uplinks.iter().rev() {
        gateway.receipt(uplink).await;
    }
    for pid in 1..=300 {
        raw.hear_puback(pid).await;
    }
}

#[tokio::test]
async fn a_concentrators_will_is_that_of_the_terminal_whose_topic_it_names() {
    let door = open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    for (serial, count) in [("P3", 0), ("P2", 1)] {
        let (raw, _) = Raw::v4_with(&door, "hub", |connect| {
            let topic = format!("ydt/1/{serial}/status");
            connect.last_will = Some(v4::LastWill::new(topic, "{}", QoS::AtLeastOnce, false));
        })
        .await;
        drop(raw);
        until("it has gone", || door.counters.concentrators.get() == 0).await;
        until("its will was looked at", || {
            door.counters.wills.get() == count && door.counters.publish_denied.get() == 1
        })
        .await;
    }
    assert_eq!(gateway.uplink().await.serial, "P2");
}

#[tokio::test]
async fn the_sessions_of_a_concentrator_have_one_rate_for_each_of_its_terminals() {
    let door = open(Config { telemetry_rate: Rate::new(1, 50), ..quick() }).await;
    let counters = &door.counters;
    for (client_id, serial) in [("a", "P1"), ("b", "P1"), ("c", "P2")] {
        let before = counters.telemetry_coalesced_rate.get();
        let (mut raw, _) = Raw::v4_with(&door, "hub", |connect| connect.client_id = client_id.into()).await;
        for n in 0..50 {
            raw.publish_v4(&format!("ydt/1/{serial}/fix"), 0, &n.to_string()).await;
        }
        raw.ping().await;
        let coalesced = counters.telemetry_coalesced_rate.get() - before;
        assert_eq!(coalesced > 10, client_id == "b", "{client_id}: {coalesced}");
    }
}
