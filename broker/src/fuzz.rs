//! Any bytes at the door: the whole path of a session (CONNECT, reading, deciding, answering, ending) over a stream in
//! memory, in virtual time. For the fuzz target in `fuzz/`; the tests replay its corpus.
//!
//! What this leaves out: sockets, TLS, and gateways that answer. Alerts are acknowledged as they are read, or never. To
//! who wants to hear them (the first byte says so) notices come down between the parts of what it says, more at once than
//! may be under way, so that acknowledgements meet something.
//!
//! An input is a few connections, one after the other at the same door, so that a session can be resumed:
//!
//! | byte | meaning |
//! |---|---|
//! | first | how the connection begins and what it is cut into: see [`Plan::of`] |
//! | next two | how many bytes it says, the low byte first; what is left is enough for the last one |
//! | the rest | what it says |

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::bus::Downlink;
use wire::directory::{Concentrator, Dialect, Directory, Terminal, Update, hash_secret};
use wire::internal::Key;

use crate::bus::{self, Bus};
use crate::config::{Acknowledge, Config};
use crate::edge::{Edge, Outlets};
use crate::packet;
use crate::parcels::Parcels;
use crate::session::{self, Arrival};

/// More would only be slower.
const CONNECTIONS_MAX: usize = 4;
/// Longer than any time that is set anywhere.
const ENDS_WITHIN: Duration = Duration::from_hours(48);
/// Who hears notices says what it says in so many parts at most, none of which is shorter than this.
const PARTS_MAX: usize = 8;
const PART_BYTES_MIN: usize = 8;
/// So many notices come before each part: more than an MQTT 5 terminal of ours takes at once.
const NOTICES: u128 = 5;
/// The third of them is not to be acknowledged.
const UNANSWERED: u128 = 3;
/// Time is virtual: when this is over nothing else is left to be done.
const PAUSE: Duration = Duration::from_millis(1);
/// Who may speak: login, serial, and a topic on which it hears.
const WHO: [(&str, &str, &str); 3] = [
    ("P1", "P1", "ydt/1/P1/notice"),
    ("wang", "wang/phone", "owntracks/wang/phone/cmd"),
    ("C1", "P2", "ydt/1/P2/notice"),
];
/// Everybody's.
const SECRET: &str = "secret";

/// A door that lives as long as the process, and its ends of a bus that nobody listens to.
struct Door {
    edge: Arc<Edge>,
    _bus: (bus::Inlet, bus::Inlet, bus::Listener),
}

static DOORS: LazyLock<[Door; 2]> = LazyLock::new(|| [Acknowledge::AtOnce, Acknowledge::WhenDurable].map(Door::open));

impl Door {
    fn open(acknowledge: Acknowledge) -> Self {
        let key = Key::of([7; 32]);
        let config = Config {
            acknowledge,
            // Wall time is not virtual: what waits for a receipt is overdue at once, and nothing is kept.
            receipt_within: Duration::ZERO,
            again_after: Duration::ZERO,
            unsent_for: Duration::ZERO,
            ..Config::new("fuzz", key.clone())
        };
        let Ok(Bus { alerts, telemetry, presence, ear, down, listener, .. }) =
            bus::start("fuzz", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), key)
        else {
            panic!("the bus does not start")
        };
        let edge =
            Arc::new(Edge::new(config, directory(), Outlets { alerts, telemetry: Parcels::new(telemetry), presence }));
        Self { edge, _bus: (ear, down, listener) }
    }
}

fn directory() -> Arc<Directory> {
    let secret_sha256 = hash_secret(SECRET.as_bytes());
    let terminal = |serial: &str, login: &str, dialect, concentrator: Option<&str>| Terminal {
        serial: serial.into(),
        login: login.into(),
        secret_sha256,
        dialect,
        manual_publish_means_help: true,
        profile: None,
        drill: false,
        concentrator: concentrator.map(Into::into),
        certificate: None,
    };
    let directory = Directory::default();
    let update = Update {
        to: 1,
        upserts: vec![
            terminal("P1", "P1", Dialect::Ydt, None),
            terminal("wang/phone", "wang", Dialect::OwnTracks, None),
            terminal("P2", "P2", Dialect::Ydt, Some("C1")),
        ],
        concentrators: vec![Concentrator { login: "C1".into(), secret_sha256, certificate: None }],
        ..Update::default()
    };
    directory.apply(update).unwrap_or_else(|gap| unreachable!("a snapshot follows nothing: {gap}"));
    Arc::new(directory)
}

/// How one connection goes.
#[derive(Debug)]
struct Plan<'b> {
    /// A CONNECT that lets it in; empty: the bytes speak for themselves.
    opening: BytesMut,
    says: &'b [u8],
    /// Bytes that travel at once.
    piece: usize,
    door: usize,
    /// Serial and topic of the notices that come down meanwhile.
    hears: Option<(&'static str, &'static str)>,
}

impl<'b> Plan<'b> {
    /// The first of `bytes`, and what is left of them.
    fn of(bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let (&[first, low, high], rest) = bytes.split_first_chunk::<3>()?;
        let (says, left) = rest.split_at(usize::from(u16::from_le_bytes([low, high])).min(rest.len()));
        let who = WHO.get(usize::from(first >> 2 & 3));
        let (piece, resumes) = (if first & 0x10 == 0 { 4096 } else { 7 }, first & 0x20 != 0);
        let door = usize::from(first & 0x40 != 0);
        let opening = match (first & 3, who) {
            (1, Some((login, ..))) => v4_opening(login, resumes),
            (2, Some((login, ..))) => v5_opening(login, resumes),
            _ => BytesMut::new(),
        };
        let hears = who.filter(|_| first & 0x80 != 0).map(|&(_, serial, topic)| (serial, topic));
        Some((Self { opening, says, piece, door, hears }, left))
    }
}

fn v4_opening(login: &str, resumes: bool) -> BytesMut {
    let mut connect = v4::Connect::new("fuzz");
    connect.set_login(login, SECRET);
    connect.clean_session = !resumes;
    connect.last_will = Some(v4::LastWill::new("ydt/1/P1/alert", "gone", rumqttc::QoS::AtLeastOnce, false));
    let mut bytes = BytesMut::new();
    connect.write(&mut bytes).unwrap_or_else(|error| unreachable!("it can be written: {error}"));
    bytes
}

fn v5_opening(login: &str, resumes: bool) -> BytesMut {
    let properties = v5::ConnectProperties {
        session_expiry_interval: Some(if resumes { 60 } else { 0 }),
        receive_maximum: Some(3),
        ..v5::ConnectProperties::new()
    };
    let connect =
        v5::Connect { keep_alive: 30, client_id: "fuzz".into(), clean_start: !resumes, properties: Some(properties) };
    let login = v5::Login { username: login.into(), password: SECRET.into() };
    let mut bytes = BytesMut::new();
    connect.write(&None, &Some(login), &mut bytes).unwrap_or_else(|error| unreachable!("it can be written: {error}"));
    bytes
}

/// Lets somebody say `bytes` at the door.
///
/// # Panics
///
/// When the door does, when a session does not end, or when what it answers is no sequence of packets.
pub fn say(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("there is no runtime: {error}"));
    runtime.block_on(async {
        let mut left = bytes;
        for _ in 0..CONNECTIONS_MAX {
            let Some((plan, rest)) = Plan::of(left) else { break };
            left = rest;
            connect(&DOORS[plan.door].edge, plan).await;
        }
    });
    for door in DOORS.iter() {
        let after_all = Instant::now() + ENDS_WITHIN;
        door.edge.sessions.forget(&door.edge.directory, after_all);
    }
}

async fn connect(edge: &Arc<Edge>, plan: Plan<'_>) {
    let Plan { opening, says, piece, hears, .. } = plan;
    let Ok(half_open) = edge.let_in(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, Instant::now()) else { return };
    let (ours, theirs) = tokio::io::duplex(piece);
    let arrival = Arrival { half_open, certificate: None };
    let session = async {
        session::serve(Arc::clone(edge), theirs, arrival, CancellationToken::new()).await;
    };
    let talk = async { tokio::join!(session, client(ours, edge, &opening, says, hears)) };
    tokio::select! {
        ended = timeout(ENDS_WITHIN, talk) => {
            let Ok(((), answer)) = ended else { panic!("the session does not end") };
            check(answer);
        }
        () = edge.take_turns() => {}
    }
}

/// Says everything, hangs up, and hears the answer.
async fn client(
    stream: DuplexStream,
    edge: &Edge,
    opening: &[u8],
    says: &[u8],
    whom: Option<(&str, &str)>,
) -> BytesMut {
    let (mut hears, mut speaks) = tokio::io::split(stream);
    let speaking = async {
        // Whoever is turned away need not have been listened to.
        let _ = speaks.write_all(opening).await;
        if let Some((serial, topic)) = whom {
            sleep(PAUSE).await;
            for part in says.chunks(says.len().div_ceil(PARTS_MAX).max(PART_BYTES_MIN)) {
                notify(edge, serial, topic);
                sleep(PAUSE).await;
                let _ = speaks.write_all(part).await;
            }
        } else {
            let _ = speaks.write_all(says).await;
        }
        let _ = speaks.shutdown().await;
    };
    let hearing = async {
        let mut answer = BytesMut::new();
        while matches!(hears.read_buf(&mut answer).await, Ok(1..)) {}
        answer
    };
    tokio::join!(speaking, hearing).1
}

/// Gives the door notices for a terminal.
fn notify(edge: &Edge, serial: &str, topic: &str) {
    for n in 1..=NOTICES {
        let notice = (n != UNANSWERED).then(|| Uuid::from_u128(n));
        edge.deliver(Downlink {
            serial: serial.into(),
            topic: topic.into(),
            payload: b"someone comes".to_vec(),
            notice,
        });
    }
}

/// What the door says is packets, the last of which may have been cut off.
fn check(mut answer: BytesMut) {
    loop {
        match packet::cut(&mut answer, usize::MAX) {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(violation) => panic!("the door has said what is no packet: {violation}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corpus() -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/session");
        let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.collect()
    }

    #[test]
    fn whatever_was_found_worth_keeping_is_answered_in_packets_and_ends() {
        let corpus = corpus();
        assert!(corpus.len() > 10, "the corpus is missing");
        for bytes in corpus {
            say(&bytes);
        }
    }

    /// Without this the corpus could be all refusals.
    #[tokio::test(start_paused = true)]
    async fn the_credentials_of_the_target_let_in() {
        for opening in [v4_opening("P1", false), v5_opening("wang", true), v5_opening("C1", false)] {
            let edge = &DOORS[0].edge;
            let opened = edge.counters.sessions_opened.get();
            connect(edge, Plan { opening, says: &[0xc0, 0], piece: 7, door: 0, hears: None }).await;
            assert!(edge.counters.sessions_opened.get() > opened);
        }
    }

    /// Else no acknowledgement would ever meet anything.
    #[tokio::test(start_paused = true)]
    async fn notices_come_down_wait_for_room_are_acknowledged_and_come_again() {
        let puback = |pid: u8| [0x40, 2, 0, pid];
        // The other tests run beside this one at the doors of all.
        let door = Door::open(Acknowledge::AtOnce);
        let counters = &door.edge.counters;
        for (login, serial, topic) in WHO {
            let before = (counters.downlinks.get(), counters.delivered.get());
            let plan = |says| {
                let opening = v5_opening(login, true);
                Plan { opening, says, piece: 4096, door: 0, hears: Some((serial, topic)) }
            };
            let since = || (counters.downlinks.get() - before.0, counters.delivered.get() - before.1);
            let (first, second) = (puback(1), [puback(2), puback(3), puback(4), puback(2)].concat());
            // Of four that are to be acknowledged three have room, and the fourth when the first is.
            connect(&door.edge, plan(&first)).await;
            assert_eq!(since(), (5, 1), "{login}");
            // The three that were not come again, and for each that is now there is room for one that waits; twice comes
            // one that is not to be.
            connect(&door.edge, plan(&second)).await;
            assert_eq!(since(), (5 + 3 + 3 + 2, 1 + 3), "{login}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_make_a_session_panic_or_stay(
            kind in any::<u8>(),
            says in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let length = u16::try_from(says.len()).unwrap().to_le_bytes();
            say(&[&[kind], &length[..], &says].concat());
        }
    }
}
