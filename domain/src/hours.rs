//! When something holds in a week: openings of its days, such as Monday 08:00 to 18:00. Which day and time it is where
//! people are, and holidays, are others' business.

use std::fmt;

/// The minutes of a day.
const DAY_MIN: i32 = 24 * 60;
/// What the days are called in sentences, from Monday.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// More openings than anybody would tell from each other.
pub const OPENINGS_MAX: usize = 7 * 12;

/// A time of a day in minutes, from 00:00 to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(i32);

impl TimeOfDay {
    /// Reads `08:00`, up to `24:00`, which is the only way to write it.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |part: &str| {
            let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i32>().ok().filter(|_| is_plain)
        };
        let (hour, minute) = (number(hour)?, number(minute)?);
        let minutes = hour * 60 + minute;
        (minute < 60 && minutes <= DAY_MIN).then_some(Self(minutes))
    }

    /// So many minutes after midnight, up to the next one.
    pub fn of_minutes(minutes: i32) -> Option<Self> {
        (0..=DAY_MIN).contains(&minutes).then_some(Self(minutes))
    }

    /// Minutes after midnight.
    pub const fn minutes(self) -> i32 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Some hours of one day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    weekday: u8,
    from: TimeOfDay,
    until: TimeOfDay,
}

impl Opening {
    /// Hours of a day, from 1, Monday.
    pub fn new(weekday: i64, from: &str, until: &str) -> Result<Self, BadHours> {
        let weekday = u8::try_from(weekday).ok().filter(|day| (1..=7).contains(day)).ok_or(BadHours::Day(weekday))?;
        let time = |text: &str| TimeOfDay::parse(text).ok_or_else(|| BadHours::Time(text.to_owned()));
        let opening = Self { weekday, from: time(from)?, until: time(until)? };
        if opening.from < opening.until { Ok(opening) } else { Err(BadHours::Backwards(opening)) }
    }

    /// The day, from 1, Monday.
    pub const fn weekday(self) -> u8 {
        self.weekday
    }

    /// From here on.
    pub const fn from(self) -> TimeOfDay {
        self.from
    }

    /// Up to here, which is no part of it.
    pub const fn until(self) -> TimeOfDay {
        self.until
    }

    fn midnight(self) -> i32 {
        (i32::from(self.weekday) - 1) * DAY_MIN
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = WEEKDAYS[usize::from(self.weekday - 1)];
        write!(f, "{day} {}–{}", self.from, self.until)
    }
}

/// When something holds in a week: at some time, and no opening twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours(Vec<Opening>);

/// Why openings make no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// There are none.
    #[error("there are none, so that it would never hold; say nothing for always")]
    Never,
    /// There are too many.
    #[error("there are {0} of them; at most {OPENINGS_MAX} are taken")]
    TooMany(usize),
    /// No day of the week.
    #[error("{0} is no day of the week: 1 is Monday, 7 is Sunday")]
    Day(i64),
    /// No time of a day.
    #[error("“{0}” is no time such as 08:00 or 24:00")]
    Time(String),
    /// It ends before it begins.
    #[error("{0} ends before it begins; hours that go over midnight are told in two parts, up to 24:00 and from 00:00")]
    Backwards(Opening),
    /// Some hours are told twice.
    #[error("{0} and {1} overlap")]
    Overlap(Opening, Opening),
}

impl Hours {
    /// Hours of a week.
    pub fn new(mut openings: Vec<Opening>) -> Result<Self, BadHours> {
        match openings.len() {
            0 => return Err(BadHours::Never),
            1..=OPENINGS_MAX => openings.sort_unstable(),
            many => return Err(BadHours::TooMany(many)),
        }
        let twice = openings.windows(2).find(|pair| pair[0].weekday == pair[1].weekday && pair[1].from < pair[0].until);
        twice.map_or(Ok(()), |pair| Err(BadHours::Overlap(pair[0], pair[1])))?;
        Ok(Self(openings))
    }

    /// The hours that some ranges of minutes of the week are: from Monday 00:00, the end no part of it. What goes over
    /// midnight is told day by day.
    pub fn of_minutes(ranges: impl IntoIterator<Item = (i32, i32)>) -> Result<Self, BadHours> {
        let mut openings = Vec::new();
        for (mut from, until) in ranges {
            while from < until {
                let midnight = from - from.rem_euclid(DAY_MIN);
                let end = until.min(midnight + DAY_MIN);
                let day = midnight / DAY_MIN + 1;
                let weekday = u8::try_from(day).ok().filter(|day| (1..=7).contains(day));
                let weekday = weekday.ok_or(BadHours::Day(day.into()))?;
                openings.push(Opening { weekday, from: TimeOfDay(from - midnight), until: TimeOfDay(end - midnight) });
                from = end;
            }
        }
        Self::new(openings)
    }

    /// Its openings, from Monday on.
    pub fn openings(&self) -> &[Opening] {
        &self.0
    }

    /// The minutes of the week that they are.
    pub fn minutes(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        self.0.iter().map(|opening| (opening.midnight() + opening.from.0, opening.midnight() + opening.until.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(openings: &[(i64, &str, &str)]) -> Result<Hours, BadHours> {
        Hours::new(openings.iter().map(|(day, from, until)| Opening::new(*day, from, until)).collect::<Result<_, _>>()?)
    }

    #[test]
    fn a_time_of_day_has_one_spelling() {
        for text in ["00:00", "08:05", "23:59", "24:00"] {
            assert_eq!(TimeOfDay::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "8:00", "24:01", "25:00", "08:60", "+8:00", "08:0", "0800", "08:00:00", "０８:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn hours_come_back_as_they_were_told_and_over_midnight_day_by_day() {
        let told = [(7, "20:00", "24:00"), (1, "08:00", "12:00"), (1, "14:00", "18:00")];
        let read = hours(&told).unwrap();
        let minutes: Vec<_> = read.minutes().collect();
        assert_eq!(minutes, [(480, 720), (840, 1080), (9840, 10080)]);
        assert_eq!(Hours::of_minutes(minutes).unwrap(), read);
        let all_week = Hours::of_minutes([(0, 10080)]).unwrap();
        assert_eq!(all_week.openings().len(), 7);
        assert_eq!(all_week.openings()[6].to_string(), "Sunday 00:00–24:00");
        let night = Hours::of_minutes([(1200, 1920)]).unwrap();
        let told: Vec<String> = night.openings().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["Monday 20:00–24:00", "Tuesday 00:00–08:00"]);
    }

    #[test]
    fn hours_that_cannot_be_are_refused_with_a_sentence() {
        let refused = |openings: &[(i64, &str, &str)]| hours(openings).unwrap_err().to_string();
        assert!(refused(&[]).starts_with("there are none"));
        assert_eq!(refused(&[(8, "08:00", "09:00")]), "8 is no day of the week: 1 is Monday, 7 is Sunday");
        assert_eq!(refused(&[(1, "8", "09:00")]), "“8” is no time such as 08:00 or 24:00");
        assert!(refused(&[(1, "18:00", "08:00")]).starts_with("Monday 18:00–08:00 ends before it begins"));
        assert!(refused(&[(1, "08:00", "08:00")]).starts_with("Monday 08:00–08:00 ends before it begins"));
        assert_eq!(
            refused(&[(2, "11:00", "18:00"), (2, "08:00", "12:00")]),
            "Tuesday 08:00–12:00 and Tuesday 11:00–18:00 overlap"
        );
        // One that holds all of another is not overlooked, nor are neighbours refused.
        assert!(refused(&[(2, "08:00", "18:00"), (2, "09:00", "10:00")]).ends_with("overlap"));
        assert!(hours(&[(2, "08:00", "12:00"), (2, "12:00", "18:00"), (3, "08:00", "12:00")]).is_ok());
    }
}
