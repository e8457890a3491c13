//! Bad input at the front door of the real thing: whoever is slow, silent, too loud, out of order, or somebody else is
//! turned away by code and counted, and holds up nobody who presses.

use std::time::Duration;

use serde_json::json;
use system::authority::{Authority, Papers};
use system::console::Console;
use system::mosquitto::{Mosquitto, Version};
use system::paho::Paho;
use system::presses::{Ledger, press, press_on_with};
use system::records::Records;
use system::scene::{Scene, sends_a_vehicle};
use system::server::{Server, Setup, Terminal};
use system::shell::Shell;
use system::wait::{SOON, until, until_so};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections that say nothing at all.
const SILENT: usize = 4000;
/// Connections that say CONNECT so slowly that it never ends.
const DRIPPING: usize = 500;
/// What all of these together may cost the server, in bytes: a few kilobytes each.
const FLOOD_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A number of the door's.
async fn counted(operator: &Console, name: &str) -> u64 {
    let number = operator.metric(&format!("ydt_broker_{name}")).await;
    number.parse().unwrap_or_else(|_| panic!("{name} is {number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_are_silent_or_slow_hold_up_nobody_and_cost_next_to_nothing() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let pager = scene.terminal("P1001");
    let alert = pager.topic("alert");
    scene.hand(&pager, Version::V311).publish_acknowledged(&alert, press(1)).await;

    let before = scene.server.memory();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(scene.ready().mqtt).await.expect("the door takes connections"));
    }
    let mut dripping = Vec::new();
    for _ in 0..DRIPPING {
        dripping.push(TcpStream::connect(scene.ready().mqtt).await.expect("the door takes connections"));
    }
    let drips = tokio::spawn(async move {
        let mut drops = tokio::time::interval(Duration::from_millis(200));
        for byte in [0x10, 0xff, 0x3f, 0, 4, b'M', b'Q', b'T', b'T'].into_iter().chain(std::iter::repeat(0)) {
            drops.tick().await;
            for socket in &mut dripping {
                let _ = socket.write_all(&[byte]).await;
            }
        }
    });
    let half_open = counted(&operator, "half_open").await;
    assert!(half_open > 1000, "{half_open} are half open: they cannot hold up anybody");
    for (seq, version) in [(2, Version::V5), (3, Version::V311)] {
        scene.hand(&pager, version).publish_acknowledged(&alert, press(seq)).await;
    }
    let grown = scene.server.memory().saturating_sub(before);
    eprintln!("{half_open} half open connections beside a press: {} KB more", grown / 1024);
    assert!(grown < FLOOD_MAX_BYTES, "{grown} bytes for connections that have said nothing");
    until_so("all of them are given up", SOON, async || counted(&operator, "half_open").await == 0).await;
    assert_eq!(counted(&operator, "refused_silent_total").await, (SILENT + DRIPPING) as u64);
    drips.abort();
}

/// A terminal that speaks MQTT 5 byte by byte.
struct Raw(TcpStream);

impl Raw {
    /// Connects; with a login it is let in.
    async fn enter(server: &Server, terminal: &Terminal, keep_alive_s: u16) -> Self {
        let mut raw = Self(TcpStream::connect(server.ready().mqtt).await.expect("the door takes connections"));
        raw.say(&connect(terminal, keep_alive_s)).await;
        let mut head = [0; 2];
        raw.0.read_exact(&mut head).await.expect("there is a CONNACK");
        let mut rest = vec![0; head[1].into()];
        raw.0.read_exact(&mut rest).await.expect("there is all of it");
        assert_eq!((head[0], rest[1]), (0x20, 0), "it was not let in");
        raw
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the connection is open");
    }

    /// The reason with which it is hung up on.
    async fn reason(mut self) -> Option<u8> {
        let mut last_words = Vec::new();
        let ended = tokio::time::timeout(SOON, self.0.read_to_end(&mut last_words)).await;
        ended.expect("it is hung up on").expect("in order");
        // DISCONNECT, its length, its reason.
        last_words.starts_with(&[0xe0]).then(|| last_words[2])
    }
}

/// CONNECT in MQTT 5.
fn connect(terminal: &Terminal, keep_alive_s: u16) -> Vec<u8> {
    let text = |text: &str| [&u16::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat();
    let [high, low] = keep_alive_s.to_be_bytes();
    // A clean start with user name and password, and no properties.
    let body = [text("MQTT"), vec![5, 0xc2, high, low, 0], text("raw"), text(&terminal.login), text(&terminal.secret)];
    let body = body.concat();
    [vec![0x10, u8::try_from(body.len()).expect("short")], body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_out_of_order_or_never_ends_is_refused_by_code_and_counted() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let pager = scene.terminal("P1001");
    let again = connect(&pager, 60);
    // A PUBLISH that says it has two megabytes; CONNECT once more; a SUBACK, which only servers send.
    let cases: [(&[u8], u8); 3] =
        [(&[0x32, 0x80, 0x80, 0x80, 0x01], 0x95), (&again, 0x82), (&[0x90, 4, 0, 1, 0, 0], 0x82)];
    for (bytes, reason) in cases {
        let mut raw = Raw::enter(&scene.server, &pager, 60).await;
        raw.say(bytes).await;
        assert_eq!(raw.reason().await, Some(reason), "{bytes:02x?}");
    }
    assert_eq!(counted(&operator, "violations_total").await, 3);

    // A PUBLISH before CONNECT is no beginning, whatever it says.
    let mut early = Raw(TcpStream::connect(scene.ready().mqtt).await.expect("the door takes connections"));
    early.say(b"\x30\x16\x00\x12ydt/1/P1001/alerts??").await;
    early.say(&[0; 8]).await;
    assert_eq!(early.reason().await, None);
    assert_eq!(counted(&operator, "refused_protocol_total").await, 1);

    // Of a PUBLISH of 60 000 bytes one comes each tenth of a second: that is no sign of life.
    let mut slow = Raw::enter(&scene.server, &pager, 2).await;
    slow.say(&[0x32, 0xe0, 0xd4, 0x03]).await;
    let mut drops = tokio::time::interval(Duration::from_millis(100));
    let dripping = async {
        while counted(&operator, "gone_silent_total").await == 0 {
            drops.tick().await;
            let _ = slow.0.write_all(b"x").await;
        }
    };
    tokio::time::timeout(SOON, dripping).await.expect("it is ended");
    let mut records = scene.records().await;
    assert_eq!(records.count("select count(*) from report", &[]).await, 0, "something got past the door");
    scene.hand(&pager, Version::V5).publish_acknowledged(&pager.topic("alert"), press(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_fight_over_a_client_id_lose_no_press_and_starve_nobody() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let (pager, other) = (scene.terminal("P1001"), scene.terminal("P1003"));
    let ledger = std::sync::Arc::new(Ledger::default());
    let mut fighters = Vec::new();
    // Under one client id, each comes back a second after the other has pushed it out. They count apart from each other.
    for (version, first_seq) in [(Version::V311, 1), (Version::V5, 1_000_000)] {
        let mut paho = Paho::start();
        paho.begin(scene.ready().mqtt, &pager, version).await;
        paho.hear(&pager, "connected", SOON, |_| true).await;
        let pressing = press_on_with(paho, vec![pager.clone()], first_seq, std::sync::Arc::clone(&ledger));
        fighters.push(tokio::spawn(pressing));
    }
    let fought = async || counted(&operator, "taken_over_total").await >= 6;
    until_so("they push each other out", SOON, fought).await;
    ledger.flows("they fight").await;
    // Nobody else notices.
    scene.hand(&other, Version::V311).publish_acknowledged(&other.topic("alert"), press(1)).await;
    ledger.end();
    for fighter in fighters {
        fighter.await.expect("each press is acknowledged").end().await;
    }
    ledger.hold_against(&mut scene.records().await).await;
    assert_eq!(counted(&operator, "pushed_out_total").await, 0);
}

/// A server with TLS, and an authority whose certificates it takes.
struct Secured {
    scene: Scene,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Secured {
    async fn open() -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder can be made"), Authority::found("door"));
        let papers = authority.server("127.0.0.1");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("a certificate can be written");
            path.display().to_string()
        };
        let files = [
            ("certificate_file", write("door.pem", &papers.certificate)),
            ("key_file", write("door-key.pem", &papers.key)),
            ("client_ca_file", write("ca.pem", &authority.pem())),
        ];
        let files = files.map(|(name, path)| format!("{name} = \"{path}\"\n")).concat();
        let tables = format!("[door]\ntls_listen = \"127.0.0.1:0\"\n{files}");
        let scene = Scene::open_with(sends_a_vehicle(8), Setup { tables, ..Setup::default() }).await;
        Self { scene, authority, folder }
    }

    fn hand<'t>(&self, terminal: &'t Terminal, version: Version) -> Mosquitto<'t> {
        Mosquitto { door: self.scene.ready().mqtts.expect("it speaks TLS"), terminal, version }
    }

    /// What `mosquitto_pub` is told so that it trusts the door and shows these.
    fn arguments(&self, papers: Option<&Papers>) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut arguments = vec!["--cafile".to_owned(), path("ca.pem")];
        if let Some(papers) = papers {
            let (certificate, key) = (path("shown.pem"), path("shown-key.pem"));
            std::fs::write(&certificate, &papers.certificate).expect("a certificate can be written");
            std::fs::write(&key, &papers.key).expect("a key can be written");
            arguments.extend(["--cert".to_owned(), certificate, "--key".to_owned(), key]);
        }
        arguments
    }

    /// Presses over TLS: whether it was taken, and the code with which it was refused.
    async fn press(
        &self,
        terminal: &Terminal,
        version: Version,
        papers: Option<&Papers>,
        seq: u32,
    ) -> (bool, Option<i32>) {
        let arguments = self.arguments(papers);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let topic = terminal.topic("alert");
        let published = self.hand(terminal, version).publish_with(&topic, press(seq), &arguments).await;
        (published.is_taken(), published.code)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_a_terminal_gets_in_with_its_own_certificate_and_with_no_other() {
    let secured = Secured::open().await;
    let Secured { scene, authority, .. } = &secured;
    let operator = scene.operator().await;
    let terminal = |serial: &str| scene.terminal(serial);
    let (bound, neighbour, late, free) = (terminal("P1001"), terminal("P1003"), terminal("P1004"), terminal("P1005"));
    let (own, neighbours) = (authority.client("P1001"), authority.client("P1003"));
    let (expired, stranger) = (authority.expired_client("P1004"), Authority::found("another").client("P1001"));
    let shell = Shell::at(scene.server.data());
    for (terminal, papers) in [(&bound, &own), (&neighbour, &neighbours), (&late, &expired)] {
        shell.says(&["terminal", "bind", &terminal.serial, &papers.fingerprint]);
    }
    // In the clear there is nothing to show one with: not authorised, in both versions' words.
    for (terminal, version, code) in
        [(&bound, Version::V311, 5), (&neighbour, Version::V5, 0x87), (&late, Version::V311, 5)]
    {
        let hand = scene.hand(terminal, version);
        let known = async || hand.try_to_listen(&terminal.topic("notice")).await.code == Some(code);
        until_so(format!("{} needs its certificate", terminal.serial), SOON, known).await;
    }
    let before = counted(&operator, "refused_certificate_total").await;

    // Without any, and with one that is valid but the neighbour's, although its secret is right.
    for (version, code) in [(Version::V311, 5), (Version::V5, 0x87)] {
        assert_eq!(secured.press(&bound, version, None, 1).await, (false, Some(code)));
        assert_eq!(secured.press(&bound, version, Some(&neighbours), 1).await, (false, Some(code)));
    }
    assert_eq!(counted(&operator, "refused_certificate_total").await, before + 4);
    // With one that holds no more, although it is its own; with one that somebody else has signed.
    let refused_tls = counted(&operator, "refused_tls_total").await;
    for (terminal, papers) in [(&late, &expired), (&bound, &stranger)] {
        assert!(!secured.press(terminal, Version::V5, Some(papers), 1).await.0, "{} got in", terminal.serial);
    }
    until_so("both are counted", SOON, async || counted(&operator, "refused_tls_total").await == refused_tls + 2).await;

    assert!(secured.press(&bound, Version::V311, Some(&own), 2).await.0);
    assert!(secured.press(&neighbour, Version::V5, Some(&neighbours), 2).await.0);
    assert!(secured.press(&free, Version::V5, None, 2).await.0, "who has none needs none");
    let stored = scene.records().await.presses().await;
    let wanted = ["P1001", "P1003", "P1005"].map(|serial| ((serial.to_owned(), 7, 2), 1));
    assert_eq!(stored, wanted.into());
}

/// What the database knows of a terminal's coming and going: whether it is there, and how long ago it was heard, seconds.
async fn presence(records: &mut Records, serial: &str) -> Option<(bool, f64)> {
    use sqlx::Row as _;
    let sql = "select s.session_open, extract(epoch from clock_timestamp() - s.heard_at)::float8 from terminal_state s
        join terminal t on t.id = s.terminal_id where t.serial = $1 and s.heard_at is not null";
    let rows = records.ask(sql, &[serial]).await;
    rows.first().map(|row| (row.get(0), row.get(1)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_will_becomes_presence_and_is_no_sign_of_life() {
    let scene = Scene::open(sends_a_vehicle(8)).await;
    let operator = scene.operator().await;
    let mut records = scene.records().await;
    let phone = scene.terminal("wang/phone");
    let (hand, topic) = (scene.hand(&phone, Version::V311), phone.topic("cmd"));
    let will = json!({ "_type": "lwt", "tst": 1_700_000_000 }).to_string();
    let with_a_will = ["--will-topic", &phone.topic(""), "--will-payload", &will, "--will-qos", "1", "-k", "5"];
    // It presses by publishing by hand, so that everything on its topic is alert lane, its will too.
    let wills = "select count(*) from report where serial = $1 and event = 'offline'";

    // It falls silent, as a phone that has lost its network: it is gone when its keep-alive and half of it are over.
    let ears = hand.listen_with("phone", &topic, &with_a_will).await;
    let there = async || presence(&mut records, &phone.serial).await.is_some_and(|(is_there, _)| is_there);
    until_so("it is there", SOON, there).await;
    ears.freeze();
    let heard_s_ago = until("it is gone", SOON, async || {
        let (is_there, heard_s_ago) = presence(&mut records, &phone.serial).await?;
        (!is_there).then_some(heard_s_ago)
    })
    .await;
    assert!(heard_s_ago > 5.0, "it was heard last {heard_s_ago} s ago, and had been silent for more");
    until_so("its will is kept", SOON, async || records.count(wills, &[&phone.serial]).await == 1).await;
    let (is_there, heard_s_ago) = presence(&mut records, &phone.serial).await.expect("it was heard");
    assert!(!is_there && heard_s_ago > 5.0, "a will was taken for a word of its own: {is_there}, {heard_s_ago} s");
    drop(ears);

    // Its connection breaks, as of one that is switched off: gone at once.
    let ears = hand.listen_with("phone", &topic, &with_a_will).await;
    let there = async || presence(&mut records, &phone.serial).await.is_some_and(|(is_there, _)| is_there);
    until_so("it is back", SOON, there).await;
    drop(ears);
    let gone = async || presence(&mut records, &phone.serial).await.is_some_and(|(is_there, _)| !is_there);
    until_so("it is gone again", SOON, gone).await;
    until_so("its will is kept, too", SOON, async || records.count(wills, &[&phone.serial]).await == 2).await;
    assert_eq!(counted(&operator, "wills_total").await, 2);

    // Who says goodbye leaves no will; and a will rings for nobody.
    hand.publish_with(&phone.topic(""), r#"{"_type":"status"}"#, &with_a_will).await;
    until_so("it is gone for good", SOON, async || {
        counted(&operator, "sessions").await == 0 && presence(&mut records, &phone.serial).await.is_some_and(|it| !it.0)
    })
    .await;
    assert_eq!(counted(&operator, "wills_total").await, 2);
    assert_eq!(records.count("select count(*) from incident", &[]).await, 0);
}
