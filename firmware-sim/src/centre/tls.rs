//! The centre over https: a TLS handshake on each connection that a listener takes. A caller that is slow
//! to shake hands keeps nobody else waiting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

const SHAKEN_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes under way at once; the next caller waits.
const HANDSHAKES_MAX: usize = 256;

/// How a centre proves who it is.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Why a centre cannot serve https.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What is given is no PEM of that kind.
    #[error("{what} cannot be read")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        cause: pem::Error,
    },
    /// Certificate and key do not go together, or are of no use.
    #[error("the certificate cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The authority of callers is of no use.
    #[error("the callers' authority cannot be used")]
    Authority(#[from] VerifierBuilderError),
}

impl Tls {
    /// From a certificate (and those above it) and its key, in PEM. With an authority, also in PEM, callers
    /// have to show a certificate of it.
    pub fn from_pem(certificate: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Self, TlsError> {
        let chain = certificates("the certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| TlsError::Pem { what: "the key", cause })?;
        let provider = Arc::new(ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates("the callers' authority", pem)? {
                    roots.add(root)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                config.with_client_cert_verifier(verifier)
            }
        };
        Ok(Self(Arc::new(config.with_single_cert(chain, key)?)))
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|cause| TlsError::Pem { what, cause })
}

type Connection<L> = (TlsStream<<L as Listener>::Io>, <L as Listener>::Addr);

/// A listener whose callers have shaken hands.
pub(super) struct Shaken<L: Listener> {
    listener: L,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Connection<L>>>,
}

impl<L: Listener> Shaken<L> {
    pub(super) fn over(listener: L, tls: Tls) -> Self {
        Self { listener, acceptor: tls.0.into(), handshakes: JoinSet::new() }
    }
}

impl<L: Listener<Io: AsyncRead + AsyncWrite, Addr: 'static>> Listener for Shaken<L> {
    type Io = TlsStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> Connection<L> {
        loop {
            tokio::select! {
                Some(shaken) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
                (io, addr) = self.listener.accept(), if self.handshakes.len() < HANDSHAKES_MAX => {
                    let handshake = self.acceptor.accept(io);
                    self.handshakes.spawn(async move {
                        match timeout(SHAKEN_WITHIN, handshake).await {
                            Ok(Ok(io)) => return Some((io, addr)),
                            Ok(Err(error)) => tracing::info!(%error, "a caller did not shake hands"),
                            Err(_) => tracing::info!("a caller took too long to shake hands"),
                        }
                        None
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
