//! The refresh token: where it is kept, how long it is good, and what to do when it is good no more.
//!
//! It is good for a time from when it was issued, and is replaced by a new one whenever it is used. In its file a second
//! line notes when that was; a file somebody wrote by hand has none, and counts from when it was written. When a token
//! from a command was issued is not known here.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tenantry_foundation::file::WholeFile;
use tenantry_foundation::secret::{Secret, shown_path};
use tenantry_foundation::{program, small_file};
use zeroize::Zeroizing;

use super::AuthError;

/// How long a command may take: enough for a secret store over the network, and no time to wait for a person, since there is none.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest token that is taken from a command; they are a few thousand bytes.
const LONGEST: usize = 64 << 10;
const DAY: i64 = 24 * 3600 * 1000;
/// How long before its end it is spoken of.
const AHEAD: i64 = 14 * DAY;
/// What the second line of the file begins with.
const ISSUED: &str = "issued ";

/// Where the refresh token is.
#[derive(Debug, Clone)]
pub enum RefreshToken {
    /// In this file, which is written anew with each token that replaces it.
    File(PathBuf),
    /// What this program with these arguments prints.
    Command(Vec<String>),
}

/// How long a token is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenExpiry {
    /// For a while yet, or nobody knows.
    Good(String),
    /// Not much longer, or no longer; what to do.
    Ending(String),
}

/// What is particular to a service's refresh tokens.
#[derive(Debug, Clone)]
pub struct RefreshRules {
    /// How many days one is good from when it was issued.
    pub days: i64,
    /// What somebody does to get a new one, as half a sentence in the imperative. Where to put it is added.
    pub renewal: &'static str,
    /// The configuration key of the file.
    pub file_key: &'static str,
    /// The configuration key of the command.
    pub command_key: &'static str,
}

/// A refresh token with the rules it goes by.
#[derive(Debug, Clone)]
pub(super) struct Refresh {
    pub(super) token: RefreshToken,
    pub(super) rules: RefreshRules,
}

impl Refresh {
    /// The token itself.
    pub(super) async fn read(&self) -> Result<Secret, AuthError> {
        match &self.token {
            RefreshToken::File(path) => {
                let name = shown_path(path);
                let read = text_of(path).await;
                let text = read.map_err(|error| AuthError::Refused(self.unreadable(path, &error)))?;
                let token = text.trim_start().lines().next().unwrap_or_default().trim();
                if token.is_empty() {
                    let what = format!("{name} is empty; {}", self.how_to_renew());
                    return Err(AuthError::Refused(what));
                }
                Ok(Secret::new(token))
            }
            RefreshToken::Command(words) => asked(words, self.rules.command_key).await,
        }
    }

    /// Keeps the token that replaces this one, if this is the place for it.
    pub(super) async fn replace(&self, token: &Secret, now_millis: i64) -> Result<(), AuthError> {
        let RefreshToken::File(path) = &self.token else {
            return Ok(());
        };
        let issued = at(now_millis).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let text = Zeroizing::new(format!("{}\n{ISSUED}{issued}\n", token.reveal()));
        let path = path.clone();
        let kept = tokio::task::spawn_blocking(move || write(&path, &text)).await;
        let failed = |error: String| AuthError::Unavailable(format!("the refresh token cannot be kept: {error}"));
        kept.map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))
    }

    /// When it ends, as far as that is known, in milliseconds since the epoch.
    pub(super) async fn ends_at(&self) -> Option<i64> {
        match &self.token {
            RefreshToken::File(path) => Some(issued(path).await.ok()?.0 + self.rules.days * DAY),
            RefreshToken::Command(_) => None,
        }
    }

    /// How long it is good, as far as that is known.
    pub(super) async fn standing(&self, now_millis: i64) -> TokenExpiry {
        let days = self.rules.days;
        let path = match &self.token {
            RefreshToken::File(path) => path,
            RefreshToken::Command(_) => {
                let key = self.rules.command_key;
                return TokenExpiry::Good(format!(
                    "when the refresh token given by `{key}` ends is not known here: {days} days after it was issued"
                ));
            }
        };
        let (issued, is_noted) = match issued(path).await {
            Ok(issued) => issued,
            Err(error) => {
                return TokenExpiry::Ending(self.unreadable(path, &error));
            }
        };
        let ends = issued + days * DAY;
        let (name, date) = (shown_path(path), at(ends).strftime("%Y-%m-%d"));
        let guess = if is_noted {
            ""
        } else {
            ", counted from when the file was written"
        };
        let left = ends - now_millis;
        if left > AHEAD {
            return TokenExpiry::Good(format!("the refresh token in {name} is good until {date}{guess}"));
        }
        let again = self.how_to_renew();
        TokenExpiry::Ending(if left <= 0 {
            format!("the refresh token in {name} was good until {date}{guess}; {again}")
        } else {
            let days = match left / DAY {
                0 => "less than a day".to_owned(),
                1 => "1 day".to_owned(),
                days => format!("{days} days"),
            };
            format!(
                "the refresh token in {name} is good for {days} more, until {date}{guess}; `tenantry doctor` uses it, which \
                 replaces it; if it is not replaced, {again}"
            )
        })
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) -> String {
        let name = shown_path(path);
        // One that is there may be a good one, once it is kept as it should be.
        if error.kind() == ErrorKind::NotFound {
            format!("{name}: {error}; {}", self.how_to_renew())
        } else {
            format!("{name}: {error}")
        }
    }

    /// What somebody has to do to get a new one.
    pub(super) fn how_to_renew(&self) -> String {
        let place = match &self.token {
            RefreshToken::File(path) => format!("write the new refresh token to {}", shown_path(path)),
            // Its words are not quoted, not even the first: somebody may have written all of them as one.
            RefreshToken::Command(_) => format!("have `{}` give the new refresh token", self.rules.command_key),
        };
        format!("{}, and {place}", self.rules.renewal)
    }
}

/// When the token in a file was issued, and whether that is noted there.
async fn issued(path: &Path) -> std::io::Result<(i64, bool)> {
    let text = text_of(path).await?;
    let noted = text.lines().find_map(|line| line.strip_prefix(ISSUED));
    if let Some(noted) = noted.and_then(|text| text.trim().parse::<Timestamp>().ok()) {
        return Ok((noted.as_millisecond(), true));
    }
    let written = tokio::fs::metadata(path).await?.modified()?;
    let written = Timestamp::try_from(written).map_err(std::io::Error::other)?;
    Ok((written.as_millisecond(), false))
}

/// What the file of a token holds.
async fn text_of(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || small_file::read_secret_text(&path)).await?
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

async fn asked(words: &[String], key: &str) -> Result<Secret, AuthError> {
    // Its words are not quoted: an argument may be a secret, and so may the rest of a program that was to be several words.
    let failed = |what: String| AuthError::Unavailable(format!("`{key}` gave no refresh token: {what}"));
    let printed = program::output(words, PATIENCE, LONGEST).await.map_err(failed)?;
    let text = std::str::from_utf8(&printed).map_err(|_| failed("what it printed is no text".to_owned()))?;
    match text.trim() {
        "" => Err(failed("it printed nothing".to_owned())),
        token => Ok(Secret::new(token)),
    }
}

/// Replaces a file in one step, readable by its owner alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    // Where a link leads, so that no token that was used stays there.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut file = WholeFile::create(&path)?;
    file.write_all(text.as_bytes())?;
    file.finish()
}
