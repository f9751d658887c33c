#![doc = include_str!("../README.md")]
//!
//! One of the remote stores ([`tenantry_store::remote`]); `seam` and `rows` are that side of it. There are no transactions here and no
//! batches: rows are carried out one by one, several at a time, each in steps of one call. What rows have to know
//! beforehand is read once per chunk (`session`). How often it may be called is felt for, by all workers together
//! ([`tenantry_store::kit::pace`]), and everything a call needs besides (token, headers, what an error means) is in `client`, `auth` and
//! `failure`.
//!
//! Facts are from Partner Center's public REST documentation, and from answers seen in issue threads.

mod address;
mod answer;
mod audit;
mod auth;
mod client;
mod cloud;
mod customers;
mod end;
mod entra;
mod failure;
mod image;
mod kinds;
mod licenses;
mod lifecycle;
mod named;
mod paging;
mod reads;
mod records;
mod relationship;
mod roles;
mod rows;
mod seam;
mod session;
mod skus;
mod steps;
mod subscription;
mod subscriptions;
mod text;
mod transfer;
mod transfers;
mod undo;
mod update_user;
mod users;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tenantry_jobs::{Change, Problem, Request, TransferAction, code};
use thiserror::Error;

pub use auth::{Credentials, RefreshToken, TokenExpiry, TokenKind};
pub use cloud::{Addresses, Cloud};

use self::address::Validator;
use self::client::{CallError, Client};
use self::failure::Failure;
use self::session::Session;
use self::transfer::Acceptance;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::DbError;
use tenantry_ledger::Installation;
use tenantry_store::RowRequest;
use tenantry_store::kit::pace::LimitBoard;
use tenantry_store::remote::{ApplyError, StoreEnv, StoreError};

/// Customers whose rows take turns: enough for one that is throttled to hold nobody up, few enough to know what is there.
const CUSTOMERS_AT_ONCE: usize = 8;

/// How to reach it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub addresses: Addresses,
    /// Who we are.
    pub credentials: Credentials,
    /// How long a call may take.
    pub timeout: Duration,
    /// Calls on their way at once.
    pub concurrency: usize,
    /// Whether addresses are held against Partner Center's address validation.
    pub validate_addresses: bool,
    /// Certificates of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// The store; clones share connections, tokens and pace.
#[derive(Clone)]
pub struct PartnerCenter {
    client: Arc<Client>,
    concurrency: usize,
    validates_addresses: bool,
    /// Whose limits its calls count against.
    partner: String,
    /// What tells it from every other.
    origin: Installation,
}

/// Why a row cannot go on, or has to wait.
#[derive(Debug, Error)]
enum PartnerCenterError {
    /// The row: it is not right, or asks for what is not to be had.
    #[error("{0}")]
    Rejected(Problem),
    /// The row: what it has to know is not told.
    #[error("Partner Center: {0}")]
    Refused(RefusedRead),
    /// The service, for now.
    #[error("Partner Center: {0}")]
    Unavailable(String),
    /// The account: no row can be carried out before somebody changes something.
    #[error("Partner Center denied access: {0}")]
    Unauthorized(String),
    /// A temporary file.
    #[error("{UNSORTED}: {0}")]
    Unsorted(std::io::Error),
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What people call it.
const TITLE: &str = "Partner Center";
const UNSORTED: &str = "a list could not be sorted";

/// A question that was refused.
#[derive(Debug, Error)]
#[error("{0}")]
struct RefusedRead(Failure);

impl PartnerCenterError {
    fn of(error: CallError) -> Self {
        match error {
            // What a gateway refuses is no row's fault.
            CallError::Answered(failure, true) if failure.class() == failure::FailureClass::Refused => {
                Self::Refused(RefusedRead(failure))
            }
            CallError::Answered(failure, _) => match failure.class() {
                failure::FailureClass::Unauthorized | failure::FailureClass::Forbidden => {
                    Self::Unauthorized(failure.to_string())
                }
                _ => Self::Unavailable(failure.to_string()),
            },
            CallError::Auth(auth::AuthError::Refused(what)) => Self::Unauthorized(what),
            CallError::Ledger(error) => Self::Db(error),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Problem> for PartnerCenterError {
    fn from(problem: Problem) -> Self {
        Self::Rejected(problem)
    }
}

impl From<PartnerCenterError> for ApplyError {
    fn from(halt: PartnerCenterError) -> Self {
        let told = halt.to_string();
        match halt {
            PartnerCenterError::Rejected(problem) => StoreError::Rejected(problem).into(),
            PartnerCenterError::Refused(_) => StoreError::Rejected(Problem::stated(code::REFUSED, "", "", told)).into(),
            PartnerCenterError::Unavailable(_) => StoreError::Unavailable(told).into(),
            PartnerCenterError::Unauthorized(_) => StoreError::Unauthorized(told).into(),
            PartnerCenterError::Unsorted(error) => ApplyError::Io {
                what: UNSORTED.to_owned(),
                error,
            },
            PartnerCenterError::Db(error) => error.into(),
        }
    }
}

impl PartnerCenter {
    /// The word for it in parameters of jobs.
    pub const NAME: &str = "partner-center";

    /// A store reached with these settings. Nothing is asked yet.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, String> {
        let Settings {
            addresses,
            credentials,
            concurrency,
            validate_addresses,
            ..
        } = &settings;
        let (concurrency, validates_addresses) = (*concurrency, *validate_addresses);
        let partner = format!("{}\n{}", addresses.api, credentials.tenant);
        let origin = format!("{} {} {}", Self::NAME, addresses.api, credentials.tenant.to_lowercase());
        Ok(Self {
            client: Arc::new(Client::new(settings, clock)?),
            concurrency,
            validates_addresses,
            partner,
            origin: Installation::of(&origin),
        })
    }

    /// Keeps the partner's limits together with the other workers of this board, from the next call on.
    pub fn share_limits(&self, board: Arc<dyn LimitBoard>) {
        self.client.share_limits(board, &self.partner);
    }

    /// Whether we are let in with this kind of token.
    pub async fn check(&self, token_kind: TokenKind) -> Result<(), String> {
        self.client.check(token_kind).await.map_err(|error| error.to_string())
    }

    /// How long the refresh token is good; `None` if none is used.
    pub async fn refresh_token(&self) -> Option<TokenExpiry> {
        self.client.tokens().standing().await
    }

    /// Nothing known yet of the store; of the rows that are to come, what concerns them together.
    fn session(&self, env: StoreEnv, rows: &[RowRequest<'_>]) -> Session {
        let accepts = |row: &RowRequest<'_>| match &row.request {
            Request::Change(Change::SwitchSubscription(switch)) if switch.action == TransferAction::Accept => {
                Some(Acceptance {
                    customer: switch.customer.as_written().to_owned(),
                    partner: switch.partner_tenant_id,
                    subscription: switch.subscription_id.to_string(),
                })
            }
            _ => None,
        };
        let acceptances = rows.iter().filter_map(accepts).collect();
        let addresses = Validator::new(self.validates_addresses);
        Session::new(self.client.clone(), env, addresses, acceptances)
    }
}
