//! Tokens: the endpoint that issues them, in both versions, and what they allow. They live as long as the process.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{HttpReply, Refused, refuse};
use super::request::{HttpRequest, hex};
use super::state::moment;
use super::{PARTNER, Shared, lock};

/// What a token allows.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    /// The partner one acts as.
    pub(super) partner: Uuid,
    /// Whether a person stands behind it.
    pub(super) user: bool,
    /// Whether it was issued for an audience that is accepted no more.
    retired: bool,
    expires: i64,
}

/// Tokens that were issued.
#[derive(Default)]
pub(super) struct Issued(HashMap<String, Grant>);

/// Who calls, by the bearer token.
pub(super) fn caller(shared: &Shared, request: &HttpRequest, now: i64) -> Result<Grant, Refused> {
    let bearer = request.header("authorization").and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = bearer else {
        return Err(unauthorized(refuse(401, 800_001, "There is no bearer token.")));
    };
    if shared.options.token.as_deref() == Some(token) {
        return Ok(Grant {
            partner: PARTNER,
            user: true,
            retired: false,
            expires: i64::MAX,
        });
    }
    match lock(&shared.tokens).0.get(token) {
        Some(grant) if grant.retired => Err(unauthorized(refuse(
            401,
            900_420,
            "The token is for an audience that was retired.",
        ))),
        Some(grant) if now < grant.expires => Ok(grant.clone()),
        _ => Err(denied()),
    }
}

/// The token is not good, or no more.
pub(super) fn denied() -> Refused {
    unauthorized(refuse(401, 400, "Access denied"))
}

fn unauthorized(refused: Refused) -> Refused {
    match refused {
        Refused::Answer(reply) => Refused::Answer(reply.with("WWW-Authenticate", "OAuth realm=urn:cpsvc:cpid:sandbox")),
        other @ Refused::Db(_) => other,
    }
}

/// Takes the token of a request back.
pub(super) fn revoke(shared: &Shared, request: &HttpRequest) {
    let token = request
        .header("authorization")
        .and_then(|value| value.rsplit(' ').next());
    if let Some(token) = token {
        lock(&shared.tokens).0.remove(token);
    }
}

/// The tenant and whether it is the second version, if the path is that of the token endpoint.
pub(super) fn endpoint(segments: &[String]) -> Option<(&str, bool)> {
    let is = |at: usize, word: &str| segments.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    let tenant = segments.first()?;
    match segments.len() {
        3 if is(1, "oauth2") && is(2, "token") => Some((tenant, false)),
        4 if is(1, "oauth2") && is(2, "v2.0") && is(3, "token") => Some((tenant, true)),
        _ => None,
    }
}

/// Issues a token.
pub(super) fn issue(shared: &Shared, request: &HttpRequest, tenant: &str, second: bool, now: i64) -> HttpReply {
    let form = request.form();
    let field = |name: &str| {
        let found = form.iter().find(|(given, _)| given == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let fail = |status, error: &str, number: u32, text: &str| {
        let description = format!("AADSTS{number}: {text}");
        HttpReply::json(
            status,
            json!({
                "error": error,
                "error_description": description,
                "error_codes": [number],
                "timestamp": moment(now),
                "trace_id": shared.clock.fresh_id(),
                "correlation_id": request.correlation_id,
            }),
        )
    };
    if field("client_id").is_empty() {
        return fail(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the parameter 'client_id'.",
        );
    }
    if shared
        .options
        .client_secret
        .as_deref()
        .is_some_and(|secret| secret != field("client_secret"))
    {
        return fail(401, "invalid_client", 7_000_215, "Invalid client secret provided.");
    }
    let user = match field("grant_type") {
        "client_credentials" => false,
        "refresh_token" if field("refresh_token").is_empty() => {
            return fail(
                400,
                "invalid_request",
                900_144,
                "The request body must contain the parameter 'refresh_token'.",
            );
        }
        "refresh_token" => true,
        _ => {
            return fail(
                400,
                "unsupported_grant_type",
                70_003,
                "The app requested an unsupported grant type.",
            );
        }
    };
    let (Some(access), Some(refresh)) = (random(shared), random(shared)) else {
        return fail(
            503,
            "temporarily_unavailable",
            90_033,
            "There is no randomness to be had.",
        );
    };
    let life = shared.options.token_life.as_secs();
    let audience = if second { field("scope") } else { field("resource") };
    let grant = Grant {
        partner: Uuid::try_parse(tenant).unwrap_or(PARTNER),
        user,
        retired: audience.contains("graph.windows.net"),
        expires: now + shared.options.token_life.as_millis() as i64,
    };
    let mut issued = lock(&shared.tokens);
    issued.0.retain(|_, grant| now < grant.expires);
    issued.0.insert(access.clone(), grant);
    drop(issued);
    let number = |value: u64| {
        if second {
            Value::from(value)
        } else {
            Value::from(value.to_string())
        }
    };
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": number(life),
        "ext_expires_in": number(life),
        "access_token": access,
    });
    if !second {
        body["expires_on"] = number(now as u64 / 1000 + life);
        body["not_before"] = number(now as u64 / 1000);
        body["resource"] = audience.into();
    }
    if user {
        body["scope"] = "user_impersonation".into();
        body["refresh_token"] = refresh.into();
    }
    HttpReply::ok(body).with("Cache-Control", "no-store")
}

fn random(shared: &Shared) -> Option<String> {
    let mut bytes = [0; 32];
    shared.clock.entropy().fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}
