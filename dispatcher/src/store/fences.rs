//! Fences and what is believed of them: row ↔ `domain::fence`.

use std::collections::HashMap;

use domain::fence::{Belief, Fence, Kind, Print, Shape, Sighting, Standing};
use domain::id::{FenceId, IncidentId, ResidentId, TerminalId, UserId};
use domain::place::{Metres, Position, Source};
use domain::word::Word;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tracing::error;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use super::StoreError;
use super::timeline::Head;
use crate::access::Scope;
use crate::clock;

/// More than anybody can keep in mind about one person.
pub const FENCES_MAX: i64 = 20;

// ---- shapes ------------------------------------------------------------------------------------

/// A shape as it is told: longitude first, as in GeoJSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Drawn {
    /// Within a distance of a point.
    Circle {
        /// Longitude and latitude.
        #[schema(schema_with = lon_lat)]
        center: [f64; 2],
        /// Metres.
        radius_m: f64,
    },
    /// An outline and its holes.
    Polygon {
        /// Rings of longitude and latitude: the outline, then the holes.
        #[schema(schema_with = rings)]
        coordinates: Vec<Vec<[f64; 2]>>,
    },
}

fn lon_lat() -> ArrayBuilder {
    ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::Number)).min_items(Some(2)).max_items(Some(2))
}

fn rings() -> ArrayBuilder {
    ArrayBuilder::new().items(ArrayBuilder::new().items(lon_lat()))
}

/// Why what was drawn is no shape.
#[derive(Debug, thiserror::Error)]
pub enum BadDrawing {
    /// A point is no place.
    #[error("[{lon}, {lat}] is no place: {why}{}", swapped(*.lon, *.lat))]
    NoPlace {
        /// What was said to be the longitude.
        lon: f64,
        /// What was said to be the latitude.
        lat: f64,
        /// Why.
        why: domain::place::NoPosition,
    },
    /// Together they make no shape.
    #[error(transparent)]
    Shape(#[from] domain::fence::BadShape),
}

fn swapped(lon: f64, lat: f64) -> &'static str {
    if Position::new(lon, lat).is_ok() { "; longitude comes first" } else { "" }
}

impl TryFrom<Drawn> for Shape {
    type Error = BadDrawing;

    fn try_from(drawn: Drawn) -> Result<Self, BadDrawing> {
        let place = |[lon, lat]: [f64; 2]| Position::new(lat, lon).map_err(|why| BadDrawing::NoPlace { lon, lat, why });
        Ok(match drawn {
            Drawn::Circle { center, radius_m } => Self::circle(place(center)?, Metres(radius_m))?,
            Drawn::Polygon { coordinates } => {
                let ring = |ring: Vec<[f64; 2]>| ring.into_iter().map(place).collect::<Result<Vec<_>, _>>();
                Self::polygon(coordinates.into_iter().map(ring).collect::<Result<_, _>>()?)?
            }
        })
    }
}

impl From<&Shape> for Drawn {
    fn from(shape: &Shape) -> Self {
        match shape {
            Shape::Circle(circle) => Self::Circle { center: point(circle.centre()), radius_m: circle.radius().0 },
            Shape::Polygon(outline) => Self::Polygon {
                coordinates: outline.rings().iter().map(|ring| ring.iter().copied().map(point).collect()).collect(),
            },
        }
    }
}

const fn point(place: Position) -> [f64; 2] {
    [place.lon_deg(), place.lat_deg()]
}

/// The two columns of a shape: GeoJSON, and the radius of a circle.
fn columns(shape: &Shape) -> (Value, Option<f64>) {
    match Drawn::from(shape) {
        Drawn::Circle { center, radius_m } => (json!({ "type": "Point", "coordinates": center }), Some(radius_m)),
        Drawn::Polygon { coordinates } => (json!({ "type": "Polygon", "coordinates": coordinates }), None),
    }
}

/// GeoJSON as the database says it.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Area {
    Point { coordinates: [f64; 2] },
    Polygon { coordinates: Vec<Vec<[f64; 2]>> },
}

/// The columns of a fence that make it one.
struct Row {
    id: Uuid,
    kind: String,
    area: String,
    radius_m: Option<f64>,
}

impl Row {
    fn into_fence(self) -> Result<Fence, StoreError> {
        let id = self.id;
        let impossible = |column| StoreError::Impossible { table: "fence", id: id.to_string(), column };
        let drawn = match (serde_json::from_str(&self.area), self.radius_m) {
            (Ok(Area::Point { coordinates }), Some(radius_m)) => Drawn::Circle { center: coordinates, radius_m },
            (Ok(Area::Polygon { coordinates }), None) => Drawn::Polygon { coordinates },
            _ => return Err(impossible("area")),
        };
        let shape = Shape::try_from(drawn).map_err(|_| impossible("area"))?;
        let kind = Kind::parse(&self.kind).map_err(|_| impossible("kind"))?;
        Ok(Fence { id: FenceId(id), kind, shape })
    }

    /// A fence that makes no sense keeps nobody else's from being judged or seen.
    fn into_fence_or_nothing(self) -> Option<Fence> {
        self.into_fence().inspect_err(|cause| error!(%cause, "a fence is left out")).ok()
    }
}

// ---- judging -----------------------------------------------------------------------------------

/// A fence and what people call it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The fence.
    pub fence: Fence,
    /// Its name.
    pub name: String,
}

/// The active fences of these residents; none is changed or deleted until the transaction ends.
pub async fn active(
    conn: &mut PgConnection,
    residents: &[Uuid],
) -> Result<HashMap<ResidentId, Vec<Named>>, StoreError> {
    let rows = sqlx::query!(
        r#"select resident_id, id, name, kind, st_asgeojson(area, 15) as "area!", radius_m
         from fence where resident_id = any($1) and active
         order by id
         for share"#,
        residents
    )
    .fetch_all(conn)
    .await?;
    let mut of_each: HashMap<ResidentId, Vec<Named>> = HashMap::new();
    for row in rows {
        let (resident, name) = (ResidentId(row.resident_id), row.name);
        let columns = Row { id: row.id, kind: row.kind, area: row.area, radius_m: row.radius_m };
        if let Some(fence) = columns.into_fence_or_nothing() {
            of_each.entry(resident).or_default().push(Named { fence, name });
        }
    }
    Ok(of_each)
}

/// What is believed of one terminal and one fence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Believed {
    /// Whose fence it is, and who wears the terminal.
    pub resident: ResidentId,
    /// Which terminal.
    pub terminal: TerminalId,
    /// Which fence.
    pub fence: FenceId,
    /// What.
    pub belief: Belief,
}

/// What is believed of these residents' active fences and the terminals that they wear now; locked.
pub async fn beliefs(conn: &mut PgConnection, residents: &[Uuid]) -> Result<Vec<Believed>, StoreError> {
    let rows = sqlx::query!(
        "select f.resident_id, b.fence_id, b.terminal_id, b.standing, b.newest_at, b.since, b.witness
         from fence_belief b
         join fence f on f.id = b.fence_id
         join terminal_assignment a on a.terminal_id = b.terminal_id and a.resident_id = f.resident_id
            and a.until is null and a.since <= b.judged_at
         where f.resident_id = any($1) and f.active
         order by b.fence_id, b.terminal_id
         for update of b",
        residents
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let witness = row.witness.and_then(|witness| serde_json::from_value::<Witness>(witness).ok());
            let witness = witness.and_then(Witness::into_sighting);
            let standing = match (row.standing.as_str(), row.since, witness) {
                ("doubtful", _, Some(first)) => Standing::Doubtful { first },
                ("outside", Some(since), back) => Standing::Outside { since: since.to_jiff(), back },
                // A witness that nobody can read is one that has to come again.
                _ => Standing::Inside,
            };
            let belief = Belief { standing, newest: row.newest_at.map(jiff_sqlx::Timestamp::to_jiff) };
            Believed {
                resident: ResidentId(row.resident_id),
                terminal: TerminalId(row.terminal_id),
                fence: FenceId(row.fence_id),
                belief,
            }
        })
        .collect())
}

/// Writes down what is believed, in the order of fences and terminals.
pub async fn save_beliefs(
    conn: &mut PgConnection,
    mut beliefs: Vec<Believed>,
    now: Timestamp,
) -> Result<(), StoreError> {
    beliefs.sort_unstable_by_key(|believed| (believed.fence, believed.terminal));
    let fences: Vec<Uuid> = beliefs.iter().map(|believed| believed.fence.0).collect();
    let terminals: Vec<i64> = beliefs.iter().map(|believed| believed.terminal.0).collect();
    let beliefs: Vec<Belief> = beliefs.into_iter().map(|believed| believed.belief).collect();
    let standings: Vec<String> = beliefs.iter().map(|belief| standing_word(&belief.standing).to_owned()).collect();
    let newest: Vec<Option<jiff_sqlx::Timestamp>> =
        beliefs.iter().map(|belief| belief.newest.map(jiff_sqlx::ToSqlx::to_sqlx)).collect();
    let since: Vec<Option<jiff_sqlx::Timestamp>> = beliefs
        .iter()
        .map(|belief| match belief.standing {
            Standing::Outside { since, .. } => Some(since.to_sqlx()),
            Standing::Inside | Standing::Doubtful { .. } => None,
        })
        .collect();
    let witnesses: Vec<Option<Value>> = beliefs
        .iter()
        .map(|belief| match &belief.standing {
            Standing::Doubtful { first } => Some(first),
            Standing::Outside { back, .. } => back.as_ref(),
            Standing::Inside => None,
        })
        .map(|witness| witness.and_then(|witness| serde_json::to_value(Witness::from(witness)).ok()))
        .collect();
    sqlx::query!(
        "insert into fence_belief as b (fence_id, terminal_id, standing, newest_at, since, witness, judged_at)
         select fence_id, terminal_id, standing, newest_at, since, witness, $7
         from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::jsonb[])
            as n (fence_id, terminal_id, standing, newest_at, since, witness)
         on conflict (fence_id, terminal_id) do update set
            standing = excluded.standing, newest_at = excluded.newest_at, since = excluded.since,
            witness = excluded.witness, judged_at = excluded.judged_at",
        &fences,
        &terminals,
        &standings,
        &newest as &[Option<jiff_sqlx::Timestamp>],
        &since as &[Option<jiff_sqlx::Timestamp>],
        &witnesses as &[Option<Value>],
        now.to_sqlx(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says of the open wandering incidents of these residents whether they are back; the rows are locked from
/// here on.
pub async fn note_returned(
    conn: &mut PgConnection,
    residents: &[Uuid],
    returned: &[bool],
) -> Result<Vec<(ResidentId, IncidentId, Head)>, StoreError> {
    let rows = sqlx::query!(
        r#"with open as (
            select i.id, n.returned
            from unnest($1::uuid[], $2::boolean[]) as n (resident_id, returned)
            join incident i on i.subject_kind = 'resident' and i.subject_key = n.resident_id::text
                and i.class = 'wandering' and i.closed_at is null
            order by i.id for update of i)
         update incident i set returned = open.returned
         from open where i.id = open.id
         returning i.id, i.resident_id as "resident_id!", i.entries, i.chain_head"#,
        residents,
        returned,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let head = Head { entries: row.entries, hash: row.chain_head };
            (ResidentId(row.resident_id), IncidentId(row.id), head)
        })
        .collect())
}

/// The spelling of where somebody is believed to be.
const fn standing_word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Inside => "inside",
        Standing::Doubtful { .. } => "doubtful",
        Standing::Outside { .. } => "outside",
    }
}

/// A sighting as it is kept.
#[derive(Serialize, Deserialize)]
struct Witness {
    at: Timestamp,
    lat: f64,
    lon: f64,
    distance_m: f64,
    accuracy_m: f64,
    #[serde(with = "wire::word")]
    source: Source,
    print: i64,
}

impl From<&Sighting> for Witness {
    fn from(sighting: &Sighting) -> Self {
        Self {
            at: sighting.at,
            lat: sighting.place.lat_deg(),
            lon: sighting.place.lon_deg(),
            distance_m: sighting.distance.0,
            accuracy_m: sighting.accuracy.0,
            source: sighting.source,
            print: sighting.print.0,
        }
    }
}

impl Witness {
    fn into_sighting(self) -> Option<Sighting> {
        Some(Sighting {
            at: self.at,
            place: Position::new(self.lat, self.lon).ok()?,
            distance: Metres(self.distance_m),
            accuracy: Metres(self.accuracy_m),
            source: self.source,
            print: Print(self.print),
        })
    }
}

// ---- keeping -----------------------------------------------------------------------------------

/// A fence as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FenceView {
    /// Its identity.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// `safe`.
    pub kind: &'static str,
    /// Whether it is judged at all.
    pub active: bool,
    /// Where it is.
    pub shape: Drawn,
    /// `inside`, `outside`, or `doubtful`: one fix says outside, or nothing has been heard yet. Of several
    /// terminals the one that is farthest out.
    pub state: String,
    /// Which version this is; a change says which one it changes.
    pub version: i32,
}

/// What somebody says that a fence is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub shape: Shape,
    /// Whether it is judged.
    pub active: bool,
}

/// The fences of a resident, oldest first.
pub async fn of_resident(conn: &mut PgConnection, resident: Uuid) -> Result<Vec<FenceView>, StoreError> {
    views(conn, Some(resident), None).await
}

/// One fence.
pub async fn one(conn: &mut PgConnection, fence: FenceId) -> Result<Option<FenceView>, StoreError> {
    Ok(views(conn, None, Some(fence.0)).await?.pop())
}

async fn views(
    conn: &mut PgConnection,
    resident: Option<Uuid>,
    fence: Option<Uuid>,
) -> Result<Vec<FenceView>, StoreError> {
    let rows = sqlx::query!(
        r#"select f.id, f.name, f.kind, st_asgeojson(f.area, 15) as "area!", f.radius_m, f.active, f.version,
            coalesce(b.state, 'doubtful') as "state!"
         from fence f
         left join lateral (
            select case when bool_or(b.standing = 'outside') then 'outside' when bool_or(b.standing = 'doubtful')
                then 'doubtful' else 'inside' end as state
            from fence_belief b
            join terminal_assignment a on a.terminal_id = b.terminal_id and a.resident_id = f.resident_id
                and a.until is null and a.since <= b.judged_at
            where b.fence_id = f.id and f.active
            having count(*) > 0
         ) b on true
         where f.resident_id = $1 or f.id = $2
         order by f.created_at, f.id"#,
        resident,
        fence,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let fence = Row { id: row.id, kind: row.kind, area: row.area, radius_m: row.radius_m };
            let fence = fence.into_fence_or_nothing()?;
            Some(FenceView {
                id: row.id,
                name: row.name,
                kind: fence.kind.as_str(),
                active: row.active,
                shape: Drawn::from(&fence.shape),
                state: row.state,
                version: row.version,
            })
        })
        .collect())
}

/// Whose fences they are to be, locked: so that what is counted and what is believed stays so.
#[derive(Debug, Clone, PartialEq)]
pub struct Whose {
    /// Who.
    pub resident: ResidentId,
    /// Their name.
    pub name: String,
    /// Their home, else the middle of where they are served, else of everybody's homes.
    pub lives_at: Option<Position>,
    /// How many fences they have.
    pub fences: i64,
}

/// A resident in a scope, by themselves or by one of their fences.
pub async fn whose(
    conn: &mut PgConnection,
    resident: Option<Uuid>,
    fence: Option<FenceId>,
    scope: &Scope,
) -> Result<Option<Whose>, StoreError> {
    let row = sqlx::query!(
        r#"select r.id, r.name, st_y(home.place::geometry) as lat, st_x(home.place::geometry) as lon,
            (select count(*) from fence f where f.resident_id = r.id) as "fences!"
         from resident r
         cross join lateral (select coalesce(r.home, (
            select st_centroid(above.area) from org_node n join org_node above on above.id = any(n.path)
            where n.id = r.serving_node and above.area is not null
            order by cardinality(above.path) desc limit 1),
            (select st_geometricmedian(st_collect(home::geometry))::geography from resident)) as place) home
         where (r.id = $1 or r.id = (select resident_id from fence where id = $2))
            and lies_below(r.serving_node, $3)
         for no key update of r"#,
        resident,
        fence.map(|fence| fence.0),
        scope.nodes(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Whose {
        resident: ResidentId(row.id),
        name: row.name,
        lives_at: row.lat.zip(row.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok()),
        fences: row.fences,
    }))
}

/// Makes a fence; nobody's doing is that of a seed or an import.
pub async fn create(
    conn: &mut PgConnection,
    resident: ResidentId,
    wanted: &Wanted,
    by: Option<UserId>,
) -> Result<FenceId, StoreError> {
    let id = clock::fresh_id();
    let (area, radius_m) = columns(&wanted.shape);
    sqlx::query!(
        "insert into fence (id, resident_id, name, kind, area, radius_m, active, created_by)
         values ($1, $2, $3, $4, st_geomfromgeojson($5::jsonb)::geography, $6, $7, $8)",
        id,
        resident.0,
        wanted.name,
        Kind::Safe.as_str(),
        area,
        radius_m,
        wanted.active,
        by.map(|by| by.0),
    )
    .execute(&mut *conn)
    .await?;
    write_down(conn, by, "fence_made", FenceId(id), resident).await?;
    Ok(FenceId(id))
}

/// Changes a fence that still is what its editor saw; `false` when it is not. What was believed of the resident
/// begins anew where that may hang on what was changed: somebody believed to be outside one fence was
/// perhaps inside this one.
pub async fn change(
    conn: &mut PgConnection,
    resident: ResidentId,
    fence: FenceId,
    version: i32,
    wanted: &Wanted,
    by: UserId,
) -> Result<bool, StoreError> {
    let (area, radius_m) = columns(&wanted.shape);
    let is_changed = sqlx::query!(
        r#"with was as (select id, area, radius_m, active from fence where id = $1 and version = $2 for update)
         update fence f set name = $3, area = st_geomfromgeojson($4::jsonb)::geography, radius_m = $5, active = $6
         from was where f.id = was.id
         returning not (st_orderingequals(was.area::geometry, f.area::geometry)
            and was.radius_m is not distinct from f.radius_m and was.active = f.active) as "moved!""#,
        fence.0,
        version,
        wanted.name,
        area,
        radius_m,
        wanted.active,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(changed) = is_changed else { return Ok(false) };
    if changed.moved {
        forget_beliefs(conn, resident).await?;
    }
    write_down(conn, Some(by), "fence_changed", fence, resident).await?;
    Ok(true)
}

/// Deletes a fence.
pub async fn delete(
    conn: &mut PgConnection,
    resident: ResidentId,
    fence: FenceId,
    by: UserId,
) -> Result<(), StoreError> {
    sqlx::query!("delete from fence where id = $1", fence.0).execute(&mut *conn).await?;
    forget_beliefs(conn, resident).await?;
    write_down(conn, Some(by), "fence_deleted", fence, resident).await
}

async fn forget_beliefs(conn: &mut PgConnection, resident: ResidentId) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from fence_belief where fence_id in (select id from fence where resident_id = $1)",
        resident.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_down(
    conn: &mut PgConnection,
    by: Option<UserId>,
    what: &str,
    fence: FenceId,
    resident: ResidentId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (user_id, what, about, resident_id) values ($1, $2, $3, $4)",
        by.map(|by| by.0),
        what,
        fence.to_string(),
        resident.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}
