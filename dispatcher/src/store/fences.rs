//! Fences and what is believed of them: row ↔ `domain::fence`.

use std::collections::HashMap;

use domain::fence::{Fence, Kind, Print, Shape, Sighting, Standing};
use domain::id::{FenceId, IncidentId, ResidentId, TerminalId, UserId};
use domain::place::{Metres, Position, Source};
use domain::whereabouts::{Area, BadArea, mended};
use domain::word::Word;
use jiff::Timestamp;
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
    /// They make no area, and it is known where.
    #[error(transparent)]
    Area(#[from] BadArea),
}

impl BadDrawing {
    /// Where on the map something is wrong, longitude first. Empty when it is about a number.
    pub fn places(&self) -> Vec<[f64; 2]> {
        match self {
            Self::NoPlace { .. } | Self::Shape(_) => Vec::new(),
            Self::Area(why) => why.places().iter().copied().map(point).collect(),
        }
    }
}

/// Something that was drawn carelessly, and was put right.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = FenceMend)]
pub struct MendView {
    /// `doubled`: a point told twice; `uncurled`: a small curl or a spike was cut off; `turned`: it went around the
    /// other way.
    what: &'static str,
    /// Longitude and latitude.
    #[schema(schema_with = lon_lat)]
    at: [f64; 2],
}

impl Drawn {
    /// The shape that somebody means who drew this, and what had to be put right.
    pub fn mended(self) -> Result<(Shape, Vec<MendView>), BadDrawing> {
        let Self::Polygon { coordinates } = self else { return Ok((Shape::try_from(self)?, Vec::new())) };
        let rings = places(coordinates)?;
        let (rings, mends) = mended(&rings)?;
        let mends = mends.iter().map(|mend| MendView { what: mend.what.as_str(), at: point(mend.at) }).collect();
        Ok((Shape::polygon(rings)?, mends))
    }

    /// As the engine judges it.
    pub fn area(&self) -> Result<Area, BadDrawing> {
        Ok(match self {
            Self::Circle { center, radius_m } => Area::circle(place(*center)?, Metres(*radius_m))?,
            Self::Polygon { coordinates } => Area::polygon(&places(coordinates.clone())?)?,
        })
    }
}

fn place([lon, lat]: [f64; 2]) -> Result<Position, BadDrawing> {
    Position::new(lat, lon).map_err(|why| BadDrawing::NoPlace { lon, lat, why })
}

fn places(rings: Vec<Vec<[f64; 2]>>) -> Result<Vec<Vec<Position>>, BadDrawing> {
    rings.into_iter().map(|ring| ring.into_iter().map(place).collect()).collect()
}

fn swapped(lon: f64, lat: f64) -> &'static str {
    if Position::new(lon, lat).is_ok() { "; longitude comes first" } else { "" }
}

impl TryFrom<Drawn> for Shape {
    type Error = BadDrawing;

    fn try_from(drawn: Drawn) -> Result<Self, BadDrawing> {
        Ok(match drawn {
            Drawn::Circle { center, radius_m } => Self::circle(place(center)?, Metres(radius_m))?,
            Drawn::Polygon { coordinates } => Self::polygon(places(coordinates)?)?,
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
enum Geometry {
    Point { coordinates: [f64; 2] },
    Polygon { coordinates: Vec<Vec<[f64; 2]>> },
}

/// What the two columns of a shape hold.
pub(super) fn drawn(area: &str, radius_m: Option<f64>) -> Option<Drawn> {
    match (serde_json::from_str(area), radius_m) {
        (Ok(Geometry::Point { coordinates }), Some(radius_m)) => Some(Drawn::Circle { center: coordinates, radius_m }),
        (Ok(Geometry::Polygon { coordinates }), None) => Some(Drawn::Polygon { coordinates }),
        _ => None,
    }
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
        let drawn = drawn(&self.area, self.radius_m).ok_or_else(|| impossible("area"))?;
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

/// The active fences of these residents.
pub async fn active(
    conn: &mut PgConnection,
    residents: &[Uuid],
) -> Result<HashMap<ResidentId, Vec<Fence>>, StoreError> {
    let rows = sqlx::query!(
        r#"select resident_id, id, case by_rules when 'no' then kind else by_rules end as "kind!",
            st_asgeojson(area, 15) as "area!", radius_m
         from fence where resident_id = any($1) and active
         order by id"#,
        residents
    )
    .fetch_all(conn)
    .await?;
    let mut of_each: HashMap<ResidentId, Vec<Fence>> = HashMap::new();
    for row in rows {
        let resident = ResidentId(row.resident_id);
        let columns = Row { id: row.id, kind: row.kind, area: row.area, radius_m: row.radius_m };
        of_each.entry(resident).or_default().extend(columns.into_fence_or_nothing());
    }
    Ok(of_each)
}

/// What people call these fences.
pub async fn names(conn: &mut PgConnection, fences: &[Uuid]) -> Result<HashMap<FenceId, String>, StoreError> {
    let rows = sqlx::query!("select id, name from fence where id = any($1)", fences).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (FenceId(row.id), row.name)).collect())
}

/// What is believed of one terminal's wearer and their fences.
#[derive(Debug, Clone, PartialEq)]
pub struct Beliefs {
    /// The count of the wearer's fences under which it is believed.
    pub of: i32,
    /// When it was written.
    pub at: Timestamp,
    /// The time of the newest position that was looked at, the same for all of the wearer's fences.
    pub newest: Option<Timestamp>,
    /// Of each fence.
    pub each: Vec<(FenceId, Standing)>,
}

impl Beliefs {
    /// From its columns. What nobody can read has to be seen again.
    pub(super) fn read(
        beliefs: Option<String>,
        of: Option<i32>,
        at: Option<jiff_sqlx::Timestamp>,
        newest: Option<jiff_sqlx::Timestamp>,
    ) -> Option<Self> {
        let each: Vec<Entry> = serde_json::from_str(&beliefs?).unwrap_or_default();
        let each = each.into_iter().map(Entry::into_standing).collect();
        Some(Self { of: of?, at: at?.to_jiff(), newest: newest.map(jiff_sqlx::Timestamp::to_jiff), each })
    }

    /// Its first column.
    pub(super) fn write(&self) -> Value {
        let entries: Vec<Entry> = self.each.iter().map(|(fence, standing)| Entry::new(*fence, standing)).collect();
        serde_json::to_value(entries).unwrap_or_default()
    }
}

/// What is believed of one fence, as it is kept.
#[derive(Serialize, Deserialize)]
struct Entry {
    fence: Uuid,
    standing: Stands,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    witness: Option<Witness>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stands {
    Inside,
    Doubtful,
    Outside,
}

impl Entry {
    fn new(FenceId(fence): FenceId, standing: &Standing) -> Self {
        let (standing, since, witness) = match standing {
            Standing::Inside => (Stands::Inside, None, None),
            Standing::Doubtful { first } => (Stands::Doubtful, None, Some(first)),
            Standing::Outside { since, back } => (Stands::Outside, Some(*since), back.as_ref()),
        };
        Self { fence, standing, since, witness: witness.map(Witness::from) }
    }

    fn into_standing(self) -> (FenceId, Standing) {
        let witness = self.witness.and_then(Witness::into_sighting);
        let standing = match (self.standing, self.since, witness) {
            (Stands::Doubtful, _, Some(first)) => Standing::Doubtful { first },
            (Stands::Outside, Some(since), back) => Standing::Outside { since, back },
            // A witness that nobody can read is one that has to come again.
            _ => Standing::Inside,
        };
        (FenceId(self.fence), standing)
    }
}

/// A terminal that somebody wears, and what is believed of them by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Worn {
    /// Who.
    pub resident: ResidentId,
    /// Which.
    pub terminal: TerminalId,
    /// Since when.
    pub since: Timestamp,
    /// The count of their fences.
    pub version: i32,
    /// What is believed.
    pub beliefs: Option<Beliefs>,
}

/// All terminals that these residents wear.
pub async fn worn(conn: &mut PgConnection, residents: &[Uuid]) -> Result<Vec<Worn>, StoreError> {
    let rows = sqlx::query!(
        r#"select a.resident_id, a.terminal_id, a.since, r.fences_version, s.beliefs::text,
            s.beliefs_of, s.believed_at, s.newest_at
         from terminal_assignment a
         join resident r on r.id = a.resident_id
         join terminal_state s on s.terminal_id = a.terminal_id
         where a.resident_id = any($1) and a.until is null"#,
        residents
    )
    .fetch_all(conn)
    .await?;
    let worn = rows.into_iter().map(|row| Worn {
        resident: ResidentId(row.resident_id),
        terminal: TerminalId(row.terminal_id),
        since: row.since.to_jiff(),
        version: row.fences_version,
        beliefs: Beliefs::read(row.beliefs, row.beliefs_of, row.believed_at, row.newest_at),
    });
    Ok(worn.collect())
}

/// The open wandering incidents of these residents, locked.
pub async fn open_wanderings(
    conn: &mut PgConnection,
    residents: &[Uuid],
) -> Result<Vec<(ResidentId, IncidentId, Head)>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id, i.resident_id as "resident_id!", i.entries, i.chain_head
         from unnest($1::uuid[]) as n (resident_id)
         join incident i on i.subject_kind = 'resident' and i.subject_key = n.resident_id::text
            and i.class = 'wandering' and i.closed_at is null
         order by i.id for update of i"#,
        residents,
    )
    .fetch_all(conn)
    .await?;
    let head = |entries, hash| Head { entries, hash };
    Ok(rows
        .into_iter()
        .map(|row| (ResidentId(row.resident_id), IncidentId(row.id), head(row.entries, row.chain_head)))
        .collect())
}

/// Says of these incidents whether those who wandered off are back.
pub async fn note_returned(conn: &mut PgConnection, incidents: &[Uuid], returned: &[bool]) -> Result<(), StoreError> {
    sqlx::query!(
        "update incident i set returned = n.returned
         from unnest($1::uuid[], $2::boolean[]) as n (id, returned) where i.id = n.id",
        incidents,
        returned,
    )
    .execute(conn)
    .await?;
    Ok(())
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
    /// Begins to be judged when its wearer has been inside.
    pub awaits: bool,
    /// `no`: always; `haven`, `hazard`: judged in the hours of its rules.
    pub by_rules: String,
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
    /// Whether it is to be judged once its wearer has been inside; then it is not active yet.
    pub awaits: bool,
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
            f.awaited_since is not null as "awaits!", f.by_rules, coalesce(b.state, 'doubtful') as "state!"
         from fence f
         left join lateral (
            select case when bool_or(b.standing = 'outside') then 'outside' when bool_or(b.standing = 'doubtful')
                then 'doubtful' else 'inside' end as state
            from terminal_assignment a
            join resident r on r.id = a.resident_id
            join terminal_state s on s.terminal_id = a.terminal_id and s.beliefs_of = r.fences_version
                and a.since <= s.believed_at
            cross join jsonb_to_recordset(s.beliefs) as b (fence uuid, standing text)
            where a.resident_id = f.resident_id and a.until is null and b.fence = f.id and f.active
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
                awaits: row.awaits,
                by_rules: row.by_rules,
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
        "insert into fence (id, resident_id, name, kind, area, radius_m, active, created_by, awaited_since)
         values ($1, $2, $3, $4, st_geomfromgeojson($5::jsonb)::geography, $6, $7, $8, case when $9 then now() end)",
        id,
        resident.0,
        wanted.name,
        Kind::Safe.as_str(),
        area,
        radius_m,
        wanted.active,
        by.map(|by| by.0),
        wanted.awaits,
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
    let changed = sqlx::query!(
        "update fence set name = $3, area = st_geomfromgeojson($4::jsonb)::geography, radius_m = $5, active = $6,
            awaited_since = case when $7 then now() end
         where id = $1 and version = $2",
        fence.0,
        version,
        wanted.name,
        area,
        radius_m,
        wanted.active,
        wanted.awaits,
    )
    .execute(&mut *conn)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
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
    write_down(conn, Some(by), "fence_deleted", fence, resident).await
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
