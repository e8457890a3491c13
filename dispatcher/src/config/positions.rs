//! Somebody who knows where cells and access points stand, asked over HTTP in the form that geolocation services share
//! (`cellTowers`, `wifiAccessPoints`; Google's, and many others').

use std::time::Duration;

use domain::datum;
use domain::place::{Metres, Position, Source};
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::report::Surroundings;

use super::Secret;
use super::map::Datum;

/// Nobody waits longer than this for a place.
const ANSWERS_WITHIN: Duration = Duration::from_millis(1_500);
/// An answer that is less sure than this tells nothing that is not known.
const SURE_WITHIN_M: f64 = 20_000.0;

/// Who is asked where cells and access points stand.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PositionSettings {
    /// Where it answers: `https`, or `http` on the loopback. `{key}` stands for the key.
    #[schemars(example = "https://geo.example/v1/geolocate?key={key}")]
    pub url: String,
    /// What it wants to hear before it answers.
    #[schemars(example = "a key that only the two of you know")]
    pub key: Option<Secret>,
    /// In which datum it says places.
    #[serde(default)]
    pub datum: Datum,
}

/// Why nobody can be asked as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// The address is none, or leads through the world in the clear. What it is may hold the key.
    #[error("[positions] url is no https address, nor http on the loopback")]
    Address,
    /// There is no HTTP client to be had.
    #[error("positions cannot be asked for")]
    Client(#[from] reqwest::Error),
}

/// Somebody who can be asked.
#[derive(Debug, Clone)]
pub struct PositionConfig {
    url: Url,
    datum: Datum,
    http: Client,
}

impl PositionSettings {
    /// Whom to ask.
    pub fn link(&self) -> Result<PositionConfig, PositionError> {
        let key = self.key.as_ref().map_or("", |key| key.0.as_str());
        let url = Url::parse(&self.url.replace("{key}", key)).map_err(|_| PositionError::Address)?;
        if !super::is_private_url(&url) {
            return Err(PositionError::Address);
        }
        let http = Client::builder().timeout(ANSWERS_WITHIN).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(PositionConfig { url, datum: self.datum, http })
    }
}

/// What it says of a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    /// Where.
    pub(crate) position: Position,
    /// How sure.
    pub(crate) accuracy: Metres,
    /// From what it can only have reckoned it.
    pub(crate) source: Source,
}

/// Why there was no answer, without the address, which holds the key.
#[derive(Debug, thiserror::Error)]
#[error("the resolver of positions did not answer: {0}")]
pub(crate) struct Unanswered(String);

#[derive(Deserialize)]
struct Answer {
    location: Location,
    accuracy: f64,
}

#[derive(Deserialize)]
struct Location {
    lat: f64,
    lng: f64,
}

impl PositionConfig {
    /// Asks. `None`: it does not know.
    pub(crate) async fn ask(&self, heard: &Surroundings) -> Result<Option<Told>, Unanswered> {
        let unanswered = |error: reqwest::Error| Unanswered(error.without_url().to_string());
        let response = self.http.post(self.url.clone()).json(&question(heard)).send().await.map_err(unanswered)?;
        // "Not found" is an answer.
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = response.error_for_status().map_err(unanswered)?.json::<Answer>().await.map_err(unanswered)?;
        Ok(self.read(&answer, heard))
    }

    fn read(&self, answer: &Answer, heard: &Surroundings) -> Option<Told> {
        let datum = match self.datum {
            Datum::Wgs84 => datum::Datum::Wgs84,
            Datum::Gcj02 => datum::Datum::Gcj02,
            Datum::Bd09 => datum::Datum::Bd09,
        };
        let position = datum.to_wgs84(answer.location.lat, answer.location.lng).ok()?;
        let is_sure = answer.accuracy.is_finite() && (0.0..=SURE_WITHIN_M).contains(&answer.accuracy);
        // Less than two access points are not answered for: one alone would tell where a single person lives.
        let source = if heard.access_points.len() < 2 { Source::Cell } else { Source::Wifi };
        is_sure.then_some(Told { position, accuracy: Metres(answer.accuracy), source })
    }
}

fn question(heard: &Surroundings) -> Value {
    let cells: Vec<Value> = heard
        .cells
        .iter()
        .map(|cell| {
            let mut told = json!({
                "mobileCountryCode": cell.mcc,
                "mobileNetworkCode": cell.mnc,
                "locationAreaCode": cell.lac,
                "cellId": cell.cid,
            });
            // Only what can be dBm is told as such.
            if let Some(signal) = cell.signal.filter(|signal| (-140..=-20).contains(signal)) {
                told["signalStrength"] = json!(signal);
            }
            told
        })
        .collect();
    let points: Vec<Value> = heard
        .access_points
        .iter()
        .map(|point| {
            let mut told = json!({ "macAddress": point.mac.map(|byte| format!("{byte:02x}")).join(":") });
            if let Some(rssi_dbm) = point.rssi_dbm {
                told["signalStrength"] = json!(rssi_dbm);
            }
            told
        })
        .collect();
    // Where our own address leads to says nothing about the wearer.
    json!({ "considerIp": false, "cellTowers": cells, "wifiAccessPoints": points })
}

#[cfg(test)]
mod tests {
    use wire::report::{AccessPoint, Cell};

    use super::*;

    fn settings(url: &str) -> PositionSettings {
        PositionSettings { url: url.into(), key: Some(Secret("k".into())), datum: Datum::Gcj02 }
    }

    fn heard(points: usize) -> Surroundings {
        let cell = Cell { mcc: 460, mnc: 0, lac: 9720, cid: 28_373_001, signal: Some(31) };
        let point = AccessPoint { mac: [1, 2, 3, 4, 5, 6], rssi_dbm: Some(-60), ssid: Some("never told".into()) };
        Surroundings { cells: vec![cell], access_points: vec![point; points] }
    }

    #[test]
    fn nobody_is_asked_in_the_clear_over_the_world() {
        for url in ["ftp://geo.example", "nonsense", "http://geo.example/v1", "http://8.8.8.8/"] {
            assert!(matches!(settings(url).link(), Err(PositionError::Address)), "{url}");
        }
        let link = settings("https://geo.example/v1?key={key}").link().unwrap();
        assert_eq!(link.url.query(), Some("key=k"));
        assert!(settings("http://127.0.0.1:9/").link().is_ok());
    }

    #[test]
    fn what_is_asked_is_what_services_understand_and_names_no_network() {
        let asked = question(&heard(2));
        let cell = json!({
            "mobileCountryCode": 460, "mobileNetworkCode": 0, "locationAreaCode": 9720, "cellId": 28_373_001,
        });
        assert_eq!(asked["cellTowers"], json!([cell]));
        assert_eq!(asked["wifiAccessPoints"][1], json!({ "macAddress": "01:02:03:04:05:06", "signalStrength": -60 }));
        assert!(!asked.to_string().contains("never told"));
    }

    #[test]
    fn an_answer_is_taken_out_of_its_datum_and_one_that_says_nothing_is_none() {
        let link = settings("https://geo.example/").link().unwrap();
        let answer = |accuracy| Answer { location: Location { lat: 28.225_2, lng: 112.943_6 }, accuracy };
        let told = link.read(&answer(60.0), &heard(2)).unwrap();
        let shifted = Position::new(28.225_2, 112.943_6).unwrap().distance(told.position).0;
        assert!((300.0..900.0).contains(&shifted), "{shifted}");
        assert_eq!((told.accuracy, told.source), (Metres(60.0), Source::Wifi));
        assert_eq!(link.read(&answer(60.0), &heard(1)).unwrap().source, Source::Cell);
        assert_eq!(link.read(&answer(90_000.0), &heard(2)), None);
        assert_eq!(link.read(&answer(f64::NAN), &heard(2)), None);
    }
}
