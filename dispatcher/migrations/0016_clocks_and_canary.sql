-- How fast help comes, and a terminal of our own that presses for practice.

-- ---- clocks --------------------------------------------------------------------------------------

-- When each milestone of a case was reached: `domain::clocks::Milestone` says what each of them means. Given a
-- provider, only what its own responders were asked and did.
--
-- 120 is called when its machine has our message and has answered when a person there has it, also when they say no.
-- Where somebody telephones instead, when 120's telephone began to ring is not known, and nothing is said about it.
create function incident_milestones(incident uuid, provider uuid) returns table (
    pressed_at timestamptz, durable_at timestamptz, claimed_at timestamptz, spoken_at timestamptz,
    asked_at timestamptz, accepted_at timestamptz, on_scene_at timestamptz,
    centre_called_at timestamptz, centre_answered_at timestamptz, vehicle_out_at timestamptz, closed_at timestamptz
) language sql stable as $$
    select
        case when told.by_telephone then null else coalesce(press.received_at, i.opened_at) end,
        case when told.by_telephone then null else coalesce(press.committed_at, i.opened_at) end,
        told.claimed_at, told.spoken_at, told.asked_at, told.accepted_at, told.on_scene_at,
        coalesce(told.sent_at, case when told.centre_answered_at is not null then told.handed_over_at end),
        told.centre_answered_at, told.vehicle_out_at, i.closed_at
    from incident i
    left join lateral (
        select r.received_at, r.committed_at from report r
        where r.incident_id = i.id and r.lane = 'alert'
        order by r.committed_at, r.received_at limit 1
    ) press on true
    cross join lateral (
        select
            bool_or(e.seq = 1 and (e.what = 'telephoned' or (e.what = 'requested' and e.who_id is not null)))
                as by_telephone,
            min(e.at) filter (where e.what = 'claimed') as claimed_at,
            min(e.at) filter (where e.what in ('spoken', 'telephoned')) as spoken_at,
            min(e.at) filter (where e.what = 'asked' and theirs.is_so) as asked_at,
            min(e.at) filter (where e.what = 'answered' and theirs.is_so
                and e.data->>'state' in ('accepted', 'on_the_way', 'on_scene', 'done')) as accepted_at,
            min(e.at) filter (where e.what = 'answered' and theirs.is_so
                and e.data->>'state' in ('on_scene', 'done')) as on_scene_at,
            min(e.at) filter (where e.what = 'handed_over' and e.data->>'centre' = '120') as handed_over_at,
            min(e.at) filter (where e.what = 'handover_moved' and e.data->>'centre' = '120'
                and e.data->>'state' = 'sent') as sent_at,
            min(e.at) filter (where e.what = 'handover_moved' and e.data->>'centre' = '120'
                and e.data->>'state' in ('acknowledged', 'dispatched', 'arrived', 'closed', 'refused'))
                as centre_answered_at,
            min(e.at) filter (where e.what = 'handover_moved' and e.data->>'centre' = '120'
                and e.data->>'state' in ('dispatched', 'arrived')) as vehicle_out_at
        from incident_entry e
        cross join lateral (select provider is null or exists (
            select from responder r where r.id = (e.data->>'responder')::uuid and r.provider_id = provider) as is_so
        ) theirs
        where e.incident_id = i.id
    ) told
    where i.id = incident
$$;
create index incident_opened on incident (opened_at);

-- What a contract asks for besides the published standards. One that ends stays, so that the evidence of a month goes
-- by what was asked for then.
create table clock_target (
    id uuid primary key,
    node_id uuid not null references org_node,
    -- Null: whoever goes.
    provider_id uuid references provider,
    -- Where it is written.
    source text not null check (source <> ''),
    clock text not null check (clock in ('pressed_durable', 'pressed_claimed', 'pressed_spoken', 'pressed_accepted',
        'pressed_on_scene', 'pressed_closed', 'asked_on_scene', 'centre_answered', 'vehicle_out')),
    calls text not null check (calls in ('help', 'orders')),
    share double precision not null check (share > 0 and share <= 1),
    within_s integer not null check (within_s between 1 and 31 * 86400),
    since timestamptz not null default now(),
    until timestamptz check (until >= since)
);
create index clock_target_node on clock_target (node_id);

-- Under which name a case stands in evidence that leaves the house: nobody can go back from it to the case, and the
-- same case always has the same.
create table evidence_salt (
    one boolean primary key default true check (one),
    salt uuid not null default gen_random_uuid()
);
insert into evidence_salt default values;
create function evidence_name(incident uuid) returns text language sql stable as $$
    select left(encode(sha256(uuid_send(salt) || uuid_send(incident)), 'hex'), 16) from evidence_salt
$$;

-- ---- exercises ------------------------------------------------------------------------------------

-- A real press in the middle of an exercise opens a case of its own: what 120 and responders were told about the
-- exercise is no answer to it.
drop index incident_one_open;
create unique index incident_one_open on incident (subject_kind, subject_key, class, drill)
    where closed_at is null and class <> 'service';

-- ---- the canary -----------------------------------------------------------------------------------

-- A terminal of our own that presses again and again, to see that the line works from the front door to the consoles.
alter table terminal add column canary boolean not null default false;
-- Its cases wake nobody, close by themselves, and are in no list and no figure.
alter table incident add column canary boolean not null default false;
alter table incident drop constraint incident_closed;
alter table incident add constraint incident_closed check (
    (closed_at is null) = (outcome is null)
    and num_nonnulls(closed_by, closed_by_responder) = case when closed_at is null or canary then 0 else 1 end
    and (closed_by_responder is null or class = 'service'));
alter table incident add constraint incident_canary check (drill or not canary);
create index incident_canary_closed on incident (closed_at) where canary;

-- What became of its last press that came through; one row.
create table canary (
    one boolean primary key default true check (one),
    seen_at timestamptz not null,
    -- From the press until it was acknowledged, and until the consoles' stream told of its case.
    acknowledged_ms integer not null check (acknowledged_ms >= 0),
    seen_ms integer not null check (seen_ms >= acknowledged_ms)
);

-- A canary's timelines are nobody's: a day later they go.
create or replace function keep_entry() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        and (new.incident_id, new.seq, new.at, new.what, new.commitment, new.hash)
            = (old.incident_id, old.seq, old.at, old.what, old.commitment, old.hash)
        and new.data is null and new.salt is null
    then
        return new; -- erasing a person's data leaves the chain whole
    end if;
    if tg_op = 'DELETE' and exists (select from incident where id = old.incident_id and canary) then
        return old;
    end if;
    raise exception 'the timeline is append-only';
end $$;
