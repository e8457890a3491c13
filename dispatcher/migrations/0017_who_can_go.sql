-- Who can go: what a contract is for and when, who is at work, what they can do, and what the person who is to be
-- helped has asked for. One function tells of everybody who might be asked whether they can be, and else why not.

create extension if not exists btree_gist;

-- ---- contracts -----------------------------------------------------------------------------------

alter table contract
    add column id uuid not null default gen_random_uuid() unique,
    -- When it holds, in minutes of the week from Monday 00:00 in the district's time. Null: at any time.
    add column hours int4multirange check (not isempty(hours) and hours <@ int4multirange(int4range(0, 10080))),
    -- Holds there only, below its node. Null: everywhere below it.
    add column area geography(multipolygon, 4326) check (st_isvalid(area::geometry) and not st_isempty(area::geometry)),
    -- So many of the provider's people at once, at most. Null: as many as there are.
    add column capacity integer check (capacity > 0),
    -- How good the work is held to be, 5 the best. Null: not judged.
    add column grade smallint check (grade between 1 and 5),
    add column version integer not null default 1,
    -- What was written before this was checked may stay as it is until it is changed.
    add constraint contract_begins_before_it_ends check (until >= since) not valid;
create trigger contract_edited before update on contract for each row execute function count_edit();

create function minute_of_week(at timestamptz) returns integer language sql stable as $$
    select ((extract(isodow from here) - 1) * 1440 + extract(hour from here) * 60 + extract(minute from here))::integer
    from (select at at time zone time_zone as here from org_node where parent_id is null) local
$$;

-- Whether a contract holds on that day, whatever the hour.
create function is_in_force(c contract, at timestamptz) returns boolean language sql stable as $$
    select c.since <= day and (c.until is null or c.until >= day)
    from (select (at at time zone time_zone)::date as day from org_node where parent_id is null) local
$$;

-- ---- people --------------------------------------------------------------------------------------

alter table responder
    -- What they do of what their provider is contracted for: words of `contract.category`. Null: all of it.
    add column skills text[] check (cardinality(skills) > 0 and array_position(skills, null) is null),
    add column mode text not null default 'ebike' check (mode in ('walk', 'ebike', 'car')),
    add column sex text check (sex in ('female', 'male')),
    -- What they speak beside what everybody does, in the district's own words: 长沙话.
    add column languages text[] not null default '{}' check (array_position(languages, null) is null),
    add column version integer not null default 1;
-- Coming on duty and going off is no edit.
create trigger responder_edited before update of name, phone, node_id, skills, mode, sex, languages on responder
    for each row execute function count_edit();

-- When somebody is to be at work. Nobody is at work twice at once.
create table shift (
    id uuid primary key,
    responder_id uuid not null references responder on delete cascade,
    during tstzrange not null
        check (not isempty(during) and not lower_inf(during) and not upper_inf(during)
            and upper(during) - lower(during) <= interval '24 hours'),
    constraint shift_once exclude using gist (responder_id with =, during with &&)
);

-- Whether somebody is at work: they say so themselves and, where their shifts are planned, it is within one. Who had no
-- shift for a week and has none to come is not planned for.
create function is_at_work(r responder, at timestamptz) returns boolean language sql stable as $$
    select r.on_duty and (
        not exists (select from shift s where s.responder_id = r.id and upper(s.during) > at - interval '7 days')
        or exists (select from shift s where s.responder_id = r.id and s.during @> at))
$$;

-- What somebody who is helped asks of whoever comes.
alter table resident
    add column wants_sex text check (wants_sex in ('female', 'male')),
    add column wants_language text check (wants_language <> '');

-- Who is not to come to somebody again, because they said so.
create table refusal (
    resident_id uuid not null references resident on delete cascade,
    responder_id uuid not null references responder on delete cascade,
    at timestamptz not null default now(),
    why text not null check (why <> ''),
    user_id uuid references app_user,
    primary key (resident_id, responder_id)
);

-- ---- orders --------------------------------------------------------------------------------------

-- How long it usually takes on the spot.
alter table service_category add column usual_min integer not null default 60 check (usual_min > 0);
update service_category set usual_min = case word when 'meal' then 15 when 'errand' then 45 when 'escort' then 180
    when 'cleaning' then 120 else 60 end;
insert into service_category (word, zh, en, usual_min) values
    ('care', '生活照料', 'personal care', 60),
    ('rehab', '康复护理', 'rehabilitation', 60),
    ('company', '精神慰藉', 'company', 60),
    ('shopping', '代购', 'shopping', 45)
on conflict do nothing;

-- ---- who can go ----------------------------------------------------------------------------------

-- Everybody who might be asked to go to a case of a category, and how far they get: the first thing that stands in the way
-- is `unfit`, null when nothing does, and `stage` its place in the order. So whoever is `engaged` could go but for that.
-- What somebody asks of those who come counts for daily help only; a refusal counts always. What is left out: what they
-- have answered in the case itself (the incident knows), and whoever has no contract for it and is not near. There is
-- nobody at all when it is not known where the case is.
create function who_might_go(incident uuid, wanted text, reach_m double precision, fresh_for interval)
returns table (
    responder_id uuid,
    provider_id uuid,
    stage integer,
    unfit text,
    place geography,
    distance_m double precision,
    mode text,
    grade smallint,
    until timestamptz
) language sql stable rows 100 as $$
    with here as (
        select p.place, i.resident_id, n.path, r.wants_sex, r.wants_language, clock_timestamp() as now
        from incident i
        join incident_place p on p.incident_id = i.id
        join org_node n on n.id = i.node_id
        left join resident r on r.id = i.resident_id and who_might_go.wanted <> 'emergency'
        where i.id = who_might_go.incident and p.place is not null
    ), terms as (
        -- Of several contracts the one that holds now, then the one for the smallest area.
        select distinct on (c.provider_id) c.provider_id, c.grade, c.capacity,
            c.hours is null or c.hours @> minute_of_week(here.now) as is_open
        from here join contract c on c.node_id = any(here.path)
        where c.category = who_might_go.wanted and is_in_force(c, here.now)
            and (c.area is null or st_covers(c.area, here.place))
        order by c.provider_id, is_open desc, array_position(here.path, c.node_id) desc, c.since desc
    ), engaged as (
        select o.responder_id as id, r.provider_id
        from offer o join responder r on r.id = o.responder_id
        where o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
    ), looked_at as (
        select r.id from terms t join responder r on r.provider_id = t.provider_id
        union
        select p.responder_id from here join responder_position p on st_dwithin(p.place, here.place, who_might_go.reach_m)
        join responder r on r.id = p.responder_id and r.on_duty
    ), judged as (
        select r.id, r.provider_id, p.place, far.m as distance_m, r.mode, t.grade,
            (select upper(s.during) from shift s where s.responder_id = r.id and s.during @> here.now) as until,
            case
                when t.provider_id is null then 0
                when not t.is_open then 1
                when who_might_go.wanted <> all (r.skills) then 2
                when not is_at_work(r, here.now) then 3
                when p.place is null then 4
                when p.at <= here.now - who_might_go.fresh_for then 5
                when far.m > who_might_go.reach_m then 6
                when exists (select from refusal f join incident i on i.resident_id = f.resident_id
                    where i.id = who_might_go.incident and f.responder_id = r.id) then 7
                when here.wants_sex is distinct from r.sex and here.wants_sex is not null then 8
                when here.wants_language is not null and here.wants_language <> all (r.languages) then 8
                when r.id in (select e.id from engaged e) then 10
                when t.capacity <= (select count(*) from engaged e where e.provider_id = r.provider_id) then 9
                else 11
            end as stage
        from here
        cross join looked_at l
        join responder r on r.id = l.id
        left join terms t on t.provider_id = r.provider_id
        left join responder_position p on p.responder_id = r.id
        -- On the sphere: right to half a percent, and a plan needs thousands.
        cross join lateral (select st_distance(p.place, here.place, false) as m) far
    )
    select id, j.provider_id, j.stage,
        (array['not_contracted', 'out_of_hours', 'unskilled', 'off_duty', 'place_unknown', 'position_old', 'too_far',
            'refused', 'not_as_asked', 'provider_full', 'engaged'])[j.stage + 1],
        j.place, j.distance_m, j.mode, j.grade, j.until
    from judged j
$$;

create index offer_of_responder on offer (responder_id, asked_at);

-- ---- why -----------------------------------------------------------------------------------------

-- Who was looked at when it was decided whom to ask, and why each was asked or passed over.
create table choice (
    incident_id uuid not null references incident,
    at timestamptz not null,
    -- In the order in which they would be asked.
    considered jsonb not null check (jsonb_typeof(considered) = 'array'),
    primary key (incident_id, at)
);

alter table incident drop constraint incident_shortfall_check;
update incident set shortfall = 'all_too_far' where shortfall = 'nobody_near';
alter table incident
    add constraint incident_shortfall_check check (shortfall in
        ('place_unknown', 'none_contracted', 'none_on_duty', 'positions_old', 'all_too_far', 'none_suitable', 'all_busy',
            'all_asked'));
