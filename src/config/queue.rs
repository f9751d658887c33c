//! `[queue]`: where workers are told of work, and how that is reached.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::duration;
use crate::queue::QueueOptions;
use crate::secret::SecretUrl;
use crate::tls::ClientCertificate;

/// `[queue]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    pub url: SecretUrl,
    pub url_file: PathBuf,
    pub prefix: String,
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub ca_file: PathBuf,
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub password_in_clear: bool,
}

impl QueueConfig {
    /// How the queue is used.
    pub fn options(&self) -> QueueOptions {
        let named = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| path.clone());
        QueueOptions {
            prefix: self.prefix.clone(),
            timeout: self.timeout,
            ca_file: named(&self.ca_file),
            identity: named(&self.cert_file)
                .zip(named(&self.key_file))
                .map(|(certificate, key)| ClientCertificate { certificate, key }),
            password_in_clear: self.password_in_clear,
        }
    }
}
