//! A specimen in sentences, for whoever has a frame in hand and a terminal that does not work.

use std::fmt::{Display, Formatter, Result, Write as _};

use wire::report::{Doubt, Event, Vital};
use wire::topics::Lane;

use super::super::conversation::When;
use super::super::told::{Place, Point};
use super::{Finding, Findings, written};

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for finding in &self.found {
            writeln!(f, "{finding}")?;
        }
        for (bytes, why) in &self.junk {
            writeln!(f, "{} bytes are no frame: {why}", bytes.len())?;
        }
        if !self.rest.is_empty() {
            writeln!(f, "{} bytes wait for the rest of their frame", self.rest.len())?;
        }
        if self.found.is_empty() && self.junk.is_empty() && self.rest.is_empty() {
            writeln!(f, "nothing is in it")?;
        }
        Ok(())
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let told = &self.told;
        let who = self.identity.as_deref().unwrap_or("nobody who is named");
        write!(f, "{} from {who}: {}", told.word, told.kind.as_str().replace('_', " "))?;
        if let Some(seq) = told.seq {
            write!(f, ", number {seq}")?;
        }
        for point in &told.points {
            write!(f, "\n  {}", place(point))?;
        }
        for vital in &told.vitals {
            write!(f, "\n  {}", body(*vital))?;
        }
        if let Some(battery_pct) = told.status.battery_pct {
            write!(f, "\n  battery {battery_pct} %")?;
        }
        let decoded = told.clone().into_decoded();
        for event in decoded.event.iter().chain(&decoded.also) {
            write!(f, "\n  means: {}", meaning(event))?;
        }
        if told.lane() == Lane::Alert {
            f.write_str("\n  rings at the operators' (alert lane)")?;
        }
        for doubt in &decoded.doubts {
            write!(f, "\n  doubtful: {}", doubtful(doubt))?;
        }
        for reply in &self.replies {
            let when = match reply.when {
                When::Now => "at once",
                When::Durable => "once it is stored",
            };
            write!(f, "\n  is answered {when}: {}", written(&reply.bytes))?;
        }
        Ok(())
    }
}

fn place(point: &Point) -> String {
    let mut text = point.at.map_or_else(|| "at an unknown time".to_owned(), |at| format!("at {at}"));
    let _ = match point.place {
        Place::At(at) => write!(text, " at {:.6}, {:.6}", at.lat_deg(), at.lon_deg()),
        Place::Zero => write!(text, " nowhere (0/0)"),
        Place::OutOfRange => write!(text, " at no place on earth"),
        Place::Untold => write!(text, " without a place"),
    };
    let _ = match point.valid {
        Some(true) => write!(text, ", a satellite fix"),
        Some(false) => write!(text, ", no fix now: an old position or none"),
        None => Ok(()),
    };
    if point.stored {
        text.push_str(", kept from when there was no connection");
    }
    if let Some(accuracy_m) = point.accuracy_m.filter(|accuracy| *accuracy > 0.0) {
        let _ = write!(text, ", within {accuracy_m} m");
    }
    let heard = &point.surroundings;
    if !heard.is_empty() {
        let _ = write!(text, "; hears {} cells and {} access points", heard.cells.len(), heard.access_points.len());
    }
    let alarms = point.alarms.iter().map(super::super::told::Alarm::as_str).collect::<Vec<_>>();
    if !alarms.is_empty() {
        let _ = write!(text, "; alarms: {}", alarms.join(", "));
    }
    text
}

fn body(vital: Vital) -> String {
    match vital {
        Vital::HeartRate { bpm } => format!("heart rate {bpm}/min"),
        Vital::BloodPressure { systolic, diastolic } => format!("blood pressure {systolic}/{diastolic} mmHg"),
        Vital::Oxygen { pct } => format!("oxygen {pct} %"),
        Vital::Temperature { celsius } => format!("temperature {celsius} °C"),
        Vital::Steps { count } => format!("{count} steps"),
    }
}

fn meaning(event: &Event) -> String {
    match event {
        Event::Alert { kind } => format!("an alert ({kind})"),
        Event::Cancel => "the wearer takes an alert back".to_owned(),
        Event::CheckIn => "the wearer is fine".to_owned(),
        Event::Request { category } => format!("daily help is wanted ({category})"),
        Event::NoticeAcknowledged { notice } => format!("notice {notice} has been shown"),
        Event::CommandAnswered(answer) => match answer.done {
            Some(true) => format!("{} was done {}", answer.word, answer.text),
            Some(false) => format!("{} was refused {}", answer.word, answer.text),
            None => format!("{} has arrived {}", answer.word, answer.text),
        }
        .trim_end()
        .to_owned(),
        Event::Transition { entered: true, region } => {
            format!("entered a fence of its own {region}").trim_end().to_owned()
        }
        Event::Transition { entered: false, region } => {
            format!("left a fence of its own {region}").trim_end().to_owned()
        }
        Event::Offline => "it has gone".to_owned(),
        Event::Unreadable { why } => format!("nobody can read it: {why}"),
        Event::Other { what } => format!("of no further interest ({what})"),
    }
}

fn doubtful(doubt: &Doubt) -> String {
    match doubt {
        Doubt::NoFix => "there is no position in it".to_owned(),
        Doubt::FixAtZero => "the position is 0/0".to_owned(),
        Doubt::FixOutOfRange => "the position is no place on earth".to_owned(),
        Doubt::ClockOff { seconds } => format!("its clock is {seconds} s ahead of ours"),
        Doubt::Field { name } => format!("{name} cannot be read"),
        Doubt::UnknownTerminal => "nobody knows the terminal".to_owned(),
        Doubt::NotAssigned => "nobody wears the terminal".to_owned(),
        Doubt::Damaged { what } => format!("damaged: {what}"),
        Doubt::FixOld => "the position is an old one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Specimen, inspect};

    #[track_caller]
    fn check(bytes: &[u8], sentences: &str) {
        let received_at = Timestamp::UNIX_EPOCH;
        let specimen = Specimen { bytes, topic: None, key: None, profile: None, received_at };
        assert_eq!(inspect("watch", &specimen).unwrap().to_string().trim_end(), sentences);
    }

    #[test]
    fn a_press_is_told_with_everything_that_follows_from_it() {
        check(
            b"[3G*9710000011*0051*AL_LTE,140326,081530,V,28.256100,N,112.985400,E,0,0,0,0,88,76,0,0,00030000,0,0,12.5]",
            "AL_LTE from 9710000011: alarm\n  \
             at 2026-03-14T08:15:30Z at 28.256100, 112.985400, no fix now: an old position or none, within 12.5 m; \
             alarms: sos, low_battery\n  \
             battery 76 %\n  \
             means: an alert (sos)\n  \
             means: an alert (low_battery)\n  \
             rings at the operators' (alert lane)\n  \
             doubtful: damaged: LEN is not the length\n  \
             doubtful: the position is an old one\n  \
             is answered once it is stored: [3G*9710000011*0002*AL]",
        );
    }

    #[test]
    fn what_is_no_frame_is_told_too() {
        check(b"LK][3G*97", "3 bytes are no frame: outside of any frame\n6 bytes wait for the rest of their frame");
        check(b"", "nothing is in it");
    }
}
