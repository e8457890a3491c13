//! MQTT 3.1.1, by `rumqttc::mqttbytes`.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PingResp, PubAck, PubComp, PubRec, Publish, SubAck, SubscribeReasonCode,
    UnsubAck,
};
use rumqttc::mqttbytes::{Error, QoS};

use super::{
    Dup, Frame, Grant, Incoming, Known, Login, Opening, Outgoing, Qos, Refusal, Start, Version, Violation, Will, Wish,
};

fn packet(mut frame: Frame) -> Result<Packet, Violation> {
    let length = frame.bytes.len();
    Ok(Packet::read(&mut frame.bytes, length)?)
}

pub(super) fn read_opening(frame: Frame) -> Result<Opening, Violation> {
    let Packet::Connect(connect) = packet(frame)? else { return Err(Violation::Unexpected) };
    let start = if connect.clean_session { Start::Clean } else { Start::Resume };
    Ok(Opening {
        version: Version::V4,
        client_id: connect.client_id,
        start,
        keep_alive_s: connect.keep_alive,
        login: connect.login.map(|login| Login { name: login.username, secret: login.password }),
        will: connect.last_will.map(|will| Will { topic: will.topic, payload: will.message }),
        expiry_s: if start == Start::Clean { 0 } else { u32::MAX },
        receive_max: u16::MAX,
        packet_max: None,
        authentication_method: None,
    })
}

pub(super) fn read(frame: Frame) -> Result<Incoming, Violation> {
    Ok(match packet(frame)? {
        Packet::Publish(publish) => Incoming::Publish(super::Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos: qos(publish.qos),
            dup: if publish.dup { Dup::Again } else { Dup::First },
            pid: publish.pkid,
            alias: None,
        }),
        Packet::PubAck(ack) => Incoming::PubAck { pid: ack.pkid, delivered: true },
        Packet::PubRel(release) => Incoming::PubRel { pid: release.pkid },
        Packet::Subscribe(subscribe) => {
            let wishes = subscribe.filters.into_iter().map(|f| Wish { filter: f.path, qos: qos(f.qos) });
            Incoming::Subscribe { pid: subscribe.pkid, wishes: wishes.collect(), identifier: None }
        }
        Packet::Unsubscribe(unsubscribe) => {
            Incoming::Unsubscribe { pid: unsubscribe.pkid, filters: unsubscribe.topics }
        }
        _ => return Err(Violation::Unexpected),
    })
}

fn qos(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(super) fn write(packet: &Outgoing, stream: &mut BytesMut) -> Result<(), Error> {
    match packet {
        Outgoing::Welcome(welcome) => {
            ConnAck::new(ConnectReturnCode::Success, welcome.present == Known::Yes).write(stream)
        }
        Outgoing::Refusal(refusal) => ConnAck::new(code(*refusal), false).write(stream),
        // There is no way to say no in MQTT 3.1.1; a denied publish has ended the session before.
        Outgoing::PubAck { pid, .. } => PubAck::new(*pid).write(stream),
        Outgoing::PubRec { pid, .. } => PubRec::new(*pid).write(stream),
        Outgoing::PubComp { pid, .. } => PubComp::new(*pid).write(stream),
        Outgoing::SubAck { pid, grants } => {
            SubAck::new(*pid, grants.iter().copied().map(grant).collect()).write(stream)
        }
        Outgoing::UnsubAck { pid, .. } => UnsubAck::new(*pid).write(stream),
        Outgoing::Publish { topic, payload, pid, dup } => {
            let qos = if pid.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let mut publish = Publish::from_bytes(topic.as_str(), qos, payload.clone());
            publish.pkid = pid.unwrap_or_default();
            publish.dup = *dup == Dup::Again;
            publish.write(stream)
        }
        Outgoing::Pong => PingResp.write(stream),
        Outgoing::Farewell(_) => Ok(0),
    }?;
    Ok(())
}

fn code(refusal: Refusal) -> ConnectReturnCode {
    match refusal {
        Refusal::Protocol | Refusal::Malformed | Refusal::ProtocolError => ConnectReturnCode::RefusedProtocolVersion,
        Refusal::ClientId => ConnectReturnCode::BadClientId,
        Refusal::Unavailable => ConnectReturnCode::ServiceUnavailable,
        Refusal::Credentials => ConnectReturnCode::BadUserNamePassword,
        Refusal::Certificate | Refusal::Method => ConnectReturnCode::NotAuthorized,
    }
}

fn grant(grant: Grant) -> SubscribeReasonCode {
    match grant {
        Grant::Granted(Qos::AtMostOnce) => SubscribeReasonCode::Success(QoS::AtMostOnce),
        Grant::Granted(Qos::AtLeastOnce) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        Grant::Granted(Qos::ExactlyOnce) => SubscribeReasonCode::Success(QoS::ExactlyOnce),
        Grant::Denied | Grant::Invalid | Grant::Shared | Grant::Identifier => SubscribeReasonCode::Failure,
    }
}
