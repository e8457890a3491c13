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
-- database, whatever writes the state (`keep_offer_times`, below).
alter table offer
    add column accepted_at timestamptz,
    add column promised_at timestamptz,
    add column arrived_at timestamptz,
    add column finished_at timestamptz;
create index offer_asked on offer (asked_at);

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

-- ---- the record of an order ----------------------------------------------------------------------

-- What kind of price a contract is for, in the district's own words.
alter table contract add column price_class text check (price_class <> '');

-- What was agreed when the order was accepted; and how far from the person's place the responder was seen to be when
-- they said that they were there, and that they had finished. Null: they told no position then.
alter table offer
    add column price_class text,
    add column arrived_m double precision,
    add column finished_m double precision;

create function meters_from_place(responder uuid, incident uuid) returns double precision language sql stable as $$
    select st_distance(p.place, here.place) from responder_position p, incident_place here
    where p.responder_id = responder and here.incident_id = incident and p.at > clock_timestamp() - interval '10 minutes'
$$;

create function keep_offer_times() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.state = old.state then
        return new;
    end if;
    case new.state
        when 'accepted', 'on_the_way' then
            if new.accepted_at is null then
                new.accepted_at := clock_timestamp();
                new.promised_at := new.expected_at;
                new.price_class := (
                    select c.price_class
                    from incident i
                    join org_node n on n.id = i.node_id
                    join responder r on r.id = new.responder_id
                    join contract c on c.provider_id = r.provider_id and c.category = i.service
                        and c.node_id = any(n.path)
                        and c.since <= current_date and (c.until is null or c.until >= current_date)
                    where i.id = new.incident_id
                    -- Of several the one for the smallest area.
                    order by array_position(n.path, c.node_id) desc, c.since desc limit 1);
            end if;
        when 'on_scene' then
            if new.arrived_at is null then
                new.arrived_at := clock_timestamp();
                new.arrived_m := meters_from_place(new.responder_id, new.incident_id);
            end if;
        when 'done' then
            if new.finished_at is null then
                new.finished_at := clock_timestamp();
                new.finished_m := meters_from_place(new.responder_id, new.incident_id);
            end if;
        else null;
    end case;
    return new;
end $$;

create trigger offer_times before insert or update of state on offer for each row execute function keep_offer_times();

-- What a responder wrote and photographed on the spot. Bytes are small by a check: nobody fills the disk from a telephone.
create table site_note (
    id uuid primary key,
    offer_id uuid not null references offer,
    at timestamptz not null,
    text text check (text <> ''),
    photo bytea check (octet_length(photo) between 1 and 2097152),
    photo_type text check (photo_type in ('image/jpeg', 'image/png')),
    check (num_nonnulls(text, photo) = 1 and (photo is null) = (photo_type is null))
);
create index site_note_offer on site_note (offer_id, at);

-- ---- appointments --------------------------------------------------------------------------------

-- Daily help that is wanted later. The case for it is opened at `wake_at`; until then it can be changed and cancelled.
create table appointment (
    id uuid primary key,
    resident_id uuid not null references resident,
    category text not null references service_category,
    wanted_at timestamptz not null,
    wake_at timestamptz not null,
    on_behalf_of text,
    place_in_words text,
    phone text,
    note text,
    drill boolean not null,
    state text not null default 'waiting' check (state in ('waiting', 'opened', 'cancelled')),
    incident_id uuid unique references incident,
    reason text,
    made_by uuid not null references app_user,
    made_at timestamptz not null,
    version integer not null default 1,
    check ((state = 'opened') = (incident_id is not null)),
    check ((state = 'cancelled') = (reason is not null))
);
create index appointment_due on appointment (wake_at, id) where state = 'waiting';
create trigger appointment_edited before update on appointment for each row execute function count_edit();
