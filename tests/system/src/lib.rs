//! The harness of the system ring: what a test needs to start the real executable and to be everybody
//! around it, with programs of other people wherever there are some.
//!
//! * [`server`] – `yidiantong serve`, started, killed, stopped; [`postgres`] – a database outside it;
//!   [`disk`] – one that can be full; [`faketime`] – a clock that can jump.
//! * [`apart`] – two of each role in processes of their own; [`balancer`] – haproxy before their doors.
//! * [`scene`] – a server with a simulated 120 centre; [`authority`] – who vouches for it over https; [`hook`] – where
//!   its alarms go.
//! * [`mosquitto`], [`paho`] – terminals; [`presses`] – wearers who press through everything; [`browser`] – an operator; [`console`], [`responder`] – the HTTP API;
//!   [`stream`] – a follower of the live stream.
//! * [`shell`] – an administrator.
//! * [`records`] – what the database says; [`chain`] – whether a timeline is whole; [`frames`] – captured messages.
//!
//! It leaves out every judgement about what is right: that is in the tests. Nothing here waits for time to
//! pass; everything waits for a condition, with a bound ([`wait`]). What is not as it should be panics: that is how
//! a test is told.

#![expect(clippy::missing_panics_doc, reason = "panicking is what a harness is for")]

pub mod apart;
pub mod authority;
pub mod balancer;
pub mod browser;
pub mod chain;
pub mod console;
pub mod disk;
pub mod faketime;
pub mod frames;
pub mod hook;
pub mod mosquitto;
pub mod paho;
pub mod places;
pub mod postgres;
pub mod presses;
pub mod program;
pub mod records;
pub mod responder;
pub mod scene;
pub mod server;
pub mod shell;
pub mod stream;
pub mod wait;
