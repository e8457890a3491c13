-- A creating call is known by its key and by what it asked for. Until it has made something it is under way.

alter table idempotency drop constraint idempotency_incident_id_fkey;
alter table idempotency rename column incident_id to made;
alter table idempotency alter column made drop not null;
-- SHA-256 over what was asked. Null: from before it was kept.
alter table idempotency add column asked bytea check (length(asked) = 32);

-- Fences had keys of their own.
alter table fence drop column created_key;
