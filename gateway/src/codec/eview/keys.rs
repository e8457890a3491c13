//! Keyed values: where, when, what alarm, what is heard around.

use domain::place::Source;
use jiff::Timestamp;
use wire::report::{AccessPoint, Cell, Vital};

use super::super::reading;
use super::super::told::{Alarm, Alarms, Kind, Place, Point, Told};
use super::frame::{Frame, command};

/// Points in one frame.
const POINTS_MAX: usize = 1000;

/// What a frame of keys says.
pub(super) struct Read {
    pub(super) imei: Option<String>,
    pub(super) told: Told,
}

/// Reads the keys of a frame with data or with a request.
pub(super) fn read(frame: &Frame<'_>) -> Read {
    let mut imei = None;
    let mut told = Told::default();
    let mut building = Building::default();
    for (key, value) in frame.keyed() {
        if building.keys.contains(&key) {
            told.points.push(std::mem::take(&mut building).point());
            if told.points.len() >= POINTS_MAX {
                told.unread("points");
                break;
            }
        }
        building.keys.push(key);
        if key == key::IMEI {
            imei = text(value).or(imei);
        } else if building.take(key, value, &mut told).is_none() {
            told.unread(&format!("key {key:02X}"));
        }
    }
    // The press is not doubted for what is missing behind it.
    if let Some((key::ALARM, begun)) = frame.cut_off() {
        let bits = begun.iter().take(4).rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let rung = rung(bits);
        let is_unknown = rung.is_empty() && begun.len() < 4;
        building.point.alarms = building.point.alarms | if is_unknown { Alarm::General.into() } else { rung };
        told.unread(&format!("key {:02X}", key::ALARM));
    }
    let is_timed = building.timed || !told.points.is_empty();
    told.points.push(building.point());
    let is_placed = told.points.iter().any(|point| point.place != Place::Untold);
    told.kind = match (told.alarms().is_empty(), is_timed || is_placed) {
        (false, _) => Kind::Alarm,
        (true, true) => Kind::Fix,
        (true, false) => Kind::Status,
    };
    told.word = if frame.command == command::DATA { "01" } else { "03" }.into();
    Read { imei, told }
}

/// The keys that are understood.
mod key {
    pub(super) const IMEI: u8 = 0x01;
    pub(super) const ALARM: u8 = 0x02;
    pub(super) const BATTERY: u8 = 0x14;
    pub(super) const WIFI_NAMED: u8 = 0x19;
    pub(super) const GNSS: u8 = 0x20;
    pub(super) const CELLS: u8 = 0x21;
    pub(super) const WIFI: u8 = 0x22;
    pub(super) const HOME_BEACON: u8 = 0x23;
    pub(super) const GENERAL: u8 = 0x24;
    pub(super) const HOME_BEACON_TOO: u8 = 0x26;
    pub(super) const NETWORK_PLACE: u8 = 0x27;
    pub(super) const BEACON: u8 = 0x28;
    pub(super) const CELLS_WIDE: u8 = 0x29;
    pub(super) const WIFI_PLACE: u8 = 0x2A;
    pub(super) const CELLS_WIDER: u8 = 0x2B;
    pub(super) const BEACON_TOO: u8 = 0x2C;
    pub(super) const STEPS: u8 = 0x30;
    pub(super) const HEART_RATE: u8 = 0x40;
    pub(super) const OXYGEN: u8 = 0x41;
}

/// A point while its keys come in.
#[derive(Default)]
struct Building {
    keys: Vec<u8>,
    point: Point,
    timed: bool,
}

impl Building {
    /// Takes in one value; `None` when it is too short for what it should be.
    fn take(&mut self, key: u8, value: &[u8], told: &mut Told) -> Option<()> {
        let mut value = Bytes(value);
        let point = &mut self.point;
        match key {
            key::ALARM => {
                let Some(bits) = value.u32() else {
                    // An alarm, and nobody knows which.
                    point.alarms = Alarm::General.into();
                    return None;
                };
                point.alarms = rung(bits);
                if let Some(at) = value.time()
                    && point.at.is_none()
                {
                    point.at = Some(at);
                }
                let unknown = bits & !KNOWN_BITS;
                if unknown != 0 {
                    told.unread(&format!("alarm bits {unknown:08X}"));
                }
            }
            key::BATTERY => point.battery_pct = Some(value.u8()?.min(100)),
            key::GENERAL => {
                let at = value.time();
                self.timed = true;
                point.at = at.or(point.at);
                let status = value.u32()?;
                told.status.charging = Some(status & 1 << 4 != 0);
                point.stored = status & 1 << 7 != 0;
                let battery = (status >> 24).to_le_bytes()[0];
                point.battery_pct = Some(battery).filter(|pct| *pct <= 100);
            }
            key::GNSS => {
                let place = value.place()?;
                point.speed_kmh = value.u16().map(f64::from);
                point.course_deg = value.u16().map(f64::from);
                point.altitude_m = value.i16().map(f64::from);
                // Without a dilution of precision there was no fix.
                let is_valid = value.u16().is_none_or(|hdop| hdop > 0);
                let _mileage = value.u32();
                point.satellites = value.u8().map(u32::from);
                if point.valid != Some(true) {
                    (point.place, point.valid, point.source) = (place, Some(is_valid), Some(Source::Gnss));
                }
            }
            key::HOME_BEACON | key::HOME_BEACON_TOO => {
                value.skip(6)?;
                let place = value.place()?;
                self.lies_at(place, Source::Beacon);
            }
            key::NETWORK_PLACE => {
                let place = value.place()?;
                let accuracy_m = value.u16().map(f64::from);
                self.lies_at(place, Source::Cell);
                self.point.accuracy_m = accuracy_m.or(self.point.accuracy_m);
            }
            key::BEACON | key::BEACON_TOO | key::WIFI_PLACE => {
                let flags = value.u8()?;
                let source = if key == key::WIFI_PLACE { Source::Wifi } else { Source::Beacon };
                // Address and signal; a beacon tells its signal at one metre too, the newer ones one byte more.
                value.skip(
                    7 + match key {
                        key::WIFI_PLACE => 0,
                        key::BEACON => 1,
                        _ => 2,
                    },
                )?;
                if flags & 0x80 != 0 {
                    let place = value.place()?;
                    self.lies_at(place, source);
                }
            }
            key::STEPS => {
                value.skip(4)?;
                told.steps = Some(value.u32()?);
            }
            // One and zero are what the sensor says of nobody.
            key::HEART_RATE => {
                value.skip(4)?;
                let bpm = u16::from(value.u8()?);
                told.vitals.extend((bpm > 1).then_some(Vital::HeartRate { bpm }));
            }
            key::OXYGEN => {
                value.skip(4)?;
                let pct = value.u8()?;
                told.vitals.extend((2..=100).contains(&pct).then_some(Vital::Oxygen { pct }));
            }
            _ => self.hears(key, value)?,
        }
        Some(())
    }

    /// Takes in what is heard around; `None` when it is too short.
    fn hears(&mut self, key: u8, mut value: Bytes<'_>) -> Option<()> {
        let point = &mut self.point;
        match key {
            key::CELLS => cells(&mut value, point, Width { mnc: 1, lac: 2, cid: 2 })?,
            key::CELLS_WIDE => cells(&mut value, point, Width { mnc: 1, lac: 2, cid: 4 })?,
            key::CELLS_WIDER => {
                let widths = [(1, 2), (2, 2), (1, 4), (2, 4)].map(|(mnc, lac)| Width { mnc, lac, cid: 4 });
                let len = value.0.len();
                let width = widths.into_iter().find(|width| width.fits(len))?;
                cells(&mut value, point, width)?;
            }
            key::WIFI => {
                while !value.0.is_empty() {
                    let (rssi, mac) = (value.i8()?, value.mac()?);
                    let access_points = &mut point.surroundings.access_points;
                    access_points.push(AccessPoint { mac, rssi_dbm: Some(rssi.into()), ssid: None });
                }
            }
            key::WIFI_NAMED => {
                while !value.0.is_empty() {
                    let (rssi, mac, len) = (value.i8()?, value.mac()?, value.u8()?);
                    let name = reading::printable(&String::from_utf8_lossy(value.take(len.into())?), 32);
                    let ssid = Some(name).filter(|name| !name.is_empty());
                    point.surroundings.access_points.push(AccessPoint { mac, rssi_dbm: Some(rssi.into()), ssid });
                }
            }
            // Call records, activity, and what other models have.
            _ => {}
        }
        Some(())
    }

    /// A place that is as good as a fix, unless there is one.
    fn lies_at(&mut self, place: Place, source: Source) {
        if self.point.valid != Some(true) && place.position().is_some() {
            (self.point.place, self.point.valid, self.point.source) = (place, Some(true), Some(source));
        }
    }

    fn point(self) -> Point {
        let mut point = self.point;
        if !matches!(point.place, Place::At(_)) {
            point.valid = Some(false);
        }
        point
    }
}

/// What each bit of an alarm raises.
const ALARM_BITS: [(u8, Alarm); 11] = [
    (0, Alarm::LowBattery),
    (1, Alarm::Overspeed),
    (2, Alarm::Fall),
    // Lying tilted, and not moving at all: somebody has to look.
    (3, Alarm::General),
    (8, Alarm::PowerOff),
    (9, Alarm::PowerOn),
    (10, Alarm::Movement),
    (11, Alarm::General),
    (12, Alarm::Sos),
    // The side keys call a contact; that nobody comes is not ours to decide.
    (13, Alarm::General),
    (14, Alarm::General),
];
/// The fences, and the bits that say whether one was entered.
const FENCE_BITS: [(u8, u8); 4] = [(4, 26), (5, 27), (6, 28), (7, 29)];
/// All of those, and 31, which marks the sound of a dog on another model.
const KNOWN_BITS: u32 = 0xBC00_7FFF;

/// What rings: an alarm of which nobody knows any bit is one all the same.
fn rung(bits: u32) -> Alarms {
    let known = alarms(bits);
    let is_unknown = bits & !KNOWN_BITS != 0;
    if known.is_empty() && is_unknown { Alarm::General.into() } else { known }
}

fn alarms(bits: u32) -> Alarms {
    let is_set = |bit: u8| bits & 1 << bit != 0;
    let plain = ALARM_BITS.into_iter().filter(|(bit, _)| is_set(*bit)).map(|(_, alarm)| alarm);
    let fences = FENCE_BITS.into_iter().filter(|(bit, _)| is_set(*bit));
    let fences = fences.map(|(_, entered)| if is_set(entered) { Alarm::FenceEnter } else { Alarm::FenceExit });
    plain.chain(fences).collect()
}

/// Bytes of each part of a cell.
#[derive(Clone, Copy)]
struct Width {
    mnc: usize,
    lac: usize,
    cid: usize,
}

impl Width {
    /// The country, the network, then cells of a signal, an area and an identity.
    fn fits(self, len: usize) -> bool {
        let cell = 1 + self.lac + self.cid;
        len.checked_sub(2 + self.mnc).is_some_and(|cells| cells > 0 && cells % cell == 0)
    }
}

fn cells(value: &mut Bytes<'_>, point: &mut Point, width: Width) -> Option<()> {
    let mcc = value.u16()?;
    let mnc = u16::try_from(value.uint(width.mnc)?).ok()?;
    while !value.0.is_empty() {
        let signal = Some(value.i8()?.into());
        let lac = u32::try_from(value.uint(width.lac)?).ok()?;
        let cid = value.uint(width.cid)?;
        point.surroundings.cells.push(Cell { mcc, mnc, lac, cid, signal });
    }
    Some(())
}

/// The IMEI in a frame of settings.
pub(super) fn imei_in_config(frame: &Frame<'_>) -> Option<String> {
    const IMEI: u8 = 0x03;
    frame.keyed().find(|(key, _)| *key == IMEI).and_then(|(_, value)| text(value))
}

/// What a request for services is answered with: the time, and for a place that it asks for that we do not know it.
pub(super) fn served(frame: &Frame<'_>, now: Timestamp) -> Vec<u8> {
    let mut body = vec![command::SERVICES];
    for (key, _) in frame.keyed() {
        match key {
            0x12 => {
                let seconds = u32::try_from(now.as_second()).unwrap_or_default();
                body.extend([5, key]);
                body.extend(seconds.to_le_bytes());
            }
            0x11 | 0x21 | 0x22 => {
                body.extend([10, key]);
                body.extend([0; 9]);
            }
            _ => {}
        }
    }
    body
}

/// Fifteen digits, or whatever a maker puts there.
fn text(value: &[u8]) -> Option<String> {
    let text = reading::printable(&String::from_utf8_lossy(value), 32);
    (!text.is_empty()).then_some(text)
}

/// Little-endian values, one after the other.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn uint(&mut self, len: usize) -> Option<u64> {
        Some(self.take(len)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn mac(&mut self) -> Option<[u8; 6]> {
        self.array()
    }

    /// Seconds since 1970; zero when its clock was never set.
    fn time(&mut self) -> Option<Timestamp> {
        let seconds = self.u32().filter(|seconds| *seconds > 0)?;
        Timestamp::from_second(seconds.into()).ok()
    }

    fn place(&mut self) -> Option<Place> {
        let mut degrees = || Some(f64::from(i32::from_le_bytes(self.array()?)) / 1e7);
        Some(Place::of(degrees()?, degrees()?))
    }
}
