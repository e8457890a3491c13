-- What terminals are told to do: asked for by a person or by a rule, handed to a gateway when it is due, matched to what
-- the terminal answers. Nothing of it waits in memory.

-- Terminals of other dialects than the first two.
alter table terminal drop constraint terminal_dialect_check;
alter table terminal add constraint terminal_dialect_check
    check (dialect in ('ydt', 'own_tracks', 'mapped', 'watch', 'jt808', 'gt06', 'eview', 'scaip'));

create table command (
    seq bigint generated always as identity primary key,
    id uuid not null unique,
    terminal_id bigint not null references terminal on delete cascade,
    -- Who wore it when it was asked for: a terminal is lent to others afterwards.
    resident_id uuid references resident on delete cascade,
    -- The case that it was asked for in.
    incident_id uuid references incident on delete cascade,
    -- Numbers the commands of one terminal, over and over: dialects that number their messages answer with it.
    number integer not null check (number between 1 and 65535),
    -- `wire::command::Command`.
    command jsonb not null check (command ? 'do'),
    word text not null generated always as (command ->> 'do') stored,
    -- A person; or nobody: a rule.
    asked_by uuid references app_user,
    why text check (why <> ''),
    asked_at timestamptz not null,
    -- After this nobody wants it done any more.
    not_after timestamptz not null,
    state text not null default 'queued' check (state in ('queued', 'sent', 'done', 'refused', 'expired', 'cancelled')),
    -- How often it was looked at, and how often it left.
    tries integer not null default 0,
    sends integer not null default 0,
    -- Whoever waits for something is looked at again; what is over, no more.
    next_try_at timestamptz,
    sent_at timestamptz,
    -- Whether this terminal answers this command, as the gateway said.
    is_answered boolean,
    -- The terminal has it.
    delivered_at timestamptz,
    -- It said that it did it, not only that it has it.
    confirmed boolean not null default false,
    ended_at timestamptz,
    -- What the terminal said, or why it was not sent.
    answer text not null default '',
    check ((ended_at is null) = (next_try_at is not null)),
    check (ended_at is null or state <> 'queued'),
    check (ended_at is not null or state in ('queued', 'sent')),
    check (not confirmed or state = 'done')
);
create index command_due on command (next_try_at) where ended_at is null;
create index command_terminal on command (terminal_id, seq);
create index command_incident on command (incident_id, seq) where incident_id is not null;
create index command_resident on command (resident_id, seq) where resident_id is not null;
