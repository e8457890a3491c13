//! A whole district at once, into a database that has none: one statement a table, however many rows.
//!
//! Rows carry their own ids, so that they can name each other before anything is written.

use domain::place::Position;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// A place of the tree below the root.
#[derive(Debug, Clone, Serialize)]
pub struct NodeRow {
    /// Its id.
    pub id: Uuid,
    /// What it lies in.
    pub parent_id: Uuid,
    /// `street`, `community`, `grid`, `courtyard`.
    pub level: &'static str,
    /// Its name.
    pub name: String,
    /// The root, what it lies in from there on, and itself.
    pub path: Vec<Uuid>,
    /// Its outline.
    pub area: Area,
}

/// An outline: a ring of corners, the first not repeated.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "Value")]
pub struct Area(pub Vec<Position>);

impl Area {
    /// As `GeoJSON` wants it (RFC 7946): longitude first, the ring closed.
    fn corners(&self) -> Vec<[f64; 2]> {
        self.0.iter().chain(self.0.first()).map(|corner| [corner.lon_deg(), corner.lat_deg()]).collect()
    }
}

impl From<Area> for Value {
    fn from(area: Area) -> Self {
        json!({ "type": "MultiPolygon", "coordinates": [[area.corners()]] })
    }
}

/// Somewhere, longitude and latitude by name.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct At {
    lat: f64,
    lon: f64,
}

impl From<Position> for At {
    fn from(position: Position) -> Self {
        Self { lat: position.lat_deg(), lon: position.lon_deg() }
    }
}

/// Somebody who is to be helped.
#[derive(Debug, Clone, Serialize)]
pub struct ResidentRow {
    /// Their id.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// `female` or `male`.
    pub sex: &'static str,
    /// Year of birth.
    pub born_in: i16,
    /// Telephone.
    pub phone: String,
    /// 孤寡, 空巢, 残疾 …
    pub category: &'static str,
    /// Where they live, in words.
    pub address: String,
    /// How to get in.
    pub door_access: String,
    /// Where they live.
    #[serde(flatten)]
    pub home: At,
    /// Where they are served.
    pub serving_node: Uuid,
    /// Where they are registered.
    pub registered_node: Uuid,
    /// When an emergency goes to 120; none: as the node says.
    pub handover_policy: Option<&'static str>,
    /// Illnesses, medicines, allergies.
    pub card: String,
    /// Noted as soon in danger.
    pub medical_risk: bool,
}

/// Somebody who is told.
#[derive(Debug, Clone, Serialize)]
pub struct ContactRow {
    /// About whom.
    pub resident_id: Uuid,
    /// 1 is told first.
    pub rank: i16,
    /// Name.
    pub name: String,
    /// What they are to the resident.
    pub relation: String,
    /// Telephone.
    pub phone: String,
    /// E-mail.
    pub email: String,
}

/// Where somebody should be.
#[derive(Debug, Clone, Serialize)]
pub struct FenceRow {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub resident_id: Uuid,
    /// What it is called.
    pub name: String,
    /// For how many seconds somebody may be elsewhere.
    pub grace_s: i32,
    /// Its shape.
    #[serde(flatten)]
    pub shape: FenceShape,
}

/// The shape of a fence: as the database keeps it, the middle of a circle with its radius, or a polygon.
#[derive(Debug, Clone, Serialize)]
pub struct FenceShape {
    area: Value,
    radius_m: Option<f64>,
}

impl FenceShape {
    /// Everything so near to a place.
    pub fn circle(middle: Position, radius_m: f64) -> Self {
        let area = json!({ "type": "Point", "coordinates": [middle.lon_deg(), middle.lat_deg()] });
        Self { area, radius_m: Some(radius_m) }
    }

    /// Everything inside a ring.
    pub fn polygon(ring: &Area) -> Self {
        Self { area: json!({ "type": "Polygon", "coordinates": [ring.corners()] }), radius_m: None }
    }
}

/// A terminal on somebody's body.
#[derive(Debug, Clone, Serialize)]
pub struct TerminalRow {
    /// Its name in topics.
    pub serial: String,
    /// Its MQTT user name.
    pub login: String,
    /// SHA-256 of its MQTT password.
    #[serde(with = "hex::serde")]
    pub secret_sha256: [u8; 32],
    /// What it speaks.
    pub dialect: &'static str,
    /// What it is.
    pub model: &'static str,
    /// Whether "publish now" means help (OwnTracks).
    pub manual_publish_means_help: bool,
    /// Who wears it.
    pub resident_id: Uuid,
}

/// A company.
#[derive(Debug, Clone, Serialize)]
pub struct ProviderRow {
    /// Its id.
    pub id: Uuid,
    /// The place that it belongs to.
    pub node_id: Uuid,
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: At,
    /// What it does.
    pub categories: Vec<String>,
    /// Below which nodes it does so.
    pub areas: Vec<Uuid>,
    /// When it does daily help, in minutes of each day; none: always.
    pub daily_hours: Option<(i32, i32)>,
    /// How good its work is held to be, 5 the best.
    pub grade: Option<i16>,
}

/// Somebody who goes, on duty.
#[derive(Debug, Clone, Serialize)]
pub struct ResponderRow {
    /// Their id.
    pub id: Uuid,
    /// Their company.
    pub provider_id: Uuid,
    /// The place that they belong to.
    pub node_id: Uuid,
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// SHA-256 of the token of their application.
    #[serde(with = "hex::serde")]
    pub token_sha256: [u8; 32],
    /// Where they are now.
    #[serde(flatten)]
    pub place: At,
    /// `walk`, `ebike`, `car`.
    pub mode: &'static str,
    /// `female` or `male`.
    pub sex: &'static str,
    /// What they do of what their company does; nothing: all of it.
    pub skills: Vec<&'static str>,
    /// What they speak beside what everybody does.
    pub languages: Vec<&'static str>,
}

/// Where ambulances stand.
#[derive(Debug, Clone, Serialize)]
pub struct StationRow {
    /// Its id.
    pub id: Uuid,
    /// The place that it lies in.
    pub node_id: Uuid,
    /// Name.
    pub name: String,
    /// Where.
    #[serde(flatten)]
    pub place: At,
}

/// Everything that is settled.
#[derive(Debug, Clone)]
pub struct District {
    /// The root's name and outline. Its id stays.
    pub root: (String, Area),
    /// What lies below it.
    pub nodes: Vec<NodeRow>,
    /// Who is to be helped.
    pub residents: Vec<ResidentRow>,
    /// Who is told about them.
    pub contacts: Vec<ContactRow>,
    /// Where they should be.
    pub fences: Vec<FenceRow>,
    /// What they wear.
    pub terminals: Vec<TerminalRow>,
    /// Who helps.
    pub providers: Vec<ProviderRow>,
    /// Their people.
    pub responders: Vec<ResponderRow>,
    /// Where ambulances stand.
    pub stations: Vec<StationRow>,
}

fn rows(rows: &impl Serialize) -> Value {
    serde_json::to_value(rows).unwrap_or_else(|_| unreachable!("rows have string keys only"))
}

/// Writes a district down.
pub async fn settle(conn: &mut PgConnection, district: &District) -> Result<(), StoreError> {
    nodes(conn, district).await?;
    people(conn, district).await?;
    helpers(conn, district).await
}

async fn nodes(conn: &mut PgConnection, district: &District) -> Result<(), StoreError> {
    let (name, area) = &district.root;
    sqlx::query!(
        "update org_node set level = 'district', name = $1, area = st_geomfromgeojson($2::jsonb)::geography
         where parent_id is null",
        name,
        rows(area),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into org_node (id, parent_id, level, name, path, area)
         select id, parent_id, level, name, path, st_geomfromgeojson(area)::geography
         from jsonb_to_recordset($1::jsonb)
            as x (id uuid, parent_id uuid, level text, name text, path uuid[], area jsonb)",
        rows(&district.nodes),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn people(conn: &mut PgConnection, district: &District) -> Result<(), StoreError> {
    sqlx::query!(
        "with settled as (
            select * from jsonb_to_recordset($1::jsonb) as x (id uuid, name text, sex text, born_in smallint,
                phone text, category text, address text, door_access text, lat double precision,
                lon double precision, serving_node uuid, registered_node uuid, handover_policy text, card text,
                medical_risk boolean)
         ), resident_rows as (
            insert into resident (id, name, sex, born_in, phone, category, address, door_access, home,
                serving_node, registered_node, handover_policy, medical_risk)
            select id, name, sex, born_in, phone, category, address, door_access,
                st_setsrid(st_makepoint(lon, lat), 4326)::geography, serving_node, registered_node, handover_policy,
                medical_risk
            from settled
         )
         insert into medical_card (resident_id, card) select id, card from settled",
        rows(&district.residents),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into contact (resident_id, rank, name, relation, phone, email)
         select resident_id, rank, name, relation, phone, email from jsonb_to_recordset($1::jsonb)
            as x (resident_id uuid, rank smallint, name text, relation text, phone text, email text)",
        rows(&district.contacts),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into fence (id, resident_id, name, kind, area, radius_m, grace_s)
         select id, resident_id, name, 'safe', st_geomfromgeojson(area)::geography, radius_m, grace_s
         from jsonb_to_recordset($1::jsonb)
            as x (id uuid, resident_id uuid, name text, area jsonb, radius_m double precision, grace_s integer)",
        rows(&district.fences),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "with settled as (
            select * from jsonb_to_recordset($1::jsonb) as x (serial text, login text, secret_sha256 text,
                dialect text, model text, manual_publish_means_help boolean, resident_id uuid)
         ), terminal_rows as (
            insert into terminal (serial, login, secret_sha256, dialect, model, manual_publish_means_help)
            select serial, login, decode(secret_sha256, 'hex'), dialect, model, manual_publish_means_help
            from settled
            returning id, serial
         )
         insert into terminal_assignment (terminal_id, resident_id, since)
         select terminal_rows.id, settled.resident_id, clock_timestamp()
         from terminal_rows join settled using (serial)",
        rows(&district.terminals),
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn helpers(conn: &mut PgConnection, district: &District) -> Result<(), StoreError> {
    sqlx::query!(
        "with settled as (
            select * from jsonb_to_recordset($1::jsonb) as x (id uuid, node_id uuid, name text, phone text,
                lat double precision, lon double precision, categories text[], areas uuid[], daily_hours integer[],
                grade smallint)
         ), provider_rows as (
            insert into provider (id, node_id, name, phone, place)
            select id, node_id, name, phone, st_setsrid(st_makepoint(lon, lat), 4326)::geography from settled
         )
         insert into contract (provider_id, node_id, category, grade, hours)
         select id, area, category, grade, case when category <> 'emergency' and daily_hours is not null then (
            select range_agg(int4range(day * 1440 + daily_hours[1], day * 1440 + daily_hours[2]))
            from generate_series(0, 6) day) end
         from settled, unnest(areas) area, unnest(categories) category",
        rows(&district.providers),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "with settled as (
            select * from jsonb_to_recordset($1::jsonb) as x (id uuid, provider_id uuid, node_id uuid, name text,
                phone text, token_sha256 text, lat double precision, lon double precision, mode text, sex text,
                skills text[], languages text[])
         ), responder_rows as (
            insert into responder (id, provider_id, node_id, name, phone, on_duty, token_sha256, mode, sex, skills,
                languages)
            select id, provider_id, node_id, name, phone, true, decode(token_sha256, 'hex'), mode, sex,
                nullif(skills, '{}'), languages
            from settled
         )
         insert into responder_position (responder_id, place, at)
         select id, st_setsrid(st_makepoint(lon, lat), 4326)::geography, clock_timestamp() from settled",
        rows(&district.responders),
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into ambulance_station (id, node_id, name, place)
         select id, node_id, name, st_setsrid(st_makepoint(lon, lat), 4326)::geography
         from jsonb_to_recordset($1::jsonb)
            as x (id uuid, node_id uuid, name text, lat double precision, lon double precision)",
        rows(&district.stations),
    )
    .execute(conn)
    .await?;
    Ok(())
}
