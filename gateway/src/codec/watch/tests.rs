//! What the corpora do not show: both directions of a conversation.

use domain::press::AlertKind;
use jiff::Timestamp;
use uuid::Uuid;
use wire::command::{Command, Contact, Order};
use wire::directory::Dialect;
use wire::notice::{News, Notice};
use wire::report::{Doubt, Event};
use wire::topics::Lane;

use super::super::conversation::{CannotSay, Context, Conversation, Strictness, Turn, When};
use super::super::told::{Alarm, Kind};
use super::frame::{escaped, unescaped};

const LENIENT: Context<'static> =
    Context { profile: None, received_at: Timestamp::UNIX_EPOCH, strictness: Strictness::Lenient };
const STRICT: Context<'static> = Context { strictness: Strictness::Strict, ..LENIENT };
const SOS: &[u8] = b"[3G*9710000011*004A*AL,140326,081530,A,28.256100,N,112.985400,E,0,0,0,9,88,76,0,0,00010000,0,0]";

fn met() -> Conversation {
    let mut conversation = Conversation::begin(Dialect::Watch).unwrap();
    conversation.read(b"[3G*9710000011*0002*LK]", &LENIENT);
    conversation
}

fn order(command: Command) -> Order {
    let not_after = Timestamp::MAX;
    Order {
        version: wire::command::VERSION,
        id: Uuid::nil(),
        serial: "9710000011".to_owned(),
        command,
        number: 3,
        not_after,
    }
}

fn replies<'t>(turn: &'t Turn<'_>) -> Vec<(&'t str, When)> {
    turn.replies.iter().map(|reply| (std::str::from_utf8(&reply.bytes).unwrap(), reply.when)).collect()
}

#[test]
fn an_alarm_hears_that_it_is_received_only_when_it_is_stored() {
    let mut conversation = met();
    let turn = conversation.read(SOS, &LENIENT);
    assert_eq!(turn.lane(), Lane::Alert);
    assert_eq!(replies(&turn), [("[3G*9710000011*0002*AL]", When::Durable)]);
    let alive = conversation.read(b"[3G*9710000011*0002*LK]", &LENIENT);
    assert_eq!(replies(&alive), [("[3G*9710000011*0002*LK]", When::Now)]);
}

#[test]
fn strictly_a_damaged_alarm_rings_and_is_not_answered_and_a_damaged_position_is_nothing() {
    let damaged = String::from_utf8_lossy(SOS).replace("*004A*", "*0049*");
    let turn = met().read(damaged.as_bytes(), &STRICT).into_owned();
    assert_eq!(turn.lane(), Lane::Alert);
    assert!(turn.replies.is_empty());
    let decoded = turn.into_decoded(Timestamp::UNIX_EPOCH);
    assert!(decoded.fixes.is_empty());
    assert!(decoded.doubts.contains(&Doubt::Damaged { what: "LEN is not the length".to_owned() }));
    let position = damaged.replace("AL,", "UD,").replace("00010000", "00000000");
    assert_eq!(met().read(position.as_bytes(), &STRICT).told.kind, Kind::Unreadable);
}

#[test]
fn a_press_in_a_position_that_cannot_be_read_is_a_press() {
    let place = "140326,081530,A,28.256100,N,112.985400,E,0,0,0,9,88,76,0,0,00010000,0,0";
    let says = |content: &str| {
        let frame = format!("[3G*9710000011*{:04X}*{content}]", content.len());
        met().read(frame.as_bytes(), &LENIENT).into_owned()
    };
    // A zero of the time is missing; nobody knows the letter of the fix.
    for broken in [place.replace("081530", "81530"), place.replace(",A,", ",L,"), place.replace("140326", "14032026")] {
        for (name, answered) in [("UD_LTE", 0), ("AL_LTE", 1)] {
            let turn = says(&format!("{name},{broken}"));
            assert_eq!((turn.lane(), turn.replies.len()), (Lane::Alert, answered), "{name},{broken}");
            let decoded = turn.into_decoded(Timestamp::UNIX_EPOCH);
            assert_eq!(decoded.event, Some(Event::Alert { kind: AlertKind::Sos }), "{name},{broken}");
            assert!(decoded.fixes.is_empty());
        }
        let calm = broken.replace("00010000", "00000000");
        assert_eq!(says(&format!("UD_LTE,{calm}")).told.kind, Kind::Unreadable, "{calm}");
    }
}

#[test]
fn numbers_that_are_written_with_more_than_digits_are_read() {
    let read = |state: &str| {
        let content = format!("UD,140326,081530,A,28.2561,N,112.9854,E,0,0,0,{state},00000000,0,0");
        let frame = format!("[3G*9710000011*{:04X}*{content}]", content.len());
        let told = met().read(frame.as_bytes(), &LENIENT).told;
        (told.points[0].satellites, told.status.battery_pct, told.steps)
    };
    let whole = (Some(9), Some(76), Some(120));
    for state in ["9,88,76,120,0", "9.0,88,76.5,120.0,0", "09,88, 76%,120,0"] {
        assert_eq!(read(state), whole, "{state}");
    }
    assert_eq!(read("-1,88,101%,x,0"), (None, None, None));
}

#[test]
fn bits_mean_something_else_on_some_models_and_some_hear_other_letters() {
    let says = |profile, bits: u32| {
        let frame = String::from_utf8_lossy(SOS).replace("00010000", &format!("{bits:08X}"));
        let context = Context { profile, ..LENIENT };
        let turn = met().read(frame.as_bytes(), &context).into_owned();
        let answer = String::from_utf8(turn.replies[0].bytes.clone()).unwrap();
        (turn.told.alarms().iter().collect::<Vec<_>>(), answer)
    };
    let answer = |maker: &str| format!("[{maker}*9710000011*0002*AL]");
    let bits = 1 << 20 | 1 << 22;
    assert_eq!(says(None, bits), (vec![Alarm::HeartRate, Alarm::Removed], answer("3G")));
    assert_eq!(says(Some("fall_bit_22"), bits), (vec![Alarm::Fall, Alarm::Removed], answer("3G")));
    assert_eq!(says(Some("battery_bit_20, sg"), bits), (vec![Alarm::HeartRate, Alarm::LowBattery], answer("SG")));
    // A press is one whatever the model.
    assert_eq!(says(Some("battery_bit_20,fall_bit_22"), 1 << 16).0, [Alarm::Sos]);

    let mut conversation = Conversation::begin(Dialect::Watch).unwrap();
    conversation.read(b"[3G*9710000011*0002*LK]", &Context { profile: Some("sg"), ..LENIENT });
    assert_eq!(conversation.write(&order(Command::Locate), Some("sg")).unwrap().bytes, b"[SG*9710000011*0002*CR]");
}

#[test]
fn an_answer_to_numbers_is_no_press_and_a_position_under_its_word_is() {
    let mut conversation = met();
    conversation.write(&order(Command::SosNumbers { numbers: vec!["120".to_owned()] }), None).unwrap();
    let place = "140326,081530,A,28.256100,N,112.985400,E,0,0,0,9,88,76,0,0,00000000,0,0";
    for (content, lane) in [(format!("SOS,{place}"), Lane::Alert), ("SOS".to_owned(), Lane::Telemetry)] {
        let frame = format!("[3G*9710000011*{:04X}*{content}]", content.len());
        let turn = conversation.read(frame.as_bytes(), &LENIENT).into_owned();
        assert_eq!((turn.lane(), turn.told.answer.is_some()), (lane, lane == Lane::Telemetry), "{content}");
    }
    // Nor does what only asks or tells about them ring.
    for content in ["SOS1,120", "SOS,120,,", "SOSSMS,0", "FALLDOWN,1,0", "APPALARMS,1,2"] {
        let frame = format!("[3G*9710000011*{:04X}*{content}]", content.len());
        assert_eq!(met().read(frame.as_bytes(), &LENIENT).lane(), Lane::Telemetry, "{content}");
    }
}

#[test]
fn a_message_that_nobody_knows_is_answered_when_it_is_repeated() {
    let mut conversation = met();
    let frame = b"[3G*9710000011*0009*WEATHER,1]";
    assert!(conversation.read(frame, &LENIENT).replies.is_empty());
    assert_eq!(replies(&conversation.read(frame, &LENIENT)), [("[3G*9710000011*0007*WEATHER]", When::Now)]);
}

#[test]
fn the_word_of_a_command_that_nobody_knows_is_its_answer() {
    let mut conversation = met();
    let written = conversation.write(&order(Command::Raw { content: "DIMMER,5".to_owned() }), None).unwrap();
    assert_eq!(
        (written.bytes.as_slice(), written.answered_as.as_deref()),
        (&b"[3G*9710000011*0008*DIMMER,5]"[..], Some("DIMMER"))
    );
    let answer = conversation.read(b"[3G*9710000011*0006*DIMMER]", &LENIENT);
    assert!(answer.told.answer.is_some_and(|answer| answer.word == "DIMMER"));
    // The second one answers nothing.
    assert!(conversation.read(b"[3G*9710000011*0006*DIMMER]", &LENIENT).told.answer.is_none());
}

#[test]
fn orders_are_written_as_the_family_writes_them() {
    let contact = |name: &str, number: &str| Contact { name: name.to_owned(), number: number.to_owned() };
    let numbers = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect();
    let cases = [
        (Command::Locate, "[3G*9710000011*0002*CR]"),
        (Command::Burst { every_s: 20, for_s: 180 }, "[3G*9710000011*0002*CR]"),
        (Command::ReportEvery { every_s: 600 }, "[3G*9710000011*000A*UPLOAD,600]"),
        (Command::Text { text: "你好".to_owned() }, "[3G*9710000011*0010*MESSAGE,4F60597D]"),
        (Command::SosNumbers { numbers: numbers(&["120"]) }, "[3G*9710000011*0009*SOS,120,,]"),
        (
            Command::Contacts { contacts: vec![contact("张", "120"); 6] },
            "[3G*9710000011*0030*PHB,120,5F20,120,5F20,120,5F20,120,5F20,120,5F20][3G*9710000011*000D*PHB2,120,5F20]",
        ),
        (Command::Find, "[3G*9710000011*0004*FIND]"),
        (Command::FallSensitivity { level: 8 }, "[3G*9710000011*0009*LSSET,1+8]"),
        (Command::FallSensitivity { level: 0 }, "[3G*9710000011*000C*FALLDOWN,0,0]"),
        (Command::Restart, "[3G*9710000011*0005*RESET]"),
        (Command::ListenIn { number: "073100000000".to_owned() }, "[3G*9710000011*0014*MONITOR,073100000000]"),
    ];
    for (command, frame) in cases {
        let written = met().write(&order(command), None).unwrap();
        assert_eq!(String::from_utf8(written.bytes).unwrap(), frame);
    }
}

#[test]
fn what_a_terminal_would_refuse_is_not_sent() {
    let numbers = |count: usize| vec!["120".to_owned(); count];
    for command in [
        Command::ReportEvery { every_s: 59 },
        Command::SosNumbers { numbers: numbers(4) },
        Command::SosNumbers { numbers: vec!["120*0002*RESET".to_owned()] },
        Command::Contacts { contacts: Vec::new() },
        Command::Raw { content: "CR][3G*1*0005*RESET".to_owned() },
        Command::FallSensitivity { level: 9 },
    ] {
        assert!(matches!(met().write(&order(command.clone()), None), Err(CannotSay::Unfit(_))), "{command:?}");
    }
    assert_eq!(met().write(&order(Command::NoFence { number: 1 }), None), Err(CannotSay::NoWord));
    let mut stranger = Conversation::begin(Dialect::Watch).unwrap();
    assert_eq!(stranger.write(&order(Command::Find), None), Err(CannotSay::NotIntroduced));
}

#[test]
fn a_terminal_that_numbers_its_messages_and_writes_small_digits_is_written_to_likewise() {
    let mut conversation = Conversation::begin(Dialect::Watch).unwrap();
    conversation.read(b"[ZJ*861234567890123*0033*000c*LK,1204,3,76]", &LENIENT);
    let written = conversation.write(&order(Command::ReportEvery { every_s: 600 }), None).unwrap();
    assert_eq!(written.bytes, b"[ZJ*861234567890123*0033*000a*UPLOAD,600]");
}

#[test]
fn somebody_who_is_coming_is_a_text_on_the_screen() {
    let news = News::Coming { minutes: Some(4), who: "李]明".to_owned() };
    let notice = Notice {
        version: wire::notice::VERSION,
        id: Uuid::nil(),
        serial: "9710000011".to_owned(),
        incident: Uuid::nil(),
        news,
        not_after: Timestamp::MAX,
        drill: false,
    };
    let text = String::from_utf8(met().tell(&notice).unwrap()).unwrap();
    let units = "674E005D660E6B6357288D766765FF0C7EA600345206949F";
    assert_eq!(text, format!("[3G*9710000011*0038*MESSAGE,{units}]"));
}

#[test]
fn a_damaged_answer_answers_nothing() {
    let mut conversation = met();
    let turn = conversation.read(b"[3G*9710000011*0002*CR", &LENIENT);
    assert!(!matches!(turn.into_decoded(Timestamp::UNIX_EPOCH).event, Some(Event::CommandAnswered(_))));
}

#[test]
fn binary_content_is_escaped_and_comes_back() {
    let all = (0..=u8::MAX).collect::<Vec<_>>();
    let bare = escaped(&all);
    assert!(!bare.iter().any(|byte| b"[],*".contains(byte)));
    assert_eq!(*unescaped(&bare), all);
    assert_eq!(*unescaped(b"a}"), *b"a}");
}

#[test]
fn a_position_that_was_kept_says_nothing_against_the_clock() {
    let off = |kind: &str| {
        let frame = String::from_utf8_lossy(SOS).replace("AL,", kind).replace("00010000", "00000000");
        let turn = met().read(frame.as_bytes(), &LENIENT).into_owned();
        turn.into_decoded(Timestamp::UNIX_EPOCH).doubts.iter().any(|doubt| matches!(doubt, Doubt::ClockOff { .. }))
    };
    assert_eq!((off("UD,"), off("UD2,")), (true, false));
}
