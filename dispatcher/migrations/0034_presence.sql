-- Who is heard and who is not, and who has said that they are fine. When a terminal was heard last lies in terminal_state and
-- nowhere else; here lies what follows from it, and when to look again. Nobody goes through all terminals: each has its time.

-- ---- contracts -----------------------------------------------------------------------------------

-- How often a model is to be heard. The row of the empty model goes for those that have none of their own.
create table heartbeat_contract (
    model text primary key check (model !~ '[[:cntrl:]]'),
    moving_s integer not null check (moving_s between 10 and 172800),
    still_s integer not null check (still_s between 10 and 172800),
    charging_s integer not null check (charging_s between 10 and 172800),
    late_beats smallint not null check (late_beats >= 1),
    silent_beats smallint not null check (silent_beats > late_beats and silent_beats <= 100),
    lost_after_s integer not null check (lost_after_s between 60 and 2592000),
    -- At which stage somebody has to go and look, when it is silent by itself.
    alarm text not null default 'lost' check (alarm in ('none', 'silent', 'lost')),
    version integer not null default 1,
    check (lost_after_s > silent_beats * least(moving_s, still_s, charging_s))
);
create trigger heartbeat_contract_edited before update on heartbeat_contract for each row execute function count_edit();
insert into heartbeat_contract values ('', 300, 600, 900, 2, 6, 86400, 'lost');

-- Since when somebody listens. Who was away for a while knows nothing of what was said meanwhile.
create table listening (
    one boolean primary key default true check (one),
    since timestamptz not null,
    seen_at timestamptz not null
);

-- ---- what terminals tell -------------------------------------------------------------------------

alter table terminal_state
    add column charging boolean,
    -- As the terminal counts them.
    add column steps bigint,
    -- When the wearer last moved for certain: by steps, or from one place to another.
    add column moved_at timestamptz,
    -- Where that was: in plain degrees, with which it is reckoned for each position.
    add column moved_lon double precision,
    add column moved_lat double precision,
    -- Since when it says that it is not on the body; null: it is, or does not say.
    add column off_since timestamptz,
    -- Since when it tells the same place to the last digit, and how often it has told it again.
    add column same_since timestamptz,
    add column same_told integer not null default 0;

-- Whether one place is further from another than this. Near enough to tell a walk from a receiver that wavers, and a tenth
-- of what a distance costs: it is asked for every position.
create function is_further(from_lon double precision, from_lat double precision, lon double precision, lat double precision,
    reach_m double precision) returns boolean language sql immutable parallel safe as $$
    select greatest(abs(lat - from_lat), abs(lon - from_lon) * cosd(lat)) > reach_m / 111195
$$;

-- The levels of batteries, each when it changed.
create table battery_level (
    terminal_id bigint not null references terminal (id) on delete cascade,
    at timestamptz not null,
    pct smallint not null check (pct between 0 and 100),
    primary key (terminal_id, at)
);

create function note_battery() returns trigger language plpgsql as $$
begin
    insert into battery_level (terminal_id, at, pct) values (new.terminal_id, new.heard_at, new.battery_pct)
    on conflict (terminal_id, at) do update set pct = excluded.pct;
    return null;
end $$;
create trigger battery_changed after update on terminal_state for each row
    when (new.battery_pct is distinct from old.battery_pct and new.battery_pct is not null and new.heard_at is not null)
    execute function note_battery();

-- ---- presence ------------------------------------------------------------------------------------

-- Many that fell silent together, by what they have in common.
create table outage (
    id uuid primary key,
    kind text not null check (kind in ('cell', 'community', 'firmware', 'carrier', 'everything')),
    key text not null,
    began_at timestamptz not null,
    noticed_at timestamptz not null,
    ended_at timestamptz,
    -- How many had it in common then, heard or not.
    shared_by integer not null check (shared_by > 0)
);
-- Whatever two dispatchers find at the same moment is one.
create unique index outage_one_open on outage (kind, key) where ended_at is null;
create index outage_latest on outage (began_at desc);

create table outage_member (
    outage_id uuid not null references outage on delete cascade,
    terminal_id bigint not null references terminal (id) on delete cascade,
    -- When it was last heard.
    heard_at timestamptz not null,
    returned_at timestamptz,
    primary key (outage_id, terminal_id)
);
create index outage_member_gone on outage_member (terminal_id) where returned_at is null;

-- One row for each terminal that somebody wears, written when it is looked at and not when it is heard.
create table presence (
    terminal_id bigint primary key references terminal (id) on delete cascade,
    given_at timestamptz not null,
    stage text not null default 'unheard' check (stage in ('unheard', 'heard', 'late', 'silent', 'lost')),
    stage_since timestamptz not null default now(),
    -- When it had been heard last, when it was looked at last.
    heard_at timestamptz,
    look_at timestamptz not null,
    outage_id uuid references outage on delete set null,
    -- Somebody was told of this silence, and where it was opened.
    alarmed boolean not null default false,
    incident_id uuid references incident,
    -- What its battery was when that was looked at last, and what came of it.
    battery_pct smallint,
    flat_at timestamptz,
    not_worn boolean not null default false,
    frozen boolean not null default false
) with (fillfactor = 70);
create index presence_due on presence (look_at);
create index presence_absent on presence (terminal_id) where stage in ('late', 'silent', 'lost');
create index presence_flat on presence (flat_at) where flat_at is not null;
create index presence_odd on presence (terminal_id) where not_worn or frozen;
create index presence_outage on presence (outage_id) where outage_id is not null;

-- What a terminal has in common with others; written when it changes, which is seldom.
create table presence_tie (
    terminal_id bigint not null references presence on delete cascade,
    kind text not null check (kind in ('cell', 'community', 'firmware', 'carrier')),
    key text not null,
    primary key (terminal_id, kind)
);
create index presence_tie_key on presence_tie (kind, key);

-- Whoever is given a terminal is looked after from then on.
create function supervise() returns trigger language plpgsql as $$
begin
    if new.resident_id is null or new.canary then
        delete from presence where terminal_id = new.terminal_id;
    else
        insert into presence (terminal_id, given_at, look_at) values (new.terminal_id, new.since, now())
        on conflict (terminal_id) do update set
            given_at = excluded.given_at, stage = 'unheard', stage_since = now(), heard_at = null, look_at = now(),
            outage_id = null, alarmed = false, incident_id = null, battery_pct = null, flat_at = null, not_worn = false,
            frozen = false;
    end if;
    return null;
end $$;
create trigger wearer_begins after insert on wearer for each row execute function supervise();
create trigger wearer_changes after update on wearer for each row
    when ((old.resident_id, old.since, old.canary) is distinct from (new.resident_id, new.since, new.canary))
    execute function supervise();
insert into presence (terminal_id, given_at, look_at)
select terminal_id, since, now() from wearer where resident_id is not null and not canary;

-- The first press of a terminal's key in each month: who is missing here has a key that nobody has tried. An exercise that
-- was started at a desk presses no key.
create table test_press (
    terminal_id bigint not null references terminal (id) on delete cascade,
    -- Its first day, where the wearer was.
    month date not null check (extract(day from month) = 1),
    at timestamptz not null,
    incident_id uuid not null references incident on delete cascade,
    primary key (terminal_id, month)
);

create function note_test_press() returns trigger language plpgsql as $$
begin
    insert into test_press (terminal_id, month, at, incident_id)
    select new.terminal_id, date_trunc('month', new.received_at at time zone zone_of(i.node_id))::date, new.received_at, i.id
    from incident i where i.id = new.incident_id and 'sos' = any(i.kinds) and not i.canary
    on conflict do nothing;
    return null;
end $$;
create trigger report_tests_key after insert on report for each row
    when (new.event = 'alert' and new.topic <> 'drill' and new.terminal_id is not null and new.incident_id is not null)
    execute function note_test_press();

-- The next eight in the morning.
create function morning_after(at timestamptz, zone text) returns timestamptz language sql stable as $$
    select (date_trunc('day', at at time zone zone - interval '8 hours') + interval '1 day 8 hours') at time zone zone
$$;

-- ---- check-in ------------------------------------------------------------------------------------

-- When a resident is to be heard of, and the due time that is waited for.
create table check_in_plan (
    resident_id uuid primary key references resident on delete cascade,
    -- Minutes of the day.
    times_min integer[] not null check (cardinality(times_min) between 1 and 12),
    -- From 1, Monday.
    days smallint[] not null check (cardinality(days) between 1 and 7 and days <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    time_zone text not null,
    grace_min integer not null check (grace_min between 5 and 720),
    -- Minutes of the day; they may go over midnight.
    quiet_from integer check (quiet_from between 0 and 1439),
    quiet_until integer check (quiet_until between 0 and 1439 and quiet_until <> quiet_from),
    ways text[] not null check (cardinality(ways) > 0 and ways <@ array['key', 'voice', 'movement']),
    active boolean not null default true,
    version integer not null default 1,
    -- When somebody last said for them that they are fine.
    told_at timestamptz,
    -- The one before, the one that is waited for, until when, and when to look. None: nobody is waited for.
    previous_at timestamptz,
    due_at timestamptz,
    deadline timestamptz,
    wake_at timestamptz,
    check ((quiet_from is null) = (quiet_until is null)),
    check (num_nulls(due_at, deadline, wake_at) in (0, 3)),
    check (active = (wake_at is not null))
);
create index check_in_plan_due on check_in_plan (wake_at) where wake_at is not null;

-- What became of each due time: once.
create table check_in (
    resident_id uuid not null references resident on delete cascade,
    due_at timestamptz not null,
    deadline timestamptz not null,
    state text not null check (state in ('kept', 'paused', 'missed')),
    way text check (way in ('key', 'voice', 'movement')),
    known_at timestamptz,
    judged_at timestamptz not null,
    incident_id uuid references incident,
    primary key (resident_id, due_at),
    check ((state = 'kept') = (way is not null) and (state = 'kept') = (known_at is not null)),
    check ((state = 'missed') = (incident_id is not null))
);

-- Nobody expects them: in hospital, on a holiday. It has an end.
create table check_in_pause (
    id uuid primary key,
    resident_id uuid not null references resident on delete cascade,
    since timestamptz not null,
    until timestamptz not null,
    why text not null check (why <> ''),
    made_by uuid references app_user,
    check (until > since)
);
create index check_in_pause_resident on check_in_pause (resident_id, until);
