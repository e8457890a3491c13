-- Where a resident should be, and what is believed of whether they are there.

create table fence (
    id uuid primary key,
    resident_id uuid not null references resident on delete cascade,
    name text not null check (name <> ''),
    -- Somewhere to stay inside. Others may come.
    kind text not null check (kind in ('safe')),
    -- The middle of a circle, or a polygon.
    area geography(geometry, 4326) not null,
    radius_m double precision,
    active boolean not null default true,
    version integer not null default 1,
    created_by uuid references app_user,
    created_at timestamptz not null default now(),
    -- By which the call that made it is known when it is repeated.
    created_key text,
    check (case st_geometrytype(area::geometry)
        when 'ST_Point' then coalesce(radius_m between 20 and 50000, false)
        when 'ST_Polygon' then radius_m is null
        else false
    end)
);
create index fence_resident on fence (resident_id);
create unique index fence_created on fence (created_by, created_key) where created_key is not null;
create trigger fence_edited before update on fence for each row execute function count_edit();

-- One row for each fence and each terminal that its resident wears: two terminals are at two places.
-- Rewritten with every fix, so roomy pages and no index but the key.
create table fence_belief (
    fence_id uuid not null references fence on delete cascade,
    terminal_id bigint not null references terminal,
    standing text not null check (standing in ('inside', 'doubtful', 'outside')),
    -- The time of the newest fix that was looked at, by the terminal's clock where that can be believed.
    newest_at timestamptz,
    -- When it was settled that they are outside.
    since timestamptz,
    -- The one fix that says otherwise, until a second agrees with it.
    witness jsonb,
    -- When it was written: what is older than the assignment belongs to somebody else.
    judged_at timestamptz not null,
    primary key (fence_id, terminal_id),
    check ((standing = 'outside') = (since is not null)),
    check (case standing when 'inside' then witness is null when 'doubtful' then witness is not null else true end)
) with (fillfactor = 70);

-- Who wandered off has been seen back where they should be. Closes nothing.
alter table incident add column returned boolean not null default false;
