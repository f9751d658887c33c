//! Microsoft Partner Center as the customer store, over its REST API.
//!
//! There are no transactions here and no batches: rows are carried out one by one, several at a time, each in steps of one
//! call. What makes a step happen exactly once is in `steps`; what rows have to know beforehand is read once per chunk
//! (`session`). How many calls are on their way at once is felt for (`pace`), and everything a call needs besides
//! (token, headers, what an error means) is in `client`, `auth` and `failure`.
//!
//! Facts are from Partner Center's public REST documentation, and from answers seen in issue threads.

mod auth;
mod client;
mod cloud;
mod customers;
mod failure;
mod pace;
mod paging;
pub(crate) mod reads;
mod session;
mod steps;
mod text;
mod users;

use std::sync::Arc;
use std::time::Duration;

use tenantry_jobs::{Change, Job, Problem, code};
use thiserror::Error;

pub use auth::{Credentials, RefreshToken, Speaker};
pub use cloud::{Addresses, Cloud};
pub use session::Session;
pub use steps::Journal;

use self::client::{CallError, Client};
use self::failure::Failure;
use crate::clock::Clock;
use crate::db::DbError;
use crate::ledger::{Installation, Outcome, RowOutcome};
use crate::passwords::Password;
use crate::store::{SeatNeed, SeatsOf, Verdict, rejected, unchanged};

/// The kinds it can carry out.
const KINDS: [&str; 4] = ["add-customer", "bulk-add-users", "export-customers", "update-account"];

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
}

/// The store; clones share connections, tokens and pace.
#[derive(Clone)]
pub struct PartnerCenter {
    client: Arc<Client>,
    concurrency: usize,
    origin: Installation,
}

/// Why a row has to wait.
#[derive(Debug, Error)]
pub enum Halt {
    /// The service, for now.
    #[error("Partner Center: {0}")]
    Unavailable(String),
    /// The account: no row can be carried out before somebody changes something.
    #[error("Partner Center does not let us: {0}")]
    Unauthorized(String),
    /// The ledger.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Halt {
    fn of(error: CallError) -> Self {
        match error {
            CallError::Answered(failure, _) => match failure.class() {
                failure::Class::Unauthorized | failure::Class::Forbidden => Self::Unauthorized(failure.to_string()),
                _ => Self::Unavailable(failure.to_string()),
            },
            CallError::Auth(auth::AuthError::Refused(what)) => Self::Unauthorized(what),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// How a row ended.
enum End {
    Applied {
        target: String,
        /// Whether there is an account now that was not there before.
        is_new: bool,
    },
    Unchanged(String),
    Rejected(Problem),
    /// The store refuses it.
    Refused(Failure, String),
    /// A later step was refused: why, what was done before, and the record.
    Halfway(Failure, String, String),
}

/// A row that has ended.
pub struct Ended {
    /// Its outcome.
    pub outcome: RowOutcome,
    /// Primary domain of the customer whose user was made with the password.
    pub account_of: Option<String>,
}

/// What a row would do, and the seats it would take.
pub struct Previewed {
    /// What it would do.
    pub verdict: Verdict,
    /// One seat each.
    pub needs: Vec<SeatNeed>,
}

impl PartnerCenter {
    /// The word for it in parameters of jobs.
    pub const NAME: &str = "partner-center";

    /// A store reached with these settings. Nothing is asked yet.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, String> {
        let Settings {
            addresses,
            credentials,
            timeout,
            concurrency,
        } = settings;
        let origin = format!("{} {} {}", Self::NAME, addresses.api, credentials.tenant.to_lowercase());
        let client = Client::new(addresses, credentials, timeout, concurrency, clock)?;
        Ok(Self {
            client: Arc::new(client),
            concurrency,
            origin: Installation::of(&origin),
        })
    }

    /// Whether it can carry out jobs of this kind.
    pub fn takes(job: &dyn Job) -> bool {
        KINDS.contains(&job.kind())
    }

    /// The kinds it can carry out.
    pub fn kinds() -> &'static [&'static str] {
        &KINDS
    }

    /// Rows in hand at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Whether we are let in, as whoever asks.
    pub async fn check(&self, speaker: Speaker) -> Result<(), String> {
        self.client.check(speaker).await.map_err(|error| error.to_string())
    }

    /// Nothing known yet.
    pub fn session(&self) -> Session {
        Session::new(self.client.clone())
    }

    /// What a row would do.
    pub async fn preview(&self, session: &Session, row: u64, change: &Change<'_>) -> Result<Previewed, Halt> {
        let verdict = match change {
            Change::CreateUser(user) => match users::resolve(session, user).await? {
                Err(problem) => Verdict::Reject(problem),
                Ok(resolved) => {
                    let verdict = users::preview(session, user, &resolved).await?;
                    let needs = match verdict {
                        Verdict::Create => seats(row, &resolved),
                        _ => Vec::new(),
                    };
                    return Ok(Previewed { verdict, needs });
                }
            },
            Change::CreateCustomer(new) => customers::preview_new(session, new).await?,
            Change::UpdateCustomer(patch) => customers::preview_patch(session, patch).await?,
            Change::ExportCustomers(export) => match self.listing(session, export).await? {
                Ok(_) => Verdict::Create,
                Err(problem) => Verdict::Reject(problem),
            },
            _ => Verdict::Reject(not_taken()),
        };
        let needs = Vec::new();
        Ok(Previewed { verdict, needs })
    }

    /// Carries a row out. `password` is given to a user that is made.
    pub async fn apply(
        &self,
        session: &Session,
        journal: &Journal,
        row: u64,
        change: &Change<'_>,
        password: &Password,
    ) -> Result<Ended, Halt> {
        let mut account_of = None;
        let end = match change {
            Change::CreateUser(user) => {
                let end = users::apply(session, journal, row, user, password).await?;
                if matches!(end, End::Applied { is_new: true, .. } | End::Halfway(..))
                    && let Ok(customer) = session.customer(user.customer).await?
                {
                    account_of = Some(customer.domain.clone());
                }
                end
            }
            Change::CreateCustomer(new) => customers::create(session, journal, row, new).await?,
            Change::UpdateCustomer(patch) => customers::update(session, journal, row, patch).await?,
            _ => End::Rejected(not_taken()),
        };
        let outcome = match end {
            End::Applied { target, .. } => RowOutcome {
                row,
                outcome: Outcome::Applied,
                code: String::new(),
                message: String::new(),
                target,
            },
            End::Unchanged(target) => unchanged(row, target),
            End::Rejected(problem) => rejected(row, &problem),
            End::Refused(failure, target) => RowOutcome {
                row,
                outcome: Outcome::Rejected,
                code: users::code_of(&failure.code).to_owned(),
                message: format!("Partner Center: {failure}"),
                target,
            },
            End::Halfway(failure, said, target) => RowOutcome {
                row,
                outcome: Outcome::Failed,
                code: users::code_of(&failure.code).to_owned(),
                message: format!("{said}: Partner Center: {failure}"),
                target,
            },
        };
        Ok(Ended { outcome, account_of })
    }
}

fn not_taken() -> Problem {
    Problem::new(code::REFUSED, "", "", "a kind that can be run against Partner Center")
}

fn seats(row: u64, resolved: &users::Resolved) -> Vec<SeatNeed> {
    let number = uuid::Uuid::try_parse(&resolved.customer.id).map_or(0, |id| id.as_u64_pair().0 as i64);
    resolved
        .skus()
        .map(|sku| SeatNeed {
            row,
            column: "licenses",
            of: Arc::new(SeatsOf {
                customer: number,
                domain: resolved.customer.domain.clone(),
                sku_id: sku.id.clone(),
                part_number: sku.part_number.clone(),
                free: sku.available,
            }),
        })
        .collect()
}
