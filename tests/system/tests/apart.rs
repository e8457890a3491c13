//! The roles in processes of their own, two of each: together they keep every promise, and without one of each, too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use firmware_sim::device::Key;
use firmware_sim::pager::{self, Event, Pager};
use reqwest::{Client, StatusCode};
use serde_json::json;
use system::apart::Apart;
use system::mosquitto::{Ears, Version};
use system::presses::{FLOWS_AGAIN_WITHIN, Ledger, press, press_on};
use system::records::Records;
use system::server::Terminal;
use system::wait::{SOON, until, until_so};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::internal::REPORTS;
use wire::notice::News;

/// What an alert may take that is not stored, until it rings from memory.
const RINGS_WITHIN: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_each_carry_a_press_to_the_end_and_lose_none_when_one_of_each_is_killed() {
    let mut apart = Apart::start().await;
    a_press_at_each_door_is_answered(&apart).await;

    let ledger = Arc::new(Ledger::default());
    let mut wearers = JoinSet::new();
    let wearer = [("P1003", Version::V311), ("P1004", Version::V5), ("P1005", Version::V5), ("P1006", Version::V311)];
    for (number, (serial, version)) in wearer.into_iter().enumerate() {
        let mut doors = apart.doors().to_vec();
        doors.rotate_left(number % 2);
        wearers.spawn(press_on(doors, apart.terminal(serial), version, Arc::clone(&ledger)));
    }
    ledger.flows("the start").await;
    for (victim, what) in [
        (&mut apart.gateways[0], "a gateway"),
        (&mut apart.dispatchers[0], "a dispatcher"),
        (&mut apart.brokers[0], "a broker"),
    ] {
        let begun = Instant::now();
        victim.kill();
        ledger.flows(what).await;
        eprintln!("without {what}: {} presses acknowledged, the last 12 in {:?}", ledger.count(), begun.elapsed());
    }
    ledger.end();
    while let Some(ended) = wearers.join_next().await {
        ended.expect("no wearer gives up");
    }

    let mut records = apart.records().await;
    ledger.hold_against(&mut records).await;
    until_so("every promise is kept", SOON, async || records.broken_promises().await.is_empty()).await;
    for incident in records.incidents().await {
        check_incident(&apart, &mut records, &incident.to_string()).await;
    }

    // Those that are left do everything.
    let late = apart.terminal("P1009");
    let (ears, _) = press_and_listen(&apart, 1, &late).await;
    ears.hear_news("received", SOON).await;
    for victim in [&mut apart.gateways[0], &mut apart.dispatchers[0], &mut apart.brokers[0]] {
        victim.run();
    }
    for role in apart.brokers.iter_mut().chain(&mut apart.gateways).chain(&mut apart.dispatchers) {
        role.is_well().await;
    }
    for role in apart.brokers.iter_mut().chain(&mut apart.gateways).chain(&mut apart.dispatchers) {
        role.stop().await;
    }
}

/// One press with mosquitto at one door, claimed at one dispatcher; one on a pager at the other.
async fn a_press_at_each_door_is_answered(apart: &Apart) {
    let terminal = apart.terminal("P1001");
    let (ears, topic) = press_and_listen(apart, 1, &terminal).await;
    ears.hear_news("received", SOON).await;
    let operator = apart.operator(1).await;
    let incident = operator.incident("the incident", SOON, |incident| incident["serial"] == "P1001").await;
    operator.act(&incident, "claim", json!({})).await;
    ears.hear_news("claimed", SOON).await;
    // What one dispatcher did, the other knows.
    let card = apart.operator(0).await.card(&incident).await;
    assert_eq!(
        card["timeline"].as_array().map(|lines| lines.iter().filter(|line| line["what"] == "claimed").count()),
        Some(1)
    );
    apart.hand(0, &terminal, Version::V311).publish_acknowledged(&topic, press(2)).await;

    let terminal = apart.terminal("P1007");
    let stop = CancellationToken::new();
    let config = pager::Config::new(apart.doors()[0].to_string(), &terminal.serial, terminal.secret.as_str());
    let mut pager = Pager::start(config, stop.clone()).expect("a simulated pager starts");
    pager.press(Key::sos()).await;
    let hearing = async {
        loop {
            let event = pager.next().await.expect("the pager runs");
            if matches!(event, Event::Notice { news: News::Received, .. }) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, hearing).await.expect("the pager says: received");
    stop.cancel();
    pager.stopped().await;
}

/// Listens for notices at a door, and presses there. The ears, and the topic of presses.
async fn press_and_listen(apart: &Apart, door: usize, terminal: &Terminal) -> (Ears, String) {
    let hand = apart.hand(door, terminal, Version::V5);
    let ears = hand.listen("ears", &terminal.topic("notice")).await;
    let topic = terminal.topic("alert");
    hand.publish_acknowledged(&topic, press(1)).await;
    (ears, topic)
}

/// Its timeline is whole, and however many dispatchers tell 120 of it, there is one call for it.
async fn check_incident(apart: &Apart, records: &mut Records, incident: &str) {
    records.timeline(incident).await;
    let called = "select count(*) from handover where incident_id = $1::uuid and centre = '120'";
    let is_called = records.count(called, &[incident]).await > 0;
    let cases = async || -> Vec<_> {
        apart.centre.cases().cases.into_iter().filter(|case| case.incident.to_string() == incident).collect()
    };
    let cases =
        until("120 has the case", SOON, async || Some(cases().await).filter(|cases| !is_called || !cases.is_empty()));
    let cases = cases.await;
    assert!(cases.len() <= 1, "120 was called twice: {cases:?}");
    assert!(cases.iter().all(|case| case.idempotency_keys.len() == 1), "one call, several keys: {cases:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_kept_out_a_revocation_reaches_both_doors_and_silence_is_heard() {
    let mut apart = Apart::start().await;
    strangers_are_refused(&apart).await;
    a_revocation_reaches_both_doors(&apart).await;

    // Without any dispatcher terminals come in by the copies on disk, and what cannot be stored is told to the hook by
    // the gateway.
    for dispatcher in &mut apart.dispatchers {
        dispatcher.kill();
    }
    for role in std::iter::once(&mut apart.brokers[0]).chain(&mut apart.gateways) {
        role.kill();
        role.run();
    }
    let terminal = apart.terminal("P1009");
    let hand = apart.hand(0, &terminal, Version::V311);
    // The door itself is there sooner than the gateways know of it.
    until_so("the door opens", SOON, async || hand.try_to_listen(&terminal.topic("notice")).await.code == Some(0))
        .await;
    let published = hand.publish(&terminal.topic("alert"), press(1)).await;
    assert!(!published.is_taken(), "nothing is acknowledged that is not on disk: {published:?}");
    let begun = Instant::now();
    until_so("it rings from memory", RINGS_WITHIN, async || {
        apart.hook.alarms().iter().any(|alarm| alarm["serial"] == "P1009")
    })
    .await;
    eprintln!("without a dispatcher the hook was told after {:?}", begun.elapsed());
    for dispatcher in &mut apart.dispatchers {
        dispatcher.run();
    }
    let mut records = apart.records().await;
    until_so("it is stored at last", FLOWS_AGAIN_WITHIN, async || records.reports_of_press("P1009", 7, 1).await > 0)
        .await;
    for dispatcher in &mut apart.dispatchers {
        // Not while one rings for something that is stored.
        dispatcher.is_well().await;
    }
}

async fn strangers_are_refused(apart: &Apart) {
    let http = Client::builder().no_proxy().timeout(SOON).build().expect("a client can be made");
    let post = async |base: &str, key: Option<&str>| {
        let request = http.post(format!("{base}{REPORTS}")).json(&json!([]));
        let request = key.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.expect("it answers").status()
    };
    let inside = apart.internal(0);
    assert_eq!(post(&inside, None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&inside, Some("password")).await, StatusCode::UNAUTHORIZED);
    let public = format!("http://{}", apart.desks()[0]);
    assert_eq!(post(&public, None).await, StatusCode::METHOD_NOT_ALLOWED, "on the public side it is a page like any");

    let wrong = "another-key-0123456789abcdef0123456789abcdef";
    let stranger = apart.stranger("stranger", vec![("YDT_INTERNAL_KEY", wrong.into())]);
    stranger.logs("401 Unauthorized: the key is not the one that is expected here").await;
    let health = stranger.health().await.expect("it answers probes");
    assert_eq!(health["status"], "failing", "{health}");

    let stranger = apart.stranger("passer-by", vec![("YDT_BUS_KEY", wrong.into())]);
    for broker in &apart.brokers {
        broker.logs("somebody who does not know the bus's key was turned away").await;
    }
    let health = stranger.health().await.expect("it answers probes");
    assert_eq!(health["status"], "failing", "{health}");
    for bus in apart.buses() {
        assert!(health["wrong"].to_string().contains(&format!("the bus at {bus} is away")), "{health}");
    }

    let mut careless = apart.stranger("careless", vec![("YDT_BUS_KEY", "short".into())]);
    assert!(!careless.ended().await.success());
    careless.logs("[bus] key (YDT_BUS_KEY) has 5 bytes, 32 are the least").await;
}

async fn a_revocation_reaches_both_doors(apart: &Apart) {
    let listening = async |door, serial: &str| {
        let terminal = apart.terminal(serial);
        apart.hand(door, &terminal, Version::V5).listen("ears", &terminal.topic("notice")).await
    };
    let mut records = apart.records().await;
    let revoke = "update terminal set revoked_at = now() where serial in ($1, $2)";
    // The doors ask one of them: whichever it is, it is frozen once. That it takes no longer than is promised follows from
    // what is waited for on the way (`yidiantong/src/apart/far_dispatchers.rs`); on a busy machine no clock here could tell.
    for (serials, frozen) in [(["P1001", "P1003"], None), (["P1004", "P1005"], Some(0)), (["P1007", "P1008"], Some(1))]
    {
        let ears = [listening(0, serials[0]).await, listening(1, serials[1]).await];
        if let Some(frozen) = frozen {
            apart.dispatchers[frozen].freeze();
        }
        let begun = Instant::now();
        records.ask(revoke, &serials).await;
        for ears in &ears {
            ears.report("Received DISCONNECT (135)", SOON).await;
        }
        eprintln!("a revocation took {:?} to reach both doors, frozen: {frozen:?}", begun.elapsed());
        let Some(frozen) = frozen else { continue };
        // Nor do presses wait for the one that stands still.
        let terminal = apart.terminal("P1006");
        let press = press(u32::try_from(frozen).expect("0 or 1"));
        apart.hand(0, &terminal, Version::V311).publish_acknowledged(&terminal.topic("alert"), press).await;
        apart.dispatchers[frozen].thaw();
    }
}
