//! The secret halves of key pairs: made for those who have none, and read to open what was sealed.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use age::secrecy::ExposeSecret;
use jiff::Timestamp;
use thiserror::Error;

use super::Recipient;
use crate::clock::Clock;
use crate::small_file;

/// Keys that open what was sealed to their public halves.
pub struct Identities {
    pub(super) keys: Vec<age::x25519::Identity>,
    /// Where they come from, for messages.
    pub(super) origin: String,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} of {})", self.keys.len(), self.origin)
    }
}

/// Why there are no identities. None of these repeats what was read.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("{origin}: {error}")]
    Io {
        /// Which one.
        origin: String,
        /// Why.
        error: io::Error,
    },
    /// A line is no identity.
    #[error("{origin}, line {line}: {why}")]
    Line {
        /// Where it stands.
        origin: String,
        /// In which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nothing but comments.
    #[error("{origin} holds no identity; expected a line `AGE-SECRET-KEY-1…`")]
    Empty {
        /// Where one was expected.
        origin: String,
    },
}

impl Identities {
    /// Reads an identity file, as `tenantry keygen` and `age-keygen` write it, or a pipe, such as of `<(pass show key)`. A file that
    /// others can read is refused.
    pub fn from_file(path: &Path) -> Result<Self, IdentityError> {
        let origin = path.display().to_string();
        let bytes = small_file::read_secret_or_pipe(path).map_err(|error| IdentityError::Io {
            origin: origin.clone(),
            error,
        })?;
        // What is no text is an identity file locked with a passphrase, or something else altogether.
        let text = std::str::from_utf8(&bytes).unwrap_or("age-encryption.org/");
        Self::from_text(text, &origin)
    }

    /// Reads identities, one on a line; empty lines and those that begin with `#` are left out. `origin` says in
    /// messages where the text comes from.
    pub fn from_text(text: &str, origin: &str) -> Result<Self, IdentityError> {
        let mut keys = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = line.parse().map_err(|_| IdentityError::Line {
                origin: origin.to_owned(),
                line: index + 1,
                why: instead(line),
            })?;
            keys.push(key);
        }
        let origin = origin.to_owned();
        if keys.is_empty() {
            return Err(IdentityError::Empty { origin });
        }
        Ok(Self { keys, origin })
    }

    /// Their public halves.
    pub fn recipients(&self) -> impl Iterator<Item = Recipient> {
        self.keys.iter().map(|key| Recipient(key.to_public()))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }
}

/// What stands where an identity should.
fn instead(line: &str) -> &'static str {
    let lower = line.to_ascii_lowercase();
    if lower.starts_with("age1") {
        "a public key opens nothing; the secret half is needed, `AGE-SECRET-KEY-1…`"
    } else if lower.starts_with("age-encryption.org/") || lower.starts_with("-----begin age") {
        "this file is locked with a passphrase, or no identity file; unlock it with `age -d` first"
    } else if lower.starts_with("-----begin") {
        "SSH keys cannot be used; passwords are sealed to age keys only"
    } else if lower.starts_with("age-plugin-") {
        "keys of plugins cannot be used here; open the delivered file with `age -d`"
    } else {
        "no identity; expected `AGE-SECRET-KEY-1…`, complete and without a typing error"
    }
}

/// Makes a key pair, writes it to a new file that only its owner can read, and gives the public half. A file that is
/// there already is left alone: what was sealed to its key could never be opened again.
pub fn write_key_pair(path: &Path, clock: &Clock) -> io::Result<Recipient> {
    let key = age::x25519::Identity::generate();
    let public = key.to_public();
    let created = Timestamp::from_millisecond(clock.now_millis()).map_err(io::Error::other)?;
    let head = format!("# created: {created:.0}\n# public key: {public}\n");
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let secret = key.to_string();
    let parts = [head.as_str(), secret.expose_secret(), "\n"];
    let written = parts
        .iter()
        .try_for_each(|part| file.write_all(part.as_bytes()))
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key is worse than none, and would be in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(Recipient(public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_identity_says_why_and_is_not_repeated() {
        let key = age::x25519::Identity::generate();
        let secret = key.to_string().expose_secret().to_owned();
        let read = |text: &str| Identities::from_text(text, "my-key.txt");
        let text = format!("\u{feff}# created: today\r\n\n{secret}\r\n{secret}\n");
        assert_eq!(read(&text).expect("identities").count(), 2);
        assert!(!format!("{:?}", read(&text)).contains(&secret));
        let check = |text: &str, says: &str| {
            let told = read(text).expect_err("none").to_string();
            assert!(told.contains(says) && !told.contains("SECRET-KEY-1Q"), "{told}");
        };
        check("# nothing\n", "my-key.txt holds no identity");
        check(
            &format!("# x\n{}", key.to_public()),
            "line 2: a public key opens nothing",
        );
        check(&format!("{secret}Q"), "complete");
        check("age-encryption.org/v1\n", "passphrase");
        check("-----BEGIN OPENSSH PRIVATE KEY-----", "SSH");
        check("AGE-PLUGIN-YUBIKEY-1QQ", "plugin");
    }
}
