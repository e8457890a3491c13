//! Between processes a hand-over is HTTP with a shared key (`wire::internal`): what [`crate::join`] does by a call.
//!
//! Both ends of each hand-over are the same trait: what a gateway says to [`far_dispatchers::FarDispatchers`] is served
//! by [`far_dispatchers::router`] from the dispatcher in that process, and notices go the other way through
//! [`far_terminals`]. Everything said may be said twice.

pub(crate) mod caller;
pub(crate) mod far_dispatchers;
pub(crate) mod far_terminals;
mod rings;
pub(crate) mod served;
