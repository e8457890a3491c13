//! A data link to a centre: where it is, and how both sides know each other. What is in its files is
//! read and checked here, once, when the dispatcher is told of the centre; a file that changes later is
//! read at the next start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::incident::Centre;
use reqwest::{Certificate, Client, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;

/// Nothing within this, and the message comes again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// One centre.
#[derive(Debug, Clone)]
pub struct CentreConfig {
    /// Which.
    pub centre: Centre,
    /// Where to POST. `https`, or `http` on the loopback only.
    pub url: String,
    /// The key for signatures both ways.
    pub secret: Secret,
    /// Whether it wants to hear of exercises; otherwise they are not sent.
    pub takes_drills: bool,
    /// How it is told.
    pub format: CentreFormat,
    /// Trusts whom the centre's certificate is to be from, and nobody else.
    pub(crate) http: Client,
}

/// How a centre is told of an incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CentreFormat {
    /// Our own JSON ([`wire::centre`]).
    #[default]
    Json,
    /// The Common Alerting Protocol, version 1.2 ([`wire::cap`]).
    Cap,
}

/// How the two ends of a link prove who they are, beside the signatures.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// PEM: the only authorities that the centre's certificate may be from; none: the public ones.
    pub ca_file: Option<PathBuf>,
    /// PEM: our own certificate with its key, for a centre that asks for one.
    pub client_certificate_file: Option<PathBuf>,
}

/// Why a centre cannot be reached as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum CentreError {
    /// It is reached in the clear over a network.
    #[error("{centre} is to be reached over https, or http on this machine only")]
    InTheClear {
        /// Which.
        centre: Centre,
    },
    /// A file cannot be read.
    #[error("{centre}: the file {} cannot be read", .file.display())]
    Unreadable {
        /// Which.
        centre: Centre,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file of authorities holds none.
    #[error("{centre}: the file {} holds no certificate (PEM is expected)", .file.display())]
    NoCertificate {
        /// Which.
        centre: Centre,
        /// The file.
        file: PathBuf,
    },
    /// What a file holds is not what it should be.
    #[error("{centre}: the certificates in {} cannot be used", .file.display())]
    Unusable {
        /// Which.
        centre: Centre,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// There is no HTTP client to be had.
    #[error("{centre} cannot be called")]
    NoClient {
        /// Which.
        centre: Centre,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
}

impl CentreConfig {
    /// A link to a centre. Reads and checks its files.
    pub fn new(centre: Centre, url: String, secret: Secret, certificates: &Certificates) -> Result<Self, CentreError> {
        if !is_private(&url) {
            return Err(CentreError::InTheClear { centre });
        }
        let unusable = |file: &Path| {
            let file = file.to_owned();
            move |cause| CentreError::Unusable { centre, file, cause }
        };
        let read = |file: &Path| {
            std::fs::read(file).map_err(|cause| CentreError::Unreadable { centre, file: file.to_owned(), cause })
        };
        let mut roots = None;
        if let Some(file) = &certificates.ca_file {
            let found = Certificate::from_pem_bundle(&read(file)?).map_err(unusable(file))?;
            if found.is_empty() {
                return Err(CentreError::NoCertificate { centre, file: file.clone() });
            }
            // Only a client that is built has looked inside; this one is for knowing which file is to blame.
            trusting(Some(&found)).build().map_err(unusable(file))?;
            roots = Some(found);
        }
        let client = trusting(roots.as_deref());
        let http = match &certificates.client_certificate_file {
            None => client.build().map_err(|cause| CentreError::NoClient { centre, cause })?,
            Some(file) => Identity::from_pem(&read(file)?)
                .and_then(|identity| client.identity(identity).build())
                .map_err(unusable(file))?,
        };
        Ok(Self { centre, url, secret, takes_drills: false, format: CentreFormat::default(), http })
    }
}

/// A client that believes these authorities and no others; the public ones when none are named.
fn trusting(roots: Option<&[Certificate]>) -> reqwest::ClientBuilder {
    let client = Client::builder().timeout(ANSWERS_WITHIN).redirect(reqwest::redirect::Policy::none());
    match roots {
        None => client,
        Some(roots) => roots
            .iter()
            .cloned()
            .fold(client.tls_built_in_root_certs(false), reqwest::ClientBuilder::add_root_certificate),
    }
}

/// https, or http to this machine.
fn is_private(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| is_private_url(&url))
}

/// The same of an address that was read.
pub(crate) fn is_private_url(url: &reqwest::Url) -> bool {
    let is_loopback = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}
