-- Between who proved who they are and who is not known at all stands the terminal of somebody we know whose dialect proves
-- nothing. People near by are sent for as for anybody; 120, 119 and 110 are proposed, and called by a person.
alter table incident drop constraint incident_origin_check;
alter table incident add constraint incident_origin_check check (origin in ('listed', 'unproved', 'unlisted'));

-- What holds for a case with presses of several origins: known now is known, and a press that proves who it is counts for
-- the whole case.
create function better_origin(one text, other text) returns text language sql immutable parallel safe as $$
    select case when 'listed' in (one, other) then 'listed' when 'unproved' in (one, other) then 'unproved' else one end
$$;

-- A hand-over that a person has to decide on: the centre has heard nothing yet.
alter table handover drop constraint handover_state_check;
alter table handover add constraint handover_state_check check (state in ('proposed', 'prepared', 'sent', 'acknowledged',
    'dispatched', 'arrived', 'closed', 'refused', 'failed', 'stood_down'));
-- A centre is on a case, or proposed for it, once at a time.
drop index handover_live;
create unique index handover_live on handover (incident_id, centre)
    where state in ('proposed', 'prepared', 'sent', 'acknowledged', 'dispatched', 'arrived');

-- As before, and whoever is known counts, proved or not.
create or replace function cases_around(one uuid, count_max bigint) returns setof uuid language plpgsql stable rows 24 as $$
declare
    here geography;
begin
    if one is null then
        return query
        select i.id from incident i
        where i.closed_at is null and i.origin <> 'unlisted' and not i.canary
            and (i.class = 'emergency' or i.class = 'service' and i.service is not null)
            and not somebody_is_there(i)
        order by i.class = 'service', i.opened_at
        limit count_max;
        return;
    end if;
    here := (select i.near from incident i where i.id = one);
    return query
    (select i.id from incident i
     where i.closed_at is null and i.class = 'emergency' and i.origin <> 'unlisted' and not i.canary
        and not somebody_is_there(i)
     order by i.near <-> here
     limit count_max)
    union
    (select i.id from incident i
     where i.closed_at is null and i.class = 'service' and i.service is not null and i.origin <> 'unlisted' and not i.canary
        and not somebody_is_there(i)
     order by i.near <-> here
     limit count_max)
    union
    select i.id from incident i
    where i.id = one and i.closed_at is null and i.origin <> 'unlisted' and not i.canary
        and (i.class = 'emergency' or i.class = 'service' and i.service is not null)
        and not somebody_is_there(i);
end
$$;

-- Commands that are over are deleted when they are older than they are kept.
create index command_ended on command (ended_at) where ended_at is not null;
