//! The token endpoint: what is turned into tokens, and what is refused.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::issue::{self, Code, MadeTokens, TokensFor, bearer, no_randomness, refusal};
use super::jwt::web;
use super::{Endpoint, Version};
use crate::reply::HttpReply;
use crate::request::HttpRequest;
use crate::{PARTNER, Shared, lock};

/// The resource of Partner Center.
const RESOURCE: &str = "https://api.partnercenter.microsoft.com";

/// Members of a form.
pub(super) struct TokenForm(Vec<(String, String)>);

impl TokenForm {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self(request.form())
    }

    /// The value of that name, or empty.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// What tokens are asked for with.
struct GrantAsked {
    user: bool,
    partner: Uuid,
    nonce: String,
    /// Scopes that were agreed on before; empty if none were.
    scope: String,
}

/// Why there is no token: status, word and number, text.
type NoToken = (u16, (&'static str, u32), &'static str);

fn bad_grant(number: u32, text: &'static str) -> NoToken {
    (400, ("invalid_grant", number), text)
}

fn missing(text: &'static str) -> NoToken {
    (400, ("invalid_request", 900_144), text)
}

/// `POST {tenant}/oauth2/token`, and the same of the second version.
pub(super) fn issue(shared: &Shared, request: &HttpRequest, endpoint: &Endpoint, now: i64) -> HttpReply {
    let form = TokenForm::of(request);
    let client = client(request, &form);
    let asked = check_client(shared, request, &form, &client).and_then(|()| ask(shared, &form, &client, endpoint, now));
    let asked = match asked {
        Ok(asked) => asked,
        Err((status, code, text)) => return refusal(shared, request, status, code, text),
    };
    let scope = match form.get("scope") {
        "" => asked.scope.as_str(),
        given => given,
    };
    let audience = audience(form.get("resource"), scope);
    let wanted = TokensFor {
        client: &client,
        audience: &audience,
        scope,
        partner: asked.partner,
        user: asked.user,
        nonce: &asked.nonce,
        now,
    };
    match issue::make(shared, request, &wanted) {
        Some(tokens) => told(shared, &form, endpoint.version, &wanted, tokens),
        None => no_randomness(shared, request),
    }
}

/// The application, from the form or from basic authentication.
fn client(request: &HttpRequest, form: &TokenForm) -> String {
    match form.get("client_id") {
        "" => basic(request).map_or(String::new(), |(client, _)| client),
        client => client.to_owned(),
    }
}

fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let (scheme, coded) = request.header("authorization")?.trim().split_once(' ')?;
    let text = scheme
        .eq_ignore_ascii_case("basic")
        .then(|| crate::etag::from_base64(coded.trim()))??;
    let text = String::from_utf8(text).ok()?;
    let (client, secret) = text.split_once(':')?;
    Some((client.to_owned(), secret.to_owned()))
}

fn check_client(shared: &Shared, request: &HttpRequest, form: &TokenForm, client: &str) -> Result<(), NoToken> {
    if client.is_empty() {
        return Err(missing("The request body must contain the parameter 'client_id'."));
    }
    let Some(secret) = &shared.options.client_secret else {
        return Ok(());
    };
    // Who signs in on a device has no secret, nor has who proves by PKCE that the code is his.
    let public = form.get("client_secret").is_empty()
        && form.get("client_assertion").is_empty()
        && (form.get("grant_type").contains("device_code") || !form.get("code_verifier").is_empty());
    let given = basic(request).map_or_else(|| form.get("client_secret").to_owned(), |(_, secret)| secret);
    if public || given == *secret {
        return Ok(());
    }
    Err((401, ("invalid_client", 7_000_215), "Invalid client secret provided."))
}

fn ask(shared: &Shared, form: &TokenForm, client: &str, endpoint: &Endpoint, now: i64) -> Result<GrantAsked, NoToken> {
    let asked = |user, partner, nonce: &str, scope: &str| GrantAsked {
        user,
        partner,
        nonce: nonce.to_owned(),
        scope: scope.to_owned(),
    };
    match form.get("grant_type") {
        "client_credentials" => Ok(asked(false, endpoint.partner(), "", "")),
        // A client that names a user is taken for that user: no password is known here.
        "password" => {
            if form.get("username").is_empty() || form.get("password").is_empty() {
                return Err(missing(
                    "The request body must contain the parameters 'username' and 'password'.",
                ));
            }
            Ok(asked(true, endpoint.partner(), "", ""))
        }
        "refresh_token" => {
            let given = form.get("refresh_token");
            if given.is_empty() {
                return Err(missing("The request body must contain the parameter 'refresh_token'."));
            }
            let issued = lock(&shared.tokens);
            // One that nobody knows is taken for one that was issued elsewhere.
            let Some(known) = issued.refresh(given) else {
                return Ok(asked(true, endpoint.partner(), "", ""));
            };
            if known.client != client {
                return Err(bad_grant(
                    70_000,
                    "The refresh token was issued to another application.",
                ));
            }
            // Without a tenant in the address it is that of the person.
            let partner = endpoint.named().unwrap_or(known.partner);
            Ok(asked(true, partner, "", &known.scope))
        }
        "authorization_code" => {
            let code = redeem(shared, form, client, now)?;
            Ok(asked(true, code.partner, &code.nonce, &code.scope))
        }
        "device_code" | "urn:ietf:params:oauth:grant-type:device_code" => {
            let code = approved(shared, form, client, now)?;
            Ok(asked(true, code.partner, "", &code.scope))
        }
        "" => Err(missing("The request body must contain the parameter 'grant_type'.")),
        _ => Err((
            400,
            ("unsupported_grant_type", 70_003),
            "The app requested an unsupported grant type.",
        )),
    }
}

/// Takes a code, which is good once.
fn redeem(shared: &Shared, form: &TokenForm, client: &str, now: i64) -> Result<Code, NoToken> {
    let given = form.get("code");
    if given.is_empty() {
        return Err(missing("The request body must contain the parameter 'code'."));
    }
    let code = lock(&shared.tokens).codes.remove(given);
    let code = code.ok_or_else(|| bad_grant(54_005, "The code is unknown here, or was redeemed before."))?;
    if now >= code.expires {
        return Err(bad_grant(70_008, "The code has expired."));
    }
    if code.client != client {
        return Err(bad_grant(700_005, "The code was issued to another application."));
    }
    if code.redirect != form.get("redirect_uri") {
        return Err((
            400,
            ("invalid_grant", 50_011),
            "The redirect URI is not the one that the code was sent to.",
        ));
    }
    if let Some((challenge, method)) = &code.challenge {
        let verifier = form.get("code_verifier");
        let hashed = match method.as_str() {
            "plain" => verifier.to_owned(),
            _ => web(&Sha256::digest(verifier)),
        };
        if hashed != *challenge {
            return Err(bad_grant(501_481, "The code verifier does not fit the challenge."));
        }
    }
    Ok(code)
}

/// What a device was allowed, once somebody has entered its code.
fn approved(shared: &Shared, form: &TokenForm, client: &str, now: i64) -> Result<Code, NoToken> {
    let given = [form.get("device_code"), form.get("code")]
        .into_iter()
        .find(|code| !code.is_empty());
    let given = given.ok_or_else(|| missing("The request body must contain the parameter 'device_code'."))?;
    let mut issued = lock(&shared.tokens);
    let device = issued.devices.get(given).cloned();
    let device = device.ok_or_else(|| bad_grant(70_000, "The device code is unknown here, or was used before."))?;
    if now >= device.code.expires {
        return Err((400, ("expired_token", 70_020), "The device code has expired."));
    }
    if device.code.client != client {
        return Err(bad_grant(700_005, "The device code was issued to another application."));
    }
    match device.approved {
        None => Err((
            400,
            ("authorization_pending", 70_016),
            "Nobody has entered the code yet.",
        )),
        Some(false) => Err((400, ("authorization_declined", 70_018), "It was declined.")),
        Some(true) => {
            issued.devices.remove(given);
            Ok(device.code)
        }
    }
}

/// What a token is for, by the resource of the first version or the scopes of the second.
fn audience(resource: &str, scope: &str) -> String {
    if !resource.is_empty() {
        return resource.trim_end_matches('/').to_owned();
    }
    let named = scope.split_whitespace().find(|one| one.contains("://"));
    let of = named.and_then(|one| one.rsplit_once('/'));
    of.map_or(RESOURCE, |(resource, _)| resource.trim_end_matches('/'))
        .to_owned()
}

fn told(shared: &Shared, form: &TokenForm, version: Version, wanted: &TokensFor<'_>, tokens: MadeTokens) -> HttpReply {
    let life = shared.options.token_life.as_secs();
    // The first version writes numbers as texts.
    let number = |value: u64| match version {
        Version::One => Json::from(value.to_string()),
        Version::Two => Json::from(value),
    };
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": number(life),
        "ext_expires_in": number(life),
        "access_token": tokens.access,
    });
    let has = |word: &str| wanted.scope.split_whitespace().any(|one| one == word);
    if version == Version::One {
        let seconds = wanted.now as u64 / 1000;
        body["expires_on"] = number(seconds + life);
        body["not_before"] = number(seconds);
        body["resource"] = match form.get("resource") {
            "" => wanted.audience.into(),
            given => given.into(),
        };
    }
    if wanted.user {
        body["scope"] = match (version, wanted.scope) {
            (Version::One, _) | (_, "") => "user_impersonation".into(),
            (Version::Two, scope) => scope.into(),
        };
        body["refresh_token"] = tokens.refresh.into();
        if version == Version::One || has("openid") {
            body["id_token"] = tokens.id.into();
        }
        if form.get("client_info") == "1" {
            body["client_info"] = tokens.client_info.into();
        }
    }
    HttpReply::ok(body).with("Cache-Control", "no-store")
}

/// `POST generatetoken`: any token becomes one of Partner Center.
pub(super) fn exchange(shared: &Shared, request: &HttpRequest, now: i64) -> HttpReply {
    let Some(given) = bearer(request) else {
        return refusal(
            shared,
            request,
            401,
            ("invalid_request", 50_000),
            "There is no token to exchange.",
        );
    };
    let known = lock(&shared.tokens).access(given).cloned();
    let wanted = TokensFor {
        client: known.as_ref().map_or("sandbox", |grant| grant.application.as_str()),
        audience: RESOURCE,
        scope: "",
        partner: known.as_ref().map_or(PARTNER, |grant| grant.partner),
        user: known.as_ref().is_none_or(|grant| grant.user),
        nonce: "",
        now,
    };
    match issue::make(shared, request, &wanted) {
        Some(tokens) => HttpReply::ok(json!({
            "access_token": tokens.access,
            "token_type": "Bearer",
            "expires_in": shared.options.token_life.as_secs(),
        })),
        None => no_randomness(shared, request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_of_both_versions() {
        assert_eq!(audience("https://a.example/", ""), "https://a.example");
        assert_eq!(
            audience("", "openid https://b.example/.default offline_access"),
            "https://b.example"
        );
        assert_eq!(audience("", "api://x/user_impersonation"), "api://x");
        assert_eq!(audience("", ""), RESOURCE);
    }
}
