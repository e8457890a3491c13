//! Which of several open incidents comes first, and why: what is known of the person, on top of the incident's own
//! [`Incident::urgency`]. Whoever looks at the list sees the reasons beside the place in it.
//!
//! A reason never outweighs a class of incident, nor that nobody has claimed one: all of them together count for less.
//! Who is sent is not decided here.

use jiff::{SignedDuration, Timestamp};

use super::{Class, HandoverState, Incident, OfferState};
use crate::press::AlertKind;
use crate::word::words;

/// Nothing is heard of whoever pressed for so long: they may not be able to speak.
const SILENT_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// So many presses are no mistake.
const OFTEN: u32 = 3;
/// From this age on, in years.
const OLD_YEARS: i16 = 80;
/// Up to this age, in years.
const CHILD_YEARS: i16 = 6;

words! {
    /// Why an incident comes before others of its kind.
    pub enum Reason ("reason for a priority") {
        /// Nobody has heard the wearer since they pressed, and nobody is with them.
        Silent = "silent",
        /// They have pressed again.
        PressedAgain = "pressed_again",
        /// They press again and again.
        PressedOften = "pressed_often",
        /// Their card says that they may soon be in danger.
        MedicalRisk = "medical_risk",
        /// What was raised says more than that a key was pressed.
        GraveKind = "grave_kind",
        /// They are very old.
        Old = "old",
        /// They are a small child.
        Child = "child",
    }
}

/// What a card says of how soon somebody may be in danger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MedicalRisk {
    /// Nothing.
    #[default]
    NotNoted,
    /// Soon: a heart, a stroke before, oxygen …
    Noted,
}

/// What is known of the person beside the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Now.
    pub now: Timestamp,
    /// When it was last pressed.
    pub last_press_at: Timestamp,
    /// When somebody last heard the wearer's voice.
    pub heard_at: Option<Timestamp>,
    /// How old they are, in years.
    pub age_years: Option<i16>,
    /// What their card says.
    pub medical_risk: MedicalRisk,
}

/// Where an incident stands among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priority {
    /// Higher comes first.
    pub urgency: i32,
    /// What raised it, the weightiest first.
    pub reasons: Vec<Reason>,
    /// When it rises by itself if nothing happens before.
    pub rises_at: Option<Timestamp>,
}

/// A reason, what it counts, and when it holds.
type Row = (Reason, i32, fn(&Incident, &Signs) -> bool);

const TABLE: [Row; 7] = [
    (Reason::Silent, 25, |incident, signs| silent_from(incident, signs).is_some_and(|from| from <= signs.now)),
    (Reason::MedicalRisk, 20, |incident, signs| is_grave(incident) && signs.medical_risk == MedicalRisk::Noted),
    (Reason::PressedOften, 20, |incident, _| incident.presses >= OFTEN),
    (Reason::GraveKind, 15, |incident, _| incident.kinds.iter().any(|kind| says_more_than_a_key(*kind))),
    (Reason::PressedAgain, 10, |incident, _| (2..OFTEN).contains(&incident.presses)),
    (Reason::Old, 10, |incident, signs| is_grave(incident) && signs.age_years.is_some_and(|age| age >= OLD_YEARS)),
    (Reason::Child, 10, |incident, signs| {
        is_grave(incident) && signs.age_years.is_some_and(|age| (0..=CHILD_YEARS).contains(&age))
    }),
];

impl Incident {
    /// Where it stands among others, and why.
    pub fn priority(&self, signs: &Signs) -> Priority {
        if !self.is_open() {
            return Priority { urgency: 0, reasons: Vec::new(), rises_at: None };
        }
        let holding = TABLE.iter().filter(|(_, _, holds)| holds(self, signs));
        let (reasons, points): (Vec<Reason>, Vec<i32>) = holding.map(|(reason, points, _)| (*reason, *points)).unzip();
        Priority {
            urgency: self.urgency() + points.iter().sum::<i32>(),
            reasons,
            rises_at: silent_from(self, signs).filter(|from| *from > signs.now),
        }
    }
}

/// Age and illness make nobody's groceries more urgent.
const fn is_grave(incident: &Incident) -> bool {
    !matches!(incident.class, Class::Service)
}

const fn says_more_than_a_key(kind: AlertKind) -> bool {
    matches!(kind, AlertKind::Fall | AlertKind::HeartRate | AlertKind::Smoke | AlertKind::Gas)
}

/// From when on silence counts; `None` while it does not: they were heard since the last press, took it back, or
/// somebody is with them.
fn silent_from(incident: &Incident, signs: &Signs) -> Option<Timestamp> {
    // Whoever opens a case by telephone speaks.
    let is_call = incident.kinds.iter().eq([&AlertKind::Telephone]);
    let is_heard = is_call || incident.cancelled || signs.heard_at.is_some_and(|at| at >= signs.last_press_at);
    let is_somebody_there = incident.offers.iter().any(|offer| offer.state == OfferState::OnScene)
        || incident.handovers.iter().any(|handover| handover.state == HandoverState::Arrived);
    let counts = incident.class == Class::Emergency && !is_heard && !is_somebody_there;
    counts.then(|| signs.last_press_at + SILENT_AFTER)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Handover, Offer, Origin, Voice};
    use super::*;
    use crate::id::{HandoverId, IncidentId, OfferId, ResponderId};
    use crate::incident::Centre;
    use crate::word::Word as _;

    const PRESSED_AT: Timestamp = Timestamp::constant(1_772_352_000, 0);

    fn open(class: Class, kind: Option<AlertKind>) -> Incident {
        Incident::open(IncidentId(Uuid::nil()), class, Origin::Listed, kind, PRESSED_AT)
    }

    fn sos() -> Incident {
        open(Class::Emergency, Some(AlertKind::Sos))
    }

    /// Somebody of whom nothing is known but that they have just pressed.
    fn nobody() -> Signs {
        Signs {
            now: PRESSED_AT,
            last_press_at: PRESSED_AT,
            heard_at: None,
            age_years: None,
            medical_risk: MedicalRisk::NotNoted,
        }
    }

    fn after(seconds: i64) -> Timestamp {
        PRESSED_AT + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn each_reason_raises_an_incident_by_its_own_weight() {
        let late = Signs { now: after(120), ..nobody() };
        let risk = Signs { medical_risk: MedicalRisk::Noted, ..nobody() };
        let aged = |years| Signs { age_years: Some(years), ..nobody() };
        let again = |presses| Incident { presses, ..sos() };
        let meal = open(Class::Service, None);
        let fall = open(Class::Emergency, Some(AlertKind::Fall));
        let wanders = open(Class::Wandering, Some(AlertKind::FenceExit));
        let cases: [(&str, Incident, Signs, &[Reason]); 16] = [
            ("one press", sos(), nobody(), &[]),
            ("a second press", again(2), nobody(), &[Reason::PressedAgain]),
            ("a third", again(3), nobody(), &[Reason::PressedOften]),
            ("two minutes of silence", sos(), late, &[Reason::Silent]),
            ("a risk on the card", sos(), risk, &[Reason::MedicalRisk]),
            ("79 years", sos(), aged(79), &[]),
            ("80 years", sos(), aged(80), &[Reason::Old]),
            ("7 years", sos(), aged(7), &[]),
            ("6 years", sos(), aged(6), &[Reason::Child]),
            ("born next year by a slip", sos(), aged(-1), &[]),
            ("a fall", fall.clone(), nobody(), &[Reason::GraveKind]),
            ("a meal for somebody ill", meal.clone(), Signs { age_years: Some(90), ..risk }, &[]),
            ("a meal asked for twice", Incident { presses: 2, ..meal }, late, &[Reason::PressedAgain]),
            ("somebody ill who wanders", wanders.clone(), risk, &[Reason::MedicalRisk]),
            ("who wanders and is silent", wanders, late, &[]),
            (
                "all at once",
                Incident { presses: 5, ..fall },
                Signs { age_years: Some(91), medical_risk: MedicalRisk::Noted, ..late },
                &[Reason::Silent, Reason::MedicalRisk, Reason::PressedOften, Reason::GraveKind, Reason::Old],
            ),
        ];
        for (what, incident, signs, reasons) in cases {
            let priority = incident.priority(&signs);
            assert_eq!(priority.reasons, reasons, "{what}");
            let points: i32 = TABLE.iter().filter(|row| reasons.contains(&row.0)).map(|row| row.1).sum();
            assert_eq!(priority.urgency, incident.urgency() + points, "{what}");
        }
    }

    #[test]
    fn silence_begins_two_minutes_after_the_last_press_unless_somebody_knows_how_they_are() {
        let just_before = Signs { now: after(119), ..nobody() };
        let waiting = sos().priority(&just_before);
        assert_eq!((waiting.reasons, waiting.rises_at), (vec![], Some(after(120))));
        let silent = sos().priority(&Signs { now: after(120), ..nobody() });
        assert_eq!((silent.reasons, silent.rises_at), (vec![Reason::Silent], None));

        let late = Signs { now: after(600), ..nobody() };
        let heard = Signs { heard_at: Some(after(30)), ..late };
        assert_eq!(sos().priority(&heard).reasons, [], "they were spoken to");
        let pressed_since = Signs { last_press_at: after(60), ..heard };
        let again = Incident { presses: 2, ..sos() };
        assert_eq!(again.priority(&pressed_since).reasons, [Reason::Silent, Reason::PressedAgain], "and press again");
        let fresh_press = Signs { now: after(61), ..pressed_since };
        assert_eq!(again.priority(&fresh_press).reasons, [Reason::PressedAgain], "a press is a sign of life");

        let offer = Offer {
            id: OfferId(Uuid::nil()),
            responder: ResponderId(Uuid::nil()),
            round: 0,
            asked_at: PRESSED_AT,
            by: None,
            watch: None,
            state: OfferState::OnScene,
        };
        let handover = Handover {
            id: HandoverId(Uuid::nil()),
            centre: Centre::Ambulance,
            state: HandoverState::Arrived,
            voice: Voice::NotNeeded,
            outlived: false,
        };
        for (what, incident) in [
            ("a responder is there", Incident { offers: vec![offer], ..sos() }),
            ("the ambulance is there", Incident { handovers: vec![handover], ..sos() }),
            ("the wearer took it back", Incident { cancelled: true, ..sos() }),
            ("it was a telephone call", open(Class::Emergency, Some(AlertKind::Telephone))),
        ] {
            let priority = incident.priority(&late);
            assert_eq!((priority.reasons, priority.rises_at), (vec![], None), "{what}");
        }
    }

    #[test]
    fn all_reasons_together_count_for_less_than_a_class_or_that_nobody_has_claimed() {
        // Nobody is both old and a child, and what is pressed often is not just pressed again.
        let exclusive = [Reason::Child, Reason::PressedAgain];
        let most: i32 = TABLE.iter().filter(|row| !exclusive.contains(&row.0)).map(|row| row.1).sum();
        assert!(most < 100, "{most}");
        assert!(TABLE.is_sorted_by_key(|(_, points, _)| -points), "the weightiest first");
        let mut reasons: Vec<Reason> = TABLE.iter().map(|(reason, ..)| *reason).collect();
        reasons.sort();
        assert_eq!(reasons, Reason::ALL, "each once");
    }
}
