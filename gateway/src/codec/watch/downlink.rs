//! Orders as this family writes them.

use std::fmt::Write as _;

use wire::command::{Command, Contact};

use super::super::conversation::CannotSay;

/// A text on a screen of two lines is read, a novel is not.
const TEXT_MAX: usize = 200;
/// `UPLOAD` takes these seconds.
const EVERY_S: std::ops::RangeInclusive<u32> = 60..=65_535;
/// Has the terminal call back without a sound.
const LISTEN_IN: &str = "MONITOR";
/// Entries of one of the two telephone books.
const BOOK: usize = 5;

/// The contents of the frames that say it, in order. The terminal answers each with its word.
pub(super) fn contents(command: &Command) -> Result<Vec<String>, CannotSay> {
    Ok(match command {
        // Three minutes long the receiver is on, and tells a position every 20 seconds: it is a burst already.
        Command::Locate | Command::Burst { .. } => vec!["CR".to_owned()],
        Command::ReportEvery { every_s } if EVERY_S.contains(every_s) => vec![format!("UPLOAD,{every_s}")],
        Command::ReportEvery { .. } => return Err(CannotSay::Unfit("between 60 and 65535 seconds".to_owned())),
        Command::Text { text } => vec![message(text)],
        Command::SosNumbers { numbers } => vec![sos(numbers)?],
        Command::Contacts { contacts } => books(contacts)?,
        Command::Find => vec!["FIND".to_owned()],
        Command::FallSensitivity { level: 0 } => vec!["FALLDOWN,0,0".to_owned()],
        // Of eight steps the first is theirs for the most sensitive, ours for the least.
        Command::FallSensitivity { level: level @ 1..=8 } => vec![format!("LSSET,{}+8", 9 - level)],
        Command::FallSensitivity { .. } => return Err(CannotSay::Unfit("a level between 0 and 8".to_owned())),
        Command::Fence { .. } | Command::NoFence { .. } => return Err(CannotSay::NoWord),
        Command::Restart => vec!["RESET".to_owned()],
        Command::ListenIn { number } => vec![format!("{LISTEN_IN},{}", telephone(number)?)],
        Command::Raw { content } => vec![raw(content)?],
    })
}

/// The word of a content: up to its first comma.
pub(super) fn word(content: &str) -> &str {
    content.split(',').next().unwrap_or_default()
}

/// A text on the terminal's screen.
pub(super) fn message(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(TEXT_MAX).collect();
    format!("MESSAGE,{}", utf16_hex(&text))
}

/// All three numbers at once: those that are not given are empty, and no longer called.
fn sos(numbers: &[String]) -> Result<String, CannotSay> {
    if numbers.len() > 3 {
        return Err(CannotSay::Unfit("at most three numbers".to_owned()));
    }
    let mut content = "SOS".to_owned();
    for place in 0..3 {
        content.push(',');
        content.push_str(numbers.get(place).map_or(Ok(""), |number| telephone(number))?);
    }
    Ok(content)
}

/// Five entries in each of two books. A second book that is not needed is left as it is.
fn books(contacts: &[Contact]) -> Result<Vec<String>, CannotSay> {
    if contacts.is_empty() || contacts.len() > 2 * BOOK {
        return Err(CannotSay::Unfit("between one and ten entries".to_owned()));
    }
    let mut contents = Vec::new();
    for (book, entries) in ["PHB", "PHB2"].iter().zip(contacts.chunks(BOOK)) {
        let mut content = (*book).to_owned();
        for Contact { name, number } in entries {
            let name: String = name.chars().filter(|letter| !letter.is_control()).take(16).collect();
            let _ = write!(content, ",{},{}", telephone(number)?, utf16_hex(&name));
        }
        contents.push(content);
    }
    Ok(contents)
}

fn telephone(number: &str) -> Result<&str, CannotSay> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    if (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(number)
    } else {
        Err(CannotSay::Unfit(format!("{number:?} is no telephone number")))
    }
}

fn raw(content: &str) -> Result<String, CannotSay> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'[' | b']');
    if content.is_empty() || content.len() > 1024 || !content.bytes().all(is_plain) {
        return Err(CannotSay::Unfit("plain letters without brackets, at most 1024".to_owned()));
    }
    if word(content).trim().eq_ignore_ascii_case(LISTEN_IN) {
        return Err(CannotSay::listening_in());
    }
    Ok(content.to_owned())
}

/// UTF-16, the high byte first, in hexadecimal digits.
fn utf16_hex(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 4);
    for unit in text.encode_utf16() {
        let _ = write!(out, "{unit:04X}");
    }
    out
}
