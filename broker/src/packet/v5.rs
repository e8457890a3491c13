//! MQTT 5, by `rumqttc::v5::mqttbytes`.

use bytes::{BufMut as _, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, DisconnectProperties, DisconnectReasonCode, Packet, PingResp,
    PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason, Publish, SubAck, SubscribeReasonCode, UnsubAck,
    UnsubAckReason,
};
use rumqttc::v5::mqttbytes::{Error, QoS};

use super::{
    Dup, Farewell, Frame, Grant, Incoming, Known, Login, Opening, Outgoing, Qos, Refusal, Start, Verdict, Version,
    Violation, Welcome, Will, Wish,
};

fn packet(mut frame: Frame) -> Result<Packet, Violation> {
    Ok(Packet::read(&mut frame.bytes, None)?)
}

pub(super) fn read_opening(frame: Frame) -> Result<Opening, Violation> {
    let Packet::Connect(connect, will, login) = packet(frame)? else { return Err(Violation::Unexpected) };
    let properties = connect.properties.as_ref();
    let receive_max = properties.and_then(|p| p.receive_maximum);
    let packet_max = properties.and_then(|p| p.max_packet_size);
    if receive_max == Some(0) || packet_max == Some(0) {
        return Err(Violation::Unexpected);
    }
    let will = will.map(|will| text(&will.topic).map(|topic| Will { topic, payload: will.message })).transpose()?;
    Ok(Opening {
        version: Version::V5,
        start: if connect.clean_start { Start::Clean } else { Start::Resume },
        keep_alive_s: connect.keep_alive,
        login: login.map(|login| Login { name: login.username, secret: login.password }),
        will,
        expiry_s: properties.and_then(|p| p.session_expiry_interval).unwrap_or(0),
        receive_max: receive_max.unwrap_or(u16::MAX),
        packet_max,
        authentication_method: properties.and_then(|p| p.authentication_method.clone()),
        client_id: connect.client_id,
    })
}

pub(super) fn read(frame: Frame) -> Result<Incoming, Violation> {
    Ok(match packet(frame)? {
        Packet::Publish(publish) => {
            let properties = publish.properties.as_ref();
            if properties.is_some_and(|properties| !properties.subscription_identifiers.is_empty()) {
                return Err(Violation::Unexpected);
            }
            let alias = properties.and_then(|properties| properties.topic_alias);
            Incoming::Publish(super::Publish {
                topic: text(&publish.topic)?,
                payload: publish.payload,
                qos: qos(publish.qos),
                dup: if publish.dup { Dup::Again } else { Dup::First },
                pid: publish.pkid,
                alias,
            })
        }
        Packet::PubAck(ack) => {
            let delivered = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Incoming::PubAck { pid: ack.pkid, delivered }
        }
        Packet::PubRel(release) => Incoming::PubRel { pid: release.pkid },
        Packet::Subscribe(subscribe) => {
            let wishes = subscribe.filters.into_iter().map(|f| Wish { filter: f.path, qos: qos(f.qos) });
            Incoming::Subscribe {
                pid: subscribe.pkid,
                wishes: wishes.collect(),
                identifier: subscribe.properties.and_then(|p| p.id),
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            Incoming::Unsubscribe { pid: unsubscribe.pkid, filters: unsubscribe.filters }
        }
        _ => return Err(Violation::Unexpected),
    })
}

/// The properties of a DISCONNECT.
pub(super) fn disconnect_properties(mut bytes: Bytes) -> Result<Option<DisconnectProperties>, Violation> {
    Ok(DisconnectProperties::extract(&mut bytes)?)
}

fn text(bytes: &Bytes) -> Result<String, Violation> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Violation::Malformed)
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
        Outgoing::Welcome(welcome) => connack(ConnectReturnCode::Success, Some(welcome)).write(stream),
        Outgoing::Refusal(refusal) => connack(code(*refusal), None).write(stream),
        Outgoing::PubAck { pid, verdict } => {
            let reason = match verdict {
                Verdict::Taken => PubAckReason::Success,
                Verdict::Denied => PubAckReason::NotAuthorized,
                Verdict::Shed => PubAckReason::QuotaExceeded,
            };
            PubAck { pkid: *pid, reason, properties: None }.write(stream)
        }
        Outgoing::PubRec { pid, verdict } => {
            let reason = match verdict {
                Verdict::Taken => PubRecReason::Success,
                Verdict::Denied => PubRecReason::NotAuthorized,
                Verdict::Shed => PubRecReason::QuotaExceeded,
            };
            PubRec { pkid: *pid, reason, properties: None }.write(stream)
        }
        Outgoing::PubComp { pid, known } => {
            let reason = match known {
                Known::Yes => PubCompReason::Success,
                Known::No => PubCompReason::PacketIdentifierNotFound,
            };
            PubComp { pkid: *pid, reason, properties: None }.write(stream)
        }
        Outgoing::SubAck { pid, grants } => {
            let return_codes = grants.iter().copied().map(grant).collect();
            SubAck { pkid: *pid, return_codes, properties: None }.write(stream)
        }
        Outgoing::UnsubAck { pid, known } => {
            let reasons = known.iter().map(|known| match known {
                Known::Yes => UnsubAckReason::Success,
                Known::No => UnsubAckReason::NoSubscriptionExisted,
            });
            UnsubAck { pkid: *pid, reasons: reasons.collect(), properties: None }.write(stream)
        }
        Outgoing::Publish { topic, payload, pid, dup } => {
            let qos = if pid.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let mut publish = Publish::new(topic.as_str(), qos, payload.clone(), None);
            publish.pkid = pid.unwrap_or_default();
            publish.dup = *dup == Dup::Again;
            publish.write(stream)
        }
        Outgoing::Pong => PingResp::write(stream),
        Outgoing::Farewell(farewell) => {
            // `rumqttc` counts the empty properties that it writes not into the length.
            stream.put_slice(&[0xe0, 2, reason(*farewell) as u8, 0]);
            Ok(4)
        }
    }?;
    Ok(())
}

fn connack(code: ConnectReturnCode, welcome: Option<&Welcome>) -> ConnAck {
    let properties = welcome.map(|welcome| ConnAckProperties {
        session_expiry_interval: welcome.expiry_s,
        receive_max: Some(welcome.receive_max),
        max_qos: None,
        // Nothing is retained, but the flag does no harm. Told that it may not be used, a client library would send no
        // press that bears it, and the standard would have us turn away whoever has it on a will.
        retain_available: None,
        max_packet_size: Some(welcome.packet_max),
        assigned_client_identifier: welcome.client_id.clone(),
        topic_alias_max: Some(welcome.aliases_max),
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    });
    let session_present = welcome.is_some_and(|welcome| welcome.present == Known::Yes);
    ConnAck { session_present, code, properties }
}

fn code(refusal: Refusal) -> ConnectReturnCode {
    match refusal {
        Refusal::Protocol => ConnectReturnCode::UnsupportedProtocolVersion,
        Refusal::ClientId => ConnectReturnCode::ClientIdentifierNotValid,
        Refusal::Unavailable => ConnectReturnCode::ServerUnavailable,
        Refusal::Credentials => ConnectReturnCode::BadUserNamePassword,
        Refusal::Certificate => ConnectReturnCode::NotAuthorized,
        Refusal::Method => ConnectReturnCode::BadAuthenticationMethod,
        Refusal::Malformed => ConnectReturnCode::MalformedPacket,
        Refusal::ProtocolError => ConnectReturnCode::ProtocolError,
    }
}

fn grant(grant: Grant) -> SubscribeReasonCode {
    match grant {
        Grant::Granted(Qos::AtMostOnce) => SubscribeReasonCode::Success(QoS::AtMostOnce),
        Grant::Granted(Qos::AtLeastOnce) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        Grant::Granted(Qos::ExactlyOnce) => SubscribeReasonCode::Success(QoS::ExactlyOnce),
        Grant::Denied => SubscribeReasonCode::NotAuthorized,
        Grant::Invalid => SubscribeReasonCode::TopicFilterInvalid,
        Grant::Shared => SubscribeReasonCode::SharedSubscriptionsNotSupported,
        Grant::Identifier => SubscribeReasonCode::SubscriptionIdNotSupported,
    }
}

pub(super) fn reason(farewell: Farewell) -> DisconnectReasonCode {
    match farewell {
        Farewell::Malformed => DisconnectReasonCode::MalformedPacket,
        Farewell::ProtocolError => DisconnectReasonCode::ProtocolError,
        Farewell::NotAuthorized => DisconnectReasonCode::NotAuthorized,
        Farewell::Busy => DisconnectReasonCode::ServerBusy,
        Farewell::ShuttingDown => DisconnectReasonCode::ServerShuttingDown,
        Farewell::KeepAlive => DisconnectReasonCode::KeepAliveTimeout,
        Farewell::TakenOver => DisconnectReasonCode::SessionTakenOver,
        Farewell::TopicName => DisconnectReasonCode::TopicNameInvalid,
        Farewell::TopicAlias => DisconnectReasonCode::TopicAliasInvalid,
        Farewell::TooLarge => DisconnectReasonCode::PacketTooLarge,
        Farewell::Quota => DisconnectReasonCode::QuotaExceeded,
    }
}
