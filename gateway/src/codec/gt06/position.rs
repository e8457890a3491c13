//! Places, cells and access points.

use wire::report::{AccessPoint, Cell, Surroundings};

use super::super::calendar::moment;
use super::super::cursor::Cursor;
use super::super::told::{Place, Point};

/// Units of latitude and longitude in a degree.
const PER_DEGREE: f64 = 1_800_000.0;

/// How a message writes a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// Two bytes of area, three of cell.
    Narrow,
    /// Two bytes of area, four of cell.
    Middle,
    /// Four bytes of area, eight of cell.
    Wide,
}

/// Time, satellites, latitude, longitude, speed, course and flags: 18 bytes.
pub(super) fn place(from: &mut Cursor<'_>, ahead_s: i64) -> Option<Point> {
    let mut fields = Cursor::new(from.take(18)?);
    let (date, time) = (fields.array()?, fields.array()?);
    let satellites = u32::from(fields.u8()? & 15);
    let (lat, lon) = (f64::from(fields.u32()?) / PER_DEGREE, f64::from(fields.u32()?) / PER_DEGREE);
    let speed = fields.u8()?;
    let flags = fields.u16()?;
    let sign = |positive: bool, degrees: f64| if positive || degrees == 0.0 { degrees } else { -degrees };
    Some(Point {
        at: moment(date, time, ahead_s),
        place: Place::of(sign(flags & 0x0400 != 0, lat), sign(flags & 0x0800 == 0, lon)),
        valid: Some(flags & 0x1000 != 0),
        speed_kmh: Some(f64::from(speed)),
        course_deg: Some(f64::from(flags & 0x03ff)),
        satellites: Some(satellites),
        ..Point::default()
    })
}

/// Country and network: one byte of network, or two where the country's highest bit is set.
pub(super) fn network(from: &mut Cursor<'_>) -> Option<(u16, u16)> {
    let mcc = from.u16()?;
    let mnc = if mcc & 0x8000 == 0 { u16::from(from.u8()?) } else { from.u16()? };
    Some((mcc & 0x7fff, mnc))
}

/// One cell of a network.
pub(super) fn cell(from: &mut Cursor<'_>, (mcc, mnc): (u16, u16), width: Width) -> Option<Cell> {
    let (lac, cid) = match width {
        Width::Narrow => (u32::from(from.u16()?), u64::from(from.u24()?)),
        Width::Middle => (u32::from(from.u16()?), u64::from(from.u32()?)),
        Width::Wide => (from.u32()?, from.u64()?),
    };
    Some(Cell { mcc, mnc, lac, cid, signal: None })
}

/// A network with one cell.
pub(super) fn network_and_cell(from: &mut Cursor<'_>, width: Width) -> Option<Cell> {
    let network = network(from)?;
    cell(from, network, width)
}

/// A network, seven cells with their signals, the timing advance, and perhaps access points.
pub(super) fn heard(from: &mut Cursor<'_>, width: Width) -> Option<Surroundings> {
    let network = network(from)?;
    let mut heard = Surroundings::default();
    for _ in 0..7 {
        let Some(mut cell) = cell(from, network, width) else { break };
        cell.signal = from.u8().map(i16::from);
        if (cell.lac, cell.cid) != (0, 0) {
            heard.cells.push(cell);
        }
    }
    let _timing_advance = from.u8();
    // What follows may be access points, or a language of two bytes.
    let mut list = *from;
    if let Some(count) = list.u8()
        && list.len() >= 7 * usize::from(count)
    {
        for _ in 0..count {
            heard.access_points.extend(access_point(&mut list));
        }
        *from = list;
    }
    Some(heard)
}

/// An address and how strong it is heard: some send the amount of dBm, some the signed number.
pub(super) fn access_point(from: &mut Cursor<'_>) -> Option<AccessPoint> {
    let mac = from.array()?;
    let rssi = from.u8()?;
    let dbm = i16::from(i8::from_be_bytes([rssi]));
    Some(AccessPoint { mac, rssi_dbm: Some(if dbm > 0 { -dbm } else { dbm }).filter(|dbm| *dbm != 0), ssid: None })
}
