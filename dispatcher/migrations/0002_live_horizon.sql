-- How far back the live stream can be resumed, and where an incident stands in it.

-- The last event that was deleted for its age, by (transaction, sequence). A reader whose cursor lies
-- before it may have missed something and starts from the list; one row.
create table live_horizon (
    one boolean primary key default true check (one),
    txid xid8 not null default '0',
    seq bigint not null default 0
);
insert into live_horizon default values;

-- The list and each event tell an incident's last event, so that a console can tell an answer to its
-- own call from the event that says the same.
create index live_event_incident on live_event (incident_id, txid desc, seq desc);
-- Deletion goes by age.
create index live_event_at on live_event (at);
