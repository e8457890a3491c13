//! What maps show, as GeoJSON: nodes, homes, open cases, responders, stations, and everything of one case
//! that has a place.
//!
//! Where a person is, is read here only through a case: of residents without one there is the home. Who asks
//! without a case says why, and reads [`super::residents::locate`].

use domain::id::IncidentId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::StoreError;
use super::views::{self, PlaceView};
use crate::access::Scope;

/// More than that no page can draw, nor anybody look at.
const FEATURES_MAX: u16 = 5_000;
/// How long before a case somebody's way is shown.
const TRACK_BEFORE_S: f64 = 2.0 * 3_600.0;
/// The last fixes of a way that are looked at.
const FIXES_MAX: i64 = 2_000;
/// The last of them that are shown one by one.
const DOTS_MAX: i64 = 60;
/// A way may differ by so much from what was reported: about five metres.
const SIMPLER_DEG: f64 = 0.000_05;
/// The stations nearest to a case.
const STATIONS_MAX: i64 = 3;

/// A GeoJSON feature collection.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename = "FeatureCollection")]
pub struct Collection<P> {
    /// The features.
    pub features: Vec<Feature<P>>,
    /// There are more than these.
    pub more: bool,
}

/// A GeoJSON feature.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename = "Feature")]
pub struct Feature<P> {
    /// Where; null when nobody knows.
    pub geometry: Option<Value>,
    /// What.
    pub properties: P,
}

impl<P> Feature<P> {
    fn new(geometry: Option<Value>, properties: P) -> Self {
        Self { geometry, properties }
    }
}

impl<P> Collection<P> {
    /// Takes one more than may be shown, to know whether there are more.
    fn of(features: impl Iterator<Item = Feature<P>>) -> Self {
        let mut features: Vec<_> = features.collect();
        let more = features.len() > usize::from(FEATURES_MAX);
        features.truncate(FEATURES_MAX.into());
        Self { features, more }
    }
}

/// What is asked of the database, so that [`Collection::of`] can see whether there are more.
const LIMIT: i64 = FEATURES_MAX as i64 + 1;

fn point(lon: Option<f64>, lat: Option<f64>) -> Option<Value> {
    Some(json!({ "type": "Point", "coordinates": [lon?, lat?] }))
}

fn age_s(at: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(at).as_secs().max(0)
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = NodeOnMap)]
pub struct Node {
    /// Its identity.
    pub id: Uuid,
    /// `city`, `district`, `street`, `community`, `grid`, `courtyard`.
    pub level: String,
    /// Its name.
    pub name: String,
    /// The node above it.
    pub parent: Option<Uuid>,
    /// A point inside it, for its name: longitude and latitude.
    pub label: Option<Value>,
}

/// The nodes of a scope, the larger ones first; of one level when it is named.
pub async fn nodes(
    conn: &mut PgConnection,
    scope: &Scope,
    level: Option<&str>,
) -> Result<Collection<Node>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, level, name, parent_id, st_asgeojson(area, 6)::jsonb as area,
            st_asgeojson(st_pointonsurface(area::geometry), 6)::jsonb -> 'coordinates' as label
         from org_node
         where path && $1 and ($2::text is null or level = $2)
         order by cardinality(path), id
         limit $3"#,
        scope.nodes(),
        level,
        LIMIT,
    )
    .fetch_all(conn)
    .await?;
    Ok(Collection::of(rows.into_iter().map(|row| {
        let node = Node { id: row.id, level: row.level, name: row.name, parent: row.parent_id, label: row.label };
        Feature::new(row.area, node)
    })))
}

/// The box around the areas of a scope: south-west and north-east corner, longitude first.
pub async fn bounds(conn: &mut PgConnection, scope: &Scope) -> Result<Option<[[f64; 2]; 2]>, StoreError> {
    let row = sqlx::query!(
        "select st_xmin(b) as west, st_ymin(b) as south, st_xmax(b) as east, st_ymax(b) as north
         from (select st_extent(area::geometry) as b from org_node where path && $1) boxes",
        scope.nodes(),
    )
    .fetch_one(conn)
    .await?;
    let corners = || Some([[row.west?, row.south?], [row.east?, row.north?]]);
    Ok(corners())
}

/// Somebody at home.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = PersonOnMap)]
pub struct Person {
    /// Their identity.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// What sort of resident.
    pub category: Option<String>,
    /// Where they are served.
    pub community: Option<String>,
    /// Their open case, the most urgent class first.
    pub incident: Option<Uuid>,
}

/// The homes of a scope's residents.
pub async fn people(conn: &mut PgConnection, scope: &Scope) -> Result<Collection<Person>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.name, r.category, st_x(r.home::geometry) as lon, st_y(r.home::geometry) as lat,
            (select c.name from org_node c where c.id = any(n.path) and c.level = 'community') as community,
            (select i.id from incident i where i.resident_id = r.id and i.closed_at is null
             order by i.class = 'emergency' desc, i.opened_at limit 1) as incident
         from resident r join org_node n on n.id = r.serving_node
         where n.path && $1
         order by r.id
         limit $2"#,
        scope.nodes(),
        LIMIT,
    )
    .fetch_all(conn)
    .await?;
    Ok(Collection::of(rows.into_iter().map(|row| {
        let (id, name, category, community, incident) = (row.id, row.name, row.category, row.community, row.incident);
        Feature::new(point(row.lon, row.lat), Person { id, name, category, community, incident })
    })))
}

/// Where a case is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CaseOnMap)]
pub struct Case {
    /// The incident.
    pub id: Uuid,
    /// Radius in metres, when known.
    pub accuracy_m: Option<f64>,
    /// How long ago the person was there; 0 for a home.
    pub age_s: i64,
    /// How it was come by.
    pub source: Option<String>,
    /// An exercise.
    pub drill: bool,
}

/// The open cases of a scope; without a geometry where nobody knows the place.
pub async fn cases(conn: &mut PgConnection, scope: &Scope) -> Result<Collection<Case>, StoreError> {
    let rows = sqlx::query!(
        r#"select i.id, st_x(p.place::geometry) as lon, st_y(p.place::geometry) as lat, p.accuracy_m, p.source, p.at,
            i.drill, now() as "now!"
         from incident i join incident_place p on p.incident_id = i.id
         where i.closed_at is null and not i.canary and nodes_above(i.node_id, i.resident_id) && $1
         order by i.class = 'emergency' desc, i.opened_at
         limit $2"#,
        scope.nodes(),
        LIMIT,
    )
    .fetch_all(conn)
    .await?;
    Ok(Collection::of(rows.into_iter().map(|row| {
        let at = row.at.map(jiff_sqlx::Timestamp::to_jiff);
        let age_s = at.map_or(0, |at| age_s(at, row.now.to_jiff()));
        let source = row.source.filter(|_| row.lon.is_some());
        Feature::new(
            point(row.lon, row.lat),
            Case { id: row.id, accuracy_m: row.accuracy_m, age_s, source, drill: row.drill },
        )
    })))
}

/// Somebody who could be asked, or goes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ResponderOnMap)]
pub struct Responder {
    /// Who.
    pub id: Uuid,
    /// Their name.
    pub name: String,
    /// Their company's name.
    pub provider: String,
    /// Whether they may be asked.
    pub on_duty: bool,
    /// Asked, or on a case.
    pub engaged: bool,
    /// How old their position is.
    pub age_s: i64,
}

/// The responders of a scope who are on duty or on a case; where the others are is their own affair.
pub async fn responders(conn: &mut PgConnection, scope: &Scope) -> Result<Collection<Responder>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.name, pr.name as provider, r.on_duty, o.id is not null as "engaged!",
            st_x(p.place::geometry) as lon, st_y(p.place::geometry) as lat, p.at, now() as "now!"
         from responder r
         join provider pr on pr.id = r.provider_id
         join responder_position p on p.responder_id = r.id
         left join offer o on o.responder_id = r.id and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
         where (r.on_duty or o.id is not null) and lies_below(r.node_id, $1)
         order by r.id
         limit $2"#,
        scope.nodes(),
        LIMIT,
    )
    .fetch_all(conn)
    .await?;
    Ok(Collection::of(rows.into_iter().map(|row| {
        let age_s = age_s(row.at.to_jiff(), row.now.to_jiff());
        let (id, name, provider) = (row.id, row.name, row.provider);
        let responder = Responder { id, name, provider, on_duty: row.on_duty, engaged: row.engaged, age_s };
        Feature::new(point(row.lon, row.lat), responder)
    })))
}

/// An ambulance station.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = StationOnMap)]
pub struct Station {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// The ambulance stations below a scope's nodes, and those that serve what is above them.
pub async fn stations(conn: &mut PgConnection, scope: &Scope) -> Result<Collection<Station>, StoreError> {
    let rows = sqlx::query!(
        "select s.id, s.name, st_x(s.place::geometry) as lon, st_y(s.place::geometry) as lat
         from ambulance_station s
         where lies_below(s.node_id, $1)
            or exists (select from org_node n where n.id = any($1) and s.node_id = any(n.path))
         order by s.name, s.id
         limit $2",
        scope.nodes(),
        LIMIT,
    )
    .fetch_all(conn)
    .await?;
    let station = |id, name| Station { id, name };
    Ok(Collection::of(rows.into_iter().map(|row| Feature::new(point(row.lon, row.lat), station(row.id, row.name)))))
}

/// Everything of one case that has a place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CaseMap {
    /// Where the person is, or was when the case ended.
    pub place: Option<PlaceView>,
    /// The rest.
    pub features: Collection<Thing>,
}

/// What a feature of a case is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Thing {
    /// A node around the place.
    Node(Node),
    /// The person's home.
    Home,
    /// Their way during the last hours.
    Track,
    /// One report of it.
    Fix {
        /// When we had it.
        at: Timestamp,
        /// Radius in metres, when known.
        accuracy_m: Option<f32>,
        /// How it was come by.
        source: String,
    },
    /// Somebody who was asked, or goes.
    Responder {
        /// The offer.
        id: Uuid,
        /// Their name.
        name: String,
        /// Where the offer stands.
        state: String,
        /// How old their position is.
        age_s: i64,
    },
    /// Their way since they accepted.
    Way {
        /// The offer.
        id: Uuid,
    },
    /// A centre's vehicle.
    Vehicle {
        /// The hand-over.
        id: Uuid,
        /// `120`, `119`, `110`.
        centre: String,
        /// Its number plate.
        plate: Option<String>,
        /// Where the hand-over stands.
        state: String,
        /// How old its position is.
        age_s: i64,
    },
    /// An ambulance station nearby.
    Station(Station),
}

type Things = Vec<Feature<Thing>>;

/// Everything of one case that has a place; `None` when there is no such case in the scope.
pub async fn case(conn: &mut PgConnection, id: IncidentId, scope: &Scope) -> Result<Option<CaseMap>, StoreError> {
    if !views::in_scope(conn, &[id.0], scope).await?.contains(&id.0) {
        return Ok(None);
    }
    let row = sqlx::query!(
        r#"select st_y(p.place::geometry) as lat, st_x(p.place::geometry) as lon, p.accuracy_m, p.source, p.at,
            st_y(r.home::geometry) as home_lat, st_x(r.home::geometry) as home_lon, now() as "now!"
         from incident i
         join incident_place p on p.incident_id = i.id
         left join resident r on r.id = i.resident_id
         where i.id = $1"#,
        id.0
    )
    .fetch_one(&mut *conn)
    .await?;
    let place = PlaceView::new((row.lat, row.lon), row.accuracy_m, row.source, row.at, row.now.to_jiff());
    let home = point(row.home_lon, row.home_lat).map(|home| Feature::new(Some(home), Thing::Home));
    let mut features = around(conn, id).await?;
    features.extend(home);
    features.extend(track(conn, id).await?);
    features.extend(helpers(conn, id).await?);
    features.extend(vehicles(conn, id).await?);
    features.extend(near_stations(conn, id).await?);
    Ok(Some(CaseMap { place, features: Collection { features, more: false } }))
}

/// The nodes around the place, from the root down; without a place those that the case belongs to.
async fn around(conn: &mut PgConnection, id: IncidentId) -> Result<Things, StoreError> {
    let rows = sqlx::query!(
        r#"select n.id, n.level, n.name, n.parent_id, st_asgeojson(n.area, 6)::jsonb as area,
            st_asgeojson(st_pointonsurface(n.area::geometry), 6)::jsonb -> 'coordinates' as label
         from incident i
         join incident_place p on p.incident_id = i.id
         join org_node here on here.id = coalesce(node_at(p.place), i.node_id)
         join org_node n on n.id = any(here.path)
         where i.id = $1
         order by cardinality(n.path)"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let node = Node { id: row.id, level: row.level, name: row.name, parent: row.parent_id, label: row.label };
            Feature::new(row.area, Thing::Node(node))
        })
        .collect())
}

/// Where the person's terminals were from two hours before the case until its end, while it was they who
/// wore them.
async fn track(conn: &mut PgConnection, id: IncidentId) -> Result<Things, StoreError> {
    let rows = sqlx::query!(
        r#"with case_ as (
            select i.terminal_id, i.resident_id, i.opened_at - make_interval(secs => $2) as since,
                coalesce(i.closed_at, now()) as until
            from incident i where i.id = $1
         ), worn as (
            select a.terminal_id, a.since, coalesce(a.until, 'infinity') as until
            from case_ c join terminal_assignment a on a.resident_id = c.resident_id
            union all
            select c.terminal_id, '-infinity', 'infinity' from case_ c
            where c.resident_id is null and c.terminal_id is not null
         ), seen as (
            select f.received_at, f.device_at, f.place, f.accuracy_m, f.source
            from case_ c cross join worn w join fix f on f.terminal_id = w.terminal_id
                and f.received_at between greatest(c.since, w.since) and least(c.until, w.until)
            order by f.received_at desc, f.device_at desc nulls last
            limit $3
         ), along as (
            select st_simplify(st_makeline(place::geometry order by received_at, device_at nulls first), $5) as line
            from seen
         )
         select st_asgeojson(line, 6)::jsonb as "geometry!", null::timestamptz as at, null::real as accuracy_m, null::text as source
         from along where st_npoints(line) > 1
         union all
         (select st_asgeojson(place, 6)::jsonb, received_at, accuracy_m, source from seen
          order by received_at desc, device_at desc nulls last
          limit $4)"#,
        id.0,
        TRACK_BEFORE_S,
        FIXES_MAX,
        DOTS_MAX,
        SIMPLER_DEG,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let thing = row.at.map_or(Thing::Track, |at| Thing::Fix {
                at: at.to_jiff(),
                accuracy_m: row.accuracy_m,
                source: row.source.unwrap_or_default(),
            });
            Feature::new(Some(row.geometry), thing)
        })
        .collect())
}

/// Who is asked or goes, where they are, and how they came so far.
async fn helpers(conn: &mut PgConnection, id: IncidentId) -> Result<Things, StoreError> {
    let rows = sqlx::query!(
        r#"select o.id, r.name, o.state, st_x(p.place::geometry) as lon, st_y(p.place::geometry) as lat, p.at,
            (select st_asgeojson(st_simplify(st_makeline(w.place::geometry order by w.at), $2), 6)::jsonb
             from responder_fix w where w.offer_id = o.id having count(*) > 1) as way,
            now() as "now!"
         from offer o
         join responder r on r.id = o.responder_id
         join responder_position p on p.responder_id = r.id
         where o.incident_id = $1 and o.state in ('asked', 'accepted', 'on_the_way', 'on_scene')
         order by o.ordinal"#,
        id.0,
        SIMPLER_DEG,
    )
    .fetch_all(conn)
    .await?;
    let mut things = Vec::new();
    for row in rows {
        things.extend(row.way.map(|way| Feature::new(Some(way), Thing::Way { id: row.id })));
        let age_s = age_s(row.at.to_jiff(), row.now.to_jiff());
        let responder = Thing::Responder { id: row.id, name: row.name, state: row.state, age_s };
        things.push(Feature::new(point(row.lon, row.lat), responder));
    }
    Ok(things)
}

/// The vehicles whose place their centre told.
async fn vehicles(conn: &mut PgConnection, id: IncidentId) -> Result<Things, StoreError> {
    let rows = sqlx::query!(
        r#"select h.id, h.centre, h.state, h.vehicle_plate, st_x(h.vehicle_place::geometry) as lon,
            st_y(h.vehicle_place::geometry) as lat, h.vehicle_at as "at!", now() as "now!"
         from handover h
         where h.incident_id = $1 and h.vehicle_place is not null
            and h.state in ('sent', 'acknowledged', 'dispatched', 'arrived')
         order by h.ordinal"#,
        id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let age_s = age_s(row.at.to_jiff(), row.now.to_jiff());
            let (id, centre, plate, state) = (row.id, row.centre, row.vehicle_plate, row.state);
            Feature::new(point(row.lon, row.lat), Thing::Vehicle { id, centre, plate, state, age_s })
        })
        .collect())
}

/// The stations nearest to the place.
async fn near_stations(conn: &mut PgConnection, id: IncidentId) -> Result<Things, StoreError> {
    let rows = sqlx::query!(
        "select s.id, s.name, st_x(s.place::geometry) as lon, st_y(s.place::geometry) as lat
         from incident_place p cross join ambulance_station s
         where p.incident_id = $1 and p.place is not null
         order by st_distance(s.place, p.place), s.id
         limit $2",
        id.0,
        STATIONS_MAX,
    )
    .fetch_all(conn)
    .await?;
    let station = |id, name| Thing::Station(Station { id, name });
    Ok(rows.into_iter().map(|row| Feature::new(point(row.lon, row.lat), station(row.id, row.name))).collect())
}
