-- Whether 120 was ever called about a hand-over is asked before it is told to stay at home.
create index outbox_help on outbox (about) where what = 'help';

-- Each channel looks for what has waited longest, and finds it first.
drop index outbox_due;
create index outbox_due on outbox (channel, next_try_at, id)
    where state = 'queued' or (state = 'sent' and channel = 'terminal');

-- While far more press than can be decided, the most urgent is found without looking at all that wait: first whoever
-- pressed and is not answered, then what is due besides.
create index incident_unanswered on incident ((class <> 'emergency'), wake_at)
    where closed_at is null and presses_answered < presses;
create index incident_answered on incident (wake_at) where closed_at is null and presses_answered >= presses;

-- Roughly where a case is: where the press said, else where the terminal was, else home, when it began or was pressed
-- last. What is nearest is found by it without asking for the place of everything that is open, which is for
-- incident_place to say of the few that are left.
alter table incident add column near geography (point, 4326);

create function incident_is_near() returns trigger language plpgsql as $$
begin
    new.near := coalesce(
        new.place,
        (select s.place from terminal_state s where s.terminal_id = new.terminal_id),
        (select r.home from resident r where r.id = new.resident_id));
    return new;
end
$$;
create trigger incident_is_near before insert or update of place, terminal_id, resident_id on incident
    for each row execute function incident_is_near();
update incident set place = place where closed_at is null;

create index incident_near_urgent on incident using gist (near) where closed_at is null and class = 'emergency';
create index incident_near_routine on incident using gist (near) where closed_at is null and class = 'service';

-- Whether a responder is at the place of a case, or has been in this round.
create function somebody_is_there(i incident) returns boolean language sql stable as $$
    select exists (select from offer o where o.incident_id = i.id
        and (o.state = 'on_scene' or o.state = 'done' and o.round = i.round))
$$;

-- The open cases that somebody is to go to and where nobody is yet: of each class the nearest to one of them and itself,
-- or, with none given, those that wait longest.
create function cases_around(one uuid, count_max bigint) returns setof uuid language plpgsql stable rows 24 as $$
declare
    here geography;
begin
    if one is null then
        return query
        select i.id from incident i
        where i.closed_at is null and i.origin = 'listed' and not i.canary
            and (i.class = 'emergency' or i.class = 'service' and i.service is not null)
            and not somebody_is_there(i)
        order by i.class = 'service', i.opened_at
        limit count_max;
        return;
    end if;
    here := (select i.near from incident i where i.id = one);
    return query
    (select i.id from incident i
     where i.closed_at is null and i.class = 'emergency' and i.origin = 'listed' and not i.canary
        and not somebody_is_there(i)
     order by i.near <-> here
     limit count_max)
    union
    (select i.id from incident i
     where i.closed_at is null and i.class = 'service' and i.service is not null and i.origin = 'listed' and not i.canary
        and not somebody_is_there(i)
     order by i.near <-> here
     limit count_max)
    union
    select i.id from incident i
    where i.id = one and i.closed_at is null and i.origin = 'listed' and not i.canary
        and (i.class = 'emergency' or i.class = 'service' and i.service is not null)
        and not somebody_is_there(i);
end
$$;
