//! Puts the district into an empty database.

use std::path::Path;

use anyhow::Context as _;
use dispatcher::access::Role;
use dispatcher::clock::fresh_id;
use dispatcher::http::password;
use dispatcher::store::registry;
use dispatcher::store::settle::{
    self, Area, ContactRow, District, FenceRow, FenceShape, NodeRow, ProviderRow, ResidentRow, ResponderRow,
    StationRow, TerminalRow,
};
use domain::place::{NoPosition, Position};
use domain::word::Word as _;
use firmware_sim::fleet::Wearer;
use firmware_sim::ground::Point;
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinSet;
use town::Town;
use town::helpers::Ride;
use town::map::{Level, NodeNo};
use town::people::{Category, Resident, Shape};
use uuid::Uuid;
use wire::directory::{Dialect, hash_secret};

use super::{Demo, DemoResponder, DemoTerminal, DemoUser, Wanted, random_word};

/// Whoever has one of these on their card is at risk.
const RISKS: [&str; 5] = ["冠心病", "脑梗", "心房颤动", "氧气机", "胰岛素"];

/// The resident who also has a telephone with OwnTracks, which is the third of the terminals.
const WITH_A_PHONE: usize = 1;

/// Whoever walks away in a demonstration walks ten times faster than in life, and is missed sooner too, in seconds.
const GRACE_S: i32 = 30;

/// The people who work with it: login, role, over which place, name.
const USERS: [(&str, Role, Level, &str); 7] = [
    ("operator", Role::Operator, Level::District, "坐席 小林"),
    ("operator2", Role::Operator, Level::District, "坐席 小周"),
    ("supervisor", Role::Supervisor, Level::District, "值班长 老何"),
    ("admin", Role::Admin, Level::District, "管理员 小方"),
    ("street", Role::Operator, Level::Street, "街道坐席 小陶"),
    ("grid", Role::GridOfficer, Level::Community, "网格员 小段"),
    ("responder", Role::Responder, Level::District, "李卫"),
];

/// Puts the district into an empty database, and gives everybody who works with it the passwords of this run.
/// Terminals and responders keep their secrets, in `demo.json` in the data folder.
pub async fn seed(pool: &PgPool, data: &Path, wanted: Wanted) -> anyhow::Result<Option<Demo>> {
    if wanted == Wanted::Nothing {
        return Ok(None);
    }
    let path = data.join("demo.json");
    let passwords = hashed_passwords();
    let mut tx = dispatcher::store::begin(pool).await?;
    let is_new = registry::resident_count(&mut tx).await? == 0;
    let mut demo: Demo = if is_new {
        settle(&mut tx, &Town::new(town::SEED)).await?
    } else {
        let kept = std::fs::read(&path).with_context(|| {
            format!(
                "the database holds residents, but {} with the demonstration's keys is missing: use an empty database",
                path.display()
            )
        })?;
        serde_json::from_slice(&kept)?
    };
    demo.users = let_in(&mut tx, passwords.await?).await?;
    write_private(&path, &serde_json::to_vec_pretty(&demo)?)?;
    tx.commit().await?;
    Ok(Some(demo))
}

/// A new password for each user, with its hash. Hashing is slow on purpose: all of them at once.
fn hashed_passwords() -> impl Future<Output = anyhow::Result<Vec<(String, String)>>> {
    let mut hashing: JoinSet<_> = (0..USERS.len())
        .map(|user| async move {
            tokio::task::spawn_blocking(move || {
                let password = random_word();
                password::hash(&password).map(|hash| (user, password, hash))
            })
            .await
        })
        .collect();
    async move {
        let mut hashed = Vec::new();
        while let Some(done) = hashing.join_next().await {
            hashed.push(done??.map_err(anyhow::Error::msg)?);
        }
        hashed.sort();
        Ok(hashed.into_iter().map(|(_, password, hash)| (password, hash)).collect())
    }
}

async fn let_in(conn: &mut PgConnection, passwords: Vec<(String, String)>) -> anyhow::Result<Vec<DemoUser>> {
    let home = registry::home_path(conn, &serial(0)).await?;
    let mut users = Vec::new();
    for ((login, role, level, name), (password, hash)) in USERS.into_iter().zip(passwords) {
        // District, street, community: what the first resident's home lies in.
        let node = home.get(level as usize).or(home.first()).copied().context("the first resident lives nowhere")?;
        let user = registry::put_user(conn, login, name, &[(role, node)], &hash).await?;
        if role == Role::Responder {
            registry::let_responder_log_in(conn, name, user).await?;
        }
        users.push(DemoUser { login: login.into(), role: role.as_str().into(), name: name.into(), password });
    }
    Ok(users)
}

/// Only for our own eyes: it holds secrets.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

fn serial(index: usize) -> String {
    format!("P{}", 1001 + index)
}

fn position(point: Point) -> Result<Position, NoPosition> {
    Position::new(point.lat, point.lon)
}

fn area(ring: &[Point]) -> Result<Area, NoPosition> {
    Ok(Area(ring.iter().copied().map(position).collect::<Result<_, _>>()?))
}

async fn settle(conn: &mut PgConnection, town: &Town) -> anyhow::Result<Demo> {
    let root = registry::root(conn).await?;
    let mut settling = Settling::begin(root, town)?;
    for (index, resident) in town.residents.iter().enumerate() {
        settling.resident(index, resident)?;
    }
    for provider in &town.providers {
        settling.provider(provider)?;
    }
    for station in &town.stations {
        let node_id = settling.ids[station.node];
        let place = position(station.place)?.into();
        settling.district.stations.push(StationRow { id: fresh_id(), node_id, name: station.name.clone(), place });
    }
    settle::settle(conn, &settling.district).await?;
    Ok(settling.demo)
}

/// The rows as they come together, and the secrets that nobody but the demonstration knows.
struct Settling {
    /// Of each place of the town.
    ids: Vec<Uuid>,
    district: District,
    demo: Demo,
}

impl Settling {
    fn begin(root: Uuid, town: &Town) -> anyhow::Result<Self> {
        let places = &town.map.nodes;
        let ids: Vec<Uuid> = (0..places.len()).map(|node| if node == 0 { root } else { fresh_id() }).collect();
        let path = |node: NodeNo| {
            let mut path: Vec<Uuid> =
                std::iter::successors(Some(node), |node| places[*node].parent).map(|node| ids[node]).collect();
            path.reverse();
            path
        };
        let below = places.iter().enumerate().filter_map(|(number, node)| Some((number, node, node.parent?)));
        let nodes = below
            .map(|(number, node, parent)| {
                Ok(NodeRow {
                    id: ids[number],
                    parent_id: ids[parent],
                    level: node.level.as_str(),
                    name: node.name.clone(),
                    path: path(number),
                    area: area(&node.ring)?,
                })
            })
            .collect::<Result<_, NoPosition>>()?;
        let district = District {
            root: (places[0].name.clone(), area(&places[0].ring)?),
            nodes,
            residents: Vec::new(),
            contacts: Vec::new(),
            fences: Vec::new(),
            terminals: Vec::new(),
            providers: Vec::new(),
            responders: Vec::new(),
            stations: Vec::new(),
        };
        let demo = Demo { users: Vec::new(), terminals: Vec::new(), responders: Vec::new() };
        Ok(Self { ids, district, demo })
    }

    fn resident(&mut self, index: usize, resident: &Resident) -> anyhow::Result<()> {
        let id = fresh_id();
        self.district.residents.push(ResidentRow {
            id,
            name: resident.name.clone(),
            sex: resident.sex,
            born_in: resident.born_in,
            phone: resident.phone.clone(),
            category: resident.category.as_str(),
            address: resident.address.clone(),
            door_access: resident.door_access.clone(),
            home: position(resident.home)?.into(),
            serving_node: self.ids[resident.courtyard],
            registered_node: self.ids[resident.registered],
            // Somebody who is afraid of sirens: an operator looks first.
            handover_policy: (resident.category == Category::Handicapped).then_some("operator_first"),
            card: resident.medical_card.clone(),
            medical_risk: RISKS.iter().any(|risk| resident.medical_card.contains(risk)),
        });
        let contacts = (1..).zip(&resident.contacts).map(|(rank, contact)| ContactRow {
            resident_id: id,
            rank,
            name: contact.name.clone(),
            relation: contact.relation.clone(),
            phone: contact.phone.clone(),
            email: contact.email.clone(),
        });
        self.district.contacts.extend(contacts);
        for fence in &resident.fences {
            let shape = match &fence.shape {
                Shape::Circle { middle, radius_m } => FenceShape::circle(position(*middle)?, *radius_m),
                Shape::Polygon { ring } => FenceShape::polygon(&area(ring)?),
            };
            let (name, grace_s) = (fence.name.clone(), GRACE_S);
            self.district.fences.push(FenceRow { id: fresh_id(), resident_id: id, name, grace_s, shape });
        }
        self.terminal(id, resident, serial(index), serial(index), Dialect::Ydt);
        if index == WITH_A_PHONE {
            self.terminal(id, resident, "wang/phone".into(), "wang".into(), Dialect::OwnTracks);
        }
        Ok(())
    }

    fn terminal(&mut self, resident_id: Uuid, resident: &Resident, serial: String, login: String, dialect: Dialect) {
        let secret = random_word();
        let (model, manual_publish_means_help) = match dialect {
            Dialect::OwnTracks => ("OwnTracks", true),
            _ => ("simulated pager", false),
        };
        self.district.terminals.push(TerminalRow {
            serial: serial.clone(),
            login: login.clone(),
            secret_sha256: hash_secret(secret.as_bytes()),
            dialect: dialect.as_str(),
            model,
            manual_publish_means_help,
            resident_id,
        });
        let (home, habit, haunts) = (resident.home, resident.habit, resident.haunts.clone());
        let worn = Wearer { serial, login, secret, home, habit, haunts };
        self.demo.terminals.push(DemoTerminal { worn, dialect, wearer: resident.name.clone() });
    }

    fn provider(&mut self, provider: &town::helpers::Provider) -> anyhow::Result<()> {
        let (id, node_id) = (fresh_id(), self.ids[provider.node]);
        self.district.providers.push(ProviderRow {
            id,
            node_id,
            name: provider.name.clone(),
            phone: provider.phone.clone(),
            place: position(provider.place)?.into(),
            categories: provider.categories.iter().map(|category| (*category).to_owned()).collect(),
            areas: provider.areas.iter().map(|area| self.ids[*area]).collect(),
            // Those who go everywhere do so at any time, so that nobody waits for a meal in the night; nor is there an
            // emergency for which it is too late.
            daily_hours: (provider.areas != [0]).then(|| daily_hours(&provider.categories)).flatten(),
            grade: Some(provider.grade),
        });
        for responder in &provider.responders {
            let token = random_word();
            self.district.responders.push(ResponderRow {
                id: fresh_id(),
                provider_id: id,
                node_id,
                name: responder.name.clone(),
                phone: responder.phone.clone(),
                token_sha256: hash_secret(token.as_bytes()),
                place: position(responder.place)?.into(),
                mode: match responder.rides {
                    Ride::Feet => "walk",
                    Ride::Bicycle | Ride::Scooter => "ebike",
                    Ride::Car => "car",
                },
                sex: responder.sex,
                skills: responder.skills.clone(),
                languages: responder.languages.clone(),
            });
            let (name, place, rides) = (responder.name.clone(), responder.place, responder.rides);
            self.demo.responders.push(DemoResponder { name, token, place, rides });
        }
        Ok(())
    }
}

/// From when to when a company that does these things is there for daily help, in minutes of the day; none: always.
fn daily_hours(categories: &[&str]) -> Option<(i32, i32)> {
    match categories {
        ["meal", ..] => Some((6 * 60, 20 * 60)),
        ["repair", ..] => Some((8 * 60, 20 * 60)),
        _ => None,
    }
}
