//! The fields of a position: date, time, place, state, and what the radio hears.

use std::str::Split;

use domain::place::Source;
use jiff::Timestamp;
use wire::report::{AccessPoint, Cell, Surroundings};

use super::super::calendar::{moment, pairs};
use super::super::told::{Place, Point, Told};

/// How many fields go before the status word.
pub(super) const WORD_AT: usize = 15;

/// What stands in a position besides a [`Point`].
#[derive(Debug, Default)]
pub(super) struct State {
    /// The status word: alarms in the high half, states in the low one. `None` when it cannot be read.
    pub(super) word: Option<u32>,
}

/// Puts the fields after a message's name into `told`. `None` when they are no position at all.
pub(super) fn read(fields: &mut Split<'_, char>, told: &mut Told) -> Option<State> {
    let (date, time, fix) = (fields.next()?.trim(), fields.next()?.trim(), fields.next()?.trim());
    if !is_digits(date) || !is_digits(time) {
        return None;
    }
    let valid = match fix {
        "A" | "a" => true,
        "V" | "v" => false,
        _ => return None,
    };
    let mut point = Point { at: at(date, time), valid: Some(valid), ..Point::default() };
    if point.at.is_none() {
        told.unread("time");
    }
    let lat = signed(fields.next(), fields.next());
    let lon = signed(fields.next(), fields.next());
    if let (Some(lat), Some(lon)) = (lat, lon) {
        point.place = Place::of(lat, lon);
    } else {
        told.unread("position");
    }
    if valid {
        point.source = Some(Source::Gnss);
    }
    point.speed_kmh = number(fields.next());
    point.course_deg = number(fields.next());
    point.altitude_m = number(fields.next());
    point.satellites = count(fields.next());
    let _signal = fields.next();
    told.status.battery_pct = count(fields.next()).and_then(|pct| u8::try_from(pct).ok()).filter(|pct| *pct <= 100);
    point.battery_pct = told.status.battery_pct;
    told.steps = count(fields.next());
    let _tumbles = fields.next();
    let word = fields.next().map(str::trim);
    let hexadecimal = |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let state = State { word: word.and_then(hexadecimal) };
    if state.word.is_none() {
        told.unread("status");
    }
    network(fields, &mut point);
    told.points.push(point);
    Some(state)
}

/// The status word of a position that cannot be read otherwise: where it should stand, with all its eight digits.
pub(super) fn state_among(mut fields: Split<'_, char>) -> Option<u32> {
    let word = fields.nth(WORD_AT)?.trim();
    let is_word = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_word { u32::from_str_radix(word, 16).ok() } else { None }
}

fn is_digits(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ddmmyy` and `hhmmss`, UTC.
fn at(date: &str, time: &str) -> Option<Timestamp> {
    let [day, month, year] = pairs(date)?;
    moment([year, month, day], pairs(time)?, 0)
}

/// A number that may have a sign and a letter of a hemisphere, or either, or the same twice.
fn signed(text: Option<&str>, letter: Option<&str>) -> Option<f64> {
    let degrees = number(text)?;
    Some(match letter.map(str::trim) {
        Some("S" | "s" | "W" | "w") => -degrees.abs(),
        _ => degrees,
    })
}

fn number(text: Option<&str>) -> Option<f64> {
    let number: f64 = text?.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

/// A whole number. What some write behind it is left out: `60%`, `11.0`.
fn count(text: Option<&str>) -> Option<u32> {
    let text = text?.trim();
    let whole = || text.strip_suffix('%').or_else(|| text.split_once('.').map(|(whole, _)| whole))?.parse().ok();
    text.parse().ok().or_else(whole)
}

/// `nCells[,ta,mcc,mnc,(lac,cid,signal)×n],nWifi,(ssid,mac,rssi)×n[,accuracy]`, of which every part may be missing,
/// shorter than announced or followed by something else.
fn network(fields: &mut Split<'_, char>, point: &mut Point) {
    let Some(cells) = fields.next().map(str::trim) else { return };
    let mut rest = Vec::with_capacity(48);
    rest.extend(fields.map(str::trim));
    let mut at = 0;
    match cells.parse::<usize>() {
        Ok(0) if is_plain(&rest) => {}
        // No cells, and yet the fields that go before them.
        Ok(0) => at = 3.min(rest.len().saturating_sub(1)),
        Ok(announced) => at = read_cells(announced, &rest, &mut point.surroundings),
        Err(_) => {}
    }
    at = read_access_points(at, &rest, &mut point.surroundings);
    let left = rest.get(at..).unwrap_or_default();
    point.accuracy_m = left.iter().rev().find(|field| !field.is_empty()).and_then(|field| number(Some(field)));
}

/// Whether what follows "no cells" is at once the number of access points.
fn is_plain(rest: &[&str]) -> bool {
    rest.len() <= 2 || rest.get(2).copied().is_some_and(|field| mac(field).is_some())
}

fn read_cells(announced: usize, rest: &[&str], heard: &mut Surroundings) -> usize {
    let number = |at: usize| rest.get(at).and_then(|field| field.parse::<u16>().ok());
    let (mcc, mnc) = (number(1), number(2));
    let end = announced.saturating_mul(3).saturating_add(3).min(rest.len());
    let listed = rest.get(3..end).unwrap_or_default();
    if let (Some(mcc), Some(mnc)) = (mcc, mnc) {
        heard.cells.reserve(listed.len() / 3 + 1);
        for triple in listed.chunks(3) {
            let (Some(lac), Some(cid)) =
                (triple.first().and_then(|lac| area(lac)), triple.get(1).and_then(|cid| area(cid)))
            else {
                continue;
            };
            // The first cell of some 4G models comes the other way round; no area code is that long.
            let (lac, cid) = if lac > 0xffff && cid <= 0xffff { (cid, lac) } else { (lac, cid) };
            let Ok(lac) = u32::try_from(lac) else { continue };
            let signal = triple.get(2).and_then(|signal| signal.parse().ok());
            heard.cells.push(Cell { mcc, mnc, lac, cid, signal });
        }
    }
    end
}

/// Decimal, or hexadecimal when letters occur.
fn area(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| u64::from_str_radix(text, 16).ok())
}

fn read_access_points(at: usize, rest: &[&str], heard: &mut Surroundings) -> usize {
    let Some(announced) = rest.get(at).map(|field| field.parse::<usize>().unwrap_or(0)) else { return at };
    let mut at = at + 1;
    heard.access_points.reserve(announced.min(rest.len() / 3));
    for _ in 0..announced {
        // A name may hold commas: it ends where an address follows.
        let listed = rest.get(at + 1..).unwrap_or_default();
        let Some((more, mac)) = listed.iter().enumerate().take(8).find_map(|(more, field)| Some((more, mac(field)?)))
        else {
            break;
        };
        // A list that is cut short is believed as far as it is whole.
        let Some(rssi) = listed.get(more + 1) else { break };
        let name = match rest.get(at..=at + more).unwrap_or_default() {
            [name] => (*name).to_owned(),
            parts => parts.join(","),
        };
        let rssi_dbm = rssi.parse().ok();
        let ssid = (!name.is_empty()).then_some(name);
        heard.access_points.push(AccessPoint { mac, rssi_dbm, ssid });
        at += more + 3;
    }
    at.min(rest.len())
}

/// `aa:bb:cc:dd:ee:ff`, or without anything between.
fn mac(text: &str) -> Option<[u8; 6]> {
    if text.len() == 12 {
        let mut mac = [0; 6];
        return hex::decode_to_slice(text, &mut mac).ok().map(|()| mac);
    }
    let bytes: &[u8; 17] = text.as_bytes().try_into().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(bytes.chunks(3)) {
        *byte = digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?;
        if pair.get(2).is_some_and(|between| !matches!(between, b':' | b'-')) {
            return None;
        }
    }
    Some(mac)
}
