-- Contacts are told, by e-mail and by webhook.

alter table contact
    add column email text check (email ~ '^[^@[:space:]<>]+@[^@[:space:]<>]+$'),
    -- Told over https, or on this machine; never in the clear over a network.
    add column webhook_url text check (webhook_url ~* '^(https://|http://(localhost|127\.[0-9.]+|\[::1\])[:/])'),
    add column webhook_secret text check (webhook_secret <> ''),
    add column told_of text[] not null default '{emergency,wandering,welfare}'
        check (told_of <@ '{emergency,wandering,welfare}'),
    add column language text not null default 'zh' check (language in ('zh', 'en')),
    add check ((webhook_url is null) = (webhook_secret is null));

-- Which contacts have had their turn. By rank, not by person: whoever takes another's place while a case
-- is open comes when their own turn does.
create table contact_told (
    incident_id uuid not null references incident,
    rank smallint not null,
    state text not null check (state in ('told', 'reached', 'lost', 'skipped')),
    at timestamptz not null,
    primary key (incident_id, rank)
);
-- When it is the next one's turn.
alter table incident add column tell_next_at timestamptz
    constraint incident_tell check (closed_at is null or tell_next_at is null);

alter table outbox drop constraint outbox_channel_check;
alter table outbox add constraint outbox_channel_check
    check (channel in ('responder', 'centre', 'terminal', 'email', 'webhook'));
-- Which contact it is for. The address is the target, so that order is kept for each.
alter table outbox add column contact_rank smallint
    constraint outbox_contact check ((contact_rank is not null) = (channel in ('email', 'webhook')));
create index outbox_contact on outbox (incident_id, id) where contact_rank is not null;
