use super::*;

const START: &str = "2026-03-01T02:00:00Z";

/// A device, its time, and everything it has done since it was last asked.
struct Bench {
    device: Device,
    now: Timestamp,
}

fn incident(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings::new("P1", 7))
    }

    fn with(settings: Settings) -> Self {
        Self { device: Device::new(settings), now: START.parse().unwrap() }
    }

    fn connected() -> Self {
        let mut bench = Self::new();
        bench.on(Stimulus::Connected);
        bench
    }

    fn on(&mut self, stimulus: Stimulus) -> Vec<Output> {
        self.device.handle(self.now, stimulus)
    }

    fn press(&mut self, key: Key) -> Vec<Output> {
        self.on(Stimulus::Pressed(key))
    }

    fn acknowledge(&mut self, seq: u32) -> Vec<Output> {
        self.on(Stimulus::Acknowledged { seq })
    }

    fn receipt(&mut self, seq: u32, incident: Uuid) -> Vec<Output> {
        self.on(Stimulus::Receipt(Receipt { boot: Some(7), seq: Some(seq), incident: Some(incident) }))
    }

    fn notice(&self, id: u128, incident: Uuid, news: News) -> Notice {
        let not_after = self.now + SignedDuration::from_mins(10);
        Notice { id: Uuid::from_u128(id), incident, news, not_after, drill: false }
    }

    fn news(&mut self, id: u128, incident: Uuid, news: News) -> Vec<Output> {
        let notice = self.notice(id, incident, news);
        self.on(Stimulus::Notice(notice))
    }

    fn later(&mut self, seconds: i64) -> Vec<Output> {
        self.now += SignedDuration::from_secs(seconds);
        self.on(Stimulus::Tick)
    }

    fn screen(&self) -> (&str, &str) {
        let screen = &self.device.face().screen;
        (&screen.zh, &screen.en)
    }

    fn siren(&self) -> bool {
        self.device.face().siren
    }
}

fn published(out: &[Output]) -> Vec<Publication> {
    out.iter()
        .filter_map(|output| match output {
            Output::Publish(publication) => Some(publication.clone()),
            _ => None,
        })
        .collect()
}

fn alerts(out: &[Output]) -> Vec<Alert> {
    let alerts = published(out).into_iter().filter(|publication| publication.press.is_some());
    alerts.map(|publication| serde_json::from_slice(&publication.payload).unwrap()).collect()
}

fn coming(minutes: u16, who: &str) -> News {
    News::Coming { minutes: Some(minutes), who: who.into() }
}

#[test]
fn a_press_goes_out_with_its_numbers_its_time_and_the_last_fix() {
    let mut bench = Bench::connected();
    let fix = Fix {
        lat: 28.228,
        lon: 112.938,
        acc_m: Some(12.0),
        at: None,
        source: Some("gnss".into()),
        speed_kmh: None,
        course_deg: None,
        alt_m: None,
    };
    bench.on(Stimulus::Located(fix.clone()));
    let out = bench.press(Key::sos());
    let publications = published(&out);
    assert_eq!(publications.len(), 1);
    assert_eq!(publications[0].topic, "ydt/1/P1/alert");
    assert_eq!(publications[0].press, Some(1));
    let alert = &alerts(&out)[0];
    assert_eq!(alert.wants, Wants::Alert { kind: "sos".into() });
    assert_eq!((alert.boot, alert.seq), (Some(7), Some(1)));
    assert_eq!(alert.at, Some(bench.now));
    assert_eq!(alert.fix, Some(fix));
    assert_eq!(alerts(&bench.press(Key::Help { kind: "fall".into() }))[0].seq, Some(2));
}

#[test]
fn every_key_asks_for_its_own_thing() {
    let mut bench = Bench::connected();
    assert_eq!(alerts(&bench.press(Key::Cancel))[0].wants, Wants::Cancel);
    assert_eq!(alerts(&bench.press(Key::CheckIn))[0].wants, Wants::CheckIn);
    let meal = Key::Request { category: "meal".into() };
    assert_eq!(alerts(&bench.press(meal))[0].wants, Wants::Request { category: "meal".into() });
}

#[test]
fn a_press_without_a_connection_is_kept_and_goes_out_when_there_is_one() {
    let mut bench = Bench::new();
    let out = bench.press(Key::sos());
    assert_eq!(published(&out), []);
    assert!(out.contains(&Output::Sound(Sound::Siren)));
    assert_eq!(bench.screen(), ("正在呼救……", "Calling for help …"));
    let out = bench.on(Stimulus::Connected);
    assert_eq!(alerts(&out)[0].seq, Some(1));
}

#[test]
fn a_press_is_repeated_byte_for_byte_on_every_connection_until_it_is_acknowledged() {
    let mut bench = Bench::connected();
    let first = published(&bench.press(Key::sos()));
    for _ in 0..3 {
        bench.on(Stimulus::Disconnected);
        bench.later(40);
        assert_eq!(published(&bench.on(Stimulus::Connected)), first);
    }
    bench.acknowledge(1);
    bench.on(Stimulus::Disconnected);
    assert_eq!(published(&bench.on(Stimulus::Connected)), []);
    assert_eq!(bench.device.waiting().count(), 0);
}

#[test]
fn a_press_is_not_repeated_while_its_connection_lasts() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    assert_eq!(bench.later(5), []);
    assert_eq!(published(&bench.press(Key::sos())).len(), 1);
}

#[test]
fn presses_go_out_in_the_order_in_which_they_were_made() {
    let mut bench = Bench::new();
    bench.press(Key::sos());
    bench.press(Key::Cancel);
    bench.press(Key::sos());
    let seqs: Vec<_> = alerts(&bench.on(Stimulus::Connected)).iter().map(|alert| alert.seq).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_connection_that_acknowledges_nothing_is_hung_up_and_the_press_goes_out_on_the_next() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    assert_eq!(bench.later(14), []);
    assert_eq!(bench.later(1), [Output::HangUp]);
    assert_eq!(bench.later(60), [], "only once");
    assert_eq!(alerts(&bench.on(Stimulus::Connected))[0].seq, Some(1));
}

#[test]
fn a_receipt_says_as_much_as_a_puback() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.receipt(1, incident(1));
    assert_eq!(bench.device.waiting().count(), 0);
    assert_eq!(bench.screen(), ("已收到，正在呼叫坐席", "Received. Calling an operator"));
    assert_eq!(bench.acknowledge(1), [], "nothing new");
}

#[test]
fn a_receipt_from_before_the_restart_is_for_another_press() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.on(Stimulus::Receipt(Receipt { boot: Some(6), seq: Some(1), incident: Some(incident(1)) }));
    assert_eq!(bench.device.waiting().collect::<Vec<_>>(), [1]);
}

#[test]
fn the_wearer_sees_each_step_in_both_languages_and_hears_the_siren_until_a_person_has_the_call() {
    let mut bench = Bench::connected();
    let case = incident(1);
    let out = bench.press(Key::sos());
    assert!(out.contains(&Output::Light(Light::RedFlashing)) && out.contains(&Output::Sound(Sound::Siren)));

    let out = bench.acknowledge(1);
    assert!(out.contains(&Output::Light(Light::Red)));
    assert_eq!(bench.screen(), ("已收到，正在呼叫坐席", "Received. Calling an operator"));
    bench.receipt(1, case);
    bench.news(10, case, News::Received);
    assert!(bench.siren(), "stored is not yet taken");

    let out = bench.news(11, case, News::Claimed);
    assert!(out.contains(&Output::Sound(Sound::Quiet)) && out.contains(&Output::Light(Light::GreenFlashing)));
    assert_eq!(bench.screen(), ("坐席已受理", "An operator has taken your call"));

    let out = bench.news(12, case, coming(4, "李师傅"));
    assert!(out.contains(&Output::Light(Light::Green)) && out.contains(&Output::Sound(Sound::Chime)));
    assert_eq!(bench.screen(), ("李师傅正在赶来，约4分钟", "李师傅 is coming, about 4 min"));
    bench.news(13, case, coming(8, "120"));
    assert_eq!(bench.screen(), ("120急救车正在赶来，约8分钟", "120 is coming, about 8 min"));
    bench.news(14, case, coming(0, "李师傅"));
    assert_eq!(bench.screen(), ("李师傅正在赶来，马上就到", "李师傅 is coming, any moment now"));
    bench.news(15, case, News::Arrived { who: "李师傅".into() });
    assert_eq!(bench.screen(), ("李师傅已到达", "李师傅 has arrived"));

    let out = bench.news(16, case, News::AllClear);
    assert!(out.contains(&Output::Light(Light::Off)));
    assert_eq!(bench.screen(), ("已办结，平安", "All clear"));
    bench.later(60);
    assert_eq!(bench.screen(), ("一点通 待机", "Ready"));
}

#[test]
fn the_siren_goes_on_until_somebody_has_the_call_or_is_there() {
    for news in [News::Claimed, News::Arrived { who: "120".into() }, News::AllClear] {
        let mut bench = Bench::connected();
        bench.press(Key::sos());
        bench.receipt(1, incident(1));
        bench.news(9, incident(1), coming(3, "120"));
        assert!(bench.siren());
        bench.news(10, incident(1), news.clone());
        assert!(!bench.siren(), "{news:?}");
    }
}

#[test]
fn a_notice_is_shown_once_and_every_copy_is_acknowledged() {
    let mut bench = Bench::connected();
    let first = bench.news(10, incident(1), News::Claimed);
    assert!(first.iter().any(|output| matches!(output, Output::Screen(_))));
    bench.news(11, incident(1), coming(4, "120"));
    let copy = bench.news(10, incident(1), News::Claimed);
    let acks = published(&copy);
    assert_eq!(copy.len(), 1);
    assert_eq!(acks[0].topic, "ydt/1/P1/ack");
    assert_eq!(serde_json::from_slice::<Ack>(&acks[0].payload).unwrap(), Ack { notice: Uuid::from_u128(10) });
    assert_eq!(bench.screen().1, "120 is coming, about 4 min");
}

#[test]
fn a_notice_that_comes_too_late_is_acknowledged_and_not_shown() {
    let mut bench = Bench::connected();
    let notice = bench.notice(10, incident(1), coming(4, "120"));
    bench.now += SignedDuration::from_hours(24);
    let out = bench.on(Stimulus::Notice(notice));
    assert_eq!((out.len(), published(&out).len()), (1, 1));
}

#[test]
fn news_does_not_go_backwards() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.receipt(1, incident(1));
    bench.news(11, incident(1), News::Claimed);
    bench.news(10, incident(1), News::Received);
    assert_eq!(bench.screen().1, "An operator has taken your call");
    bench.news(12, incident(1), News::AllClear);
    bench.news(13, incident(1), coming(2, "120"));
    assert_eq!(bench.screen().1, "All clear");
}

#[test]
fn a_second_press_sounds_again_until_the_receipt_says_that_it_joined_a_case_that_a_person_has() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.receipt(1, incident(1));
    bench.news(10, incident(1), coming(4, "120"));
    bench.press(Key::sos());
    assert!(bench.siren());
    bench.acknowledge(2);
    assert!(bench.siren());
    bench.receipt(2, incident(1));
    assert!(!bench.siren());
    assert_eq!(bench.screen().1, "120 is coming, about 4 min");
    assert_eq!(bench.device.face().light, Light::Green);
}

#[test]
fn news_about_a_meal_does_not_quiet_a_call_for_help() {
    let mut bench = Bench::connected();
    bench.press(Key::Request { category: "meal".into() });
    bench.receipt(1, incident(1));
    bench.press(Key::sos());
    bench.acknowledge(2);
    bench.news(10, incident(1), coming(20, "食堂"));
    assert!(bench.siren());
    bench.receipt(2, incident(2));
    bench.news(11, incident(1), News::AllClear);
    assert!(bench.siren());
    assert_ne!(bench.screen().1, "All clear");
    bench.news(12, incident(2), News::Claimed);
    assert!(!bench.siren());
}

#[test]
fn news_left_over_from_an_older_case_does_not_quiet_a_new_call() {
    let mut bench = Bench::new();
    bench.press(Key::sos());
    bench.on(Stimulus::Connected);
    bench.news(10, incident(1), News::Claimed);
    bench.news(11, incident(1), News::AllClear);
    assert!(bench.siren());
    bench.acknowledge(1);
    bench.news(12, incident(0), News::AllClear);
    assert!(bench.siren());
    bench.receipt(1, incident(2));
    assert!(bench.siren());
    bench.news(13, incident(2), News::Claimed);
    assert!(!bench.siren());
}

#[test]
fn news_that_overtakes_its_receipt_counts_when_the_receipt_comes() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.news(10, incident(1), News::Claimed);
    assert!(bench.siren(), "this press is not stored yet, so the news may be about another case");
    bench.receipt(1, incident(1));
    assert!(!bench.siren());
    assert_eq!(bench.screen().1, "An operator has taken your call");
}

#[test]
fn a_lost_receipt_does_not_keep_the_siren_on() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.acknowledge(1);
    bench.news(10, incident(1), News::Claimed);
    assert!(!bench.siren());
}

#[test]
fn a_cancel_is_told_and_quiets_nothing() {
    let mut bench = Bench::connected();
    bench.press(Key::sos());
    bench.receipt(1, incident(1));
    bench.press(Key::Cancel);
    bench.acknowledge(2);
    assert!(bench.siren());
    assert_eq!(bench.screen().1, "The operators will see that you took it back");
}

#[test]
fn only_calls_for_help_sound_the_siren() {
    for key in [
        Key::Cancel,
        Key::CheckIn,
        Key::Request { category: "meal".into() },
        Key::Help { kind: "low_battery".into() },
        Key::Help { kind: "fence_exit".into() },
    ] {
        let mut bench = Bench::connected();
        let out = bench.press(key.clone());
        assert_eq!(alerts(&out).len(), 1, "{key:?}");
        assert!(!bench.siren(), "{key:?}");
    }
    for kind in ["sos", "fall", "smoke", "never heard of"] {
        let mut bench = Bench::connected();
        bench.press(Key::Help { kind: kind.into() });
        assert!(bench.siren(), "{kind}");
    }
}

#[test]
fn a_check_in_is_confirmed_and_the_screen_goes_back_to_standby() {
    let mut bench = Bench::connected();
    bench.press(Key::CheckIn);
    let out = bench.acknowledge(1);
    assert!(out.contains(&Output::Sound(Sound::Beep)));
    assert_eq!(bench.screen(), ("已报平安", "Checked in"));
    bench.later(60);
    assert_eq!(bench.screen().1, "Ready");
}

#[test]
fn when_the_memory_is_full_a_call_for_help_pushes_out_something_lesser_and_never_another_call() {
    let mut bench = Bench::new();
    bench.press(Key::sos());
    for _ in 0..WAITING_MAX {
        bench.press(Key::CheckIn);
    }
    bench.press(Key::Help { kind: "fall".into() });
    let alerts = alerts(&bench.on(Stimulus::Connected));
    assert_eq!(alerts.len(), WAITING_MAX);
    assert_eq!(alerts[0].wants, Wants::Alert { kind: "sos".into() });
    assert_eq!(alerts[WAITING_MAX - 1].wants, Wants::Alert { kind: "fall".into() });
}

#[test]
fn a_clock_that_is_off_changes_what_is_stamped_and_nothing_else() {
    let years = SignedDuration::from_hours(-20 * 365 * 24);
    let mut bench = Bench::with(Settings { clock_off: years, ..Settings::new("P1", 7) });
    bench.on(Stimulus::Connected);
    let out = bench.press(Key::sos());
    assert_eq!(alerts(&out)[0].at, Some(bench.now + years));
    bench.receipt(1, incident(1));
    bench.news(10, incident(1), News::Claimed);
    assert_eq!(bench.screen().1, "An operator has taken your call");
}

#[test]
fn a_drill_says_so_in_the_message_and_on_the_screen() {
    let mut bench = Bench::with(Settings { drill: true, ..Settings::new("P1", 7) });
    bench.on(Stimulus::Connected);
    let out = bench.press(Key::sos());
    assert!(alerts(&out)[0].drill);
    assert_eq!(bench.screen(), ("【演练】正在呼救……", "[drill] Calling for help …"));
    let notice = Notice { drill: true, ..bench.notice(10, incident(1), News::Claimed) };
    bench.acknowledge(1);
    bench.on(Stimulus::Notice(notice));
    assert_eq!(bench.screen(), ("【演练】坐席已受理", "[drill] An operator has taken your call"));
}

#[test]
fn a_device_reads_its_own_topics_and_shrugs_at_the_rest() {
    let bench = Bench::new();
    let notice = bench.notice(10, incident(1), News::Claimed);
    let bytes = serde_json::to_vec(&notice).unwrap();
    assert_eq!(bench.device.read("ydt/1/P1/notice", &bytes), Some(Stimulus::Notice(notice)));
    assert_eq!(bench.device.read("ydt/1/P2/notice", &bytes), None);
    assert_eq!(bench.device.read("ydt/1/P1/notice", b"{"), None);
    assert_eq!(bench.device.read("ydt/1/P1/firmware", b"{}"), None);
}

fn fix() -> Fix {
    Fix {
        lat: 28.228,
        lon: 112.938,
        acc_m: Some(12.0),
        at: None,
        source: Some("gnss".into()),
        speed_kmh: None,
        course_deg: None,
        alt_m: None,
    }
}

impl Bench {
    /// What is published upon a command, by topic.
    fn command(&mut self, id: u128, command: wire::command::Command) -> (Vec<Output>, Vec<(String, serde_json::Value)>) {
        let not_after = self.now + SignedDuration::from_mins(10);
        let number = u16::try_from(id).unwrap();
        let out = self.on(Stimulus::Command(Command { id: Uuid::from_u128(id), number, command, not_after }));
        let told = told(&out);
        (out, told)
    }
}

fn told(out: &[Output]) -> Vec<(String, serde_json::Value)> {
    let leaf = |topic: &str| topic.rsplit('/').next().unwrap().to_owned();
    let read = |publication: Publication| serde_json::from_slice(&publication.payload).unwrap();
    published(out).into_iter().map(|publication| (leaf(&publication.topic), read(publication))).collect()
}

#[test]
fn a_command_is_carried_out_once_and_every_copy_of_it_is_answered() {
    let mut bench = Bench::connected();
    bench.on(Stimulus::Located(fix()));
    let (_, told) = bench.command(1, wire::command::Command::Locate);
    assert_eq!(told[0].0, "fix");
    assert_eq!(told[0].1["fixes"][0]["at"], START);
    assert_eq!(told[1], ("ack".into(), serde_json::json!({ "command": 1, "done": true })));
    let (_, again) = bench.command(1, wire::command::Command::Locate);
    assert_eq!(again, told[1..]);

    let (out, told) = bench.command(2, wire::command::Command::Text { text: "请打开门".into() });
    assert!(out.contains(&Output::Sound(Sound::Chime)));
    assert_eq!((bench.screen().0, &told[0].1["done"]), ("请打开门", &serde_json::json!(true)));
    let (out, _) = bench.command(3, wire::command::Command::Find);
    assert!(out.contains(&Output::Sound(Sound::Ring)));
    let (_, told) = bench.command(4, wire::command::Command::Restart);
    assert_eq!(told[0].1, serde_json::json!({ "command": 4, "done": false, "text": "this model does not do that" }));
}

#[test]
fn a_burst_tells_where_the_device_is_for_as_long_as_it_was_wanted() {
    let mut bench = Bench::connected();
    bench.on(Stimulus::Located(fix()));
    let (_, first) = bench.command(1, wire::command::Command::Burst { every_s: 10, for_s: 30 });
    assert_eq!(first[0].0, "fix");
    let fixes: Vec<usize> = (1..=40).map(|_| told(&bench.later(1)).len()).collect();
    let told_at: Vec<usize> = fixes.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, _)| at + 1).collect();
    assert_eq!(told_at, [10, 20]);
}

#[test]
fn a_device_that_knows_no_place_says_so_and_one_that_is_told_too_late_does_nothing() {
    let mut bench = Bench::connected();
    let (_, told) = bench.command(1, wire::command::Command::Locate);
    assert_eq!(told[0].1, serde_json::json!({ "command": 1, "done": false, "text": "no position" }));
    let command = wire::command::Command::Text { text: "过期".into() };
    let late = Command { id: Uuid::from_u128(2), number: 2, command, not_after: bench.now - SignedDuration::from_secs(1) };
    let out = bench.on(Stimulus::Command(late));
    assert_eq!((bench.screen().0, &answer_in(&out)["text"]), ("一点通 待机", &serde_json::json!("too late")));
}

fn answer_in(out: &[Output]) -> serde_json::Value {
    told(out).remove(0).1
}
