//! Alarms: which one it is stands in a byte of its own and in the terminal's state, and neither is where it always is.

use wire::report::Status;

use super::super::cursor::Cursor;
use super::super::told::{Alarm, Alarms, Kind, Point, Told};
use super::Session;
use super::frame::Frame;
use super::messages::{Said, at_no_place, other, told};
use super::position::{self, Width};

/// Alarms by their byte. What is not here is nobody's, and rings as an alarm of no known kind.
const CODES: &[(u8, Option<Alarm>)] = &[
    (0x00, None),
    (0x01, Some(Alarm::Sos)),
    (0x02, Some(Alarm::PowerCut)),
    (0x03, Some(Alarm::Vibration)),
    (0x04, Some(Alarm::FenceEnter)),
    (0x05, Some(Alarm::FenceExit)),
    (0x06, Some(Alarm::Overspeed)),
    (0x09, Some(Alarm::Tow)),
    // Into and out of places without satellites; switched on: nothing that anybody has to know.
    (0x0a, None),
    (0x0b, None),
    (0x0c, Some(Alarm::PowerOn)),
    (0x0d, None),
    (0x0e, Some(Alarm::LowPower)),
    (0x0f, Some(Alarm::LowPower)),
    (0x10, Some(Alarm::Sim)),
    (0x11, Some(Alarm::PowerOff)),
    (0x13, Some(Alarm::Tamper)),
    (0x14, Some(Alarm::Door)),
    (0x15, Some(Alarm::LowBattery)),
    (0x17, Some(Alarm::FakeCell)),
    (0x18, Some(Alarm::Tamper)),
    (0x19, Some(Alarm::LowBattery)),
    (0x20, Some(Alarm::Sleep)),
    (0x23, Some(Alarm::Fall)),
    (0x29, Some(Alarm::Harsh)),
    (0x2a, Some(Alarm::Harsh)),
    (0x2b, Some(Alarm::Harsh)),
    (0x2c, Some(Alarm::Collision)),
    (0x30, Some(Alarm::Harsh)),
    (0xfe, Some(Alarm::Ignition)),
    (0xff, Some(Alarm::Ignition)),
];

/// Alarms by bits 5 to 3 of the terminal's state.
const STATES: [Option<Alarm>; 8] = [
    None,
    Some(Alarm::Vibration),
    Some(Alarm::PowerCut),
    Some(Alarm::LowBattery),
    Some(Alarm::Sos),
    // What these are differs between models.
    None,
    None,
    None,
];

/// The last of them, of models that have a fence and feel whether they are worn.
const MORE_STATES: [(u8, Alarm); 2] = [(6, Alarm::Fence), (7, Alarm::Removed)];

/// How much of an alarm's byte is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    /// It is where it should be.
    Certain,
    /// Something else may stand there: nothing is made of what nobody knows.
    Likely,
    /// Something else stands there more often than not: only a call for help is believed.
    Doubtful,
}

fn of_code(code: u8, belief: Code) -> Option<Alarm> {
    let found = CODES.iter().find(|(known, _)| *known == code);
    match belief {
        Code::Certain => found.map_or(Some(Alarm::General), |found| found.1),
        Code::Likely => found.and_then(|found| found.1),
        Code::Doubtful => found.and_then(|found| found.1).filter(|alarm| matches!(alarm, Alarm::Sos | Alarm::Fall)),
    }
}

/// Three bits of the terminal's state.
const fn alarm_bits(info: u8) -> u8 {
    info >> 3 & 7
}

fn of_info(info: u8) -> Option<Alarm> {
    STATES.get(usize::from(alarm_bits(info))).copied().flatten()
}

/// What else they say on models with the habit.
fn more_of_info(info: u8) -> Alarms {
    MORE_STATES.iter().filter(|(bits, _)| *bits == alarm_bits(info)).map(|(_, alarm)| *alarm).collect()
}

/// What the terminal says about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    alarms: Alarms,
    /// Those that only some models mean.
    more: Alarms,
    pub(super) status: Status,
}

impl State {
    /// Its alarms, as this terminal's model means them.
    pub(super) fn alarms(self, said: &Said<'_>) -> Alarms {
        if said.has_more_states { self.alarms | self.more } else { self.alarms }
    }

    /// State, voltage, signal, alarm.
    fn read(from: &mut Cursor<'_>, belief: Code) -> Option<Self> {
        let (info, voltage, _signal, code) = (from.u8()?, from.u8()?, from.u8()?, from.u8()?);
        let alarms = [of_info(info), of_code(code, belief)].into_iter().flatten().collect();
        Some(Self { alarms, more: more_of_info(info), status: status(info, Some(voltage)) })
    }

    /// Of a heartbeat, in which some models have a voltage of two bytes and others a good deal more.
    pub(super) fn of_heartbeat(frame: &Frame<'_>) -> Option<Self> {
        let (&info, rest) = frame.body.split_first()?;
        if frame.serial.is_none() {
            // A clone's begins with its battery: a full one is no call for help.
            let battery_pct = (info <= 100).then_some(info);
            return Some(Self { status: Status { battery_pct, ..Status::default() }, ..Self::default() });
        }
        let is_usual = matches!(*rest, [voltage, signal, _, _] if voltage <= 6 || (voltage <= 100 && signal <= 5));
        if frame.proto == 0x13 && is_usual {
            return Self::read(&mut Cursor::new(frame.body), Code::Likely);
        }
        // Two bytes of voltage, signal, alarm.
        let code = rest.get(3).copied().unwrap_or_default();
        let code = if rest.len() == 4 || frame.proto == 0x23 { of_code(code, Code::Doubtful) } else { None };
        let alarms = [of_info(info), code].into_iter().flatten().collect();
        Some(Self { alarms, more: more_of_info(info), status: status(info, None) })
    }
}

/// Voltage is told in six steps, or as a percentage.
fn status(info: u8, voltage: Option<u8>) -> Status {
    const STEPS: [u8; 7] = [0, 5, 10, 25, 50, 80, 100];
    let battery_pct = voltage.and_then(|voltage| match voltage {
        0..=6 => STEPS.get(usize::from(voltage)).copied(),
        7..=100 => Some(voltage),
        _ => None,
    });
    Status { battery_pct, charging: Some(info & 4 != 0), worn: None }
}

/// How an alarm goes on behind its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    /// Whether the length of what is told about the cell stands before it.
    has_len: bool,
    /// How the cell is written.
    width: Width,
}

const LAYOUTS: [Layout; 4] = [
    Layout { has_len: true, width: Width::Narrow },
    Layout { has_len: true, width: Width::Middle },
    Layout { has_len: true, width: Width::Wide },
    Layout { has_len: false, width: Width::Narrow },
];

impl Layout {
    /// What it reads, and how much speaks for it; `None` when it cannot be.
    fn read(self, mut fields: Cursor<'_>, tail: usize) -> Option<(u32, Option<wire::report::Cell>, State)> {
        let len = if self.has_len { Some(fields.u8()?) } else { None };
        if len.is_some_and(|len| !(8..=17).contains(&len)) {
            return None;
        }
        let before = fields.len();
        let cell = position::network_and_cell(&mut fields, self.width)?;
        let told = before - fields.len();
        // No network, and no other country: it stands elsewhere.
        if !(200..800).contains(&cell.mcc) {
            return None;
        }
        let state = fields.rest();
        let [_, voltage, signal, code, behind @ ..] = state else { return None };
        let votes = [
            // Most count the length itself, some do not.
            (3, len.map(usize::from) == Some(told + 1)),
            (2, len.map(usize::from) == Some(told)),
            (2, state.len() == tail),
            (2, *voltage <= 6),
            (1, *voltage <= 100),
            (1, *signal <= 5),
            (1, CODES.iter().any(|(known, _)| known == code)),
            (1, behind.first().is_none_or(|language| *language <= 2)),
        ];
        let belief = if self.has_len { Code::Certain } else { Code::Doubtful };
        let read = State::read(&mut fields, belief)?;
        Some((votes.iter().filter(|(_, is_so)| *is_so).map(|(votes, _)| votes).sum(), Some(cell), read))
    }
}

/// A place, a cell, the terminal's state. Where the cell stands differs between models, and what comes behind, too: what
/// looks most like a state is one.
pub(super) fn with_place(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let point = position::place(&mut fields, said.ahead_s);
    if point.is_none() {
        return told_with(said, None, None, None);
    }
    let usual = if said.frame.proto == 0x27 { 6 } else { 5 };
    let read = LAYOUTS.iter().filter_map(|layout| layout.read(fields, usual));
    // Of equals the first.
    let best = read.reduce(|best, other| if other.0 > best.0 { other } else { best });
    if let Some((_, cell, state)) = best {
        return told_with(said, point, cell, Some(state));
    }
    // Behind the state and the language, the number of the fence.
    let tail = if said.frame.proto == 0x27 { 6 } else { 5 };
    let mut peeked = fields;
    let is_calm_here = State::read(&mut peeked, Code::Doubtful).is_some_and(|read| read.alarms.is_empty());
    let (cell, belief) = match fields.len().checked_sub(tail) {
        // Nothing is told about the cell, and its length says so; unless a call for help begins there.
        Some(1) if fields.rest().first() == Some(&0) && is_calm_here => {
            let _len = fields.u8();
            (None, Code::Certain)
        }
        // Without the length of what is told about the cell.
        Some(8) => (position::network_and_cell(&mut fields, Width::Narrow), Code::Doubtful),
        Some(9) => {
            let _len = fields.u8();
            (position::network_and_cell(&mut fields, Width::Narrow), Code::Certain)
        }
        Some(10) => {
            let _len = fields.u8();
            let is_long_network = fields.rest().first().is_some_and(|mcc| mcc & 0x80 != 0);
            let width = if is_long_network { Width::Narrow } else { Width::Middle };
            (position::network_and_cell(&mut fields, width), Code::Certain)
        }
        // More than usual: where the length says.
        Some(_) if fields.rest().first().is_some_and(|len| (9..=11).contains(len)) => {
            let len = fields.u8().map_or(0, usize::from);
            let mut cell = Cursor::new(fields.take(len - 1).unwrap_or_default());
            let width = if len == 9 { Width::Narrow } else { Width::Middle };
            (position::network_and_cell(&mut cell, width), Code::Certain)
        }
        _ => (None, Code::Doubtful),
    };
    // Where nobody knows what stands where, that nothing is found says nothing: it is an alarm, of no known kind.
    let read = State::read(&mut fields, belief).filter(|read| belief == Code::Certain || !read.alarms.is_empty());
    told_with(said, point, cell, read)
}

/// The same with a cell of a newer network, and the number of a fence.
pub(super) fn wide_with_place(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let point = position::place(&mut fields, said.ahead_s);
    // With or without the length before it, which some count otherwise: no country begins so low.
    let is_len = |len: u8| usize::from(len) + 5 <= fields.len() && (15..=17).contains(&len);
    let is_country = |at: usize| {
        let mcc = fields.rest().get(at..).and_then(|rest| rest.first_chunk()).map(|mcc| u16::from_be_bytes(*mcc));
        mcc.is_some_and(|mcc| (200..800).contains(&(mcc & 0x7fff)))
    };
    if fields.rest().first().is_some_and(|len| is_len(*len)) || (!is_country(0) && is_country(1)) {
        let _len = fields.u8();
    }
    let cell = position::network_and_cell(&mut fields, Width::Wide);
    told_with(said, point, cell, State::read(&mut fields, Code::Certain))
}

/// The same, where others use the number for something else: a time stands first.
pub(super) fn of_one_fence(said: &Said<'_>, session: &mut Session) -> Told {
    if is_timed(said) { wide_with_place(said, session) } else { other(said, session) }
}

/// An alarm with a length of two bytes, as makers write what may be long. The numbers are not all the same there: it is
/// one when a time stands first.
pub(super) fn behind_long_length(said: &Said<'_>, session: &mut Session) -> Told {
    match said.frame.proto {
        _ if !is_timed(said) => other(said, session),
        0xa4 => wide_with_place(said, session),
        _ => with_place(said, session),
    }
}

fn is_timed(said: &Said<'_>) -> bool {
    position::place(&mut Cursor::new(said.frame.body), said.ahead_s).is_some_and(|point| point.at.is_some())
}

/// A place, a cell of ten bytes behind its length, the terminal's state. Watches of one maker use the number for a list of
/// access points.
pub(super) fn with_long_cell(said: &Said<'_>, session: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let point = position::place(&mut fields, said.ahead_s);
    let is_one = fields.u8() == Some(10) && (14..=18).contains(&fields.len());
    if !is_one || point.as_ref().is_none_or(|point| point.at.is_none()) {
        return other(said, session);
    }
    let network = fields.u16().zip(fields.u16());
    let cell = network.and_then(|network| position::cell(&mut fields, network, Width::Middle));
    // Some tell the voltage in two bytes: then what follows is something else.
    let is_voltage = fields.rest().get(1).is_some_and(|voltage| *voltage <= 100);
    let belief = if is_voltage { Code::Certain } else { Code::Likely };
    told_with(said, point, cell, State::read(&mut fields, belief))
}

/// A cell and the terminal's state, no place.
pub(super) fn with_cell(said: &Said<'_>, _: &mut Session) -> Told {
    with_only_cell(said, Width::Narrow)
}

pub(super) fn wide_with_cell(said: &Said<'_>, _: &mut Session) -> Told {
    with_only_cell(said, Width::Wide)
}

fn with_only_cell(said: &Said<'_>, width: Width) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let cell = position::network_and_cell(&mut fields, width);
    told_with(said, Some(at_no_place(None)), cell, State::read(&mut fields, Code::Certain))
}

/// A time and a code, from cameras; the code is not that of the others.
pub(super) fn short(said: &Said<'_>, _: &mut Session) -> Told {
    let mut fields = Cursor::new(said.frame.body);
    let (date, time, code) = (fields.array(), fields.array(), fields.u8());
    let at = date.zip(time).and_then(|(date, time)| super::super::calendar::moment(date, time, said.ahead_s));
    if fields.len() > 0 || code.is_none_or(|code| code == 0) {
        return told(Kind::Other, said);
    }
    let mut told = told(Kind::Alarm, said);
    told.points.push(Point { alarms: Alarm::General.into(), ..at_no_place(at) });
    told
}

fn told_with(said: &Said<'_>, point: Option<Point>, cell: Option<wire::report::Cell>, state: Option<State>) -> Told {
    let mut told = told(Kind::Alarm, said);
    if point.is_none() {
        told.unread("position");
    }
    let mut point = point.unwrap_or_default();
    point.surroundings.cells.extend(cell);
    if let Some(state) = state {
        told.status = state.status;
        point.alarms = state.alarms(said);
    } else {
        // An alarm, and nobody can say which.
        told.unread("alarm");
        point.alarms = Alarm::General.into();
    }
    told.points.push(point);
    told
}
