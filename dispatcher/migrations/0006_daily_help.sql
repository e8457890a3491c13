-- Daily help: what can be ordered, orders that close when the responder has finished, and ratings.

-- A contract for one of these words makes a provider's responders candidates for it.
create table service_category (
    word text primary key check (word ~ '^[a-z_]+$' and word <> 'emergency'),
    zh text not null unique,
    en text not null unique,
    active boolean not null default true
);
insert into service_category (word, zh, en) values
    ('meal', '送餐', 'meal delivery'),
    ('repair', '维修', 'repair'),
    ('nurse', '护理', 'nursing'),
    ('cleaning', '保洁', 'cleaning'),
    ('escort', '陪诊', 'escort to hospital'),
    ('errand', '代办', 'errand');

-- The category that somebody means who says so; null when it is none that is offered.
create function category_meant(said text) returns text language sql stable as $$
    select word from service_category where active and lower(btrim(said)) in (word, lower(zh), lower(en)) limit 1
$$;

-- `category` stays what was said; `service` is what it means, once that is known.
alter table incident add column service text references service_category;
update incident set service = category_meant(category) where class = 'service';
alter table incident add constraint incident_service check (service is null or class = 'service');

-- An order rings nobody while somebody sees to it; `ring_next_at` without a level is when it will.
alter table incident drop constraint incident_check4, drop constraint incident_check5;
alter table incident add constraint incident_ring check (
    case ring_level when 'none' then ring_next_at is null or (class = 'service' and closed_at is null)
        else ring_next_at is not null and closed_at is null end);

-- An order is closed by the responder who has finished it; everything else by a user.
alter table incident add column closed_by_responder uuid references responder;
alter table incident drop constraint incident_check2;
alter table incident add constraint incident_closed check (
    (closed_at is null) = (outcome is null)
    and num_nonnulls(closed_by, closed_by_responder) = case when closed_at is null then 0 else 1 end
    and (closed_by_responder is null or class = 'service'));

-- What the person who was helped says of it, once.
create table rating (
    incident_id uuid primary key references incident,
    stars smallint not null check (stars between 1 and 5),
    comment text,
    -- An operator whom they told, or their own terminal.
    user_id uuid references app_user,
    terminal_id bigint references terminal,
    at timestamptz not null default now(),
    check (num_nonnulls(user_id, terminal_id) = 1)
);
