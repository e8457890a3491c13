//! What `doctor` asks the database. Counts and names of things, never of people.

use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;

/// Two siblings that share more than this share of the smaller are told of.
const SLIVER: f64 = 0.01;

/// What can be asked of any PostgreSQL.
#[derive(Debug, Clone)]
pub struct Server {
    /// `160004` is 16.4.
    pub version_num: i32,
    /// Nothing when the extension is not in this database.
    pub postgis: Option<String>,
    /// `fsync`, `full_page_writes`, `synchronous_commit` that are off.
    pub not_durable: Vec<String>,
    /// Its clock.
    pub now: Timestamp,
    /// How large the database is.
    pub size_bytes: i64,
}

/// Asks for it.
pub async fn server(conn: &mut PgConnection) -> Result<Server, StoreError> {
    let row = sqlx::query!(
        r#"select current_setting('server_version_num')::integer as "version_num!",
            (select extversion from pg_extension where extname = 'postgis') as postgis,
            array(select name from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) as name
                where current_setting(name) = 'off') as "not_durable!",
            clock_timestamp() as "now!", pg_database_size(current_database()) as "size_bytes!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(Server {
        version_num: row.version_num,
        postgis: row.postgis,
        not_durable: row.not_durable,
        now: row.now.to_jiff(),
        size_bytes: row.size_bytes,
    })
}

/// What can be asked of up-to-date tables.
#[derive(Debug, Clone, Default)]
pub struct District {
    /// Accounts that can log in.
    pub users: i64,
    /// Of those, administrators.
    pub admins: i64,
    /// Of those, with a role that answers calls.
    pub answering: i64,
    /// Residents.
    pub residents: i64,
    /// Without a place to go to.
    pub residents_without_home: i64,
    /// Without anybody to telephone.
    pub residents_without_contact: i64,
    /// Without a terminal that may connect.
    pub residents_without_terminal: i64,
    /// Serials of terminals that may connect and that nobody wears; some.
    pub idle_terminals: Vec<String>,
    /// How many of those there are.
    pub idle_terminals_count: i64,
    /// Providers without a contract that runs.
    pub idle_providers: Vec<String>,
    /// Nodes without an area, once any has one.
    pub nodes_without_area: Vec<String>,
    /// How many nodes have one.
    pub nodes_with_area: i64,
    /// Siblings whose areas overlap.
    pub overlaps: Vec<String>,
    /// Open incidents.
    pub open: i64,
    /// Of those, with a deadline that is more than a minute past.
    pub overdue: i64,
    /// Messages that should have left more than a minute ago.
    pub unsent: i64,
    /// Days from today for which fixes have a partition, in a row.
    pub partition_days: i64,
    /// Fixes that lie in no day's partition.
    pub unfiled_fixes: i64,
}

/// Asks for it.
pub async fn district(conn: &mut PgConnection) -> Result<District, StoreError> {
    let people = sqlx::query!(
        r#"with worn as (
            select a.resident_id, a.terminal_id from terminal_assignment a join terminal t on t.id = a.terminal_id
            where a.until is null and t.revoked_at is null)
         select
            (select count(*) from app_user where not disabled) as "users!",
            (select count(distinct u.id) from app_user u join role_grant g on g.user_id = u.id
             where not u.disabled and g.role = 'admin') as "admins!",
            (select count(distinct u.id) from app_user u join role_grant g on g.user_id = u.id
             where not u.disabled and g.role in ('operator', 'supervisor', 'admin')) as "answering!",
            (select count(*) from resident) as "residents!",
            (select count(*) from resident where home is null) as "residents_without_home!",
            (select count(*) from resident r
             where not exists (select from contact c where c.resident_id = r.id)) as "residents_without_contact!",
            (select count(*) from resident r
             where not exists (select from worn where worn.resident_id = r.id)) as "residents_without_terminal!",
            (select count(*) from terminal t where t.revoked_at is null
                and not exists (select from worn where worn.terminal_id = t.id)) as "idle_terminals_count!",
            array(select serial from terminal t where t.revoked_at is null
                and not exists (select from worn where worn.terminal_id = t.id)
                order by serial limit 5) as "idle_terminals!",
            array(select name from provider p where not exists (
                select from contract c where c.provider_id = p.id
                    and c.since <= current_date and (c.until is null or c.until >= current_date))
                order by name limit 5) as "idle_providers!""#
    )
    .fetch_one(&mut *conn)
    .await?;
    let tree = sqlx::query!(
        r#"select
            (select count(*) from org_node where area is not null) as "nodes_with_area!",
            array(select name from org_node where area is null and parent_id is not null
                and exists (select from org_node where area is not null)
                order by cardinality(path), name limit 5) as "nodes_without_area!",
            array(select a.name || ' and ' || b.name
                from org_node a join org_node b on a.parent_id = b.parent_id and a.id < b.id
                    and st_intersects(a.area, b.area)
                where st_area(st_intersection(a.area::geometry, b.area::geometry)::geography)
                    > $1 * least(st_area(a.area), st_area(b.area))
                order by 1 limit 5) as "overlaps!""#,
        SLIVER
    )
    .fetch_one(&mut *conn)
    .await?;
    let work = sqlx::query!(
        r#"select
            (select count(*) from incident where closed_at is null) as "open!",
            (select count(*) from incident
             where closed_at is null and wake_at < clock_timestamp() - interval '1 min') as "overdue!",
            (select count(*) from outbox where state = 'queued'
                and next_try_at < clock_timestamp() - interval '1 min' and not_after > clock_timestamp()) as "unsent!",
            (select coalesce(min(ahead), 31) from generate_series(0, 30) as ahead
             where to_regclass('fix_' || to_char(current_date + ahead, 'YYYYMMDD')) is null)::bigint as "partition_days!",
            (select count(*) from fix_default) as "unfiled_fixes!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(District {
        users: people.users,
        admins: people.admins,
        answering: people.answering,
        residents: people.residents,
        residents_without_home: people.residents_without_home,
        residents_without_contact: people.residents_without_contact,
        residents_without_terminal: people.residents_without_terminal,
        idle_terminals: people.idle_terminals,
        idle_terminals_count: people.idle_terminals_count,
        idle_providers: people.idle_providers,
        nodes_without_area: tree.nodes_without_area,
        nodes_with_area: tree.nodes_with_area,
        overlaps: tree.overlaps,
        open: work.open,
        overdue: work.overdue,
        unsent: work.unsent,
        partition_days: work.partition_days,
        unfiled_fixes: work.unfiled_fixes,
    })
}
