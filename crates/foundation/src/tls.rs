//! TLS to databases and queues: whom to trust, how much of a certificate to check, and what to say of one that does not do.
//!
//! Authorities are the system's (`SSL_CERT_FILE` names others in their place) or those of a file, never both. A certificate that stands
//! in that file itself is taken as it is: servers with a certificate of their own making are set up like that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, crypto::ring,
};

use crate::small_file::{self, LONGEST_BUNDLE};

/// Whose word counts for a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedRoots {
    /// The authorities that the system knows.
    System,
    /// Those in this file, in PEM form.
    File(PathBuf),
}

/// How much of a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: any server that answers is believed.
    Nothing,
    /// That an authority has made it, for any host.
    Authority,
    /// That an authority has made it for the host that is connected to.
    Host,
}

/// A certificate of ours, and its key, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with those between it and its authority behind it.
    pub certificate: PathBuf,
    /// Its key, which nobody else may read.
    pub key: PathBuf,
}

/// How a server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Whose word counts.
    pub roots: TrustedRoots,
    /// How much is checked.
    pub check: Check,
    /// Who we are, if servers want to know.
    pub identity: Option<ClientCertificate>,
}

/// What settings are called where people make them, for messages.
#[derive(Debug, Clone, Copy)]
pub struct TlsWords {
    /// What names the file of authorities.
    pub roots: &'static str,
    /// What names certificate and key.
    pub identity: &'static str,
}

impl TlsSettings {
    /// What rustls is to do; the error says which file is at fault.
    pub fn client(&self, protocols: &[&str]) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let roots = match (&self.check, &self.roots) {
            (Check::Nothing, _) => Vec::new(),
            (_, TrustedRoots::File(path)) => certificates(path)?,
            (_, TrustedRoots::System) => rustls_native_certs::load_native_certs().certs,
        };
        let mut trusted = RootCertStore::empty();
        let (_, unreadable) = trusted.add_parsable_certificates(roots.iter().cloned());
        match &self.roots {
            _ if self.check == Check::Nothing => {}
            TrustedRoots::File(path) if unreadable > 0 => {
                return Err(format!(
                    "{}: {unreadable} of its certificates cannot be read",
                    path.display()
                ));
            }
            TrustedRoots::System if trusted.is_empty() => {
                return Err(
                    "the system knows no authorities: install its package of them (`ca-certificates`)".to_owned(),
                );
            }
            _ => {}
        }
        let verifier = Verifier {
            // Of the system's, none is a server's own.
            as_they_are: if matches!(self.roots, TrustedRoots::File(_)) {
                roots
            } else {
                Vec::new()
            },
            trusted,
            check: self.check,
            provider: provider.clone(),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(ClientCertificate { certificate, key }) => {
                let text = small_file::read_secret(key).map_err(|error| format!("{}: {error}", key.display()))?;
                let secret = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
                    format!(
                        "{}: expected a private key in PEM form, without a passphrase: {error}",
                        key.display()
                    )
                })?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, secret)
                    .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// The certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = small_file::read(path, LONGEST_BUNDLE).map_err(|error| told(&error))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(found) if found.is_empty() => Err(told(&"expected certificates in PEM form, found none")),
        Ok(found) => Ok(found),
        Err(error) => Err(told(&format!("expected certificates in PEM form: {error}"))),
    }
}

/// A host as certificates name it.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let bare = host.strip_suffix('.').unwrap_or(host).to_owned();
    ServerName::try_from(bare).map_err(|_| format!("`{host}` is no name that a certificate could be made for"))
}

/// What is wrong with a server, or with us in its eyes, and what to do; `None` if TLS is not to blame.
pub fn refusal(error: &io::Error, host: &str, words: TlsWords) -> Option<String> {
    let TlsWords { roots, identity } = words;
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        // An authority of the same name with another key makes a bad signature.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => format!(
            "the certificate of `{host}` is of no authority that is trusted here; name the file of its authority with {roots}"
        ),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("the certificate of `{host}` has expired, or this machine's clock is wrong; have it renewed")
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            format!("the certificate of `{host}` is not valid yet, or this machine's clock is wrong")
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            let named: Vec<String> = presented.iter().take(5).map(|name| plain_name(name)).collect();
            let named = if named.is_empty() {
                "no host (a name that stands only in its subject does not count)".to_owned()
            } else {
                named.join(", ")
            };
            format!(
                "the certificate of `{host}` is for {named}; connect by a name that it has, or have one made with `{host}` among its \
                 subjectAltNames"
            )
        }
        // There is no word of rustls' own for it.
        Error::InvalidCertificate(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
            "the certificate of `{host}` is one of an authority, as self-signed ones are; name the file of just that certificate with \
             {roots}, if you trust it"
        ),
        Error::InvalidCertificate(other) => format!("the certificate of `{host}` does not do: {other}"),
        Error::AlertReceived(alert) => format!(
            "`{host}` refuses our side of TLS ({alert:?}); it may want a certificate of ours, which {identity} name"
        ),
        Error::InvalidMessage(_) => format!("`{host}` answers, and not with TLS; is it the right port?"),
        other => format!("TLS with `{host}` fails: {other}"),
    })
}

/// A name as rustls writes it, `DnsName("x")`, without what is around it.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let shown = inner.unwrap_or(name).trim_matches('"');
    // It is a stranger's text.
    let shown = shown.chars().filter(|c| !c.is_control()).take(100);
    format!("`{}`", shown.collect::<String>())
}

#[derive(Debug)]
struct Verifier {
    trusted: RootCertStore,
    as_they_are: Vec<CertificateDer<'static>>,
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let signed = verify_server_cert_signed_by_trust_anchor(&parsed, &self.trusted, intermediates, now, algorithms);
        match signed {
            Err(error) if is_an_authority(&error) && self.as_they_are.iter().any(|known| known == end_entity) => {}
            signed => signed?,
        }
        if self.check == Check::Host {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether all that is wrong with a server's certificate is that it may make others. `openssl req -x509` makes them so. Whether it is
/// in date was looked at before that.
fn is_an_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if other.0.to_string() == "CaUsedAsEndEntity")
}
