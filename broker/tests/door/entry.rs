//! Who gets in, and what those hear who do not.

use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{self, ConnectReturnCode as V4Code};
use rumqttc::v5::mqttbytes::v5::{self, ConnectProperties, ConnectReturnCode as V5Code, DisconnectReasonCode};

use crate::bench::{Door, Raw, pager, quick, secret_of, until};

#[tokio::test]
async fn wrong_credentials_have_the_protocols_own_code() {
    let door = Door::open(quick()).await;
    for (name, secret) in [("P1", "wrong"), ("P1", ""), ("nobody", "secret of P1"), ("", "")] {
        let (mut raw, ack) = Raw::v4_with(&door, "P1", |connect| {
            connect.set_login(name, secret);
        })
        .await;
        assert_eq!(ack.code, V4Code::BadUserNamePassword, "{name:?} {secret:?}");
        raw.closed().await;
        let (mut raw, ack) = Raw::v5_with(&door, "P1", |_, login| {
            (login.username, login.password) = (name.into(), secret.into());
        })
        .await;
        assert_eq!(ack.code, V5Code::BadUserNamePassword, "{name:?} {secret:?}");
        raw.closed().await;
    }
    assert_eq!(door.counters.refused_credentials.get(), 8);
    assert_eq!(door.counters.sessions_opened.get(), 0);
    door.close().await.unwrap();
}

#[tokio::test]
async fn without_a_directory_the_server_is_unavailable_and_nobody_is_called_a_stranger() {
    let mut door = Door::without_directory(quick()).await;
    for secret in [secret_of("P1"), "wrong".into()] {
        let (mut raw, ack) = Raw::v4_with(&door, "P1", |connect| {
            connect.set_login("P1", secret.clone());
        })
        .await;
        assert_eq!(ack.code, V4Code::ServiceUnavailable);
        raw.closed().await;
        let (mut raw, ack) = Raw::v5_with(&door, "P1", |_, login| login.password = secret).await;
        assert_eq!(ack.code, V5Code::ServerUnavailable);
        raw.closed().await;
    }
    let (_, ack) = Raw::v4_with(&door, "P1", |connect| connect.login = None).await;
    assert_eq!(ack.code, V4Code::ServiceUnavailable);
    assert_eq!((door.counters.refused_no_directory.get(), door.counters.refused_credentials.get()), (5, 0));
    door.list(vec![pager("P1")]);
    Raw::v4(&door, "P1").await.ping().await;
}

#[tokio::test]
async fn the_copy_on_disk_lets_terminals_in_while_nobody_publishes_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let config = || broker::Config { data_dir: Some(folder.path().into()), ..quick() };
    let door = Door::open(config()).await;
    let copy = folder.path().join("broker-directory");
    until("the copy is written", || copy.exists()).await;
    door.close().await.unwrap();
    let door = Door::without_directory(config()).await;
    Raw::v4(&door, "P1").await.ping().await;
    door.close().await.unwrap();

    std::fs::write(&copy, "not a directory").unwrap();
    let door = Door::without_directory(config()).await;
    let (_, ack) = Raw::v4_with(&door, "P1", |_| {}).await;
    assert_eq!(ack.code, V4Code::ServiceUnavailable, "a broken copy is as good as none");
}

#[tokio::test]
async fn a_terminal_without_a_client_id_gets_one_or_is_told_that_it_needs_one() {
    let door = Door::open(quick()).await;
    let (mut raw, ack) = Raw::v4_with(&door, "P1", |connect| connect.client_id.clear()).await;
    assert_eq!(ack.code, V4Code::Success);
    raw.ping().await;
    let (mut raw, ack) = Raw::v4_with(&door, "P1", |connect| {
        connect.client_id.clear();
        connect.clean_session = false;
    })
    .await;
    assert_eq!(ack.code, V4Code::BadClientId);
    raw.closed().await;
    let (mut raw, ack) = Raw::v5_with(&door, "P1", |connect, _| connect.client_id.clear()).await;
    assert!(!ack.properties.unwrap().assigned_client_identifier.unwrap().is_empty());
    raw.ping_v5().await;
    let (mut raw, ack) = Raw::v5_with(&door, "P1", |connect, _| connect.client_id = "x".repeat(1000)).await;
    assert_eq!(ack.code, V5Code::ClientIdentifierNotValid);
    raw.closed().await;
}

#[tokio::test]
async fn mqtt_5_terminals_are_told_what_is_granted() {
    let door = Door::open(broker::Config { session_kept_for: Duration::from_mins(1), ..quick() }).await;
    let (_raw, ack) = Raw::v5_with(&door, "P1", |connect, _| {
        connect.properties =
            Some(ConnectProperties { session_expiry_interval: Some(u32::MAX), ..ConnectProperties::new() });
    })
    .await;
    let granted = ack.properties.unwrap();
    assert_eq!((granted.session_expiry_interval, granted.receive_max), (Some(60), Some(16)));
    assert_eq!((granted.topic_alias_max, granted.shared_subscription_available), (Some(8), Some(0)));
    assert_eq!(granted.max_packet_size, Some(64 * 1024));
    let (_raw, ack) = Raw::v5_with(&door, "P1", |connect, _| {
        connect.properties =
            Some(ConnectProperties { authentication_method: Some("SCRAM-SHA-256".into()), ..ConnectProperties::new() });
    })
    .await;
    assert_eq!(ack.code, V5Code::BadAuthenticationMethod);
}

#[tokio::test]
async fn other_protocols_are_told_so() {
    let door = Door::open(quick()).await;
    let mut old = Raw::dial(door.address()).await;
    old.say(b"\x10\x0c\x00\x06MQIsdp\x03\x02\x00\x00").await;
    let refused = v4::ConnAck::new(V4Code::RefusedProtocolVersion, false);
    assert_eq!(old.hear_v4().await, v4::Packet::ConnAck(refused));
    old.closed().await;
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xc0\x00", b"\x16\x03\x01\x02\x00\x01", b"\x10\xff\xff\xff\xff"]
    {
        let mut raw = Raw::dial(door.address()).await;
        raw.say(nonsense).await;
        raw.closed().await;
    }
    assert_eq!(door.counters.refused_protocol.get(), 5);
}

/// A CONNECT with `insert` at `at`, or behind its end (0), and its length counts that. In MQTT 5 the length of the
/// properties is at 12.
fn connect(version: u8, at: usize, insert: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    if version == 4 {
        let mut connect = v4::Connect::new("P1-client");
        connect.set_login("P1", secret_of("P1"));
        connect.write(&mut bytes).unwrap();
    } else {
        let connect =
            v5::Connect { keep_alive: 60, client_id: "P1-client".into(), clean_start: true, properties: None };
        connect.write(&None, &Some(v5::Login::new("P1", secret_of("P1"))), &mut bytes).unwrap();
    }
    let mut bytes = bytes.to_vec();
    let at = if at == 0 { bytes.len() } else { at };
    bytes.splice(at..at, insert.iter().copied());
    bytes[1] += u8::try_from(insert.len()).unwrap();
    bytes
}

#[tokio::test]
async fn a_connect_that_says_more_than_its_end_or_a_property_twice_is_refused() {
    let door = Door::open(quick()).await;
    let mut well = Raw::dial(door.address()).await;
    well.say(&connect(4, 0, &[])).await;
    assert!(matches!(well.hear_v4().await, v4::Packet::ConnAck(ack) if ack.code == V4Code::Success));
    let mut more = Raw::dial(door.address()).await;
    more.say(&connect(4, 0, b"x")).await;
    more.closed().await;

    // Receive maximum, once and twice; and a byte behind the password.
    let mut once = connect(5, 13, &[0x21, 0, 9]);
    once[12] = 3;
    let mut twice = connect(5, 13, &[0x21, 0, 9, 0x21, 0, 9]);
    twice[12] = 6;
    let said =
        [(once, V5Code::Success), (twice, V5Code::ProtocolError), (connect(5, 0, b"x"), V5Code::MalformedPacket)];
    for (bytes, code) in said {
        let mut raw = Raw::dial(door.address()).await;
        raw.say(&bytes).await;
        let v5::Packet::ConnAck(ack) = raw.hear_v5().await else { panic!("no CONNACK") };
        assert_eq!(ack.code, code);
        if code != V5Code::Success {
            raw.closed().await;
        }
    }
    assert_eq!((door.counters.refused_protocol.get(), door.counters.sessions_opened.get()), (3, 2));
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let door = Door::open(broker::Config { connect_within: Duration::from_millis(100), ..quick() }).await;
    let mut silent = Raw::dial(door.address()).await;
    let mut slow = Raw::dial(door.address()).await;
    slow.say(&[0x10, 50, 0, 4]).await;
    silent.closed().await;
    slow.closed().await;
    assert_eq!(door.counters.refused_silent.get(), 2);
}

#[tokio::test]
async fn a_full_door_takes_no_more() {
    let door = Door::open(broker::Config { connections_max: 1, ..quick() }).await;
    let mut first = Raw::v4(&door, "P1").await;
    Raw::dial(door.address()).await.closed().await;
    first.ping().await;
    assert_eq!(door.counters.refused_full.get(), 1);
}

#[tokio::test]
async fn the_newest_session_of_the_same_terminal_and_client_id_wins() {
    let door = Door::open(quick()).await;
    let mut old = Raw::v4(&door, "P1").await;
    let mut new = Raw::v5(&door, "P1").await;
    old.closed().await;
    new.ping_v5().await;
    let mut newest = Raw::v5(&door, "P1").await;
    new.dismissed(DisconnectReasonCode::SessionTakenOver).await;
    newest.ping_v5().await;
    // The same client id of another terminal is another session.
    let (mut other, _) = Raw::v4_with(&door, "P2", |connect| connect.client_id = "P1-client".into()).await;
    other.ping().await;
    newest.ping_v5().await;
    assert_eq!((door.counters.taken_over.get(), door.counters.sessions.get()), (2, 2));
}

#[tokio::test]
async fn a_terminal_has_four_sessions_at_most_and_the_oldest_goes() {
    let door = Door::open(quick()).await;
    let mut sessions = Vec::new();
    for n in 0..4 {
        sessions.push(Raw::v5_with(&door, "P1", |connect, _| connect.client_id = format!("client {n}")).await.0);
    }
    let mut fifth = Raw::v5(&door, "P1").await;
    sessions[0].dismissed(DisconnectReasonCode::QuotaExceeded).await;
    for session in &mut sessions[1..] {
        session.ping_v5().await;
    }
    fifth.ping_v5().await;
}

#[tokio::test]
async fn a_terminal_that_is_removed_or_gets_another_secret_loses_its_session() {
    let mut door = Door::open(quick()).await;
    let mut removed = Raw::v5(&door, "P1").await;
    let mut changed = Raw::v4(&door, "P2").await;
    let mut stays = Raw::v4(&door, "P3").await;
    let mut other = pager("P2");
    other.secret_sha256 = wire::directory::hash_secret(b"another");
    door.list(vec![other, pager("P3"), pager("P4")]);
    removed.dismissed(DisconnectReasonCode::NotAuthorized).await;
    changed.closed().await;
    stays.ping().await;
    assert_eq!(door.counters.revoked.get(), 2);
    let (_, ack) = Raw::v4_with(&door, "P1", |_| {}).await;
    assert_eq!(ack.code, V4Code::BadUserNamePassword);
}
