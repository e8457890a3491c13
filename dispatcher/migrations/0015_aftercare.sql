-- What follows a case that is closed: somebody calls back, and whoever was helped says how it was; or it is said why
-- not. One row for each of the two steps. The deadlines are here and nowhere else.

create table aftercare (
    incident_id uuid not null references incident,
    step text not null check (step in ('followed_up', 'rated')),
    due_by timestamptz not null,
    -- Since when it is due no more: because it was done, or for the reason in `why`.
    settled_at timestamptz,
    -- Null: by the policy.
    settled_by uuid references app_user,
    why text check (why in
        ('unreachable', 'deceased', 'declined', 'nobody_known', 'drill', 'test', 'false_press', 'before_kept')),
    primary key (incident_id, step),
    check (settled_at is not null or (why is null and settled_by is null))
);
create index aftercare_due on aftercare (due_by, incident_id) where settled_at is null;

-- Each call after the end, also those that nobody answered.
create table follow_up_call (
    id uuid primary key,
    incident_id uuid not null references incident,
    at timestamptz not null,
    reached text not null check (reached in ('resident', 'contact', 'nobody')),
    note text,
    user_id uuid not null references app_user
);
create index follow_up_call_incident on follow_up_call (incident_id, at);

alter table rating add column given_by text not null default 'resident' check (given_by in ('resident', 'contact'));
alter table rating alter column given_by drop default;
-- What is complained of. Null: nothing.
alter table rating add column complaint text check (complaint <> '');

-- What was closed before any of this was kept needs nobody's call any more. A rating that comes all the same is taken.
insert into aftercare (incident_id, step, due_by, settled_at, settled_by, why)
select i.id, step, i.closed_at, coalesce(g.at, i.closed_at), g.user_id, case when g.at is null then 'before_kept' end
from incident i
cross join (values ('followed_up'), ('rated')) steps (step)
left join rating g on g.incident_id = i.id and step = 'rated'
where i.closed_at is not null;

-- ---- score cards ---------------------------------------------------------------------------------

-- When an offer was accepted, for when arrival was promised then, and when they were there and had finished. Kept by the
-- database, whatever writes the state.
alter table offer
    add column accepted_at timestamptz,
    add column promised_at timestamptz,
    add column arrived_at timestamptz,
    add column finished_at timestamptz;
create index offer_asked on offer (asked_at);

create function keep_offer_times() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.state = old.state then
        return new;
    end if;
    case new.state
        when 'accepted', 'on_the_way' then
            new.accepted_at := coalesce(new.accepted_at, clock_timestamp());
            new.promised_at := coalesce(new.promised_at, new.expected_at);
        when 'on_scene' then
            new.arrived_at := coalesce(new.arrived_at, clock_timestamp());
        when 'done' then
            new.finished_at := coalesce(new.finished_at, clock_timestamp());
        else null;
    end case;
    return new;
end $$;
create trigger offer_times before insert or update of state on offer for each row execute function keep_offer_times();

-- The same of what has been, as far as the timelines tell it.
with told as (
    select (data ->> 'offer')::uuid as offer_id,
        min(at) filter (where data ->> 'state' = 'accepted') as accepted_at,
        min((data ->> 'expected_at')::timestamptz) filter (where data ->> 'state' = 'accepted') as promised_at,
        min(at) filter (where data ->> 'state' = 'on_scene') as arrived_at,
        min(at) filter (where data ->> 'state' = 'done') as finished_at
    from incident_entry where what = 'answered' and data is not null
    group by 1
)
update offer set accepted_at = told.accepted_at, promised_at = told.promised_at, arrived_at = told.arrived_at,
    finished_at = told.finished_at
from told where told.offer_id = offer.id;

-- What a contract asks for at least. Null: nothing.
alter table contract
    add column acceptance_min double precision check (acceptance_min between 0 and 1),
    add column on_time_min double precision check (on_time_min between 0 and 1),
    add column completion_min double precision check (completion_min between 0 and 1),
    add column complaints_max double precision check (complaints_max between 0 and 1),
    add column rating_min double precision check (rating_min between 1 and 5);

-- How a provider stands by the last month, judged anew every hour: decisions read it.
create table provider_standing (
    provider_id uuid primary key references provider on delete cascade,
    judged_at timestamptz not null,
    -- Since when they are under a floor. Null: they are not.
    flagged_since timestamptz,
    -- The measures of which they are.
    breaches text[] not null default '{}',
    -- How much later than they would they are taken to arrive.
    handicap_s double precision not null check (handicap_s >= 0),
    check ((flagged_since is null) = (breaches = '{}') and (flagged_since is null) = (handicap_s = 0))
);
