//! Values that may hold a secret: addresses with a password in them, keys pasted into the wrong place.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A URL whose password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL as it is, for connecting.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        // Parameters can hold a password as well; they are left out altogether.
        let rest = rest.split('?').next().unwrap_or(rest);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or("");
                write!(f, "{scheme}://{user}:***@{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The value as it is, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "none" } else { "***" })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Whether the value of a key is kept out of messages.
pub fn may_hold_one(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    matches!(last, "url" | "client_secret" | "token") || key == "passwords.recipients"
}

/// A message without the secret keys it quotes.
pub fn without_keys(message: &str) -> String {
    const MARK: &str = "SECRET-KEY-";
    let upper = message.to_ascii_uppercase();
    let (mut shown, mut from) = (String::with_capacity(message.len()), 0);
    while let Some(at) = upper[from..].find(MARK) {
        let begin = from + at + MARK.len();
        shown.push_str(&message[from..begin]);
        shown.push_str("***");
        let rest = &message[begin..];
        from = begin
            + rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .unwrap_or(rest.len());
    }
    shown.push_str(&message[from..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_quoted() {
        let told = without_keys("`AGE-SECRET-KEY-1QX\u{e9}` and age-secret-key-pq-1xyz, both; é");
        assert_eq!(told, "`AGE-SECRET-KEY-***\u{e9}` and age-secret-key-***, both; é");
        assert_eq!(without_keys("nothing here"), "nothing here");
    }

    #[test]
    fn passwords_are_not_shown() {
        let check = |url: &str, shown: &str| assert_eq!(format!("{:?}", SecretUrl::new(url)), shown);
        check(
            "postgres://ada:p@ss:w@db.example/x?password=y",
            "postgres://ada:***@db.example/x",
        );
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6379");
        check("sqlite:tenantry.db", "sqlite:tenantry.db");
    }
}
