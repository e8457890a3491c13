//! What a pager does, as a pure model: the time and a stimulus in, outputs out.
//!
//! Nothing here reads a clock or touches a network, so a driver can put it on MQTT ([`crate::pager`])
//! and a simulation can run thousands of them in virtual time. The dialect is `ydt` version 1.
//!
//! What it promises its wearer: a press is kept until the server says that it is on disk, through any
//! number of broken connections, and is the same press, byte for byte, each time; the siren goes on
//! until a person has taken the call; each piece of news is shown once.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;
use wire::command::Command as Order;
use wire::directory::Dialect;
use wire::notice::News;
use wire::topics::{self, ydt as leaf};
use wire::ydt::{Ack, Alert, Command, CommandAck, Fix, Fixes, Notice, Receipt, Status, Wants};

/// How long a connected device waits for the acknowledgement of a press before it takes the connection
/// for dead. Three times the 5 s after which the server would have closed the session itself.
pub const ACKNOWLEDGED_WITHIN: SignedDuration = SignedDuration::from_secs(15);
/// How long the last words of a finished matter stay on the screen.
pub const LAST_WORDS_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Presses kept while nobody acknowledges them.
const WAITING_MAX: usize = 32;
/// Notices, incidents and presses remembered.
const REMEMBERED_MAX: usize = 256;
/// Alerts that the device raises by itself and that nobody near it need hear.
const QUIET_KINDS: [&str; 3] = ["low_battery", "removed", "fence_exit"];

/// What is fixed when a device is switched on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Its serial, which is in its topics.
    pub serial: String,
    /// Which restart this is; never twice the same.
    pub boot: u32,
    /// Marks every press as an exercise.
    pub drill: bool,
    /// Battery, 0–100.
    pub battery_pct: Option<u8>,
    /// How far the clock that it stamps its messages with is off, positive when it is ahead.
    pub clock_off: SignedDuration,
}

impl Settings {
    /// A device in good order.
    pub fn new(serial: impl Into<String>, boot: u32) -> Self {
        Self { serial: serial.into(), boot, drill: false, battery_pct: Some(85), clock_off: SignedDuration::ZERO }
    }
}

/// Something the wearer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Calls for help. Falls, smoke or an empty battery are no keys, but they come in the same way.
    Help {
        /// `sos`, `fall`, `smoke` …
        kind: String,
    },
    /// Takes the call back.
    Cancel,
    /// "I am fine" (报平安).
    CheckIn,
    /// Asks for daily help.
    Request {
        /// `meal`, `repair`, `nurse` …
        category: String,
    },
}

impl Key {
    /// The SOS key.
    pub fn sos() -> Self {
        Self::Help { kind: "sos".into() }
    }

    fn calls_for_help(&self) -> bool {
        matches!(self, Self::Help { kind } if !QUIET_KINDS.contains(&kind.as_str()))
    }

    fn wants(&self) -> Wants {
        match self {
            Self::Help { kind } => Wants::Alert { kind: kind.clone() },
            Self::Cancel => Wants::Cancel,
            Self::CheckIn => Wants::CheckIn,
            Self::Request { category } => Wants::Request { category: category.clone() },
        }
    }
}

/// What can happen to a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Stimulus {
    /// A key was pressed.
    Pressed(Key),
    /// There is a connection, and the device is subscribed to what is for it.
    Connected,
    /// The connection is gone; what was sent on it and not acknowledged may be lost.
    Disconnected,
    /// The PUBACK for the publication of this press.
    Acknowledged {
        /// The press.
        seq: u32,
    },
    /// A receipt arrived.
    Receipt(Receipt),
    /// A notice arrived.
    Notice(Notice),
    /// A command arrived.
    Command(Command),
    /// The device knows where it is.
    Located(Fix),
    /// Its battery, charger or strap tells how it is.
    Felt(Status),
    /// Time has passed. Wanted about once a second.
    Tick,
}

/// What a device does.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To be published.
    Publish(Publication),
    /// The lamp changes.
    Light(Light),
    /// It makes a sound.
    Sound(Sound),
    /// The screen changes.
    Screen(Screen),
    /// The connection answers no more: close it and make a new one.
    HangUp,
}

/// One message to the server, always with QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where to.
    pub topic: String,
    /// The message.
    pub payload: Vec<u8>,
    /// The press that its PUBACK acknowledges; `None` for telemetry, whose PUBACK nobody waits for.
    pub press: Option<u32>,
}

/// The lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Nothing is going on.
    Off,
    /// Calling: nobody has the call yet.
    RedFlashing,
    /// The call is stored.
    Red,
    /// A person has the call.
    GreenFlashing,
    /// Somebody is coming, or there.
    Green,
}

/// The loudspeaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// "呜呜呜" begins, and goes on until [`Sound::Quiet`].
    Siren,
    /// The siren ends.
    Quiet,
    /// News.
    Chime,
    /// It wants to be found.
    Ring,
    /// A key was felt.
    Beep,
}

/// What is on the screen, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Screen {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Screen {
    fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    fn standby() -> Self {
        Self::new("一点通 待机", "Ready")
    }

    fn calling(key: &Key) -> Self {
        match key {
            Key::Help { .. } if key.calls_for_help() => Self::new("正在呼救……", "Calling for help …"),
            Key::Help { .. } => Self::new("正在上报……", "Reporting …"),
            Key::Cancel => Self::new("正在发送取消……", "Taking the call back …"),
            Key::CheckIn => Self::new("正在报平安……", "Checking in …"),
            Key::Request { .. } => Self::new("正在发送需求……", "Sending your request …"),
        }
    }

    fn stored(key: &Key) -> Self {
        match key {
            Key::Help { .. } if key.calls_for_help() => Self::of(&News::Received),
            Key::Help { .. } => Self::new("已上报", "Reported"),
            Key::Cancel => Self::new("坐席会看到您的取消", "The operators will see that you took it back"),
            Key::CheckIn => Self::new("已报平安", "Checked in"),
            Key::Request { .. } => Self::new("需求已收到", "Your request is received"),
        }
    }

    fn of(news: &News) -> Self {
        let named = |who: &str| if who == "120" { "120急救车".to_owned() } else { who.to_owned() };
        match news {
            News::Received => Self::new("已收到，正在呼叫坐席", "Received. Calling an operator"),
            News::Claimed => Self::new("坐席已受理", "An operator has taken your call"),
            News::Coming { minutes: None, who } => {
                Self::new(format!("{}正在赶来", named(who)), format!("{who} is coming"))
            }
            News::Coming { minutes: Some(0), who } => {
                Self::new(format!("{}正在赶来，马上就到", named(who)), format!("{who} is coming, any moment now"))
            }
            News::Coming { minutes: Some(minutes), who } => Self::new(
                format!("{}正在赶来，约{minutes}分钟", named(who)),
                format!("{who} is coming, about {minutes} min"),
            ),
            News::Arrived { who } => Self::new(format!("{}已到达", named(who)), format!("{who} has arrived")),
            News::AllClear => Self::new("已办结，平安", "All clear"),
        }
    }

    fn in_a_drill(self) -> Self {
        Self::new(format!("【演练】{}", self.zh), format!("[drill] {}", self.en))
    }
}

/// Lamp, siren and screen as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// The lamp.
    pub light: Light,
    /// Whether the siren sounds.
    pub siren: bool,
    /// The screen.
    pub screen: Screen,
}

/// A press that nobody has acknowledged yet.
#[derive(Debug, Clone)]
struct Waiting {
    seq: u32,
    key: Key,
    payload: Vec<u8>,
    /// When it went out on the present connection.
    published_at: Option<Timestamp>,
}

/// Telling where it is, again and again.
#[derive(Debug, Clone, Copy)]
struct Following {
    every: SignedDuration,
    next_at: Timestamp,
    until: Option<Timestamp>,
}

/// A call for help, from its first press until all is clear.
#[derive(Debug, Clone, Copy, Default)]
struct Call {
    /// Known from a receipt or from news.
    incident: Option<Uuid>,
}

/// One pager.
#[derive(Debug, Clone)]
pub struct Device {
    settings: Settings,
    last_seq: u32,
    connected: bool,
    fix: Option<Fix>,
    waiting: VecDeque<Waiting>,
    call: Option<Call>,
    face: Face,
    standby_at: Option<Timestamp>,
    /// Presses since the restart, so that a late receipt still finds its own.
    pressed: Remembered<(u32, Key)>,
    notices: Remembered<Uuid>,
    /// Commands, with what was answered to them.
    commands: Remembered<(Uuid, CommandAck)>,
    following: Option<Following>,
    /// Incidents about daily help.
    requests: Remembered<Uuid>,
    /// What was last heard of an incident that a person has taken.
    taken: Remembered<(Uuid, News)>,
    closed: Remembered<Uuid>,
}

impl Device {
    /// Switches a device on.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            last_seq: 0,
            connected: false,
            fix: None,
            waiting: VecDeque::new(),
            call: None,
            face: Face { light: Light::Off, siren: false, screen: Screen::standby() },
            standby_at: None,
            pressed: Remembered::default(),
            notices: Remembered::default(),
            commands: Remembered::default(),
            following: None,
            requests: Remembered::default(),
            taken: Remembered::default(),
            closed: Remembered::default(),
        }
    }

    /// The topics to subscribe to, each with QoS 1.
    pub fn subscriptions(&self) -> [String; 3] {
        [self.topic(leaf::RECEIPT), self.topic(leaf::NOTICE), self.topic(leaf::COMMAND)]
    }

    /// What arrived on a subscribed topic; `None` for a topic or a message that it does not understand.
    pub fn read(&self, topic: &str, payload: &[u8]) -> Option<Stimulus> {
        match topics::leaf(Dialect::Ydt, &self.settings.serial, topic)? {
            leaf::RECEIPT => serde_json::from_slice(payload).ok().map(Stimulus::Receipt),
            leaf::NOTICE => serde_json::from_slice(payload).ok().map(Stimulus::Notice),
            leaf::COMMAND => serde_json::from_slice(payload).ok().map(Stimulus::Command),
            _ => None,
        }
    }

    /// Lamp, siren and screen as they are now.
    pub const fn face(&self) -> &Face {
        &self.face
    }

    /// The presses that nobody has acknowledged yet, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().map(|press| press.seq)
    }

    /// The number that the last press got; 0 before the first.
    pub const fn last_seq(&self) -> u32 {
        self.last_seq
    }

    /// Lets something happen.
    pub fn handle(&mut self, now: Timestamp, stimulus: Stimulus) -> Vec<Output> {
        let mut out = Vec::new();
        match stimulus {
            Stimulus::Pressed(key) => self.press(now, key, &mut out),
            Stimulus::Connected => {
                self.connected = true;
                self.publish_waiting(now, &mut out);
            }
            Stimulus::Disconnected => self.lose_connection(),
            Stimulus::Acknowledged { seq } => self.stored(now, seq, &mut out),
            Stimulus::Receipt(receipt) => self.read_receipt(now, receipt, &mut out),
            Stimulus::Notice(notice) => self.read_notice(now, notice, &mut out),
            Stimulus::Command(command) => self.read_command(now, command, &mut out),
            Stimulus::Located(fix) => {
                if self.connected {
                    let fixes = Fixes { fixes: vec![fix.clone()] };
                    out.push(self.telemetry(leaf::FIX, &fixes));
                }
                self.fix = Some(fix);
            }
            Stimulus::Felt(status) => {
                if self.connected {
                    out.push(self.telemetry(leaf::STATUS, &status));
                }
                self.settings.battery_pct = status.battery_pct.or(self.settings.battery_pct);
            }
            Stimulus::Tick => self.tick(now, &mut out),
        }
        out
    }

    fn press(&mut self, now: Timestamp, key: Key, out: &mut Vec<Output>) {
        self.last_seq = self.last_seq.wrapping_add(1);
        let seq = self.last_seq;
        if key.calls_for_help() {
            self.call.get_or_insert_default();
            self.light(Light::RedFlashing, out);
            self.siren(Siren::On, out);
        } else {
            out.push(Output::Sound(Sound::Beep));
        }
        self.standby_at = None;
        self.screen(self.own_drill().mark(Screen::calling(&key)), out);
        self.pressed.add((seq, key.clone()));

        if self.waiting.len() == WAITING_MAX {
            // A call for help pushes out something lesser. When there are only calls for help, one more
            // of them would tell the server nothing new.
            let Some(lesser) = self.waiting.iter().position(|press| !press.key.calls_for_help()) else { return };
            self.waiting.remove(lesser);
        }
        let payload = self.alert(now, &key, seq);
        self.waiting.push_back(Waiting { seq, key, payload, published_at: None });
        if self.connected {
            self.publish_waiting(now, out);
        }
    }

    /// The bytes of a press, made once: a repetition has the same, or the server would take it for another.
    fn alert(&self, now: Timestamp, key: &Key, seq: u32) -> Vec<u8> {
        let stamp = now.checked_add(self.settings.clock_off).unwrap_or(now);
        to_json(&Alert {
            wants: key.wants(),
            boot: Some(self.settings.boot),
            seq: Some(seq),
            at: Some(Timestamp::from_millisecond(stamp.as_millisecond()).unwrap_or(stamp)),
            fix: self.fix.clone(),
            battery_pct: self.settings.battery_pct,
            drill: self.settings.drill,
        })
    }

    fn publish_waiting(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let topic = self.topic(leaf::ALERT);
        for press in self.waiting.iter_mut().filter(|press| press.published_at.is_none()) {
            press.published_at = Some(now);
            let (topic, payload) = (topic.clone(), press.payload.clone());
            out.push(Output::Publish(Publication { topic, payload, press: Some(press.seq) }));
        }
    }

    fn lose_connection(&mut self) {
        self.connected = false;
        for press in &mut self.waiting {
            press.published_at = None;
        }
    }

    /// The server has this press on disk.
    fn stored(&mut self, now: Timestamp, seq: u32, out: &mut Vec<Output>) {
        let Some(index) = self.waiting.iter().position(|press| press.seq == seq) else { return };
        let Some(Waiting { key, .. }) = self.waiting.remove(index) else { return };
        if key.calls_for_help() {
            if self.waiting.iter().any(|press| press.key.calls_for_help()) || !self.face.siren {
                return;
            }
            self.light(Light::Red, out);
        } else {
            out.push(Output::Sound(Sound::Beep));
            if self.call.is_some() && key != Key::Cancel {
                return;
            }
            self.standby_at = now.checked_add(LAST_WORDS_FOR).ok().filter(|_| self.call.is_none());
        }
        self.screen(self.own_drill().mark(Screen::stored(&key)), out);
    }

    fn read_receipt(&mut self, now: Timestamp, receipt: Receipt, out: &mut Vec<Output>) {
        let (Some(boot), Some(seq)) = (receipt.boot, receipt.seq) else { return };
        if boot != self.settings.boot {
            return;
        }
        self.stored(now, seq, out);
        let Some(incident) = receipt.incident else { return };
        let Some((_, key)) = self.pressed.find(|(pressed, _)| *pressed == seq) else { return };
        if matches!(key, Key::Request { .. }) {
            self.requests.add(incident);
        } else if key.calls_for_help()
            && let Some(call) = &mut self.call
        {
            call.incident = Some(incident);
            // A person has this case already, so one more press in it need not cry out for one.
            if let Some((_, news)) = self.taken.find(|(taken, _)| *taken == incident).cloned() {
                self.siren(Siren::Off, out);
                self.tell_of_call(&news, self.own_drill(), out);
            }
        }
    }

    fn read_notice(&mut self, now: Timestamp, notice: Notice, out: &mut Vec<Output>) {
        // Every copy is acknowledged: an acknowledgement may have been lost.
        out.push(self.telemetry(leaf::ACK, &Ack { notice: notice.id }));
        if self.notices.has(&notice.id) {
            return;
        }
        self.notices.add(notice.id);
        // `now` is the time of the network, which a modem has even when the terminal's own clock is off.
        if now > notice.not_after || self.closed.has(&notice.incident) {
            return;
        }
        let Notice { incident, news, .. } = notice;
        let drill = Drill::from(notice.drill);
        let about_call = self.is_about_call(incident, &news);
        let taken_before = self.taken.find(|(taken, _)| *taken == incident).is_some();
        match news {
            News::Received => {}
            News::Claimed | News::Coming { .. } | News::Arrived { .. } => self.taken.add((incident, news.clone())),
            News::AllClear => self.closed.add(incident),
        }
        if !about_call {
            // "All clear" about something else would mislead somebody who is calling for help.
            if self.call.is_none() || news != News::AllClear {
                out.push(Output::Sound(Sound::Chime));
                self.screen(drill.mark(Screen::of(&news)), out);
            }
            return;
        }
        self.standby_at = None;
        match news {
            // Overtaken by better news.
            News::Received if taken_before => return,
            // News may come without a press of ours: help was called for by telephone, or before a restart.
            // That somebody sets out is no person who has the call: the neighbours are to hear it still.
            News::Received | News::Coming { .. } => self.call = Some(Call { incident: Some(incident) }),
            News::Claimed | News::Arrived { .. } => {
                self.call = Some(Call { incident: Some(incident) });
                self.siren(Siren::Off, out);
            }
            News::AllClear => {
                self.call = None;
                self.siren(Siren::Off, out);
                self.standby_at = now.checked_add(LAST_WORDS_FOR).ok();
            }
        }
        self.tell_of_call(&news, drill, out);
    }

    fn read_command(&mut self, now: Timestamp, command: Command, out: &mut Vec<Output>) {
        let Command { id, number, command, not_after } = command;
        // Every copy is answered as the first was, and done once.
        if let Some((_, answer)) = self.commands.find(|(done, _)| *done == id) {
            let answer = answer.clone();
            out.push(self.telemetry(leaf::ACK, &answer));
            return;
        }
        let done = if now > not_after { Err("too late") } else { self.carry_out(now, command, out) };
        let text = done.err().unwrap_or_default().to_owned();
        let answer = CommandAck { command: number, done: Some(done.is_ok()), text };
        out.push(self.telemetry(leaf::ACK, &answer));
        self.commands.add((id, answer));
    }

    /// Does what it was told, or says why not.
    fn carry_out(&mut self, now: Timestamp, order: Order, out: &mut Vec<Output>) -> Result<(), &'static str> {
        let seconds = |seconds: u32| SignedDuration::from_secs(i64::from(seconds.max(1)));
        match order {
            Order::Locate => {
                if self.fix.is_none() {
                    return Err("no position");
                }
                self.tell_where(now, out);
            }
            Order::Burst { every_s, for_s } => {
                let until = now.checked_add(seconds(for_s.into())).ok();
                self.following = Some(Following { every: seconds(every_s.into()), next_at: now, until });
                self.follow(now, out);
            }
            Order::ReportEvery { every_s } => {
                self.following = Some(Following { every: seconds(every_s), next_at: now, until: None });
                self.follow(now, out);
            }
            Order::Text { text } => {
                out.push(Output::Sound(Sound::Chime));
                self.screen(Screen::new(text.clone(), text), out);
            }
            Order::Find => out.push(Output::Sound(Sound::Ring)),
            _ => return Err("this model does not do that"),
        }
        Ok(())
    }

    /// Tells where it is, if it is time.
    fn follow(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let Some(following) = self.following else { return };
        if following.until.is_some_and(|until| until <= now) {
            self.following = None;
        } else if following.next_at <= now {
            let next_at = now.checked_add(following.every).unwrap_or(now);
            self.following = Some(Following { next_at, ..following });
            self.tell_where(now, out);
        }
    }

    fn tell_where(&self, now: Timestamp, out: &mut Vec<Output>) {
        if let (true, Some(fix)) = (self.connected, &self.fix) {
            out.push(self.telemetry(leaf::FIX, &Fixes { fixes: vec![Fix { at: Some(now), ..fix.clone() }] }));
        }
    }

    /// Whether news about `incident` is news about the present call for help, if there is one.
    fn is_about_call(&self, incident: Uuid, news: &News) -> bool {
        let about_daily_help = self.requests.has(&incident);
        match self.call {
            None => !about_daily_help,
            Some(Call { incident: Some(ours) }) => ours == incident,
            // Its receipt has not come, so we have to guess. What comes before the press is stored is about
            // an older matter, and so may be the end of one.
            Some(Call { incident: None }) => {
                let stored = !self.waiting.iter().any(|press| press.key.calls_for_help());
                stored && !about_daily_help && *news != News::AllClear
            }
        }
    }

    fn tell_of_call(&mut self, news: &News, drill: Drill, out: &mut Vec<Output>) {
        self.light(
            match news {
                News::Received => Light::Red,
                News::Claimed => Light::GreenFlashing,
                News::Coming { .. } | News::Arrived { .. } => Light::Green,
                News::AllClear => Light::Off,
            },
            out,
        );
        let screen = drill.mark(Screen::of(news));
        if screen != self.face.screen {
            out.push(Output::Sound(Sound::Chime));
            self.screen(screen, out);
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        if self.standby_at.is_some_and(|at| at <= now) {
            self.standby_at = None;
            self.screen(Screen::standby(), out);
        }
        self.follow(now, out);
        let oldest = self.waiting.iter().filter_map(|press| press.published_at).min();
        if self.connected && oldest.is_some_and(|at| now.duration_since(at) >= ACKNOWLEDGED_WITHIN) {
            self.lose_connection();
            out.push(Output::HangUp);
        }
    }

    const fn own_drill(&self) -> Drill {
        Drill::from(self.settings.drill)
    }

    fn topic(&self, leaf: &str) -> String {
        topics::topic(Dialect::Ydt, &self.settings.serial, leaf)
    }

    fn telemetry(&self, leaf: &str, message: &impl Serialize) -> Output {
        Output::Publish(Publication { topic: self.topic(leaf), payload: to_json(message), press: None })
    }

    fn light(&mut self, light: Light, out: &mut Vec<Output>) {
        if std::mem::replace(&mut self.face.light, light) != light {
            out.push(Output::Light(light));
        }
    }

    fn siren(&mut self, siren: Siren, out: &mut Vec<Output>) {
        let (sounds, sound) = match siren {
            Siren::On => (true, Sound::Siren),
            Siren::Off => (false, Sound::Quiet),
        };
        if std::mem::replace(&mut self.face.siren, sounds) != sounds {
            out.push(Output::Sound(sound));
        }
    }

    fn screen(&mut self, screen: Screen, out: &mut Vec<Output>) {
        if self.face.screen != screen {
            self.face.screen = screen.clone();
            out.push(Output::Screen(screen));
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Siren {
    On,
    Off,
}

#[derive(Debug, Clone, Copy)]
enum Drill {
    Yes,
    No,
}

impl Drill {
    const fn from(drill: bool) -> Self {
        if drill { Self::Yes } else { Self::No }
    }

    fn mark(self, screen: Screen) -> Screen {
        match self {
            Self::Yes => screen.in_a_drill(),
            Self::No => screen,
        }
    }
}

/// The last few of something.
#[derive(Debug, Clone)]
struct Remembered<T>(VecDeque<T>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Remembered<T> {
    fn add(&mut self, item: T) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }

    fn has(&self, item: &T) -> bool {
        self.0.contains(item)
    }

    fn find(&self, mut wanted: impl FnMut(&T) -> bool) -> Option<&T> {
        self.0.iter().rev().find(|item| wanted(item))
    }
}

fn to_json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_else(|_| unreachable!("the dialect's messages have string keys only"))
}

#[cfg(test)]
mod tests;
