//! Many that fell silent together: who, what they have in common, and who is back.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{TerminalId, UserId};
use domain::presence::outage::{Gone, Group, Kind, Open, Tie};
use domain::word::Word;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{StoreError, watch};
use crate::clock;

/// A silence that is older than this began by itself.
const FRESH_HOURS: i32 = 3;
/// So many are looked at together; whoever is left over is when these are in an outage.
const GONE_MAX: i64 = 50_000;

/// Tries to become the one that finds outages, until the transaction ends.
pub async fn take(tx: &mut PgConnection) -> Result<bool, StoreError> {
    watch::take_outages(tx).await
}

/// Who fell silent lately, and is in no outage.
pub async fn gone(conn: &mut PgConnection) -> Result<Vec<Gone>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.terminal_id, p.heard_at as "heard_at!",
            coalesce(array_agg(tie.kind) filter (where tie.kind is not null), '{}') as "kinds!",
            coalesce(array_agg(tie.key) filter (where tie.kind is not null), '{}') as "keys!"
         from presence p
         left join presence_tie tie on tie.terminal_id = p.terminal_id
         where p.stage in ('late', 'silent', 'lost') and p.outage_id is null and p.heard_at is not null
            and p.heard_at > clock_timestamp() - make_interval(hours => $1)
         group by p.terminal_id
         order by p.heard_at limit $2"#,
        FRESH_HOURS,
        GONE_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let ties = row.kinds.iter().zip(row.keys).filter_map(|(kind, key)| {
                let kind = Kind::parse(kind).ok()?;
                Some(Tie { kind, key })
            });
            let everything = Tie { kind: Kind::Everything, key: String::new() };
            Gone {
                terminal: TerminalId(row.terminal_id),
                heard_at: row.heard_at.to_jiff(),
                ties: ties.chain([everything]).collect(),
            }
        })
        .collect())
}

/// How many terminals that were ever heard have each of these in common.
pub async fn shares(conn: &mut PgConnection, ties: &BTreeSet<Tie>) -> Result<BTreeMap<Tie, u32>, StoreError> {
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let mut shares = BTreeMap::new();
    let (everything, others): (Vec<&Tie>, Vec<&Tie>) = ties.iter().partition(|tie| tie.kind == Kind::Everything);
    if let [tie] = everything[..] {
        let all = sqlx::query_scalar!(r#"select count(*) as "count!" from presence where stage <> 'unheard'"#)
            .fetch_one(&mut *conn)
            .await?;
        shares.insert(tie.clone(), count(all));
    }
    let kinds: Vec<String> = others.iter().map(|tie| tie.kind.as_str().to_owned()).collect();
    let keys: Vec<String> = others.iter().map(|tie| tie.key.clone()).collect();
    let counts = sqlx::query_scalar!(
        r#"select (select count(*) from presence_tie t join presence p on p.terminal_id = t.terminal_id
                where t.kind = wanted.kind and t.key = wanted.key and p.stage <> 'unheard') as "count!"
         from unnest($1::text[], $2::text[]) with ordinality as wanted (kind, key, place) order by place"#,
        &kinds,
        &keys,
    )
    .fetch_all(conn)
    .await?;
    shares.extend(others.into_iter().cloned().zip(counts.into_iter().map(count)));
    Ok(shares)
}

/// The outages that go on.
pub async fn open(conn: &mut PgConnection) -> Result<Vec<Open>, StoreError> {
    let rows = sqlx::query!("select id, kind, key, began_at from outage where ended_at is null order by began_at")
        .fetch_all(conn)
        .await?;
    let read = |id: Uuid, kind: &str| {
        Kind::parse(kind).map_err(|_| StoreError::Impossible { table: "outage", id: id.to_string(), column: "kind" })
    };
    rows.into_iter()
        .map(|row| {
            let tie = Tie { kind: read(row.id, &row.kind)?, key: row.key };
            Ok(Open { id: row.id, tie, began_at: row.began_at.to_jiff() })
        })
        .collect()
}

/// Writes down a new one; its members are still to be [joined](join).
pub async fn begin(conn: &mut PgConnection, group: &Group, now: Timestamp) -> Result<Uuid, StoreError> {
    let id = clock::fresh_id();
    sqlx::query!(
        "insert into outage (id, kind, key, began_at, noticed_at, shared_by) values ($1, $2, $3, $4, $5, $6)",
        id,
        group.tie.kind.as_str(),
        group.tie.key,
        group.began_at.to_sqlx(),
        now.to_sqlx(),
        i32::try_from(group.of).unwrap_or(i32::MAX),
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// Puts terminals into an outage, those of them that are still gone.
pub async fn join(conn: &mut PgConnection, outage: Uuid, members: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "with joined as (
            update presence set outage_id = $1
            where terminal_id = any($2) and outage_id is null and stage in ('late', 'silent', 'lost')
            returning terminal_id, heard_at)
         insert into outage_member (outage_id, terminal_id, heard_at)
         select $1, terminal_id, heard_at from joined where heard_at is not null
         on conflict (outage_id, terminal_id) do update set returned_at = null",
        outage,
        members,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// These are back.
pub async fn returned(conn: &mut PgConnection, terminals: &[i64], now: Timestamp) -> Result<(), StoreError> {
    if terminals.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update outage_member set returned_at = $2 where terminal_id = any($1) and returned_at is null",
        terminals,
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of each outage that goes on, how many were ever in it and how many are still gone.
pub async fn counts(conn: &mut PgConnection) -> Result<Vec<(Uuid, u64, u64)>, StoreError> {
    let rows = sqlx::query!(
        r#"select o.id, count(m.terminal_id) as "members!",
            count(m.terminal_id) filter (where m.returned_at is null) as "gone!"
         from outage o left join outage_member m on m.outage_id = o.id
         where o.ended_at is null group by o.id"#
    )
    .fetch_all(conn)
    .await?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(rows.into_iter().map(|row| (row.id, count(row.members), count(row.gone))).collect())
}

/// Ends outages. Whoever is still gone is silent by itself from now on.
pub async fn end(conn: &mut PgConnection, outages: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    if outages.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with ended as (update outage set ended_at = $2 where id = any($1) and ended_at is null)
         update presence set outage_id = null where outage_id = any($1)",
        outages,
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An outage that goes on and that nobody has acknowledged: supervisors' consoles ring for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Calling {
    /// Its identity.
    pub id: Uuid,
    /// What its members have in common.
    pub kind: String,
    /// Which.
    pub key: String,
    /// What that is called, where it has a name.
    pub name: Option<String>,
    /// When the first of them was last heard.
    pub began_at: Timestamp,
    /// How many were ever in it.
    pub members: i64,
    /// How many of these are still gone.
    pub still_gone: i64,
    /// The nodes above those where its members are served.
    #[serde(skip)]
    pub nodes: Vec<Uuid>,
}

/// The outages that go on and that nobody has acknowledged, the first first.
pub async fn calling(conn: &mut PgConnection) -> Result<Vec<Calling>, StoreError> {
    let rows = sqlx::query!(
        r#"select o.id, o.kind, o.key, n.name as "name?", o.began_at, told.members as "members!",
            told.still_gone as "still_gone!", told.nodes as "nodes!"
         from outage o
         left join org_node n on o.kind = 'community' and n.id::text = o.key
         cross join lateral (
            select coalesce(sum(of_node.members), 0)::bigint as members,
                coalesce(sum(of_node.still_gone), 0)::bigint as still_gone,
                coalesce((select array_agg(distinct above) from (
                    select unnest(served.path) as above from org_node served where served.id = any(array_agg(of_node.node))
                ) as all_above), '{}') as nodes
            from (
                select w.serving_node as node, count(*) as members,
                    count(*) filter (where m.returned_at is null) as still_gone
                from outage_member m join wearer w on w.terminal_id = m.terminal_id
                where m.outage_id = o.id group by w.serving_node) of_node) told
         where o.ended_at is null and o.acknowledged_at is null
         order by o.began_at, o.id"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Calling {
            id: row.id,
            kind: row.kind,
            key: row.key,
            name: row.name,
            began_at: row.began_at.to_jiff(),
            members: row.members,
            still_gone: row.still_gone,
            nodes: row.nodes,
        })
        .collect())
}

/// Notes that somebody has it, the first who says so, and writes that down.
pub async fn acknowledge(conn: &mut PgConnection, outage: Uuid, by: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "with said as (
            update outage set acknowledged_by = $2, acknowledged_at = clock_timestamp()
            where id = $1 and acknowledged_at is null and ended_at is null returning id)
         insert into audit (user_id, what, about) select $2, 'outage_acknowledged', id::text from said",
        outage,
        by.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of which outages the alarm hook is to be told now, once each: nobody has acknowledged them for so many seconds.
pub async fn alarming(conn: &mut PgConnection, unheard_s: f64) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "update outage set alarmed_at = clock_timestamp()
         where ended_at is null and acknowledged_at is null and alarmed_at is null
            and noticed_at < clock_timestamp() - make_interval(secs => $1)
         returning id",
        unheard_s,
    )
    .fetch_all(conn)
    .await?)
}
