-- The line an alert travels: who may call, who was called, what was decided, what is to be sent.
-- Longitude comes first in points, and only here. Times are UTC.

create extension if not exists postgis;

-- ---- who and where -----------------------------------------------------------------------------

-- District, street, community, grid, courtyard. `path` holds the ancestors from the root and the
-- node itself, so that "somewhere below" is one comparison.
create table org_node (
    id uuid primary key,
    parent_id uuid references org_node,
    level text not null check (level in ('district', 'street', 'community', 'grid', 'courtyard')),
    name text not null,
    path uuid[] not null,
    area geography(multipolygon, 4326),
    time_zone text not null default 'Asia/Shanghai',
    -- Null: as the parent says. The root must say.
    handover_policy text check (handover_policy in ('at_once', 'operator_first')),
    check (path[cardinality(path)] = id),
    check ((parent_id is null) = (cardinality(path) = 1))
);

create table resident (
    id uuid primary key,
    name text not null,
    sex text,
    born_in smallint check (born_in between 1890 and 2100),
    phone text,
    category text,
    address text not null,
    -- How to get in: a code, who has a key.
    door_access text,
    home geography(point, 4326),
    -- Where they live and are served; where they are registered may be elsewhere.
    serving_node uuid not null references org_node,
    registered_node uuid not null references org_node,
    -- Null: as the node says.
    handover_policy text check (handover_policy in ('at_once', 'operator_first'))
);

create table contact (
    resident_id uuid not null references resident on delete cascade,
    rank smallint not null,
    name text not null,
    relation text not null,
    phone text not null,
    primary key (resident_id, rank)
);

create table medical_card (
    resident_id uuid primary key references resident on delete cascade,
    card text not null
);

-- ---- terminals ---------------------------------------------------------------------------------

create table terminal (
    id bigint generated always as identity primary key,
    serial text not null unique check (serial <> '' and serial !~ '[+#[:cntrl:]]'),
    login text not null unique check (login <> ''),
    secret_sha256 bytea not null check (length(secret_sha256) = 32),
    dialect text not null check (dialect in ('ydt', 'own_tracks')),
    model text not null default '',
    manual_publish_means_help boolean not null default false,
    drill boolean not null default false,
    revoked_at timestamptz,
    -- The transaction that changed the row last: the directory's readers ask for what is newer than
    -- the oldest transaction they knew to be running, so that commit order cannot hide a change.
    changed_in xid8 not null default pg_current_xact_id()
);
create index terminal_changed on terminal (changed_in);

create function note_terminal_change() returns trigger language plpgsql as $$
begin
    new.changed_in := pg_current_xact_id();
    return new;
end $$;
create trigger terminal_change before update on terminal for each row execute function note_terminal_change();

-- Who wore which terminal when. A swap in the middle of a case is ordinary.
create table terminal_assignment (
    terminal_id bigint not null references terminal,
    resident_id uuid not null references resident,
    since timestamptz not null default now(),
    until timestamptz,
    check (until > since),
    primary key (terminal_id, since)
);
create unique index terminal_assignment_current on terminal_assignment (terminal_id) where until is null;
create index terminal_assignment_resident on terminal_assignment (resident_id) where until is null;

-- One row a terminal, rewritten all the time: roomy pages keep the updates in place, and no index but
-- the key lets them.
create table terminal_state (
    terminal_id bigint primary key references terminal,
    heard_at timestamptz,
    session_open boolean not null default false,
    battery_pct smallint check (battery_pct between 0 and 100),
    worn boolean,
    checked_in_at timestamptz,
    -- The last position, its arrival and the terminal's own time for it.
    place geography(point, 4326),
    place_accuracy_m double precision,
    place_source text,
    place_received_at timestamptz,
    place_device_at timestamptz
) with (fillfactor = 70);

-- The alert lane as it came in, and everything that nobody could read. Never updated.
create table report (
    id uuid primary key,
    terminal_id bigint references terminal,
    serial text not null,
    authenticated boolean not null,
    received_at timestamptz not null,
    committed_at timestamptz not null default now(),
    lane text not null check (lane in ('alert', 'telemetry')),
    topic text not null,
    raw bytea not null,
    -- SHA-256 of `raw`: what makes two presses the same.
    digest bytea not null,
    boot bigint,
    seq bigint,
    device_at timestamptz,
    repeated boolean not null,
    event text not null,
    incident_id uuid,
    -- The report that this one repeats: the same press, told again.
    same_as uuid,
    doubts jsonb not null default '[]',
    drill boolean not null
);
-- What a repetition is compared with: the first telling, so that repeating does not stretch the time in
-- which two presses count as one.
create index report_first on report (serial, digest, received_at desc) where same_as is null;
create index report_incident on report (incident_id) where incident_id is not null;

-- Positions by time of arrival: a clock that is years off spoils no partition.
create table fix (
    terminal_id bigint not null,
    received_at timestamptz not null,
    device_at timestamptz,
    place geography(point, 4326) not null,
    accuracy_m real,
    source text not null,
    speed_kmh real,
    course_deg real,
    altitude_m real
) partition by range (received_at);
create index fix_terminal on fix (terminal_id, received_at);
create index fix_received on fix using brin (received_at);
create table fix_default partition of fix default;

-- Makes the partitions from yesterday to some days ahead. A day that has rows in the default
-- partition already keeps them there.
create function ensure_fix_partitions(days_ahead integer) returns void language plpgsql as $$
declare
    day date;
    partition_name text;
begin
    for day in select d::date from generate_series(current_date - 1, current_date + days_ahead, interval '1 day') d loop
        partition_name := 'fix_' || to_char(day, 'YYYYMMDD');
        if to_regclass(partition_name) is null
            and not exists (select from fix_default where received_at >= day and received_at < day + 1)
        then
            execute format('create table %I partition of fix for values from (%L) to (%L)', partition_name, day, day + 1);
        end if;
    end loop;
end $$;

-- ---- who can go --------------------------------------------------------------------------------

create table provider (
    id uuid primary key,
    name text not null,
    phone text
);

-- What a provider may do, and below which node.
create table contract (
    provider_id uuid not null references provider,
    node_id uuid not null references org_node,
    category text not null,
    since date not null default current_date,
    until date,
    primary key (provider_id, node_id, category, since)
);

create table app_user (
    id uuid primary key,
    login text not null unique,
    name text not null,
    role text not null check (role in ('operator', 'supervisor', 'admin', 'responder')),
    password_hash text not null,
    failed_logins integer not null default 0,
    locked_until timestamptz,
    disabled boolean not null default false
);

create table session (
    token_sha256 bytea primary key,
    user_id uuid not null references app_user on delete cascade,
    csrf text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- When the console last had an open connection, and when a person last did something at it.
    seen_at timestamptz not null default now(),
    active_at timestamptz not null default now()
);
create index session_of_user on session (user_id);

create table responder (
    id uuid primary key,
    provider_id uuid not null references provider,
    user_id uuid unique references app_user,
    name text not null,
    phone text not null,
    on_duty boolean not null default false,
    -- For their application: a bearer token, and where to push offers to.
    token_sha256 bytea unique,
    push_url text,
    push_secret text
);

-- Only those who can be asked: a few thousand rows that move.
create table responder_position (
    responder_id uuid primary key references responder on delete cascade,
    place geography(point, 4326) not null,
    accuracy_m double precision,
    at timestamptz not null
);
create index responder_position_place on responder_position using gist (place);

-- ---- incidents ---------------------------------------------------------------------------------

create table incident (
    id uuid primary key,
    class text not null check (class in ('emergency', 'service', 'wandering', 'welfare')),
    origin text not null check (origin in ('listed', 'unlisted')),
    -- Whom it is about: a resident, else the terminal, else the source, else a caller.
    subject_kind text not null check (subject_kind in ('resident', 'terminal', 'source', 'caller')),
    subject_key text not null,
    resident_id uuid references resident,
    terminal_id bigint references terminal,
    node_id uuid references org_node,
    kinds text[] not null,
    category text,
    opened_at timestamptz not null,
    presses integer not null check (presses > 0),
    presses_answered integer not null default 0 check (presses_answered between 0 and presses),
    last_press_at timestamptz not null,
    -- Where the last press came from, as it said itself; the view incident_place knows better places.
    place geography(point, 4326),
    place_accuracy_m double precision,
    place_source text,
    place_at timestamptz,
    place_in_words text,
    caller_phone text,
    owner_id uuid references app_user,
    owned_since timestamptz,
    owner_check_at timestamptz,
    ring_level text not null default 'none' check (ring_level in ('none', 'operators', 'supervisors')),
    ring_next_at timestamptz,
    round integer not null default 0,
    shortfall text check (shortfall in ('place_unknown', 'nobody_near', 'all_asked')),
    cancelled boolean not null default false,
    operator_decides boolean not null default false,
    decision_failures integer not null default 0,
    closed_at timestamptz,
    closed_by uuid references app_user,
    outcome text,
    doubts jsonb not null default '[]',
    drill boolean not null,
    -- The earliest deadline. Armed exactly while the incident is open.
    wake_at timestamptz,
    -- The timeline: how many entries it has, and the hash of the last.
    entries integer not null default 0,
    chain_head bytea not null default '\x',
    check ((closed_at is null) = (wake_at is not null)),
    check ((closed_at is null) = (outcome is null) and (closed_at is null) = (closed_by is null)),
    check ((owner_id is null) = (owner_check_at is null) and (owner_id is null) = (owned_since is null)),
    check ((ring_level = 'none') = (ring_next_at is null)),
    check (closed_at is null or ring_level = 'none')
);
-- Every further press belongs to the open case. A service incident is one per order.
create unique index incident_one_open on incident (subject_kind, subject_key, class)
    where closed_at is null and class <> 'service';
create index incident_due on incident (wake_at) where closed_at is null;
create index incident_closed on incident (closed_at desc) where closed_at is not null;

alter table report add foreign key (incident_id) references incident;

-- Append-only. `hash` covers the hash before it and the commitment; the commitment covers salt and
-- content, so that a person's data can be erased beside it without breaking the chain.
create table incident_entry (
    incident_id uuid not null references incident,
    seq integer not null,
    at timestamptz not null,
    what text not null,
    who_id uuid,
    data jsonb,
    salt bytea,
    commitment bytea not null,
    hash bytea not null,
    primary key (incident_id, seq)
);

create function keep_entry() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        and (new.incident_id, new.seq, new.at, new.what, new.commitment, new.hash)
            = (old.incident_id, old.seq, old.at, old.what, old.commitment, old.hash)
        and new.data is null and new.salt is null
    then
        return new; -- erasing a person's data leaves the chain whole
    end if;
    raise exception 'the timeline is append-only';
end $$;
create trigger incident_entry_kept before update or delete on incident_entry
    for each row execute function keep_entry();

create table offer (
    id uuid primary key,
    incident_id uuid not null references incident,
    ordinal integer not null,
    responder_id uuid not null references responder,
    round integer not null,
    asked_at timestamptz not null,
    state text not null check (state in
        ('asked', 'accepted', 'on_the_way', 'on_scene', 'done', 'declined', 'silent', 'withdrawn')),
    answer_by timestamptz,
    expected_at timestamptz,
    reason text,
    distance_m double precision,
    unique (incident_id, ordinal),
    check ((state = 'asked') = (answer_by is not null)),
    check ((state in ('accepted', 'on_the_way')) = (expected_at is not null)),
    check ((state = 'declined') = (reason is not null))
);
-- A responder is asked, or goes, once at a time, whatever two dispatchers decide in the same moment.
create unique index offer_engaged on offer (responder_id)
    where state in ('asked', 'accepted', 'on_the_way', 'on_scene');

create table handover (
    id uuid primary key,
    incident_id uuid not null references incident,
    ordinal integer not null,
    centre text not null check (centre in ('120', '119', '110')),
    state text not null check (state in
        ('prepared', 'sent', 'acknowledged', 'dispatched', 'arrived', 'closed', 'refused', 'failed', 'stood_down')),
    acknowledge_by timestamptz,
    expected_at timestamptz,
    reason text,
    reference text,
    voice text not null default 'not_needed' check (voice in ('not_needed', 'due', 'done')),
    voice_ring_at timestamptz,
    voice_by uuid references app_user,
    -- A press has come since it ended: the centre is called anew when its time comes.
    outlived boolean not null default false,
    unique (incident_id, ordinal),
    check ((state in ('prepared', 'sent')) = (acknowledge_by is not null)),
    check ((state in ('refused', 'stood_down')) = (reason is not null)),
    check ((voice = 'due') = (voice_ring_at is not null)),
    check ((voice = 'done') = (voice_by is not null))
);
-- A centre is on a case once at a time.
create unique index handover_live on handover (incident_id, centre)
    where state in ('prepared', 'sent', 'acknowledged', 'dispatched', 'arrived');

-- ---- what leaves -------------------------------------------------------------------------------

-- Written in the same transaction as the decision. In order per incident and channel, at least once,
-- each with a key by which the far end drops a repetition.
create table outbox (
    id bigint generated always as identity primary key,
    key uuid not null unique,
    incident_id uuid not null references incident,
    channel text not null check (channel in ('responder', 'centre', 'terminal')),
    -- The centre, responder or terminal: order is kept for each, and one that is deaf holds up no other.
    target text not null,
    what text not null,
    -- The offer or hand-over that it carries; nothing for news to a wearer.
    about uuid,
    payload jsonb not null,
    created_at timestamptz not null,
    not_after timestamptz not null,
    next_try_at timestamptz not null,
    tries integer not null default 0,
    state text not null default 'queued' check (state in
        ('queued', 'sent', 'acknowledged', 'expired', 'withdrawn'))
);
create index outbox_queued on outbox (incident_id, channel, target, id) where state = 'queued';
-- News to a wearer is repeated while 'sent', until the terminal acknowledges it.
create index outbox_due on outbox (next_try_at) where state = 'queued' or (state = 'sent' and channel = 'terminal');
create index outbox_terminal on outbox (target) where channel = 'terminal' and state in ('queued', 'sent');

-- What the far end said to each attempt.
create table delivery (
    outbox_id bigint not null references outbox,
    at timestamptz not null default clock_timestamp(),
    taken boolean not null,
    answer text not null
);
create index delivery_outbox on delivery (outbox_id);

-- What the consoles follow. Readers go by (transaction, sequence) and only over transactions that
-- are over, because sequence order is not commit order.
create table live_event (
    seq bigint generated always as identity,
    txid xid8 not null default pg_current_xact_id(),
    incident_id uuid not null,
    at timestamptz not null default now(),
    primary key (txid, seq)
);

-- Answers to creating calls, so that a repetition creates nothing.
create table idempotency (
    user_id uuid not null references app_user on delete cascade,
    key text not null,
    incident_id uuid not null references incident,
    at timestamptz not null default now(),
    primary key (user_id, key)
);

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    user_id uuid,
    what text not null,
    about text,
    data jsonb not null default '{}'
);

-- The best place known for an incident: what the press itself said, unless the terminal has told a
-- newer one since; else the last that the terminal told; else the home.
create view incident_place as
select
    i.id as incident_id,
    case best.which when 'press' then i.place when 'terminal' then s.place else r.home end as place,
    case best.which when 'press' then i.place_accuracy_m when 'terminal' then s.place_accuracy_m end as accuracy_m,
    case best.which when 'press' then i.place_source when 'terminal' then s.place_source else 'home' end as source,
    case best.which when 'press' then i.place_at when 'terminal' then s.place_received_at end as at
from incident i
left join resident r on r.id = i.resident_id
left join terminal_state s on s.terminal_id = i.terminal_id
cross join lateral (
    select case
        when s.place is not null and (i.place is null or s.place_received_at > i.place_at) then 'terminal'
        when i.place is not null then 'press'
        else 'home'
    end as which
) best;
