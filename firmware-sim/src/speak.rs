//! What the command line prints: a line an event, in words or as JSON.

use std::io::{self, Write as _};

use firmware_sim::clock;
use firmware_sim::device::{Light, Sound};
use firmware_sim::pager::Event;
use firmware_sim::terminal;
use serde::Serialize;
use wire::notice::News;

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Words,
    /// For programs.
    Json,
}

/// Prints a pager's events.
#[derive(Debug)]
pub(crate) struct Speaker {
    format: Format,
}

#[derive(Serialize)]
struct Line<'e, E> {
    at: jiff::Timestamp,
    #[serde(flatten)]
    event: &'e E,
}

impl Speaker {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints an event on the standard output.
    pub(crate) fn tell(&mut self, event: &Event) -> io::Result<()> {
        self.say(event, words)
    }

    /// Prints an event of a terminal with a connection of its own.
    pub(crate) fn tell_of(&mut self, event: &terminal::Event) -> io::Result<()> {
        self.say(event, words_of)
    }

    fn say<E: Serialize>(&mut self, event: &E, words: impl FnOnce(&E) -> String) -> io::Result<()> {
        match self.format {
            Format::Json => line(&serde_json::to_string(&Line { at: clock::now(), event }).map_err(io::Error::from)?),
            Format::Words => line(&words(event)),
        }
    }

    /// Prints a word for a person, beside the output.
    pub(crate) fn hint(&self, text: &str) {
        if self.format == Format::Words {
            let _nobody_reads = writeln!(io::stderr(), "{text}");
        }
    }
}

/// Prints a line at once, even into a pipe.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn words(event: &Event) -> String {
    match event {
        Event::Connected => "link     connected".into(),
        Event::Refused { code } => {
            let why = match code {
                3 => "server unavailable",
                4 => "bad user name or password",
                5 => "not authorised",
                _ => "see MQTT 3.1.1, 3.2.2.3",
            };
            format!("link     refused with code {code}: {why}")
        }
        Event::Disconnected { why } => format!("link     disconnected: {why}"),
        Event::Sent { seq } => format!("press    {seq} sent"),
        Event::Acknowledged { seq, after_ms } => {
            format!("PUBACK   press {seq} is on disk, {after_ms} ms after it was sent")
        }
        Event::Receipt { incident, .. } => match incident {
            Some(incident) => format!("receipt  incident {incident}"),
            None => "receipt  no incident".into(),
        },
        Event::Notice { news, drill, .. } => {
            let news = match news {
                News::Received => "received".into(),
                News::Claimed => "claimed".into(),
                News::Coming { minutes: Some(minutes), who } => format!("coming: {who}, {minutes} min"),
                News::Coming { minutes: None, who } => format!("coming: {who}"),
                News::Arrived { who } => format!("arrived: {who}"),
                News::AllClear => "all clear".to_owned(),
            };
            format!("notice   {news}{}", if *drill { " (drill)" } else { "" })
        }
        Event::Command { number, what } => format!("command  {what}, number {number}"),
        Event::Light { light } => {
            let light = match light {
                Light::Off => "○ off",
                Light::RedFlashing => "◉ red, flashing",
                Light::Red => "● red",
                Light::GreenFlashing => "◉ green, flashing",
                Light::Green => "● green",
            };
            format!("light    {light}")
        }
        Event::Sound { sound } => {
            let sound = match sound {
                Sound::Siren => "呜呜呜 (siren, until somebody has the call)",
                Sound::Quiet => "(siren off)",
                Sound::Chime => "叮咚 (chime)",
                Sound::Ring => "铃铃铃 (it wants to be found)",
                Sound::Beep => "嘀 (beep)",
            };
            format!("sound    {sound}")
        }
        Event::Screen { zh, en } => format!("screen   {zh} | {en}"),
    }
}

fn words_of(event: &terminal::Event) -> String {
    use terminal::Event;
    match event {
        Event::Connected => "link     connected".into(),
        Event::Disconnected { why } => format!("link     disconnected: {why}"),
        Event::LetIn => "link     the server answers".into(),
        Event::Sent { press, times: 1 } => format!("alarm    {press:?} sent"),
        Event::Sent { press, times } => format!("alarm    {press:?} sent again, {times} times now"),
        Event::Acknowledged { press, after_ms } => {
            format!("answer   {press:?} is on disk, {after_ms} ms after it was sent")
        }
        Event::Text { text } => format!("screen   {text}"),
        Event::Told { what } => format!("command  {what}"),
    }
}
