//! Recipients that passwords are sealed to.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The public half of a key pair: what is sealed to it, only the secret half opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(super) age::x25519::Recipient);

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text names no recipient. None of these repeats the text: it may be a secret put into the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "their messages say it")]
pub enum RecipientError {
    #[error(
        "is a secret key (not shown here); put the public key there, `age1…`, from the line `# public key:` of the \
         same file. Make a new pair with `tenantry keygen` if others can read this configuration"
    )]
    SecretKey,
    #[error("is an SSH key, which passwords cannot be sealed to; make an age key with `tenantry keygen`")]
    Ssh,
    #[error("is an age key of a sort this program cannot seal to; make a plain one with `tenantry keygen`")]
    Sort,
    #[error("is no age public key: expected `age1…`, complete and without a typing error")]
    Malformed,
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(recipient) = text.parse() {
            return Ok(Self(recipient));
        }
        let lower = text.to_ascii_lowercase();
        // `age1yubikey1…`, `age1pq1…` and the like: the last `1` ends the sort, and a plain key has only the first.
        let sort = lower.strip_prefix("age1").and_then(|rest| rest.rsplit_once('1'));
        Err(if lower.contains("secret-key-") || lower.contains("private key") {
            RecipientError::SecretKey
        } else if lower.starts_with("ssh-") || lower.starts_with("ecdsa-") || lower.starts_with("sk-") {
            RecipientError::Ssh
        } else if sort.is_some_and(|(sort, _)| !sort.is_empty()) {
            RecipientError::Sort
        } else {
            RecipientError::Malformed
        })
    }
}

/// The recipients in a text that has one on a line, and every line that is none with its number. Empty lines and those
/// that begin with `#` are left out.
pub fn parse_recipients(text: &str) -> (Vec<Recipient>, Vec<(usize, RecipientError)>) {
    let (mut recipients, mut faults) = (Vec::new(), Vec::new());
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.parse() {
            Ok(recipient) => recipients.push(recipient),
            Err(error) => faults.push((index + 1, error)),
        }
    }
    (recipients, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_recipient_says_why_and_is_not_repeated() {
        let key = age::x25519::Identity::generate();
        let public = key.to_public().to_string();
        assert_eq!(public.parse::<Recipient>().expect("a key").to_string(), public);
        assert_eq!(
            format!(" {public}\t").parse::<Recipient>().expect("a key").to_string(),
            public
        );
        let why = |text: &str| {
            let error = text.parse::<Recipient>().expect_err("no key");
            assert!(text.is_empty() || !error.to_string().contains(text));
            error
        };
        let secret = age::secrecy::ExposeSecret::expose_secret(&key.to_string()).to_owned();
        assert_eq!(why(&secret), RecipientError::SecretKey);
        assert_eq!(why(&secret.to_lowercase()), RecipientError::SecretKey);
        assert_eq!(why(&format!("\"{secret}")), RecipientError::SecretKey);
        assert_eq!(why("AGE-SECRET-KEY-PQ-1XYZ"), RecipientError::SecretKey);
        assert_eq!(why("-----BEGIN OPENSSH PRIVATE KEY-----"), RecipientError::SecretKey);
        assert_eq!(why("ssh-ed25519 AAAAC3Nza ada@host"), RecipientError::Ssh);
        assert_eq!(why("age1yubikey1qwerty"), RecipientError::Sort);
        assert_eq!(why(&public[..40]), RecipientError::Malformed);
        assert_eq!(why(&format!("{public}q")), RecipientError::Malformed);
        assert_eq!(why(""), RecipientError::Malformed);
    }

    #[test]
    fn a_file_of_recipients_has_comments_and_all_its_faults_at_once() {
        let key = age::x25519::Identity::generate().to_public();
        let (recipients, faults) = parse_recipients(&format!("\u{feff}# ours\r\n{key}\r\n\nage1\n  # x\nssh-rsa A\n"));
        assert_eq!(recipients, [Recipient(key)]);
        assert_eq!(faults, [(4, RecipientError::Malformed), (6, RecipientError::Ssh)]);
    }
}
