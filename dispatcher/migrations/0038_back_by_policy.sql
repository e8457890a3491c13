-- What nobody needs to do by hand.

-- ---- who is back -----------------------------------------------------------------------------------

-- After how many seconds a wandering case closes by itself whose wearer is back; 0: never; null: as the node above has it,
-- and never where none says anything.
alter table org_node add column close_returned_s integer
    check (close_returned_s = 0 or close_returned_s between 60 and 86400);

-- When it closes by itself. Whatever a person has a hand in does not.
alter table incident add column closes_at timestamptz;
alter table incident add constraint incident_closes_by_itself check (
    closes_at is null or (class = 'wandering' and returned and owner_id is null and closed_at is null));
-- By which rule it closed.
alter table incident add column closed_by_rule text check (closed_by_rule in ('returned'));
alter table incident drop constraint incident_closed;
alter table incident add constraint incident_closed check (
    (closed_at is null) = (outcome is null)
    and num_nonnulls(closed_by, closed_by_responder, closed_by_rule) = case when closed_at is null or canary then 0 else 1 end
    and (closed_by_responder is null or class = 'service')
    and (closed_by_rule is null or class = 'wandering'));

-- What a node says of it, or the nearest above that says anything.
create function close_returned_after(node uuid) returns integer language sql stable as $$
    select nullif(above.close_returned_s, 0)
    from org_node n join org_node above on above.id = any(n.path)
    where n.id = close_returned_after.node and above.close_returned_s is not null
    order by cardinality(above.path) desc limit 1
$$;

-- ---- pauses of fences without rules ------------------------------------------------------------------

-- Rules are told of their pauses by the clock. A fence that holds at any time is read when it is changed, so that it has
-- to be said when its pause begins and ends: `coming`, `on`, `over`.
alter table fence_pause add column stage text not null default 'coming' check (stage in ('coming', 'on', 'over'));
create index fence_pause_turns on fence_pause ((case stage when 'coming' then begins_at else ends_at end)) where stage <> 'over';

-- What a fence is to the engine: judged by its rules, or paused, it opens nothing by itself; being inside of where somebody
-- should be at other times still counts as being where they should be.
create function judged_as(fence fence) returns text language sql stable as $$
    select case
        when fence.by_rules <> 'no' then fence.by_rules
        when not exists (
            select from fence_pause p
            where p.resident_id = fence.resident_id and p.stage = 'on' and (p.fence_id is null or p.fence_id = fence.id))
            then fence.kind
        when fence.kind = 'forbidden' then 'hazard'
        else 'haven' end
$$;

-- Says which pauses have begun or are over by now; whose fences are judged otherwise from now on. Of who has fences with
-- rules only, what is believed stays.
create function turn_pauses() returns integer language sql as $$
    with turned as (
        update fence_pause set stage = case when ends_at <= clock_timestamp() then 'over' else 'on' end
        where stage <> 'over' and case stage when 'coming' then begins_at else ends_at end <= clock_timestamp()
        returning resident_id, fence_id),
    known as (
        update resident set fences_version = fences_version + 1
        where id in (
            select f.resident_id from turned p
            join fence f on f.resident_id = p.resident_id and f.by_rules = 'no' and (p.fence_id is null or p.fence_id = f.id))
        returning id)
    select count(*)::integer from known
$$;
-- One that is taken back while it is on is over at once.
create function pause_taken_back() returns trigger language plpgsql as $$
begin
    update resident set fences_version = fences_version + 1
    where id in (
        select f.resident_id from gone p
        join fence f on f.resident_id = p.resident_id and f.by_rules = 'no' and (p.fence_id is null or p.fence_id = f.id)
        where p.stage = 'on');
    return null;
end $$;
create trigger fence_pause_taken_back after delete on fence_pause
    referencing old table as gone for each statement execute function pause_taken_back();

-- ---- outages -----------------------------------------------------------------------------------------

-- Whose consoles ring for it until somebody says that they have it, or it is over.
alter table outage add column acknowledged_by uuid references app_user;
alter table outage add column acknowledged_at timestamptz;
alter table outage add constraint outage_acknowledged check ((acknowledged_by is null) = (acknowledged_at is null));
-- When the alarm hook was told, because nobody had.
alter table outage add column alarmed_at timestamptz;

-- ---- what is kept for ever no more --------------------------------------------------------------------

create index check_in_judged on check_in (judged_at);
create index check_in_pause_over on check_in_pause (until);
create index outage_over on outage (ended_at) where ended_at is not null;
create index test_press_month on test_press (month);
create index rule_breach_over on rule_breach (over_at) where over_at is not null;
create index fence_pause_over on fence_pause (ends_at) where stage = 'over';
