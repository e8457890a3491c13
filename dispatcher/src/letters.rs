//! What people are told in words: contacts by letter, and what raised an alert, in both languages.
//!
//! A letter says who, what, when and where in words. Nothing medical, no coordinates, no secret.

use wire::centre::kind_in_zh;
use wire::webhook::{Message, What};

/// A language that people are told things in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// A letter to a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// What it is about, in one line.
    pub(crate) subject: String,
    /// The whole of it, as plain text.
    pub(crate) text: String,
    /// The same for a telephone: at most [`SHORT_MAX`] characters.
    pub(crate) short: String,
}

/// A text message with one Chinese character in it holds 70 characters; the provider puts our name before them, in
/// brackets. What is longer is sent, and paid for, in pieces, which may arrive in any order.
pub(crate) const SHORT_MAX: usize = 62;

/// Writes a letter. `called_at` is the time of the first press on the wall clock of the district; `link`
/// is where we are found.
pub(crate) fn write(message: &Message, language: Language, called_at: &str, link: &str) -> Letter {
    match language {
        Language::Zh => in_zh(message, called_at, link),
        Language::En => in_en(message, called_at, link),
    }
}

/// What a responder is told of an offer by text message or push: enough to open the page, and nothing of anybody, because
/// it is shown on a locked telephone. Chinese, as their page is.
pub(crate) fn offer(purpose: &str, class: &str, drill: bool) -> String {
    let drill = if drill { "【演练】" } else { "" };
    let class = class_in_zh(class);
    match purpose {
        "ask" => format!("{drill}新派单：{class}。请立即打开一点通接单或拒单。"),
        _ => format!("{drill}派单已撤回：{class}。"),
    }
}

/// Fits the parts into a text message: those at the end of `parts` give way first, and what is cut ends in an ellipsis.
fn short(head: &str, parts: &[&str], tail: &str) -> String {
    let mut room = SHORT_MAX.saturating_sub(head.chars().count() + tail.chars().count());
    let mut text = head.to_owned();
    for part in parts {
        let length = part.chars().count();
        if length <= room {
            text.push_str(part);
            room -= length;
        } else if room > 4 {
            text.extend(part.chars().take(room - 1));
            text.push('…');
            room = 0;
        }
    }
    text.push_str(tail);
    text.chars().take(SHORT_MAX).collect()
}

/// The time of day of `2026-03-01 16:00`.
fn time_of_day(called_at: &str) -> &str {
    called_at.rsplit(' ').next().unwrap_or(called_at)
}

fn in_zh(message: &Message, called_at: &str, link: &str) -> Letter {
    let Message { resident, contact, call_back, .. } = message;
    let drill = if message.drill { "【演练】" } else { "" };
    let kinds = message.kinds.iter().map(|kind| kind_in_zh(kind)).collect::<Vec<_>>().join("、");
    let kinds = if kinds.is_empty() { class_in_zh(&message.class).to_owned() } else { kinds };
    let mut lines = vec![format!("{}（{}）：", contact.name, contact.relation), String::new()];
    if message.drill {
        lines.push("这是一次演练，没有人遇到危险。".into());
    }
    let (at, tail) = (time_of_day(called_at), format!("电话{call_back}"));
    let (subject, short) = match message.what {
        What::Alert => {
            lines.push(format!("{resident} 于 {called_at} 发出求助：{kinds}。"));
            if let Some(address) = &message.address {
                lines.push(format!("地点：{address}。"));
            }
            lines.push("呼叫中心已收到，正在处理。请保持电话畅通。".into());
            let place = message.address.as_deref().map(|address| format!("{address}。")).unwrap_or_default();
            let head = format!("{drill}{resident}{at}求助，已在处理。");
            (format!("{drill}{resident} 求助：{kinds}"), short(&head, &[&format!("{kinds}。"), &place], &tail))
        }
        What::AllClear => {
            lines.push(format!("{resident} 于 {called_at} 的求助（{kinds}）已办结。"));
            if let Some(outcome) = message.outcome.as_deref() {
                lines.push(format!("结果：{}。", outcome_in_zh(outcome)));
            }
            let outcome = message.outcome.as_deref().map(|outcome| format!("{}。", outcome_in_zh(outcome)));
            let head = format!("{drill}{resident}{at}的求助已办结。");
            (format!("{drill}{resident} 的求助已办结"), short(&head, &[&outcome.unwrap_or_default()], &tail))
        }
    };
    lines.push(format!("呼叫中心电话：{call_back}"));
    lines.extend([String::new(), "一点通".into(), link.to_owned()]);
    Letter { subject, text: lines.join("\n"), short }
}

fn in_en(message: &Message, called_at: &str, link: &str) -> Letter {
    let Message { resident, contact, call_back, .. } = message;
    let drill = if message.drill { "[DRILL] " } else { "" };
    let kinds = message.kinds.iter().map(|kind| kind.replace('_', " ")).collect::<Vec<_>>().join(", ");
    let kinds = if kinds.is_empty() { message.class.clone() } else { kinds };
    let mut lines = vec![format!("{} ({}),", contact.name, contact.relation), String::new()];
    if message.drill {
        lines.push("This is a drill. Nobody is in danger.".into());
    }
    let (at, tail) = (time_of_day(called_at), format!(" Tel {call_back}"));
    let (subject, short) = match message.what {
        What::Alert => {
            lines.push(format!("{resident} called for help on {called_at}: {kinds}."));
            if let Some(address) = &message.address {
                lines.push(format!("Where: {address}."));
            }
            lines.push("The call centre has it and is seeing to it. Please keep your telephone at hand.".into());
            let place = message.address.as_deref().map(|address| format!(" {address}.")).unwrap_or_default();
            let head = format!("{drill}{resident} called for help {at}:");
            (
                format!("{drill}{resident} called for help: {kinds}"),
                short(&head, &[&format!(" {kinds}."), &place], &tail),
            )
        }
        What::AllClear => {
            lines.push(format!("The call for help of {resident} on {called_at} ({kinds}) is closed."));
            if let Some(outcome) = message.outcome.as_deref() {
                lines.push(format!("Outcome: {}.", outcome_in_en(outcome)));
            }
            let outcome = message.outcome.as_deref().map(|outcome| format!(" {}.", outcome_in_en(outcome)));
            let head = format!("{drill}{resident}, {at}: all clear.");
            (
                format!("{drill}{resident}: the call for help is closed"),
                short(&head, &[&outcome.unwrap_or_default()], &tail),
            )
        }
    };
    lines.push(format!("Call centre: {call_back}"));
    lines.extend([String::new(), "Yidiantong".into(), link.to_owned()]);
    Letter { subject, text: lines.join("\n"), short }
}

fn class_in_zh(class: &str) -> &str {
    match class {
        "emergency" => "紧急求助",
        "wandering" => "走失",
        "welfare" => "关怀",
        "service" => "生活服务",
        other => other,
    }
}

fn outcome_in_zh(outcome: &str) -> &str {
    match outcome {
        "false_press" => "误按",
        "test" => "测试",
        "no_injury" => "已当场帮助，无人受伤",
        "ambulance" => "已由 120 接手",
        "found" => "人已找到",
        "service_done" => "服务已完成",
        "unreachable" => "未能联系上本人，请致电呼叫中心",
        "other" => "详情请致电呼叫中心",
        other => other,
    }
}

fn outcome_in_en(outcome: &str) -> &str {
    match outcome {
        "false_press" => "pressed by mistake",
        "test" => "a test",
        "no_injury" => "helped on the spot, nobody hurt",
        "ambulance" => "the ambulance took over",
        "found" => "found",
        "service_done" => "help was given",
        "unreachable" => "nobody could be reached; please call us",
        "other" => "please call us for details",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::incident::{Class, Outcome};
    use domain::press::AlertKind;
    use domain::word::Word;
    use jiff::Timestamp;
    use uuid::Uuid;
    use wire::webhook::{Contact, VERSION};

    fn message(what: What) -> Message {
        Message {
            version: VERSION,
            message: Uuid::from_u128(1),
            incident: Uuid::from_u128(2),
            what,
            drill: false,
            class: "emergency".into(),
            kinds: vec!["sos".into(), "heart_rate".into()],
            outcome: (what == What::AllClear).then(|| "no_injury".into()),
            resident: "陈秀英".into(),
            address: Some("湘雅路 1 号".into()),
            called_at: Timestamp::UNIX_EPOCH,
            written_at: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            contact: Contact { name: "陈明".into(), relation: "儿子".into() },
            call_back: "0731-1".into(),
            text: String::new(),
        }
    }

    #[test]
    fn every_word_can_be_said_in_chinese() {
        for kind in AlertKind::ALL {
            assert!(!kind_in_zh(kind.as_str()).is_ascii(), "{kind}");
        }
        for class in Class::ALL {
            assert!(!class_in_zh(class.as_str()).is_ascii(), "{class}");
        }
        for outcome in Outcome::ALL {
            assert!(!outcome_in_zh(outcome.as_str()).is_ascii(), "{outcome}");
            assert!(!outcome_in_en(outcome.as_str()).contains('_'), "{outcome}");
        }
    }

    #[test]
    fn a_letter_says_who_what_when_and_where() {
        let letter = write(&message(What::Alert), Language::Zh, "11-22 08:00", "http://x");
        assert_eq!(letter.subject, "陈秀英 求助：本人按键求救、心率异常");
        for word in ["陈明（儿子）", "11-22 08:00", "湘雅路 1 号", "0731-1", "http://x"] {
            assert!(letter.text.contains(word), "{word} in {}", letter.text);
        }
        let clear = write(&message(What::AllClear), Language::En, "11-22 08:00", "http://x");
        assert_eq!(clear.subject, "陈秀英: the call for help is closed");
        assert!(clear.text.contains("sos, heart rate") && clear.text.contains("nobody hurt"), "{}", clear.text);
    }

    #[test]
    fn a_text_message_fits_into_one_and_keeps_who_and_whom_to_call() {
        let alert = write(&message(What::Alert), Language::Zh, "2026-11-22 08:00", "http://x").short;
        assert_eq!(alert, "陈秀英08:00求助，已在处理。本人按键求救、心率异常。湘雅路 1 号。电话0731-1");
        let clear = write(&message(What::AllClear), Language::Zh, "2026-11-22 08:00", "http://x").short;
        assert_eq!(clear, "陈秀英08:00的求助已办结。已当场帮助，无人受伤。电话0731-1");
        let long = Message {
            address: Some("湘雅路街道文昌阁社区三栋一单元一零二室靠近东门的小花园旁边第二个凉亭".repeat(2)),
            kinds: AlertKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
            drill: true,
            call_back: "0731-84000000".into(),
            ..message(What::Alert)
        };
        for what in [What::Alert, What::AllClear] {
            for language in [Language::Zh, Language::En] {
                let text = write(&Message { what, ..long.clone() }, language, "2026-11-22 08:00", "http://x").short;
                assert!(text.chars().count() <= SHORT_MAX, "{text}");
                assert!(text.contains("陈秀英") && text.ends_with("0731-84000000"), "{text}");
            }
        }
    }

    #[test]
    fn a_drill_is_marked_wherever_it_is_looked_at() {
        for (language, mark, word) in [(Language::Zh, "【演练】", "演练"), (Language::En, "[DRILL]", "drill")] {
            let message = Message { drill: true, ..message(What::Alert) };
            let letter = write(&message, language, "", "");
            assert!(letter.subject.starts_with(mark) && letter.text.contains(word), "{letter:?}");
        }
    }
}
