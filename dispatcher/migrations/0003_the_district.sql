-- A district as it is: one tree of places that tile it, everything belongs to a node of it, and what two
-- people edit at once is not lost in silence.

-- ---- the tree ------------------------------------------------------------------------------------

-- One installation is one tree. Its root is always there, so that whatever belongs nowhere else belongs
-- to it: a press from a terminal that nobody listed, on a day when nothing has been set up yet.
alter table org_node drop constraint org_node_level_check;
alter table org_node add constraint org_node_level_check
    check (level in ('city', 'district', 'street', 'community', 'grid', 'courtyard'));
insert into org_node (id, level, name, path, handover_policy)
select id, 'district', '辖区', array[id], 'at_once' from (select gen_random_uuid() as id) root
where not exists (select from org_node where parent_id is null);
create unique index org_node_one_root on org_node ((true)) where parent_id is null;
-- "Somewhere below" is one comparison, and who contains a point one search.
create index org_node_path on org_node using gin (path);
create index org_node_area on org_node using gist (area);
create unique index org_node_siblings on org_node (parent_id, name);

create function root_node() returns uuid language sql stable as $$
    select id from org_node where parent_id is null
$$;

-- Whether something that belongs to `node` lies below one of `granted`.
create function lies_below(node uuid, granted uuid[]) returns boolean language sql stable as $$
    select exists (select from org_node n where n.id = node and n.path && granted)
$$;

-- Every node above an incident: those of where the person is, and those of where they live and are served.
-- Whoever holds a grant over one of them is concerned.
create function nodes_above(node uuid, resident uuid) returns uuid[] language sql stable as $$
    select n.path || coalesce(
        (select home.path from resident r join org_node home on home.id = r.serving_node where r.id = resident), '{}')
    from org_node n where n.id = node
$$;

-- The deepest node whose area holds a place; null when none does.
create function node_at(place geography) returns uuid language sql stable as $$
    select id from org_node where area is not null and st_covers(area, place)
    order by cardinality(path) desc, id limit 1
$$;

-- ---- everything belongs to a node ----------------------------------------------------------------

alter table provider add column node_id uuid references org_node;
update provider set node_id = coalesce(
    (select node_id from contract where provider_id = provider.id order by since limit 1), root_node());
alter table provider alter column node_id set not null;
alter table provider add column place geography(point, 4326);
alter table provider add column email text;

alter table responder add column node_id uuid references org_node;
update responder set node_id = (select node_id from provider where provider.id = responder.provider_id);
alter table responder alter column node_id set not null;

-- An incident belongs to the node where the person is; one that was opened before it was known, to the root.
update incident set node_id = root_node() where node_id is null;
alter table incident alter column node_id set not null;
create index incident_node on incident (node_id) where closed_at is null;
create index resident_node on resident (serving_node);

create table ambulance_station (
    id uuid primary key,
    node_id uuid not null references org_node,
    name text not null,
    place geography(point, 4326) not null
);

-- ---- editing -------------------------------------------------------------------------------------

-- Who saves says which version they saw; a save over a version that they did not see is refused.
alter table resident add column version integer not null default 1;
alter table provider add column version integer not null default 1;
alter table org_node add column version integer not null default 1;

create function count_edit() returns trigger language plpgsql as $$
begin
    new.version := old.version + 1;
    return new;
end $$;
create trigger resident_edited before update on resident for each row execute function count_edit();
create trigger provider_edited before update on provider for each row execute function count_edit();
create trigger org_node_edited before update on org_node for each row execute function count_edit();

-- ---- who may do what, and where ------------------------------------------------------------------

-- Several roles a user, each over the subtree of a node.
create table role_grant (
    user_id uuid not null references app_user on delete cascade,
    role text not null check (role in ('operator', 'supervisor', 'admin', 'grid_officer', 'responder')),
    node_id uuid not null references org_node,
    primary key (user_id, role, node_id)
);
insert into role_grant (user_id, role, node_id) select id, role, root_node() from app_user;
-- Nobody reads it any more; the next release drops it.
alter table app_user alter column role drop not null;
-- Where a user is kept: who administers that node administers them.
alter table app_user add column node_id uuid references org_node;
update app_user set node_id = root_node();
alter table app_user alter column node_id set not null;

-- Reads are written down too: who looked at whom, and about which case.
alter table audit add column resident_id uuid;
create index audit_about on audit (about, user_id, at);
create index audit_resident on audit (resident_id, at) where resident_id is not null;
