//! `[partner_center]`: from what is written there to a store's settings.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, duration, list};
use crate::partner_center::{Addresses, Cloud, Credentials, RefreshToken, Settings};
use crate::secret::Secret;
use crate::store::kit::address;

/// `[partner_center]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerCenterConfig {
    pub enabled: bool,
    pub cloud: String,
    pub api_url: String,
    pub login_url: String,
    pub tenant: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub refresh_token_file: PathBuf,
    #[serde(with = "list")]
    pub refresh_token_command: Vec<String>,
    pub token: Secret,
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub concurrency: usize,
    pub validate_addresses: bool,
    pub ignore_not_kept: bool,
    pub ca_file: PathBuf,
}

impl PartnerCenterConfig {
    /// Whether there is something that says who we are: then customers can be copied from there, even if no jobs run
    /// against it.
    pub fn is_configured(&self) -> bool {
        self.enabled || !self.client_id.is_empty() || !self.token.is_empty()
    }

    /// How to reach Partner Center; `None` if it is not configured.
    pub fn settings(&self) -> Result<Option<Settings>, ConfigError> {
        if !self.is_configured() {
            return Ok(None);
        }
        let addresses = self
            .addresses()
            .map_err(|(key, fault)| ConfigError(vec![format!("`{key}`: {fault}")]))?;
        let refresh_token = if !self.refresh_token_file.as_os_str().is_empty() {
            Some(RefreshToken::File(self.refresh_token_file.clone()))
        } else if !self.refresh_token_command.is_empty() {
            Some(RefreshToken::Command(self.refresh_token_command.clone()))
        } else {
            None
        };
        Ok(Some(Settings {
            addresses,
            credentials: Credentials {
                tenant: self.tenant.clone(),
                client_id: self.client_id.clone(),
                client_secret: self.client_secret.clone(),
                refresh_token,
                token: (!self.token.is_empty()).then(|| self.token.clone()),
            },
            timeout: self.timeout,
            concurrency: self.concurrency,
            validate_addresses: self.validate_addresses,
            ca_file: (!self.ca_file.as_os_str().is_empty()).then(|| self.ca_file.clone()),
        }))
    }

    fn addresses(&self) -> Result<Addresses, (&'static str, String)> {
        let cloud: Cloud = self.cloud.parse().map_err(|fault| ("partner_center.cloud", fault))?;
        // The version is part of each path, and of the address only in documentation.
        let own = |url: &str| {
            let url = url.trim_end_matches('/');
            url.strip_suffix("/v1").unwrap_or(url).to_owned()
        };
        match (cloud.addresses(), self.api_url.as_str(), self.login_url.as_str()) {
            (Some(addresses), "", "") => Ok(addresses),
            (Some(addresses), api, login) => Ok(Addresses {
                api: if api.is_empty() { addresses.api } else { own(api) },
                login: if login.is_empty() { addresses.login } else { own(login) },
                resource: addresses.resource,
            }),
            (None, "", _) | (None, _, "") => Err((
                "partner_center.cloud",
                "expected `partner_center.api_url` and `partner_center.login_url` with it: Microsoft documents no address".to_owned(),
            )),
            (None, api, login) => Ok(Addresses {
                api: own(api),
                login: own(login),
                resource: own(api),
            }),
        }
    }

    /// Everything that is wrong here.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        faults.extend(self.addresses().err());
        for (key, url) in [
            ("partner_center.api_url", &self.api_url),
            ("partner_center.login_url", &self.login_url),
        ] {
            let fault = (!url.is_empty()).then(|| address::fault(url)).flatten();
            faults.extend(fault.map(|fault| (key, fault.to_owned())));
        }
        if !(1..=256).contains(&self.concurrency) {
            faults.push(("partner_center.concurrency", "expected 1 to 256".to_owned()));
        }
        if self.timeout.is_zero() {
            faults.push(("partner_center.timeout", "expected more than nothing".to_owned()));
        }
        if !self.refresh_token_file.as_os_str().is_empty() && !self.refresh_token_command.is_empty() {
            let fault = "expected nothing, since `partner_center.refresh_token_file` is set";
            faults.push(("partner_center.refresh_token_command", fault.to_owned()));
        }
        if self.is_configured() && self.token.is_empty() {
            let needed = [
                ("partner_center.tenant", self.tenant.is_empty()),
                ("partner_center.client_id", self.client_id.is_empty()),
                ("partner_center.client_secret", self.client_secret.is_empty()),
            ];
            for (key, _) in needed.into_iter().filter(|(_, is_missing)| *is_missing) {
                let why = if self.enabled {
                    "`partner_center.enabled` is true"
                } else {
                    "`partner_center.client_id` is given"
                };
                faults.push((key, format!("expected one, since {why}")));
            }
        }
        faults
    }
}
