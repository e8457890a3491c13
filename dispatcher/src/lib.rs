//! The desk: incidents, the database, the outbox and the HTTP API.
