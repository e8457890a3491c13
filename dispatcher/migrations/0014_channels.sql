-- One ledger of what leaves: how far each message has come, by which way, and what every far end answered.

-- How far: `sent` is on its way, `accepted` the far end's word, `delivered` and `read` are heard from where it was meant
-- to get to; a `failed` one will never get there.
alter table outbox drop constraint outbox_state_check;
update outbox set state = case state when 'acknowledged' then 'delivered' else 'accepted' end
    where state = 'acknowledged' or (state = 'sent' and channel <> 'terminal');
alter table outbox add constraint outbox_state_check
    check (state in ('queued', 'sent', 'accepted', 'delivered', 'read', 'failed', 'expired', 'withdrawn'));

-- Contacts are told by text message, too. That to a responder is one way of the channel `responder`.
alter table outbox drop constraint outbox_channel_check;
alter table outbox add constraint outbox_channel_check
    check (channel in ('responder', 'centre', 'terminal', 'email', 'webhook', 'sms'));
alter table outbox drop constraint outbox_contact;
alter table outbox add constraint outbox_contact
    check ((contact_rank is not null) = (channel in ('email', 'webhook', 'sms')));

-- What the far end calls the message, when it tells later what became of it.
alter table outbox add column far_id text check (far_id <> '');
create index outbox_far on outbox (far_id) where far_id is not null;
-- What stands on a case's card and in its ledger.
create index outbox_incident on outbox (incident_id, id);
drop index outbox_contact;
-- What has not arrived, of all cases: the sender's own indexes hold the rest.
create index outbox_lost on outbox (id) where state in ('failed', 'expired');

-- A line of the ledger: the state that a message came to, and why. One that was not taken and is tried again is `queued`.
alter table delivery
    add column state text,
    -- By which of a responder's ways: `webhook`, `push`, `sms`, `page`.
    add column way text check (way in ('webhook', 'push', 'sms', 'page')),
    -- Who has sent it again by hand.
    add column who_id uuid references app_user;
update delivery d set state = case
        when d.taken and o.channel = 'terminal' then 'sent'
        when d.taken then 'accepted'
        when d.answer = 'no longer wanted' then 'withdrawn'
        when d.answer = 'too late' then 'expired'
        else 'queued'
    end
    from outbox o where o.id = d.outbox_id;
alter table delivery
    alter column state set not null,
    add constraint delivery_state_check
        check (state in ('queued', 'sent', 'accepted', 'delivered', 'read', 'failed', 'expired', 'withdrawn')),
    drop column taken;

-- Where a responder's browsers are pushed to (RFC 8030). The address itself lets whoever knows it push: it is told to nobody.
create table push_subscription (
    endpoint text primary key check (length(endpoint) <= 1000
        and endpoint ~* '^(https://|http://(localhost|127\.[0-9.]+|\[::1\])[:/])'),
    responder_id uuid not null references responder on delete cascade,
    -- The browser's public key and its secret: what is pushed is encrypted for it (RFC 8291).
    p256dh bytea not null check (length(p256dh) = 65),
    auth bytea not null check (length(auth) = 16),
    -- Our public key (RFC 8292) that it was made for. With another one the push service refuses.
    server_key text not null,
    at timestamptz not null default clock_timestamp()
);
create index push_subscription_responder on push_subscription (responder_id, at);

-- The number to which a text message can go; null when there is none. A mobile of the mainland as people write it, or any
-- other number with its country's prefix.
create function sms_number(phone text) returns text immutable strict parallel safe language sql as $$
    select case when number ~ '^1[3-9][0-9]{9}$' or number ~ '^\+[1-9][0-9]{7,14}$' then number end
    from (select regexp_replace(regexp_replace(phone, '[ ()-]', '', 'g'), '^(\+|00)?86(?=1[3-9][0-9]{9}$)', '') as number) plain
$$;
