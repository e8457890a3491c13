-- Every batch of positions asks who wears these terminals. The answer lies in three tables and seldom changes: it is
-- kept in one row a terminal, by the database, whoever writes those three. It is read without a lock: whoever moves a
-- thousand residents in one transaction makes no press wait.

create table wearer (
    serial text primary key,
    terminal_id bigint not null unique references terminal (id) on delete cascade,
    canary boolean not null,
    -- All three are there, or none: nobody wears it.
    resident_id uuid,
    serving_node uuid,
    since timestamptz,
    -- The count of their fences; 0: they never had one.
    fences_version integer not null,
    check (num_nulls(resident_id, serving_node, since) in (0, 3))
);

-- Writes anew what is known of these. Their rows are locked first, so that of two who write at once the later one sees
-- what the earlier has written.
create function note_wearers(terminals bigint[]) returns void language plpgsql as $$
begin
    perform from wearer where terminal_id = any(terminals) order by terminal_id for update;
    insert into wearer (serial, terminal_id, canary, resident_id, serving_node, since, fences_version)
    select t.serial, t.id, t.canary, r.id, r.serving_node, a.since, coalesce(r.fences_version, 0)
    from terminal t
    left join terminal_assignment a on a.terminal_id = t.id and a.until is null
    left join resident r on r.id = a.resident_id
    where t.id = any(terminals)
    on conflict (terminal_id) do update set
        serial = excluded.serial, canary = excluded.canary, resident_id = excluded.resident_id,
        serving_node = excluded.serving_node, since = excluded.since, fences_version = excluded.fences_version;
end $$;

create function wearer_changed() returns trigger language plpgsql as $$
begin
    perform note_wearers(array(select distinct terminal_id from changed));
    return null;
end $$;
create trigger wearer_given after insert on terminal_assignment
    referencing new table as changed for each statement execute function wearer_changed();
create trigger wearer_changed after update on terminal_assignment
    referencing new table as changed for each statement execute function wearer_changed();
create trigger wearer_gone after delete on terminal_assignment
    referencing old table as changed for each statement execute function wearer_changed();

-- Every terminal has both of its rows from the beginning.
create function note_terminals() returns trigger language plpgsql as $$
begin
    perform note_wearers(array(select id from changed));
    insert into terminal_state (terminal_id) select id from changed;
    return null;
end $$;
create trigger terminal_added after insert on terminal
    referencing new table as changed for each statement execute function note_terminals();
insert into terminal_state (terminal_id) select id from terminal on conflict do nothing;
alter table terminal_state drop constraint terminal_state_terminal_id_fkey,
    add foreign key (terminal_id) references terminal (id) on delete cascade;

create function wearer_renamed() returns trigger language plpgsql as $$
begin
    perform note_wearers(array[new.id]);
    return null;
end $$;
create trigger wearer_renamed after update on terminal for each row
    when (old.serial <> new.serial or old.canary <> new.canary) execute function wearer_renamed();

create function wearer_moved() returns trigger language plpgsql as $$
begin
    perform note_wearers(array(
        select a.terminal_id
        from new_rows n
        join old_rows o on o.id = n.id and (o.serving_node, o.fences_version) <> (n.serving_node, n.fences_version)
        join terminal_assignment a on a.resident_id = n.id and a.until is null));
    return null;
end $$;
create trigger wearer_moved after update on resident
    referencing old table as old_rows new table as new_rows for each statement execute function wearer_moved();

do $$ begin perform note_wearers(array(select id from terminal)); end $$;

-- A thousand fences drawn at once are counted at once.
drop trigger fence_drawn on fence;
drop trigger fence_redrawn on fence;
drop function count_fences;
create function count_fences() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        update resident set fences_version = fences_version + 1
        where id in (
            select n.resident_id
            from new_rows n
            join old_rows o on o.id = n.id and (o.area::bytea <> n.area::bytea or o.radius_m is distinct from n.radius_m
                or o.active <> n.active or o.kind <> n.kind));
    else
        update resident set fences_version = fences_version + 1 where id in (select resident_id from changed);
    end if;
    return null;
end $$;
create trigger fence_drawn after insert on fence
    referencing new table as changed for each statement execute function count_fences();
create trigger fence_redrawn after update on fence
    referencing old table as old_rows new table as new_rows for each statement execute function count_fences();
create trigger fence_wiped after delete on fence
    referencing old table as changed for each statement execute function count_fences();

-- Of all that is believed of a wearer only the time of the newest position changes with each: it is the same for all of
-- their fences, and the rest is not written again.
alter table terminal_state add column newest_at timestamptz;
update terminal_state set newest_at = (
    select max((belief ->> 'newest')::timestamptz) from jsonb_array_elements(beliefs) belief)
where beliefs is not null;
