//! A city as `make-city` writes it: one JSON object a line.

use std::collections::HashMap;
use std::io::BufRead;

use domain::dispatch::{DETOUR, Mode};
use domain::incident::Class;
use domain::place::Position;
use domain::word::Word as _;
use jiff::SignedDuration;
use serde::Deserialize;

/// A city and everything that is going to happen in it.
#[derive(Debug, Clone)]
pub struct City {
    /// Who can go.
    pub responders: Vec<Responder>,
    /// What happens, in order of time.
    pub calls: Vec<Call>,
    /// The skills that occur, and how many calls want each.
    pub skills: Vec<String>,
    /// How long it lasts.
    pub days: u32,
    answers: HashMap<(usize, usize), Answer>,
}

/// Somebody who goes.
#[derive(Debug, Clone)]
pub struct Responder {
    /// Their name in the file.
    pub name: String,
    /// What they can do, by its place in [`City::skills`].
    pub skills: Vec<usize>,
    /// Where they are at first.
    pub at: Position,
    /// How they get about.
    pub mode: Mode,
    /// When they are on shift, from and to, since the first midnight.
    pub shifts: Vec<(SignedDuration, SignedDuration)>,
}

/// Somebody calls for help.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name in the file.
    pub name: String,
    /// When, since the first midnight.
    pub after: SignedDuration,
    /// Where.
    pub at: Position,
    /// What for.
    pub class: Class,
    /// Who can help, by its place in [`City::skills`].
    pub skill: usize,
    /// How long that takes.
    pub work: SignedDuration,
}

/// What somebody would answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// What.
    pub kind: Kind,
    /// How long after they were asked.
    pub after: SignedDuration,
}

/// What somebody would answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Yes, and they come.
    Accept,
    /// No.
    Decline,
    /// Nothing.
    Silent,
    /// Yes, and they never move.
    Vanish,
}

/// Why a file is no city.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It does not begin with the city itself.
    #[error("does not begin with a line {{\"city\": …}}: is it a file of make-city?")]
    NoCity,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    City { city: CityRow },
    Answer { answer: AnswerRow },
    Call(CallRow),
    Responder(ResponderRow),
}

#[derive(Deserialize)]
struct CityRow {
    days: u32,
    detour: f64,
    speed_mps: HashMap<String, f64>,
}

#[derive(Deserialize)]
struct ResponderRow {
    responder: String,
    skills: Vec<String>,
    lat: f64,
    lon: f64,
    mode: String,
    shifts: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct CallRow {
    incident: String,
    at_s: f64,
    lat: f64,
    lon: f64,
    class: String,
    skill: String,
    work_s: f64,
}

#[derive(Deserialize)]
struct AnswerRow {
    incident: String,
    responder: String,
    kind: Kind,
    after_s: f64,
}

impl City {
    /// Reads a city.
    pub fn read(lines: impl BufRead) -> Result<Self, CityError> {
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let row = serde_json::from_str(&line).map_err(|_| wrong(number, "is not a line of a city"))?;
            reader.take(row).map_err(|what| wrong(number, &what))?;
        }
        reader.finish()
    }

    /// What a responder answers to a call; silence where the file says nothing.
    pub fn answer(&self, call: usize, responder: usize) -> Answer {
        let silence = Answer { kind: Kind::Silent, after: SignedDuration::ZERO };
        self.answers.get(&(call, responder)).copied().unwrap_or(silence)
    }
}

fn wrong(line: usize, what: &str) -> CityError {
    CityError::Line { line, what: what.to_owned() }
}

#[derive(Default)]
struct Reader {
    days: Option<u32>,
    responders: Vec<Responder>,
    calls: Vec<Call>,
    skills: Vec<String>,
    answers: HashMap<(usize, usize), Answer>,
    responder_of: HashMap<String, usize>,
    call_of: HashMap<String, usize>,
}

impl Reader {
    fn take(&mut self, row: Row) -> Result<(), String> {
        if self.days.is_none() != matches!(row, Row::City { .. }) {
            return Err("a city is described once, in the first line".into());
        }
        match row {
            Row::City { city } => self.begin(&city),
            Row::Responder(row) => self.responder(row),
            Row::Call(row) => self.call(row),
            Row::Answer { answer } => self.answer(&answer),
        }
    }

    /// The rules say how fast people are; a city of another kind would be judged by other ones.
    #[expect(clippy::float_cmp, reason = "both were written down, neither was reckoned")]
    fn begin(&mut self, city: &CityRow) -> Result<(), String> {
        let is_known = |mode: &Mode| city.speed_mps.get(mode.as_str()).is_some_and(|speed| *speed == mode.speed_mps());
        if city.detour != DETOUR || !Mode::ALL.iter().all(is_known) {
            return Err(format!("speeds and detour are not ours ({DETOUR}, 1.3, 5.5 and 7.0 m/s)"));
        }
        self.days = Some(city.days);
        Ok(())
    }

    fn skill(&mut self, name: &str) -> usize {
        self.skills.iter().position(|known| known == name).unwrap_or_else(|| {
            self.skills.push(name.to_owned());
            self.skills.len() - 1
        })
    }

    fn responder(&mut self, row: ResponderRow) -> Result<(), String> {
        let shifts = row.shifts.iter().map(|(on, off)| Ok((seconds(*on)?, seconds(*off)?)));
        let responder = Responder {
            skills: row.skills.iter().map(|skill| self.skill(skill)).collect(),
            at: position(row.lat, row.lon)?,
            mode: Mode::parse(&row.mode).map_err(|error| error.to_string())?,
            shifts: shifts.collect::<Result<_, String>>()?,
            name: row.responder.clone(),
        };
        if self.responder_of.insert(row.responder, self.responders.len()).is_some() {
            return Err("that responder is there already".into());
        }
        self.responders.push(responder);
        Ok(())
    }

    fn call(&mut self, row: CallRow) -> Result<(), String> {
        let call = Call {
            after: seconds(row.at_s)?,
            at: position(row.lat, row.lon)?,
            class: Class::parse(&row.class).map_err(|error| error.to_string())?,
            skill: self.skill(&row.skill),
            work: seconds(row.work_s)?,
            name: row.incident.clone(),
        };
        if self.call_of.insert(row.incident, self.calls.len()).is_some() {
            return Err("that incident is there already".into());
        }
        self.calls.push(call);
        Ok(())
    }

    fn answer(&mut self, row: &AnswerRow) -> Result<(), String> {
        let call = self.call_of.get(&row.incident).ok_or("an answer to an incident that is not there yet")?;
        let responder = self.responder_of.get(&row.responder).ok_or("an answer of somebody who is not there")?;
        self.answers.insert((*call, *responder), Answer { kind: row.kind, after: seconds(row.after_s)? });
        Ok(())
    }

    fn finish(self) -> Result<City, CityError> {
        let Self { days, responders, calls, skills, answers, .. } = self;
        Ok(City { responders, calls, skills, days: days.ok_or(CityError::NoCity)?, answers })
    }
}

fn seconds(number: f64) -> Result<SignedDuration, String> {
    SignedDuration::try_from_secs_f64(number).map_err(|_| format!("{number} s is no time"))
}

fn position(lat: f64, lon: f64) -> Result<Position, String> {
    Position::new(lat, lon).map_err(|error| error.to_string())
}
