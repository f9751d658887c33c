//! Access tokens: got from the token endpoint early enough, one request at a time, and again when one is refused.
//!
//! Some operations take a token of the application alone, some want one of an application and a user, which is got with
//! a refresh token. That is replaced whenever it is used, so it is kept in a file that only its owner can read, or asked
//! of a command each time (a vault's client, say) and never written. Once a day it is looked whether it still lives long
//! enough.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;

use super::auth::{AuthError, Speaker};
use super::cloud::Addresses;
use super::entra;
use super::failure::Failure;
use super::http::{body_of, told};
use super::refresh::{RefreshToken, Standing};
use crate::clock::Clock;
use crate::secret::Secret;

/// A token is replaced when less than this is left of it, or a fifth of its life if that is shorter.
const EARLY: Duration = Duration::from_secs(300);
/// How long the token endpoint may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens are a few thousand bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// How often the end of the refresh token is spoken of, in milliseconds.
const DAILY: i64 = 24 * 3600 * 1000;

/// Who we are to the token endpoint.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The partner's tenant: GUID or domain.
    pub tenant: String,
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
pub(super) struct Tokens {
    http: reqwest::Client,
    addresses: Addresses,
    credentials: Credentials,
    clock: Clock,
    // Held while a token is being got, so that one request gets it for everybody who waits.
    kept: Mutex<HashMap<Speaker, Kept>>,
    /// The refresh token that replaced one that came from a command.
    replaced: Mutex<Option<Secret>>,
    /// When the end of the refresh token was looked at.
    minded: AtomicI64,
}

struct Kept {
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
    pub(super) fn new(http: reqwest::Client, addresses: Addresses, credentials: Credentials, clock: Clock) -> Self {
        Self {
            http,
            addresses,
            credentials,
            clock,
            kept: Mutex::default(),
            replaced: Mutex::default(),
            minded: AtomicI64::new(0),
        }
    }

    /// Whether there is a way to a token with a user behind it.
    pub(super) fn speak_for_users(&self) -> bool {
        self.credentials.token.is_some() || self.credentials.refresh_token.is_some()
    }

    /// The partner's tenant, as configured.
    pub(super) fn tenant(&self) -> &str {
        &self.credentials.tenant
    }

    /// A token that is good for a while yet.
    pub(super) async fn get(&self, speaker: Speaker) -> Result<Secret, AuthError> {
        if let Some(token) = &self.credentials.token {
            return Ok(token.clone());
        }
        let token = self.kept_or_new(speaker).await?;
        // Afterwards: the refresh token may just have been replaced.
        self.mind().await;
        Ok(token)
    }

    /// How long the refresh token is good; `None` if none is used.
    pub(super) async fn standing(&self) -> Option<Standing> {
        let Credentials {
            token, refresh_token, ..
        } = &self.credentials;
        let refresh = refresh_token.as_ref().filter(|_| token.is_none())?;
        Some(refresh.standing(self.clock.now_millis()).await)
    }

    /// Warns when the refresh token is about to end; at most once a day.
    pub(super) async fn mind(&self) {
        let now = self.clock.now_millis();
        let last = self.minded.load(Ordering::Relaxed);
        let is_mine = now - last >= DAILY
            && self
                .minded
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_mine && let Some(Standing::Ending(says)) = self.standing().await {
            tracing::warn!("Partner Center: {says}");
        }
    }

    async fn kept_or_new(&self, speaker: Speaker) -> Result<Secret, AuthError> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.get(&speaker)
            && self.clock.now_millis() < kept.until_millis
        {
            return Ok(kept.token.clone());
        }
        let granted = self.request(speaker).await?;
        let life = match &granted.expires_in {
            serde_json::Value::String(text) => text.parse().unwrap_or(0),
            other => other.as_u64().unwrap_or(0),
        };
        let life = Duration::from_secs(life);
        let good = life.saturating_sub(EARLY.min(life / 5));
        let token = granted.access_token.clone();
        kept.insert(
            speaker,
            Kept {
                token: granted.access_token,
                until_millis: self.clock.now_millis() + good.as_millis() as i64,
            },
        );
        Ok(token)
    }

    /// Forgets a token that was refused. `false` if there is no way to get another.
    pub(super) async fn forget(&self, speaker: Speaker, token: &str) -> bool {
        let mut kept = self.kept.lock().await;
        // Somebody else may have replaced it by now.
        if kept.get(&speaker).is_some_and(|kept| kept.token.reveal() == token) {
            kept.remove(&speaker);
        }
        self.credentials.token.is_none()
    }

    async fn request(&self, speaker: Speaker) -> Result<Granted, AuthError> {
        let Credentials {
            tenant,
            client_id,
            client_secret,
            ..
        } = &self.credentials;
        let url = format!("{}/{tenant}/oauth2/token", self.addresses.login);
        let mut form = vec![
            ("resource", self.addresses.resource.as_str()),
            ("client_id", client_id.as_str()),
            ("client_secret", client_secret.reveal()),
        ];
        let refresh = match speaker {
            Speaker::App => None,
            Speaker::AppAndUser => Some(self.refresh_token().await?),
        };
        match &refresh {
            None => form.push(("grant_type", "client_credentials")),
            Some(token) => form.extend([
                ("grant_type", "refresh_token"),
                ("refresh_token", token.reveal()),
                ("scope", "openid"),
            ]),
        }
        let unavailable =
            |what: String| AuthError::Unavailable(format!("the token endpoint cannot be reached: {what}"));
        let sent = self.http.post(url).form(&form).timeout(PATIENCE).send().await;
        let answer = sent.map_err(|error| unavailable(told(&error)))?;
        let status = answer.status();
        let body = body_of(answer, LONGEST_ANSWER).await.map_err(unavailable)?;
        let body = zeroize::Zeroizing::new(body.to_vec());
        if !status.is_success() {
            let failure = Failure::read("token", status.as_u16(), &body, None);
            let what = format!("no token for {}: {failure}", named(speaker));
            if entra::may_pass(&failure) {
                return Err(AuthError::Unavailable(what));
            }
            let used = self.credentials.refresh_token.as_ref().filter(|_| refresh.is_some());
            let advice = entra::advice(&failure, used).map_or(String::new(), |advice| format!("; {advice}"));
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
        match &self.credentials.refresh_token {
            None => Err(AuthError::Refused(
                "this needs a token of application and user; set `partner_center.refresh_token_file`".to_owned(),
            )),
            Some(refresh) => refresh.read().await,
        }
    }

    /// Keeps the refresh token that replaces the one just used: the old one may not be good for another time.
    async fn keep(&self, token: &Secret) -> Result<(), AuthError> {
        match &self.credentials.refresh_token {
            Some(refresh @ RefreshToken::File(_)) => refresh.replace(token, self.clock.now_millis()).await,
            Some(RefreshToken::Command(_)) => {
                *self.replaced.lock().await = Some(token.clone());
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn named(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::App => "the application",
        Speaker::AppAndUser => "application and user",
    }
}
