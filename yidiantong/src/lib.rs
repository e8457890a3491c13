//! Composition: the parts of 一点通 put together into one executable. It holds no rule of its own.

pub mod admin;
mod apart;
mod canary;
pub mod cluster;
mod database;
pub mod demo;
mod follow;
mod join;
pub mod logs;
mod office;
mod parts;
mod probe;
pub mod roles;
pub mod serve;
pub mod settings;
mod standing;
