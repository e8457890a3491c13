//! The door as terminals and gateways see it: real sockets, a gateway that says what it is told to,
//! terminals that speak MQTT byte by byte, and rumqttc's clients.

#![expect(clippy::unwrap_used, reason = "tests")]

mod alerts;
mod bench;
mod clients;
mod concentrators;
mod down;
mod entry;
mod faults;
mod floods;
mod limits;
mod presence;
mod publishing;
mod tls;
