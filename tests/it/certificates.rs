//! Authorities and certificates, made for a test.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;

/// An authority that nobody knows yet.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, in PEM form.
    pub(crate) pem: String,
}

/// A certificate, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: Vec<u8>,
    /// The same in PEM form.
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for that name.
    pub(crate) fn certify(&self, name: &str) -> Identity {
        self.certify_as(&params(name))
    }

    /// One that was in date once.
    pub(crate) fn certified_once(&self, name: &str) -> Identity {
        let mut params = params(name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.certify_as(&params)
    }

    fn certify_as(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        identity(&params.signed_by(&key, &self.issuer).expect("a certificate"), &key)
    }
}

/// A certificate that vouches for itself, and for others if it `is_authority`.
pub(crate) fn self_signed(name: &str, is_authority: bool) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    identity(&params.self_signed(&key).expect("a certificate"), &key)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn identity(certificate: &rcgen::Certificate, key: &KeyPair) -> Identity {
    Identity {
        certificate: certificate.der().clone(),
        key: key.serialize_der(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    }
}
