//! What the gateways are told about who is there.

use std::time::Duration;

use broker::Config;
use rumqttc::mqttbytes::v4;
use wire::report::Session;

use crate::bench::{Door, Gateway, Raw, quick, soon};

async fn told(gateway: &mut Gateway, serial: &str, session: Session) {
    loop {
        let presence = soon("presence", gateway.presence.recv()).await.unwrap();
        assert_eq!(presence.door, "door");
        if presence.heard.iter().any(|heard| heard.serial == serial && heard.session == session) {
            return;
        }
    }
}

#[tokio::test]
async fn comings_and_goings_are_told_at_once_and_who_was_heard_now_and_then() {
    let door = Door::open(Config { presence_every: Duration::from_millis(300), ..quick() }).await;
    // What happens before a gateway is there is told when it comes.
    let mut terminal = Raw::v4(&door, "P1").await;
    let mut gateway = door.gateway("g1").await;
    told(&mut gateway, "P1", Session::Opened).await;
    told(&mut gateway, "P1", Session::Alive).await;
    terminal.ping().await;
    told(&mut gateway, "P1", Session::Alive).await;
    terminal.say_v4(&v4::Packet::Disconnect).await;
    told(&mut gateway, "P1", Session::Closed).await;
}

#[tokio::test]
async fn a_terminal_is_gone_when_its_last_session_is() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let (one, _) = Raw::v4_with(&door, "P1", |connect| connect.client_id = "one".into()).await;
    let (two, _) = Raw::v4_with(&door, "P1", |connect| connect.client_id = "two".into()).await;
    drop(one);
    crate::bench::until("the first has ended", || door.counters.sessions_now.get() == 1).await;
    drop(two);
    told(&mut gateway, "P1", Session::Closed).await;
    let mut closed = 0;
    while let Ok(presence) = gateway.presence.try_recv() {
        closed += presence.heard.iter().filter(|heard| heard.session == Session::Closed).count();
    }
    assert_eq!(closed, 0, "it was told twice");
}

#[tokio::test]
async fn who_is_silent_for_half_as_long_again_as_agreed_is_gone() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let (mut v5, _) = Raw::v5_with(&door, "P1", |connect, _| connect.keep_alive = 1).await;
    let (mut none, _) = Raw::v4_with(&door, "P2", |connect| connect.keep_alive = 0).await;
    v5.dismissed(rumqttc::v5::mqttbytes::v5::DisconnectReasonCode::KeepAliveTimeout).await;
    told(&mut gateway, "P1", Session::Closed).await;
    assert_eq!(door.counters.gone_silent.get(), 1);
    none.ping().await;
}

#[tokio::test]
async fn who_asked_for_no_keep_alive_is_not_kept_for_ever() {
    let door = Door::open(Config { idle_within: Duration::from_millis(200), ..quick() }).await;
    let (mut none, _) = Raw::v4_with(&door, "P2", |connect| connect.keep_alive = 0).await;
    none.closed().await;
    assert_eq!(door.counters.gone_silent.get(), 1);
}
