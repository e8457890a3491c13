//! What the gateway counts, for metrics and for tests.

wire::counters! {
    /// What the gateway counts.
    pub struct Counters {
        /// Alert-lane messages taken in, each id once.
        alerts_taken: Counter,
        /// Alert-lane messages that came again while we had them, or had had them committed.
        alerts_repeated: Counter,
        /// Alert-lane messages known to be durable.
        alerts_durable: Counter,
        /// Alert-lane messages in memory without a receipt now.
        alerts_waiting: Gauge,
        /// Times that the alert lane stood still because memory was full.
        alerts_stalled: Counter,
        /// Alerts that rang from memory because they were not stored in time.
        alerts_unstored: Counter,
        /// Reports handed over apart, because a batch failed with them and not without.
        alerts_apart: Counter,
        /// Alert-lane messages that nobody could read.
        alerts_unreadable: Counter,
        /// Telemetry messages taken in.
        telemetry_taken: Counter,
        /// Telemetry messages known to be durable.
        telemetry_durable: Counter,
        /// Telemetry messages in memory now.
        telemetry_waiting: Gauge,
        /// Telemetry messages replaced under pressure by a later one of the same terminal.
        telemetry_coalesced: Counter,
        /// Telemetry messages thrown away under pressure.
        telemetry_shed: Counter,
        /// Telemetry messages given up after the dispatcher did not take them.
        telemetry_given_up: Counter,
        /// Telemetry messages that nobody could read.
        telemetry_unreadable: Counter,
        /// Calls to the dispatcher that failed or took too long.
        takes_failed: Counter,
        /// Receipts sent to doors.
        receipts_sent: Counter,
        /// Receipts not sent because the bus was away; the door asks again.
        receipts_unsent: Counter,
        /// Notices handed to the bus.
        notices_sent: Counter,
        /// Orders to terminals handed to the bus.
        orders_sent: Counter,
        /// Notes about terminals' presence and acknowledgements passed on.
        presence_passed: Counter,
        /// Notes about terminals' presence and acknowledgements given up after the dispatcher did not take them.
        presence_given_up: Counter,
        /// Messages on the bus that were not what they should be.
        bus_garbled: Counter,
        /// Connections made to the bus.
        bus_connected: Counter,
        /// Terminals' own connections now, and addresses that are held for one (UDP).
        connections: Gauge,
        /// Of these, those that have not said that they are a terminal on the list.
        connections_unidentified: Gauge,
        /// Terminals' own connections accepted.
        connections_opened: Counter,
        /// Connections closed at once because there were too many.
        connections_refused_full: Counter,
        /// Connections closed at once because too many others had not said who they are.
        connections_refused_unidentified: Counter,
        /// Connections closed at once because their address came too often.
        connections_refused_address: Counter,
        /// Connections closed because nothing came on them.
        connections_idle: Counter,
        /// Connections closed because they did not say in time who they are.
        connections_never_identified: Counter,
        /// Connections closed because a frame was too long.
        connections_oversized: Counter,
        /// Connections closed because an alert was not stored in time: the terminal repeats it.
        connections_no_receipt: Counter,
        /// Connections closed because the terminal did not read what it was told.
        connections_not_reading: Counter,
        /// Connections closed because the terminal came anew, or is not listed any more.
        connections_replaced: Counter,
        /// Frames on terminals' own connections.
        frames: Counter,
        /// Requests over SIP that came before, answered as they were.
        requests_repeated: Counter,
        /// Requests of ours over SIP that a unit has answered.
        requests_answered: Counter,
        /// Messages over HTTP whose sender did not prove who they are, or named another's terminal.
        phones_refused: Counter,
        /// Datagrams thrown away because too many of their terminal waited.
        datagrams_dropped: Counter,
        /// Pieces between frames that belong to none.
        junk: Counter,
        /// Calls for help of terminals that are not listed.
        strangers_alerts: Counter,
        /// Frames without a call for help of terminals that are not listed, not taken in.
        strangers_telemetry: Counter,
    }
}
