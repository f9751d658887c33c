//! Tokens that were issued, what they allow, and who calls with them.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::jwt::web;
use crate::catalogue::guid_of;
use crate::reply::{HttpReply, Refused, refuse};
use crate::request::{HttpRequest, hex};
use crate::{PARTNER, Shared, lock};

/// How long a code is good for, and a refresh token.
pub(super) const CODE_LIFE: i64 = 10 * 60 * 1000;
const REFRESH_LIFE: i64 = 90 * 24 * 3600 * 1000;

/// What a token allows.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// The partner one acts as.
    pub(crate) partner: Uuid,
    /// Whether a person stands behind it.
    pub(crate) user: bool,
    /// The application that it was issued to.
    pub(crate) application: String,
    audience: Audience,
    expires: i64,
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Here,
    /// What is accepted no more.
    Retired,
    /// Another service.
    Elsewhere,
}

impl Audience {
    fn of(resource: &str) -> Self {
        let is = |host: &str| resource.contains(host);
        if is("graph.windows.net") {
            Self::Retired
        } else if is("graph.microsoft.com") || is("management.azure.com") || is("management.core.windows.net") {
            Self::Elsewhere
        } else {
            Self::Here
        }
    }
}

/// A code that was handed out, to be turned into tokens once.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) client: String,
    pub(super) redirect: String,
    /// The PKCE challenge, and how it was made.
    pub(super) challenge: Option<(String, String)>,
    pub(super) nonce: String,
    pub(super) scope: String,
    pub(super) partner: Uuid,
    pub(super) expires: i64,
}

/// A device that waits for somebody to enter its code.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) approved: Option<bool>,
    pub(super) code: Code,
}

/// What a refresh token is good for.
#[derive(Debug, Clone)]
pub(super) struct RefreshGrant {
    pub(super) client: String,
    pub(super) scope: String,
    /// Whose directory the person is in.
    pub(super) partner: Uuid,
    expires: i64,
}

/// Tokens and codes that were issued.
#[derive(Default)]
pub(crate) struct Issued {
    access: HashMap<String, Grant>,
    refresh: HashMap<String, RefreshGrant>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) devices: HashMap<String, Device>,
}

impl Issued {
    /// Forgets what has run out.
    pub(super) fn sweep(&mut self, now: i64) {
        self.access.retain(|_, grant| now < grant.expires);
        self.refresh.retain(|_, refresh| now < refresh.expires);
        self.codes.retain(|_, code| now < code.expires);
        self.devices.retain(|_, device| now < device.code.expires);
    }

    pub(super) fn refresh(&self, token: &str) -> Option<&RefreshGrant> {
        self.refresh.get(token)
    }

    pub(super) fn access(&self, token: &str) -> Option<&Grant> {
        self.access.get(token)
    }
}

/// Who calls, by the bearer token.
pub(crate) fn caller(shared: &Shared, request: &HttpRequest, now: i64) -> Result<Grant, Refused> {
    let Some(token) = bearer(request) else {
        return Err(unauthorized(refuse(401, 800_001, "There is no bearer token.")));
    };
    if shared.options.token.as_deref() == Some(token) {
        return Ok(Grant {
            partner: PARTNER,
            user: true,
            application: "sandbox".to_owned(),
            audience: Audience::Here,
            expires: i64::MAX,
        });
    }
    match lock(&shared.tokens).access.get(token) {
        Some(grant) if grant.audience == Audience::Retired => Err(unauthorized(refuse(
            401,
            900_420,
            "The token is for an audience that was retired.",
        ))),
        Some(grant) if grant.audience == Audience::Here && now < grant.expires => Ok(grant.clone()),
        _ => Err(denied()),
    }
}

/// The token that a request comes with.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token is not good, or no more.
pub(crate) fn denied() -> Refused {
    unauthorized(refuse(401, 400, "Access denied"))
}

fn unauthorized(refused: Refused) -> Refused {
    match refused {
        Refused::Answer(reply) => Refused::Answer(reply.with("WWW-Authenticate", "OAuth realm=urn:cpsvc:cpid:sandbox")),
        other @ Refused::Db(_) => other,
    }
}

/// Takes the token of a request back.
pub(crate) fn revoke(shared: &Shared, request: &HttpRequest) {
    if let Some(token) = bearer(request) {
        lock(&shared.tokens).access.remove(token);
    }
}

/// What tokens are made for.
pub(super) struct TokensFor<'a> {
    pub(super) client: &'a str,
    /// The resource they are for, as `aud` has it.
    pub(super) audience: &'a str,
    /// Scopes as they were asked for.
    pub(super) scope: &'a str,
    pub(super) partner: Uuid,
    pub(super) user: bool,
    pub(super) nonce: &'a str,
    pub(super) now: i64,
}

/// Tokens.
pub(super) struct MadeTokens {
    pub(super) access: String,
    /// What may be renewed, where a person stands behind it.
    pub(super) refresh: String,
    pub(super) id: String,
    pub(super) client_info: String,
}

/// The person who signs in everywhere.
const NAME: &str = "Sandbox Administrator";
const USER_NAME: &str = "admin@sandbox.example";

/// Makes tokens, and remembers them. There are none if the system has no randomness.
pub(super) fn make(shared: &Shared, request: &HttpRequest, wanted: &TokensFor<'_>) -> Option<MadeTokens> {
    let (seconds, life) = (wanted.now / 1000, shared.options.token_life.as_secs() as i64);
    let partner = wanted.partner;
    // Person and application have their ids in the directory of the partner.
    let person = guid_of(&format!("{partner} {USER_NAME}"));
    let application = guid_of(&format!("{partner} {}", wanted.client));
    let subject = web(person.as_bytes());
    let issuer = format!("{}/{partner}/", request.base);
    let mut claims = json!({
        "aud": wanted.audience,
        "iss": issuer,
        "iat": seconds,
        "nbf": seconds,
        "exp": seconds + life,
        "appid": wanted.client,
        "appidacr": "1",
        "tid": partner,
        "uti": random(shared)?,
        "ver": "1.0",
    });
    let more = if wanted.user {
        json!({
            "acr": "1", "amr": ["pwd", "mfa"], "family_name": "Administrator", "given_name": "Sandbox", "name": NAME,
            "oid": person, "scp": "user_impersonation", "sub": subject, "unique_name": USER_NAME, "upn": USER_NAME,
        })
    } else {
        json!({ "idtyp": "app", "oid": application, "sub": application, "roles": [] })
    };
    join(&mut claims, more);
    let access = shared.signer.sign(&claims)?;
    let id = json!({
        "aud": wanted.client,
        "iss": format!("{issuer}v2.0"),
        "iat": seconds,
        "nbf": seconds,
        "exp": seconds + life,
        "name": NAME,
        "oid": person,
        "preferred_username": USER_NAME,
        "sub": subject,
        "tid": partner,
        "ver": "2.0",
    });
    let mut id = id;
    if !wanted.nonce.is_empty() {
        id["nonce"] = wanted.nonce.into();
    }
    let tokens = MadeTokens {
        access,
        refresh: random(shared)?,
        id: shared.signer.sign(&id)?,
        client_info: web(json!({ "uid": person, "utid": partner }).to_string().as_bytes()),
    };
    let mut issued = lock(&shared.tokens);
    issued.sweep(wanted.now);
    let grant = Grant {
        partner,
        user: wanted.user,
        application: wanted.client.to_owned(),
        audience: Audience::of(wanted.audience),
        expires: wanted.now + shared.options.token_life.as_millis() as i64,
    };
    issued.access.insert(tokens.access.clone(), grant);
    if wanted.user {
        let refresh = RefreshGrant {
            client: wanted.client.to_owned(),
            scope: wanted.scope.to_owned(),
            partner,
            expires: wanted.now + REFRESH_LIFE,
        };
        issued.refresh.insert(tokens.refresh.clone(), refresh);
    }
    Some(tokens)
}

fn join(into: &mut Json, more: Json) {
    if let (Json::Object(into), Json::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// Text that nobody can guess.
pub(super) fn random(shared: &Shared) -> Option<String> {
    let mut bytes = [0; 32];
    shared.clock.entropy().fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

/// Nothing secret can be made, as the system gives no random numbers.
pub(super) fn no_randomness(shared: &Shared, request: &HttpRequest) -> HttpReply {
    let why = "The system gives no random numbers.";
    refusal(shared, request, 503, ("temporarily_unavailable", 90_033), why)
}

/// How the endpoints refuse.
pub(super) fn refusal(
    shared: &Shared,
    request: &HttpRequest,
    status: u16,
    (error, number): (&str, u32),
    text: &str,
) -> HttpReply {
    HttpReply::json(
        status,
        json!({
            "error": error,
            "error_description": format!("AADSTS{number}: {text}"),
            "error_codes": [number],
            "timestamp": crate::state::moment(shared.clock.now_millis()),
            "trace_id": shared.clock.fresh_id(),
            "correlation_id": request.correlation_id,
            "error_uri": format!("{}/error?code={number}", request.base),
        }),
    )
}
