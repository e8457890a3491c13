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
