-- Escalation ladders as data: who is called in while a case rings and nobody hears it.

-- ---- where a case stands --------------------------------------------------------------------------

-- Since when it rings, and up to which delay its ladder has been climbed. By delay and not by number, so that a ladder
-- that is changed while it is climbed loses no rung.
alter table incident
    add column ring_since timestamptz,
    add column ring_climbed_s integer check (ring_climbed_s >= 0);
update incident set
    ring_climbed_s = case ring_level when 'supervisors' then 30 else 0 end,
    ring_since = ring_next_at - make_interval(secs => case ring_level when 'supervisors' then 60 else 30 end)
where ring_level <> 'none';
alter table incident add constraint incident_ladder check (
    ring_level = 'none' or (ring_since is not null and ring_climbed_s is not null));

-- Whether somebody has to telephone the grid officer of the community.
alter table incident
    add column officer_voice text not null default 'not_needed' check (officer_voice in ('not_needed', 'due', 'done')),
    add column officer_ring_at timestamptz,
    add column officer_by uuid references app_user,
    add constraint incident_officer check (
        (officer_voice = 'due') = (officer_ring_at is not null) and (officer_voice = 'done') = (officer_by is not null));
-- Where they are telephoned.
alter table app_user add column phone text check (phone <> '');

-- ---- days off -------------------------------------------------------------------------------------

-- By whose midnights a node goes.
create function zone_of(node uuid) returns text language sql stable as $$
    select coalesce(
        (select above.time_zone from org_node above
         where above.id = any(n.path) and above.level in ('city', 'district')
         order by cardinality(above.path) desc limit 1), n.time_zone)
    from org_node n where n.id = node
$$;

-- Days that are not what their place in the week says: days off, and Saturdays and Sundays that are worked.
create table holiday (
    node_id uuid not null references org_node,
    day date not null,
    off boolean not null,
    name text not null check (name <> ''),
    primary key (node_id, day)
);

create function is_day_off(node uuid, day date) returns boolean language sql stable as $$
    select coalesce(
        (select h.off from org_node n join holiday h on h.node_id = any(n.path) and h.day = $2
         join org_node above on above.id = h.node_id
         where n.id = node order by cardinality(above.path) desc limit 1),
        extract(isodow from $2) in (6, 7))
$$;

-- ---- ladders --------------------------------------------------------------------------------------

-- The database knows the shape of a ladder that forgets nobody, whoever writes the row: it begins at once, only goes
-- up, does each thing once and fit for its class, calls the centres in an emergency, and ends by ringing everybody,
-- always, again and again. `domain::incident::ladder` says it in sentences.
create function is_ladder(class text, acts text[], afters_s integer[], whens text[]) returns boolean
language sql immutable as $$
    select cardinality(acts) between 2 and 10
        and cardinality(afters_s) = cardinality(acts) and cardinality(whens) = cardinality(acts)
        and afters_s[1] = 0 and whens[1] = 'always' and afters_s[cardinality(afters_s)] <= 4 * 3600
        and afters_s = (select array_agg(after order by after) from unnest(afters_s) as after)
        and cardinality(acts) = (select count(distinct act) from unnest(acts) as act)
        and acts[cardinality(acts)] = 'everybody' and whens[cardinality(whens)] = 'always'
        and acts <@ case class
            when 'service' then array['operators', 'supervisors', 'responders', 'grid_officer', 'everybody']
            when 'emergency' then array['operators', 'supervisors', 'responders', 'contacts', 'centres', '120', '119',
                '110', 'grid_officer', 'everybody']
            else array['operators', 'supervisors', 'contacts', '120', '119', '110', 'grid_officer', 'everybody'] end
        and whens <@ array['always', 'unclaimed', 'nobody_goes']
        and exists (select from unnest(acts, afters_s, whens) as rung (act, after, cond)
            where act in ('operators', 'supervisors') and after = 0 and cond = 'always')
        and (class <> 'emergency' or exists (select from unnest(acts, afters_s, whens) as rung (act, after, cond)
            where act = 'centres' and cond <> 'nobody_goes' and after <= 600))
$$;

create table ladder (
    id uuid primary key,
    -- For cases there and below, where no nearer node has another.
    node_id uuid not null references org_node,
    class text not null check (class in ('emergency', 'service', 'wandering', 'welfare')),
    days text not null check (days in ('every', 'working', 'off')),
    -- Minutes of the day there; a night goes over midnight. The whole day is 0 to 1440.
    from_minute integer not null check (from_minute between 0 and 1439),
    until_minute integer not null check (until_minute between 1 and 1440 and until_minute <> from_minute),
    acts text[] not null,
    afters_s integer[] not null,
    whens text[] not null,
    every_s integer not null check (every_s between 10 and 600),
    version integer not null default 1,
    hours int4multirange not null generated always as (
        case when from_minute < until_minute then int4multirange(int4range(from_minute, until_minute))
            else int4multirange(int4range(from_minute, 1440), int4range(0, until_minute)) end) stored,
    constraint ladder_shape check (is_ladder(class, acts, afters_s, whens))
);
create index ladder_node on ladder (node_id);
create trigger ladder_edited before update on ladder for each row execute function count_edit();

-- For one moment a node has one ladder for a class, and one for all days beside it.
create function ladder_alone() returns trigger language plpgsql as $$
begin
    perform from org_node where id = new.node_id for update;
    if exists (select from ladder other where other.id <> new.id and other.node_id = new.node_id
        and other.class = new.class and other.days = new.days and other.hours && new.hours)
    then
        raise exception using errcode = 'exclusion_violation', constraint = 'ladder_alone',
            message = 'another ladder holds at that time';
    end if;
    return new;
end $$;
-- After, not before: the hours of a row are only known then.
create trigger ladder_alone after insert or update on ladder for each row execute function ladder_alone();

-- The ladder that holds in a node at a moment: the nearest node's; there, one for such days rather than one for all.
-- None: the standard one.
create function ladder_of(node uuid, class text, at timestamptz) returns uuid language sql stable as $$
    select l.id
    from org_node n
    cross join lateral (select at at time zone zone_of(n.id) as there) local
    join ladder l on l.node_id = any(n.path) and l.class = $2
    join org_node above on above.id = l.node_id
    where n.id = node
        and l.hours @> (extract(hour from there) * 60 + extract(minute from there))::integer
        and (l.days = 'every' or (l.days = 'off') = is_day_off(n.id, there::date))
    order by cardinality(above.path) desc, l.days = 'every'
    limit 1
$$;
