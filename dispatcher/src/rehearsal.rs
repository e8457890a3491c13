//! What the connections for presses and decisions rehearse before the desk opens.
//!
//! PostgreSQL learns for each connection anew what its tables are and how a statement is best carried out. The first press
//! on a connection takes some two hundred milliseconds for that, the second ten. So each of them takes a drill of somebody
//! who is registered in and decides about it, once, and gives the transaction up: nobody sees anything of it.

use std::time::Duration;

use domain::incident::Input;
use domain::place::{Position, Source};
use domain::press::AlertKind;
use futures_util::future::try_join_all;
use sqlx::{PgConnection, PgPool};
use tracing::{debug, warn};
use wire::directory::Dialect;
use wire::report::{Event, Fix, Freshness, Report, Stamp, Surroundings, VERSION};
use wire::topics::Lane;

use crate::clock;
use crate::desk::{Desk, DeskError};
use crate::store::{self, StoreError, intake};

/// Whoever has not rehearsed by then opens without.
const WITHIN: Duration = Duration::from_secs(2);

impl Desk {
    /// Has each connection for presses and decisions take a press in and decide about it, and give both up. To be called
    /// when the tables are there. How many have: none where nobody wears a terminal yet.
    pub async fn rehearse(&self) -> usize {
        match tokio::time::timeout(WITHIN, self.rehearse_all()).await {
            Ok(Ok(connections)) => {
                debug!(connections, "connections have rehearsed a press");
                return connections;
            }
            Ok(Err(cause)) => warn!(%cause, "a press could not be rehearsed: the first ones will take longer"),
            Err(_) => warn!(within = ?WITHIN, "no time to rehearse a press: the first ones will take longer"),
        }
        0
    }

    async fn rehearse_all(&self) -> Result<usize, DeskError> {
        // All at once, so that each is another connection.
        let held = try_join_all(self.urgent().into_iter().flat_map(all_of).map(store::begin)).await?;
        let connections = held.len();
        let mut held = held.into_iter();
        let Some(mut first) = held.next() else { return Ok(0) };
        let worn = intake::worn(&mut first, i64::try_from(connections).unwrap_or(i64::MAX)).await?;
        let each = std::iter::once(first).chain(held).zip(worn.iter().cycle());
        let rehearsing = each.map(|(mut tx, (serial, home))| async move {
            let is_decided = self.rehearse_one(&mut tx, &press(serial, *home)).await?;
            tx.rollback().await.map_err(StoreError::from)?;
            Ok::<_, DeskError>(is_decided)
        });
        Ok(try_join_all(rehearsing).await?.into_iter().filter(|is_decided| *is_decided).count())
    }

    /// Whether it came to a decision.
    async fn rehearse_one(&self, tx: &mut PgConnection, press: &Report) -> Result<bool, DeskError> {
        let Some(incident) = self.take_in_rehearsal(tx, press).await? else { return Ok(false) };
        let advised = self.planner.advise_in_rehearsal(tx, incident, &self.config).await?;
        Ok(self.decide_within(tx, incident, Input::Wake, &advised).await?.has_effect())
    }
}

fn all_of(pool: &PgPool) -> impl Iterator<Item = &PgPool> {
    (0..pool.options().get_max_connections()).map(move |_| pool)
}

fn press(serial: &str, at: Option<Position>) -> Report {
    let fix = |at: Position| Fix {
        lat_deg: at.lat_deg(),
        lon_deg: at.lon_deg(),
        accuracy_m: Some(10.0),
        device_at: None,
        source: Source::Gnss,
        speed_kmh: None,
        course_deg: None,
        altitude_m: None,
        freshness: Freshness::Live,
    };
    Report {
        version: VERSION,
        id: clock::fresh_id(),
        serial: serial.to_owned(),
        dialect: Dialect::Ydt,
        authenticated: true,
        drill: true,
        lane: Lane::Alert,
        topic: "rehearsal".to_owned(),
        received_at: clock::now(),
        repeated: false,
        raw: b"rehearsal".to_vec(),
        stamp: Stamp { boot: None, seq: None, device_at: None },
        event: Some(Event::Alert { kind: AlertKind::Sos }),
        also: Vec::new(),
        fixes: at.map(fix).into_iter().collect(),
        status: None,
        surroundings: Surroundings::default(),
        vitals: Vec::new(),
        doubts: Vec::new(),
    }
}
