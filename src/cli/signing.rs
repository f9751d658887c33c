//! Signing by an approver: with a key at hand, or elsewhere, with `ssh-keygen`, an agent or hardware.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::output;
use crate::signature::{SignatureError, TextSignature};

#[derive(Debug, Args)]
pub(super) struct SigningArgs {
    /// Sign with this secret key (OpenSSH, without a passphrase)
    #[arg(long = "key", value_name = "FILE", conflicts_with = "signature")]
    key: Option<PathBuf>,
    /// The signature of what --to-sign prints, as `ssh-keygen -Y sign -n tenantry` makes it
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Print the text that is to be signed, and decide nothing
    #[arg(long, conflicts_with_all = ["key", "signature"])]
    to_sign: bool,
}

/// The same for a command that is told of another key.
#[derive(Debug, Args)]
pub(super) struct EnrolmentSigningArgs {
    /// Sign as an approver with this secret key (OpenSSH, without a passphrase)
    #[arg(long, value_name = "FILE", conflicts_with = "signature")]
    sign_with: Option<PathBuf>,
    /// The signature of what --to-sign prints, as `ssh-keygen -Y sign -n tenantry` makes it
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Print the text that an approver is to sign, and change nothing
    #[arg(long, conflicts_with_all = ["sign_with", "signature"])]
    to_sign: bool,
}

impl From<&EnrolmentSigningArgs> for SigningArgs {
    fn from(args: &EnrolmentSigningArgs) -> Self {
        Self {
            key: args.sign_with.clone(),
            signature: args.signature.clone(),
            to_sign: args.to_sign,
        }
    }
}

impl SigningArgs {
    /// Prints the text, if that is all that is wanted.
    pub(super) fn prints(&self, text: &str) -> std::io::Result<bool> {
        if self.to_sign {
            let mut out = output::out();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
        Ok(self.to_sign)
    }

    /// Whether it was signed elsewhere.
    pub(super) fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// The signature of the text, on one line; `None` where nobody signs.
    pub(super) fn signature(&self, text: &str) -> Result<Option<String>, SignatureError> {
        let made = match (&self.key, &self.signature) {
            (Some(key), _) => TextSignature::make(key, text)?,
            (None, Some(file)) => TextSignature::of_file(file)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(made.on_one_line()))
    }
}
