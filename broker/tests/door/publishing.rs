//! Telemetry, topics that are not one's own, wills.

use broker::Config;
use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5::{self, DisconnectReasonCode, PubAckReason, PubRecReason};
use wire::directory::{Dialect, Terminal};
use wire::door::Breach;
use wire::topics::Lane;

use crate::bench::{Door, Raw, pager, quick, secret_of};

#[tokio::test]
async fn telemetry_is_acknowledged_without_a_receipt_in_every_qos() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.publish_v4("ydt/1/P1/status", 0, "zero").await;
    terminal.publish_v4("ydt/1/P1/fix", 1, "one").await;
    terminal.hear_puback(1).await;
    terminal.publish_v4_qos("ydt/1/P1/ack", QoS::ExactlyOnce, 2, "two").await;
    assert_eq!(terminal.hear_v4().await, v4::Packet::PubRec(v4::PubRec::new(2)));
    for payload in ["zero", "one", "two"] {
        let uplink = gateway.uplink().await;
        assert_eq!((uplink.lane, &*uplink.payload), (Lane::Telemetry, payload.as_bytes()));
    }
}

#[tokio::test]
async fn telemetry_that_cannot_be_kept_is_shed_and_alerts_are_not() {
    let door = Door::open(Config { telemetry_max: 2, ..quick() }).await;
    let mut terminal = Raw::v5(&door, "P1").await;
    for pid in 1..=3 {
        terminal.publish_v5("ydt/1/P1/ack", Qos5::AtLeastOnce, pid, &pid.to_string()).await;
        let v5::Packet::PubAck(ack) = terminal.hear_v5().await else { panic!("no PUBACK") };
        let wanted = if pid < 3 { PubAckReason::Success } else { PubAckReason::QuotaExceeded };
        assert_eq!((ack.pkid, ack.reason), (pid, wanted));
    }
    terminal.publish_v5("ydt/1/P1/alert", Qos5::AtLeastOnce, 4, "help").await;
    terminal.ping_v5().await;
    assert_eq!((door.counters.telemetry.get(), door.counters.telemetry_shed_gateway.get()), (3, 1));
    let mut gateway = door.gateway("g1").await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(gateway.uplink().await.payload);
    }
    heard.sort();
    assert_eq!(heard, [&b"1"[..], b"2", b"help"]);
    assert!(matches!(terminal.hear_v5().await, v5::Packet::PubAck(ack) if ack.pkid == 4));
}

#[tokio::test]
async fn a_topic_of_another_terminal_is_denied_in_mqtt_5_and_ends_the_session_in_mqtt_3() {
    let door = Door::open(quick()).await;
    let mut terminal = Raw::v5(&door, "P1").await;
    terminal.publish_v5("ydt/1/P2/alert", Qos5::AtLeastOnce, 1, "help").await;
    let v5::Packet::PubAck(ack) = terminal.hear_v5().await else { panic!("no PUBACK") };
    assert_eq!(ack.reason, PubAckReason::NotAuthorized);
    terminal.publish_v5("ydt/1/P1/notice", Qos5::ExactlyOnce, 2, "help").await;
    let v5::Packet::PubRec(rec) = terminal.hear_v5().await else { panic!("no PUBREC") };
    assert_eq!(rec.reason, PubRecReason::NotAuthorized);
    terminal.publish_v5("bus/gateways", Qos5::AtMostOnce, 0, "help").await;
    terminal.ping_v5().await;
    assert_eq!(door.counters.publish_denied.get(), 3);

    let mut terminal = Raw::v4(&door, "P2").await;
    terminal.publish_v4("ydt/1/P1/alert", 1, "help").await;
    terminal.closed().await;
    assert_eq!((door.counters.publish_denied.get(), door.counters.alerts.get()), (4, 0));
    // Told to those who administer: who, where, and what was answered.
    let told = door.broker.standing()();
    let seen: Vec<_> = told.violations.iter().map(|one| (&*one.login, one.topic.as_deref(), one.code)).collect();
    let denied = Some(0x87);
    let wanted = [
        ("P1", Some("ydt/1/P2/alert"), denied),
        ("P1", Some("ydt/1/P1/notice"), denied),
        // QoS 0 has no answer, and MQTT 3.1.1 no code.
        ("P1", Some("bus/gateways"), None),
        ("P2", Some("ydt/1/P1/alert"), None),
    ];
    assert_eq!(seen, wanted);
    assert!(told.violations.iter().all(|one| one.what == Breach::Publish && one.times == 1));
    assert_eq!((told.counted["publish_denied"], told.tls), (4, None));
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_session() {
    let door = Door::open(quick()).await;
    let connect_again = {
        let mut bytes = bytes::BytesMut::new();
        v4::Connect::new("again").write(&mut bytes).unwrap();
        bytes.to_vec()
    };
    let too_long = [&[0x30, 0xff, 0xff, 0x7f][..], &[0; 100]].concat();
    let cases: [(&[u8], DisconnectReasonCode); 5] = [
        (&[0x36, 3, 0, 1, b't'], DisconnectReasonCode::MalformedPacket),
        (&[0x31, 0xff, 0xff, 0xff, 0xff, 0xff], DisconnectReasonCode::MalformedPacket),
        (&[0x30, 4, 0, 1, b'#', 0], DisconnectReasonCode::TopicNameInvalid),
        (&[0xd0, 0], DisconnectReasonCode::ProtocolError),
        (&too_long, DisconnectReasonCode::PacketTooLarge),
    ];
    for (bytes, reason) in cases {
        let mut terminal = Raw::v5(&door, "P1").await;
        terminal.say(bytes).await;
        terminal.dismissed(reason).await;
        let mut terminal = Raw::v4(&door, "P1").await;
        terminal.say(bytes).await;
        terminal.closed().await;
    }
    let mut terminal = Raw::v4(&door, "P1").await;
    terminal.say(&connect_again).await;
    terminal.closed().await;
    let mut terminal = Raw::v5(&door, "P1").await;
    terminal.say(&[0x30, 7, 0, 1, b't', 3, 0x23, 0, 9]).await;
    terminal.dismissed(DisconnectReasonCode::TopicAliasInvalid).await;
    let counters = &door.counters;
    assert_eq!(counters.violations.get(), 12);
    let by_cause = [
        &counters.violations_malformed,
        &counters.violations_topic_name,
        &counters.violations_unexpected,
        &counters.violations_too_large,
        &counters.violations_topic_alias,
        &counters.violations_quota,
    ];
    assert_eq!(by_cause.map(wire::counters::Counter::get), [4, 2, 3, 2, 1, 0]);
    let told = door.broker.standing()().violations;
    let too_large: Vec<_> = told.iter().filter(|one| one.what == Breach::TooLarge).map(|one| one.code).collect();
    assert_eq!(too_large, [Some(0x95), None]);
    assert!(told.iter().any(|one| one.what == Breach::Malformed && one.times == 2), "{told:?}");
    Raw::v4(&door, "P1").await.ping().await;
}

#[tokio::test]
async fn what_comes_out_of_order_is_answered_as_the_standard_says_or_ends_the_session() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    // Anything before CONNECT: PUBLISH, SUBSCRIBE, PUBACK, DISCONNECT, AUTH.
    let early: [&[u8]; 5] = [
        b"\x32\x16\x00\x0eydt/1/P1/alert\x00\x01help",
        b"\x82\x0f\x00\x01\x00\x0aydt/1/P1/#\x01",
        &[0x40, 2, 0, 1],
        &[0xe0, 0],
        &[0xf0, 0],
    ];
    for bytes in early {
        let mut stranger = Raw::dial(door.address()).await;
        stranger.say(bytes).await;
        stranger.closed().await;
    }
    assert_eq!((door.counters.refused_protocol.get(), door.counters.sessions_opened.get()), (5, 0));

    // Packets that only a server sends: CONNACK, SUBACK, UNSUBACK, PINGRESP.
    let foreign: [&[u8]; 4] = [&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 0], &[0xb0, 2, 0, 1], &[0xd0, 0]];
    for bytes in foreign {
        let mut terminal = Raw::v4(&door, "P1").await;
        terminal.say(bytes).await;
        terminal.closed().await;
    }
    let mut foreign5 = foreign;
    (foreign5[0], foreign5[1], foreign5[2]) = (&[0x20, 3, 0, 0, 0], &[0x90, 4, 0, 1, 0, 0], &[0xb0, 4, 0, 1, 0, 0]);
    for bytes in foreign5 {
        let mut terminal = Raw::v5(&door, "P1").await;
        terminal.say(bytes).await;
        terminal.dismissed(DisconnectReasonCode::ProtocolError).await;
    }
    // A second CONNECT.
    let mut terminal = Raw::v5(&door, "P1").await;
    let again = v5::Connect { keep_alive: 60, client_id: "again".into(), clean_start: true, properties: None };
    terminal.say_v5(&v5::Packet::Connect(again, None, None)).await;
    terminal.dismissed(DisconnectReasonCode::ProtocolError).await;
    assert_eq!(door.counters.violations.get(), 9);

    // Answers to what was never sent are no harm: a PUBACK of nothing, a PUBREL of nothing.
    let mut terminal = Raw::v5(&door, "P1").await;
    terminal.say(&[0x40, 2, 0, 99]).await;
    terminal.say(&[0x62, 2, 0, 99]).await;
    let v5::Packet::PubComp(unknown) = terminal.hear_v5().await else { panic!("no PUBCOMP") };
    assert_eq!((unknown.pkid, unknown.reason), (99, v5::PubCompReason::PacketIdentifierNotFound));
    let mut old = Raw::v4(&door, "P2").await;
    old.say_v4(&v4::Packet::PubRel(v4::PubRel::new(99))).await;
    assert_eq!(old.hear_v4().await, v4::Packet::PubComp(v4::PubComp::new(99)));
    old.publish_v4("ydt/1/P2/alert", 1, "help").await;
    old.hear_puback(1).await;
    assert_eq!(gateway.uplink().await.serial, "P2", "nobody got past the door before");
    assert_eq!((door.counters.violations.get(), door.counters.alerts.get()), (9, 1));
}

#[tokio::test]
async fn a_number_may_stand_for_a_topic_and_gives_no_right_to_it() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut terminal = Raw::v5(&door, "P1").await;
    let mut publish = async |topic: &str, alias, pid| {
        let properties = v5::PublishProperties { topic_alias: Some(alias), ..Default::default() };
        let mut publish = v5::Publish::new(topic.to_owned(), Qos5::AtLeastOnce, "x", Some(properties));
        publish.pkid = pid;
        terminal.say_v5(&v5::Packet::Publish(publish)).await;
        let v5::Packet::PubAck(ack) = terminal.hear_v5().await else { panic!("no PUBACK") };
        ack.reason
    };
    assert_eq!(publish("ydt/1/P1/alert", 8, 1).await, PubAckReason::Success);
    assert_eq!(publish("", 8, 2).await, PubAckReason::Success);
    assert_eq!(publish("ydt/1/P2/alert", 1, 3).await, PubAckReason::NotAuthorized);
    assert_eq!(publish("", 1, 4).await, PubAckReason::NotAuthorized);
    for _ in 0..2 {
        assert_eq!(gateway.uplink().await.topic, "ydt/1/P1/alert");
    }
    // A number that stands for nothing is against the protocol.
    terminal.say(&[0x30, 6, 0, 0, 3, 0x23, 0, 2]).await;
    terminal.dismissed(DisconnectReasonCode::ProtocolError).await;
}

fn phone(manual_publish_means_help: bool) -> Terminal {
    Terminal {
        serial: "chen/phone".into(),
        login: "chen".into(),
        dialect: Dialect::OwnTracks,
        manual_publish_means_help,
        secret_sha256: wire::directory::hash_secret(secret_of("chen").as_bytes()),
        ..pager("chen")
    }
}

#[tokio::test]
async fn a_will_is_published_when_its_terminal_goes_without_a_word() {
    let mut door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    door.list(vec![phone(false)]);
    let with_will = |connect: &mut v4::Connect| {
        connect.last_will =
            Some(v4::LastWill::new("owntracks/chen/phone", r#"{"_type":"lwt"}"#, QoS::AtLeastOnce, false));
    };
    let (mut leaves, _) = Raw::v4_with(&door, "chen", with_will).await;
    leaves.say_v4(&v4::Packet::Disconnect).await;
    leaves.closed().await;
    let (breaks, _) = Raw::v4_with(&door, "chen", with_will).await;
    drop(breaks);
    let uplink = gateway.uplink().await;
    assert_eq!((&*uplink.serial, uplink.lane), ("chen/phone", Lane::Telemetry));
    assert_eq!(uplink.payload[..], *br#"{"_type":"lwt"}"#);
    assert_eq!(door.counters.wills.get(), 1);

    // Where presses share the topic, all of it is alert lane, wills too.
    door.list(vec![phone(true)]);
    let (breaks, _) = Raw::v4_with(&door, "chen", with_will).await;
    drop(breaks);
    assert_eq!(gateway.uplink().await.lane, Lane::Alert);
}

#[tokio::test]
async fn a_will_to_a_foreign_topic_is_not_published() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let (breaks, _) = Raw::v4_with(&door, "P1", |connect| {
        connect.last_will = Some(v4::LastWill::new("ydt/1/P2/alert", "help", QoS::AtLeastOnce, false));
    })
    .await;
    drop(breaks);
    crate::bench::until("the will was looked at", || door.counters.publish_denied.get() == 1).await;
    let mut terminal = Raw::v4(&door, "P2").await;
    terminal.publish_v4("ydt/1/P2/alert", 1, "own").await;
    assert_eq!(gateway.uplink().await.payload[..], *b"own");
}

#[tokio::test]
async fn nobody_is_turned_away_or_held_back_over_retain() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut raw = Raw::dial(door.address()).await;
    let connect = v5::Connect { keep_alive: 60, client_id: "c".into(), clean_start: true, properties: None };
    let will = v5::LastWill::new("ydt/1/P1/alert", "gone", Qos5::AtLeastOnce, true, None);
    let mut bytes = BytesMut::new();
    connect.write(&Some(will), &Some(v5::Login::new("P1", secret_of("P1"))), &mut bytes).unwrap();
    raw.say(&bytes).await;
    let v5::Packet::ConnAck(ack) = raw.hear_v5().await else { panic!("no CONNACK") };
    assert_eq!((ack.code, ack.properties.unwrap().retain_available), (v5::ConnectReturnCode::Success, None));
    let mut publish = v5::Publish::new("ydt/1/P1/alert", Qos5::AtLeastOnce, "help", None);
    (publish.pkid, publish.retain) = (1, true);
    raw.say_v5(&v5::Packet::Publish(publish)).await;
    assert!(matches!(raw.hear_v5().await, v5::Packet::PubAck(ack) if ack.reason == PubAckReason::Success));
    drop(raw);
    for wanted in ["help", "gone"] {
        assert_eq!(gateway.uplink().await.payload[..], *wanted.as_bytes());
    }
}
