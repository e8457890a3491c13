-- Fences are judged by what explains the fixes (`domain::whereabouts`), and may be a place to keep away from or a way to
-- keep to.

alter table fence drop constraint fence_kind_check, drop constraint fence_check;
alter table fence
    -- Somewhere to stay inside, somewhere to keep away from, a way to keep to.
    add constraint fence_kind_check check (kind in ('safe', 'forbidden', 'corridor')),
    -- The middle of a circle and its radius, a polygon, or a line and how far to either side of it.
    add constraint fence_shape_check check (case st_geometrytype(area::geometry)
        when 'ST_Point' then kind <> 'corridor' and coalesce(radius_m between 20 and 50000, false)
        when 'ST_Polygon' then kind <> 'corridor' and radius_m is null
        when 'ST_LineString' then kind = 'corridor' and coalesce(radius_m between 10 and 5000, false)
        else false
    end),
    -- For so long somebody may be where they should not be before anybody is told.
    add column grace_s integer not null default 180 check (grace_s between 0 and 86400);

-- That is a change of what is judged as well.
create or replace function count_fences() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        update resident set fences_version = fences_version + 1
        where id in (
            select n.resident_id
            from new_rows n
            join old_rows o on o.id = n.id and (o.area::bytea <> n.area::bytea or o.radius_m is distinct from n.radius_m
                or o.active <> n.active or o.kind <> n.kind or o.grace_s <> n.grace_s));
    else
        update resident set fences_version = fences_version + 1 where id in (select resident_id from changed);
    end if;
    return null;
end $$;

-- All that is believed of where the wearer is, as the engine keeps it; `beliefs` is what it comes to, and is written when
-- that changes: one entry for each fence, which, how they stand, and since when they are where they should not be.
alter table terminal_state
    add column whereabouts bytea,
    add check (whereabouts is null or beliefs is not null),
    drop column newest_at;
-- Two thousand bytes at most, eighty for most: never worth another table, or packing.
alter table terminal_state alter column whereabouts set storage plain;

-- Who is outside already is not missed anew. Everything else is seen again.
update terminal_state set beliefs = (
    select jsonb_agg(case belief ->> 'standing'
        when 'outside' then jsonb_build_object('fence', belief -> 'fence', 'standing', 'confirmed', 'since', belief -> 'since')
        else jsonb_build_object('fence', belief -> 'fence', 'standing', 'inside') end)
    from jsonb_array_elements(beliefs) belief)
where beliefs @> '[{"standing": "outside"}]' or beliefs @> '[{"standing": "doubtful"}]';
