-- Many incidents are decided together, and many commands are due at once.

-- Whether an older command of the same kind still waits is asked for every one that is due.
create index command_in_turn on command (terminal_id, word, seq) where state = 'queued';

-- The terminal of a case: the one that pressed, else the one of the resident's that was heard last.
create function worn_in(incident uuid) returns bigint language sql stable as $$
    select coalesce(i.terminal_id, (
        select w.terminal_id from wearer w join terminal_state s on s.terminal_id = w.terminal_id
        where w.resident_id = i.resident_id
        order by s.heard_at desc nulls last, w.terminal_id limit 1))
    from incident i where i.id = worn_in.incident
$$;
