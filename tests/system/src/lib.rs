//! The real thing: binaries, PostGIS, third-party MQTT clients, a browser.
