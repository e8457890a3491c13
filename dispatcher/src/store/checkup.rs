//! What `doctor` asks the database. Counts and names of things, never of people.

use std::num::NonZeroU16;

use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;

/// Two siblings that share more than this share of the smaller are told of.
const SLIVER: f64 = 0.01;

/// By so many of the last whole days it is told how much fixes take.
const GROWTH_DAYS: i64 = 7;

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
    /// Fixes that lie in no day's partition, but for those of days given up that open cases reach back to.
    pub unfiled_fixes: i64,
    /// What a day's fixes take, in bytes: of the last whole days, at most seven, the mean.
    pub fix_bytes_a_day: Option<i64>,
    /// Days before today that have a partition.
    pub fix_days: i64,
    /// The front doors.
    pub doors: Vec<Door>,
}

/// A front door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its name.
    pub name: String,
    /// Whether it should have been heard of since.
    pub is_silent: bool,
    /// How long the certificate holds that it shows, in whole days; negative when it has expired.
    pub certificate_days: Option<i64>,
}

/// Asks for it. Fixes older than `kept_days` are there for open cases.
pub async fn district(conn: &mut PgConnection, kept_days: NonZeroU16) -> Result<District, StoreError> {
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
            (select count(*) from fix_default
             where received_at >= (current_date - $1::integer)::timestamptz) as "unfiled_fixes!""#,
        i32::from(kept_days.get()),
    )
    .fetch_one(&mut *conn)
    .await?;
    let (fix_days, fix_bytes_a_day) = past_fixes(conn).await?;
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
        fix_bytes_a_day,
        fix_days,
        doors: doors(conn).await?,
    })
}

/// How many whole days hold fixes, and what the last of them take each, in bytes.
async fn past_fixes(conn: &mut PgConnection) -> Result<(i64, Option<i64>), StoreError> {
    let row = sqlx::query!(
        r#"with past as (
            select c.relname, pg_total_relation_size(c.oid) as bytes, row_number() over (order by c.relname desc) as back
            from pg_inherits h join pg_class c on c.oid = h.inhrelid
            where h.inhparent = 'fix'::regclass and c.relname ~ '^fix_[0-9]{8}$'
                and c.relname < 'fix_' || to_char(current_date, 'YYYYMMDD')
                -- Days of before anybody was here.
                and pg_relation_size(c.oid) > 0)
         select count(*) as "days!", (avg(bytes) filter (where back <= $1))::bigint as a_day from past"#,
        GROWTH_DAYS,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.days, row.a_day))
}

async fn doors(conn: &mut PgConnection) -> Result<Vec<Door>, StoreError> {
    let rows = sqlx::query!(
        r#"select name, heard_at < clock_timestamp() - make_interval(secs => $1) as "is_silent!",
            floor(extract(epoch from tls_expires_at - clock_timestamp()) / 86400)::bigint as certificate_days
         from door order by name"#,
        super::doors::SILENT_AFTER.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Door { name: row.name, is_silent: row.is_silent, certificate_days: row.certificate_days })
        .collect())
}
