//! Microsoft Partner Center as the customer store, over its REST API.
//!
//! There are no transactions here and no batches: rows are carried out one by one, several at a time, each in steps of one
//! call. What makes a step happen exactly once is in `steps`; what rows have to know beforehand is read once per chunk
//! (`session`). How often it may be called is felt for, by all workers together (`kit::pace`), and everything a call needs besides
//! (token, headers, what an error means) is in `client`, `auth` and `failure`.
//!
//! Facts are from Partner Center's public REST documentation, and from answers seen in issue threads.

mod address;
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
pub(crate) mod reads;
mod records;
mod relationship;
mod roles;
mod session;
mod skus;
mod steps;
pub(crate) mod subscription;
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

use tenantry_jobs::{Change, Job, Problem, Request, TransferAction, code};
use thiserror::Error;

pub use auth::{Credentials, RefreshToken, Speaker, Standing};
pub use cloud::{Addresses, Cloud};
pub use end::{Ended, Fate, Previewed};
pub use session::Session;
pub use steps::Journal;

use self::address::Validator;
use self::client::{CallError, Client};
use self::end::End;
use self::failure::Failure;
use self::kinds::{Takes, takes};
use self::steps::Stopped;
use self::transfer::Acceptance;
use crate::clock::Clock;
use crate::db::DbError;
use crate::ledger::intents::DoneStep;
use crate::ledger::{Installation, Ledger, Outcome};
use crate::passwords::Password;
use crate::store::kit::pace::LimitBoard;
use crate::store::{Expected, RowRequest, Verdict, drifted};

/// Customers whose rows take turns: enough for one that is throttled to hold nobody up, few enough to know what is there.
pub const CUSTOMERS_AT_ONCE: usize = 8;

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
pub enum Halt {
    /// The row: what it has to know is not told.
    #[error("Partner Center: {0}")]
    Refused(Refusal),
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

/// A question that was refused.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Refusal(Failure);

impl Halt {
    fn of(error: CallError) -> Self {
        match error {
            // What a gateway refuses is no row's fault.
            CallError::Answered(failure, true) if failure.class() == failure::Class::Refused => {
                Self::Refused(Refusal(failure))
            }
            CallError::Answered(failure, _) => match failure.class() {
                failure::Class::Unauthorized | failure::Class::Forbidden => Self::Unauthorized(failure.to_string()),
                _ => Self::Unavailable(failure.to_string()),
            },
            CallError::Auth(auth::AuthError::Refused(what)) => Self::Unauthorized(what),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// Draws a password for whoever needs one.
pub type Draw<'d> = &'d (dyn Fn() -> Result<Password, DbError> + Sync);

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
            validate_addresses,
            ca_file,
        } = settings;
        let partner = format!("{}\n{}", addresses.api, credentials.tenant);
        let origin = format!("{} {} {}", Self::NAME, addresses.api, credentials.tenant.to_lowercase());
        let client = Client::new(addresses, credentials, timeout, concurrency, ca_file.as_deref(), clock)?;
        Ok(Self {
            client: Arc::new(client),
            concurrency,
            validates_addresses: validate_addresses,
            partner,
            origin: Installation::of(&origin),
        })
    }

    /// Keeps the partner's limits together with the other workers of this board, from the next call on.
    pub fn share_limits(&self, board: Arc<dyn LimitBoard>) {
        self.client.share_limits(board, &self.partner);
    }

    /// Whether it can carry out jobs of this kind.
    pub fn takes(job: &dyn Job) -> bool {
        takes(job.kind()) != Takes::No
    }

    /// The kinds it can carry out.
    pub fn kinds() -> Vec<&'static str> {
        kinds::taken().collect()
    }

    /// What is missing of the configuration for jobs of this kind, so that nothing is begun that cannot be finished.
    pub fn lacks(&self, job: &dyn Job) -> Option<String> {
        let is_enough = takes(job.kind()) == Takes::ByApplication;
        (!is_enough && !self.client.tokens().speak_for_users()).then(|| {
            format!(
                "`{}` needs a token of application and user: set `partner_center.refresh_token_file` or \
                 `partner_center.refresh_token_command`",
                job.kind()
            )
        })
    }

    /// What is said of a row that it cannot carry out.
    pub(crate) fn not_taken() -> Problem {
        Problem::new(code::REFUSED, "", "", "a kind that can be run against Partner Center")
    }

    /// Rows in hand at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Where it is asked, without the version.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// Whether we are let in, as whoever asks.
    pub async fn check(&self, speaker: Speaker) -> Result<(), String> {
        self.client.check(speaker).await.map_err(|error| error.to_string())
    }

    /// How long the refresh token is good; `None` if none is used.
    pub async fn refresh_token(&self) -> Option<Standing> {
        self.client.tokens().standing().await
    }

    /// Warns when the refresh token is about to end, at most once a day however often it is called.
    pub async fn mind_refresh_token(&self) {
        self.client.tokens().mind().await;
    }

    /// Nothing known yet of the store; of the rows that are to come, what concerns them together.
    pub fn session(&self, ledger: &Ledger, rows: &[RowRequest<'_>]) -> Session {
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
        Session::new(self.client.clone(), ledger.clone(), addresses, acceptances)
    }

    /// What a row would do.
    pub async fn preview(&self, session: &Session, row: u64, request: &Request<'_>) -> Result<Previewed, Halt> {
        or_reject(match request {
            Request::Change(change) => self.look_at(session, row, change).await,
            Request::Export(export) => self.listing(session, export).await.map(|listing| match listing {
                Ok(_) => Verdict::Create.into(),
                Err(problem) => Previewed::reject(problem),
            }),
            Request::Sync(_) => Ok(Previewed::reject(Self::not_taken())),
        })
    }

    async fn look_at(&self, session: &Session, row: u64, change: &Change<'_>) -> Result<Previewed, Halt> {
        match change {
            Change::CreateUser(user) => users::preview(session, row, user).await,
            Change::CreateCustomer(new) => customers::preview_new(session, new).await,
            Change::UpdateCustomer(patch) => customers::preview_patch(session, patch).await,
            Change::DeleteUser(user) => lifecycle::preview_delete(session, *user).await,
            Change::RestoreUser(user) => lifecycle::preview_restore(session, *user).await,
            Change::ResetPassword(reset) => lifecycle::preview_reset(session, reset).await,
            Change::AssignLicenses(change) => licenses::preview(session, row, change).await,
            Change::UpdateUser(patch) => update_user::preview(session, patch).await,
            Change::SuspendSubscription(one) => subscriptions::preview(session, one).await,
            Change::RemoveRelationship(removal) => relationship::preview(session, removal).await,
            Change::SwitchSubscription(switch) => transfers::preview(session, switch).await,
            Change::SetSeats(_) | Change::SetSubscription(_) => Ok(Previewed::reject(Self::not_taken())),
        }
    }

    /// Carries a row out, if it is as expected. A row that has begun was compared when it began.
    pub async fn apply(
        &self,
        session: &Session,
        journal: &Journal,
        row: u64,
        change: &Change<'_>,
        expected: Option<&Expected>,
        draw: Draw<'_>,
    ) -> Result<Ended, Halt> {
        let ended = self.carry_out(session, journal, row, change, expected, draw).await;
        or_end(ended, journal, row)
    }

    async fn carry_out(
        &self,
        session: &Session,
        journal: &Journal,
        row: u64,
        change: &Change<'_>,
        expected: Option<&Expected>,
        draw: Draw<'_>,
    ) -> Result<Ended, Halt> {
        let turn = match change {
            Change::SwitchSubscription(switch) => Some(transfers::turn(session, switch).await?),
            _ => None,
        };
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if let Some(expected) = expected
            && !has_begun(session, journal, row, change).await?
        {
            let now = or_reject(self.look_at(session, row, change).await)?.verdict;
            if !expected.meets(row, &now) {
                return Ok(Ended::over(drifted(row, &now)));
            }
        }
        let (mut handed_out, mut made) = (None, None);
        let end = match change {
            Change::CreateUser(user) => {
                let (end, password) = users::apply(session, journal, row, user, draw()?).await?;
                handed_out = password;
                end
            }
            Change::CreateCustomer(new) => customers::create(session, journal, row, new).await?,
            Change::UpdateCustomer(patch) => customers::update(session, journal, row, patch).await?,
            Change::DeleteUser(user) => lifecycle::delete(session, journal, row, *user).await?,
            Change::RestoreUser(user) => lifecycle::restore(session, journal, row, *user).await?,
            Change::ResetPassword(reset) => {
                let (end, password) = lifecycle::reset(session, journal, row, reset, draw()?).await?;
                handed_out = password;
                end
            }
            Change::AssignLicenses(change) => licenses::apply(session, journal, row, change).await?,
            Change::UpdateUser(patch) => update_user::apply(session, journal, row, patch).await?,
            Change::SuspendSubscription(one) => subscriptions::suspend(session, journal, row, one).await?,
            Change::RemoveRelationship(removal) => relationship::remove(session, journal, row, removal).await?,
            Change::SwitchSubscription(switch) => {
                let (end, artifact) = transfers::switch(session, journal, row, switch).await?;
                made = artifact;
                end
            }
            Change::SetSeats(_) | Change::SetSubscription(_) => End::Rejected(Self::not_taken()),
        };
        Ok(Ended {
            fate: end.fate(row),
            password: handed_out,
            artifact: made,
        })
    }

    /// What taking a row back would do, of which these steps are known.
    pub async fn preview_undo(&self, session: &Session, steps: &[DoneStep]) -> Result<Previewed, Halt> {
        or_reject(undo::Back::new(session, steps)?.preview().await)
    }

    /// Takes a row back.
    pub async fn undo(
        &self,
        session: &Session,
        journal: &Journal,
        row: u64,
        steps: &[DoneStep],
        expected: Option<&Expected>,
    ) -> Result<Ended, Halt> {
        let ended = self.take_back(session, journal, row, steps, expected).await;
        or_end(ended, journal, row)
    }

    async fn take_back(
        &self,
        session: &Session,
        journal: &Journal,
        row: u64,
        steps: &[DoneStep],
        expected: Option<&Expected>,
    ) -> Result<Ended, Halt> {
        let back = undo::Back::new(session, steps)?;
        if let Some(expected) = expected.filter(|_| !journal.has_begun(row)) {
            let now = or_reject(back.preview().await)?.verdict;
            if !expected.meets(row, &now) {
                return Ok(Ended::over(drifted(row, &now)));
            }
        }
        let mut ended = Ended::of(row, back.apply(journal, row).await?);
        if let Fate::Over(outcome) = &mut ended.fate
            && outcome.outcome == Outcome::Applied
        {
            "undone".clone_into(&mut outcome.code);
        }
        Ok(ended)
    }

    /// The customer whose limit a row that is taken back counts against.
    pub fn customer_of(steps: &[DoneStep]) -> String {
        undo::Back::customer(steps)
    }
}

/// What is refused when somebody looks is refused as a row.
fn or_reject(previewed: Result<Previewed, Halt>) -> Result<Previewed, Halt> {
    match previewed {
        Err(halt @ Halt::Refused(_)) => {
            let problem = Problem::new(code::REFUSED, "", "", halt.to_string());
            Ok(Previewed::reject(problem))
        }
        other => other,
    }
}

/// A row whose questions are refused ends with that, and others go on. One that ends so after something was done has come
/// halfway.
fn or_end(ended: Result<Ended, Halt>, journal: &Journal, row: u64) -> Result<Ended, Halt> {
    let done = match journal.left(row)? {
        0 => String::new(),
        1 => "it came halfway, 1 step was done".to_owned(),
        some => format!("it came halfway, {some} steps were done"),
    };
    match ended {
        Err(Halt::Refused(Refusal(failure))) => {
            let is_unknown = done.is_empty() && journal.has_begun(row);
            let done = if is_unknown {
                "what became of its first step is not known".to_owned()
            } else {
                done
            };
            let (is_for_now, target) = (false, String::new());
            let stopped = Stopped { failure, is_for_now };
            Ok(Ended::of(row, End::Stopped { stopped, done, target }))
        }
        Ok(mut ended) => {
            if let Fate::Over(over) = &mut ended.fate
                && over.outcome == Outcome::Rejected
                && !done.is_empty()
            {
                over.outcome = Outcome::Failed;
                over.message = format!("{done}; {}", over.message);
            }
            Ok(ended)
        }
        other => other,
    }
}

/// Whether anything was done for a row. Rows of one job share transfers, so it may have been done by another row.
async fn has_begun(session: &Session, journal: &Journal, row: u64, change: &Change<'_>) -> Result<bool, Halt> {
    Ok(journal.has_begun(row)
        || match change {
            Change::SwitchSubscription(switch) => transfers::has_begun(session, journal, switch).await?,
            _ => false,
        })
}
