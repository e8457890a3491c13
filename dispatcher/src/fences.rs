//! A batch's positions held against the fences of those who told them.
//!
//! What a position means for a fence is `domain::fence`'s; what follows from a crossing is the intake's, which opens
//! incidents. What is believed lies in the one row of each terminal, which the batch has locked and writes anyway; the
//! fences themselves are remembered from one batch to the next.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::fence::{Belief, Crossing, Fence, Fix, Kind, Print, Turn, Watch};
use domain::id::{FenceId, ResidentId, TerminalId};
use domain::place::Metres;
use domain::word::Word;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use wire::report::Report;

use crate::lines::clean;
use crate::store::StoreError;
use crate::store::fences::{self as store, Beliefs};
use crate::store::intake::{Locked, PlacedFix};
use crate::store::timeline::Line;

/// Of so many residents the fences are remembered at most. A circle takes some two hundred bytes.
const REMEMBERED_MAX: usize = 1_000_000;

/// The fences of residents as they were last read. Each resident's hold for as long as the count of their changes is
/// the same.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    of_each: Mutex<HashMap<ResidentId, Drawn>>,
}

/// The active fences of a resident at a count of changes.
#[derive(Debug)]
struct Drawn {
    version: i32,
    fences: Arc<[Fence]>,
}

impl Remembered {
    /// The active fences of these residents, each at this count of changes.
    async fn of(
        &self,
        conn: &mut PgConnection,
        wanted: impl Iterator<Item = (ResidentId, i32)>,
    ) -> Result<HashMap<ResidentId, Arc<[Fence]>>, StoreError> {
        let mut found = HashMap::new();
        let mut missing: HashMap<ResidentId, i32> = HashMap::new();
        {
            let remembered = self.of_each.lock();
            for (resident, version) in wanted {
                match remembered.get(&resident) {
                    Some(drawn) if drawn.version == version => {
                        found.insert(resident, Arc::clone(&drawn.fences));
                    }
                    _ => {
                        missing.insert(resident, version);
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let residents: Vec<Uuid> = missing.keys().map(|resident| resident.0).collect();
        let mut read = store::active(conn, &residents).await?;
        let mut remembered = self.of_each.lock();
        if remembered.len() + missing.len() > REMEMBERED_MAX {
            remembered.clear();
        }
        for (resident, version) in missing {
            let fences: Arc<[Fence]> = read.remove(&resident).unwrap_or_default().into();
            found.insert(resident, Arc::clone(&fences));
            remembered.insert(resident, Drawn { version, fences });
        }
        Ok(found)
    }
}

/// What a report says of its wearer's whereabouts.
pub(crate) struct Told<'r> {
    /// Its place in the batch.
    pub(crate) row: usize,
    pub(crate) report: &'r Report,
    /// Of its bytes.
    pub(crate) digest: &'r [u8],
    pub(crate) resident: ResidentId,
    pub(crate) terminal: TerminalId,
    /// Since when they wear it.
    pub(crate) since: Timestamp,
    /// The count of their fences.
    pub(crate) version: i32,
    pub(crate) places: &'r [PlacedFix],
}

/// Somebody left where they should be, or came back.
pub(crate) struct Crossed {
    /// The place in the batch of the report that settled it.
    pub(crate) row: usize,
    pub(crate) resident: ResidentId,
    pub(crate) turn: Turn,
    /// What is known of it, so that whoever is woken for it can judge it too.
    pub(crate) line: Line,
}

/// What a batch's positions came to.
#[derive(Default)]
pub(crate) struct Judged {
    /// Who crossed, in the order of the batch.
    pub(crate) crossed: Vec<Crossed>,
    watched: BTreeMap<TerminalId, Watched>,
}

/// One terminal's wearer, watched.
struct Watched {
    resident: ResidentId,
    version: i32,
    watch: Watch,
}

impl Judged {
    /// What is believed after the batch.
    pub(crate) fn beliefs(&self, now: Timestamp) -> impl Iterator<Item = (TerminalId, Beliefs)> {
        let with_fences = self.watched.iter().filter(|(_, watched)| !watched.watch.beliefs.is_empty());
        with_fences.map(move |(terminal, Watched { version, watch, .. })| {
            let each = watch.beliefs.iter().map(|(fence, belief)| (fence.id, belief.standing)).collect();
            let newest = watch.beliefs.iter().filter_map(|(_, belief)| belief.newest).max();
            (*terminal, Beliefs { of: *version, at: now, newest, each })
        })
    }

    /// Who crossed the edge of a fence that is judged by its rules, or is seen by it for the first time: their rules are to
    /// be looked at.
    pub(crate) fn turned(&self, before: &HashMap<TerminalId, Locked>) -> Vec<Uuid> {
        let turned = self.watched.iter().filter(|(terminal, Watched { version, watch, .. })| {
            let before = before.get(terminal).and_then(|locked| locked.beliefs.as_ref());
            let before = before.filter(|beliefs| beliefs.of == *version);
            let was_outside = |fence: FenceId| {
                let known = before?.each.iter().find(|(of, _)| *of == fence);
                known.map(|(_, standing)| standing.is_outside())
            };
            watch.beliefs.iter().any(|(fence, belief)| {
                fence.kind != Kind::Safe && was_outside(fence.id) != Some(belief.standing.is_outside())
            })
        });
        turned.map(|(_, watched)| watched.resident.0).collect()
    }

    /// Which of these residents are out by any of the terminals that they wear, also by those of which this batch
    /// has nothing. To be asked when their incidents are locked: of two batches the later one sees what the earlier
    /// has written.
    pub(crate) async fn out(
        &self,
        conn: &mut PgConnection,
        residents: &[Uuid],
        remembered: &Remembered,
    ) -> Result<HashSet<ResidentId>, StoreError> {
        let worn = store::worn(conn, residents).await?;
        let fences = remembered.of(conn, worn.iter().map(|worn| (worn.resident, worn.version))).await?;
        let out = worn.into_iter().filter(|worn| match self.watched.get(&worn.terminal) {
            Some(watched) if watched.resident == worn.resident => watched.watch.is_out(),
            _ => watch(&fences[&worn.resident], worn.beliefs.as_ref(), (worn.version, worn.since)).is_out(),
        });
        Ok(out.map(|worn| worn.resident).collect())
    }
}

/// A wearer's fences with what was believed of them, if that was of this wearer and of these fences.
fn watch(fences: &[Fence], beliefs: Option<&Beliefs>, (version, since): (i32, Timestamp)) -> Watch {
    let beliefs = beliefs.filter(|beliefs| beliefs.of == version && since <= beliefs.at);
    let newest = beliefs.and_then(|beliefs| beliefs.newest);
    let believed = |fence: FenceId| {
        let each = beliefs.map(|beliefs| &beliefs.each[..]).unwrap_or_default();
        let standing = each.iter().find(|(of, _)| *of == fence).map(|(_, standing)| *standing);
        Belief { standing: standing.unwrap_or_default(), newest }
    };
    Watch { beliefs: fences.iter().map(|fence| (fence.clone(), believed(fence.id))).collect() }
}

/// Judges a batch whose terminals' rows are locked.
pub(crate) async fn judge(
    tx: &mut PgConnection,
    told: &[Told<'_>],
    before: &HashMap<TerminalId, Locked>,
    remembered: &Remembered,
) -> Result<Judged, StoreError> {
    if told.is_empty() {
        return Ok(Judged::default());
    }
    let fences = remembered.of(tx, told.iter().map(|told| (told.resident, told.version))).await?;
    let mut judged = Judged::default();
    let mut crossings: Vec<(&Told<'_>, Crossing)> = Vec::new();
    for told in told {
        let Told { resident, terminal, version, since, .. } = *told;
        let watched = judged.watched.entry(terminal).or_insert_with(|| {
            let before = before.get(&terminal).and_then(|locked| locked.beliefs.as_ref());
            let watch = watch(&fences[&resident], before, (version, since));
            Watched { resident, version, watch }
        });
        crossings.extend(fixes(told).filter_map(|fix| watched.watch.see(&fix)).map(|crossing| (told, crossing)));
    }
    if !crossings.is_empty() {
        let crossed: Vec<Uuid> = crossings.iter().map(|(_, crossing)| crossing.fence.0).collect();
        let names = store::names(tx, &crossed).await?;
        for (told, crossing) in crossings {
            let name = names.get(&crossing.fence).map(String::as_str).unwrap_or_default();
            let line = line(told.report, &crossing, name);
            judged.crossed.push(Crossed { row: told.row, resident: told.resident, turn: crossing.turn, line });
        }
    }
    Ok(judged)
}

/// The positions of a report as a fence sees them.
fn fixes(told: &Told<'_>) -> impl Iterator<Item = Fix> {
    let bytes = told.digest.first_chunk().copied().map_or(0, i64::from_be_bytes);
    told.places.iter().zip(0..).map(move |(place, number)| Fix {
        place: place.position,
        accuracy: place.accuracy_m.map(Metres),
        source: place.source,
        received_at: place.received_at,
        device_at: place.device_at,
        // Several positions of one message are not one told several times.
        print: Print(bytes.wrapping_add(number)),
    })
}

fn line(report: &Report, crossing: &Crossing, name: &str) -> Line {
    let tenth = |metres: Metres| (metres.0 * 10.0).round() / 10.0;
    let seen: Vec<Value> = crossing
        .seen
        .iter()
        .map(|seen| {
            json!({
                "at": seen.at,
                "lat": seen.place.lat_deg(),
                "lon": seen.place.lon_deg(),
                "distance_m": tenth(seen.distance),
                "accuracy_m": tenth(seen.accuracy),
                "source": seen.source.as_str(),
            })
        })
        .collect();
    let last = &crossing.seen[1];
    let data = json!({
        "report": report.id,
        "serial": report.serial,
        "fence": crossing.fence.0,
        "fence_name": name,
        "at": last.at,
        "distance_m": tenth(last.distance),
        "accuracy_m": tenth(last.accuracy),
        "source": last.source.as_str(),
        "fixes": seen,
    });
    let what = match crossing.turn {
        Turn::Left => "left_fence",
        Turn::Returned => "returned",
    };
    Line { what, who: None, data: clean(data) }
}
