//! What goes down to terminals.

use std::sync::Arc;

use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{self, Subscribe, SubscribeFilter, SubscribeReasonCode};
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5;
use uuid::Uuid;
use wire::bus::{self, Downlink};
use wire::directory::{Dialect, Terminal};
use wire::topics::{Lane, Mapping, Mappings};

use crate::bench::{Door, Gateway, Raw, pager, quick, soon, until};

const NOTICE: Uuid = Uuid::from_u128(77);

async fn subscribe(terminal: &mut Raw, filters: &[(&str, QoS)]) -> Vec<SubscribeReasonCode> {
    let filters = filters.iter().map(|(filter, qos)| SubscribeFilter::new((*filter).into(), *qos));
    let mut subscribe = Subscribe::new_many(filters);
    subscribe.pkid = 9;
    terminal.say_v4(&v4::Packet::Subscribe(subscribe)).await;
    let v4::Packet::SubAck(ack) = terminal.hear_v4().await else { panic!("no SUBACK") };
    assert_eq!(ack.pkid, 9);
    ack.return_codes
}

async fn hear_publish(terminal: &mut Raw) -> v4::Publish {
    let v4::Packet::Publish(publish) = terminal.hear_v4().await else { panic!("no PUBLISH") };
    publish
}

async fn delivered(gateway: &mut Gateway) -> Uuid {
    loop {
        let presence = soon("presence", gateway.presence.recv()).await.unwrap();
        if let Some(delivered) = presence.delivered.first() {
            return delivered.notice;
        }
    }
}

#[tokio::test]
async fn a_terminal_subscribes_below_its_own_prefix_and_nowhere_else() {
    let door = Door::open(quick()).await;
    let mut terminal = Raw::v4(&door, "P1").await;
    let granted = subscribe(
        &mut terminal,
        &[
            ("ydt/1/P1/notice", QoS::AtLeastOnce),
            ("ydt/1/P1/#", QoS::ExactlyOnce),
            ("ydt/1/P2/notice", QoS::AtLeastOnce),
            ("#", QoS::AtMostOnce),
            ("bus/#", QoS::AtMostOnce),
            ("$share/g/ydt/1/P1/notice", QoS::AtMostOnce),
            ("ydt/1/P1/#/x", QoS::AtMostOnce),
        ],
    )
    .await;
    let success = SubscribeReasonCode::Success;
    let failure = SubscribeReasonCode::Failure;
    let wanted = [success(QoS::AtLeastOnce), success(QoS::AtLeastOnce), failure, failure, failure, failure, failure];
    assert_eq!(granted, wanted);

    let mut terminal = Raw::v5(&door, "P1").await;
    let filters = ["ydt/1/P1/notice", "ydt/1/P2/notice", "$share/g/ydt/1/P1/x", "ydt/1/P1/a+"];
    let mut subscribe = v5::Subscribe::new_many(filters.map(|f| v5::Filter::new(f, Qos5::AtLeastOnce)), None);
    subscribe.pkid = 1;
    terminal.say_v5(&v5::Packet::Subscribe(subscribe.clone())).await;
    let v5::Packet::SubAck(ack) = terminal.hear_v5().await else { panic!("no SUBACK") };
    let wanted = [
        v5::SubscribeReasonCode::Success(Qos5::AtLeastOnce),
        v5::SubscribeReasonCode::NotAuthorized,
        v5::SubscribeReasonCode::SharedSubscriptionsNotSupported,
        v5::SubscribeReasonCode::TopicFilterInvalid,
    ];
    assert_eq!(ack.return_codes, wanted);
    subscribe.properties = Some(v5::SubscribeProperties { id: Some(3), user_properties: vec![] });
    terminal.say_v5(&v5::Packet::Subscribe(subscribe)).await;
    let v5::Packet::SubAck(ack) = terminal.hear_v5().await else { panic!("no SUBACK") };
    assert_eq!(ack.return_codes[0], v5::SubscribeReasonCode::SubscriptionIdNotSupported);
    assert_eq!(door.counters.subscribe_denied.get(), 4);
}

#[tokio::test]
async fn a_notice_is_delivered_when_its_terminal_has_acknowledged_it() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let mut terminal = Raw::v4(&door, "P1").await;
    subscribe(&mut terminal, &[("ydt/1/P1/notice", QoS::ExactlyOnce)]).await;
    gateway.downlink("P1", "notice", "claimed", Some(NOTICE)).await;
    let publish = hear_publish(&mut terminal).await;
    assert_eq!((publish.qos, &publish.payload[..]), (QoS::AtLeastOnce, &b"claimed"[..]));
    assert_eq!((publish.topic.as_str(), publish.retain, publish.dup), ("ydt/1/P1/notice", false, false));
    terminal.ping().await;
    assert_eq!(door.counters.delivered.get(), 0);
    terminal.say_v4(&v4::Packet::PubAck(v4::PubAck::new(publish.pkid))).await;
    assert_eq!(delivered(&mut gateway).await, NOTICE);
}

#[tokio::test]
async fn downlinks_go_where_they_are_subscribed_and_as_they_are_subscribed() {
    let door = Door::open(quick()).await;
    let gateway = door.gateway("g1").await;
    let mut terminal = Raw::v5(&door, "P1").await;
    let mut wish = v5::Subscribe::new(v5::Filter::new("ydt/1/P1/notice", Qos5::AtMostOnce), None);
    wish.pkid = 1;
    terminal.say_v5(&v5::Packet::Subscribe(wish)).await;
    terminal.hear_v5().await;
    gateway.downlink("P1", "receipt", "not subscribed", None).await;
    gateway.downlink("P2", "notice", "not mine", Some(NOTICE)).await;
    gateway.downlink("P1", "notice", "mine", Some(NOTICE)).await;
    let v5::Packet::Publish(publish) = terminal.hear_v5().await else { panic!("no PUBLISH") };
    assert_eq!((publish.qos, &publish.payload[..]), (Qos5::AtMostOnce, &b"mine"[..]));
    let mut unsubscribe = v5::Unsubscribe::new("ydt/1/P1/notice", None);
    unsubscribe.pkid = 2;
    terminal.say_v5(&v5::Packet::Unsubscribe(unsubscribe)).await;
    terminal.hear_v5().await;
    gateway.downlink("P1", "notice", "no more", Some(NOTICE)).await;
    // Another terminal hears what was sent after it, so it has passed.
    let (mut other, _) = Raw::v4_with(&door, "P2", |connect| connect.clean_session = false).await;
    gateway.downlink("P2", "receipt", "later", None).await;
    hear_publish(&mut other).await;
    terminal.ping_v5().await;
}

#[tokio::test]
async fn who_keeps_a_session_hears_its_notices_without_subscribing_again() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let keep = |connect: &mut v4::Connect| connect.clean_session = false;
    let (mut terminal, ack) = Raw::v4_with(&door, "P1", keep).await;
    assert!(!ack.session_present, "nothing is stored, and yet:");
    gateway.downlink("P1", "notice", "claimed", Some(NOTICE)).await;
    let publish = hear_publish(&mut terminal).await;
    assert_eq!(publish.qos, QoS::AtLeastOnce);
    terminal.say_v4(&v4::Packet::PubAck(v4::PubAck::new(publish.pkid))).await;
    assert_eq!(delivered(&mut gateway).await, NOTICE);
    gateway.downlink("P1", "receipt", "stored", None).await;
    assert_eq!(hear_publish(&mut terminal).await.qos, QoS::AtMostOnce);
    subscribe(&mut terminal, &[("ydt/1/P1/extra", QoS::AtMostOnce)]).await;
    drop(terminal);
    until("the session has ended", || door.counters.sessions.get() == 0).await;

    let (mut again, ack) = Raw::v4_with(&door, "P1", keep).await;
    assert!(ack.session_present);
    gateway.downlink("P1", "extra", "remembered", None).await;
    assert_eq!(&hear_publish(&mut again).await.payload[..], b"remembered");
}

#[tokio::test]
async fn a_mapped_watch_speaks_where_its_profile_says_and_hears_without_asking_what_it_is_told() {
    let mut door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let template = |text: &str| text.parse().unwrap();
    let mapping = |name: &str| Mapping {
        name: name.to_owned(),
        up: vec![template(&format!("{name}/status/{{serial}}"))],
        answers: vec![template(&format!("{name}/cmd/{{serial}}/{{word}}"))],
        down: Some(template(&format!("{name}/cmd/{{serial}}/{{word}}"))),
    };
    door.directory.map(Arc::new(Mappings::new(vec![mapping("atom"), mapping("other")]).unwrap()));
    door.list(vec![Terminal { dialect: Dialect::Mapped, profile: Some("atom".into()), ..pager("W1") }]);
    let (mut watch, _) = Raw::v4_with(&door, "W1", |connect| connect.clean_session = false).await;

    let (serial, topic, payload) = ("W1".into(), "atom/cmd/W1/MESSAGE".into(), b"claimed".to_vec());
    let downlink = Downlink { serial, topic, payload, notice: Some(NOTICE) };
    gateway.publish(bus::DOWN, bus::encode(&downlink)).await;
    let publish = hear_publish(&mut watch).await;
    assert_eq!((publish.topic.as_str(), publish.qos), ("atom/cmd/W1/MESSAGE", QoS::AtLeastOnce));
    watch.say_v4(&v4::Packet::PubAck(v4::PubAck::new(publish.pkid))).await;
    assert_eq!(delivered(&mut gateway).await, NOTICE);

    let filters = ["atom/cmd/W1/#", "atom/cmd/W1/MESSAGE", "atom/cmd/W2/#", "atom/cmd/+/MESSAGE", "other/cmd/W1/#"];
    let granted = subscribe(&mut watch, &filters.map(|filter| (filter, QoS::AtLeastOnce))).await;
    let (success, failure) = (SubscribeReasonCode::Success(QoS::AtLeastOnce), SubscribeReasonCode::Failure);
    assert_eq!(granted, [success, success, failure, failure, failure]);

    watch.publish_v4("atom/status/W1", 1, "pressed").await;
    watch.hear_puback(1).await;
    watch.publish_v4("atom/cmd/W1/MESSAGE", 2, "MESSAGE").await;
    watch.hear_puback(2).await;
    let heard = [gateway.uplink().await, gateway.uplink().await];
    let mut heard = heard.map(|uplink| (uplink.lane == Lane::Alert, uplink.topic.to_string()));
    heard.sort_unstable();
    assert_eq!(heard, [(false, "atom/cmd/W1/MESSAGE".to_owned()), (true, "atom/status/W1".to_owned())]);
}

#[tokio::test]
async fn no_more_is_under_way_than_the_terminal_takes() {
    let door = Door::open(quick()).await;
    let gateway = door.gateway("g1").await;
    let (mut terminal, _) = Raw::v5_with(&door, "P1", |connect, _| {
        connect.properties = Some(v5::ConnectProperties {
            receive_maximum: Some(1),
            max_packet_size: Some(60),
            session_expiry_interval: Some(60),
            ..v5::ConnectProperties::new()
        });
    })
    .await;
    gateway.downlink("P1", "notice", &"too long ".repeat(10), Some(NOTICE)).await;
    gateway.downlink("P1", "notice", "one", Some(NOTICE)).await;
    gateway.downlink("P1", "notice", "two", Some(NOTICE)).await;
    gateway.downlink("P1", "receipt", "qos 0", None).await;
    let v5::Packet::Publish(first) = terminal.hear_v5().await else { panic!("no PUBLISH") };
    let v5::Packet::Publish(second) = terminal.hear_v5().await else { panic!("no PUBLISH") };
    // QoS 0 waits for nobody and may come first.
    let (one, receipt) = if first.pkid == 0 { (second, first) } else { (first, second) };
    assert_eq!((&one.payload[..], &receipt.payload[..]), (&b"one"[..], &b"qos 0"[..]));
    terminal.say_v5(&v5::Packet::PubAck(v5::PubAck::new(one.pkid, None))).await;
    let v5::Packet::Publish(two) = terminal.hear_v5().await else { panic!("no PUBLISH") };
    assert_eq!(&two.payload[..], b"two");
    assert_eq!(door.counters.downlinks_dropped.get(), 1);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_when_the_session_is_taken_up() {
    let door = Door::open(quick()).await;
    let mut gateway = door.gateway("g1").await;
    let keeps = |connect: &mut v4::Connect| connect.clean_session = false;
    let (mut terminal, _) = Raw::v4_with(&door, "P1", keeps).await;
    gateway.downlink("P1", "notice", "claimed", Some(NOTICE)).await;
    let first = hear_publish(&mut terminal).await;
    assert!(!first.dup && first.pkid != 0);
    drop(terminal);
    until("it has gone", || door.counters.sessions.get() == 0).await;
    let (mut terminal, ack) = Raw::v4_with(&door, "P1", keeps).await;
    assert!(ack.session_present);
    let second = hear_publish(&mut terminal).await;
    assert!(second.dup);
    assert_eq!((second.pkid, &second.payload, &second.topic), (first.pkid, &first.payload, &first.topic));
    terminal.say_v4(&v4::Packet::PubAck(v4::PubAck::new(second.pkid))).await;
    assert_eq!(delivered(&mut gateway).await, NOTICE);
    // Taken over by a newer connection it is the same, and what is acknowledged is not sent again.
    gateway.downlink("P1", "notice", "accepted", Some(Uuid::from_u128(78))).await;
    let third = hear_publish(&mut terminal).await;
    let (mut newer, _) = Raw::v4_with(&door, "P1", keeps).await;
    let fourth = hear_publish(&mut newer).await;
    assert!(fourth.dup && fourth.pkid == third.pkid);
    newer.ping().await;
    // A clean start knows nothing of it.
    let (mut clean, _) = Raw::v4_with(&door, "P1", |_| {}).await;
    clean.ping().await;
}
