//! A router that knows the streets: OSRM or Valhalla, asked over HTTP for the ways of a few to one place. Without one, and
//! whenever it does not answer in time, a way is reckoned along the line that the crow flies ([`domain::dispatch::way`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::dispatch::Mode;
use domain::place::Position;
use domain::word::Word as _;
use jiff::SignedDuration;
use parking_lot::Mutex;
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::warn;

/// Nobody waits longer than this for a way.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);
/// After an answer that did not come, nothing is asked for so long.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(10);

/// How a router is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouterSettings {
    /// Which one it is: `osrm` or `valhalla`.
    #[serde(default)]
    pub kind: RouterKind,
    /// Where it answers for whoever walks: of OSRM with the profile (`http://127.0.0.1:5000/table/v1/foot`), of Valhalla
    /// the service (`http://127.0.0.1:8002/sources_to_targets`). Nothing: their way is reckoned by the line.
    #[schemars(example = "http://127.0.0.1:5000/table/v1/foot")]
    pub walk: Option<String>,
    /// The same for electric bicycles.
    #[schemars(example = "http://127.0.0.1:5001/table/v1/bike")]
    pub ebike: Option<String>,
    /// The same for cars.
    #[schemars(example = "http://127.0.0.1:5002/table/v1/driving")]
    pub car: Option<String>,
}

/// Which router it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouterKind {
    /// OSRM: its table service.
    #[default]
    Osrm,
    /// Valhalla: its time-distance matrix.
    Valhalla,
}

/// Why a router cannot be asked as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// An address is none.
    #[error("router.{mode} is no http or https address: {url}")]
    Address {
        /// For whom.
        mode: Mode,
        /// What is there.
        url: String,
    },
    /// It is for nobody.
    #[error("the router has no address for walk, ebike or car")]
    Nobody,
    /// There is no HTTP client to be had.
    #[error("the router cannot be called")]
    Client(#[from] reqwest::Error),
}

/// A router that can be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    kind: RouterKind,
    addresses: HashMap<Mode, Url>,
    http: Client,
    left_alone_until: Arc<Mutex<Option<Instant>>>,
}

impl RouterSettings {
    /// A router as it is set up.
    pub fn link(&self) -> Result<RouterConfig, RouterError> {
        let mut addresses = HashMap::new();
        for (mode, said) in [(Mode::Walk, &self.walk), (Mode::Ebike, &self.ebike), (Mode::Car, &self.car)] {
            let Some(said) = said else { continue };
            let url = Url::parse(said).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            addresses.insert(mode, url.ok_or_else(|| RouterError::Address { mode, url: said.clone() })?);
        }
        if addresses.is_empty() {
            return Err(RouterError::Nobody);
        }
        let http = Client::builder().timeout(ANSWERS_WITHIN).build()?;
        Ok(RouterConfig { kind: self.kind, addresses, http, left_alone_until: Arc::default() })
    }
}

impl RouterConfig {
    /// How long each takes to get to a place; none for whomever the router cannot tell of.
    pub(crate) async fn ways(&self, from: &[(Position, Mode)], to: Position) -> Vec<Option<SignedDuration>> {
        let mut ways = vec![None; from.len()];
        if self.left_alone_until.lock().is_some_and(|until| Instant::now() < until) {
            return ways;
        }
        let by_mode = Mode::ALL.iter().filter_map(|mode| {
            let asked: Vec<usize> = (0..from.len()).filter(|index| from[*index].1 == *mode).collect();
            let address = self.addresses.get(mode).filter(|_| !asked.is_empty())?;
            let places: Vec<Position> = asked.iter().map(|index| from[*index].0).collect();
            Some(async move { (self.ask(*mode, address, &places, to).await, asked) })
        });
        for (told, asked) in futures_util::future::join_all(by_mode).await {
            match told {
                Ok(told) => {
                    for (index, seconds) in asked.into_iter().zip(told) {
                        ways[index] = seconds.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
                    }
                }
                Err(cause) => {
                    warn!(%cause, "the router does not answer; ways are reckoned by the line for a while");
                    *self.left_alone_until.lock() = Some(Instant::now() + LEFT_ALONE_FOR);
                }
            }
        }
        ways
    }

    /// Seconds for each, in order.
    async fn ask(
        &self,
        mode: Mode,
        address: &Url,
        from: &[Position],
        to: Position,
    ) -> Result<Vec<Option<f64>>, reqwest::Error> {
        match self.kind {
            RouterKind::Osrm => {
                let places = std::iter::once(&to).chain(from);
                let places: Vec<_> = places.map(|at| format!("{:.6},{:.6}", at.lon_deg(), at.lat_deg())).collect();
                let sources: Vec<_> = (1..=from.len()).map(|index| index.to_string()).collect();
                let url = format!("{}/{}", address.as_str().trim_end_matches('/'), places.join(";"));
                let query =
                    [("sources", sources.join(";")), ("destinations", "0".into()), ("annotations", "duration".into())];
                let asked = self.http.get(url).query(&query).send().await?.error_for_status()?;
                let table: OsrmTable = asked.json().await?;
                Ok(table.durations.into_iter().map(|row| row.first().copied().flatten()).collect())
            }
            RouterKind::Valhalla => {
                let place = |at: &Position| json!({ "lat": at.lat_deg(), "lon": at.lon_deg() });
                let costing = match mode {
                    Mode::Walk => "pedestrian",
                    Mode::Ebike => "bicycle",
                    Mode::Car => "auto",
                };
                let sources: Vec<_> = from.iter().map(place).collect();
                let question = json!({ "sources": sources, "targets": [place(&to)], "costing": costing });
                let asked = self.http.post(address.clone()).json(&question).send().await?.error_for_status()?;
                let matrix: ValhallaMatrix = asked.json().await?;
                Ok(matrix.sources_to_targets.into_iter().map(|row| row.first().and_then(|cell| cell.time)).collect())
            }
        }
    }
}

#[derive(Deserialize)]
struct OsrmTable {
    durations: Vec<Vec<Option<f64>>>,
}

#[derive(Deserialize)]
struct ValhallaMatrix {
    sources_to_targets: Vec<Vec<ValhallaCell>>,
}

#[derive(Deserialize)]
struct ValhallaCell {
    time: Option<f64>,
}

#[cfg(test)]
mod tests {
    use axum::extract::Path;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::Value;

    use super::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position::new(lat, lon).unwrap()
    }

    /// Answers on the loopback for as long as the test runs.
    async fn answering(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn settings(kind: RouterKind, car: String) -> RouterSettings {
        RouterSettings { kind, walk: None, ebike: None, car: Some(car) }
    }

    #[tokio::test]
    async fn osrm_tells_the_ways_of_those_who_drive_and_nothing_of_those_it_is_not_for() {
        let table = async |Path(places): Path<String>| {
            assert_eq!(places, "112.900000,28.200000;112.910000,28.210000;112.930000,28.230000");
            Json(json!({ "code": "Ok", "durations": [[61.5], [null]] }))
        };
        let url = answering(Router::new().route("/table/v1/driving/{places}", get(table))).await;
        let router = settings(RouterKind::Osrm, format!("{url}/table/v1/driving/")).link().unwrap();
        let from = [(at(28.21, 112.91), Mode::Car), (at(28.22, 112.92), Mode::Walk), (at(28.23, 112.93), Mode::Car)];
        let ways = router.ways(&from, at(28.2, 112.9)).await;
        assert_eq!(ways, [Some(SignedDuration::from_millis(61_500)), None, None]);
    }

    #[tokio::test]
    async fn valhalla_is_asked_with_its_own_word_for_a_car() {
        let matrix = async |Json(question): Json<Value>| {
            assert_eq!((&question["costing"], question["sources"].as_array().unwrap().len()), (&json!("auto"), 1));
            Json(json!({ "sources_to_targets": [[{ "time": 90, "distance": 0.7 }]] }))
        };
        let url = answering(Router::new().route("/sources_to_targets", post(matrix))).await;
        let router = settings(RouterKind::Valhalla, format!("{url}/sources_to_targets")).link().unwrap();
        let ways = router.ways(&[(at(28.21, 112.91), Mode::Car)], at(28.2, 112.9)).await;
        assert_eq!(ways, [Some(SignedDuration::from_secs(90))]);
    }

    #[tokio::test]
    async fn a_router_that_hangs_or_talks_nonsense_is_left_alone_and_nobody_waits_for_it() {
        let from = [(at(28.21, 112.91), Mode::Car)];
        let nonsense = answering(Router::new().route("/{places}", get(async || "no ways today"))).await;
        let hanging =
            answering(Router::new().route("/{places}", get(async || std::future::pending::<&'static str>().await)))
                .await;
        for url in [nonsense, hanging, "http://127.0.0.1:1".into()] {
            let router = settings(RouterKind::Osrm, url).link().unwrap();
            assert_eq!(router.ways(&from, at(28.2, 112.9)).await, [None]);
            assert!(router.left_alone_until.lock().is_some());
        }
    }

    #[test]
    fn a_router_that_cannot_be_is_refused() {
        let said = |car: &str| settings(RouterKind::Osrm, car.into()).link().unwrap_err().to_string();
        assert_eq!(said("ftp://somewhere"), "router.car is no http or https address: ftp://somewhere");
        let nobody = RouterSettings { car: None, ..settings(RouterKind::Osrm, String::new()) };
        assert!(matches!(nobody.link(), Err(RouterError::Nobody)));
    }
}
