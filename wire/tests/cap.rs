//! Hand-overs in CAP 1.2: what is written is what the standard asks for, and says all that the JSON says.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use domain::incident::Centre;
use domain::place::Source;
use domain::press::AlertKind;
use domain::word::Word as _;
use jiff::Timestamp;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use uuid::Uuid;
use wire::cap::{self, CapError, MsgType};
use wire::centre::{Message, Person, Place, Progress, Purpose, VERSION};

/// An element as it stands in the text, read without the types that wrote it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn read(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    let name = start.name().as_ref().to_owned();
                    open.push(Self { name: name_of(&name), ..Self::default() });
                }
                Event::Empty(start) => {
                    let name = name_of(start.name().as_ref());
                    open.last_mut().unwrap().children.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
                Event::GeneralRef(entity) => {
                    let sign = match entity.resolve_char_ref().unwrap() {
                        Some(sign) => sign.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&entity.xml10_content()).unwrap().into(),
                    };
                    open.last_mut().unwrap().text.push_str(&sign);
                }
                Event::Decl(_) => {}
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        let mut roots = open.pop().unwrap().children;
        assert_eq!(roots.len(), 1);
        roots.remove(0)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.children.iter().filter(|child| child.name == name).map(|child| child.text.as_str()).collect()
    }

    fn one(&self, name: &str) -> &Self {
        self.children.iter().find(|child| child.name == name).unwrap_or_else(|| panic!("{name} in {self:?}"))
    }
}

/// How often an element may stand in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Often {
    Once,
    Maybe,
    Any,
    Some,
}
use Often::{Any, Maybe, Once, Some as Many};

/// The elements of the standard that hold others: what they hold, in order (CAP 1.2, section 3.2).
const ORDER: [(&str, &[(&str, Often)]); 5] = [
    (
        "alert",
        &[
            ("identifier", Once),
            ("sender", Once),
            ("sent", Once),
            ("status", Once),
            ("msgType", Once),
            ("source", Maybe),
            ("scope", Once),
            ("restriction", Maybe),
            ("addresses", Maybe),
            ("code", Any),
            ("note", Maybe),
            ("references", Maybe),
            ("incidents", Maybe),
            ("info", Any),
        ],
    ),
    (
        "info",
        &[
            ("language", Maybe),
            ("category", Many),
            ("event", Once),
            ("responseType", Any),
            ("urgency", Once),
            ("severity", Once),
            ("certainty", Once),
            ("audience", Maybe),
            ("eventCode", Any),
            ("effective", Maybe),
            ("onset", Maybe),
            ("expires", Maybe),
            ("senderName", Maybe),
            ("headline", Maybe),
            ("description", Maybe),
            ("instruction", Maybe),
            ("web", Maybe),
            ("contact", Maybe),
            ("parameter", Any),
            ("resource", Any),
            ("area", Any),
        ],
    ),
    ("eventCode", &[("valueName", Once), ("value", Once)]),
    ("parameter", &[("valueName", Once), ("value", Once)]),
    (
        "area",
        &[
            ("areaDesc", Once),
            ("polygon", Any),
            ("circle", Any),
            ("geocode", Any),
            ("altitude", Maybe),
            ("ceiling", Maybe),
        ],
    ),
];

/// The words that the standard has for an element.
const WORDS: [(&str, &[&str]); 8] = [
    ("status", &["Actual", "Exercise", "System", "Test", "Draft"]),
    ("msgType", &["Alert", "Update", "Cancel", "Ack", "Error"]),
    ("scope", &["Public", "Restricted", "Private"]),
    (
        "category",
        &[
            "Geo",
            "Met",
            "Safety",
            "Security",
            "Rescue",
            "Fire",
            "Health",
            "Env",
            "Transport",
            "Infra",
            "CBRNE",
            "Other",
        ],
    ),
    ("responseType", &["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"]),
    ("urgency", &["Immediate", "Expected", "Future", "Past", "Unknown"]),
    ("severity", &["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
    ("certainty", &["Observed", "Likely", "Possible", "Unlikely", "Unknown"]),
];

fn name_of(name: impl AsRef<[u8]>) -> String {
    String::from_utf8(name.as_ref().to_vec()).unwrap()
}

/// What the standard would say against an element and everything in it.
fn faults(element: &Element) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some((_, order)) = ORDER.iter().find(|(name, _)| *name == element.name) {
        let place = |child: &Element| order.iter().position(|(name, _)| *name == child.name);
        let places: Vec<Option<usize>> = element.children.iter().map(place).collect();
        if places.contains(&None) || !places.is_sorted() {
            faults.push(format!("order in {}", element.name));
        }
        for (name, often) in *order {
            let count = element.all(name).len();
            let is_right = match often {
                Once => count == 1,
                Maybe => count <= 1,
                Any => true,
                Many => count >= 1,
            };
            if !is_right {
                faults.push(format!("{count} of {name} in {}", element.name));
            }
        }
    } else if !element.children.is_empty() {
        faults.push(format!("{} holds something", element.name));
    }
    if let Some((name, words)) = WORDS.iter().find(|(name, _)| *name == element.name)
        && !words.contains(&element.text.as_str())
    {
        faults.push(format!("{name} is {}", element.text));
    }
    let text = element.text.as_str();
    let is_right = match element.name.as_str() {
        "sent" | "effective" | "onset" | "expires" => is_moment(text),
        "identifier" | "sender" => {
            !text.is_empty() && !text.contains(|sign: char| sign.is_whitespace() || ",<&".contains(sign))
        }
        "references" => text.split_whitespace().all(|one| {
            let parts: Vec<&str> = one.split(',').collect();
            parts.len() == 3 && is_moment(parts[2])
        }),
        "circle" => {
            let numbers: Vec<f64> = text.split([',', ' ']).map(|number| number.parse().unwrap()).collect();
            numbers.len() == 3 && numbers[0].abs() <= 90.0 && numbers[1].abs() <= 180.0 && numbers[2] >= 0.0
        }
        _ => true,
    };
    if !is_right {
        faults.push(format!("{} is {text}", element.name));
    }
    faults.extend(element.children.iter().flat_map(self::faults));
    faults
}

/// `2026-03-01T16:00:00+08:00`: no fraction, and no `Z`.
fn is_moment(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd±dd:dd";
    text.chars().count() == pattern.chars().count()
        && pattern.chars().zip(text.chars()).all(|(wanted, found)| match wanted {
            'd' => found.is_ascii_digit(),
            '±' => found == '+' || found == '-',
            other => found == other,
        })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn message(purpose: Purpose) -> Message {
    Message {
        version: VERSION,
        handover: Uuid::from_u128(1),
        incident: Uuid::from_u128(2),
        purpose,
        drill: false,
        written_at: at(1_772_352_000),
        requested_at: (purpose != Purpose::Help).then(|| at(1_772_351_000)),
        update: (purpose == Purpose::Update).then_some(2),
        not_after: at(1_772_352_600),
        kinds: vec!["sos".into(), "smoke".into()],
        called_at: at(1_772_350_000),
        person: Some(Person {
            name: "陈秀英 <\"A&B\">".into(),
            born_in: Some(1941),
            sex: Some("female".into()),
            phone: Some("0731-80000001".into()),
            medical_card: Some("高血压；青霉素过敏 ]]> &amp;".into()),
        }),
        address: Some("文昌阁社区 3 栋 102".into()),
        home_address: None,
        place: Some(Place {
            lat_deg: 28.2182,
            lon_deg: 112.9867,
            accuracy_m: Some(8.0),
            age_s: 2,
            source: Source::Gnss,
        }),
        door_access: Some("钥匙在 101 刘家".into()),
        call_back: "0731-00000000".into(),
        status_url: "https://alarm.example:8443/api/v1/handovers/1/status".into(),
        briefing: "请求急救：陈秀英。".into(),
    }
}

#[test]
fn a_request_is_an_alert_that_the_standard_allows() {
    let xml = cap::write(&message(Purpose::Help), Centre::Ambulance);
    let alert = Element::read(&xml);
    assert_eq!(faults(&alert), Vec::<String>::new(), "{xml}");
    assert!(xml.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">"
    ));
    for (name, text) in [
        ("identifier", "00000000-0000-0000-0000-000000000001.help"),
        ("sender", "yidiantong@alarm.example:8443"),
        ("sent", "2026-03-01T16:00:00+08:00"),
        ("status", "Actual"),
        ("msgType", "Alert"),
        ("scope", "Private"),
        ("addresses", "120"),
        ("incidents", "00000000-0000-0000-0000-000000000002"),
    ] {
        assert_eq!(alert.one(name).text, text);
    }
    let info = alert.one("info");
    assert_eq!(info.all("category"), ["Health", "Rescue", "Fire"]);
    for (name, text) in [
        ("language", "zh-CN"),
        ("event", "本人按键求救、烟雾报警"),
        ("urgency", "Immediate"),
        ("severity", "Severe"),
        ("certainty", "Observed"),
        ("expires", "2026-03-01T16:10:00+08:00"),
        ("headline", "请求急救：陈秀英。"),
        ("instruction", "进门方式：钥匙在 101 刘家"),
        ("contact", "0731-00000000"),
    ] {
        assert_eq!(info.one(name).text, text);
    }
    assert!(info.one("description").text.contains("病史：高血压；青霉素过敏 ]]> &amp;"), "{xml}");
    let area = info.one("area");
    assert_eq!(
        (area.all("areaDesc"), area.all("circle")),
        (vec!["文昌阁社区 3 栋 102"], vec!["28.2182,112.9867 0.008"])
    );
}

#[test]
fn a_withdrawal_cancels_the_very_message_that_asked() {
    let help = Message { written_at: at(1_772_351_000), ..message(Purpose::Help) };
    let asked = Element::read(&cap::write(&help, Centre::Fire));
    let xml = cap::write(&message(Purpose::StandDown), Centre::Fire);
    let taken_back = Element::read(&xml);
    assert_eq!(faults(&taken_back), Vec::<String>::new(), "{xml}");
    assert_eq!(taken_back.one("msgType").text, "Cancel");
    let named = ["sender", "identifier", "sent"].map(|name| asked.one(name).text.as_str()).join(",");
    assert_eq!(taken_back.one("references").text, named);
    assert_ne!(taken_back.one("identifier").text, asked.one("identifier").text);
    let info = taken_back.one("info");
    assert_eq!((info.all("responseType"), info.all("urgency")), (vec!["AllClear"], vec!["Past"]));
}

#[test]
fn an_update_replaces_the_very_message_that_asked_and_each_has_its_own_name() {
    let help = Message { written_at: at(1_772_351_000), ..message(Purpose::Help) };
    let asked = Element::read(&cap::write(&help, Centre::Ambulance));
    let xml = cap::write(&message(Purpose::Update), Centre::Ambulance);
    let update = Element::read(&xml);
    assert_eq!(faults(&update), Vec::<String>::new(), "{xml}");
    assert_eq!(update.one("msgType").text, "Update");
    let named = ["sender", "identifier", "sent"].map(|name| asked.one(name).text.as_str()).join(",");
    assert_eq!(update.one("references").text, named);
    let next = Element::read(&cap::write(&Message { update: Some(3), ..message(Purpose::Update) }, Centre::Ambulance));
    let different: std::collections::BTreeSet<&str> =
        [&asked, &update, &next].map(|alert| alert.one("identifier").text.as_str()).into();
    assert_eq!(different.len(), 3);
    assert_eq!(update.one("info").all("urgency"), ["Immediate"], "help is wanted as before");
}

#[test]
fn an_exercise_says_so_where_the_standard_looks_for_it() {
    let alert = Element::read(&cap::write(&Message { drill: true, ..message(Purpose::Help) }, Centre::Police));
    assert_eq!((alert.one("status").text.as_str(), alert.all("addresses")), ("Exercise", vec!["110"]));
    assert!(alert.one("note").text.contains("演练") && alert.one("info").one("instruction").text.contains("请勿出动"));
    assert_eq!(alert.one("info").all("category")[0], "Security");
}

/// Text that people may have typed; what XML cannot say at all is left out of it.
fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9<>&'\";，。一-龥]([ a-zA-Z0-9<>&'\"\\];，。一-龥\n\t😀]{0,30}[a-z一-龥])?"
}

prop_compose! {
    fn any_message()(
        ids in any::<(u128, u128)>(), drill in any::<bool>(),
        purpose in prop::sample::select(vec![Purpose::Help, Purpose::Update, Purpose::StandDown]), nth in 1_u16..,
        seconds in prop::array::uniform4(0_i64..4_000_000_000),
        kinds in prop::sample::subsequence(AlertKind::ALL.to_vec(), 0..4),
        person in prop::option::of((words(), prop::option::of(1900_i16..2030), prop::option::of(words()), prop::option::of(words()), prop::option::of(words()))),
        address in prop::option::of(words()), home_address in prop::option::of(words()), door_access in prop::option::of(words()),
        place in prop::option::of((-90.0..90.0_f64, -180.0..180.0_f64, prop::option::of(0.0..50_000.0_f64), 0_i64..100_000, prop::sample::select(Source::ALL))),
        call_back in words(), briefing in words(),
    ) -> Message {
        Message {
            version: VERSION,
            handover: Uuid::from_u128(ids.0),
            incident: Uuid::from_u128(ids.1),
            purpose,
            drill,
            written_at: at(seconds[0]),
            requested_at: (purpose != Purpose::Help).then(|| at(seconds[1])),
            update: (purpose == Purpose::Update).then_some(nth),
            not_after: at(seconds[2]),
            kinds: kinds.iter().map(ToString::to_string).collect(),
            called_at: at(seconds[3]),
            person: person.map(|(name, born_in, sex, phone, medical_card)| Person { name, born_in, sex, phone, medical_card }),
            address,
            home_address,
            place: place.map(|(lat_deg, lon_deg, accuracy_m, age_s, source)| Place { lat_deg, lon_deg, accuracy_m, age_s, source }),
            door_access,
            call_back,
            status_url: "http://127.0.0.1:8080/api/v1/handovers/x/status".into(),
            briefing,
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_said_in_json_is_said_in_cap(message in any_message(), centre in prop::sample::select(Centre::ALL)) {
        let xml = cap::write(&message, centre);
        prop_assert_eq!(faults(&Element::read(&xml)), Vec::<String>::new(), "{}", xml);
        prop_assert_eq!(cap::read(xml.as_bytes()), Ok(message));
    }

    #[test]
    fn no_text_makes_an_answer_panic_or_be_taken(xml in "\\PC{0,300}") {
        prop_assert!(cap::read_answer(xml.as_bytes()).is_err());
    }

    #[test]
    fn what_xml_cannot_say_is_left_out_and_the_rest_is_said(name in any::<String>()) {
        let message = message(Purpose::Help);
        let person = Person { name, ..message.person.clone().unwrap() };
        let xml = cap::write(&Message { person: Some(person), ..message }, Centre::Ambulance);
        prop_assert_eq!(faults(&Element::read(&xml)), Vec::<String>::new());
        prop_assert!(cap::read(xml.as_bytes()).is_ok());
    }
}

#[test]
fn a_centres_answer_is_what_it_says_about_what_it_names() {
    let ours = message(Purpose::Help);
    let answered_at = at(1_772_352_010);
    let ack = cap::answer(&ours, "120@centre.example", answered_at, "CS-42", None);
    let error = cap::answer(&ours, "120@centre.example", answered_at, "CS-42", Some("没有车 <now>"));
    for xml in [&ack, &error] {
        assert_eq!(faults(&Element::read(xml)), Vec::<String>::new(), "{xml}");
    }
    let read = cap::read_answer(ack.as_bytes()).unwrap();
    assert_eq!((read.handovers.as_slice(), read.status.status), (&[ours.handover][..], Progress::Acknowledged));
    assert_eq!(read.status.reference.as_deref(), Some("CS-42"));
    let read = cap::read_answer(error.as_bytes()).unwrap();
    assert_eq!((read.status.status, read.status.reason.as_deref()), (Progress::Refused, Some("没有车 <now>")));
}

/// An answer as another program may write it: with a prefix, comments, CDATA, a signature, and parts we do not know.
const FOREIGN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- 120 -->
<cap:alert xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2">
  <cap:identifier>CS.7</cap:identifier>
  <cap:sender>120@centre.example</cap:sender>
  <cap:sent>2026-03-01T16:00:09-00:00</cap:sent>
  <cap:status>Actual</cap:status>
  <cap:msgType>Error</cap:msgType>
  <cap:source>duty desk</cap:source>
  <cap:scope>Private</cap:scope>
  <cap:code>x</cap:code>
  <cap:note><![CDATA[no vehicle & no crew]]></cap:note>
  <cap:references>
    other@example,77,2026-03-01T15:00:00+08:00
    yidiantong@alarm.example,00000000-0000-0000-0000-000000000001.help,2026-03-01T16:00:00+08:00
  </cap:references>
  <cap:incidents>CS-7</cap:incidents>
  <cap:info><cap:category>Health</cap:category><cap:event>x</cap:event><cap:urgency>Unknown</cap:urgency></cap:info>
  <ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/></ds:Signature>
</cap:alert>
"#;

#[test]
fn an_answer_by_another_program_is_read_and_what_is_wrong_with_one_is_said() {
    let read = cap::read_answer(FOREIGN.as_bytes()).unwrap();
    assert_eq!(read.handovers, [Uuid::from_u128(1)]);
    assert_eq!(read.status.reason.as_deref(), Some("no vehicle & no crew"));
    assert_eq!(read.status.reference.as_deref(), Some("CS-7"));

    let with = |from: &str, to: &str| {
        assert!(FOREIGN.contains(from), "{from}");
        cap::read_answer(FOREIGN.replace(from, to).as_bytes()).unwrap_err()
    };
    assert!(matches!(with("cap:1.2", "cap:1.1"), CapError::OtherNamespace));
    assert!(matches!(with("Actual", "Test"), CapError::NotMeant(_)));
    assert_eq!(with(">Error<", ">Update<"), CapError::NoAnswer(MsgType::Update));
    assert_eq!(with("yidiantong@alarm.example,00000000", "yidiantong@alarm.example,x"), CapError::NoReference);
    for (from, to, said) in [
        (">Error<", ">Bored<", "Bored"),
        ("<cap:sender>120@centre.example</cap:sender>", "", "sender"),
        ("16:00:09-00:00", "soon", "soon"),
        ("</cap:alert>", "", "end"),
        ("<!-- 120 -->", "<!DOCTYPE x [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>", "document type"),
        ("<![CDATA[no vehicle & no crew]]>", "&x;", "x"),
    ] {
        let CapError::Unreadable(why) = with(from, to) else { panic!("{from} → {to}") };
        assert!(why.contains(said), "{from} → {to}: {why}");
    }
    assert_eq!(cap::read_answer(&[0xff]), Err(CapError::NotText));
    let long = FOREIGN.replace("duty desk", &"x".repeat(cap::MESSAGE_MAX_BYTES));
    assert_eq!(cap::read_answer(long.as_bytes()), Err(CapError::TooLong));
    // As deep as a message can be: nothing here calls itself for each level.
    let deep = FOREIGN.replace("duty desk", &"<a>".repeat(20_000));
    assert!(matches!(cap::read_answer(deep.as_bytes()), Err(CapError::Unreadable(_))));
}
