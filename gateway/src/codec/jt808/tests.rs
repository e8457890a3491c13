//! JT/T 808 frames.
