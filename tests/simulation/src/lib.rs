//! The incident core in virtual time.
