//! Terminals that connect over TLS, and those that have a certificate of their own.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use broker::{BrokerError, Config, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rumqttc::mqttbytes::v4::ConnectReturnCode;
use rumqttc::v5::mqttbytes::QoS as Qos5;
use rumqttc::v5::mqttbytes::v5::{self, DisconnectReasonCode};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wire::directory::{Fingerprint, Terminal, Update};

use crate::bench::{Door, Raw, loopback, pager, quick, secret_of, soon, until};

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Papers {
    certificate: String,
    key: String,
}

/// Whether a certificate still holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Still,
    NoMore,
}

impl Authority {
    fn found() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // OpenSSL takes a certificate for one that vouches for itself when its name is its issuer's.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose, holds: Holds) -> Papers {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        if holds == Holds::NoMore {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Papers { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn door(&self) -> Papers {
        self.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, Holds::Still)
    }

    fn terminal(&self, name: &str, holds: Holds) -> Papers {
        self.sign(name, ExtendedKeyUsagePurpose::ClientAuth, holds)
    }
}

impl Papers {
    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der())
    }

    fn write(&self, folder: &Path) {
        std::fs::write(folder.join("key.pem"), &self.key).unwrap();
        std::fs::write(folder.join("door.pem"), &self.certificate).unwrap();
    }
}

/// A door with a certificate, which asks terminals for theirs.
async fn open(folder: &Path, authority: &Authority) -> Door {
    authority.door().write(folder);
    std::fs::write(folder.join("ca.pem"), authority.0.pem()).unwrap();
    Door::open(config(folder)).await
}

fn config(folder: &Path) -> Config {
    let tls = Tls {
        listen: loopback(),
        certificate_file: folder.join("door.pem"),
        key_file: folder.join("key.pem"),
        client_ca_file: Some(folder.join("ca.pem")),
    };
    Config { tls: Some(tls), certificates_every: Duration::from_millis(20), ..quick() }
}

/// Connects over TLS, trusting `authority`.
async fn dial(door: &Door, authority: &Authority, papers: Option<&Papers>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.0.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match papers {
        None => builder.with_no_client_auth(),
        Some(papers) => {
            let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![papers.der()], key).unwrap()
        }
    };
    let address = door.broker.mqtts_addr().unwrap();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(address.ip());
    soon("a handshake", TlsConnector::from(Arc::new(config)).connect(name, socket)).await
}

async fn code(door: &Door, authority: &Authority, papers: Option<&Papers>, serial: &str) -> ConnectReturnCode {
    let mut raw = Raw::over(dial(door, authority, papers).await.unwrap());
    raw.connect_v4(serial, |_| {}).await.code
}

fn bound(serial: &str, papers: &Papers) -> Terminal {
    Terminal { certificate: Some(Box::new(papers.fingerprint())), ..pager(serial) }
}

#[tokio::test]
async fn a_terminal_presses_over_tls_and_hears_back() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let door = open(folder.path(), &authority).await;
    let mut gateway = door.slow_gateway("g1").await;
    let mut raw = Raw::over(dial(&door, &authority, None).await.unwrap());
    let ack = raw.connect_v5("P1", |_, _| {}).await;
    assert_eq!(ack.code, v5::ConnectReturnCode::Success);
    // Longer than one record of TLS, and than what is read at once.
    let long = "help ".repeat(8000);
    raw.publish_v5("ydt/1/P1/alert", Qos5::AtLeastOnce, 1, &long).await;
    let uplink = gateway.uplink().await;
    assert_eq!(uplink.payload, long.as_bytes());
    raw.ping_v5().await;
    gateway.receipt(&uplink).await;
    assert!(matches!(raw.hear_v5().await, v5::Packet::PubAck(ack) if ack.pkid == 1));
    assert_eq!(door.counters.half_open.get(), 0);
    // In the clear, as before.
    Raw::v4(&door, "P2").await.ping().await;
    let counters = Arc::clone(&door.counters);
    let (closed, ()) = tokio::join!(door.close(), raw.dismissed(DisconnectReasonCode::ServerShuttingDown));
    closed.unwrap();
    assert_eq!(counters.connections.get(), 0);
}

#[tokio::test]
async fn a_terminal_with_a_certificate_must_show_that_very_one() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let mut door = open(folder.path(), &authority).await;
    let (own, anothers) = (authority.terminal("P1", Holds::Still), authority.terminal("P2", Holds::Still));
    door.list(vec![bound("P1", &own), bound("P2", &anothers), pager("P3")]);
    assert_eq!(code(&door, &authority, Some(&own), "P1").await, ConnectReturnCode::Success);
    assert_eq!(code(&door, &authority, Some(&anothers), "P1").await, ConnectReturnCode::NotAuthorized);
    assert_eq!(code(&door, &authority, None, "P1").await, ConnectReturnCode::NotAuthorized);
    let (_, in_the_clear) = Raw::v5_with(&door, "P1", |_, _| {}).await;
    assert_eq!(in_the_clear.code, v5::ConnectReturnCode::NotAuthorized);
    assert_eq!(door.counters.refused_certificate.get(), 3);
    // Its secret is asked for all the same, and who has none bound needs none.
    let mut raw = Raw::over(dial(&door, &authority, Some(&own)).await.unwrap());
    let refused = raw.connect_v4("P1", |connect| {
        connect.set_login("P1", "wrong");
    });
    assert_eq!(refused.await.code, ConnectReturnCode::BadUserNamePassword);
    assert_eq!(code(&door, &authority, None, "P3").await, ConnectReturnCode::Success);
    assert_eq!(code(&door, &authority, Some(&own), "P3").await, ConnectReturnCode::Success);
}

#[tokio::test]
async fn a_terminal_that_is_given_a_certificate_loses_the_session_without_it() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let mut door = open(folder.path(), &authority).await;
    let mut raw = Raw::v5(&door, "P1").await;
    let upserts = vec![bound("P1", &authority.terminal("P1", Holds::Still))];
    door.publish(Update { from: Some(0), upserts, ..Update::default() });
    raw.dismissed(DisconnectReasonCode::NotAuthorized).await;
}

#[tokio::test]
async fn an_expired_certificate_and_one_of_a_stranger_are_refused() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let mut door = open(folder.path(), &authority).await;
    let expired = authority.terminal("P1", Holds::NoMore);
    let strangers = Authority::found().terminal("P2", Holds::Still);
    door.list(vec![bound("P1", &expired), bound("P2", &strangers)]);
    for papers in [&expired, &strangers] {
        // In TLS 1.3 a client learns of it when it reads.
        if let Ok(stream) = dial(&door, &authority, Some(papers)).await {
            let mut raw = Raw::over(stream);
            raw.closed().await;
        }
    }
    until("both are counted", || door.counters.refused_tls.get() == 2).await;
    assert_eq!(door.counters.sessions_opened.get(), 0);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_and_ends_no_session() {
    let (folder, old) = (tempfile::tempdir().unwrap(), Authority::found());
    let door = open(folder.path(), &old).await;
    let mut before = Raw::over(dial(&door, &old, None).await.unwrap());
    before.connect_v4("P1", |_| {}).await;
    // Something half written changes nothing.
    let new = Authority::found();
    std::fs::write(folder.path().join("door.pem"), "-----BEGIN CERT").unwrap();
    let mut meanwhile = Raw::over(dial(&door, &old, None).await.unwrap());
    meanwhile.connect_v4("P2", |_| {}).await;
    new.door().write(folder.path());
    let renewed = async { while dial(&door, &new, None).await.is_err() {} };
    soon("the new one is shown", renewed).await;
    assert!(dial(&door, &old, None).await.is_err());
    before.ping().await;
    meanwhile.ping().await;
}

#[tokio::test]
async fn it_is_told_until_when_the_certificate_holds_that_is_shown_now() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let door = open(folder.path(), &authority).await;
    let standing = door.broker.standing();
    let tls = || standing().tls.unwrap();
    assert!(tls().asks_certificates && tls().listen == door.broker.mqtts_addr().unwrap().to_string());
    assert!(tls().expires_at.to_string().starts_with("4096-01-01"), "{:?}", tls());
    authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth, Holds::NoMore).write(folder.path());
    until("the expired one is shown", || tls().expires_at.to_string() == "2020-01-01T00:00:00Z").await;
}

#[tokio::test]
async fn who_does_not_finish_a_handshake_is_not_waited_for() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    authority.door().write(folder.path());
    std::fs::write(folder.path().join("ca.pem"), authority.0.pem()).unwrap();
    let door = Door::open(Config { connect_within: Duration::from_millis(100), ..config(folder.path()) }).await;
    let address = door.broker.mqtts_addr().unwrap();
    let mut silent = Raw::dial(address).await;
    let mut plain = Raw::dial(address).await;
    plain.say(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00").await;
    silent.closed().await;
    until("both are counted", || (door.counters.refused_silent.get(), door.counters.refused_tls.get()) == (1, 1)).await;
    assert_eq!(door.counters.half_open.get(), 0);
}

#[tokio::test]
async fn a_door_without_a_certificate_that_can_be_used_does_not_open() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let start = async || {
        let stop = tokio_util::sync::CancellationToken::new();
        broker::start(config(folder.path()), Arc::default(), stop).await.map(drop)
    };
    assert!(matches!(start().await, Err(BrokerError::Tls(_))), "there is no file");
    authority.door().write(folder.path());
    std::fs::write(folder.path().join("ca.pem"), authority.0.pem()).unwrap();
    start().await.unwrap();
    std::fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(start().await, Err(BrokerError::Tls(_))), "the key is another's");
}

async fn mosquitto_pub(door: &Door, serial: &str, extra: &[&str]) -> Output {
    let port = door.broker.mqtts_addr().unwrap().port().to_string();
    let mut command = tokio::process::Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-u", serial, "-P", &secret_of(serial), "-q", "1", "-V", "mqttv5"]);
    command.args(["-t", &format!("ydt/1/{serial}/alert"), "-m", "help"]).args(extra);
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    soon("mosquitto_pub ends", ended).await.unwrap()
}

#[tokio::test]
async fn mosquittos_client_presses_over_tls_with_and_without_a_certificate() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::found());
    let mut door = open(folder.path(), &authority).await;
    let papers = authority.terminal("P1", Holds::Still);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, cert) = (file("trusted.pem", &authority.0.pem()), file("p1.pem", &papers.certificate));
    let key = file("p1-key.pem", &papers.key);
    door.list(vec![bound("P1", &papers), pager("P2")]);
    let mut gateway = door.gateway("g1").await;
    let done = mosquitto_pub(&door, "P2", &["--cafile", &ca]).await;
    assert!(done.status.success(), "{done:?}");
    let done = mosquitto_pub(&door, "P1", &["--cafile", &ca, "--cert", &cert, "--key", &key]).await;
    assert!(done.status.success(), "{done:?}");
    assert_eq!((gateway.uplink().await.serial, gateway.uplink().await.serial), ("P2".into(), "P1".into()));
    let refused = mosquitto_pub(&door, "P1", &["--cafile", &ca]).await;
    assert!(!refused.status.success(), "{refused:?}");
}
