//! Composition: the parts of 一点通 put together into one executable. It holds no rule of its own.

mod apart;
pub mod cluster;
mod database;
pub mod demo;
mod follow;
mod join;
mod office;
mod parts;
mod probe;
pub mod roles;
pub mod serve;
pub mod settings;
