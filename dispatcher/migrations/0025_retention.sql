-- How long positions are kept. A day is given up whole, by dropping its partition; only what an open case reaches back to
-- stays, in the default partition, where whoever reads `fix` finds it as before.

-- The fixes that open cases reach back to: of the terminals of whoever it is about, while it was they who wore them, from
-- a day before the case on.
create function fixes_wanted() returns table (terminal_id bigint, since timestamptz, until timestamptz)
language sql stable as $$
    select a.terminal_id, greatest(a.since, i.opened_at - interval '1 day'), coalesce(a.until, 'infinity')
    from incident i join terminal_assignment a on a.resident_id = i.resident_id
    where i.closed_at is null
    union all
    select i.terminal_id, i.opened_at - interval '1 day', 'infinity'
    from incident i
    where i.closed_at is null and i.resident_id is null and i.terminal_id is not null
$$;

-- Gives up the oldest day that is more than so many days past, and says which partition that was; null: there is none.
-- Once a transaction.
create function drop_oldest_fixes(kept_days integer) returns text language plpgsql as $$
declare
    oldest text;
begin
    select c.relname into oldest
    from pg_inherits h join pg_class c on c.oid = h.inhrelid
    where h.inhparent = 'fix'::regclass and c.relname ~ '^fix_[0-9]{8}$'
        and to_date(substr(c.relname, 5), 'YYYYMMDD') < current_date - kept_days
    order by c.relname
    limit 1;
    if oldest is null then
        return null;
    end if;
    -- Found before the table is locked: whoever files a fix waits for what follows.
    execute format(
        'create temporary table fix_kept on commit drop as
         select f.* from %I f where exists (
            select from fixes_wanted() w
            where w.terminal_id = f.terminal_id and f.received_at >= w.since and f.received_at < w.until)', oldest);
    -- A long reader, such as a backup, must not make presses wait behind us: another time.
    perform set_config('lock_timeout', '200ms', true);
    execute format('alter table fix detach partition %I', oldest);
    insert into fix select * from pg_temp.fix_kept;
    execute format('drop table %I', oldest);
    return oldest;
end $$;
