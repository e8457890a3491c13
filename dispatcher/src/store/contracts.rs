//! Who has which contract: for what, below which node, from when to when, at which hours. Who can go by them is
//! `contracted`'s (`0026_who_can_go_sooner.sql`); what they ask for is [`super::score`]'s.

use domain::hours::{BadHours, Hours};
use domain::id::{ProviderId, UserId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use super::StoreError;
use crate::access::Scope;
use crate::clock;

/// `GeoJSON` of an area, longitude first (RFC 7946).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Area {
    /// One area.
    Polygon {
        /// Its rings: the outline, then the holes.
        #[schema(schema_with = rings)]
        coordinates: Vec<Vec<[f64; 2]>>,
    },
    /// Several.
    MultiPolygon {
        /// The rings of each.
        #[schema(schema_with = polygons)]
        coordinates: Vec<Vec<Vec<[f64; 2]>>>,
    },
}

fn rings() -> ArrayBuilder {
    let point = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::Number));
    ArrayBuilder::new().items(ArrayBuilder::new().items(point.min_items(Some(2)).max_items(Some(2))))
}

fn polygons() -> ArrayBuilder {
    ArrayBuilder::new().items(rings())
}

/// Some hours of a day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpeningView {
    /// 1 is Monday, 7 is Sunday.
    pub weekday: u8,
    /// `08:00`, by the district's own time.
    pub from: String,
    /// `18:00`, up to `24:00`.
    pub until: String,
}

/// What a contract says.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Below which node it holds.
    pub node: Uuid,
    /// For what: a word of the list, or `emergency`.
    pub category: String,
    /// The first day on which it holds.
    pub since: Date,
    /// The last.
    pub until: Option<Date>,
    /// At which hours; none: at all.
    pub hours: Option<Hours>,
    /// Where, below the node: polygons of rings of longitude and latitude. None: everywhere.
    pub area: Option<Vec<Vec<Vec<[f64; 2]>>>>,
    /// What kind of price it is for.
    pub price_class: Option<String>,
    /// So many people at once, at most.
    pub capacity: Option<i32>,
    /// How good the work is held to be, 5 the best.
    pub grade: Option<i16>,
}

/// A place of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlaceName {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ContractView {
    /// Its identity.
    pub id: Uuid,
    /// Whoever changes it says which version they saw.
    pub version: i32,
    /// Whose.
    pub provider: Uuid,
    /// Below which node it holds.
    pub node: PlaceName,
    /// For what: a word of the list, or `emergency`.
    pub category: String,
    /// The first day on which it holds.
    #[schema(format = Date)]
    pub since: String,
    /// The last; none: it has no end.
    #[schema(format = Date)]
    pub until: Option<String>,
    /// At which hours of the week; none: at all.
    pub hours: Option<Vec<OpeningView>>,
    /// Where below its node; none: everywhere.
    pub area: Option<Area>,
    /// What kind of price it is for.
    pub price_class: Option<String>,
    /// So many of the provider's people at once, at most; none: as many as there are.
    pub capacity: Option<i32>,
    /// How good the work is held to be, 1 to 5, 5 the best; none: not judged.
    pub grade: Option<i16>,
    /// Whether it holds today, whatever the hour.
    pub in_force: bool,
    /// Whether the caller may change it.
    pub editable: bool,
}

/// A provider with its contracts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProviderContractsView {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its telephone.
    pub phone: Option<String>,
    /// What it belongs to.
    pub node: PlaceName,
    /// How many people it has.
    pub people: i64,
    /// What it is contracted for, as far as the caller may see.
    pub contracts: Vec<ContractView>,
}

/// Providers that belong into a scope, or have a contract there, by name.
pub async fn providers(
    conn: &mut PgConnection,
    scope: &Scope,
    administers: Option<&Scope>,
) -> Result<Vec<ProviderContractsView>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.id, p.name, p.phone, p.node_id, n.name as node,
            (select count(*) from responder r where r.provider_id = p.id) as "people!"
         from provider p join org_node n on n.id = p.node_id
         where lies_below(p.node_id, $1)
            or exists (select from contract c where c.provider_id = p.id and lies_below(c.node_id, $1))
         order by p.name, p.id"#,
        scope.nodes(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut contracts = read(conn, &ids, None, scope, administers).await?;
    Ok(rows
        .into_iter()
        .map(|row| ProviderContractsView {
            id: row.id,
            name: row.name,
            phone: row.phone,
            node: PlaceName { id: row.node_id, name: row.node },
            people: row.people,
            contracts: contracts.extract_if(.., |contract| contract.provider == row.id).collect(),
        })
        .collect())
}

/// A contract that the caller may see.
pub async fn one(
    conn: &mut PgConnection,
    id: Uuid,
    scope: &Scope,
    administers: Option<&Scope>,
) -> Result<Option<ContractView>, StoreError> {
    Ok(read(conn, &[], Some(id), scope, administers).await?.pop())
}

async fn read(
    conn: &mut PgConnection,
    providers: &[Uuid],
    id: Option<Uuid>,
    scope: &Scope,
    administers: Option<&Scope>,
) -> Result<Vec<ContractView>, StoreError> {
    let rows = sqlx::query!(
        r#"select c.id, c.version, c.provider_id, c.node_id, n.name as node, c.category, c.price_class, c.capacity,
            c.grade, c.since::text as "since!", c.until::text as until, st_asgeojson(c.area::geometry) as area,
            (select array_agg(lower(h)) from unnest(c.hours) h) as hours_from,
            (select array_agg(upper(h)) from unnest(c.hours) h) as hours_until,
            is_in_force(c, now()) as "in_force!", lies_below(c.node_id, $4) as "editable!"
         from contract c
         join provider p on p.id = c.provider_id
         join org_node n on n.id = c.node_id
         where (c.provider_id = any($1) or c.id = $2) and (lies_below(c.node_id, $3) or lies_below(p.node_id, $3))
         order by cardinality(n.path), n.name, c.category <> 'emergency', c.category, c.since"#,
        providers,
        id,
        scope.nodes(),
        administers.map_or(&[][..], Scope::nodes),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |column| StoreError::Impossible { table: "contract", id: row.id.to_string(), column };
            let hours = row.hours_from.zip(row.hours_until).map(|(from, until)| openings(&from, &until));
            let area = row.area.as_deref().map(serde_json::from_str).transpose();
            Ok(ContractView {
                hours: hours.transpose().map_err(|_| impossible("hours"))?,
                area: area.map_err(|_| impossible("area"))?,
                id: row.id,
                version: row.version,
                provider: row.provider_id,
                node: PlaceName { id: row.node_id, name: row.node },
                category: row.category,
                since: row.since,
                until: row.until,
                price_class: row.price_class,
                capacity: row.capacity,
                grade: row.grade,
                in_force: row.in_force,
                editable: row.editable,
            })
        })
        .collect()
}

fn openings(from: &[i32], until: &[i32]) -> Result<Vec<OpeningView>, BadHours> {
    let hours = Hours::of_minutes(from.iter().copied().zip(until.iter().copied()))?;
    let view = |opening: &domain::hours::Opening| OpeningView {
        weekday: opening.weekday(),
        from: opening.from().to_string(),
        until: opening.until().to_string(),
    };
    Ok(hours.openings().iter().map(view).collect())
}

/// Whether there is such a provider for a scope: one that belongs there, or has a contract there.
pub async fn sees_provider(conn: &mut PgConnection, provider: ProviderId, scope: &Scope) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from provider p where p.id = $1 and (lies_below(p.node_id, $2)
            or exists (select from contract c where c.provider_id = p.id and lies_below(c.node_id, $2)))) as "there!""#,
        provider.0,
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?)
}

/// Holds a provider's contracts until the transaction ends, so that no two are agreed that overlap.
pub async fn hold(conn: &mut PgConnection, provider: ProviderId) -> Result<(), StoreError> {
    sqlx::query!("select id from provider where id = $1 for no key update", provider.0).fetch_optional(conn).await?;
    Ok(())
}

/// Why these cannot be the terms of a contract of a provider's, beside those that it has; the field, and a sentence.
/// `scope` is where the caller administers, `id` the contract when it is one already.
pub async fn objection(
    conn: &mut PgConnection,
    (provider, id): (ProviderId, Option<Uuid>),
    terms: &Terms,
    scope: &Scope,
) -> Result<Option<(&'static str, String)>, StoreError> {
    let area = terms.area.as_ref().map(multipolygon);
    if let Some(area) = &area {
        let why = sqlx::query_scalar!(
            r#"select st_isvalidreason(g) as "why!" from st_geomfromgeojson($1::jsonb) g where not st_isvalid(g)"#,
            area
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(why) = why {
            return Ok(Some(("area", format!("its parts do not go together: {why}"))));
        }
    }
    let node = sqlx::query!(
        r#"select name, coalesce(st_intersects(area, st_geomfromgeojson($3::jsonb)::geography), true) as "touches!"
         from org_node where id = $1 and path && $2"#,
        terms.node,
        scope.nodes(),
        area,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(node) = node else {
        return Ok(Some(("node", "there is none such where you administer".into())));
    };
    if !node.touches {
        return Ok(Some(("area", format!("it lies wholly outside {}", node.name))));
    }
    let is_known = sqlx::query_scalar!(
        r#"select $1 = 'emergency' or exists (select from service_category where word = $1) as "is!""#,
        terms.category
    )
    .fetch_one(&mut *conn)
    .await?;
    if !is_known {
        let why = format!("“{}” is neither “emergency” nor a word that GET /categories lists", terms.category);
        return Ok(Some(("category", why)));
    }
    let twice = sqlx::query!(
        r#"select since::text as "since!", until::text as until from contract
         where provider_id = $1 and node_id = $2 and category = $3 and id is distinct from $4
            and daterange(since, until, '[]') && daterange($5::text::date, $6::text::date, '[]')
         order by since limit 1"#,
        provider.0,
        terms.node,
        terms.category,
        id,
        terms.since.to_string(),
        terms.until.map(|until| until.to_string()),
    )
    .fetch_optional(conn)
    .await?;
    Ok(twice.map(|other| {
        let until = other.until.map_or_else(|| "without an end".to_owned(), |until| format!("to {until}"));
        let why = format!(
            "the provider has a contract for {} in {} from {} {until} already",
            terms.category, node.name, other.since
        );
        ("since", why)
    }))
}

fn multipolygon(coordinates: &Vec<Vec<Vec<[f64; 2]>>>) -> Value {
    json!({ "type": "MultiPolygon", "coordinates": coordinates })
}

/// The minutes at which hours begin, and those at which they end.
fn columns(hours: Option<&Hours>) -> (Vec<i32>, Vec<i32>) {
    hours.into_iter().flat_map(Hours::minutes).unzip()
}

/// Agrees on a contract to whose terms there is no [`objection`].
pub async fn make(
    conn: &mut PgConnection,
    provider: ProviderId,
    terms: &Terms,
    by: UserId,
) -> Result<Uuid, StoreError> {
    let id = clock::fresh_id();
    let (from, until) = columns(terms.hours.as_ref());
    sqlx::query!(
        "insert into contract (id, provider_id, node_id, category, since, until, hours, area, price_class, capacity,
            grade)
         values ($1, $2, $3, $4, $5::text::date, $6::text::date,
            (select range_agg(int4range(f, u)) from unnest($7::integer[], $8::integer[]) x (f, u)),
            st_geomfromgeojson($9::jsonb)::geography, $10, $11, $12)",
        id,
        provider.0,
        terms.node,
        terms.category,
        terms.since.to_string(),
        terms.until.map(|until| until.to_string()),
        &from,
        &until,
        terms.area.as_ref().map(multipolygon),
        terms.price_class,
        terms.capacity,
        terms.grade,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, id, "contract_made", by).await?;
    Ok(id)
}

/// Changes a contract to terms to which there is no [`objection`].
pub async fn change(conn: &mut PgConnection, id: Uuid, terms: &Terms, by: UserId) -> Result<(), StoreError> {
    let (from, until) = columns(terms.hours.as_ref());
    sqlx::query!(
        "update contract set node_id = $2, category = $3, since = $4::text::date, until = $5::text::date,
            hours = (select range_agg(int4range(f, u)) from unnest($6::integer[], $7::integer[]) x (f, u)),
            area = st_geomfromgeojson($8::jsonb)::geography, price_class = $9, capacity = $10, grade = $11
         where id = $1",
        id,
        terms.node,
        terms.category,
        terms.since.to_string(),
        terms.until.map(|until| until.to_string()),
        &from,
        &until,
        terms.area.as_ref().map(multipolygon),
        terms.price_class,
        terms.capacity,
        terms.grade,
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, id, "contract_changed", by).await
}

/// Ends a contract at once: yesterday was its last day. One that has not held for a whole day yet is taken away.
pub async fn end(conn: &mut PgConnection, id: Uuid, by: UserId) -> Result<(), StoreError> {
    write_down(conn, id, "contract_ended", by).await?;
    sqlx::query!(
        "with yesterday as (
            select (now() at time zone time_zone)::date - 1 as day from org_node where parent_id is null
         ), gone as (
            delete from contract using yesterday where id = $1 and since > day
         )
         update contract set until = day from yesterday
         where id = $1 and since <= day and (until is null or until > day)",
        id
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_down(conn: &mut PgConnection, id: Uuid, what: &str, by: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, data)
         select $1, $2, id::text, jsonb_strip_nulls(to_jsonb(c) - 'area') from contract c where id = $3",
        by.0,
        what,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
