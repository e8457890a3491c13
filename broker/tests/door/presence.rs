//! What the gateways are told about who is there.

use std::collections::VecDeque;
use std::time::Duration;

use broker::Config;
use rumqttc::mqttbytes::v4;
use wire::report::{Heard, Session};

use crate::bench::{Door, Gateway, Raw, quick, soon, until};

/// What a gateway is told, entry by entry.
struct Told {
    gateway: Gateway,
    entries: VecDeque<Heard>,
}

impl Told {
    async fn by(door: &Door) -> Self {
        Self { gateway: door.gateway("g1").await, entries: VecDeque::new() }
    }

    async fn next(&mut self) -> (String, Session) {
        loop {
            if let Some(heard) = self.entries.pop_front() {
                return (heard.serial, heard.session);
            }
            let presence = soon("presence", self.gateway.presence.recv()).await.unwrap();
            assert_eq!(presence.door, "door");
            self.entries.extend(presence.heard);
        }
    }

    async fn until(&mut self, serial: &str, session: Session) {
        while self.next().await != (serial.to_owned(), session) {}
    }
}

#[tokio::test]
async fn comings_and_goings_are_told_at_once_and_who_was_heard_now_and_then() {
    let door = Door::open(Config { presence_every: Duration::from_millis(300), ..quick() }).await;
    // What happens before a gateway is there is told when it comes.
    let mut terminal = Raw::v4(&door, "P1").await;
    let mut told = Told::by(&door).await;
    assert_eq!(told.next().await, ("P1".into(), Session::Opened));
    assert_eq!(told.next().await, ("P1".into(), Session::Alive));
    terminal.ping().await;
    assert_eq!(told.next().await, ("P1".into(), Session::Alive));
    terminal.say_v4(&v4::Packet::Disconnect).await;
    told.until("P1", Session::Closed).await;
}

#[tokio::test]
async fn a_terminal_is_gone_when_its_last_session_is() {
    let door = Door::open(quick()).await;
    let mut told = Told::by(&door).await;
    let (one, _) = Raw::v4_with(&door, "P1", |connect| connect.client_id = "one".into()).await;
    let (two, _) = Raw::v4_with(&door, "P1", |connect| connect.client_id = "two".into()).await;
    drop(one);
    until("the first has ended", || door.counters.sessions.get() == 1).await;
    drop(two);
    until("the second has ended", || door.counters.sessions.get() == 0).await;
    let _last = Raw::v4(&door, "P2").await;
    for wanted in [("P1", Session::Opened), ("P1", Session::Opened), ("P1", Session::Closed), ("P2", Session::Opened)] {
        assert_eq!(told.next().await, (wanted.0.to_owned(), wanted.1));
    }
}

#[tokio::test]
async fn who_is_silent_for_half_as_long_again_as_agreed_is_gone() {
    let door = Door::open(quick()).await;
    let mut told = Told::by(&door).await;
    let (mut v5, _) = Raw::v5_with(&door, "P1", |connect, _| connect.keep_alive = 1).await;
    let (mut none, _) = Raw::v4_with(&door, "P2", |connect| connect.keep_alive = 0).await;
    v5.dismissed(rumqttc::v5::mqttbytes::v5::DisconnectReasonCode::KeepAliveTimeout).await;
    told.until("P1", Session::Closed).await;
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
