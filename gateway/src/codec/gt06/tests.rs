//! GT06 frames.
