//! A batch's positions held against the fences of those who told them.
//!
//! Three statements a batch, and none when nobody in it has a fence. What a position means for a fence is
//! `domain::fence`'s; what follows from a crossing is the intake's, which opens incidents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::fence::{Belief, Crossing, Fix, Print, Turn, Watch};
use domain::id::{FenceId, ResidentId, TerminalId};
use domain::place::Metres;
use domain::word::Word;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;
use wire::report::Report;

use crate::lines::clean;
use crate::store::StoreError;
use crate::store::fences::{self as store, Believed};
use crate::store::intake::PlacedFix;
use crate::store::timeline::Line;

/// What a report says of its wearer's whereabouts.
pub(crate) struct Told<'r> {
    /// Its place in the batch.
    pub(crate) row: usize,
    pub(crate) report: &'r Report,
    /// Of its bytes.
    pub(crate) digest: &'r [u8],
    pub(crate) resident: ResidentId,
    pub(crate) terminal: TerminalId,
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
    /// Whether, after the whole batch, some terminal of theirs is still out.
    pub(crate) is_out: bool,
}

/// Judges a batch, writes down what is believed after it, and tells who crossed, in the order of the batch.
pub(crate) async fn judge(
    tx: &mut PgConnection,
    told: &[Told<'_>],
    now: Timestamp,
) -> Result<Vec<Crossed>, StoreError> {
    let residents: BTreeSet<Uuid> = told.iter().map(|told| told.resident.0).collect();
    if residents.is_empty() {
        return Ok(Vec::new());
    }
    let residents: Vec<Uuid> = residents.into_iter().collect();
    let fences = store::active(tx, &residents).await?;
    let before = store::beliefs(tx, &residents).await?;
    let names: HashMap<FenceId, &str> =
        fences.values().flatten().map(|named| (named.fence.id, named.name.as_str())).collect();

    let known: HashMap<(TerminalId, FenceId), Belief> =
        before.iter().map(|believed| ((believed.terminal, believed.fence), believed.belief)).collect();
    // Every terminal that they wear, also those that this batch has nothing of.
    let worn = told.iter().map(|told| (told.resident, told.terminal));
    let worn = worn.chain(before.iter().map(|believed| (believed.resident, believed.terminal)));
    let mut watches: BTreeMap<(ResidentId, TerminalId), Watch> = worn
        .map(|(resident, terminal)| {
            let beliefs = fences.get(&resident).into_iter().flatten().map(|named| {
                let belief = known.get(&(terminal, named.fence.id)).copied().unwrap_or_default();
                (named.fence.clone(), belief)
            });
            ((resident, terminal), Watch { beliefs: beliefs.collect() })
        })
        .collect();

    let mut crossings = Vec::new();
    for told in told {
        let Some(watch) = watches.get_mut(&(told.resident, told.terminal)) else { continue };
        for fix in fixes(told) {
            let Some(crossing) = watch.see(&fix) else { continue };
            let name = names.get(&crossing.fence).copied().unwrap_or_default();
            let line = line(told.report, &crossing, name);
            let Told { row, resident, .. } = *told;
            crossings.push(Crossed { row, resident, turn: crossing.turn, line, is_out: false });
        }
    }
    for crossed in &mut crossings {
        let mut theirs = watches.iter().filter(|((resident, _), _)| *resident == crossed.resident);
        crossed.is_out = theirs.any(|(_, watch)| watch.is_out());
    }

    let after = watches.iter().flat_map(|((resident, terminal), watch)| {
        watch.beliefs.iter().map(|(fence, belief)| Believed {
            resident: *resident,
            terminal: *terminal,
            fence: fence.id,
            belief: *belief,
        })
    });
    let is_news = |believed: &Believed| {
        believed.belief != known.get(&(believed.terminal, believed.fence)).copied().unwrap_or_default()
    };
    store::save_beliefs(tx, after.filter(is_news).collect(), now).await?;
    Ok(crossings)
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
