-- Where somebody should be when. `domain::rules` says what follows from it; the database keeps what cannot be from being.

-- A fence with rules is judged by them: it opens nothing by itself at other times. `haven`: there is a time in which its
-- wearer should be there, so that they are well there at any time. `hazard`: there are only times in which they should not.
alter table fence add column by_rules text not null default 'no' check (by_rules in ('no', 'haven', 'hazard'));
-- When it begins to be watched: a fence that was drawn while its wearer was elsewhere can wait until they have been inside.
alter table fence add column awaited_since timestamptz;
alter table fence add constraint fence_awaited check (awaited_since is null or not active);
create index fence_awaited on fence (resident_id) where awaited_since is not null;

create table fence_rule (
    id uuid primary key,
    fence_id uuid not null references fence on delete cascade,
    expect text not null check (expect in ('inside', 'outside', 'not_leave', 'not_away')),
    days text not null check (days in ('every', 'working', 'off', 'weekdays')),
    -- A bit for each day, the lowest Monday's.
    weekdays smallint check (weekdays between 1 and 127),
    -- Minutes of the day; a night goes over midnight. The whole day is 0 to 1440.
    from_minute integer not null check (from_minute between 0 and 1439),
    until_minute integer not null check (until_minute between 1 and 1440 and until_minute <> from_minute),
    -- By the clock of the fence's place; none: of where the resident lives.
    time_zone text check (time_zone <> ''),
    -- How long somebody may be away.
    allowed_s integer not null default 0,
    -- How long it may be otherwise before anybody is told.
    grace_s integer not null check (grace_s between 0 and 86400),
    created_by uuid references app_user,
    created_at timestamptz not null default now(),
    check ((days = 'weekdays') = (weekdays is not null)),
    check (case expect when 'not_away' then allowed_s between 600 and 2592000 else allowed_s = 0 end),
    -- One that waits for longer than it holds would never say anything.
    check (expect = 'not_away' or (days = 'every' and from_minute = 0 and until_minute = 1440)
        or grace_s < 60 * (case when until_minute > from_minute then until_minute - from_minute
            else 1440 - from_minute + until_minute end))
);
create index fence_rule_fence on fence_rule (fence_id);

-- Times in which nothing is expected: a stay in hospital, a holiday. They always end.
create table fence_pause (
    id uuid primary key,
    resident_id uuid not null references resident on delete cascade,
    -- None: all of the resident's fences.
    fence_id uuid references fence on delete cascade,
    begins_at timestamptz not null,
    ends_at timestamptz not null,
    why text not null check (why <> ''),
    created_by uuid references app_user,
    created_at timestamptz not null default now(),
    check (ends_at > begins_at and ends_at <= begins_at + interval '366 days')
);
create index fence_pause_resident on fence_pause (resident_id, ends_at);

-- When the rules of a resident are looked at next. One row for each who has rules, and no deadline elsewhere. Rewritten
-- with every look, so roomy pages.
create table rule_watch (
    resident_id uuid primary key references resident on delete cascade,
    wake_at timestamptz not null,
    -- Counts the version of all rules and pauses together; whoever saves says which one they saw.
    version integer not null default 0
) with (fillfactor = 70);
create index rule_watch_due on rule_watch (wake_at);

-- A rule that somebody was told is not kept: once, until it is.
create table rule_breach (
    id uuid primary key,
    rule_id uuid not null,
    resident_id uuid not null references resident on delete cascade,
    incident_id uuid references incident on delete set null,
    -- Since when it was not kept, and when somebody was told.
    since timestamptz not null,
    told_at timestamptz not null,
    over_at timestamptz check (over_at >= told_at),
    over_why text check (over_why in ('kept', 'hours_over', 'paused', 'gone')),
    check ((over_at is null) = (over_why is null))
);
create unique index rule_breach_once on rule_breach (rule_id) where over_at is null;
create index rule_breach_resident on rule_breach (resident_id) where over_at is null;

-- Whatever is changed of rules, pauses or fences is looked at soon.
create function look_at_rules(residents uuid[]) returns void language sql as $$
    insert into rule_watch (resident_id, wake_at)
    select resident_id, clock_timestamp()
    from (select distinct f.resident_id from fence f join fence_rule r on r.fence_id = f.id
        where f.resident_id = any(residents)) ruled
    on conflict (resident_id) do update set wake_at = least(rule_watch.wake_at, excluded.wake_at);
    -- Who has no rules any more is looked at once more, for what they were told.
    update rule_watch set wake_at = least(wake_at, clock_timestamp())
    where resident_id = any(residents)
        and not exists (select from fence f join fence_rule r on r.fence_id = f.id where f.resident_id = rule_watch.resident_id)
$$;
-- Who crossed an edge and has rules: taken in by the next look. Only ever added to by those who take positions in, so that
-- they wait for nobody who looks.
create table rule_nudge (
    id bigint generated always as identity primary key,
    resident_id uuid not null
);

create function rules_changed() returns trigger language plpgsql as $$
begin
    with said as (
        select f.id, coalesce(min(case when r.expect = 'outside' then 'hazard' when r.id is not null then 'haven' end), 'no') as by_rules
        from fence f left join fence_rule r on r.fence_id = f.id
        where f.id in (select fence_id from changed) group by f.id),
    known as (
        update fence f set by_rules = said.by_rules from said
        where f.id = said.id and f.by_rules <> said.by_rules returning f.resident_id)
    -- What was believed under other rules is to be seen again.
    update resident set fences_version = fences_version + 1 where id in (select resident_id from known);
    perform look_at_rules(array(
        select distinct f.resident_id from changed c join fence f on f.id = c.fence_id));
    return null;
end $$;
create trigger fence_rule_made after insert on fence_rule
    referencing new table as changed for each statement execute function rules_changed();
create trigger fence_rule_gone after delete on fence_rule
    referencing old table as changed for each statement execute function rules_changed();
create trigger fence_rule_changed_from after update on fence_rule
    referencing old table as changed for each statement execute function rules_changed();
create trigger fence_rule_changed_to after update on fence_rule
    referencing new table as changed for each statement execute function rules_changed();
create function pauses_changed() returns trigger language plpgsql as $$
begin
    perform look_at_rules(array(select distinct resident_id from changed));
    return null;
end $$;
create trigger fence_pause_made after insert on fence_pause
    referencing new table as changed for each statement execute function pauses_changed();
create trigger fence_pause_gone after delete on fence_pause
    referencing old table as changed for each statement execute function pauses_changed();
create trigger fence_gone after delete on fence
    referencing old table as changed for each statement execute function pauses_changed();
