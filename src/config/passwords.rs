//! `[passwords]`: from what is written there to a policy and to recipients.

use std::path::PathBuf;

use serde::Deserialize;
use tenantry_jobs::{did_you_mean, nearest};

use super::{ConfigError, list};
use crate::passwords::{Class, LENGTHS, PasswordPolicy, Recipient, Sealer, parse_recipients};
use crate::secret::shown_path;
use crate::small_file;

/// `[passwords]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml has a comment for every key")]
pub struct PasswordsConfig {
    pub deliver: bool,
    pub length: usize,
    #[serde(with = "list")]
    pub classes: Vec<String>,
    pub ambiguous: bool,
    #[serde(with = "list")]
    pub recipients: Vec<String>,
    pub recipients_file: PathBuf,
}

/// The key at fault and what is wrong with it.
type ConfigFaults = Vec<(&'static str, String)>;

impl PasswordsConfig {
    /// What new passwords have to be like.
    pub fn policy(&self) -> Result<PasswordPolicy, ConfigError> {
        self.read_policy().map_err(error)
    }

    /// What seals them; `None` if no recipient is configured. Reads the file of recipients.
    pub fn sealer(&self) -> Result<Option<Sealer>, ConfigError> {
        self.read_recipients().map(Sealer::new).map_err(error)
    }

    /// Everything that is wrong here.
    pub(super) fn faults(&self) -> ConfigFaults {
        let mut faults = self.read_policy().err().unwrap_or_default();
        faults.extend(self.read_recipients().err().unwrap_or_default());
        faults
    }

    fn read_policy(&self) -> Result<PasswordPolicy, ConfigFaults> {
        let mut faults = Vec::new();
        if !LENGTHS.contains(&self.length) {
            faults.push(("passwords.length", "expected 8 to 256".to_owned()));
        }
        let (mut classes, mut all_known) = (Vec::new(), true);
        for name in &self.classes {
            if let Some(class) = Class::named(name) {
                classes.push(class);
            } else {
                let near = nearest(name, Class::ALL.into_iter().map(Class::name));
                let near = did_you_mean(near);
                faults.push(("passwords.classes", format!("there is no class `{name}`{near}")));
                all_known = false;
            }
        }
        let policy = PasswordPolicy::new(self.length, &classes, self.ambiguous);
        if all_known && PasswordPolicy::new(*LENGTHS.start(), &classes, self.ambiguous).is_none() {
            let expected = "expected at least three of lower, upper, digit and symbol";
            faults.push(("passwords.classes", expected.to_owned()));
        }
        match policy {
            Some(policy) if faults.is_empty() => Ok(policy),
            _ => Err(faults),
        }
    }

    fn read_recipients(&self) -> Result<Vec<Recipient>, ConfigFaults> {
        let (mut recipients, mut faults) = (Vec::new(), Vec::new());
        for (index, text) in self.recipients.iter().enumerate() {
            match text.parse() {
                Ok(recipient) => recipients.push(recipient),
                Err(why) => faults.push(("passwords.recipients", format!("recipient {} {why}", index + 1))),
            }
        }
        let file = &self.recipients_file;
        if !file.as_os_str().is_empty() {
            let mut fault =
                |why: String| faults.push(("passwords.recipients_file", format!("{}: {why}", shown_path(file))));
            match small_file::read_text(file) {
                Err(error) => fault(error.to_string()),
                Ok(text) => {
                    let (of_file, wrong) = parse_recipients(&text);
                    // Who names a file counts on those in it.
                    if of_file.is_empty() && wrong.is_empty() {
                        fault("has no recipient in it".to_owned());
                    }
                    recipients.extend(of_file);
                    for (line, why) in wrong {
                        fault(format!("line {line} {why}"));
                    }
                }
            }
        }
        if faults.is_empty() { Ok(recipients) } else { Err(faults) }
    }
}

fn error(faults: ConfigFaults) -> ConfigError {
    let line = |(key, fault)| format!("`{key}`: {fault}");
    ConfigError(faults.into_iter().map(line).collect())
}
