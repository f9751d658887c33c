//! Access tokens of OAuth 2.0: got from the token endpoint early enough, one request at a time, and again when one is refused.
//!
//! Some operations take a token of the application alone, some want one of an application and a user, which is got with
//! a refresh token. That is replaced whenever it is used, so it is kept in a file that only its owner can read, or asked
//! of a command each time (a vault's client, say) and never written. Once a day it is looked whether it still lives long
//! enough.

mod refresh;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;

pub use refresh::{RefreshRules, RefreshToken, TokenExpiry};

use self::refresh::Refresh;
use super::http::{Http, HttpError};
use tenantry_foundation::clock::Clock;
use tenantry_foundation::secret::Secret;

/// A token is replaced when less than this is left of it, or a fifth of its life if that is shorter.
const EARLY: Duration = Duration::from_secs(300);
/// How long the token endpoint may take. It answers within a second; all calls wait for it, so that one that hangs is given up
/// sooner than a call.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens are a few thousand bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// How often the end of the refresh token is spoken of, in milliseconds.
const DAILY: i64 = 24 * 3600 * 1000;

/// Whom a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The application.
    App,
    /// The application and a user.
    AppAndUser,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Not before somebody changes something.
    #[error("{0}")]
    Refused(String),
    /// Perhaps later.
    #[error("{0}")]
    Unavailable(String),
}

/// What is particular to a service's tokens.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The service, as messages name it.
    pub service: &'static str,
    /// The address of the token endpoint.
    pub url: String,
    /// Fields of every request: what the token is for.
    pub audience: Vec<(&'static str, String)>,
    /// Further fields of a request with a refresh token.
    pub with_refresh: &'static [(&'static str, &'static str)],
    /// How refresh tokens end and are renewed.
    pub refresh: RefreshRules,
    /// What a refusal means.
    pub judge: Judge,
}

/// Reads a refusal of the token endpoint from its HTTP status and body. If a refresh token was used, what somebody does to
/// renew it comes with them.
pub type Judge = fn(status: u16, body: &[u8], renewal: Option<&str>) -> TokenRefusal;

/// A refusal of the token endpoint.
#[derive(Debug)]
pub struct TokenRefusal {
    /// What was answered.
    pub what: String,
    /// Whether it may be another matter in a while.
    pub may_pass: bool,
    /// What somebody can do about it.
    pub advice: Option<String>,
}

/// Who we are to the token endpoint.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// For tokens of application and user.
    pub refresh_token: Option<RefreshToken>,
    /// A token that is there already and is used for everything.
    pub token: Option<Secret>,
}

/// Gets tokens and keeps them as long as they are good.
pub struct Tokens {
    http: Http,
    provider: Provider,
    client_id: String,
    client_secret: Secret,
    refresh: Option<Refresh>,
    /// Used for everything, if there is one.
    given: Option<Secret>,
    clock: Clock,
    // Held while a token is being got, so that one request gets it for everybody who waits.
    kept: Mutex<HashMap<TokenKind, KeptToken>>,
    /// The refresh token that replaced one that came from a command.
    replaced: Mutex<Option<Secret>>,
    /// When the end of the refresh token was looked at.
    minded: AtomicI64,
}

struct KeptToken {
    token: Secret,
    until_millis: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    /// Seconds; the older endpoint writes them as text.
    expires_in: serde_json::Value,
    refresh_token: Option<Secret>,
}

impl Tokens {
    /// Nothing is asked for yet.
    pub fn new(http: Http, provider: Provider, identity: ClientIdentity, clock: Clock) -> Self {
        let rules = &provider.refresh;
        let refresh = identity.refresh_token.map(|token| Refresh {
            token,
            rules: rules.clone(),
        });
        Self {
            http,
            provider,
            client_id: identity.client_id,
            client_secret: identity.client_secret,
            refresh,
            given: identity.token,
            clock,
            kept: Mutex::default(),
            replaced: Mutex::default(),
            minded: AtomicI64::new(0),
        }
    }

    /// Whether there is a way to a token with a user behind it.
    pub fn speak_for_users(&self) -> bool {
        self.given.is_some() || self.refresh.is_some()
    }

    /// A token that is good for a while yet.
    async fn get(&self, token_kind: TokenKind) -> Result<Secret, AuthError> {
        if let Some(token) = &self.given {
            return Ok(token.clone());
        }
        let token = self.kept_or_new(token_kind).await?;
        // Afterwards: the refresh token may just have been replaced.
        self.mind().await;
        Ok(token)
    }

    /// How long the refresh token is good; `None` if none is used.
    pub async fn standing(&self) -> Option<TokenExpiry> {
        let refresh = self.refresh.as_ref().filter(|_| self.given.is_none())?;
        Some(refresh.standing(self.clock.now_millis()).await)
    }

    /// When the refresh token ends, as far as that is known, in milliseconds since the epoch.
    pub async fn ends_at(&self) -> Option<i64> {
        self.refresh.as_ref().filter(|_| self.given.is_none())?.ends_at().await
    }

    /// Warns when the refresh token is about to end; at most once a day.
    pub async fn mind(&self) {
        let now = self.clock.now_millis();
        let last = self.minded.load(Ordering::Relaxed);
        let is_mine = now - last >= DAILY
            && self
                .minded
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_mine && let Some(TokenExpiry::Ending(says)) = self.standing().await {
            tracing::warn!("{}: {says}", self.provider.service);
        }
    }

    async fn kept_or_new(&self, token_kind: TokenKind) -> Result<Secret, AuthError> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.get(&token_kind)
            && self.clock.now_millis() < kept.until_millis
        {
            return Ok(kept.token.clone());
        }
        let granted = self.request(token_kind).await?;
        let life = match &granted.expires_in {
            serde_json::Value::String(text) => text.parse().unwrap_or(0),
            other => other.as_u64().unwrap_or(0),
        };
        let life = Duration::from_secs(life);
        let good = life.saturating_sub(EARLY.min(life / 5));
        let token = granted.access_token.clone();
        kept.insert(
            token_kind,
            KeptToken {
                token: granted.access_token,
                until_millis: self.clock.now_millis() + good.as_millis() as i64,
            },
        );
        Ok(token)
    }

    /// Sends something with a token; if that one is refused, once more with a new one.
    pub async fn with<T, E, F>(
        &self,
        token_kind: TokenKind,
        send: impl Fn(Secret) -> F,
        is_refused: impl Fn(&E) -> bool,
    ) -> Result<T, E>
    where
        E: From<AuthError>,
        F: Future<Output = Result<T, E>>,
    {
        let token = self.get(token_kind).await?;
        match send(token.clone()).await {
            Err(error) if is_refused(&error) => {
                if !self.forget(token_kind, token.reveal()).await {
                    return Err(error);
                }
                send(self.get(token_kind).await?).await
            }
            other => other,
        }
    }

    /// Forgets a token that was refused. `false` if there is no way to get another.
    async fn forget(&self, token_kind: TokenKind, token: &str) -> bool {
        let mut kept = self.kept.lock().await;
        // Somebody else may have replaced it by now.
        if kept.get(&token_kind).is_some_and(|kept| kept.token.reveal() == token) {
            kept.remove(&token_kind);
        }
        self.given.is_none()
    }

    async fn request(&self, token_kind: TokenKind) -> Result<Granted, AuthError> {
        let Self {
            provider, client_id, ..
        } = self;
        let audience = provider.audience.iter().map(|(name, value)| (*name, value.as_str()));
        let mut form: Vec<(&str, &str)> = audience.collect();
        form.extend([
            ("client_id", client_id.as_str()),
            ("client_secret", self.client_secret.reveal()),
        ]);
        let refresh = match token_kind {
            TokenKind::App => None,
            TokenKind::AppAndUser => Some(self.refresh_token().await?),
        };
        match &refresh {
            None => form.push(("grant_type", "client_credentials")),
            Some(token) => {
                form.extend([("grant_type", "refresh_token"), ("refresh_token", token.reveal())]);
                form.extend(provider.with_refresh);
            }
        }
        let unavailable =
            |error: HttpError| AuthError::Unavailable(format!("the token endpoint cannot be reached: {error}"));
        let request = self.http.request(Method::POST, &provider.url, PATIENCE).form(&form);
        let answer = self.http.send(request).await.map_err(unavailable)?;
        let status = answer.status();
        let body = self.http.body(answer, LONGEST_ANSWER).await.map_err(unavailable)?;
        let body = zeroize::Zeroizing::new(body.to_vec());
        if !status.is_success() {
            let used = self.refresh.as_ref().filter(|_| refresh.is_some());
            let renewal = used.map(Refresh::how_to_renew);
            let refusal = (provider.judge)(status.as_u16(), &body, renewal.as_deref());
            let what = format!("no token for {}: {}", named(token_kind), refusal.what);
            if refusal.may_pass {
                return Err(AuthError::Unavailable(what));
            }
            let advice = refusal.advice.map_or(String::new(), |advice| format!("; {advice}"));
            return Err(AuthError::Refused(format!("{what}{advice}")));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| AuthError::Unavailable("the token endpoint's answer holds no token".to_owned()))?;
        if let Some(next) = &granted.refresh_token {
            self.keep(next).await?;
        }
        Ok(granted)
    }

    async fn refresh_token(&self) -> Result<Secret, AuthError> {
        if let Some(replaced) = &*self.replaced.lock().await {
            return Ok(replaced.clone());
        }
        match &self.refresh {
            None => Err(AuthError::Refused(format!(
                "this needs a token of application and user; set `{}`",
                self.provider.refresh.file_key
            ))),
            Some(refresh) => refresh.read().await,
        }
    }

    /// Keeps the refresh token that replaces the one just used: the old one may not be good for another time.
    async fn keep(&self, token: &Secret) -> Result<(), AuthError> {
        match &self.refresh {
            None => Ok(()),
            Some(refresh) => match &refresh.token {
                RefreshToken::File(_) => refresh.replace(token, self.clock.now_millis()).await,
                RefreshToken::Command(_) => {
                    *self.replaced.lock().await = Some(token.clone());
                    Ok(())
                }
            },
        }
    }
}

fn named(token_kind: TokenKind) -> &'static str {
    match token_kind {
        TokenKind::App => "the application",
        TokenKind::AppAndUser => "application and user",
    }
}
