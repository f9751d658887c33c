//! Partner Center's tokens: from Entra's token endpoint, for the partner's tenant.

use super::cloud::Addresses;
use super::entra;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::secret::Secret;
use tenantry_store::kit::http::Http;
use tenantry_store::kit::oauth::{ClientIdentity, Provider, RefreshRules, Tokens};

pub(super) use tenantry_store::kit::oauth::AuthError;
pub use tenantry_store::kit::oauth::{RefreshToken, TokenExpiry, TokenKind};

/// As Microsoft's page on the secure application model has it.
const REFRESH_TOKENS: RefreshRules = RefreshRules {
    days: 90,
    renewal: "sign in again as a user of the partner tenant, with multi-factor authentication",
    file_key: "partner_center.refresh_token_file",
    command_key: "partner_center.refresh_token_command",
};

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

/// The tokens of these credentials.
pub(super) fn tokens(http: Http, addresses: &Addresses, credentials: Credentials, clock: Clock) -> Tokens {
    let Credentials {
        tenant,
        client_id,
        client_secret,
        refresh_token,
        token,
    } = credentials;
    let provider = Provider {
        service: "Partner Center",
        url: format!("{}/{tenant}/oauth2/token", addresses.login),
        audience: vec![("resource", addresses.resource.clone())],
        with_refresh: &[("scope", "openid")],
        refresh: REFRESH_TOKENS,
        judge: entra::judge,
    };
    let identity = ClientIdentity {
        client_id,
        client_secret,
        refresh_token,
        token,
    };
    Tokens::new(http, provider, identity, clock)
}
