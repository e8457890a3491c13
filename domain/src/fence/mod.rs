//! The areas of fences as people draw them: what is a shape, and what is refused with a sentence.
//!
//! Whether somebody is where they should be is [`crate::whereabouts`]'s to judge.

mod shape;

pub use self::shape::{BadShape, Circle, Outline, POINTS_MAX, RADIUS_MAX, RADIUS_MIN, Ring, Shape, Way};
