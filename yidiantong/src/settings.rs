//! What the executable is told: a TOML file, and the command line over it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dispatcher::config::map::MapConfig;
use dispatcher::config::{CentreConfig, CentreError, Certificates, MailConfig, MailError, Secret};
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
    /// How e-mail to contacts leaves; nothing: it does not.
    pub mail: Option<MailSettings>,
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
    /// PEM: the only authorities that the centre's certificate may be from; without it, the public ones.
    pub ca_file: Option<PathBuf>,
    /// PEM: our own certificate with its key, for a centre that asks for one.
    pub client_certificate_file: Option<PathBuf>,
}

/// The server that takes our e-mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// `smtps://user:password@host`, `smtp://…?tls=required`, or plain `smtp` on the loopback.
    pub smtp_url: String,
    /// Whom it is from: `一点通 <alerts@example.org>`.
    pub from: String,
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
            mail: None,
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

impl CentreSettings {
    /// The link to it. Reads and checks its files.
    pub fn link(&self) -> Result<CentreConfig, CentreError> {
        let certificates = Certificates {
            ca_file: self.ca_file.clone(),
            client_certificate_file: self.client_certificate_file.clone(),
        };
        CentreConfig::new(self.number, self.url.clone(), Secret(self.secret.clone()), &certificates)
    }
}

impl MailSettings {
    /// The way to it, checked.
    pub fn link(&self) -> Result<MailConfig, MailError> {
        MailConfig::new(&self.smtp_url, &self.from)
    }
}

#[cfg(test)]
mod tests {
    use dispatcher::config::map::Datum;

    use super::*;

    /// A certificate that vouches for itself, and its key, in PEM.
    fn papers() -> (String, String) {
        let papers = rcgen::generate_simple_self_signed(["120.example".to_owned()]).unwrap();
        (papers.cert.pem(), papers.signing_key.serialize_pem())
    }

    /// What the start says of a centre with these files, each given by its name and what it holds.
    fn said_of(url: &str, ca: Option<(&str, &str)>, client: Option<(&str, &str)>) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let written = |(name, text): (&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let settings = CentreSettings {
            number: Centre::Ambulance,
            url: url.into(),
            secret: "s".into(),
            ca_file: ca.map(written),
            client_certificate_file: client.map(written),
        };
        let said = |error| format!("{:#}", anyhow::Error::from(error));
        let folder_name = format!("{}/", folder.path().display());
        settings.link().map(|_| ()).map_err(|error| said(error).replace(&folder_name, ""))
    }

    const HTTPS: &str = "https://120.example/alerts";

    #[test]
    fn certificates_are_taken_as_they_should_be() {
        let (certificate, key) = papers();
        let two = certificate.clone() + &papers().0;
        let both = certificate + &key;
        assert_eq!(said_of(HTTPS, None, None), Ok(()));
        assert_eq!(said_of(HTTPS, Some(("ca.pem", &two)), Some(("us.pem", &both))), Ok(()));
    }

    #[test]
    fn a_file_that_vouches_for_nobody_ends_the_start_with_its_centre_its_name_and_why() {
        let ((certificate, key), (_, another_key)) = (papers(), papers());
        let no_certificate = "120: the file ca.pem holds no certificate (PEM is expected)";
        for text in ["", "not PEM at all", &key] {
            assert_eq!(said_of(HTTPS, Some(("ca.pem", text)), None), Err(no_certificate.into()), "{text}");
        }
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let said = said_of(HTTPS, Some(("ca.pem", garbage)), None).unwrap_err();
        assert!(said.starts_with("120: the certificates in ca.pem cannot be used: "), "{said}");
        let ours = [&certificate, &key, "", &(certificate.clone() + &another_key)];
        for text in ours {
            let said = said_of(HTTPS, Some(("ca.pem", &certificate)), Some(("us.pem", text))).unwrap_err();
            assert!(said.starts_with("120: the certificates in us.pem cannot be used: "), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_ends_the_start_with_its_centre_its_name_and_why() {
        let text =
            "[[centre]]\nnumber = \"119\"\nurl = \"https://119.example\"\nsecret = \"s\"\nca_file = \"/not/there.pem\"";
        let settings: Settings = toml::from_str(text).unwrap();
        let error = anyhow::Error::from(settings.centres[0].link().unwrap_err());
        let said = "119: the file /not/there.pem cannot be read: No such file or directory (os error 2)";
        assert_eq!(format!("{error:#}"), said);
    }

    #[test]
    fn a_centre_is_not_reached_in_the_clear_over_a_network() {
        assert_eq!(said_of("http://127.0.0.1:9/alerts", None, None), Ok(()));
        let refused = Err("120 is to be reached over https, or http on this machine only".to_owned());
        for url in ["http://120.example/alerts", "ftp://127.0.0.1/", "120.example", ""] {
            assert_eq!(said_of(url, None, None), refused, "{url}");
        }
    }

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
        let mail = "[mail]\nsmtp_url = \"smtps://u:p@mail.example\"\nfrom = \"a@mail.example\"";
        assert_eq!(toml::from_str::<Settings>(mail).unwrap().mail.unwrap().from, "a@mail.example");
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
        assert!(
            read("[map.tiles]\nurl = \"/tiles\"\nattribution = \"\"").unwrap_err().to_string().contains("https://")
        );
    }
}
