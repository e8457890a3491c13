-- Where somebody is when their terminal has no fix: what it hears around it is kept, and a place is reckoned from it,
-- from a household's own access points, a table of cells, or by somebody else.

alter table report add column surroundings jsonb;

-- What the terminal heard around it last: `{"cells": [{"mcc", "mnc", "lac", "cid", "signal"}],
-- "access_points": [{"mac", "rssi_dbm", "ssid"}]}`, what serves it first.
alter table terminal_state
    add column surroundings jsonb,
    add column surrounded_at timestamptz,
    add check ((surroundings is null) = (surrounded_at is null));

-- Cells with a known place, as OpenCelliD's files tell them.
create table cell_tower (
    mcc integer not null,
    mnc integer not null,
    lac bigint not null,
    cid bigint not null,
    lat double precision not null check (lat between -90 and 90),
    lon double precision not null check (lon between -180 and 180),
    -- How far away from there it is heard, in metres.
    range_m double precision not null check (range_m >= 0),
    primary key (mcc, mnc, lac, cid)
);

-- The wireless networks of a home: whoever hears one is there. Written down by somebody, or learnt: heard, again and
-- again, where satellites said that the resident was at home.
create table home_access_point (
    resident_id uuid not null references resident on delete cascade,
    mac text not null check (mac ~ '^([0-9a-f]{2}:){5}[0-9a-f]{2}$'),
    entered_by uuid references app_user,
    -- How often it was heard at home, at most once an hour.
    sightings integer not null default 0,
    seen_at timestamptz not null,
    primary key (resident_id, mac)
);

-- Terminals that told what they hear and not where they are: the latest of each, until it has been looked up.
create table unresolved (
    terminal_id bigint primary key references terminal on delete cascade,
    resident_id uuid,
    -- The case that it was told in, if it was.
    incident_id uuid references incident on delete cascade,
    surroundings jsonb not null,
    heard_at timestamptz not null,
    tries integer not null default 0,
    next_try_at timestamptz not null
);
create index unresolved_due on unresolved (next_try_at);
