//! An authority of our own, made when the sandbox starts, and the certificate it makes for this machine's own names. Its
//! key is kept nowhere, so that nobody can make another certificate that clients would believe.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// What the certificate is for.
const NAMES: &[&str] = &["localhost", "*.localhost", "127.0.0.1", "::1"];
/// How long both are good for, in days.
const DAYS: i64 = 397;

/// The authority.
pub(crate) struct Authority {
    /// Its certificate, in PEM form.
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
}

impl Authority {
    /// A new one. The error says what was in the way.
    pub(crate) fn new(now: i64) -> Result<Self, String> {
        make(now).map_err(|error| format!("no certificate can be made: {error}"))
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn make(now: i64) -> Result<Authority, Box<dyn std::error::Error>> {
    let today = Timestamp::from_millisecond(now)?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let in_date = |params: &mut CertificateParams| {
        let day = |day: Date| {
            date_time_ymd(
                i32::from(day.year()),
                day.month().unsigned_abs(),
                day.day().unsigned_abs(),
            )
        };
        params.not_before = day(today.yesterday().unwrap_or(today));
        params.not_after = day(today.saturating_add(jiff::Span::new().days(DAYS)));
    };
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "tenantry sandbox");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    in_date(&mut params);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(NAMES.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    in_date(&mut params);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Authority {
        pem,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    })
}
