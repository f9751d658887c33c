//! Signing in as Microsoft Entra has it, in both versions: where clients find out about it, tokens, and what they allow.
//!
//! No user is asked for a password. A client that asks for a code is the administrator of the partner whose tenant the address
//! names. Access tokens are JWTs that this process signs; it remembers which ones it issued, and looks at nothing else of them.
//! Tokens live as long as the process.

mod authorize;
mod discovery;
mod issue;
mod jwt;
mod token;

use axum::http::Method;
use uuid::Uuid;

use super::reply::HttpReply;
use super::request::HttpRequest;
use super::{PARTNER, Shared};

pub(super) use issue::{Grant, Issued, caller, denied, revoke};
pub(super) use jwt::{NoKey, Signer};

/// Which version of the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndpointKind {
    Configuration,
    Instance,
    Keys,
    Authorize,
    DeviceCode,
    /// Where the person enters the code of a device.
    EnterCode,
    Token,
    /// The token of an application turned into one of Partner Center: how it was done at first.
    Exchange,
    Consent,
    SignOut,
}

/// An endpoint that a request is for.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    place: EndpointKind,
    version: Version,
    /// As the address has it: a GUID, a domain, `common`, `organizations`.
    tenant: String,
}

const TENANT_PATHS: &[(&str, EndpointKind, Version)] = &[
    ("oauth2/token", EndpointKind::Token, Version::One),
    ("oauth2/v2.0/token", EndpointKind::Token, Version::Two),
    ("oauth2/authorize", EndpointKind::Authorize, Version::One),
    ("oauth2/v2.0/authorize", EndpointKind::Authorize, Version::Two),
    ("oauth2/devicecode", EndpointKind::DeviceCode, Version::One),
    ("oauth2/v2.0/devicecode", EndpointKind::DeviceCode, Version::Two),
    ("oauth2/deviceauth", EndpointKind::EnterCode, Version::One),
    ("oauth2/logout", EndpointKind::SignOut, Version::One),
    ("oauth2/v2.0/logout", EndpointKind::SignOut, Version::Two),
    ("adminconsent", EndpointKind::Consent, Version::One),
    ("v2.0/adminconsent", EndpointKind::Consent, Version::Two),
    (
        ".well-known/openid-configuration",
        EndpointKind::Configuration,
        Version::One,
    ),
    (
        "v2.0/.well-known/openid-configuration",
        EndpointKind::Configuration,
        Version::Two,
    ),
    ("discovery/keys", EndpointKind::Keys, Version::One),
    ("discovery/v2.0/keys", EndpointKind::Keys, Version::Two),
    ("discovery/instance", EndpointKind::Instance, Version::One),
];

impl Endpoint {
    /// The endpoint of that path, if it is one.
    pub(super) fn find(segments: &[String]) -> Option<Self> {
        let (tenant, rest) = segments.split_first()?;
        let here = |place| Self {
            place,
            version: Version::One,
            tenant: "common".to_owned(),
        };
        if rest.is_empty() {
            return match tenant.to_ascii_lowercase().as_str() {
                "generatetoken" => Some(here(EndpointKind::Exchange)),
                "devicelogin" => Some(here(EndpointKind::EnterCode)),
                _ => None,
            };
        }
        let path = rest.join("/").to_ascii_lowercase();
        let (_, place, version) = TENANT_PATHS.iter().find(|(known, ..)| *known == path)?;
        Some(Self {
            place: *place,
            version: *version,
            tenant: tenant.clone(),
        })
    }

    /// What it is called in scripts of faults and in counters.
    pub(super) fn name(&self) -> &'static str {
        match self.place {
            EndpointKind::Token => "token",
            EndpointKind::Exchange => "generate-token",
            EndpointKind::Authorize | EndpointKind::Consent | EndpointKind::SignOut => "authorize",
            EndpointKind::DeviceCode | EndpointKind::EnterCode => "device-code",
            EndpointKind::Configuration | EndpointKind::Keys | EndpointKind::Instance => "openid-configuration",
        }
    }

    /// The partner that is signed in to.
    fn partner(&self) -> Uuid {
        self.named().unwrap_or(PARTNER)
    }

    /// The tenant, where the address names one by its id.
    fn named(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.tenant).ok()
    }
}

/// Names of all of it.
pub(super) const NAMES: [&str; 5] = [
    "token",
    "generate-token",
    "authorize",
    "device-code",
    "openid-configuration",
];

/// Answers a request to an endpoint, or says that it is not asked like that.
pub(super) fn answer(shared: &Shared, request: &HttpRequest, endpoint: &Endpoint, now: i64) -> Option<HttpReply> {
    let asks = request.method == Method::GET;
    let posts = request.method == Method::POST;
    Some(match endpoint.place {
        EndpointKind::Configuration if asks => discovery::configuration(request, endpoint),
        EndpointKind::Instance if asks => discovery::instance(request),
        EndpointKind::Keys if asks => HttpReply::ok(shared.signer.keys()),
        EndpointKind::Authorize if asks || posts => authorize::authorize(shared, request, endpoint, now),
        EndpointKind::Consent if asks => authorize::consent(request, endpoint),
        EndpointKind::SignOut if asks => authorize::sign_out(request),
        EndpointKind::EnterCode if asks || posts => authorize::enter_code(shared, request, now),
        EndpointKind::DeviceCode if posts => authorize::device_code(shared, request, endpoint, now),
        EndpointKind::Token if posts => token::issue(shared, request, endpoint, now),
        EndpointKind::Exchange if posts => token::exchange(shared, request, now),
        _ => return None,
    })
}

/// Nobody has consented to the application.
pub(super) fn no_consent(shared: &Shared, request: &HttpRequest) -> HttpReply {
    let text = "The user or administrator has not consented to use the application.";
    issue::refusal(shared, request, 400, ("invalid_grant", 65_001), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Option<&'static str> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        Endpoint::find(&segments).map(|endpoint| endpoint.name())
    }

    #[test]
    fn endpoints_are_found_under_any_tenant() {
        assert_eq!(name("common/oauth2/token"), Some("token"));
        assert_eq!(name("contoso.example/OAuth2/V2.0/Token"), Some("token"));
        assert_eq!(
            name("organizations/v2.0/.well-known/openid-configuration"),
            Some("openid-configuration")
        );
        assert_eq!(name("generatetoken"), Some("generate-token"));
        assert_eq!(name("v1/customers"), None);
        assert_eq!(name("oauth2/token"), None);
    }

    #[test]
    fn every_name_is_listed() {
        for (path, ..) in TENANT_PATHS {
            assert!(
                name(&format!("common/{path}")).is_some_and(|name| NAMES.contains(&name)),
                "{path}"
            );
        }
    }
}
