//! What a door counts, for metrics and for tests.

wire::counters! {
    /// What a door counts.
    pub struct Counters {
        /// Sockets open now.
        connections: Gauge,
        /// Sockets that have not said CONNECT yet.
        half_open: Gauge,
        /// Sessions open now.
        sessions: Gauge,
        /// Sessions of concentrators open now, among them.
        concentrators: Gauge,
        /// Sessions opened.
        sessions_opened: Counter,
        /// Turned away because user name or password was wrong or unknown.
        refused_credentials: Counter,
        /// Turned away because they showed no certificate, or not the one that is theirs.
        refused_certificate: Counter,
        /// Connections over TLS that came to nothing: a certificate that is not accepted, or no TLS at all.
        refused_tls: Counter,
        /// Turned away because there is no directory yet.
        refused_no_directory: Counter,
        /// Turned away for what they said: no CONNECT, another protocol, a client id that will not do.
        refused_protocol: Counter,
        /// Turned away because the door is full.
        refused_full: Counter,
        /// Turned away because too many others had not said CONNECT yet.
        refused_half_open: Counter,
        /// Turned away because too many came from the same address.
        refused_address: Counter,
        /// Times that accepting waited because connections came too fast.
        accept_waited: Counter,
        /// Said no CONNECT in time, or left before.
        refused_silent: Counter,
        /// Sessions that another of the same terminal and client id replaced.
        taken_over: Counter,
        /// Sessions that a newer one of the same terminal pushed out.
        pushed_out: Counter,
        /// Sessions closed because the directory no longer lists their terminal or concentrator as it was.
        revoked: Counter,
        /// Sessions closed because they broke the protocol.
        violations: Counter,
        /// Among them, by a packet that cannot be read.
        violations_malformed: Counter,
        /// Among them, by a packet that is too long.
        violations_too_large: Counter,
        /// Among them, by a packet out of place.
        violations_unexpected: Counter,
        /// Among them, by a topic that is none.
        violations_topic_name: Counter,
        /// Among them, by a topic alias that was not granted.
        violations_topic_alias: Counter,
        /// Among them, by more QoS 2 messages under way than may be.
        violations_quota: Counter,
        /// Sessions closed because nothing was heard, or no answer taken, for too long.
        gone_silent: Counter,
        /// Sessions closed because an alert had no receipt in time.
        without_receipt: Counter,
        /// Publishes on the alert lane.
        alerts: Counter,
        /// Alerts that wait for their receipts now.
        alerts_waiting: Gauge,
        /// The same in bytes.
        alerts_waiting_bytes: Gauge,
        /// Alerts handed to a gateway, repetitions included.
        alerts_handed_over: Counter,
        /// Alerts that no gateway came to take before they were given up. Never acknowledged.
        alerts_given_up: Counter,
        /// Receipts that came for an alert nobody waits for any more.
        receipts_late: Counter,
        /// Publishes on the telemetry lane.
        telemetry: Counter,
        /// Telemetry that a later message took the place of while there was no gateway.
        telemetry_coalesced_gateway: Counter,
        /// Telemetry that a later message took the place of while the bus was behind.
        telemetry_coalesced_bus: Counter,
        /// Telemetry that a later message took the place of because its terminal sends too much.
        telemetry_coalesced_rate: Counter,
        /// Telemetry shed while there was no gateway.
        telemetry_shed_gateway: Counter,
        /// Telemetry shed while the bus was behind.
        telemetry_shed_bus: Counter,
        /// Telemetry shed because its terminal sends too much.
        telemetry_shed_rate: Counter,
        /// Telemetry that waits for a gateway, the bus, or its terminal's turn now.
        telemetry_parked: Gauge,
        /// The same in bytes.
        telemetry_parked_bytes: Gauge,
        /// Publishes to a topic that the terminal may not use.
        publish_denied: Counter,
        /// Subscriptions that the terminal may not have.
        subscribe_denied: Counter,
        /// Subscriptions to what is no filter, or is shared, or with an identifier: refused to everybody.
        subscribe_refused: Counter,
        /// Wills published.
        wills: Counter,
        /// Wills on the alert lane that a later one of the same terminal took the place of while the door was full.
        wills_replaced: Counter,
        /// Downlinks written to terminals.
        downlinks: Counter,
        /// Downlinks dropped because their session could not take more.
        downlinks_dropped: Counter,
        /// Downlinks that terminals acknowledged.
        delivered: Counter,
        /// Entries of presence dropped because no gateway took them.
        presence_dropped: Counter,
        /// Messages on the bus that could not be read.
        bus_unreadable: Counter,
    }
}
