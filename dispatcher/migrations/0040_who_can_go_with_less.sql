-- Who can go, told with less: in a surge it is a quarter of what the database has to do. Whoever holds a contract is read
-- once, whether they are engaged is looked up for each of them instead of gathered for everybody who is, and of those who
-- are merely near, for the record of a choice, the nearest twenty are told.

create or replace function contracted(incident uuid, wanted text, reach_m double precision, fresh_for interval)
returns table (
    responder_id uuid,
    provider_id uuid,
    stage integer,
    place geography,
    distance_m double precision,
    mode text,
    grade smallint,
    until timestamptz
) language plpgsql stable rows 20 as $$
#variable_conflict use_column
declare
    here record;
begin
    select p.place, i.resident_id, n.path, r.wants_sex, r.wants_language, t.now, t.now at time zone top.time_zone as clock
    into here
    from incident i
    join incident_place p on p.incident_id = i.id
    join org_node n on n.id = i.node_id
    join org_node top on top.parent_id is null
    cross join (select clock_timestamp() as now) t
    left join resident r on r.id = i.resident_id and contracted.wanted <> 'emergency'
    where i.id = contracted.incident and p.place is not null;
    if not found then
        return;
    end if;
    return query
    with terms as materialized (
        -- Of several contracts the one that holds now, then the one for the smallest area.
        select distinct on (c.provider_id) c.provider_id, c.grade, c.capacity,
            c.hours is null or c.hours @> minute_of_week(here.clock) as is_open
        from contract c
        where c.node_id = any(here.path) and c.category = contracted.wanted and is_in_force(c, here.clock::date)
            and (c.area is null or c.area && here.place and st_covers(c.area, here.place))
        order by c.provider_id, is_open desc, array_position(here.path, c.node_id) desc, c.since desc
    ), staff as materialized (
        select r.id, t.provider_id, t.grade, t.capacity, t.is_open, r.skills, r.on_duty, r.sex, r.languages, r.mode,
            -- One at most: nobody is in two cases at once.
            o.id is not null as is_engaged
        from terms t
        join responder r on r.provider_id = t.provider_id
        left join offer o on o.responder_id = r.id and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
    )
    select s.id, s.provider_id,
        case
            when not s.is_open then 1
            when contracted.wanted <> all (s.skills) then 2
            -- As `is_at_work` has it.
            when not s.on_duty or planned.is_planned and planned.until is null then 3
            when p.place is null then 4
            when p.at <= here.now - contracted.fresh_for then 5
            when far.m > contracted.reach_m then 6
            when exists (select from refusal f where f.resident_id = here.resident_id and f.responder_id = s.id) then 7
            when here.wants_sex is distinct from s.sex and here.wants_sex is not null then 8
            when here.wants_language is not null and here.wants_language <> all (s.languages) then 8
            when s.is_engaged then 10
            when s.capacity <= (select count(*) from staff e where e.provider_id = s.provider_id and e.is_engaged) then 9
            else 11
        end,
        p.place, far.m, s.mode, s.grade, planned.until
    from staff s
    left join responder_position p on p.responder_id = s.id
    -- On the sphere: right to half a percent, and a plan needs thousands.
    cross join lateral (select st_distance(p.place, here.place, false) as m) far
    cross join lateral (
        select count(*) > 0 as is_planned, max(upper(h.during)) filter (where h.during @> here.now) as until
        from shift h
        where h.responder_id = s.id and upper(h.during) > here.now - interval '7 days'
    ) planned;
end
$$;

-- As before, but for those who are merely near.
create or replace function who_might_go(incident uuid, wanted text, reach_m double precision, fresh_for interval)
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
) language plpgsql stable rows 40 as $$
#variable_conflict use_column
declare
    here geography;
begin
    select p.place into here from incident_place p where p.incident_id = who_might_go.incident;
    return query
    with fit as materialized (
        select * from contracted(who_might_go.incident, who_might_go.wanted, who_might_go.reach_m, who_might_go.fresh_for)
    ), anybody as (
        select * from fit
        union all
        (
            select r.id, r.provider_id, 0, p.place, st_distance(p.place, here, false), r.mode, null, null
            from responder_position p
            join responder r on r.id = p.responder_id and r.on_duty
            where st_dwithin(p.place, here, who_might_go.reach_m, false)
                and r.id not in (select f.responder_id from fit f)
            order by p.place <-> here
            limit 20
        )
    )
    select a.responder_id, a.provider_id, a.stage,
        (array['not_contracted', 'out_of_hours', 'unskilled', 'off_duty', 'place_unknown', 'position_old', 'too_far',
            'refused', 'not_as_asked', 'provider_full', 'engaged'])[a.stage + 1],
        a.place, a.distance_m, a.mode, a.grade, a.until
    from anybody a;
end
$$;

