//! Residents: found by what somebody says on the telephone, and shown with all that is kept of them.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use super::page::{Page, Paged};
use super::views::{PlaceView, TerminalView};
use crate::access::Scope;

/// How many of a resident's cases their page lists.
const INCIDENTS_MAX: i64 = 100;

/// A resident who may be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Found {
    /// Their identity.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// Where they are served.
    pub community: Option<String>,
    /// Where they live.
    pub address: String,
    /// Their telephone.
    pub phone: Option<String>,
}

/// A page of the residents whose name, address, telephone or a contact's telephone holds `text`: those whose name
/// begins with it first, then by name. `None` when there is none that it could come after.
pub async fn search(
    conn: &mut PgConnection,
    text: &str,
    scope: &Scope,
    page: Page,
) -> Result<Option<Paged<Found>>, StoreError> {
    if let Some(after) = page.after
        && !exists(conn, after, scope).await?
    {
        return Ok(None);
    }
    let found = sqlx::query_as!(
        Found,
        r#"select r.id, r.name, r.address, r.phone,
            (select c.name from org_node n join org_node c on c.id = any(n.path) and c.level = 'community'
             where n.id = r.serving_node) as community
         from resident r
         where lies_below(r.serving_node, $4)
            and (r.name ilike $1 or r.address ilike $1 or r.phone like $1
                or exists (select from contact k where k.resident_id = r.id and k.phone like $1))
            and ($5::uuid is null
                or (r.name not ilike $2, r.name, r.id)
                    > (select a.name not ilike $2, a.name, a.id from resident a where a.id = $5))
         order by r.name not ilike $2, r.name, r.id
         limit $3"#,
        format!("%{}%", literal(text)),
        format!("{}%", literal(text)),
        i64::from(page.limit) + 1,
        scope.nodes(),
        page.after,
    )
    .fetch_all(conn)
    .await?;
    Ok(Some(Paged::of(found, page.limit, |found| found.id)))
}

/// Whether there is such a resident in a scope.
pub async fn exists(conn: &mut PgConnection, resident: Uuid, scope: &Scope) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"select exists (select from resident where id = $1 and lies_below(serving_node, $2)) as "there!""#,
        resident,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_there)
}

/// Everything that is kept of a resident, but where they are.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Kept {
    /// Their identity.
    pub id: Uuid,
    /// Which version of the record this is.
    pub version: i32,
    /// Their name.
    pub name: String,
    /// As registered.
    pub sex: Option<String>,
    /// Year of birth.
    pub born_in: Option<i16>,
    /// Their telephone.
    pub phone: Option<String>,
    /// Living alone, disabled …
    pub category: Option<String>,
    /// Where they live.
    pub address: String,
    /// How to get in.
    pub door_access: Option<String>,
    /// Where that is.
    pub home: Option<Home>,
    /// Who serves them, from the root down.
    pub serving: Vec<NodeName>,
    /// Where they are registered, from the root down.
    pub registered: Vec<NodeName>,
    /// Illnesses, medicines, allergies.
    pub medical_card: Option<String>,
    /// Noted as soon in danger: their cases come first among others of their kind.
    pub medical_risk: bool,
    /// `female` or `male`: who is to come with daily help.
    pub wants_sex: Option<String>,
    /// What whoever comes with daily help is to speak.
    pub wants_language: Option<String>,
    /// Whom to telephone, nearest first.
    pub contacts: Vec<KeptContact>,
    /// What they wear.
    pub terminals: Vec<TerminalView>,
    /// Their cases: the open ones, then the newest.
    pub incidents: Vec<PastIncident>,
}

/// A contact with all the ways to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeptContact {
    /// The first to be told is 1.
    pub rank: i16,
    /// Their name.
    pub name: String,
    /// What they are to the resident.
    pub relation: String,
    /// Their telephone.
    pub phone: String,
    /// Where mails go.
    pub email: Option<String>,
    /// Where a webhook is posted. For administrators only: the address may be a secret in itself.
    pub webhook_url: Option<String>,
}

/// Degrees, WGS-84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Home {
    lat: f64,
    lon: f64,
}

/// A node on the way from the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeName {
    /// Its identity.
    pub id: Uuid,
    /// `district`, `street` …
    pub level: String,
    /// Its name.
    pub name: String,
}

/// One of a resident's cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PastIncident {
    /// Its identity.
    pub id: Uuid,
    /// `emergency`, `service`, `wandering`, `welfare`.
    pub class: String,
    /// Everything that was raised in it.
    pub kinds: Vec<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
    /// An exercise.
    pub drill: bool,
}

/// What is kept of a resident; `None` when there is none in the scope. `administers` is where the reader may change it.
pub async fn kept(
    conn: &mut PgConnection,
    resident: Uuid,
    scope: &Scope,
    administers: Option<&Scope>,
) -> Result<Option<Kept>, StoreError> {
    let row = sqlx::query!(
        r#"select r.id, r.version, r.name, r.sex, r.born_in, r.phone, r.category, r.address, r.door_access, r.medical_risk,
            st_y(r.home::geometry) as lat, st_x(r.home::geometry) as lon, r.serving_node, r.registered_node,
            r.wants_sex, r.wants_language, m.card as "card?"
         from resident r left join medical_card m on m.resident_id = r.id
         where r.id = $1 and lies_below(r.serving_node, $2)"#,
        resident,
        scope.nodes(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Kept {
        id: row.id,
        version: row.version,
        name: row.name,
        sex: row.sex,
        born_in: row.born_in,
        phone: row.phone,
        category: row.category,
        address: row.address,
        door_access: row.door_access,
        home: row.lat.zip(row.lon).map(|(lat, lon)| Home { lat, lon }),
        serving: path_of(conn, row.serving_node).await?,
        registered: path_of(conn, row.registered_node).await?,
        medical_card: row.card,
        medical_risk: row.medical_risk,
        wants_sex: row.wants_sex,
        wants_language: row.wants_language,
        contacts: contacts(conn, resident, administers).await?,
        terminals: terminals(conn, resident).await?,
        incidents: incidents(conn, resident).await?,
    }))
}

async fn contacts(
    conn: &mut PgConnection,
    resident: Uuid,
    administers: Option<&Scope>,
) -> Result<Vec<KeptContact>, StoreError> {
    let contacts = sqlx::query_as!(
        KeptContact,
        "select c.rank, c.name, c.relation, c.phone, c.email,
            case when lies_below(r.serving_node, $2) then c.webhook_url end as webhook_url
         from contact c join resident r on r.id = c.resident_id
         where c.resident_id = $1
         order by c.rank",
        resident,
        administers.map_or(&[][..], Scope::nodes),
    )
    .fetch_all(conn)
    .await?;
    Ok(contacts)
}

async fn path_of(conn: &mut PgConnection, node: Uuid) -> Result<Vec<NodeName>, StoreError> {
    let path = sqlx::query_as!(
        NodeName,
        "select above.id, above.level, above.name
         from org_node n join org_node above on above.id = any(n.path)
         where n.id = $1
         order by cardinality(above.path)",
        node
    )
    .fetch_all(conn)
    .await?;
    Ok(path)
}

async fn terminals(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<TerminalView>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.serial, t.model, s.battery_pct as "battery_pct?", s.heard_at as "heard_at?"
         from terminal_assignment a
         join terminal t on t.id = a.terminal_id
         left join terminal_state s on s.terminal_id = t.id
         where a.resident_id = $1 and a.until is null
         order by a.since, t.serial"#,
        resident
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| TerminalView {
            serial: row.serial,
            model: row.model,
            battery_pct: row.battery_pct,
            last_heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
        .collect())
}

async fn incidents(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<PastIncident>, StoreError> {
    let rows = sqlx::query!(
        "select id, class, kinds, opened_at, closed_at, outcome, drill from incident
         where resident_id = $1
         order by closed_at is not null, opened_at desc, id
         limit $2",
        resident,
        INCIDENTS_MAX,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| PastIncident {
            id: row.id,
            class: row.class,
            kinds: row.kinds,
            opened_at: row.opened_at.to_jiff(),
            closed_at: row.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
            outcome: row.outcome,
            drill: row.drill,
        })
        .collect())
}

/// The last place that any of a resident's terminals told. Whoever reads it has written down why.
pub async fn locate(conn: &mut PgConnection, resident: Uuid) -> Result<Option<PlaceView>, StoreError> {
    let row = sqlx::query!(
        r#"select st_y(s.place::geometry) as lat, st_x(s.place::geometry) as lon, s.place_accuracy_m as accuracy_m,
            s.place_source as source, s.place_received_at as at, now() as "now!"
         from terminal_assignment a join terminal_state s on s.terminal_id = a.terminal_id
         where a.resident_id = $1 and a.until is null and s.place is not null and s.place_received_at >= a.since
         order by s.place_received_at desc
         limit 1"#,
        resident
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| PlaceView::new((row.lat, row.lon), row.accuracy_m, row.source, row.at, row.now.to_jiff())))
}

/// `text` in a `like` pattern, where it means itself.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_mean_themselves() {
        assert_eq!(literal(r"50%_a\"), r"50\%\_a\\");
    }
}
