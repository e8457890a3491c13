//! `yidiantong node`: the tree of places that everything belongs to, and the areas they cover.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dispatcher::store::registry::{self, NewNode};
use dispatcher::store::{self, tree};
use domain::datum::Datum;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::{Place, say, say_json, with_database};

const LEVELS: [&str; 6] = ["city", "district", "street", "community", "grid", "courtyard"];

/// The tree of places that everything belongs to, and the areas they cover.
#[derive(Debug, clap::Args)]
pub struct Node {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Add a node below another.
    Add {
        /// The node above it: a path of names (开福区/湘雅路街道) or an id.
        parent: String,
        /// Its name.
        name: String,
        /// What it is.
        #[arg(long, value_parser = LEVELS)]
        level: String,
        /// A file with its area, GeoJSON.
        #[arg(long)]
        area: Option<PathBuf>,
        /// In which terms that file says places.
        #[arg(long, value_parser = datum, default_value = "wgs84")]
        datum: Datum,
        /// When an emergency goes to 120; else as the node above says.
        #[arg(long, value_parser = ["at_once", "operator_first"])]
        handover_policy: Option<String>,
    },
    /// List the tree.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a node another name.
    Name {
        /// A path of names or an id.
        node: String,
        /// The new name.
        name: String,
        /// The new level.
        #[arg(long, value_parser = LEVELS)]
        level: Option<String>,
    },
    /// Give a node an area.
    Area {
        /// A path of names or an id.
        node: String,
        /// A GeoJSON file with one polygon, or several as one.
        file: PathBuf,
        /// In which terms the file says places.
        #[arg(long, value_parser = datum, default_value = "wgs84")]
        datum: Datum,
        /// Only say what is wrong with it.
        #[arg(long)]
        check: bool,
    },
}

/// Reads the name of a datum.
pub(super) fn datum(text: &str) -> Result<Datum, String> {
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    match plain.as_str() {
        "wgs84" | "wgs" | "gps" => Ok(Datum::Wgs84),
        "gcj02" | "gcj" => Ok(Datum::Gcj02),
        "bd09" | "bd" => Ok(Datum::Bd09),
        _ => Err("the datums are wgs84 (satellites), gcj02 (高德, 腾讯) and bd09 (百度)".into()),
    }
}

impl Node {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            if !matches!(self.deed, Deed::List { .. }) {
                tree::hold(&mut tx).await?;
            }
            let known = Tree::read(&mut tx).await?;
            match self.deed {
                Deed::List { json } => return known.list(json),
                Deed::Add { parent, name, level, area, datum, handover_policy } => {
                    let parent = known.find(&parent)?;
                    let name = checked_name(&name)?;
                    let path = format!("{}/{name}", parent.path);
                    anyhow::ensure!(known.find(&path).is_err(), "{path} is there already");
                    let area = area.map(|file| read_area(&file, datum)).transpose()?;
                    if let Some(area) = &area {
                        judge(&mut tx, &path, (None, Some(parent.id)), area).await?;
                    }
                    let handover_policy = handover_policy.as_deref();
                    let new = NewNode { parent: parent.id, level: &level, name, handover_policy };
                    let id = registry::add_node(&mut tx, &new).await?;
                    if let Some(area) = &area {
                        tree::set_area(&mut tx, id, area).await?;
                    }
                    say(format_args!("{path} is there ({id})"));
                }
                Deed::Name { node, name, level } => {
                    let node = known.find(&node)?;
                    let name = checked_name(&name)?;
                    let is_taken = known
                        .0
                        .iter()
                        .any(|other| other.parent == node.parent && other.id != node.id && other.name == name);
                    anyhow::ensure!(!is_taken, "a neighbour of {} is called {name} already", node.path);
                    tree::rename(&mut tx, node.id, name, level.as_deref()).await?;
                    say(format_args!("{} is now called {name}", node.path));
                }
                Deed::Area { node, file, datum, check } => {
                    let node = known.find(&node)?;
                    let area = read_area(&file, datum)?;
                    judge(&mut tx, &node.path, (Some(node.id), node.parent), &area).await?;
                    if check {
                        say(format_args!("this can be the area of {}", node.path));
                        return Ok(());
                    }
                    tree::set_area(&mut tx, node.id, &area).await?;
                    say(format_args!("{} has this area now", node.path));
                }
            }
            tx.commit().await.context("nothing was changed")
        })
        .await
    }
}

async fn judge(
    conn: &mut PgConnection,
    path: &str,
    (node, parent): (Option<uuid::Uuid>, Option<uuid::Uuid>),
    area: &str,
) -> anyhow::Result<()> {
    let faults = tree::judge_area(conn, node, parent, area).await.context("PostGIS cannot read the area")?;
    if faults.is_empty() {
        return Ok(());
    }
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    anyhow::bail!("this area of {path} is refused:\n  - {}", faults.join("\n  - "))
}

fn checked_name(name: &str) -> anyhow::Result<&str> {
    let name = name.trim();
    anyhow::ensure!(!name.is_empty() && !name.contains('/'), "a name has at least one letter and no slash");
    Ok(name)
}

/// A name for a person to read, never empty.
pub(super) fn named(name: &str) -> &str {
    if name.trim().is_empty() { "(no name)" } else { name }
}

/// Every node, each after the one above it.
#[derive(Debug, Clone)]
pub(super) struct Tree(pub(super) Vec<tree::Node>);

impl Tree {
    pub(super) async fn read(conn: &mut PgConnection) -> anyhow::Result<Self> {
        Ok(Self(tree::nodes(conn).await?))
    }

    fn root(&self) -> anyhow::Result<&tree::Node> {
        self.0.iter().find(|node| node.parent.is_none()).context("the tree has no root")
    }

    pub(super) fn find_or_root(&self, text: Option<&str>) -> anyhow::Result<&tree::Node> {
        text.map_or_else(|| self.root(), |text| self.find(text))
    }

    /// By id, by path from the root (with or without the root's own name), or by the end of a path that only one has.
    pub(super) fn find(&self, text: &str) -> anyhow::Result<&tree::Node> {
        let wanted = path_of(text);
        if wanted.is_empty() {
            return self.root();
        }
        if let Some(node) =
            self.0.iter().find(|node| node.id.to_string() == text.trim().to_lowercase() || node.path == wanted)
        {
            return Ok(node);
        }
        let tail = format!("/{wanted}");
        let mut found = self.0.iter().filter(|node| node.path.ends_with(&tail));
        match (found.next(), found.next()) {
            (Some(node), None) => Ok(node),
            (Some(first), Some(second)) => {
                anyhow::bail!("{wanted} may be {} or {}: write more of the path", first.path, second.path)
            }
            _ => anyhow::bail!("there is no place {wanted}; `yidiantong node list` shows all"),
        }
    }

    fn list(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return say_json(&self.0);
        }
        for node in &self.0 {
            let depth = node.path.matches('/').count();
            let area = node.area_m2.map_or_else(|| "no area".to_owned(), |area| format!("{:.2} km²", area / 1.0e6));
            say(format_args!(
                "{}{} ({}): {area}, {} residents",
                "  ".repeat(depth),
                node.name,
                node.level,
                node.residents
            ));
        }
        Ok(())
    }
}

/// The names of a path, however it is written, joined by `/`.
fn path_of(text: &str) -> String {
    let parts = text.split(['/', '／', '>', '＞', '\\']).map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("/")
}

/// Reads one area from a GeoJSON file: a polygon, several polygons, or a feature with one of them. In WGS-84.
fn read_area(file: &Path, datum: Datum) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .with_context(|| format!("{} is no JSON", file.display()))?;
    area_of(&value, datum).with_context(|| format!("{} is no area", file.display()))
}

fn area_of(value: &Value, datum: Datum) -> anyhow::Result<String> {
    let geometry = match value["type"].as_str() {
        Some("FeatureCollection") => match value["features"].as_array().map(Vec::as_slice) {
            Some([one]) => &one["geometry"],
            Some(several) => anyhow::bail!("it holds {} features; a node has one", several.len()),
            None => anyhow::bail!("it holds no features"),
        },
        Some("Feature") => &value["geometry"],
        _ => value,
    };
    let polygons = match geometry["type"].as_str() {
        Some("Polygon") => vec![&geometry["coordinates"]],
        Some("MultiPolygon") => geometry["coordinates"].as_array().into_iter().flatten().collect(),
        Some(other) => anyhow::bail!("it is a {other}; an area is a Polygon or a MultiPolygon"),
        None => anyhow::bail!("it is not GeoJSON: a \"type\" is missing"),
    };
    let polygons: Vec<Value> =
        polygons.into_iter().map(|rings| polygon(rings, datum)).collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!polygons.is_empty(), "it holds no polygon");
    Ok(json!({ "type": "MultiPolygon", "coordinates": polygons }).to_string())
}

fn polygon(rings: &Value, datum: Datum) -> anyhow::Result<Value> {
    let rings = rings.as_array().context("a polygon is a list of rings")?;
    anyhow::ensure!(!rings.is_empty(), "a polygon has at least one ring");
    let rings: Vec<Value> = rings.iter().map(|points| ring(points, datum)).collect::<anyhow::Result<_>>()?;
    Ok(rings.into())
}

fn ring(points: &Value, datum: Datum) -> anyhow::Result<Value> {
    let points = points.as_array().context("a ring is a list of points")?;
    let mut ring: Vec<[f64; 2]> = points.iter().map(|at| point(at, datum)).collect::<anyhow::Result<_>>()?;
    // Some programs leave the last point out, which is the first again.
    if let (Some(first), Some(last)) = (ring.first().copied(), ring.last().copied())
        && first.map(f64::to_bits) != last.map(f64::to_bits)
    {
        ring.push(first);
    }
    anyhow::ensure!(
        ring.len() >= 4,
        "a ring has at least three corners, this one has {}",
        ring.len().saturating_sub(1)
    );
    Ok(json!(ring))
}

fn point(at: &Value, datum: Datum) -> anyhow::Result<[f64; 2]> {
    let number = |index: usize| at.get(index).and_then(Value::as_f64);
    let (Some(lon), Some(lat)) = (number(0), number(1)) else { anyhow::bail!("{at} is no point: two numbers are") };
    if lat.abs() > 90.0 && lon.abs() <= 90.0 {
        anyhow::bail!("{at} has latitude and longitude swapped: GeoJSON wants longitude first");
    }
    let place = datum.to_wgs84(lat, lon).map_err(|why| anyhow::anyhow!("{at} is no place: {why}"))?;
    Ok([place.lon_deg(), place.lat_deg()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let node = |n: u128, parent: Option<u128>, path: &str| tree::Node {
            id: uuid::Uuid::from_u128(n),
            parent: parent.map(uuid::Uuid::from_u128),
            level: "community".into(),
            name: path.rsplit('/').next().unwrap().into(),
            path: path.into(),
            area_m2: None,
            residents: 0,
        };
        Tree(vec![
            node(1, None, "开福区"),
            node(2, Some(1), "开福区/甲街道"),
            node(3, Some(2), "开福区/甲街道/和平社区"),
            node(4, Some(1), "开福区/乙街道"),
            node(5, Some(4), "开福区/乙街道/和平社区"),
            node(6, Some(4), "开福区/乙街道/双湾社区"),
        ])
    }

    #[test]
    fn a_node_is_found_by_path_by_the_end_of_one_or_by_its_id() {
        let tree = tree();
        let found = |text: &str| tree.find(text).map(|node| node.id.as_u128()).map_err(|error| error.to_string());
        assert_eq!(found("开福区/甲街道/和平社区"), Ok(3));
        assert_eq!(found(" /甲街道／和平社区 "), Ok(3));
        assert_eq!(found("双湾社区"), Ok(6));
        assert_eq!(found("/"), Ok(1));
        assert_eq!(found("00000000-0000-0000-0000-000000000005"), Ok(5));
        assert!(found("和平社区").unwrap_err().contains("甲街道"));
        assert!(found("湾社区").unwrap_err().contains("no place"));
    }

    #[test]
    fn an_area_is_read_closed_and_brought_into_our_datum() {
        let open = json!({ "type": "Polygon", "coordinates": [[[112.9, 28.2], [113.0, 28.2], [113.0, 28.3]]] });
        let read: Value = serde_json::from_str(&area_of(&open, Datum::Wgs84).unwrap()).unwrap();
        assert_eq!(read["coordinates"][0][0].as_array().unwrap().len(), 4);
        let feature = json!({ "type": "Feature", "properties": {}, "geometry": open });
        let shifted: Value = serde_json::from_str(&area_of(&feature, Datum::Gcj02).unwrap()).unwrap();
        let lon = shifted["coordinates"][0][0][0][0].as_f64().unwrap();
        assert!((0.001..0.01).contains(&(112.9 - lon)), "{lon}");
    }

    #[test]
    fn what_is_no_area_is_refused_with_a_sentence() {
        for (wrong, why) in [
            (json!({ "type": "Point", "coordinates": [112.9, 28.2] }), "Point"),
            (json!({ "type": "Polygon", "coordinates": [[[28.2, 112.9], [28.3, 112.9], [28.3, 113.0]]] }), "swapped"),
            (json!({ "type": "Polygon", "coordinates": [[[112.9, 28.2], [112.9, 28.2]]] }), "three corners"),
            (json!({ "type": "FeatureCollection", "features": [] }), "0 features"),
            (json!({ "coordinates": [] }), "type"),
            (json!({ "type": "MultiPolygon", "coordinates": [] }), "no polygon"),
            (json!({ "type": "Polygon", "coordinates": [[["a", 28.2]]] }), "no point"),
        ] {
            let refused = area_of(&wrong, Datum::Wgs84).unwrap_err().to_string();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }
}
