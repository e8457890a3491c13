-- What is usual of a resident: where they stay, and when. Learnt from what their terminals told; `domain::usual` says what
-- follows from it. Everything here is gone with the resident, and but for their own choice when it is switched off.

-- Whose habits are looked after. One row for each resident who has a safe area, or for whom somebody chose. Rewritten with
-- every look, so roomy pages.
create table usual (
    resident_id uuid primary key references resident on delete cascade,
    -- What somebody chose for them; null: on while they have a safe area.
    chosen boolean,
    chosen_by uuid references app_user,
    chosen_at timestamptz,
    -- Counts the choices; whoever chooses says which one they saw.
    version integer not null default 0,
    -- When it is learnt anew, and when it is looked whether they are out unusually. Infinity: not before somebody asks.
    learn_at timestamptz not null default clock_timestamp(),
    look_at timestamptz not null default 'infinity',
    -- What was learnt, and when. Days that are known by the hour of the day, of days that are worked and of days off, and
    -- on how many of them they were not at home around that hour.
    learnt_at timestamptz,
    days integer not null default 0,
    known_working smallint[] check (cardinality(known_working) = 24),
    known_off smallint[] check (cardinality(known_off) = 24),
    away_working smallint[] check (cardinality(away_working) = 24),
    away_off smallint[] check (cardinality(away_off) = 24),
    check (num_nulls(learnt_at, known_working, known_off, away_working, away_off) in (0, 5)),
    check (learnt_at is null or chosen is not false),
    check ((chosen is null) = (chosen_at is null))
) with (fillfactor = 70);
create index usual_due on usual (look_at) where look_at < 'infinity';
create index usual_to_learn on usual (learn_at) where learn_at < 'infinity';

-- The stays of a day that is over, by the quarters of its hours: what is left of its positions. One quarter alone is
-- somebody on their way, or a receiver that erred.
create table usual_stay (
    resident_id uuid not null references usual on delete cascade,
    -- Where they live.
    day date not null,
    begins smallint not null check (begins between 0 and 95),
    -- It too was there.
    ends smallint not null check (ends between begins and 95),
    place geography(point, 4326) not null,
    primary key (resident_id, day, begins)
);

-- Where they stay again and again.
create table usual_place (
    resident_id uuid not null references usual on delete cascade,
    -- The most usual is 0.
    number smallint not null check (number >= 0),
    middle geography(point, 4326) not null,
    radius_m real not null check (radius_m > 0),
    -- Where they live: where they are at night.
    home boolean not null,
    first_day date not null,
    last_day date not null check (last_day >= first_day),
    -- On how many days they were seen there.
    days integer not null check (days > 0),
    -- On how many around each hour.
    working smallint[] not null check (cardinality(working) = 24),
    day_off smallint[] not null check (cardinality(day_off) = 24),
    primary key (resident_id, number)
);
create unique index usual_place_home on usual_place (resident_id) where home;

-- Somebody who is out when they never are. A suspicion and nothing else: no case is opened by it.
create table usual_suspicion (
    id uuid primary key,
    resident_id uuid not null references usual on delete cascade,
    terminal_id bigint references terminal on delete set null,
    -- Since when they are out, and when it was noticed.
    since timestamptz not null,
    raised_at timestamptz not null check (raised_at >= since),
    -- Where they were seen then, and how far from where they live that is.
    place geography(point, 4326) not null,
    distance_m real not null,
    fixes integer not null,
    -- The hour that it is where they live; on how many days around it they were out, of how many that are known; of days that
    -- are worked, of days off, or of both.
    hour smallint not null check (hour between 0 and 23),
    of_days text not null check (of_days in ('working', 'off', 'both')),
    away_days integer not null,
    known_days integer not null check (known_days >= away_days),
    -- In one sentence.
    why text not null,
    -- Somebody has seen to it.
    acknowledged_at timestamptz,
    acknowledged_by uuid references app_user,
    note text,
    -- They were seen at home again, or where they usually are at that hour.
    over_at timestamptz check (over_at >= raised_at),
    check ((acknowledged_at is null) = (acknowledged_by is null))
);
-- Once for each absence.
create unique index usual_suspicion_once on usual_suspicion (resident_id) where over_at is null;
create index usual_suspicion_latest on usual_suspicion (resident_id, raised_at desc);

-- What somebody wore at any time, not only now.
create index terminal_assignment_ever on terminal_assignment (resident_id, since);

-- Who gets a safe area is looked after from then on; whoever has none any more and was not asked for is not.
create function usual_follows_fences() returns trigger language plpgsql as $$
begin
    insert into usual (resident_id)
    select distinct resident_id from changed where kind = 'safe' and active
    on conflict do nothing;
    return null;
end $$;
create trigger fence_made_usual after insert on fence
    referencing new table as changed for each statement execute function usual_follows_fences();
create trigger fence_changed_usual after update on fence
    referencing new table as changed for each statement execute function usual_follows_fences();
create function usual_forgets_fences() returns trigger language plpgsql as $$
begin
    delete from usual u where u.chosen is null and u.resident_id in (select resident_id from changed)
        and not exists (select from fence f where f.resident_id = u.resident_id and f.kind = 'safe');
    return null;
end $$;
create trigger fence_gone_usual after delete on fence
    referencing old table as changed for each statement execute function usual_forgets_fences();

-- Those who have one are learnt in the course of a day.
insert into usual (resident_id, learn_at)
select distinct on (resident_id) resident_id, clock_timestamp() + random() * interval '24 hours'
from fence where kind = 'safe' and active;

-- Whether a day is off for whoever is served by a node: the nearest node that says so, else its place in the week.
create function is_off(node uuid, which date) returns boolean language sql stable as $$
    select coalesce(
        (select h.off from org_node n
         join holiday h on h.node_id = any(n.path) and h.day = which
         join org_node above on above.id = h.node_id
         where n.id = node order by cardinality(above.path) desc limit 1),
        extract(isodow from which) >= 6)
$$;
