//! Which way somebody goes of whom a rule says that they are not where they should be.
//!
//! No edge was crossed just now that would tell it: they may have gone hours before the hours of the rule began. So it is
//! gathered from the last positions, and from what is believed of them.

use domain::id::ResidentId;
use domain::place::Position;
use domain::rules::Breach;
use domain::whereabouts::Wearer;
use domain::word::Word as _;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::fences;
use crate::store::StoreError;
use crate::store::fence_turns::{share, tenth};
use crate::store::ways::{self as store, Trail};

/// The last that is known of which way somebody went.
pub(crate) struct Gone {
    pub(crate) trail: Trail,
    /// As they were last judged; nothing when that cannot be read.
    wearer: Option<Wearer>,
}

impl Gone {
    /// By what came since then; nothing when nothing did.
    pub(crate) async fn of(
        conn: &mut PgConnection,
        resident: Uuid,
        since: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let Some(trail) = store::trail(conn, resident, since).await? else { return Ok(None) };
        let wearer = match &trail.beliefs {
            Some(beliefs) => fences::as_judged(conn, ResidentId(resident), beliefs).await?,
            None => None,
        };
        Ok(Some(Self { trail, wearer }))
    }

    /// The same as is told of somebody who left a fence, in the words of that line.
    pub(crate) fn told(&self, breach: &Breach) -> Map<String, Value> {
        let places = &self.trail.places;
        // What was before they went there is not the way that they took, but for the place that they went from.
        let went = breach.there_since.map_or(0, |since| places.partition_point(|(at, _)| *at < since));
        let track: Vec<[f64; 2]> =
            places[went.saturating_sub(1)..].iter().map(|(_, place): &(_, Position)| lon_lat(*place)).collect();
        let mut told = Map::from_iter([
            ("serial".to_owned(), json!(self.trail.serial)),
            ("at".to_owned(), json!(places.last().map(|(at, _)| at))),
            ("track".to_owned(), json!(track)),
        ]);
        if let Some(wearer) = &self.wearer {
            let heading = wearer.heading();
            let chance = wearer.standings().find(|(zone, ..)| zone.id == breach.fence).map(|(_, _, chance)| chance);
            let stories = wearer.stories().into_iter().filter(|(_, chance)| *chance >= WORTH_TELLING);
            let stories: Map<String, Value> =
                stories.map(|(story, chance)| (story.as_str().to_owned(), json!(share(chance)))).collect();
            told.insert("heading_deg".to_owned(), json!(heading.map(|heading| heading.degrees.round())));
            told.insert("speed_kmh".to_owned(), json!(heading.map(|heading| tenth(heading.speed * 3.6))));
            told.insert("chance".to_owned(), json!(chance.map(share)));
            told.insert("stories".to_owned(), json!(stories));
        }
        told
    }
}

/// A story that is less likely is not told, as in `domain::whereabouts::Turn::likely`.
const WORTH_TELLING: f64 = 0.005;

fn lon_lat(place: Position) -> [f64; 2] {
    [place.lon_deg(), place.lat_deg()]
}
