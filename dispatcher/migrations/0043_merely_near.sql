-- Whoever is merely near is told for the record of a choice, and to look for them takes two fifths of the time. While a
-- hundred wait to be decided they are left out.
drop function who_might_go(uuid, text, double precision, interval);

create function who_might_go(
    incident uuid, wanted text, reach_m double precision, fresh_for interval, near_max integer default 20)
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
            limit who_might_go.near_max
        )
    )
    select a.responder_id, a.provider_id, a.stage,
        (array['not_contracted', 'out_of_hours', 'unskilled', 'off_duty', 'place_unknown', 'position_old', 'too_far',
            'refused', 'not_as_asked', 'provider_full', 'engaged'])[a.stage + 1],
        a.place, a.distance_m, a.mode, a.grade, a.until
    from anybody a;
end
$$;

