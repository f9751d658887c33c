//! Recipients of the passwords that a job hands out.

use tenantry_jobs::{JobKind, Passwords};
use thiserror::Error;

use super::Service;

/// What a submission says about passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PasswordWish {
    /// As the configuration says; a kind that needs a recipient and has none is refused.
    #[default]
    Configured,
    /// As the configuration says; without a recipient, users are made without passwords.
    ConfiguredOrNone,
    /// Sealed to these public keys of the submitter, who writes them in the clear; they are delivered in no file.
    To(Vec<String>),
    /// None are handed out.
    None,
}

/// Why a kind cannot be submitted so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRecipient {
    /// Its passwords would be lost.
    #[error(
        "`{0}` hands out passwords, and there is nobody to seal them to: put a public key into `passwords.recipients` \
         (`tenantry keygen` makes one), or say --plaintext-passwords FILE, or --no-passwords"
    )]
    Missing(&'static str),
    /// It does nothing else.
    #[error("`{0}` does nothing else but hand out passwords")]
    Needed(&'static str),
    /// They may not be sealed to that key.
    #[error(
        "passwords may not be sealed to `{0}`: the policy of the ledger names who may read them (`passwords.recipients`)"
    )]
    NotAllowed(String),
}

impl Service {
    /// Whom the passwords of a job of this kind are sealed to; nobody if it hands out none, or none are to be.
    pub fn recipients(&self, kind: &dyn JobKind, wish: &PasswordWish) -> Result<Vec<String>, NoRecipient> {
        if !self.stores.makes_passwords(kind) {
            return Ok(Vec::new());
        }
        let name = kind.kind();
        let configured = if self.settings.hands_out_passwords {
            self.settings.recipients.as_slice()
        } else {
            &[]
        };
        let recipients = match wish {
            PasswordWish::To(keys) => keys.clone(),
            PasswordWish::None => Vec::new(),
            PasswordWish::Configured if self.settings.hands_out_passwords && configured.is_empty() => {
                return Err(NoRecipient::Missing(name));
            }
            PasswordWish::Configured | PasswordWish::ConfiguredOrNone => configured.to_vec(),
        };
        if recipients.is_empty() && kind.policy().passwords == Passwords::Only {
            return Err(NoRecipient::Needed(name));
        }
        match self.policy().stranger(&recipients) {
            Some(stranger) => Err(NoRecipient::NotAllowed(stranger.to_owned())),
            None => Ok(recipients),
        }
    }
}
