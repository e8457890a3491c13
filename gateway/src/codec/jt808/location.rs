//! Where a terminal is, which alarms it raises, and what stands behind that.

use super::super::calendar::{bcd, moment};
use super::super::cursor::{Cursor, has_habit};
use super::super::told::{Alarm, Place, Point, Told};
use super::items;

/// How far Chinese clocks are ahead of UTC.
const CHINA_S: i64 = 8 * 3600;
/// A terminal whose clock is that of UTC.
pub(super) const UTC: &str = "utc";
/// A terminal whose bit 29 (collision) is a fall.
pub(super) const FALL_BIT: &str = "fall_bit_29";
/// A terminal whose bit 15 is its own low battery, 16 that it was shaken, and 17 that it was taken off.
pub(super) const PENDANT_BITS: &str = "pendant_bits";

/// Without the parts that may follow.
pub(super) const LEN_MIN: usize = 28;

/// Alarms by their bit. Faults of a vehicle's devices are nobody's business here.
const ALARMS: [(u32, Alarm); 10] = [
    (0, Alarm::Sos),
    (1, Alarm::Overspeed),
    // "Danger ahead", which the wearer's terminal says by itself.
    (3, Alarm::General),
    (7, Alarm::LowBattery),
    (8, Alarm::PowerCut),
    (20, Alarm::Fence),
    (28, Alarm::Movement),
    (29, Alarm::Collision),
    (30, Alarm::Rollover),
    (31, Alarm::Door),
];

/// Bits that pendants of some makers use besides.
const OF_PENDANTS: [(u32, Alarm); 3] = [(15, Alarm::LowBattery), (16, Alarm::Vibration), (17, Alarm::Removed)];

/// A time of six bytes.
pub(super) fn time(from: &mut Cursor<'_>, profile: Option<&str>) -> Option<jiff::Timestamp> {
    let ahead_s = if has_habit(profile, UTC) { 0 } else { CHINA_S };
    let (date, time) = (from.array().and_then(bcd), from.array().and_then(bcd));
    moment(date?, time?, ahead_s)
}

/// Reads one location into `told`. `false` when there is none: a beginning of it still tells whether it is a call for
/// help.
pub(super) fn read(body: &[u8], profile: Option<&str>, told: &mut Told) -> bool {
    let mut fields = Cursor::new(body);
    let bits = fields.u32();
    let is_whole = body.len() >= LEN_MIN;
    if !is_whole {
        if bits.is_some_and(|bits| bits & 1 == 1) {
            told.points.push(Point { alarms: Alarm::Sos.into(), ..Point::default() });
            told.unread("position");
            return true;
        }
        return false;
    }
    let mut number = || fields.u32().unwrap_or_default();
    let (status, lat, lon) = (number(), number(), number());
    let signed = |is_negative: bool, millionths: u32| {
        let degrees = f64::from(millionths) / 1e6;
        if is_negative && millionths != 0 { -degrees } else { degrees }
    };
    let (altitude, speed, course) = (fields.u16(), fields.u16(), fields.u16());
    let bits = bits.unwrap_or_default();
    let mut point = Point {
        place: Place::of(signed(status & 4 != 0, lat), signed(status & 8 != 0, lon)),
        valid: Some(status & 2 != 0),
        altitude_m: altitude.map(|altitude| f64::from(altitude.cast_signed())),
        speed_kmh: speed.map(|speed| f64::from(speed) / 10.0),
        course_deg: course.map(f64::from),
        at: time(&mut fields, profile),
        alarms: ALARMS.iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, alarm)| *alarm).collect(),
        ..Point::default()
    };
    if point.place == Place::OutOfRange {
        point.valid = Some(false);
    }
    if point.at.is_none() {
        told.unread("time");
    }
    if has_habit(profile, PENDANT_BITS) {
        let set = OF_PENDANTS.iter().filter(|(bit, _)| bits & (1 << bit) != 0);
        set.for_each(|(_, alarm)| point.alarms.add(*alarm));
    }
    if has_habit(profile, FALL_BIT) && bits & (1 << 29) != 0 {
        point.alarms.add(Alarm::Fall);
    }
    items::read(fields.rest(), profile, &mut point);
    told.points.push(point);
    true
}
