//! Device dialects: bytes in, reports out; notices in, bytes out.
