//! `[listen]`: where a worker answers, and what it asks for.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::ConfigError;
use crate::secret::{Secret, shown_path};
use crate::small_file;

/// `[listen]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    pub address: String,
    pub token: Secret,
    pub token_file: PathBuf,
}

impl ListenConfig {
    /// The address and the token, which may be empty; `None` if nobody is answered.
    pub fn listening(&self) -> Result<Option<(SocketAddr, Secret)>, ConfigError> {
        let Ok(address) = self.address.parse() else {
            // A faulty one does not get this far.
            return Ok(None);
        };
        if self.token_file.as_os_str().is_empty() {
            return Ok(Some((address, self.token.clone())));
        }
        let fault = |why: String| {
            let file = shown_path(&self.token_file);
            ConfigError(vec![format!("`listen.token_file` = `{file}`: {why}")])
        };
        let text = small_file::read_text(&self.token_file).map_err(|error| fault(error.to_string()))?;
        match text.trim() {
            "" => Err(fault("expected a token; the file is empty".to_owned())),
            token => Ok(Some((address, Secret::new(token)))),
        }
    }

    /// What is wrong, by key.
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let has_file = !self.token_file.as_os_str().is_empty();
        let has_token = has_file || !self.token.is_empty();
        let mut faults = Vec::new();
        match self.address.parse::<SocketAddr>() {
            _ if self.address.is_empty() => {}
            Err(_) => faults.push((
                "listen.address",
                "expected an IP address and a port such as `127.0.0.1:9464`".to_owned(),
            )),
            Ok(address) if !address.ip().is_loopback() && !has_token => faults.push((
                "listen.address",
                format!(
                    "others can reach that; expected `listen.token` or `listen.token_file` with it, or `127.0.0.1:{}`",
                    address.port()
                ),
            )),
            Ok(_) => {}
        }
        if has_file && !self.token.is_empty() {
            faults.push((
                "listen.token_file",
                "expected it or `listen.token`, not both".to_owned(),
            ));
        }
        faults
    }
}
