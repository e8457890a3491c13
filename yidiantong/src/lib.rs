//! Composition: the parts of 一点通 put together into one executable. It holds no rule of its own.

pub mod admin;
pub mod cluster;
pub mod demo;
mod join;
pub mod logs;
pub mod serve;
pub mod settings;
