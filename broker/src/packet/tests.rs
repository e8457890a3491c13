use bytes::BufMut as _;
use proptest::prelude::*;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use super::*;

fn cut_all(bytes: &[u8]) -> Frame {
    let mut stream = BytesMut::from(bytes);
    let frame = cut(&mut stream, 1 << 20).unwrap().unwrap();
    assert!(stream.is_empty());
    frame
}

fn read_all(version: Version, bytes: &[u8]) -> Result<Incoming, Violation> {
    read(version, cut_all(bytes))
}

fn written(version: Version, packet: &Outgoing) -> Vec<u8> {
    let mut stream = BytesMut::new();
    write(version, packet, &mut stream).unwrap();
    stream.to_vec()
}

fn v4_connect(change: impl FnOnce(&mut v4::Connect)) -> Vec<u8> {
    let mut connect = v4::Connect::new("client");
    change(&mut connect);
    let mut stream = BytesMut::new();
    connect.write(&mut stream).unwrap();
    stream.to_vec()
}

#[test]
fn a_packet_is_cut_only_when_it_is_whole() {
    let publish = [0x30, 5, 0, 1, b't', b'h', b'i'];
    for length in 0..publish.len() {
        let mut stream = BytesMut::from(&publish[..length]);
        assert!(cut(&mut stream, 100).unwrap().is_none());
        assert_eq!(stream.len(), length);
    }
    let mut stream = BytesMut::from(&publish[..]);
    stream.put_u8(0xc0);
    assert!(cut(&mut stream, 100).unwrap().is_some());
    assert_eq!(&stream[..], [0xc0]);
}

#[test]
fn too_long_a_packet_is_refused_before_it_has_come() {
    let mut stream = BytesMut::from(&[0x30, 0x80, 0x80, 0x04][..]);
    assert!(matches!(cut(&mut stream, 65_536), Err(Violation::TooLarge(65_540))));
    let mut stream = BytesMut::from(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01][..]);
    assert!(matches!(cut(&mut stream, 65_536), Err(Violation::Malformed)));
}

#[test]
fn flags_that_mqtt_reserves_are_malformed() {
    for first in [0x11, 0x60, 0x80, 0xa0, 0xc1, 0xe4] {
        assert!(matches!(cut(&mut BytesMut::from(&[first, 0][..]), 100), Err(Violation::Malformed)), "{first:x}");
    }
}

#[test]
fn both_versions_open_and_others_are_told_so() {
    let opening = read_opening(cut_all(&v4_connect(|connect| {
        connect.set_login("P1", "secret");
        connect.clean_session = false;
        connect.keep_alive = 60;
        connect.last_will = Some(v4::LastWill::new("t", "gone", rumqttc::QoS::AtLeastOnce, true));
    })))
    .unwrap();
    assert_eq!((opening.version, opening.start, opening.keep_alive_s), (Version::V4, Start::Resume, 60));
    assert_eq!(opening.login.unwrap(), Login { name: "P1".into(), secret: "secret".into() });
    assert_eq!(opening.will.unwrap(), Will { topic: "t".into(), payload: "gone".into() });

    let connect = v5::Connect {
        keep_alive: 5,
        client_id: String::new(),
        clean_start: true,
        properties: Some(v5::ConnectProperties {
            session_expiry_interval: Some(7),
            receive_maximum: Some(3),
            max_packet_size: Some(1000),
            ..v5::ConnectProperties::new()
        }),
    };
    let mut stream = BytesMut::new();
    connect.write(&None, &None, &mut stream).unwrap();
    let opening = read_opening(cut_all(&stream)).unwrap();
    assert_eq!((opening.version, opening.expiry_s, opening.receive_max), (Version::V5, 7, 3));
    assert_eq!((opening.packet_max, opening.login), (Some(1000), None));

    let level = |level: u8| [0x10, 10, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 0];
    assert!(matches!(read_opening(cut_all(&level(3))), Err(NoOpening::Unsupported(Version::V4))));
    assert!(matches!(read_opening(cut_all(&level(6))), Err(NoOpening::Unsupported(Version::V5))));
    let old = [0x10, 12, 0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 2, 0, 0];
    assert!(matches!(read_opening(cut_all(&old)), Err(NoOpening::Unsupported(Version::V4))));
    assert!(matches!(read_opening(cut_all(&[0xc0, 0])), Err(NoOpening::Violation(Violation::Unexpected))));
    assert!(matches!(read_opening(cut_all(b"\x10\x03GET")), Err(NoOpening::Violation(_))));
}

/// A CONNECT of MQTT 5 with these properties, whose flags stand for what `payload` has behind the client id.
fn v5_connect(properties: &[u8], flags: u8, payload: &[u8]) -> Vec<u8> {
    let head = [&[0, 4, b'M', b'Q', b'T', b'T', 5, flags, 0, 60][..], &[len(properties)], properties].concat();
    let body = [&head[..], &[0, 1, b'c'], payload].concat();
    [&[0x10, len(&body)], &body[..]].concat()
}

fn len(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).unwrap()
}

/// `bytes`, with one more behind them that its length counts.
fn with_one_more(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[1] += 1;
    bytes.push(0);
    bytes
}

#[test]
fn nothing_may_stand_behind_the_end_of_a_connect() {
    let login = v4_connect(|connect| {
        connect.set_login("P1", "secret");
        connect.last_will = Some(v4::LastWill::new("t", "gone", rumqttc::QoS::AtLeastOnce, true));
    });
    for whole in [v4_connect(|_| {}), login] {
        assert!(read_opening(cut_all(&whole)).is_ok());
        let outcome = read_opening(cut_all(&with_one_more(whole)));
        assert!(matches!(outcome, Err(NoOpening::Violation(Violation::Malformed))), "{outcome:?}");
    }
    let will_and_login = [0, 0, 1, b't', 0, 1, b'w', 0, 1, b'n', 0, 1, b's'];
    for whole in [v5_connect(&[], 2, &[]), v5_connect(&[0x21, 0, 3], 0xc6, &will_and_login)] {
        assert!(read_opening(cut_all(&whole)).is_ok());
        let outcome = read_opening(cut_all(&with_one_more(whole)));
        assert!(matches!(outcome, Err(NoOpening::Broken(Violation::Malformed))), "{outcome:?}");
    }
}

#[test]
fn a_property_is_given_once_but_for_a_users_own() {
    let user = [0x26, 0, 1, b'a', 0, 1, b'b'];
    let twice = |property: &[u8]| property.repeat(2);
    assert!(read_opening(cut_all(&v5_connect(&twice(&user), 2, &[]))).is_ok());
    for property in [&[0x11, 0, 0, 0, 9][..], &[0x21, 0, 3], &[0x22, 0, 3], &[0x27, 0, 0, 9, 9], &[0x17, 0]] {
        assert!(read_opening(cut_all(&v5_connect(property, 2, &[]))).is_ok(), "{property:x?}");
        let outcome = read_opening(cut_all(&v5_connect(&twice(property), 2, &[])));
        assert!(matches!(outcome, Err(NoOpening::Broken(Violation::Twice))), "{property:x?}: {outcome:?}");
    }
    // Of the will: twice the delay.
    let delay = [0x18, 0, 0, 0, 1];
    let will = |properties: &[u8]| [&[len(properties)], properties, &[0, 1, b't', 0, 1, b'w']].concat();
    assert!(read_opening(cut_all(&v5_connect(&[], 6, &will(&delay)))).is_ok());
    let outcome = read_opening(cut_all(&v5_connect(&[], 6, &will(&twice(&delay)))));
    assert!(matches!(outcome, Err(NoOpening::Broken(Violation::Twice))), "{outcome:?}");

    let packet = |first: u8, before: &[u8], properties: &[u8], after: &[u8]| {
        let body = [before, &[len(properties)], properties, after].concat();
        [&[first, len(&body)], &body[..]].concat()
    };
    let (pid, reason) = ([0, 1], [0, 1, 0]);
    for (first, before, property, after) in [
        (0x30, &[0, 1, b't'][..], &[0x23, 0, 1][..], &b"hi"[..]),
        (0x32, &[0, 1, b't', 0, 1], &[0x02, 0, 0, 0, 9], b"hi"),
        (0x40, &reason, &[0x1f, 0, 1, b'x'], b""),
        (0x62, &reason, &[0x1f, 0, 1, b'x'], b""),
        (0x82, &pid, &[0x0b, 9], &[0, 1, b't', 1]),
        (0xe0, &[0], &[0x11, 0, 0, 0, 9], b""),
    ] {
        for (properties, is_well) in [(property.to_vec(), true), (user.repeat(2), true), (twice(property), false)] {
            let outcome = read_all(Version::V5, &packet(first, before, &properties, after));
            assert_eq!(outcome.is_ok(), is_well, "{first:x} {properties:x?}: {outcome:?}");
            assert!(is_well || matches!(outcome, Err(Violation::Twice)), "{first:x}: {outcome:?}");
        }
        // One that reaches into what stands behind them.
        let mut reaches = packet(first, before, property, after);
        reaches[2 + before.len()] -= 1;
        let outcome = read_all(Version::V5, &reaches);
        assert!(matches!(outcome, Err(Violation::Malformed)), "{first:x}: {outcome:?}");
    }
    let unsubscribe = packet(0xa2, &pid, &user.repeat(2), &[0, 1, b't']);
    assert!(read_all(Version::V5, &unsubscribe).is_ok());
}

#[test]
fn nothing_may_stand_behind_the_end_of_an_acknowledgement() {
    for first in [0x40, 0x62] {
        assert!(read_all(Version::V4, &[first, 2, 0, 1]).is_ok());
        assert!(matches!(read_all(Version::V4, &[first, 3, 0, 1, 0]), Err(Violation::Malformed)));
        assert!(read_all(Version::V5, &[first, 4, 0, 1, 0, 0]).is_ok());
        assert!(matches!(read_all(Version::V5, &[first, 5, 0, 1, 0, 0, 0]), Err(Violation::Malformed)));
    }
    assert!(matches!(read_all(Version::V5, &[0xe0, 3, 0, 0, 0]), Err(Violation::Malformed)));
    // A length in more bytes than it needs.
    assert!(matches!(read_all(Version::V5, &[0x30, 5, 0, 1, b't', 0x80, 0]), Err(Violation::Malformed)));
}

#[test]
fn a_disconnect_is_read_in_all_its_forms() {
    let forget = Incoming::Disconnect { will: AtEnd::Forget, expiry_s: None };
    assert_eq!(read_all(Version::V4, &[0xe0, 0]).unwrap(), forget);
    assert!(read_all(Version::V4, &[0xe0, 1, 0]).is_err());
    assert_eq!(read_all(Version::V5, &[0xe0, 0]).unwrap(), forget);
    assert_eq!(read_all(Version::V5, &[0xe0, 1, 0]).unwrap(), forget);
    assert_eq!(read_all(Version::V5, &[0xe0, 2, 0, 0]).unwrap(), forget);
    let publish = Incoming::Disconnect { will: AtEnd::Publish, expiry_s: None };
    assert_eq!(read_all(Version::V5, &[0xe0, 1, 4]).unwrap(), publish);
    let shorter = Incoming::Disconnect { will: AtEnd::Forget, expiry_s: Some(60) };
    assert_eq!(read_all(Version::V5, &[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 60]).unwrap(), shorter);
}

#[test]
fn what_a_terminal_may_not_say_is_a_violation() {
    for version in [Version::V4, Version::V5] {
        let wildcard: &[u8] = if version == Version::V4 { &[0x30, 3, 0, 1, b'#'] } else { &[0x30, 4, 0, 1, b'#', 0] };
        assert!(matches!(read_all(version, wildcard), Err(Violation::Topic)));
        assert!(matches!(read_all(version, &[0xd0, 0]), Err(Violation::Unexpected)));
        assert!(matches!(read_all(version, &[0xc0, 1, 0]), Err(Violation::Malformed)));
        assert!(read_all(version, &[0x20, 2, 0, 0]).is_err());
        assert!(read_all(version, &[0x36, 0]).is_err(), "QoS 3");
        assert!(read_all(version, &[0x32, 5, 0, 1, b't', 0, 0]).is_err(), "packet id 0");
    }
    assert!(matches!(read_all(Version::V5, &[0x30, 3, 0, 0, 0]), Err(Violation::Topic)), "neither topic nor alias");
    // The property length takes the first byte of the payload with it.
    assert!(read_all(Version::V5, &[0x30, 8, 0, 1, b't', 3, 0x01, 1, b'h', b'i']).is_err());
    assert!(read_all(Version::V4, &[0xa2, 2, 0, 1]).is_err());
    assert!(read_all(Version::V4, &[0x82, 2, 0, 1]).is_err());
}

#[test]
fn refusals_have_the_codes_that_the_standards_give_them() {
    for (refusal, v4, v5) in [
        (Refusal::Protocol, 1, 0x84),
        (Refusal::ClientId, 2, 0x85),
        (Refusal::Unavailable, 3, 0x88),
        (Refusal::Credentials, 4, 0x86),
        (Refusal::Method, 5, 0x8c),
    ] {
        assert_eq!(written(Version::V4, &Outgoing::Refusal(refusal)), [0x20, 2, 0, v4]);
        assert_eq!(written(Version::V5, &Outgoing::Refusal(refusal)), [0x20, 3, 0, v5, 0]);
    }
    for (refusal, code) in [(Refusal::Malformed, 0x81), (Refusal::ProtocolError, 0x82)] {
        assert_eq!(written(Version::V5, &Outgoing::Refusal(refusal)), [0x20, 3, 0, code, 0]);
    }
}

#[test]
fn acknowledgements_have_the_bytes_that_the_standards_give_them() {
    let (v4, v5) = (Version::V4, Version::V5);
    assert_eq!(written(v4, &Outgoing::PubAck { pid: 258, verdict: Verdict::Taken }), [0x40, 2, 1, 2]);
    assert_eq!(written(v5, &Outgoing::PubAck { pid: 258, verdict: Verdict::Taken }), [0x40, 2, 1, 2]);
    assert_eq!(written(v5, &Outgoing::PubAck { pid: 1, verdict: Verdict::Denied }), [0x40, 4, 0, 1, 0x87, 0]);
    assert_eq!(written(v5, &Outgoing::PubAck { pid: 1, verdict: Verdict::Shed }), [0x40, 4, 0, 1, 0x97, 0]);
    assert_eq!(written(v4, &Outgoing::PubRec { pid: 1, verdict: Verdict::Taken }), [0x50, 2, 0, 1]);
    assert_eq!(written(v5, &Outgoing::PubRec { pid: 1, verdict: Verdict::Denied }), [0x50, 4, 0, 1, 0x87, 0]);
    assert_eq!(written(v4, &Outgoing::PubComp { pid: 1, known: Known::No }), [0x70, 2, 0, 1]);
    assert_eq!(written(v5, &Outgoing::PubComp { pid: 1, known: Known::No }), [0x70, 4, 0, 1, 0x92, 0]);
    let grants = vec![Grant::Granted(Qos::AtLeastOnce), Grant::Denied];
    assert_eq!(written(v4, &Outgoing::SubAck { pid: 1, grants: grants.clone() }), [0x90, 4, 0, 1, 1, 0x80]);
    assert_eq!(written(v5, &Outgoing::SubAck { pid: 1, grants }), [0x90, 5, 0, 1, 0, 1, 0x87]);
    let known = vec![Known::Yes, Known::No];
    assert_eq!(written(v4, &Outgoing::UnsubAck { pid: 1, known: known.clone() }), [0xb0, 2, 0, 1]);
    assert_eq!(written(v5, &Outgoing::UnsubAck { pid: 1, known }), [0xb0, 5, 0, 1, 0, 0, 0x11]);
    assert_eq!(written(v4, &Outgoing::Pong), [0xd0, 0]);
    assert_eq!(written(v5, &Outgoing::Pong), [0xd0, 0]);
    let publish = Outgoing::Publish { topic: "t".into(), payload: "hi".into(), pid: Some(9), dup: Dup::First };
    assert_eq!(written(v4, &publish), [0x32, 7, 0, 1, b't', 0, 9, b'h', b'i']);
    assert_eq!(written(v5, &publish), [0x32, 8, 0, 1, b't', 0, 9, 0, b'h', b'i']);
}

#[test]
fn a_farewell_is_one_whole_packet() {
    for (farewell, code) in [
        (Farewell::Malformed, 0x81),
        (Farewell::ProtocolError, 0x82),
        (Farewell::NotAuthorized, 0x87),
        (Farewell::Busy, 0x89),
        (Farewell::ShuttingDown, 0x8b),
        (Farewell::KeepAlive, 0x8d),
        (Farewell::TakenOver, 0x8e),
        (Farewell::TopicName, 0x90),
        (Farewell::TopicAlias, 0x94),
        (Farewell::TooLarge, 0x95),
        (Farewell::Quota, 0x97),
    ] {
        assert_eq!(written(Version::V5, &Outgoing::Farewell(farewell)), [0xe0, 2, code, 0]);
        assert!(written(Version::V4, &Outgoing::Farewell(farewell)).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), first in any::<u8>()) {
        let mut stream = BytesMut::new();
        // A random length field would hardly ever frame a packet.
        stream.put_u8(first);
        stream.put_u8(u8::try_from(bytes.len() & 0x7f).unwrap());
        stream.put_slice(&bytes);
        while let Ok(Some(frame)) = cut(&mut stream, 1000) {
            for version in [Version::V4, Version::V5] {
                let again = Frame { bytes: frame.bytes.clone(), head: frame.head };
                let _ = read(version, again);
            }
            let _ = read_opening(frame);
        }
    }

    #[test]
    fn no_broken_connect_makes_reading_panic(at in 0_usize..60, byte in any::<u8>(), level in 4_u8..6) {
        let mut bytes = v4_connect(|connect| {
            connect.set_login("somebody", "a secret");
            connect.last_will = Some(v4::LastWill::new("topic", "gone", rumqttc::QoS::AtLeastOnce, true));
        });
        bytes[8] = level;
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some(frame)) = cut(&mut BytesMut::from(&bytes[..]), 1000) {
            let _ = read_opening(frame);
        }
    }

    #[test]
    fn a_publish_is_read_as_it_was_written(
        topic in "[a-z/]{1,20}", payload in prop::collection::vec(any::<u8>(), 0..300), pid in 1_u16.., again in any::<bool>(),
    ) {
        let wanted = Publish {
            topic: topic.clone(),
            payload: payload.clone().into(),
            qos: Qos::AtLeastOnce,
            dup: if again { Dup::Again } else { Dup::First },
            pid,
            alias: None,
        };
        let mut stream = BytesMut::new();
        let mut publish = v4::Publish::new(topic.clone(), rumqttc::QoS::AtLeastOnce, payload.clone());
        (publish.pkid, publish.dup) = (pid, again);
        publish.write(&mut stream).unwrap();
        prop_assert_eq!(read_all(Version::V4, &stream).unwrap(), Incoming::Publish(wanted.clone()));

        let mut stream = BytesMut::new();
        let properties = v5::PublishProperties {
            user_properties: vec![("a".into(), "b".into())],
            content_type: Some("application/json".into()),
            ..v5::PublishProperties::default()
        };
        let qos = rumqttc::v5::mqttbytes::QoS::AtLeastOnce;
        let mut publish = v5::Publish::new(topic, qos, payload, Some(properties));
        (publish.pkid, publish.dup) = (pid, again);
        publish.write(&mut stream).unwrap();
        prop_assert_eq!(read_all(Version::V5, &stream).unwrap(), Incoming::Publish(wanted));
    }
}
