-- Where somebody is, in words. Their home's address was told as the place of every case; whoever falls in a park is
-- not helped at home.
--
-- Elsewhere is who is seen so by a place that is not older than a quarter of an hour at their last press, and whose
-- circle stays 150 m clear of home. Then the words are the areas around the place, and the home's address stands beside.

create or replace view incident_place as
select
    i.id as incident_id,
    found.place,
    found.accuracy_m,
    found.source,
    found.at,
    case
        when i.place_in_words is not null then i.place_in_words
        when found.elsewhere then (
            select string_agg(above.name, ' ' order by cardinality(above.path)) || ' 一带'
            from (select n.path from org_node n where st_covers(n.area, found.place)
                  order by cardinality(n.path) desc, n.id limit 1) smallest
            join org_node above on above.id = any(smallest.path)
        )
        else r.address
    end as address,
    case when i.place_in_words is not null or found.elsewhere then r.address end as home_address
from incident i
left join resident r on r.id = i.resident_id
left join terminal_state s on s.terminal_id = i.terminal_id
    and (i.closed_at is null or s.place_received_at <= i.closed_at)
cross join lateral (
    select case
        when s.place is not null and (i.place is null or s.place_received_at > i.place_at) then 'terminal'
        when i.place is not null then 'press'
        else 'home'
    end as which
) best
cross join lateral (
    select
        case best.which when 'press' then i.place when 'terminal' then s.place else r.home end as place,
        case best.which when 'press' then i.place_accuracy_m when 'terminal' then s.place_accuracy_m end as accuracy_m,
        case best.which when 'press' then i.place_source when 'terminal' then s.place_source else 'home' end as source,
        case best.which when 'press' then i.place_at when 'terminal' then s.place_received_at end as at,
        coalesce(case best.which
            when 'press' then i.place_at > i.last_press_at - interval '15 minutes'
                and st_distance(i.place, r.home) - coalesce(i.place_accuracy_m, 0) > 150
            when 'terminal' then s.place_received_at > i.last_press_at - interval '15 minutes'
                and st_distance(s.place, r.home) - coalesce(s.place_accuracy_m, 0) > 150
        end, false) as elsewhere
) found;
