//! The door's certificate, and those of terminals that have one.
//!
//! Files are looked at again and again: a certificate that is renewed counts for whoever connects next, and nobody's
//! session ends. A new file that is no good changes nothing but the log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use wire::directory::Fingerprint;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Where terminals connect over TLS, and by which certificates.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where.
    pub listen: SocketAddr,
    /// PEM: the door's certificate, and those between it and its authority.
    pub certificate_file: PathBuf,
    /// PEM: its key.
    pub key_file: PathBuf,
    /// PEM: the authorities whose certificates terminals may have. Without it none is asked for one.
    pub client_ca_file: Option<PathBuf>,
}

/// Why a door has no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or there is not in it what there should be.
    #[error("{path} cannot be used (PEM is expected)")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: pem::Error,
    },
    /// A certificate cannot be read, so that nobody can tell when it expires.
    #[error("the certificate in {0} cannot be read")]
    Certificate(PathBuf),
    /// Certificate and key do not belong together, or are of a kind that is not spoken.
    #[error("certificate and key cannot be used")]
    Papers(#[source] rustls::Error),
    /// The authorities are none.
    #[error("the authorities of terminals cannot be used")]
    Authorities(#[from] VerifierBuilderError),
}

/// What files say.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Read(Vec<Vec<u8>>);

/// The way in over TLS.
pub(crate) struct Gate {
    settings: Tls,
    current: RwLock<Shown>,
    /// What the files said before they were read first.
    before: Read,
}

/// What is shown to whoever connects.
struct Shown {
    config: Arc<ServerConfig>,
    expires_at: Timestamp,
}

impl Gate {
    pub(crate) fn new(settings: Tls) -> Result<Self, TlsError> {
        let before = read(&settings);
        let current = RwLock::new(show(&settings)?);
        Ok(Self { settings, current, before })
    }

    /// Takes over what the files say now.
    pub(crate) fn renew(&self) -> Result<(), TlsError> {
        let renewed = show(&self.settings)?;
        *self.current.write() = renewed;
        Ok(())
    }

    /// When the certificate expires that is shown.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.current.read().expires_at
    }

    /// Whether terminals are asked for certificates.
    pub(crate) fn asks_certificates(&self) -> bool {
        self.settings.client_ca_file.is_some()
    }

    /// What tells that a file has changed.
    pub(crate) fn stamp(&self) -> Read {
        read(&self.settings)
    }

    /// The same as it was when the door opened.
    pub(crate) fn first_stamp(&self) -> Read {
        self.before.clone()
    }

    /// Agrees on a key with whoever connects. The fingerprint of their certificate, if they have one.
    pub(crate) async fn greet(
        &self,
        socket: TcpStream,
    ) -> std::io::Result<(Box<TlsStream<TcpStream>>, Option<Fingerprint>)> {
        let current = Arc::clone(&self.current.read().config);
        let stream = Box::new(Box::pin(TlsAcceptor::from(current).accept(socket)).await?);
        let (_, session) = stream.get_ref();
        let theirs = session.peer_certificates().and_then(<[_]>::first).map(|leaf| Fingerprint::of(leaf));
        Ok((stream, theirs))
    }
}

fn read(settings: &Tls) -> Read {
    let Tls { certificate_file, key_file, client_ca_file, .. } = settings;
    let files = [Some(certificate_file), Some(key_file), client_ca_file.as_ref()];
    Read(files.into_iter().flatten().map(|file| std::fs::read(file).unwrap_or_default()).collect())
}

fn show(settings: &Tls) -> Result<Shown, TlsError> {
    Ok(Shown { config: Arc::new(configure(settings)?), expires_at: expires_at(&settings.certificate_file)? })
}

/// When the first to expire of the certificates in a PEM file does: the chain is no longer than its weakest link.
pub fn expires_at(file: &Path) -> Result<Timestamp, TlsError> {
    let unreadable = || TlsError::Certificate(file.into());
    let expire = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).map_err(|_| unreadable())
    };
    let all = certificates(file)?.iter().map(expire).collect::<Result<Vec<_>, _>>()?;
    all.into_iter().min().ok_or_else(unreadable)
}

fn configure(settings: &Tls) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates(&settings.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file).map_err(unusable(&settings.key_file))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Papers)?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => builder.with_client_cert_verifier(verifier(file, provider)?),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Papers)?;
    // What is remembered for whoever comes back would be kept for every terminal. A ticket that they keep themselves
    // costs nothing, but would let a certificate in that has expired meanwhile.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match &settings.client_ca_file {
        None => config.ticketer = ring::Ticketer::new().map_err(TlsError::Papers)?,
        Some(_) => config.send_tls13_tickets = 0,
    }
    Ok(config)
}

fn verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(TlsError::Papers)?;
    }
    // Who must have one, the directory says.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(verifier.allow_unauthenticated().build()?)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(unusable(file))?;
    if certificates.is_empty() {
        return Err(unusable(file)(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn unusable(file: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    |cause| TlsError::File { path: file.into(), cause }
}
