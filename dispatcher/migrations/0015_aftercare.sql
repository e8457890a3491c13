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
