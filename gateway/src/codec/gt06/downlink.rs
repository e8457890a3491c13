//! Orders as this family writes them: the words of its text messages, in a frame of their own.

use wire::command::Command;

use super::super::conversation::CannotSay;

/// The number of the frame that carries a command, which stands for it in answers: they do not repeat its words.
pub(super) const WORD: &str = "80";
/// Its number.
pub(super) const PROTO: u8 = 0x80;
/// What models that can be listened in through call it, each with words of its own behind.
const LISTEN_IN: &str = "MONITOR";
/// Seconds between two positions that all models take.
const EVERY_S: std::ops::RangeInclusive<u32> = 10..=18_000;

/// The words.
pub(super) fn words(command: &Command) -> Result<String, CannotSay> {
    Ok(match command {
        Command::Locate => "WHERE#".to_owned(),
        Command::ReportEvery { every_s } if EVERY_S.contains(every_s) => format!("TIMER,{every_s}#"),
        Command::ReportEvery { .. } => return Err(CannotSay::Unfit("between 10 and 18000 seconds".to_owned())),
        Command::SosNumbers { numbers } => sos(numbers)?,
        Command::Restart => "RESET#".to_owned(),
        Command::Raw { content } => raw(content)?,
        Command::Burst { .. }
        | Command::Text { .. }
        | Command::Contacts { .. }
        | Command::Find
        | Command::FallSensitivity { .. }
        | Command::Fence { .. }
        | Command::NoFence { .. }
        | Command::ListenIn { .. } => return Err(CannotSay::NoWord),
    })
}

fn sos(numbers: &[String]) -> Result<String, CannotSay> {
    let is_number = |number: &String| {
        let digits = number.strip_prefix('+').unwrap_or(number);
        (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if numbers.is_empty() || numbers.len() > 3 || !numbers.iter().all(is_number) {
        return Err(CannotSay::Unfit("between one and three telephone numbers".to_owned()));
    }
    let mut places = numbers.iter().map(String::as_str).collect::<Vec<_>>();
    places.resize(3, "");
    Ok(format!("SOS,A,{}#", places.join(",")))
}

fn raw(content: &str) -> Result<String, CannotSay> {
    if content.is_empty() || content.len() > 200 || !content.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(CannotSay::Unfit("plain letters, at most 200".to_owned()));
    }
    if content.to_ascii_uppercase().contains(LISTEN_IN) {
        return Err(CannotSay::listening_in());
    }
    Ok(content.to_owned())
}

/// The body of the frame: how long, whose, what, and for some models in which language.
pub(super) fn body(words: &str, flag: u32, language: Option<u16>) -> Vec<u8> {
    let len = u8::try_from(words.len() + 4).unwrap_or(u8::MAX);
    let mut body = vec![len];
    body.extend_from_slice(&flag.to_be_bytes());
    body.extend_from_slice(words.as_bytes());
    if let Some(language) = language {
        body.extend_from_slice(&language.to_be_bytes());
    }
    body
}
