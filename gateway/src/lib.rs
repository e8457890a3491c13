//! Device dialects: bytes in, reports out; notices in, bytes out.

pub mod codec;
