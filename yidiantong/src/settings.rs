//! What the executable is told: a TOML file, and the command line over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dispatcher::config::map::MapConfig;
use dispatcher::config::{CentreConfig, Secret};
use domain::incident::Centre;
use serde::Deserialize;

/// Settings of `yidiantong serve`. Everything has a default that is safe on one machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where everything that outlives the process lies.
    pub data: PathBuf,
    /// Where terminals connect (MQTT).
    pub mqtt_listen: SocketAddr,
    /// The bus between broker and gateway: on the loopback only.
    pub bus_listen: SocketAddr,
    /// Where the console and the API listen.
    pub http_listen: SocketAddr,
    /// How others reach the console and the API, when that is not `http_listen` itself.
    pub public_url: Option<String>,
    /// The telephone at which operators answer.
    pub call_back_phone: String,
    /// The centres that can be reached by data.
    #[serde(rename = "centre")]
    pub centres: Vec<CentreSettings>,
    /// A URL that is POSTed to when an alert cannot be stored.
    pub alarm_hook: Option<String>,
    /// How maps are drawn on the consoles.
    pub map: MapConfig,
}

/// One centre.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CentreSettings {
    /// `120`, `119` or `110`.
    #[serde(with = "wire::word")]
    pub number: Centre,
    /// Where to POST: `https`, or `http` on the loopback.
    pub url: String,
    /// The key for signatures both ways.
    pub secret: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: crate::cluster::default_data_dir(),
            mqtt_listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            bus_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            http_listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            call_back_phone: "0731-00000000".into(),
            centres: Vec::new(),
            alarm_hook: None,
            map: MapConfig::default(),
        }
    }
}

/// Why a settings file is no good.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("the settings file {path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not what is expected; the cause names line and field.
    #[error("the settings file {path} is not right")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: toml::de::Error,
    },
}

impl Settings {
    /// Reads a settings file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| SettingsError::Unreadable { path: path.into(), cause })?;
        toml::from_str(&text).map_err(|cause| SettingsError::Malformed { path: path.into(), cause })
    }
}

impl From<&CentreSettings> for CentreConfig {
    fn from(settings: &CentreSettings) -> Self {
        Self { centre: settings.number, url: settings.url.clone(), secret: Secret(settings.secret.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use dispatcher::config::map::Datum;

    use super::*;

    #[test]
    fn a_centre_is_named_by_its_number_and_an_unknown_field_is_refused() {
        let settings: Settings = toml::from_str(
            r#"
            call_back_phone = "0731-84000000"
            [[centre]]
            number = "120"
            url = "https://120.example/alerts"
            secret = "s"
            "#,
        )
        .unwrap();
        assert_eq!(settings.centres[0].number, Centre::Ambulance);
        assert!(toml::from_str::<Settings>("mqtt_lisen = 3").is_err());
    }

    #[test]
    fn tiles_are_named_with_their_datum_or_not_at_all() {
        let read = |text: &str| toml::from_str::<Settings>(text).map(|settings| settings.map);
        assert_eq!(read("").unwrap(), MapConfig::default());
        let map = read(
            r#"
            [map.tiles]
            url = "https://tiles.example/{z}/{x}/{y}.png"
            attribution = "© somebody"
            datum = "gcj02"
            "#,
        )
        .unwrap();
        assert_eq!(map.tiles.unwrap().datum, Datum::Gcj02);
        assert!(read("[map.tiles]\nurl = \"/tiles\"\nattribution = \"\"").unwrap_err().to_string().contains("https://"));
    }
}
