//! rumqttc's own clients, in both versions, against the door.

use std::time::Duration;

use rumqttc::QoS;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5;

use crate::bench::{Door, quick, secret_of, soon};

#[tokio::test]
async fn a_3_1_1_client_presses_and_hears_back() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut options = rumqttc::MqttOptions::new("client", "127.0.0.1", door.address().port());
    options.set_credentials("P1", secret_of("P1")).set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    client.subscribe("ydt/1/P1/#", QoS::AtLeastOnce).await.unwrap();
    client.publish("ydt/1/P1/alert", QoS::AtLeastOnce, true, "help").await.unwrap();
    let mut heard = Vec::new();
    soon("the story", async {
        while heard.len() < 3 {
            tokio::select! {
                event = events.poll() => match event.unwrap() {
                    rumqttc::Event::Incoming(v4::Packet::SubAck(_)) => heard.push("subscribed"),
                    rumqttc::Event::Incoming(v4::Packet::PubAck(_)) => heard.push("acknowledged"),
                    rumqttc::Event::Incoming(v4::Packet::Publish(_)) => heard.push("notice"),
                    _ => {}
                },
                uplink = gateway.uplinks.recv() => {
                    let uplink = uplink.unwrap();
                    assert!(!heard.contains(&"acknowledged"));
                    gateway.receipt(&uplink).await;
                    gateway.downlink("P1", "notice", "claimed", None).await;
                }
            }
        }
    })
    .await;
    heard.sort_unstable();
    assert_eq!(heard, ["acknowledged", "notice", "subscribed"]);
}

#[tokio::test]
async fn a_5_client_presses_and_hears_back() {
    let door = Door::open(quick()).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut options = rumqttc::v5::MqttOptions::new("client", "127.0.0.1", door.address().port());
    options.set_credentials("P1", secret_of("P1")).set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    client.subscribe("ydt/1/P1/notice", Qos5::AtLeastOnce).await.unwrap();
    client.publish("ydt/1/P1/alert", Qos5::ExactlyOnce, false, "help").await.unwrap();
    let mut heard = Vec::new();
    soon("the story", async {
        while heard.len() < 3 {
            tokio::select! {
                event = events.poll() => match event.unwrap() {
                    rumqttc::v5::Event::Incoming(v5::Packet::SubAck(_)) => heard.push("subscribed"),
                    rumqttc::v5::Event::Incoming(v5::Packet::PubComp(_)) => heard.push("acknowledged"),
                    rumqttc::v5::Event::Incoming(v5::Packet::Publish(_)) => heard.push("notice"),
                    _ => {}
                },
                uplink = gateway.uplinks.recv() => {
                    let uplink = uplink.unwrap();
                    assert!(!heard.contains(&"acknowledged"));
                    gateway.receipt(&uplink).await;
                    gateway.downlink("P1", "notice", "claimed", Some(uplink.id)).await;
                }
            }
        }
    })
    .await;
    heard.sort_unstable();
    assert_eq!(heard, ["acknowledged", "notice", "subscribed"]);
}
