//! An authority that signs certificates: for centres that serve https, and for a server that a centre wants
//! to know.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// One that nobody has heard of.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Papers {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
    /// The certificate's SHA-256, in hexadecimal.
    pub fingerprint: String,
}

impl Authority {
    /// Makes one.
    pub fn found(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no name is a bad name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority can sign itself"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Papers for a server of this name or address.
    pub fn server(&self, name: &str) -> Papers {
        self.sign(name, ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// Papers for a client of this name.
    pub fn client(&self, name: &str) -> Papers {
        self.sign(name, ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    /// Papers for a client of this name that hold no more.
    pub fn expired_client(&self, name: &str) -> Papers {
        let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(name, ExtendedKeyUsagePurpose::ClientAuth, expired)
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose, change: impl FnOnce(&mut CertificateParams)) -> Papers {
        let key = key();
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name or an address");
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).expect("an authority can sign");
        let fingerprint = hex::encode(Sha256::digest(certificate.der()));
        Papers { certificate: certificate.pem(), key: key.serialize_pem(), fingerprint }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("keys can be made")
}
