//! Watch frames.
