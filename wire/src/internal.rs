//! What our own processes say to each other over HTTP when the roles run apart: under which paths, in which bodies
//! (JSON), and what keeps everybody else out.
//!
//! | path | from → to | asks | answer |
//! |---|---|---|---|
//! | [`REPORTS`] | gateway → dispatcher | [`Report`](crate::report::Report)s | [`Receipt`](crate::receipt::Receipt)s |
//! | [`HEARD`] | gateway → dispatcher | [`Heard`](crate::report::Heard) of many | – |
//! | [`DELIVERED`] | gateway → dispatcher | [`Delivered`](crate::notice::Delivered) of many | – |
//! | [`UNSTORED`] | gateway → dispatcher | [`Ringing`] | – |
//! | [`DOORS`] | broker → dispatcher | [`Standing`](crate::door::Standing) | – |
//! | [`DIRECTORY`] | broker, gateway → dispatcher | [`Since`] (query) | [`Update`](crate::directory::Update), after a while |
//! | [`RMQTT_AUTH`], [`RMQTT_ACL`], [`EMQX_AUTHENTICATE`], [`EMQX_AUTHORIZE`] | another broker → dispatcher | theirs | theirs |
//! | [`NOTICES`] | dispatcher → gateway | a [`Notice`](crate::notice::Notice) | – |
//! | [`ORDERS`] | dispatcher → gateway | an [`Order`](crate::command::Order) | [`Carried`](crate::command::Carried) |
//!
//! The version is in the path. A dispatcher is brought up to date before the gateways that speak to it: it knows every
//! word of an older gateway.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::report::Unstored;

/// `POST`: reports in, receipts back.
pub const REPORTS: &str = "/internal/v1/reports";
/// `POST`: who was heard, came or went.
pub const HEARD: &str = "/internal/v1/heard";
/// `POST`: which notices terminals have acknowledged.
pub const DELIVERED: &str = "/internal/v1/delivered";
/// `PUT`: every alert that rings from memory at one gateway.
pub const UNSTORED: &str = "/internal/v1/unstored";
/// `POST`: how a front door stands.
pub const DOORS: &str = "/internal/v1/doors";
/// `POST`, by a broker of somebody else's: whether somebody may connect, as RMQTT's `rmqtt-auth-http` asks.
pub const RMQTT_AUTH: &str = "/internal/v1/hooks/rmqtt/auth";
/// `POST`: whether they may publish or subscribe, as it asks.
pub const RMQTT_ACL: &str = "/internal/v1/hooks/rmqtt/acl";
/// `POST`: whether somebody may connect, as EMQX's HTTP authenticator asks.
pub const EMQX_AUTHENTICATE: &str = "/internal/v1/hooks/emqx/authenticate";
/// `POST`: whether they may publish or subscribe, as EMQX's HTTP authorizer asks.
pub const EMQX_AUTHORIZE: &str = "/internal/v1/hooks/emqx/authorize";
/// `GET`: who may connect, as far as it has changed.
pub const DIRECTORY: &str = "/internal/v1/directory";
/// `POST`: news for a terminal.
pub const NOTICES: &str = "/internal/v1/notices";
/// `POST`: what a terminal is to do.
pub const ORDERS: &str = "/internal/v1/orders";

/// Every alert that rings at a gateway now. The whole list each time, so that a dispatcher that was away, or has
/// just been started, knows as much as the others; a gateway that is not heard of for a while rings no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ringing {
    /// The gateway's name.
    pub gateway: String,
    /// The alerts that it holds without a receipt, each for so long that it rings.
    pub alerts: Vec<Unstored>,
}

/// Which version of the directory the asker has; `None`: not any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The version.
    pub from: Option<i64>,
}

/// The shortest key that is taken, in bytes.
pub const KEY_MIN: usize = 32;

/// A secret that our processes share. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// A key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It could be guessed.
    #[error("has {0} bytes, {KEY_MIN} are the least; `openssl rand -hex 32` makes a good one")]
    Short(usize),
    /// It could not travel in a header.
    #[error("holds a blank or something else that is not plain ASCII; `openssl rand -hex 32` makes a good one")]
    NotPlain,
}

impl Key {
    /// Takes a key as it was set; blanks around it are none of it.
    pub fn new(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadKey::NotPlain);
        }
        if text.len() < KEY_MIN {
            return Err(BadKey::Short(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// A key of bytes that nobody can guess.
    pub fn of(random: [u8; 32]) -> Self {
        Self(hex::encode(random))
    }

    /// As it travels. Never to a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether somebody knows it, in a time that tells nothing about it.
    pub fn is(&self, said: &str) -> bool {
        self.0.as_bytes().ct_eq(said.as_bytes()).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Whether an address leads nowhere but to this machine or a private network. What travels between our processes is
/// not encrypted, so they listen nowhere else; `0.0.0.0` is every network that the machine is in.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_and_plain_and_does_not_print() {
        let text = "0123456789abcdef0123456789abcdef";
        let key = Key::new(&format!(" {text}\n")).unwrap();
        assert!(key.is(text) && !key.is("") && !key.is(&text.replace('f', "e")) && !key.is(&format!("{text}f")));
        assert_eq!(Key::new(&text[1..]), Err(BadKey::Short(31)));
        assert_eq!(Key::new("between the two of us, and nobody else"), Err(BadKey::NotPlain));
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert!(Key::new(Key::of([7; 32]).reveal()).is_ok());
    }

    #[test]
    fn only_this_machine_and_private_networks_are_private() {
        for address in ["127.0.0.1", "10.1.2.3", "192.168.7.1", "172.16.0.1", "::1", "fd00::1"] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["0.0.0.0", "8.8.8.8", "172.32.0.1", "::", "2001:db8::1"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }
}
