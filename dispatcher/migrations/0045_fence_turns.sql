-- How each wearer came to stand with a fence as they do: the last change, and what it was decided on. Beside the terminal's
-- row and not in it: that one is rewritten with every position, and a change is rare.
create table fence_turn (
    -- Written while that row is held; so nobody waits for it, and it is not gone.
    terminal_id bigint not null references terminal_state on delete cascade,
    -- No position waits for a fence: it refers to one that may be gone, and goes with it.
    fence_id uuid not null,
    -- The count of the wearer's fences under which it was judged.
    beliefs_of integer not null,
    -- When it was written: what is older than the assignment belongs to somebody else.
    turned_at timestamptz not null,
    -- As it is told: from and to which standing, when, how far, how sure, by which positions. No places.
    turn jsonb not null check (turn ? 'to'),
    primary key (fence_id, terminal_id)
) with (fillfactor = 70);
create index fence_turn_of_terminal on fence_turn (terminal_id);

create function forget_turns() returns trigger language plpgsql as $$
begin
    delete from fence_turn where fence_id in (select id from gone);
    return null;
end $$;
create trigger fence_turns_gone after delete on fence referencing old table as gone
    for each statement execute function forget_turns();
