-- A function in SQL is read and planned anew in each statement that calls it; one in PL/pgSQL once on each connection. These
-- are called for each press, position or decision, and took longer to plan than to carry out.

create or replace function node_at(place geography) returns uuid language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select id from org_node where area is not null and st_covers(area, place)
        order by cardinality(path) desc, id limit 1
    );
end $$;

create or replace function root_node() returns uuid language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select id from org_node where parent_id is null
    );
end $$;

create or replace function zone_of(node uuid) returns text language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select coalesce(
            (select above.time_zone from org_node above
             where above.id = any(n.path) and above.level in ('city', 'district')
             order by cardinality(above.path) desc limit 1), n.time_zone)
        from org_node n where n.id = node
    );
end $$;

create or replace function nodes_above(node uuid, resident uuid) returns uuid[] language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select n.path || coalesce(
            (select home.path from resident r join org_node home on home.id = r.serving_node where r.id = resident), '{}')
        from org_node n where n.id = node
    );
end $$;

create or replace function category_meant(said text) returns text language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select word from service_category where active and lower(btrim(said)) in (word, lower(zh), lower(en)) limit 1
    );
end $$;

create or replace function judged_as(fence fence) returns text language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select case
            when fence.by_rules <> 'no' then fence.by_rules
            when not exists (
                select from fence_pause p
                where p.resident_id = fence.resident_id and p.stage = 'on' and (p.fence_id is null or p.fence_id = fence.id))
                then fence.kind
            when fence.kind = 'forbidden' then 'hazard'
            else 'haven' end
    );
end $$;

create or replace function is_day_off(node uuid, day date) returns boolean language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select coalesce(
            (select h.off from org_node n join holiday h on h.node_id = any(n.path) and h.day = is_day_off.day
             join org_node above on above.id = h.node_id
             where n.id = node order by cardinality(above.path) desc limit 1),
            extract(isodow from is_day_off.day) in (6, 7))
    );
end $$;

create or replace function ladder_of(node uuid, class text, at timestamptz) returns uuid language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select l.id
        from org_node n
        cross join lateral (select at at time zone zone_of(n.id) as there) local
        join ladder l on l.node_id = any(n.path) and l.class = ladder_of.class
        join org_node above on above.id = l.node_id
        where n.id = node
            and l.hours @> (extract(hour from there) * 60 + extract(minute from there))::integer
            and (l.days = 'every' or (l.days = 'off') = is_day_off(n.id, there::date))
        order by cardinality(above.path) desc, l.days = 'every'
        limit 1
    );
end $$;

create or replace function is_at_work(r responder, at timestamptz) returns boolean language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select r.on_duty and (
            not exists (select from shift s where s.responder_id = r.id and upper(s.during) > at - interval '7 days')
            or exists (select from shift s where s.responder_id = r.id and s.during @> at))
    );
end $$;

create or replace function somebody_is_there(i incident) returns boolean language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select exists (select from offer o where o.incident_id = i.id
            and (o.state = 'on_scene' or o.state = 'done' and o.round = i.round))
    );
end $$;

create or replace function close_returned_after(node uuid) returns integer language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select nullif(above.close_returned_s, 0)
        from org_node n join org_node above on above.id = any(n.path)
        where n.id = close_returned_after.node and above.close_returned_s is not null
        order by cardinality(above.path) desc limit 1
    );
end $$;

create or replace function worn_in(incident uuid) returns bigint language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select coalesce(i.terminal_id, (
            select w.terminal_id from wearer w join terminal_state s on s.terminal_id = w.terminal_id
            where w.resident_id = i.resident_id
            order by s.heard_at desc nulls last, w.terminal_id limit 1))
        from incident i where i.id = worn_in.incident
    );
end $$;

create or replace function lies_below(node uuid, granted uuid[]) returns boolean language plpgsql stable as $$
#variable_conflict use_column
begin
    return (
        select exists (select from org_node n where n.id = node and n.path && granted)
    );
end $$;

-- It was the same as is_day_off.
drop function is_off(uuid, date);
