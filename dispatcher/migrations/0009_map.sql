-- What a map shows of those who go to a case, and until when it shows where somebody is.

-- The way of somebody who goes to a case, from the moment they accept until they are there. Of everybody
-- else only the last position is kept.
create table responder_fix (
    offer_id uuid not null references offer on delete cascade,
    at timestamptz not null,
    place geography(point, 4326) not null,
    primary key (offer_id, at)
);

create function keep_way() returns trigger language plpgsql as $$
begin
    insert into responder_fix (offer_id, at, place)
    select id, new.at, new.place from offer
    where responder_id = new.responder_id and state in ('accepted', 'on_the_way')
    on conflict do nothing;
    return null;
end $$;
create trigger responder_way after insert or update of place on responder_position
    for each row execute function keep_way();

-- What somebody wore in the last hours may be worn by another now.
create index terminal_assignment_worn on terminal_assignment (resident_id, since);

-- What a centre tells of the vehicle that it sent.
alter table handover add column vehicle_plate text;
alter table handover add column vehicle_place geography(point, 4326);
alter table handover add column vehicle_at timestamptz;
alter table handover add check ((vehicle_place is null) = (vehicle_at is null));

-- Where somebody is, is known as long as their case is open: afterwards it is where they were.
create or replace view incident_place as
select
    i.id as incident_id,
    case best.which when 'press' then i.place when 'terminal' then s.place else r.home end as place,
    case best.which when 'press' then i.place_accuracy_m when 'terminal' then s.place_accuracy_m end as accuracy_m,
    case best.which when 'press' then i.place_source when 'terminal' then s.place_source else 'home' end as source,
    case best.which when 'press' then i.place_at when 'terminal' then s.place_received_at end as at
from incident i
left join resident r on r.id = i.resident_id
left join terminal_state s on s.terminal_id = i.terminal_id
    and (i.closed_at is null or s.place_received_at <= i.closed_at)
cross join lateral (
    select case
        when s.place is not null and (i.place is null or s.place_received_at > i.place_at) then 'terminal'
        when i.place is not null then 'press'
        else 'home'
    end as which
) best;
