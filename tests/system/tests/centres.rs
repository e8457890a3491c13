//! Centres over https: who vouches for them is written in the settings, and nobody else is told anything.

use std::time::Duration;

use firmware_sim::centre::{self, Centre, Tls};
use serde_json::{Value, json};
use sqlx::Row as _;
use system::authority::{Authority, Papers};
use system::console::{Console, has_task, list};
use system::mosquitto::{Mosquitto, Version};
use system::records::Records;
use system::scene::{SECRET, sends_a_vehicle};
use system::server::{Link, Server, Setup};
use system::wait::SOON;
use tokio_util::sync::{CancellationToken, DropGuard};

/// After this somebody has to telephone.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(15);

/// A server between 120 and 119, both over https.
struct Town {
    server: Server,
    /// 120 and 119.
    centres: [Centre; 2],
    _stop: DropGuard,
}

/// How one centre is set up at both ends.
struct Ends {
    /// What the centre shows.
    shows: Papers,
    /// Whose certificate callers have to show it.
    asks_for: Option<Authority>,
    /// Whom the server trusts.
    trusted: Authority,
    /// What the server shows.
    client: Option<Papers>,
}

impl Town {
    async fn open(ends: [Ends; 2]) -> Self {
        let stop = CancellationToken::new();
        let (mut centres, mut links) = (Vec::new(), Vec::new());
        for (number, Ends { shows, asks_for, trusted, client }) in ["120", "119"].into_iter().zip(ends) {
            let client_ca = asks_for.map(|authority| authority.pem());
            let client_ca = client_ca.as_ref().map(String::as_bytes);
            let tls = Tls::from_pem(shows.certificate.as_bytes(), shows.key.as_bytes(), client_ca);
            let tls = tls.expect("the papers are in order");
            let config = centre::Config { tls: Some(tls), ..centre::Config::new(SECRET, sends_a_vehicle(7)) };
            let centre = centre::start(config, stop.clone()).await.expect("a simulated centre starts");
            assert!(centre.url().starts_with("https://127.0.0.1:"), "{}", centre.url());
            links.push(Link {
                number,
                url: centre.url(),
                secret: SECRET,
                ca: Some(trusted.pem()),
                client_certificate: client.map(|papers| papers.certificate + &papers.key),
            });
            centres.push(centre);
        }
        let server = Server::start(Setup { centres: links, ..Setup::default() }).await;
        Self { server, centres: centres.try_into().expect("there are two"), _stop: stop.drop_guard() }
    }

    /// Somebody needs an ambulance, and it burns.
    async fn incident(&self, operator: &Console) -> String {
        let terminals = &self.server.ready().demo.terminals;
        let terminal = terminals.iter().find(|terminal| terminal.serial == "P1001").expect("P1001 is listed");
        let hand = Mosquitto { door: self.server.mqtt(), terminal, version: Version::V5 };
        for (seq, kind) in [(1, "sos"), (2, "smoke")] {
            let press = json!({ "type": "alert", "kind": kind, "boot": 1, "seq": seq }).to_string();
            hand.publish_acknowledged(&terminal.topic("alert"), press).await;
        }
        operator.incident("P1001 rings", SOON, |incident| incident["serial"] == "P1001").await
    }

    /// What became of each attempt to tell a centre.
    async fn ledger(&self, incident: &str, number: &str) -> Vec<(bool, String)> {
        let mut records = Records::of(self.server.ready()).await;
        let attempts = records
            .ask(
                "select d.state = 'accepted', d.answer from delivery d join outbox o on o.id = d.outbox_id
                 where o.incident_id = $1::uuid and o.channel = 'centre' and o.target = $2 order by d.at",
                &[incident, number],
            )
            .await;
        attempts.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn centres_with_authorities_of_their_own_take_the_case_over_https_and_see_our_certificate_if_they_ask() {
    let (of_120, of_119, ours) = (Authority::found("120"), Authority::found("119"), Authority::found("ours"));
    let town = Town::open([
        Ends { shows: of_120.server("127.0.0.1"), asks_for: None, trusted: of_120, client: None },
        Ends {
            shows: of_119.server("127.0.0.1"),
            client: Some(ours.client("yidiantong.example")),
            asks_for: Some(ours),
            trusted: of_119,
        },
    ])
    .await;
    let operator = Console::log_in(town.server.ready(), "operator").await;
    let incident = town.incident(&operator).await;
    let on_their_way = |card: &Value| {
        let handovers = list(&card["handovers"]);
        handovers.len() == 2 && handovers.iter().all(|handover| handover["state"] == "dispatched")
    };
    let card = operator.card_when(&incident, "both are on their way", SOON, on_their_way).await;
    for (centre, number) in town.centres.iter().zip(["120", "119"]) {
        let cases = centre.cases();
        assert_eq!((cases.attempts, cases.cases.len()), (1, 1), "{number}");
        assert_eq!(cases.cases[0].incident.to_string(), incident);
        let ledger = town.ledger(&incident, number).await;
        assert!(matches!(&ledger[..], [(true, said)] if said.starts_with("200 OK")), "{number}: {ledger:?}");
        assert!(!has_task(&card, &format!("call_{number}_by_voice")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_centre_that_cannot_prove_who_it_is_is_told_nothing_and_somebody_telephones() {
    // The wrong one has taken the right one's name.
    let (right, wrong, of_119) = (Authority::found("120"), Authority::found("120"), Authority::found("119"));
    let town = Town::open([
        Ends { shows: wrong.server("127.0.0.1"), asks_for: None, trusted: right, client: None },
        Ends { shows: of_119.server("fire.example"), asks_for: None, trusted: of_119, client: None },
    ])
    .await;
    let operator = Console::log_in(town.server.ready(), "operator").await;
    let incident = town.incident(&operator).await;
    let due = |card: &Value| has_task(card, "call_120_by_voice") && has_task(card, "call_119_by_voice");
    operator.card_when(&incident, "somebody has to telephone", ACKNOWLEDGED_WITHIN + SOON, due).await;
    for ((centre, number), why) in town.centres.iter().zip(["120", "119"]).zip(["BadSignature", "not valid for name"]) {
        let cases = centre.cases();
        assert_eq!((cases.attempts, cases.cases.len()), (0, 0), "{number} was told something");
        let ledger = town.ledger(&incident, number).await;
        assert!(!ledger.is_empty(), "{number} was never tried");
        for (taken, answer) in ledger {
            assert!(!taken && answer.contains("invalid peer certificate") && answer.contains(why), "{answer}");
        }
    }
}
