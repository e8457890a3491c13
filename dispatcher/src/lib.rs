//! The dispatcher: the only owner of the database. Takes reports in, decides what follows, sends what
//! was decided, and serves the HTTP API and the console.

pub mod clock;
pub mod config;
pub mod desk;
pub mod http;
pub mod live;
pub mod store;
