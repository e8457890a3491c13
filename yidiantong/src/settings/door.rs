//! Settings of the front door: TLS, and what keeps a flood from costing more than it may.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use broker::{Rate, Tls};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The front door, where terminals connect: certificates and limits.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DoorSettings {
    /// Where terminals connect over TLS, once there is a certificate.
    pub tls_listen: SocketAddr,
    /// PEM: the door's certificate, with those between it and its authority. Without it there is no TLS. A changed file
    /// counts within ten seconds, and ends no session.
    #[schemars(example = "/etc/yidiantong/door.pem")]
    pub certificate_file: Option<PathBuf>,
    /// PEM: its key.
    #[schemars(example = "/etc/yidiantong/door-key.pem")]
    pub key_file: Option<PathBuf>,
    /// PEM: the authorities whose certificates terminals may have. Without it none is asked for one, and a terminal with a
    /// certificate (`yidiantong terminal bind`) cannot connect.
    #[schemars(example = "/etc/yidiantong/terminals-ca.pem")]
    pub client_ca_file: Option<PathBuf>,
    /// How many connections there may be at once.
    pub connections_max: NonZeroUsize,
    /// How many of them may have said nothing yet: the next is closed.
    pub half_open_max: NonZeroUsize,
    /// How many connections are accepted a second; the others wait. 0: as many as come.
    pub accepted_per_s: u32,
    /// How many connections are accepted a second from one address, four times as many at once; the others are closed. 0:
    /// as many as come, which a TCP balancer before the door needs.
    pub accepted_per_s_from_one_address: u32,
    /// How many messages of telemetry are taken a second from one terminal, six times as many at once. Of what comes
    /// beyond it, the latest goes on once a second. 0: as many as come. Alerts are never held back.
    pub telemetry_per_s: u32,
    /// The longest packet that is taken from a terminal, in bytes.
    pub packet_max_bytes: NonZeroUsize,
    /// How many alerts of one concentrator may wait for their acknowledgements.
    pub alerts_per_concentrator_max: NonZeroU16,
}

/// Why there is no such door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("[door] certificate_file and key_file go together, and client_ca_file with both of them")]
pub struct HalfACertificate;

impl Default for DoorSettings {
    fn default() -> Self {
        let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            tls_listen: SocketAddr::from(([127, 0, 0, 1], 8883)),
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            connections_max: count(200_000),
            half_open_max: count(8192),
            accepted_per_s: 20_000,
            accepted_per_s_from_one_address: 5_000,
            telemetry_per_s: 10,
            packet_max_bytes: count(64 * 1024),
            alerts_per_concentrator_max: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MIN),
        }
    }
}

impl DoorSettings {
    /// A door with these settings.
    pub fn over(&self, config: broker::Config) -> Result<broker::Config, HalfACertificate> {
        let rate = |per_s: u32, at_once: u32| Rate::new(per_s, per_s.saturating_mul(at_once));
        Ok(broker::Config {
            tls: self.tls()?,
            connections_max: self.connections_max.get(),
            half_open_max: self.half_open_max.get(),
            accept_rate: rate(self.accepted_per_s, 1),
            address_rate: rate(self.accepted_per_s_from_one_address, 4),
            telemetry_rate: rate(self.telemetry_per_s, 6),
            packet_max: self.packet_max_bytes.get(),
            alerts_per_concentrator_max: self.alerts_per_concentrator_max.get(),
            ..config
        })
    }

    fn tls(&self) -> Result<Option<Tls>, HalfACertificate> {
        match (&self.certificate_file, &self.key_file, &self.client_ca_file) {
            (Some(certificate_file), Some(key_file), client_ca_file) => Ok(Some(Tls {
                listen: self.tls_listen,
                certificate_file: certificate_file.clone(),
                key_file: key_file.clone(),
                client_ca_file: client_ca_file.clone(),
            })),
            (None, None, None) => Ok(None),
            _ => Err(HalfACertificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::internal::Key;

    use super::*;

    fn over(text: &str) -> Result<broker::Config, HalfACertificate> {
        let settings: DoorSettings = toml::from_str(text).unwrap();
        settings.over(broker::Config::new("door", Key::of([7; 32])))
    }

    #[test]
    fn a_certificate_without_a_key_is_none() {
        assert!(over("certificate_file = \"a\"\nkey_file = \"b\"").unwrap().tls.is_some());
        assert!(over("").unwrap().tls.is_none());
        for half in ["certificate_file = \"a\"", "key_file = \"b\"", "client_ca_file = \"c\""] {
            assert_eq!(over(half).unwrap_err(), HalfACertificate, "{half}");
        }
    }

    #[test]
    fn what_is_not_set_is_as_a_door_has_it() {
        let (set, own) = (over("").unwrap(), broker::Config::new("door", Key::of([7; 32])));
        assert_eq!((set.accept_rate, set.address_rate), (own.accept_rate, own.address_rate));
        assert_eq!((set.telemetry_rate, set.packet_max), (own.telemetry_rate, own.packet_max));
        assert_eq!((set.connections_max, set.half_open_max), (own.connections_max, own.half_open_max));
        assert_eq!(set.alerts_per_concentrator_max, own.alerts_per_concentrator_max);
        assert_eq!(over("telemetry_per_s = 0").unwrap().telemetry_rate, None);
    }
}
