//! The far ends of the line, simulated: a wearer's pager, a responder, a 120 centre, a mailbox.
//!
//! They know of the server only what real ones would: the MQTT topics and messages of `wire`, the protocols of terminals
//! that exist, and the HTTP interface. Each can run as a task inside another process (`yidiantong serve --demo`,
//! tests) or from the command line (`firmware-sim --help`).
//!
//! * [`device`] – what a pager does, as a pure model: no clock, no I/O, fit for virtual time.
//! * [`pager`] – puts one device on MQTT.
//! * [`terminal`] – a watch, a JT/T 808 or a GT06 terminal on TCP.
//! * [`day`], [`fleet`] – ordinary days of many who wear one.
//! * [`crowd`] – as many of them as one likes, lean and counted: what a front door carries.
//! * [`wander`] – one of them who walks away.
//! * [`responder`] – follows its offers over HTTP, answers, travels, arrives.
//! * [`centre`] – a 120 centre that can be slow, refuse, lie or be down.
//! * [`mailbox`] – a mail server that shows what contacts are written, and can put off, refuse or hang.

pub mod backoff;
pub mod centre;
pub mod clock;
pub mod crowd;
pub mod day;
pub mod device;
pub mod fleet;
pub mod mailbox;
pub mod pager;
pub mod responder;
pub mod secret;
pub mod sse;
pub mod terminal;
pub mod wander;

pub use town::ground;
