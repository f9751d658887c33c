//! Values that may hold a secret: addresses with a password in them, keys pasted into the wrong place.

use std::fmt;
use std::path::Path;

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

/// In place of the address of a queue that there is none of.
const EMBEDDED: &str = "embedded";

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.0.strip_prefix("sqlite:") {
            // An address of another database put behind it is no path.
            return match path.split_once("://") {
                Some(_) => write!(f, "sqlite:{}", Self::new(path.trim_start_matches("sqlite:"))),
                None => write!(f, "sqlite:{path}"),
            };
        }
        if self.0 == EMBEDDED {
            return f.write_str(EMBEDDED);
        }
        // Anything else without a scheme may be a list of keys and values, the password among them.
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("***");
        };
        // Parameters can hold a password as well; they are left out altogether.
        let address = rest.split(['?', '#']).next().unwrap_or(rest);
        match address.rsplit_once('@') {
            // What seems to be a parameter may be the rest of a password, and the other way about.
            _ if rest[address.len()..].contains('@') => write!(f, "{scheme}://***"),
            // A user without a password is often a password.
            Some((who, host)) => match who.split_once(':') {
                Some((user, _)) if !user.is_empty() => write!(f, "{scheme}://{user}:***@{host}"),
                _ => write!(f, "{scheme}://***@{host}"),
            },
            None => write!(f, "{scheme}://{address}"),
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

/// A path as messages show it. What stands in the place of one may be what was to stand in that file: an address with a password, or
/// a token.
pub fn shown_path(path: &Path) -> String {
    /// Names of files are shorter.
    const LONGEST_NAME: usize = 100;
    let text = path.display().to_string();
    let is_begun = text.starts_with(['/', '.', '~']);
    if text.contains("://") {
        SecretUrl(text).to_string()
    } else if !is_begun && text.split('/').any(|part| part.len() > LONGEST_NAME) {
        format!("a name of {} characters", text.chars().count())
    } else {
        without_keys(&text)
    }
}

/// Whether the value of a key is kept out of messages. Where a secret stands beside is no place to quote from either: it may have been
/// put into the wrong one.
pub fn may_hold_one(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let parts = ["url", "secret", "token", "password", "recipients", "command"];
    last.split('_').any(|part| parts.contains(&part))
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
        check("sqlite:odd?@name.db", "sqlite:odd?@name.db");
        check("sqlite:postgres://ada:S@h/d", "sqlite:postgres://ada:***@h/d");
        check("sqlite:sqlite:redis://:S@h", "sqlite:redis://***@h");
        check("postgres://ada:S?x@127.0.0.1:1/db", "postgres://***");
        check("postgres://ada:S#x@127.0.0.1:1/db", "postgres://***");
        check("postgres://127.0.0.1/db?password=S@x", "postgres://***");
        check("redis://:S?@host", "redis://***");
        check("redis://:S@host", "redis://***@host");
        check("redis://S@host/3", "redis://***@host/3");
        check("postgres://h/d?password=S", "postgres://h/d");
        check("embedded", "embedded");
        check("host=h password=S", "***");
        check("postgres:/ada:S@h/d", "***");
    }

    proptest::proptest! {
        #[test]
        fn passwords_of_any_characters_are_hidden(password in "[!-~]*S3CRET[!-~]*", form in 0..4) {
            let url = match form {
                0 => format!("postgres://ada:{password}@db.example/x"),
                // With a colon in it, it is a user and a password.
                1 => format!("redis://{}@db.example", password.replace(':', "")),
                2 => format!("redis://:{password}@db.example:1/2"),
                _ => format!("postgres://ada@db.example/x?password={password}"),
            };
            let shown = SecretUrl::new(url).to_string();
            proptest::prop_assert!(!shown.contains("S3CRET"), "{shown}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_path_is_not_shown() {
        let check = |path: &str, shown: &str| assert_eq!(shown_path(Path::new(path)), shown);
        let long = "0.AXoA-_".repeat(20);
        check("/etc/tenantry/url", "/etc/tenantry/url");
        check(&format!("/var/{long}"), &format!("/var/{long}"));
        check("postgres://ada:S@h/d", "postgres://ada:***@h/d");
        check(&long, "a name of 160 characters");
        check(&format!("{long}/x+"), "a name of 163 characters");
        check("AGE-SECRET-KEY-1QS", "AGE-SECRET-KEY-***");
    }

    #[test]
    fn values_of_keys_that_may_hold_one_are_known() {
        let hold = [
            "ledger.url",
            "stores.x.url",
            "partner_center.api_url",
            "partner_center.client_secret",
            "partner_center.refresh_token_command",
            "partner_center.refresh_token_file",
            "listen.token",
            "passwords.recipients",
        ];
        assert!(hold.into_iter().all(may_hold_one));
        assert!(
            !["worker.concurrency", "passwords.length", "folders.x.path"]
                .into_iter()
                .any(may_hold_one)
        );
    }
}
