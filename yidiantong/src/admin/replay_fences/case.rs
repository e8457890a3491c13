//! Days in the life of a wearer, as `make-traces` writes them, and what the engine says of them.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use domain::id::FenceId;
use domain::place::{Metres, Position, Source};
use domain::whereabouts::{Area, Fix, Kind, Standing, Turn, Wearer, Zone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// One wearer: fences, and what the terminal told, in order of arrival.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Which.
    pub id: String,
    /// Where they should be, and should not.
    #[serde(default, deserialize_with = "or_none")]
    pub fences: Vec<Fence>,
    /// What arrived.
    #[serde(default, deserialize_with = "or_none")]
    pub fixes: Vec<Told>,
    /// For how long they may be elsewhere, seconds; without it three minutes.
    pub grace_s: Option<f64>,
    /// When the wearer really crossed: for pictures only, the engine never sees it.
    #[serde(default, deserialize_with = "legible")]
    pub truth: Vec<Truth>,
}

/// For how long they may be elsewhere when neither fence nor case says, seconds.
const GRACE_S: f64 = 180.0;

/// What is null is as what is not there.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What can be read of the truth: nobody is judged by it here.
fn legible<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Truth>, D::Error> {
    let all: Vec<serde_json::Value> = or_none(from)?;
    Ok(all.into_iter().filter_map(|told| serde_json::from_value(told).ok()).collect())
}

/// A fence of a case.
#[derive(Debug, Clone, Deserialize)]
pub struct Fence {
    /// Its name.
    pub id: String,
    /// What it is for; without it they are safe there.
    pub kind: Option<String>,
    /// Where it is.
    pub shape: Shape,
    /// For how long they may be elsewhere, seconds; without it the case's.
    pub grace_s: Option<f64>,
}

/// Where a fence is.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Shape {
    /// Within a distance of a point.
    Circle {
        /// Degrees north.
        lat: f64,
        /// Degrees east.
        lon: f64,
        /// Metres.
        radius_m: f64,
    },
    /// Within an outline, and in none of its holes.
    Polygon {
        /// Latitude and longitude.
        points: Vec<[f64; 2]>,
        /// The same.
        #[serde(default, deserialize_with = "or_none")]
        holes: Vec<Vec<[f64; 2]>>,
    },
    /// Along a line.
    Corridor {
        /// Latitude and longitude.
        points: Vec<[f64; 2]>,
        /// To either side, metres.
        half_width_m: f64,
    },
}

/// A fix of a case. Times are seconds.
#[derive(Debug, Clone, Deserialize)]
pub struct Told {
    /// When it arrived; without it at once.
    pub received_at: Option<f64>,
    /// When the terminal says it was.
    pub at: Option<f64>,
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// The radius that is claimed.
    pub accuracy_m: Option<f64>,
    /// gnss, wifi, cell.
    pub source: Option<String>,
    /// What the receiver says of speed.
    pub speed_kmh: Option<f64>,
}

/// What really happened.
#[derive(Debug, Clone, Deserialize)]
pub struct Truth {
    /// `exit` or `enter`.
    pub event: String,
    /// When, seconds.
    pub at: f64,
}

/// What the engine said of a case.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Which case.
    pub id: String,
    /// In order.
    pub events: Vec<Event>,
}

/// One thing that the engine said.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Of which fence.
    pub fence: String,
    /// What.
    pub event: &'static str,
    /// Arrival of the fix that decided it, seconds.
    pub at: f64,
    /// Why.
    pub why: String,
}

impl Case {
    /// The engine, before the first fix, and the names of its zones.
    pub fn begin(&self) -> anyhow::Result<(Wearer, HashMap<FenceId, String>)> {
        let mut zones = Vec::with_capacity(self.fences.len());
        let mut names = HashMap::new();
        for (number, fence) in (1..).zip(&self.fences) {
            let id = FenceId(Uuid::from_u128(number));
            let area = fence.shape.area().with_context(|| format!("fence {}", fence.id))?;
            names.insert(id, fence.id.clone());
            let grace = SignedDuration::try_from_secs_f64(fence.grace_s.or(self.grace_s).unwrap_or(GRACE_S))?;
            let kind = fence.kind.as_deref().map_or(Ok(Kind::Safe), str::parse)?;
            zones.push(Zone { id, kind, area: Arc::new(area), grace });
        }
        // Where they are expected before anything is known: in the first safe fence.
        let home = zones.iter().find(|zone| zone.kind == Kind::Safe).or(zones.first()).context("there is no fence")?;
        let (middle, within) = (home.area.middle(), home.area.breadth());
        Ok((Wearer::new(middle, within, zones), names))
    }

    /// What the engine says, fix by fix. Without a fence there is nothing to say.
    pub fn play(&self) -> anyhow::Result<Answer> {
        let mut events = Vec::new();
        if !self.fences.is_empty() {
            let (mut wearer, names) = self.begin()?;
            for (fix, at) in self.fixes.iter().filter_map(Told::fix) {
                events.extend(wearer.see(&fix).iter().filter_map(|turn| said(turn, &names, at)));
            }
        }
        Ok(Answer { id: self.id.clone(), events })
    }
}

/// The events of a turn: a return, or a confirmation that was no more than a mistake, is `entered`.
pub(super) fn said(turn: &Turn, names: &HashMap<FenceId, String>, at: f64) -> Option<Event> {
    let event = match (turn.from, turn.to) {
        (_, Standing::Confirmed) => "exit_confirmed",
        (Standing::Confirmed, _) => "entered",
        (_, Standing::Suspected) => "exit_suspected",
        _ => return None,
    };
    let fence = names.get(&turn.zone).cloned().unwrap_or_default();
    Some(Event { fence, event, at, why: turn.to_string() })
}

impl Told {
    /// As the engine takes it, and the second in which it came; none when it is no position, or of no time.
    pub fn fix(&self) -> Option<(Fix, f64)> {
        let at = self.received_at.or(self.at)?;
        let fix = Fix {
            place: Position::new(self.lat?, self.lon?).ok()?,
            accuracy: self.accuracy_m.map(Metres),
            source: self.source.as_deref().and_then(|source| source.parse().ok()).unwrap_or(Source::Unknown),
            speed_kmh: self.speed_kmh,
            device_at: self.at.and_then(moment),
            received_at: moment(at)?,
        };
        Some((fix, at))
    }
}

/// Seconds since 1970.
fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

impl Shape {
    fn area(&self) -> anyhow::Result<Area> {
        let ring = |points: &[[f64; 2]]| {
            points.iter().map(|[lat, lon]| Ok(Position::new(*lat, *lon)?)).collect::<anyhow::Result<Vec<Position>>>()
        };
        Ok(match self {
            Self::Circle { lat, lon, radius_m } => Area::circle(Position::new(*lat, *lon)?, Metres(*radius_m))?,
            Self::Polygon { points, holes } => {
                let mut rings = vec![ring(points)?];
                for hole in holes {
                    rings.push(ring(hole)?);
                }
                Area::polygon(&rings)?
            }
            Self::Corridor { points, half_width_m } => Area::corridor(ring(points)?, Metres(*half_width_m))?,
        })
    }
}
