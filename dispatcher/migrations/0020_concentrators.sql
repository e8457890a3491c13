-- A concentrator (集中器) is one credential that speaks for many terminals: the gateway of a building's buttons, an alarm
-- hub. Whose it is, the terminal says: it has one or none.
create table concentrator (
    id bigint generated always as identity primary key,
    -- What terminals know it by in the directory: it is never changed.
    login text not null unique check (login <> '' and login !~ '[[:cntrl:]]'),
    secret_sha256 bytea not null check (length(secret_sha256) = 32),
    name text not null default '',
    revoked_at timestamptz,
    -- As a terminal has it, for the directory's readers.
    changed_in xid8 not null default pg_current_xact_id()
);
create index concentrator_changed on concentrator (changed_in);
create trigger concentrator_change before update on concentrator
    for each row execute function note_terminal_change();

alter table terminal add column concentrator_id bigint references concentrator;
create index terminal_concentrator on terminal (concentrator_id) where concentrator_id is not null;

-- Whoever connects is known by a login alone, so that a terminal and a concentrator must not have the same one. No
-- constraint spans two tables: every login of both stands here once. Kept a statement at a time, because terminals come by
-- the hundred thousand.
create table mqtt_login (login text primary key);
insert into mqtt_login select login from terminal;

create function note_logins() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into mqtt_login select login from new_rows;
    elsif tg_op = 'DELETE' then
        delete from mqtt_login l using old_rows o where l.login = o.login;
    else
        delete from mqtt_login l using old_rows o
        where l.login = o.login and not exists (select from new_rows n where n.login = o.login);
        insert into mqtt_login select n.login from new_rows n
        where not exists (select from old_rows o where o.login = n.login);
    end if;
    return null;
end $$;

create trigger terminal_logins_added after insert on terminal
    referencing new table as new_rows for each statement execute function note_logins();
create trigger terminal_logins_changed after update on terminal
    referencing old table as old_rows new table as new_rows for each statement execute function note_logins();
create trigger terminal_logins_gone after delete on terminal
    referencing old table as old_rows for each statement execute function note_logins();
create trigger concentrator_logins_added after insert on concentrator
    referencing new table as new_rows for each statement execute function note_logins();
create trigger concentrator_logins_changed after update on concentrator
    referencing old table as old_rows new table as new_rows for each statement execute function note_logins();
create trigger concentrator_logins_gone after delete on concentrator
    referencing old table as old_rows for each statement execute function note_logins();
