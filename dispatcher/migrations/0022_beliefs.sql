-- What is believed of a wearer's fences changes with every position: it moves into the one row that every position
-- rewrites anyway, and no position locks a fence any more.

-- Counts the changes of what their fences cover; 0: they never had one. What was believed under another count is
-- forgotten, and whoever remembers fences sees by it whether they still hold.
alter table resident add column fences_version integer not null default 0;

-- That is no edit of the person's sheet.
drop trigger resident_edited on resident;
create trigger resident_edited before update on resident for each row
    when (old.fences_version = new.fences_version) execute function count_edit();

create function count_fences() returns trigger language plpgsql as $$
begin
    update resident set fences_version = fences_version + 1 where id = coalesce(new.resident_id, old.resident_id);
    return null;
end $$;
create trigger fence_drawn after insert or delete on fence for each row execute function count_fences();
create trigger fence_redrawn after update on fence for each row
    when (old.area::bytea <> new.area::bytea or old.radius_m is distinct from new.radius_m
        or old.active <> new.active or old.kind <> new.kind)
    execute function count_fences();
update resident set fences_version = 1 where id in (select resident_id from fence);

-- One entry for each of the wearer's fences: which, where they stand and since when, the newest position that was
-- looked at, and the one that says otherwise. All three are there, or none.
alter table terminal_state
    add column beliefs jsonb,
    -- The count of the wearer's fences under which it is believed.
    add column beliefs_of integer,
    -- When it was written: what is older than the assignment belongs to somebody else.
    add column believed_at timestamptz,
    add check (num_nulls(beliefs, beliefs_of, believed_at) in (0, 3));

update terminal_state s set beliefs = b.beliefs, beliefs_of = 1, believed_at = b.judged_at
from (
    select terminal_id, min(judged_at) as judged_at,
        jsonb_agg(jsonb_build_object('fence', fence_id, 'standing', standing, 'newest', newest_at, 'since', since,
            'witness', witness)) as beliefs
    from fence_belief group by terminal_id) b
where s.terminal_id = b.terminal_id;
drop table fence_belief;
