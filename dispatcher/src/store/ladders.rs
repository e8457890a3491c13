//! Escalation ladders, by node, class, hours and days, and the days that are off.
//!
//! Which ladder holds is SQL's to say (`ladder_of`), what a ladder does is `domain`'s.

use domain::incident::Ladder;
use domain::incident::ladder::{Act, BadLadder, Days, Rung, When};
use domain::incident::{Class, HandoverPolicy};
use domain::word::Word;
use jiff::SignedDuration;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;
use crate::clock;

/// A ladder as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its identity.
    pub id: Uuid,
    /// For which node, and all below it.
    pub node: Uuid,
    /// How often it has been saved.
    pub version: i32,
    /// When it holds and what it is.
    pub draft: Draft,
}

/// What an administrator saves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// In cases of which class.
    pub class: Class,
    /// On which days.
    pub days: Days,
    /// From which minute of the day…
    pub from_minute: i32,
    /// …until which; a night goes over midnight.
    pub until_minute: i32,
    /// What is climbed.
    pub ladder: Ladder,
}

/// A node as its ladders need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// By whose midnights it goes.
    pub time_zone: String,
    /// When an emergency there goes to 120.
    pub handover: HandoverPolicy,
}

/// A day that is not what its place in the week says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// The node that says so, and all below it.
    pub node: Uuid,
    /// Which day.
    pub day: Date,
    /// Off, or worked.
    pub off: bool,
    /// What it is called.
    pub name: String,
}

/// Why a ladder was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Another ladder of the same node, class and days holds at that time.
    #[error(
        "another ladder of this node holds for the same class and days at that time: change that one, or its hours"
    )]
    Overlap,
    /// Somebody has saved it since.
    #[error("somebody has changed it meanwhile")]
    EditedMeanwhile,
    /// There is none in the scope.
    #[error("there is no such ladder")]
    NoLadder,
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SaveError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|error| error.constraint()) {
            Some("ladder_alone") => Self::Overlap,
            _ => Self::Store(error.into()),
        }
    }
}

/// The columns of a ladder's rungs.
pub(super) struct Columns {
    pub(super) acts: Vec<String>,
    pub(super) afters_s: Vec<i32>,
    pub(super) whens: Vec<String>,
    pub(super) every_s: i32,
}

impl Columns {
    fn of(ladder: &Ladder) -> Self {
        let rungs = ladder.rungs();
        let seconds = |span: SignedDuration| i32::try_from(span.as_secs()).unwrap_or(i32::MAX);
        Self {
            acts: rungs.iter().map(|rung| rung.act.as_str().to_owned()).collect(),
            afters_s: rungs.iter().map(|rung| seconds(rung.after)).collect(),
            whens: rungs.iter().map(|rung| rung.when.as_str().to_owned()).collect(),
            every_s: seconds(ladder.every()),
        }
    }

    /// The ladder; none when the row makes no sense. Whoever decides then goes by the standard one.
    pub(super) fn ladder(&self, class: Class) -> Option<Ladder> {
        let rungs: Option<Vec<Rung>> = self
            .acts
            .iter()
            .zip(&self.afters_s)
            .zip(&self.whens)
            .map(|((act, after_s), when)| {
                let after = SignedDuration::from_secs(i64::from(*after_s));
                Some(Rung { after, act: Act::parse(act).ok()?, when: When::parse(when).ok()? })
            })
            .collect();
        let made: Result<Ladder, BadLadder> =
            Ladder::new(class, &rungs?, SignedDuration::from_secs(i64::from(self.every_s)));
        made.ok()
    }
}

/// A node in `scope`.
pub async fn node(conn: &mut PgConnection, node: Uuid, scope: &Scope) -> Result<Option<Node>, StoreError> {
    let row = sqlx::query!(
        r#"select n.name, zone_of(n.id) as "time_zone!", coalesce(
            (select above.handover_policy from org_node above
             where above.id = any(n.path) and above.handover_policy is not null
             order by cardinality(above.path) desc limit 1), 'at_once') as "handover!"
         from org_node n where n.id = $1 and n.path && $2"#,
        node,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let handover = HandoverPolicy::parse(&row.handover).map_err(|_| StoreError::Impossible {
            table: "org_node",
            id: node.to_string(),
            column: "handover_policy",
        })?;
        Ok(Node { name: row.name, time_zone: row.time_zone, handover })
    })
    .transpose()
}

/// The ladders of a node and of those above it, the node's own first.
pub async fn of_node(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query!(
        "select l.id, l.node_id, l.version, l.class, l.days, l.from_minute, l.until_minute, l.acts, l.afters_s, l.whens,
            l.every_s
         from org_node n join ladder l on l.node_id = any(n.path) join org_node above on above.id = l.node_id
         where n.id = $1
         order by cardinality(above.path) desc, l.class, l.days, l.from_minute",
        node
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |column| StoreError::Impossible { table: "ladder", id: row.id.to_string(), column };
            let class = Class::parse(&row.class).map_err(|_| impossible("class"))?;
            let columns = Columns { acts: row.acts, afters_s: row.afters_s, whens: row.whens, every_s: row.every_s };
            Ok(Kept {
                id: row.id,
                node: row.node_id,
                version: row.version,
                draft: Draft {
                    class,
                    days: Days::parse(&row.days).map_err(|_| impossible("days"))?,
                    from_minute: row.from_minute,
                    until_minute: row.until_minute,
                    ladder: columns.ladder(class).ok_or(impossible("acts"))?,
                },
            })
        })
        .collect()
}

/// How many ladders a node has of its own.
pub async fn count(conn: &mut PgConnection, node: Uuid) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from ladder where node_id = $1"#, node)
        .fetch_one(conn)
        .await?)
}

/// Writes a new ladder down, and who did.
pub async fn make(conn: &mut PgConnection, node: Uuid, draft: &Draft, by: Uuid) -> Result<Uuid, SaveError> {
    let id = clock::fresh_id();
    let Columns { acts, afters_s, whens, every_s } = Columns::of(&draft.ladder);
    sqlx::query!(
        "with made as (
            insert into ladder (id, node_id, class, days, from_minute, until_minute, acts, afters_s, whens, every_s)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id)
         insert into audit (user_id, what, about) select $11, 'ladder_made', id::text from made",
        id,
        node,
        draft.class.as_str(),
        draft.days.as_str(),
        draft.from_minute,
        draft.until_minute,
        &acts,
        &afters_s,
        &whens,
        every_s,
        by,
    )
    .execute(&mut *conn)
    .await?;
    wake(conn, node, Some(draft.class)).await?;
    Ok(id)
}

/// Writes a ladder in `scope` anew, whose `version` the caller has seen, and who did. Its node and class stay.
pub async fn change(
    conn: &mut PgConnection,
    ladder: Uuid,
    version: i32,
    draft: &Draft,
    scope: &Scope,
    by: Uuid,
) -> Result<Uuid, SaveError> {
    let (node, held) = own(conn, ladder, scope).await?.ok_or(SaveError::NoLadder)?;
    if held != version {
        return Err(SaveError::EditedMeanwhile);
    }
    let Columns { acts, afters_s, whens, every_s } = Columns::of(&draft.ladder);
    sqlx::query!(
        "with changed as (
            update ladder set class = $2, days = $3, from_minute = $4, until_minute = $5, acts = $6, afters_s = $7,
                whens = $8, every_s = $9
            where id = $1 returning id)
         insert into audit (user_id, what, about) select $10, 'ladder_changed', id::text from changed",
        ladder,
        draft.class.as_str(),
        draft.days.as_str(),
        draft.from_minute,
        draft.until_minute,
        &acts,
        &afters_s,
        &whens,
        every_s,
        by,
    )
    .execute(&mut *conn)
    .await?;
    // What climbed it may be of another class now.
    wake(conn, node, None).await?;
    Ok(node)
}

/// Takes a ladder in `scope` away, and writes down who did; its node.
pub async fn remove(
    conn: &mut PgConnection,
    ladder: Uuid,
    scope: &Scope,
    by: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let Some((node, _)) = own(conn, ladder, scope).await? else { return Ok(None) };
    sqlx::query!(
        "with gone as (delete from ladder where id = $1 returning id)
         insert into audit (user_id, what, about) select $2, 'ladder_removed', id::text from gone",
        ladder,
        by,
    )
    .execute(&mut *conn)
    .await?;
    wake(conn, node, None).await?;
    Ok(Some(node))
}

/// A ladder in `scope`, locked: its node and version.
async fn own(conn: &mut PgConnection, ladder: Uuid, scope: &Scope) -> Result<Option<(Uuid, i32)>, StoreError> {
    let row = sqlx::query!(
        "select node_id, version from ladder where id = $1 and lies_below(node_id, $2) for update",
        ladder,
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.node_id, row.version)))
}

/// What rings there is looked at at once: its next rung may come sooner now.
async fn wake(conn: &mut PgConnection, node: Uuid, class: Option<Class>) -> Result<(), StoreError> {
    sqlx::query!(
        "update incident i set wake_at = least(i.wake_at, clock_timestamp())
         from org_node n
         where n.id = i.node_id and $1 = any(n.path) and i.closed_at is null and i.ring_level <> 'none'
            and ($2::text is null or i.class = $2)",
        node,
        class.map(Word::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The days of a node and of those above it that are not what their place in the week says, in their order.
pub async fn holidays(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Holiday>, StoreError> {
    let rows = sqlx::query!(
        r#"select h.node_id, to_char(h.day, 'YYYY-MM-DD') as "day!", h.off, h.name
         from org_node n join holiday h on h.node_id = any(n.path)
         where n.id = $1 order by h.day, h.node_id"#,
        node
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let day = row.day.parse().map_err(|_| StoreError::Impossible {
                table: "holiday",
                id: row.node_id.to_string(),
                column: "day",
            })?;
            Ok(Holiday { node: row.node_id, day, off: row.off, name: row.name })
        })
        .collect()
}

/// Puts these days in the place of a node's own, and writes down who did.
pub async fn set_holidays(conn: &mut PgConnection, node: Uuid, days: &[Holiday], by: Uuid) -> Result<(), StoreError> {
    sqlx::query!("delete from holiday where node_id = $1", node).execute(&mut *conn).await?;
    let (mut dates, mut offs, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for day in days {
        dates.push(day.day.to_string());
        offs.push(day.off);
        names.push(day.name.clone());
    }
    sqlx::query!(
        "insert into holiday (node_id, day, off, name)
         select $1, day::date, off, name from unnest($2::text[], $3::boolean[], $4::text[]) as said (day, off, name)",
        node,
        &dates,
        &offs,
        &names,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("insert into audit (user_id, what, about) values ($1, 'holidays_set', $2::uuid::text)", by, node)
        .execute(&mut *conn)
        .await?;
    wake(conn, node, None).await
}

/// A grid officer of where a person is, and their telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GridOfficer {
    /// Their name.
    pub name: String,
    /// Their telephone, where it is known.
    pub phone: Option<String>,
}

/// Who is the grid officer of where the person in a case is: those of the nearest node that has any.
pub async fn grid_officers(conn: &mut PgConnection, incident: Uuid) -> Result<Vec<GridOfficer>, StoreError> {
    Ok(sqlx::query_as!(
        GridOfficer,
        "select u.name, u.phone
         from incident i
         join org_node n on n.id = i.node_id
         join role_grant g on g.role = 'grid_officer' and g.node_id = any(n.path)
         join org_node there on there.id = g.node_id
         join app_user u on u.id = g.user_id and not u.disabled
         where i.id = $1 and cardinality(there.path) = (
            select max(cardinality(near.path)) from role_grant other
            join org_node near on near.id = other.node_id
            join app_user theirs on theirs.id = other.user_id and not theirs.disabled
            where other.role = 'grid_officer' and near.id = any(n.path))
         order by u.name, u.id",
        incident
    )
    .fetch_all(conn)
    .await?)
}
