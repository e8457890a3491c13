//! The organisation tree, as an administrator draws it: which nodes there are, and whether an area can be one.

use domain::place::Position;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;

/// Borders are drawn twice and never the same: so much of the smaller area may lie on the wrong side.
const SLIVER: f64 = 0.01;
/// An area that lies further from the rest than this belongs to somebody else, in metres.
const FAR_M: f64 = 200_000.0;
/// Larger than any province: a ring that runs the wrong way round the earth, in square metres.
const HUGE_M2: f64 = 2.0e12;
/// Smaller than a courtyard's shed, in square metres.
const TINY_M2: f64 = 10.0;

/// A node.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    /// Its identity.
    pub id: Uuid,
    /// The node above it.
    pub parent: Option<Uuid>,
    /// `city`, `district`, `street`, `community`, `grid`, `courtyard`.
    pub level: String,
    /// Its own name.
    pub name: String,
    /// The names from the root to it, joined by `/`.
    pub path: String,
    /// How large its area is; none: it has none.
    pub area_m2: Option<f64>,
    /// How many residents are served there, not counting those below it.
    pub residents: i64,
}

/// Every node, each after the one above it.
pub async fn nodes(conn: &mut PgConnection) -> Result<Vec<Node>, StoreError> {
    Ok(sqlx::query_as!(
        Node,
        r#"select n.id, n.parent_id as parent, n.level, n.name,
            (select string_agg(above.name, '/' order by cardinality(above.path))
             from org_node above where above.id = any(n.path)) as "path!",
            st_area(n.area) as area_m2,
            (select count(*) from resident r where r.serving_node = n.id) as "residents!"
         from org_node n order by 5"#
    )
    .fetch_all(conn)
    .await?)
}

/// Gives a node another name, and another level if one is given.
pub async fn rename(conn: &mut PgConnection, node: Uuid, name: &str, level: Option<&str>) -> Result<(), StoreError> {
    sqlx::query!("update org_node set name = $2, level = coalesce($3, level) where id = $1", node, name, level)
        .execute(conn)
        .await?;
    Ok(())
}

/// Why an area cannot be a node's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Misdrawn {
    /// Its lines cross, or the like.
    #[error("it is no possible area: {why}; draw it anew so that its border does not touch or cross itself")]
    Impossible {
        /// In PostGIS's words, with the place.
        why: String,
    },
    /// Next to nothing.
    #[error("it covers only {area_m2:.0} m²; check that the coordinates are degrees")]
    Tiny {
        /// Its size.
        area_m2: f64,
    },
    /// Larger than any province.
    #[error("it covers {:.0} km², more than any province", .area_m2 / 1.0e6)]
    Huge {
        /// Its size.
        area_m2: f64,
    },
    /// Nowhere near anything else.
    #[error("it lies {:.0} km away from the rest of the district: is it another place's, or are its coordinates in another order?", .distance_m / 1000.0)]
    FarAway {
        /// From the nearest other area or home.
        distance_m: f64,
    },
    /// On the far side of the earth, with its coordinates in the order latitude, longitude.
    #[error("it lies {:.0} km away from the rest of the district, and near it with latitude and longitude swapped: GeoJSON wants longitude first", .distance_m / 1000.0)]
    Swapped {
        /// From the nearest other area or home.
        distance_m: f64,
    },
    /// It is partly outside the node above.
    #[error("{share_pct:.0} % of it lies outside {parent}; enlarge that first, or cut this back")]
    OutsideParent {
        /// The node above.
        parent: String,
        /// How much of it.
        share_pct: f64,
    },
    /// A neighbour has part of it already.
    #[error("it overlaps {sibling} by {area_m2:.0} m²; a place can belong to one of them only")]
    Overlaps {
        /// The neighbour.
        sibling: String,
        /// By how much.
        area_m2: f64,
    },
    /// A node below would be left out.
    #[error(
        "{share_pct:.0} % of {child}, which lies below it, would be outside; include it, or draw {child} anew first"
    )]
    LeavesOut {
        /// The node below.
        child: String,
        /// How much of that.
        share_pct: f64,
    },
}

/// Nobody else may draw until the transaction is over: two areas that are judged at a time could overlap.
pub async fn hold(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("lock table org_node in share row exclusive mode").execute(conn).await?;
    Ok(())
}

/// Says everything that keeps an area (GeoJSON, a polygon or several, in WGS-84) from being that of a node: an
/// existing one, or one that is to be added below `parent`.
pub async fn judge_area(
    conn: &mut PgConnection,
    node: Option<Uuid>,
    parent: Option<Uuid>,
    geojson: &str,
) -> Result<Vec<Misdrawn>, StoreError> {
    let drawn = sqlx::query!(
        r#"select st_isvalid(drawn.g) as "valid!", st_isvalidreason(drawn.g) as "why!"
         from (select st_setsrid(st_geomfromgeojson($1), 4326) as g) drawn"#,
        geojson
    )
    .fetch_one(&mut *conn)
    .await?;
    if !drawn.valid {
        return Ok(vec![Misdrawn::Impossible { why: drawn.why }]);
    }
    let size = sqlx::query!(
        r#"with drawn as (select st_setsrid(st_geomfromgeojson($1), 4326) as g),
         rest as (
            select st_collect(place) as g from (
                select area::geometry as place from org_node where area is not null and id is distinct from $2
                union all select home::geometry from resident where home is not null limit 2000) others)
         select st_area(drawn.g::geography) as "area_m2!",
            st_distance(drawn.g::geography, rest.g::geography) as distance_m,
            st_distance(st_flipcoordinates(drawn.g)::geography, rest.g::geography) as flipped_m
         from drawn, rest"#,
        geojson,
        node,
    )
    .fetch_one(&mut *conn)
    .await?;
    if size.area_m2 < TINY_M2 {
        return Ok(vec![Misdrawn::Tiny { area_m2: size.area_m2 }]);
    }
    if size.area_m2 > HUGE_M2 {
        return Ok(vec![Misdrawn::Huge { area_m2: size.area_m2 }]);
    }
    if let Some(distance_m) = size.distance_m.filter(|distance_m| *distance_m > FAR_M) {
        let is_near_flipped = size.flipped_m.is_some_and(|flipped_m| flipped_m <= FAR_M);
        let fault = if is_near_flipped { Misdrawn::Swapped { distance_m } } else { Misdrawn::FarAway { distance_m } };
        return Ok(vec![fault]);
    }
    let others = sqlx::query!(
        r#"with drawn as (select st_setsrid(st_geomfromgeojson($1), 4326) as g),
         -- What is drawn lies in the nearest node above that has an area.
         outer_node as (
            select above.id from org_node n join org_node above on above.id = any(n.path)
            where n.id = $3 and above.area is not null
            order by cardinality(above.path) desc limit 1),
         judged as (
            select n.id, n.name, n.path, n.area,
                case when n.id = (select id from outer_node) then 'above'
                    when $2 = any(n.path) then 'below' else 'beside' end as stands
            from org_node n
            where n.area is not null and n.id is distinct from $2
                and not exists (select from org_node p where p.id = $3 and n.id = any(p.path)
                    and n.id is distinct from (select id from outer_node))
                and (not exists (select from outer_node) or (select id from outer_node) = any(n.path)))
         select j.name, j.stands as "stands!",
            st_area(st_intersection(drawn.g, j.area::geometry)::geography) as "shared_m2!",
            st_area(drawn.g::geography) as "own_m2!", st_area(j.area) as "their_m2!"
         from judged j, drawn
         -- The highest of them with an area speaks for all that lie in it.
         where not exists (select from judged k where k.stands = j.stands and k.id = any(j.path) and k.id <> j.id)
         order by j.name"#,
        geojson,
        node,
        parent,
    )
    .fetch_all(conn)
    .await?;
    let mut faults = Vec::new();
    for other in others {
        let (shared, own, their) = (other.shared_m2, other.own_m2, other.their_m2);
        match other.stands.as_str() {
            "above" if own - shared > own * SLIVER => {
                faults.push(Misdrawn::OutsideParent { parent: other.name, share_pct: (own - shared) / own * 100.0 });
            }
            "below" if their - shared > their * SLIVER => {
                faults.push(Misdrawn::LeavesOut { child: other.name, share_pct: (their - shared) / their * 100.0 });
            }
            "beside" if shared > own.min(their) * SLIVER => {
                faults.push(Misdrawn::Overlaps { sibling: other.name, area_m2: shared });
            }
            _ => {}
        }
    }
    Ok(faults)
}

/// Gives a node an area that was judged.
pub async fn set_area(conn: &mut PgConnection, node: Uuid, geojson: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update org_node set area = st_multi(st_setsrid(st_geomfromgeojson($2), 4326))::geography where id = $1",
        node,
        geojson
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The node above a node.
pub async fn parent(conn: &mut PgConnection, node: Uuid) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select parent_id from org_node where id = $1", node).fetch_one(conn).await?)
}

/// The deepest node whose area holds a place, given in degrees.
pub async fn node_at(conn: &mut PgConnection, lat_deg: f64, lon_deg: f64) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("select node_at(st_setsrid(st_makepoint($1, $2), 4326)::geography)", lon_deg, lat_deg)
        .fetch_one(conn)
        .await?)
}

/// The middle of the district: of its areas, else of its people's homes.
pub async fn centre(conn: &mut PgConnection) -> Result<Option<Position>, StoreError> {
    let row = sqlx::query!(
        "with places as (select coalesce(
            (select st_centroid(st_collect(area::geometry)) from org_node where area is not null),
            (select st_geometricmedian(st_collect(home::geometry)) from resident where home is not null)) as middle)
         select st_y(middle) as lat, st_x(middle) as lon from places"
    )
    .fetch_one(conn)
    .await?;
    Ok(row.lat.zip(row.lon).and_then(|(lat, lon)| Position::new(lat, lon).ok()))
}
