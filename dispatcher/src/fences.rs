//! A batch's positions held against the fences of those who told them.
//!
//! What a position means is `domain::whereabouts`'s; what follows from it is the intake's, which opens incidents and asks
//! terminals for more positions. What is believed lies in the one row of each terminal, which the batch has locked and
//! writes anyway; the fences themselves are remembered from one batch to the next.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::id::{FenceId, ResidentId, TerminalId};
use domain::place::{Metres, Position};
use domain::whereabouts::{Change, Fix, Kind, Standing, Step, Turn, Wearer, Zone, is_away};
use domain::word::Word;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;
use wire::report::Report;

use crate::lines::clean;
use crate::store::StoreError;
use crate::store::commands::Suspected;
use crate::store::fence_turns::{TurnView, share, tenth};
use crate::store::fences::{self as store, Beliefs, Believed, Stands};
use crate::store::intake::{Locked, PlacedFix};
use crate::store::timeline::Line;

/// Of so many residents the fences are remembered at most. A circle takes some four hundred bytes.
const REMEMBERED_MAX: usize = 1_000_000;
/// What was suspected longer ago, by the clock of the terminal, is not asked about any more.
const ASKED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

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
    zones: Arc<[Zone]>,
}

impl Remembered {
    /// The active fences of these residents, each at this count of changes.
    async fn of(
        &self,
        conn: &mut PgConnection,
        wanted: impl Iterator<Item = (ResidentId, i32)>,
    ) -> Result<HashMap<ResidentId, Arc<[Zone]>>, StoreError> {
        let mut found = HashMap::with_capacity(wanted.size_hint().0);
        let mut missing: HashMap<ResidentId, i32> = HashMap::new();
        {
            let remembered = self.of_each.lock();
            for (resident, version) in wanted {
                match remembered.get(&resident) {
                    Some(drawn) if drawn.version == version => {
                        found.insert(resident, Arc::clone(&drawn.zones));
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
            let zones: Arc<[Zone]> = read.remove(&resident).unwrap_or_default().into();
            found.insert(resident, Arc::clone(&zones));
            remembered.insert(resident, Drawn { version, zones });
        }
        Ok(found)
    }
}

/// What a report says of its wearer's whereabouts.
pub(crate) struct Told<'r> {
    /// Its place in the batch.
    pub(crate) row: usize,
    pub(crate) report: &'r Report,
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
    pub(crate) way: Way,
    /// What is known of it, so that whoever is woken for it can judge it too.
    pub(crate) line: Line,
}

/// Out of where they should be, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    Back,
}

/// What a batch's positions came to.
#[derive(Default)]
pub(crate) struct Judged {
    /// Who crossed, in the order of the batch.
    pub(crate) crossed: Vec<Crossed>,
    /// Whose terminals are to tell more before anybody is woken.
    pub(crate) suspected: Vec<Suspected>,
    watched: BTreeMap<TerminalId, Watched>,
}

/// One terminal's wearer after the batch.
struct Watched {
    resident: ResidentId,
    /// Whether they stand otherwise than before with fences that have rules.
    is_turned: bool,
    is_away: bool,
    believed: Believed,
}

impl Judged {
    /// Who crossed the edge of a fence that is judged by its rules, or is seen by it for the first time: their rules are to
    /// be looked at.
    pub(crate) fn turned(&self) -> Vec<Uuid> {
        self.watched.values().filter(|watched| watched.is_turned).map(|watched| watched.resident.0).collect()
    }

    /// Takes out what is believed of a terminal's wearer after the batch.
    pub(crate) fn believed(&mut self) -> impl Iterator<Item = (TerminalId, Believed)> {
        std::mem::take(&mut self.watched).into_iter().map(|(terminal, watched)| (terminal, watched.believed))
    }

    /// Which of these residents are away by any of the terminals that they wear, also by those of which this batch
    /// has nothing. To be asked when their incidents are locked: of two batches the later one sees what the earlier
    /// has written.
    pub(crate) async fn away(
        &self,
        conn: &mut PgConnection,
        residents: &[Uuid],
        remembered: &Remembered,
    ) -> Result<HashSet<ResidentId>, StoreError> {
        let worn = store::worn(conn, residents).await?;
        let zones = remembered.of(conn, worn.iter().map(|worn| (worn.resident, worn.version))).await?;
        let away = worn.into_iter().filter(|worn| match self.watched.get(&worn.terminal) {
            Some(watched) if watched.resident == worn.resident => watched.is_away,
            _ => is_away(zones[&worn.resident].iter().map(|zone| (zone.kind, said_of(&worn.stands, zone.id)))),
        });
        Ok(away.map(|worn| worn.resident).collect())
    }
}

/// How somebody was said to stand with a fence; inside until anything is known.
fn said_of(stands: &[Stands], fence: FenceId) -> Standing {
    stands.iter().find(|stands| stands.fence == fence.0).map_or(Standing::Inside, |stands| stands.standing)
}

/// Judges a batch whose terminals' rows are locked.
pub(crate) async fn judge(
    tx: &mut PgConnection,
    told: &[Told<'_>],
    before: &HashMap<TerminalId, Locked>,
    remembered: &Remembered,
    now: Timestamp,
) -> Result<Judged, StoreError> {
    if told.is_empty() {
        return Ok(Judged::default());
    }
    let zones = remembered.of(tx, told.iter().map(|told| (told.resident, told.version))).await?;
    // Terminal by terminal, so that only one state at a time is taken apart.
    let mut order: Vec<&Told<'_>> = told.iter().collect();
    order.sort_by_key(|told| told.terminal);
    let stood = stood(tx, &order, before).await?;
    let mut judged = Judged::default();
    let mut changes: Vec<(&Told<'_>, Change)> = Vec::new();
    for told in order.chunk_by(|one, next| one.terminal == next.terminal) {
        let first = told[0];
        let zones = &zones[&first.resident];
        let Some(mut known) = Known::of(first, zones, before.get(&first.terminal), &stood) else { continue };
        let was_suspected = known.wearer.is_suspected();
        let mut last_turns: BTreeMap<FenceId, Turn> = BTreeMap::new();
        for told in told {
            for fix in told.places.iter().map(fix) {
                let noticed = known.wearer.notice(&fix);
                changes.extend(noticed.changes.into_iter().map(|change| (*told, change)));
                last_turns.extend(noticed.turns.into_iter().map(|turn| (turn.zone, turn)));
            }
        }
        if !was_suspected && known.wearer.is_suspected() {
            let tells =
                |(of, change): &&(&Told<'_>, Change)| of.terminal == first.terminal && change.step == Step::Suspected;
            let last = changes.iter().rev().find(tells).map(|(_, change)| &change.turn);
            let recent = last.filter(|turn| now.duration_since(turn.at) <= ASKED_WITHIN);
            judged.suspected.extend(recent.map(|turn| Suspected {
                terminal: first.terminal,
                resident: first.resident,
                why: turn.to_string(),
                because: turn.into(),
            }));
        }
        judged.watched.insert(first.terminal, known.put_away(first, &last_turns, now));
    }
    changes.retain(|(_, change)| change.step != Step::Suspected);
    if !changes.is_empty() {
        let crossed: Vec<Uuid> = changes.iter().map(|(_, change)| change.turn.zone.0).collect();
        let names = store::names(tx, &crossed).await?;
        for (told, change) in changes {
            let name = names.get(&change.turn.zone).map(String::as_str).unwrap_or_default();
            let way = if change.step == Step::Left { Way::Out } else { Way::Back };
            let line = line(told.report, &change, way, name);
            judged.crossed.push(Crossed { row: told.row, resident: told.resident, way, line });
        }
        judged.crossed.sort_by_key(|crossed| crossed.row);
    }
    Ok(judged)
}

/// How the wearers of those terminals were said to stand whose state cannot be read, or never was written.
async fn stood(
    tx: &mut PgConnection,
    told: &[&Told<'_>],
    before: &HashMap<TerminalId, Locked>,
) -> Result<HashMap<TerminalId, Vec<Stands>>, StoreError> {
    let is_unread = |told: &&&Told<'_>| {
        let beliefs = before.get(&told.terminal).and_then(|locked| locked.beliefs.as_ref());
        beliefs.is_some_and(|beliefs| {
            beliefs.is_about(told.version, told.since)
                && !beliefs.state.as_ref().is_some_and(|state| Wearer::is_readable(state))
        })
    };
    let unread: Vec<i64> = told.iter().filter(is_unread).map(|told| told.terminal.0).collect();
    if unread.is_empty() { Ok(HashMap::new()) } else { store::stood(tx, &unread).await }
}

/// A wearer while their fixes are judged.
struct Known {
    wearer: Wearer,
    /// How they stood before; nothing when that was not known.
    stood: Vec<Standing>,
}

impl Known {
    /// What was believed of this wearer and of these fences; nothing when they have none.
    fn of(
        told: &Told<'_>,
        zones: &[Zone],
        before: Option<&Locked>,
        stood: &HashMap<TerminalId, Vec<Stands>>,
    ) -> Option<Self> {
        let (home, within) = lives(zones)?;
        let beliefs = before.and_then(|locked| locked.beliefs.as_ref());
        let beliefs = beliefs.filter(|beliefs| beliefs.is_about(told.version, told.since));
        if let Some(state) = beliefs.and_then(|beliefs| beliefs.state.as_ref()) {
            if let Some(wearer) = Wearer::restore(home, zones.to_vec(), state) {
                let stood = wearer.standings().map(|(_, standing, _)| standing).collect();
                return Some(Self { wearer, stood });
            }
            warn!(terminal.id = %told.terminal, "what was believed of a wearer cannot be read, and is seen again");
        }
        let stood = beliefs.and_then(|_| stood.get(&told.terminal)).map_or(&[][..], Vec::as_slice);
        let away = |fence: FenceId| {
            let away = |stands: &&Stands| stands.fence == fence.0 && stands.standing == Standing::Confirmed;
            stood.iter().find(away).map(|stands| stands.since.unwrap_or(told.report.received_at))
        };
        Some(Self { wearer: Wearer::resume(home, within, zones.to_vec(), away), stood: Vec::new() })
    }

    /// What is to be written of it.
    fn put_away(self, told: &Told<'_>, last_turns: &BTreeMap<FenceId, Turn>, now: Timestamp) -> Watched {
        let Self { wearer, stood } = self;
        let is_as_it_was = wearer.standings().map(|(_, standing, _)| standing).eq(stood.iter().copied());
        let stands = || {
            let each = wearer.stands().map(|(fence, standing, since)| Stands { fence: fence.0, standing, since });
            serde_json::to_value(each.collect::<Vec<_>>()).unwrap_or_default()
        };
        Watched {
            resident: told.resident,
            is_turned: !is_as_it_was && wearer.standings().any(|(zone, ..)| zone.kind.is_by_rules()),
            is_away: wearer.is_away(),
            believed: Believed {
                of: told.version,
                at: now,
                state: Some(wearer.keep()),
                stands: (!is_as_it_was).then(stands),
                turns: last_turns.iter().map(|(fence, turn)| (*fence, TurnView::from(turn))).collect(),
            },
        }
    }
}

/// Somebody as they were last judged; nothing when that cannot be read.
pub(crate) async fn as_judged(
    conn: &mut PgConnection,
    resident: ResidentId,
    beliefs: &Beliefs,
) -> Result<Option<Wearer>, StoreError> {
    let zones = store::active(conn, &[resident.0]).await?.remove(&resident).unwrap_or_default();
    let home = lives(&zones).map(|(home, _)| home);
    Ok(home.zip(beliefs.state.as_ref()).and_then(|(home, state)| Wearer::restore(home, zones, state)))
}

/// Where somebody is expected until their terminal says where they are: in their first safe area.
fn lives(zones: &[Zone]) -> Option<(Position, Metres)> {
    let of = |kind| zones.iter().find(move |zone| zone.kind == kind);
    let home = of(Kind::Safe).or_else(|| of(Kind::Haven)).or(zones.first())?;
    Some((home.area.middle(), home.area.breadth()))
}

/// A position as the engine takes it.
fn fix(place: &PlacedFix) -> Fix {
    Fix {
        place: place.position,
        accuracy: place.accuracy_m.map(Metres),
        source: place.source,
        speed_kmh: place.speed_kmh,
        device_at: place.device_at,
        received_at: place.received_at,
    }
}

fn line(report: &Report, change: &Change, way: Way, name: &str) -> Line {
    let Change { turn, track, heading, .. } = change;
    let fixes: Vec<Value> = turn
        .evidence
        .iter()
        .map(|seen| {
            let place = track.iter().find(|(at, _)| *at == seen.at).map(|(_, place)| *place);
            json!({
                "at": seen.at,
                "lat": place.map(Position::lat_deg),
                "lon": place.map(Position::lon_deg),
                "distance_m": tenth(seen.beyond.0),
                "accuracy_m": seen.claimed.map(|claimed| tenth(claimed.0)),
                "source": seen.source.as_str(),
            })
        })
        .collect();
    let stories: Map<String, Value> =
        turn.likely().map(|(story, chance)| (story.as_str().to_owned(), json!(share(*chance)))).collect();
    let way_there: Vec<[f64; 2]> = track.iter().map(|(_, place)| [place.lon_deg(), place.lat_deg()]).collect();
    let last = turn.evidence.last();
    let data = json!({
        "report": report.id,
        "serial": report.serial,
        "fence": turn.zone.0,
        "fence_name": name,
        "fence_kind": turn.kind.as_str(),
        "at": turn.at,
        "since": turn.since,
        "chance": share(turn.chance),
        "distance_m": tenth(turn.beyond.0),
        "accuracy_m": last.and_then(|seen| seen.claimed).map(|claimed| tenth(claimed.0)),
        "source": last.map(|seen| seen.source.as_str()),
        "heading_deg": heading.map(|heading| heading.degrees.round()),
        "speed_kmh": heading.map(|heading| tenth(heading.speed * 3.6)),
        "stories": stories,
        "fixes": fixes,
        "track": way_there,
        "explanation": turn.to_string(),
    });
    let what = match way {
        Way::Out => "left_fence",
        Way::Back => "returned",
    };
    Line { what, who: None, data: clean(data) }
}
