//! Discovery of addresses by clients: the `OpenID` configuration of a tenant, and of the cloud.

use serde_json::json;

use super::{Endpoint, Version};
use crate::PARTNER;
use crate::reply::HttpReply;
use crate::request::HttpRequest;

/// `GET {tenant}/v2.0/.well-known/openid-configuration`, and the same without the version.
pub(super) fn configuration(request: &HttpRequest, endpoint: &Endpoint) -> HttpReply {
    let base = &request.base;
    let tenant = &endpoint.tenant;
    let own = format!("{base}/{tenant}");
    let (middle, issuer) = match endpoint.version {
        Version::One => ("oauth2", format!("{base}/{}/", endpoint.partner())),
        // Of `common` the issuer is a pattern.
        Version::Two if tenant.eq_ignore_ascii_case("common") || tenant.eq_ignore_ascii_case("organizations") => {
            ("oauth2/v2.0", format!("{base}/{{tenantid}}/v2.0"))
        }
        Version::Two => ("oauth2/v2.0", format!("{own}/v2.0")),
    };
    let keys = match endpoint.version {
        Version::One => "discovery/keys",
        Version::Two => "discovery/v2.0/keys",
    };
    HttpReply::ok(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{own}/{middle}/authorize"),
        "token_endpoint": format!("{own}/{middle}/token"),
        "device_authorization_endpoint": format!("{own}/{middle}/devicecode"),
        "end_session_endpoint": format!("{own}/{middle}/logout"),
        "jwks_uri": format!("{own}/{keys}"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver", "nonce", "preferred_username", "name", "oid"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "tenant_region_scope": "NA",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }))
}

/// `GET common/discovery/instance`: that the authority which is asked about is this one.
pub(super) fn instance(request: &HttpRequest) -> HttpReply {
    let base = &request.base;
    let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
    HttpReply::ok(json!({
        "tenant_discovery_endpoint": format!("{base}/{PARTNER}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}
