//! What stands behind a location: items of an identity, a length and a value. The same identity means different things
//! with different makers; what has another length than expected is left out.

use wire::report::{AccessPoint, Cell};

use super::super::cursor::{Cursor, has_habit};
use super::super::told::{Alarm, Point};

/// A model with cells and access points in the items 53, 54 and 5D.
pub(super) const RADIO_ITEMS: &str = "radio_items";
/// A model (Jimi) with its alarms in item E8.
pub(super) const JIMI: &str = "jimi";

/// Reads a value.
type Reader = fn(&[u8], &mut Point);

/// Items by identity: whether all terminals have them or only those with a habit, and how they are read.
const ITEMS: &[(u8, Option<&str>, Reader)] = &[
    (0x12, None, area),
    (0x31, None, satellites),
    (0x53, Some(RADIO_ITEMS), old_cells),
    (0x54, Some(RADIO_ITEMS), counted_access_points),
    (0x56, None, level),
    (0x5d, Some(RADIO_ITEMS), new_cells),
    (0xd4, None, percent),
    (0xe1, None, cell_or_percent),
    (0xe3, None, middle_percent),
    (0xe4, None, last_percent),
    (0xe8, Some(JIMI), event),
    (0xe9, None, percent),
    (0xeb, None, nested),
    (0xec, None, access_points),
    (0xf0, None, wide_cells),
    (0xf4, None, access_points),
    (0xfe, None, percent),
];

/// Items within item EB, by identity.
const NESTED: &[(u16, Reader)] =
    &[(0x00a8, percent), (0x00b9, listed_access_points), (0x00d8, one_cell), (0x00e1, percent)];

/// Reads all items that are complete.
pub(super) fn read(bytes: &[u8], profile: Option<&str>, point: &mut Point) {
    let mut fields = Cursor::new(bytes);
    while let (Some(id), Some(len)) = (fields.u8(), fields.u8()) {
        let Some(value) = fields.take(usize::from(len)) else { break };
        for (_, habit, reader) in ITEMS.iter().filter(|(known, ..)| *known == id) {
            if habit.is_none_or(|habit| has_habit(profile, habit)) {
                reader(value, point);
            }
        }
    }
}

/// In which direction a fence was crossed.
fn area(value: &[u8], point: &mut Point) {
    if let [_, _, _, _, _, direction] = *value
        && point.alarms.contains(Alarm::Fence)
    {
        point.alarms.add(if direction == 0 { Alarm::FenceEnter } else { Alarm::FenceExit });
    }
}

fn satellites(value: &[u8], point: &mut Point) {
    if let [count] = *value {
        point.satellites = Some(count.into());
    }
}

fn percent(value: &[u8], point: &mut Point) {
    if let [pct @ 0..=100] = *value {
        point.battery_pct = Some(pct);
    }
}

fn last_percent(value: &[u8], point: &mut Point) {
    if let [pct @ 0..=100] | [_, pct @ 0..=100] = *value {
        point.battery_pct = Some(pct);
    }
}

fn middle_percent(value: &[u8], point: &mut Point) {
    if let [_, pct @ 0..=100, _, _] = *value {
        point.battery_pct = Some(pct);
    }
}

/// Ten steps and a percentage, of which one may be missing.
fn level(value: &[u8], point: &mut Point) {
    match *value {
        [_, pct @ 1..=100] => point.battery_pct = Some(pct),
        [level @ 0..=10, _] => point.battery_pct = Some(level * 10),
        _ => {}
    }
}

/// Country, network, and cells of eight bytes; or a percentage alone.
fn cell_or_percent(value: &[u8], point: &mut Point) {
    percent(value, point);
    if value.len() < 12 || !(value.len() - 4).is_multiple_of(8) {
        return;
    }
    let mut fields = Cursor::new(value);
    let (Some(mcc), Some(mnc)) = (fields.u16(), fields.u16()) else { return };
    while let (Some(lac), Some(cid), Some(signal)) = (fields.u24(), fields.u32(), fields.u8()) {
        push_cell(point, (mcc, mnc), lac, cid, signal);
    }
}

fn push_cell(point: &mut Point, (mcc, mnc): (u16, u16), lac: u32, cid: u32, signal: u8) {
    let signal = Some(i16::from(signal));
    point.surroundings.cells.push(Cell { mcc, mnc, lac, cid: cid.into(), signal });
}

/// Thirteen bytes each, with country and network of their own.
fn wide_cells(value: &[u8], point: &mut Point) {
    if !value.len().is_multiple_of(13) {
        return;
    }
    let mut fields = Cursor::new(value);
    while let (Some(mcc), Some(mnc), Some(cid), Some(lac), Some(signal)) =
        (fields.u16(), fields.u16(), fields.u32(), fields.u32(), fields.u8())
    {
        push_cell(point, (mcc, mnc), lac, cid, signal);
    }
}

fn old_cells(value: &[u8], point: &mut Point) {
    let mut fields = Cursor::new(value);
    if fields.u8().is_none_or(|count| fields.len() != usize::from(count) * 8) {
        return;
    }
    while let (Some(mcc), Some(mnc), Some(lac), Some(cid), Some(signal)) =
        (fields.u16(), fields.u8(), fields.u16(), fields.u16(), fields.u8())
    {
        push_cell(point, (mcc, mnc.into()), lac.into(), cid.into(), signal);
    }
}

fn new_cells(value: &[u8], point: &mut Point) {
    let mut fields = Cursor::new(value);
    if fields.u8().is_none_or(|count| fields.len() != usize::from(count) * 10) {
        return;
    }
    while let (Some(mcc), Some(mnc), Some(lac), Some(cid), Some(signal)) =
        (fields.u16(), fields.u8(), fields.u16(), fields.u32(), fields.u8())
    {
        push_cell(point, (mcc, mnc.into()), lac.into(), cid, signal);
    }
}

fn access_points(value: &[u8], point: &mut Point) {
    if !value.len().is_multiple_of(7) {
        return;
    }
    let mut fields = Cursor::new(value);
    while let (Some(mac), Some(rssi)) = (fields.array(), fields.u8()) {
        let rssi_dbm = Some(i16::from(i8::from_be_bytes([rssi]))).filter(|dbm| *dbm < 0);
        point.surroundings.access_points.push(AccessPoint { mac, rssi_dbm, ssid: None });
    }
}

fn counted_access_points(value: &[u8], point: &mut Point) {
    if let Some((count, list)) = value.split_first()
        && list.len() == usize::from(*count) * 7
    {
        access_points(list, point);
    }
}

/// How many, and then text: `54:B1:21:66:C9:E2,-50,…`.
fn listed_access_points(value: &[u8], point: &mut Point) {
    let text = value.get(1..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let mut fields = text.split(',');
    while let (Some(mac), rssi) = (fields.next(), fields.next()) {
        let mut bytes = [0; 6];
        let digits = mac.replace(':', "");
        let is_mac = digits.len() == 12
            && bytes.iter_mut().enumerate().all(|(at, byte)| {
                let pair = digits.get(2 * at..2 * at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                pair.map(|pair| *byte = pair).is_some()
            });
        if is_mac {
            let rssi_dbm = rssi.and_then(|rssi| rssi.trim().parse().ok());
            point.surroundings.access_points.push(AccessPoint { mac: bytes, rssi_dbm, ssid: None });
        }
    }
}

/// Country, network, area, cell: nine bytes.
fn one_cell(value: &[u8], point: &mut Point) {
    let mut fields = Cursor::new(value);
    if let (Some(mcc), Some(mnc), Some(lac), Some(cid)) = (fields.u16(), fields.u8(), fields.u16(), fields.u32()) {
        let cell = Cell { mcc, mnc: mnc.into(), lac: lac.into(), cid: cid.into(), signal: None };
        point.surroundings.cells.push(cell);
    }
}

/// Items within an item, with lengths and identities of two bytes; or a network's cells.
fn nested(value: &[u8], point: &mut Point) {
    let mut fields = Cursor::new(value);
    let mut inner = Vec::new();
    while let Some(len) = fields.u16() {
        match fields.take(len.into()).and_then(<[u8]>::split_first_chunk::<2>) {
            Some((id, value)) => inner.push((u16::from_be_bytes(*id), value)),
            None => break,
        }
    }
    if inner.is_empty() {
        return network(value, point);
    }
    for (id, value) in inner {
        NESTED.iter().filter(|(known, _)| *known == id).for_each(|(_, reader)| reader(value, point));
    }
}

/// Country, network, and cells of five bytes.
fn network(value: &[u8], point: &mut Point) {
    let mut fields = Cursor::new(value);
    let (Some(mcc), Some(mnc)) = (fields.u16(), fields.u8()) else { return };
    if !(200..800).contains(&mcc) || !fields.len().is_multiple_of(5) {
        return;
    }
    while let (Some(lac), Some(cid), Some(signal)) = (fields.u16(), fields.u16(), fields.u8()) {
        push_cell(point, (mcc, mnc.into()), lac.into(), cid.into(), signal);
    }
}

/// Which event, and the number under which it is kept.
fn event(value: &[u8], point: &mut Point) {
    match *value {
        [0x0c, 0x01, ..] => point.alarms.add(Alarm::Sos),
        [0x04, 0x08, ..] => point.alarms.add(Alarm::FenceEnter),
        [0x04, 0x09, ..] => point.alarms.add(Alarm::FenceExit),
        [0x04, 0x06, ..] => point.alarms.add(Alarm::Vibration),
        [0, 0, ..] | [] | [_] => {}
        // Nobody knows which.
        _ => point.alarms.add(Alarm::General),
    }
}
