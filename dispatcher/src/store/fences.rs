//! Fences and what is believed of them: row ↔ `domain::fence` and `domain::whereabouts`.

use std::collections::HashMap;
use std::sync::Arc;

use domain::fence::{BadShape, Shape};
use domain::id::{FenceId, IncidentId, ResidentId, TerminalId, UserId};
use domain::place::{Metres, Position};
use domain::whereabouts::{BadArea, Kind, Line, Standing, Zone, mended};
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tracing::error;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use super::StoreError;
use super::fence_turns::{self, TurnView};
use super::timeline::Head;
use crate::access::Scope;
use crate::clock;

/// More than anybody can keep in mind about one person.
pub const FENCES_MAX: i64 = 20;
/// For so long somebody may be where they should not be before anybody is told, unless the fence says otherwise.
pub const GRACE_S: i32 = 180;
/// Nobody is to be away for longer than a day before anybody is told.
pub const GRACE_MAX_S: i32 = 86_400;

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
    /// Within a distance of a line: the way to school.
    Corridor {
        /// Longitude and latitude, from one end to the other.
        #[schema(schema_with = line)]
        coordinates: Vec<[f64; 2]>,
        /// Metres to either side: 10 to 5000.
        half_width_m: f64,
    },
}

fn lon_lat() -> ArrayBuilder {
    ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::Number)).min_items(Some(2)).max_items(Some(2))
}

fn line() -> ArrayBuilder {
    ArrayBuilder::new().items(lon_lat())
}

fn rings() -> ArrayBuilder {
    ArrayBuilder::new().items(line())
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
    Shape(#[from] BadShape),
    /// They make no area, and it is known where.
    #[error(transparent)]
    Area(#[from] BadArea),
}

/// What a page needs to say why a drawing was refused, in its own language.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = BadDrawing)]
pub struct WrongView {
    /// Which rings it is about: 0 is the outline, then the holes. None: the line of a corridor, or the whole.
    pub rings: Vec<usize>,
    /// The number that it is about: metres, square metres, how many points, or, of `drawing_too_far`, kilometres.
    pub number: Option<f64>,
}

impl BadDrawing {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoPlace { .. } => "drawing_no_place",
            Self::Shape(why) => why.code(),
            Self::Area(why) => why.code(),
        }
    }

    /// What it is about.
    pub fn about(&self) -> WrongView {
        match self {
            Self::NoPlace { .. } => WrongView { rings: Vec::new(), number: None },
            Self::Shape(why) => WrongView { rings: why.rings(), number: why.amount() },
            Self::Area(why) => {
                WrongView { rings: why.lines().into_iter().filter_map(Line::ring).collect(), number: why.number() }
            }
        }
    }

    /// Where on the map something is wrong, longitude first. Empty when it is about a number.
    pub fn places(&self) -> Vec<[f64; 2]> {
        match self {
            Self::Shape(BadShape::Way(why)) | Self::Area(why) => why.places().iter().copied().map(point).collect(),
            Self::NoPlace { .. } | Self::Shape(_) => Vec::new(),
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
            Drawn::Corridor { coordinates, half_width_m } => {
                let line = coordinates.into_iter().map(place).collect::<Result<_, _>>()?;
                Self::way(line, Metres(half_width_m))?
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
            Shape::Way(way) => Self::Corridor {
                coordinates: way.line().iter().copied().map(point).collect(),
                half_width_m: way.half_width().0,
            },
        }
    }
}

const fn point(place: Position) -> [f64; 2] {
    [place.lon_deg(), place.lat_deg()]
}

/// The two columns of a shape: GeoJSON, and the radius of a circle, or half the width of a way.
fn columns(shape: &Shape) -> (Value, Option<f64>) {
    match Drawn::from(shape) {
        Drawn::Circle { center, radius_m } => (json!({ "type": "Point", "coordinates": center }), Some(radius_m)),
        Drawn::Polygon { coordinates } => (json!({ "type": "Polygon", "coordinates": coordinates }), None),
        Drawn::Corridor { coordinates, half_width_m } => {
            (json!({ "type": "LineString", "coordinates": coordinates }), Some(half_width_m))
        }
    }
}

/// GeoJSON as the database says it.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Point { coordinates: [f64; 2] },
    Polygon { coordinates: Vec<Vec<[f64; 2]>> },
    LineString { coordinates: Vec<[f64; 2]> },
}

/// What the two columns of a shape hold.
pub(super) fn drawn(area: &str, radius_m: Option<f64>) -> Option<Drawn> {
    match (serde_json::from_str(area), radius_m) {
        (Ok(Geometry::Point { coordinates }), Some(radius_m)) => Some(Drawn::Circle { center: coordinates, radius_m }),
        (Ok(Geometry::Polygon { coordinates }), None) => Some(Drawn::Polygon { coordinates }),
        (Ok(Geometry::LineString { coordinates }), Some(half_width_m)) => {
            Some(Drawn::Corridor { coordinates, half_width_m })
        }
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
    fn impossible(&self, column: &'static str) -> StoreError {
        StoreError::Impossible { table: "fence", id: self.id.to_string(), column }
    }

    fn read(&self) -> Result<(Kind, Shape), StoreError> {
        let drawn = drawn(&self.area, self.radius_m).ok_or_else(|| self.impossible("area"))?;
        let shape = Shape::try_from(drawn).map_err(|_| self.impossible("area"))?;
        let kind = Kind::parse(&self.kind).map_err(|_| self.impossible("kind"))?;
        Ok((kind, shape))
    }

    fn zone(&self, grace_s: i32) -> Result<Zone, StoreError> {
        let (kind, shape) = self.read()?;
        let area = shape.area().map_err(|_| self.impossible("area"))?;
        let grace = SignedDuration::from_secs(grace_s.into());
        Ok(Zone { id: FenceId(self.id), kind, area: Arc::new(area), grace })
    }
}

/// A fence that makes no sense keeps nobody else's from being judged or seen.
fn or_nothing<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|cause| error!(%cause, "a fence is left out")).ok()
}

// ---- judging -----------------------------------------------------------------------------------

/// The active fences of these residents, each one's in an order that stays.
pub async fn active(conn: &mut PgConnection, residents: &[Uuid]) -> Result<HashMap<ResidentId, Vec<Zone>>, StoreError> {
    let rows = sqlx::query!(
        r#"select resident_id, id, judged_as(fence) as "kind!",
            st_asgeojson(area, 15) as "area!", radius_m, grace_s
         from fence where resident_id = any($1) and active
         order by id"#,
        residents
    )
    .fetch_all(conn)
    .await?;
    let mut of_each: HashMap<ResidentId, Vec<Zone>> = HashMap::new();
    for row in rows {
        let resident = ResidentId(row.resident_id);
        let columns = Row { id: row.id, kind: row.kind, area: row.area, radius_m: row.radius_m };
        of_each.entry(resident).or_default().extend(or_nothing(columns.zone(row.grace_s)));
    }
    Ok(of_each)
}

/// What people call these fences.
pub async fn names(conn: &mut PgConnection, fences: &[Uuid]) -> Result<HashMap<FenceId, String>, StoreError> {
    let rows = sqlx::query!("select id, name from fence where id = any($1)", fences).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (FenceId(row.id), row.name)).collect())
}

/// What is believed of one terminal's wearer, as it lies in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beliefs {
    /// The count of the wearer's fences under which it is believed.
    pub of: i32,
    /// When it was written.
    pub at: Timestamp,
    /// The engine's own state.
    pub state: Option<Vec<u8>>,
}

impl Beliefs {
    /// From its columns.
    pub(super) fn read(of: Option<i32>, at: Option<jiff_sqlx::Timestamp>, state: Option<Vec<u8>>) -> Option<Self> {
        Some(Self { of: of?, at: at?.to_jiff(), state })
    }

    /// Whether it is about somebody who has worn the terminal since then, and about these fences.
    pub fn is_about(&self, version: i32, since: Timestamp) -> bool {
        self.of == version && since <= self.at
    }
}

/// What a batch makes of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Believed {
    /// The count of the wearer's fences.
    pub of: i32,
    /// When.
    pub at: Timestamp,
    /// The engine's own state, unless it is as it was.
    pub state: Option<Vec<u8>>,
    /// What it comes to, unless that is as it was.
    pub stands: Option<Value>,
    /// The last change of each fence of which something changed.
    pub turns: Vec<(FenceId, TurnView)>,
}

/// How somebody stands with one fence, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Which.
    pub fence: Uuid,
    /// How.
    #[serde(with = "wire::word")]
    pub standing: Standing,
    /// Since when they are where they should not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What nobody can read has to be seen again.
fn stands(beliefs: Option<&str>) -> Vec<Stands> {
    beliefs.and_then(|beliefs| serde_json::from_str(beliefs).ok()).unwrap_or_default()
}

/// How the wearers of these terminals were said to stand with their fences.
pub async fn stood(conn: &mut PgConnection, terminals: &[i64]) -> Result<HashMap<TerminalId, Vec<Stands>>, StoreError> {
    let rows =
        sqlx::query!("select terminal_id, beliefs::text from terminal_state where terminal_id = any($1)", terminals)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (TerminalId(row.terminal_id), stands(row.beliefs.as_deref()))).collect())
}

/// A terminal that somebody wears, and what is believed of them by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Worn {
    /// Who.
    pub resident: ResidentId,
    /// Which.
    pub terminal: TerminalId,
    /// The count of their fences.
    pub version: i32,
    /// How they stand with each, as far as that is known.
    pub stands: Vec<Stands>,
}

/// All terminals that these residents wear.
pub async fn worn(conn: &mut PgConnection, residents: &[Uuid]) -> Result<Vec<Worn>, StoreError> {
    let rows = sqlx::query!(
        r#"select a.resident_id, a.terminal_id, r.fences_version,
            case when s.beliefs_of = r.fences_version and a.since <= s.believed_at then s.beliefs::text end as beliefs
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
        version: row.fences_version,
        stands: stands(row.beliefs.as_deref()),
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

/// Says of these incidents whether those who wandered off are back, and has it decided what follows. Of whom it was told
/// that a rule is not kept, they are not back until it is.
pub async fn note_returned(conn: &mut PgConnection, incidents: &[Uuid], returned: &[bool]) -> Result<(), StoreError> {
    sqlx::query!(
        "update incident i set returned = n.returned, closes_at = case when n.returned then i.closes_at end,
            wake_at = least(i.wake_at, clock_timestamp())
         from (
            select said.id, said.returned and not exists (
                select from incident o join rule_breach b on b.resident_id = o.resident_id and b.over_at is null
                where o.id = said.id) as returned
            from unnest($1::uuid[], $2::boolean[]) as said (id, returned)) n
         where i.id = n.id",
        incidents,
        returned,
    )
    .execute(conn)
    .await?;
    Ok(())
}

// ---- keeping -----------------------------------------------------------------------------------

/// A fence as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FenceView {
    /// Its identity.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// `safe`: somewhere to stay inside; `forbidden`: somewhere to keep away from; `corridor`: a way to keep to. Whoever
    /// is in any safe area or on any way is where they should be.
    pub kind: &'static str,
    /// Whether it is judged at all.
    pub active: bool,
    /// For so many seconds somebody may be where they should not be before anybody is told.
    pub grace_s: i32,
    /// Where it is.
    pub shape: Drawn,
    /// Where the wearer is, by the terminal that is worst off: `inside` or `outside`; `suspected` to be where they should
    /// not be; `doubtful`: they may be, or nothing has been heard yet.
    pub state: String,
    /// The last change of it, by the terminal that is worst off, and what it was decided on: by which positions, how far,
    /// how sure. None: nothing has changed since it was drawn, or since anything about the wearer's fences was.
    pub turn: Option<TurnView>,
    /// Begins to be judged when its wearer has been inside.
    pub awaits: bool,
    /// `no`: always; `haven`, `hazard`: judged in the hours of its rules.
    pub by_rules: String,
    /// Which version this is; a change says which one it changes.
    pub version: i32,
}

impl FenceView {
    /// Whether its wearer is well in it, and it is judged.
    pub fn is_allowed(&self) -> bool {
        self.active && self.by_rules != "hazard" && self.kind != Kind::Forbidden.as_str()
    }
}

/// What somebody says that a fence is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// For so many seconds somebody may be where they should not be before anybody is told.
    pub grace_s: i32,
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
        r#"select f.id, f.name, f.kind, st_asgeojson(f.area, 15) as "area!", f.radius_m, f.active, f.version, f.grace_s,
            f.awaited_since is not null as "awaits!", f.by_rules, coalesce(b.state, 'doubtful') as "state!",
            b.turn as "turn?"
         from fence f
         left join lateral (
            select case
                when bool_or(b.standing = 'confirmed') then case f.kind when 'forbidden' then 'inside' else 'outside' end
                when bool_or(b.standing = 'suspected') then 'suspected'
                when bool_or(b.standing = 'doubtful') then 'doubtful'
                else case f.kind when 'forbidden' then 'outside' else 'inside' end
                end as state,
                (array_agg(t.turn order by array_position(array['confirmed', 'suspected', 'doubtful'], b.standing),
                    t.turned_at desc nulls last))[1] as turn
            from terminal_assignment a
            join resident r on r.id = a.resident_id
            join terminal_state s on s.terminal_id = a.terminal_id and s.beliefs_of = r.fences_version
                and a.since <= s.believed_at
            cross join jsonb_to_recordset(s.beliefs) as b (fence uuid, standing text)
            left join fence_turn t on t.fence_id = f.id and t.terminal_id = a.terminal_id
                and t.beliefs_of = s.beliefs_of and t.turned_at >= a.since and t.turn ->> 'to' = b.standing
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
            let columns = Row { id: row.id, kind: row.kind, area: row.area, radius_m: row.radius_m };
            let (kind, shape) = or_nothing(columns.read())?;
            Some(FenceView {
                id: row.id,
                name: row.name,
                kind: kind.as_str(),
                active: row.active,
                grace_s: row.grace_s,
                shape: Drawn::from(&shape),
                state: row.state,
                turn: fence_turns::read(row.turn),
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
        "insert into fence (id, resident_id, name, kind, area, radius_m, active, created_by, grace_s, awaited_since)
         values ($1, $2, $3, $4, st_geomfromgeojson($5::jsonb)::geography, $6, $7, $8, $9, case when $10 then now() end)",
        id,
        resident.0,
        wanted.name,
        wanted.kind.as_str(),
        area,
        radius_m,
        wanted.active,
        by.map(|by| by.0),
        wanted.grace_s,
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
            kind = $7, grace_s = $8, awaited_since = case when $9 then now() end
         where id = $1 and version = $2",
        fence.0,
        version,
        wanted.name,
        area,
        radius_m,
        wanted.active,
        wanted.kind.as_str(),
        wanted.grace_s,
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
