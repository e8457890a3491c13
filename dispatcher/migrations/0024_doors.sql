-- What each front door says of itself every few seconds: whichever dispatcher it tells, all of them know. A door that says
-- nothing more stays for a while, so that its silence is seen.
create table door (
    name text primary key check (name <> ''),
    -- By our clock; everything else is by the door's.
    heard_at timestamptz not null,
    opened_at timestamptz not null,
    tls_listen text,
    tls_expires_at timestamptz,
    tls_asks_certificates boolean,
    -- Its numbers by name: doors of another version may have others.
    counted jsonb not null check (jsonb_typeof(counted) = 'object'),
    check (num_nonnulls(tls_listen, tls_expires_at, tls_asks_certificates) in (0, 3))
);

-- The latest of what sessions said at it and might not say.
create table door_violation (
    id uuid primary key,
    door text not null references door on delete cascade,
    at timestamptz not null,
    times integer not null check (times > 0),
    login text not null,
    what text not null check (what in
        ('publish', 'subscribe', 'will', 'malformed', 'too_large', 'unexpected', 'topic_name', 'topic_alias', 'quota')),
    topic text,
    -- MQTT's reason code, as it was answered.
    code smallint check (code between 0 and 255)
);
create index door_violation_latest on door_violation (door, at desc);
