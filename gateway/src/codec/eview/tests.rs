//! Pendants: what each key says, damage, replies, and streams cut anywhere.

use jiff::Timestamp;
use proptest::prelude::*;
use wire::directory::Dialect;
use wire::report::{Doubt, Event, Freshness};
use wire::topics::Lane;

use super::*;
use crate::codec::conversation::{Conversation, framing};
use crate::codec::framing::{Piece, Stream};
use crate::codec::told::{Alarm, Alarms};

const IMEI: &[u8; 15] = b"861000000000017";
/// 2026-01-01T08:00:00Z.
const AT: u32 = 1_767_254_400;

fn context(strictness: Strictness) -> Context<'static> {
    Context { profile: None, received_at: Timestamp::new(AT.into(), 0).unwrap(), strictness }
}

fn lenient() -> Context<'static> {
    context(Strictness::Lenient)
}

fn keyed(key: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value.len() + 1).unwrap(), key];
    bytes.extend(value);
    bytes
}

fn data(seq: u16, keys: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![command::DATA];
    body.extend(keyed(0x01, IMEI));
    for key in keys {
        body.extend(key);
    }
    frame::written(0x10, seq, &body)
}

fn general(at: u32, battery: u8) -> Vec<u8> {
    let mut value = at.to_le_bytes().to_vec();
    value.extend([0x10, 0, 0, battery]);
    keyed(0x24, &value)
}

fn alarm(bits: u32) -> Vec<u8> {
    keyed(0x02, &[bits.to_le_bytes(), AT.to_le_bytes()].concat())
}

/// 开福寺.
fn gnss(hdop: u16) -> Vec<u8> {
    let mut value = 282_282_000_i32.to_le_bytes().to_vec();
    value.extend(1_129_388_000_i32.to_le_bytes());
    value.extend([4, 0, 90, 0, 44, 0]);
    value.extend(hdop.to_le_bytes());
    value.extend([0, 0, 0, 0, 9]);
    keyed(0x20, &value)
}

fn turn(bytes: &[u8]) -> Turn<'_> {
    Session::default().read(bytes, &lenient())
}

#[test]
fn an_sos_says_who_where_and_when_and_is_acknowledged_once_durable() {
    let bytes = data(7, &[general(AT, 64), alarm(1 << 12), gnss(12)]);
    let turn = turn(&bytes);
    assert_eq!(turn.identity.as_deref(), Some("861000000000017"));
    assert_eq!((turn.told.kind, turn.lane()), (Kind::Alarm, Lane::Alert));
    let reply = &turn.replies[0];
    assert_eq!((hex::encode(&reply.bytes), reply.when), ("ab00030008c707007f0100".to_owned(), When::Durable));
    let decoded = turn.into_decoded(lenient().received_at);
    assert!(matches!(decoded.event, Some(Event::Alert { kind: domain::press::AlertKind::Sos })));
    let fix = &decoded.fixes[0];
    assert_eq!((fix.lat_deg, fix.lon_deg, fix.speed_kmh), (28.2282, 112.9388, Some(4.0)));
    assert_eq!(fix.device_at, Some(lenient().received_at));
    let status = decoded.status.unwrap();
    assert_eq!((status.battery_pct, status.charging), (Some(64), Some(true)));
    assert_eq!(decoded.doubts, []);
}

#[test]
fn every_alarm_bit_has_a_name() {
    let raised = |bits: u32| turn(&data(1, &[alarm(bits)])).told.alarms();
    for (bit, expected) in [
        (0, Alarm::LowBattery),
        (1, Alarm::Overspeed),
        (2, Alarm::Fall),
        (4, Alarm::FenceExit),
        (7, Alarm::FenceExit),
        (8, Alarm::PowerOff),
        (9, Alarm::PowerOn),
        (10, Alarm::Movement),
        (12, Alarm::Sos),
        (13, Alarm::General),
    ] {
        assert_eq!(raised(1 << bit), Alarms::from(expected), "bit {bit}");
    }
    assert_eq!(raised(1 << 5 | 1 << 27), Alarms::from(Alarm::FenceEnter));
    assert_eq!(raised(1 << 12 | 1 << 2), Alarms::from(Alarm::Sos) | Alarm::Fall.into());
    assert_eq!(raised(1 << 31), Alarms::default());
    let strange = data(1, &[alarm(1 << 20)]);
    assert_eq!(turn(&strange).told.doubts, [Doubt::Field { name: "alarm bits 00100000".into() }]);
}

#[test]
fn a_press_at_the_end_of_a_frame_that_is_cut_off_is_one() {
    // An alarm of nine bytes of which so many are there.
    for (there, rings) in [(8, Alarm::Sos), (4, Alarm::Sos), (3, Alarm::Sos), (1, Alarm::General), (0, Alarm::General)]
    {
        let mut key = alarm(1 << 12);
        key.truncate(2 + there);
        key[0] = 10;
        let bytes = data(7, &[general(AT, 64), key]);
        let turn = turn(&bytes);
        assert_eq!(turn.told.alarms(), Alarms::from(rings), "{there} bytes are there");
        assert_eq!((turn.lane(), turn.replies[0].when), (Lane::Alert, When::Durable));
    }
    let mut battery = keyed(0x14, &[1, 2]);
    battery.truncate(3);
    let bytes = data(7, &[battery]);
    assert_eq!(turn(&bytes).lane(), Lane::Telemetry);
}

#[test]
fn a_fix_without_a_dilution_of_precision_is_the_last_known_one() {
    let decoded = turn(&data(1, &[general(AT, 64), gnss(0)])).into_decoded(lenient().received_at);
    assert_eq!(decoded.fixes[0].freshness, Freshness::LastKnown);
}

#[test]
fn beacons_and_access_points_with_a_place_are_places() {
    let place = [282_282_000_i32.to_le_bytes(), 1_129_388_000_i32.to_le_bytes()].concat();
    let mac = [0x14, 0x53, 0x9b, 0xc6, 0x01, 0x02];
    for (key, before, flags, source) in [
        (0x23, vec![], None, "beacon"),
        (0x28, vec![0xc0, 0xb5], Some(0x80), "beacon"),
        (0x2C, vec![0xc0, 0xb5, 0x64], Some(0xc0), "beacon"),
        (0x2A, vec![0xc0], Some(0x80), "wifi"),
        (0x27, vec![], None, "cell"),
    ] {
        let mut value: Vec<u8> = flags.into_iter().collect();
        if key != 0x27 {
            value.extend(mac);
        }
        value.extend(before);
        value.extend(&place);
        value.extend(b"\x04home");
        let bytes = data(1, &[general(AT, 64), keyed(key, &value)]);
        let point = turn(&bytes).told.points.remove(0);
        assert_eq!(
            point.place.position().map(|place| (place.lat_deg(), place.lon_deg())),
            Some((28.2282, 112.9388)),
            "{key:02X}"
        );
        assert_eq!(point.source.map(domain::word::Word::as_str), Some(source), "{key:02X}");
    }
    let nameless = data(1, &[general(AT, 64), keyed(0x2A, &[0x40, 1, 2, 3, 4, 5, 6, 0xba, b'h'])]);
    assert_eq!(turn(&nameless).told.points[0].valid, Some(false), "its flags tell of no place");
}

#[test]
fn what_is_heard_around_is_kept() {
    let cells = keyed(0x21, &[0xcc, 0x01, 0, 0xc8, 0x4a, 0x00, 0x5d, 0xc3, 0xb0, 0x4b, 0x00, 0x5e, 0xc3]);
    let wide = keyed(0x29, &[0xcc, 0x01, 0, 0xc8, 0x4a, 0x00, 0x5d, 0xc3, 0x01, 0x00]);
    let wifi = keyed(0x22, &[0xca, 0x14, 0x53, 0x9b, 0xc6, 0x01, 0x02]);
    let named = keyed(0x19, &[0xca, 0x14, 0x53, 0x9b, 0xc6, 0x01, 0x02, 4, b'h', b'o', b'm', b'e']);
    let bytes = data(1, &[general(AT, 64), cells, wide, wifi, named]);
    let around = turn(&bytes).told.points.remove(0).surroundings;
    let told: Vec<_> = around.cells.iter().map(|cell| (cell.mcc, cell.mnc, cell.lac, cell.cid, cell.signal)).collect();
    assert_eq!(told[0], (460, 0, 0x4a, 0xc35d, Some(-56)));
    assert_eq!(told[2], (460, 0, 0x4a, 0x1_c35d, Some(-56)));
    assert_eq!(around.access_points[0].rssi_dbm, Some(-54));
    assert_eq!(around.access_points[1].ssid.as_deref(), Some("home"));
}

#[test]
fn a_key_that_comes_again_begins_a_new_point() {
    let stored = general(AT - 600, 66);
    let bytes =
        data(1, &[stored, gnss(9), general(AT, 64), gnss(9), keyed(0x30, &[0; 8]), keyed(0x40, &[0, 0, 0, 0, 71])]);
    let told = turn(&bytes).told;
    let times: Vec<_> = told.points.iter().map(|point| point.at.unwrap().as_second()).collect();
    assert_eq!(times, [i64::from(AT) - 600, i64::from(AT)]);
    assert_eq!((told.steps, told.vitals.len()), (Some(0), 1));
}

#[test]
fn a_damaged_sos_is_an_sos_and_strictly_an_alarm_of_some_kind() {
    let mut bytes = data(7, &[general(AT, 64), alarm(1 << 12)]);
    bytes[4] ^= 1;
    let read = turn(&bytes);
    assert!(read.told.alarms().contains(Alarm::Sos));
    assert_eq!(read.told.doubts, [Doubt::Damaged { what: "checksum".into() }]);
    assert_eq!(read.replies.len(), 1);
    let strict = Session::default().read(&bytes, &context(Strictness::Strict));
    assert_eq!((strict.told.alarms(), strict.replies.len()), (Alarms::from(Alarm::General), 0));
    let mut position = data(7, &[general(AT, 64), gnss(9)]);
    position[4] ^= 1;
    let strict = Session::default().read(&position, &context(Strictness::Strict));
    assert_eq!(strict.told.kind, Kind::Unreadable);
}

#[test]
fn a_request_for_the_time_is_answered_and_an_answer_is_not() {
    let mut body = vec![command::SERVICES];
    body.extend(keyed(0x01, IMEI));
    body.extend(keyed(0x12, &[]));
    let asked = frame::written(0x10, 330, &body);
    let turn = turn(&asked);
    assert_eq!(turn.told.kind, Kind::Status);
    let expected = frame::written(0, 330, &[&[3, 5, 0x12][..], &AT.to_le_bytes()].concat());
    assert_eq!(turn.replies, [Reply { bytes: expected, when: When::Now }]);

    let mut session = Session::default();
    let done = frame::written(0x10, 9, &[command::RESPONSE, 1, 0]);
    let answered = session.read(&done, &lenient());
    assert_eq!(answered.replies, []);
    let answer = answered.told.answer.unwrap();
    assert_eq!((answer.number, answer.done), (Some(9), Some(true)));
    let refused = frame::written(0, 9, &[command::RESPONSE, 1, 0x14]);
    let answer = session.read(&refused, &lenient()).told.answer.unwrap();
    assert_eq!((answer.done, answer.text.as_str()), (Some(false), "14"));
}

#[test]
fn a_raw_order_is_framed_with_its_number() {
    let order = |content: &str| Order {
        version: 1,
        id: uuid::Uuid::nil(),
        serial: "861000000000017".into(),
        command: Command::Raw { content: content.into() },
        number: 300,
        not_after: Timestamp::UNIX_EPOCH,
    };
    let written = Session::default().write(&order("02 01 14"), None).unwrap();
    assert_eq!(written.bytes, frame::written(0x10, 300, &[2, 1, 0x14]));
    assert_eq!(written.answered_as.as_deref(), Some("7F"));
    assert!(matches!(Session::default().write(&order("reboot"), None), Err(CannotSay::Unfit(_))));
}

/// What a stream of bytes means, however it is cut: the identities and words of its frames.
fn heard(pieces: &[&[u8]]) -> Vec<Told> {
    let (cut, limit) = framing(Dialect::Eview).unwrap();
    let mut stream = Stream::new(cut, limit);
    let mut conversation = Conversation::begin(Dialect::Eview).unwrap();
    let mut told = Vec::new();
    for piece in pieces {
        stream.push(piece);
        while let Some(piece) = stream.next() {
            if let Piece::Frame(frame) = piece {
                told.push(conversation.read(frame, &lenient()).told);
            }
        }
    }
    told
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        any::<u32>().prop_map(|bits| alarm(bits & 0xBC00_7FFF)),
        any::<u8>().prop_map(|battery| general(AT, battery)),
        any::<u16>().prop_map(gnss),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(key, value)| keyed(key, &value)),
    ];
    (any::<u16>(), prop::collection::vec(key, 0..6)).prop_map(|(seq, keys)| data(seq, &keys))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_stream_cut_anywhere_means_the_same(
        frames in prop::collection::vec(any_frame(), 1..4),
        noise in prop::collection::vec(any::<u8>(), 0..20),
        flip in prop::option::of((any::<prop::sample::Index>(), 1..=255_u8)),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = noise;
        for frame in &frames {
            bytes.extend(frame);
        }
        if let Some((at, flip)) = flip {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        prop_assert_eq!(heard(&[&bytes]), heard(&pieces));
    }

    #[test]
    fn after_a_damaged_frame_the_next_one_is_heard(damaged in any_frame(), at in any::<prop::sample::Index>(), flip in 1..=255_u8, seq in any::<u16>()) {
        let mut bytes = damaged;
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let press = data(seq, &[general(AT, 64), alarm(1 << 12), gnss(9)]);
        bytes.extend(&press);
        let expected = turn(&press).told;
        let all = heard(&[&bytes]);
        prop_assert_eq!(all.last(), Some(&expected));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = turn(&bytes).into_decoded(lenient().received_at);
        heard(&[&bytes]);
        let framed = frame::written(0x10, 1, &[&[command::DATA], &bytes[..]].concat());
        let _ = turn(&framed).into_decoded(lenient().received_at);
    }
}
