//! A profile as a person looks at it: what it takes and where, what raises an alarm, what can be said.

use super::profile::Profile;
use super::rule::{Flag, Number, Pointer, Time};

/// What a profile says, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Whether it comes with the product.
    pub is_shipped: bool,
    /// What its positions are given in.
    pub datum: &'static str,
    /// Topics in which its terminals speak.
    pub up: Vec<String>,
    /// Topics in which they answer.
    pub answers: Vec<String>,
    /// The topic in which they are spoken to.
    pub down: Option<String>,
    /// What is read, and where in the JSON it stands.
    pub takes: Vec<(String, String)>,
    /// Where in the JSON something can be raised, by what, and what it is.
    pub alarms: Vec<[String; 3]>,
    /// What they can be told, in our own words.
    pub commands: Vec<String>,
}

impl Profile {
    /// What it says, in short.
    pub fn outline(&self) -> Outline {
        let rules = self.rules();
        let topics = |templates: &[wire::topics::Template]| templates.iter().map(ToString::to_string).collect();
        Outline {
            name: self.name().to_owned(),
            is_shipped: self.is_shipped(),
            datum: match rules.datum {
                domain::datum::Datum::Wgs84 => "wgs84",
                domain::datum::Datum::Gcj02 => "gcj02",
                domain::datum::Datum::Bd09 => "bd09",
            },
            up: topics(&rules.topics.up),
            answers: topics(&rules.topics.answers),
            down: rules.topics.down.as_ref().map(ToString::to_string),
            takes: self.takes(),
            alarms: rules.alarm.iter().flat_map(super::alarm::Rule::outline).collect(),
            commands: rules.command.keys().cloned().collect(),
        }
    }

    fn takes(&self) -> Vec<(String, String)> {
        let rules = self.rules();
        let mut takes = Takes::default();
        takes.pointer("serial", rules.serial.as_ref());
        takes.pointer("boot", rules.boot.as_ref());
        takes.pointer("seq", rules.seq.as_ref());
        takes.time("time", rules.time.as_ref());
        if let Some(position) = &rules.position {
            takes.pointer("position.list", position.list.as_ref());
            takes.pointer("position.lat", position.lat.as_ref());
            takes.pointer("position.lon", position.lon.as_ref());
            takes.pointer("position.pair", position.pair.as_ref());
            takes.time("position.time", position.time.as_ref());
            takes.flag("position.valid", position.valid.as_ref());
            takes.flag("position.stored", position.stored.as_ref());
            takes.pointer("position.source", position.source.as_ref().and_then(|source| source.from.as_ref()));
            takes.number("position.accuracy", position.accuracy.as_ref());
            takes.number("position.speed", position.speed.as_ref());
            takes.number("position.course", position.course.as_ref());
            takes.number("position.altitude", position.altitude.as_ref());
        }
        takes.pointer("cells", rules.cells.as_ref().map(super::around::Table::place));
        takes.pointer("wifi", rules.wifi.as_ref().map(super::around::Table::place));
        takes.number("battery", rules.battery.as_ref());
        takes.flag("charging", rules.charging.as_ref());
        takes.flag("worn", rules.worn.as_ref());
        takes.flag("online", rules.online.as_ref());
        takes.flag("drill", rules.drill.as_ref());
        let vitals = &rules.vitals;
        for (what, number) in [
            ("heart_rate", &vitals.heart_rate),
            ("systolic", &vitals.systolic),
            ("diastolic", &vitals.diastolic),
            ("oxygen", &vitals.oxygen),
            ("temperature", &vitals.temperature),
            ("steps", &vitals.steps),
        ] {
            takes.number(what, number.as_ref());
        }
        takes.0
    }
}

/// What is read, as far as it has been listed.
#[derive(Default)]
struct Takes(Vec<(String, String)>);

impl Takes {
    fn pointer(&mut self, what: &str, pointer: Option<&Pointer>) {
        self.0.extend(pointer.map(|pointer| (what.to_owned(), pointer.as_str().to_owned())));
    }

    fn number(&mut self, what: &str, number: Option<&Number>) {
        self.pointer(what, number.map(|number| &number.from));
    }

    fn flag(&mut self, what: &str, flag: Option<&Flag>) {
        self.pointer(what, flag.map(|flag| &flag.from));
    }

    fn time(&mut self, what: &str, time: Option<&Time>) {
        let from = |time: &Time| time.from.iter().map(Pointer::as_str).collect::<Vec<_>>().join(" ");
        self.0.extend(time.map(|time| (what.to_owned(), from(time))));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Profiles;

    #[test]
    fn a_profile_tells_what_it_takes_what_rings_and_what_can_be_said() {
        let own = r#"
            [[profile]]
            name = "mine"
            datum = "bd09"
            time = { from = ["/date", "/time"], format = "%y%m%d%H%M%S" }
            battery = { from = "/bat", factor = 25 }
            [profile.topics]
            up = ["mine/{serial}/up"]
            [profile.position]
            lat = "/lat"
            lon = "/lon"
            [[profile.alarm]]
            from = "/code"
            kinds = { "1" = "sos", "9" = "nothing" }
            [[profile.alarm]]
            from = "/bits"
            bit = 3
            kind = "fall"
            [[profile.alarm]]
            from = "/pulse"
            above = 150
            below = 40
            kind = "heart_rate"
            [[profile.alarm]]
            from = "/key"
            kind = "request:meal"
        "#;
        let profiles = Profiles::shipped().and(own).unwrap();
        let shipped = profiles.named("g616").unwrap().outline();
        assert!(shipped.is_shipped && shipped.takes.contains(&("battery".into(), "/battery".into())), "{shipped:?}");
        assert!(shipped.alarms.iter().any(|[from, _, raises]| from == "/sos" && raises == "sos"), "{shipped:?}");
        assert!(shipped.commands.contains(&"text".to_owned()));
        let mine = profiles.named("mine").unwrap().outline();
        assert_eq!((mine.datum, mine.up.as_slice(), &mine.down), ("bd09", &["mine/{serial}/up".to_owned()][..], &None));
        let takes: Vec<_> = mine.takes.iter().map(|(what, from)| (what.as_str(), from.as_str())).collect();
        assert_eq!(
            takes,
            [("time", "/date /time"), ("position.lat", "/lat"), ("position.lon", "/lon"), ("battery", "/bat")]
        );
        let alarms: Vec<_> = mine.alarms.iter().map(|rule| rule.each_ref().map(String::as_str)).collect();
        assert_eq!(
            alarms,
            [
                ["/code", "1", "sos"],
                ["/code", "9", "nothing"],
                ["/bits", "bit 3", "fall"],
                ["/pulse", "> 150, < 40", "heart_rate"],
                ["/key", "true, 1, yes, on, y", "request:meal"],
            ]
        );
    }
}
