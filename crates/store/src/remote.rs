//! The seam to stores that are no database: services that are asked row by row over their APIs.
//!
//! A [`RemoteStore`] says what it can do and opens [`RemoteSession`]s. A session previews rows and carries them out or takes
//! them back, several at a time, and keeps what rows of one chunk have to know in common. What a row does is done in steps
//! of one call each. The [`Journal`] keeps the intent to do a step before it is done and the result after it, so that a
//! session knows what an attempt before it has begun ([`Steps`]) and has each step done exactly once ([`step`]). What a
//! store holds is read as one stream of records ([`RecordReader`]).
//!
//! What goes wrong is said in the words the runner decides by ([`StoreError`]). A new store is a module that implements
//! these traits and a line in the registry that builds the configured ones.

mod end;
mod journal;
pub mod step;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tenantry_jobs::{Change, CustomerRef, Holdings, JobKind, Naming, Problem, code};

pub use end::{RowEnd, RowPreview, RowStatus, partially_applied};
pub use journal::{Journal, Steps};

pub use super::error::{ApplyError, StoreError};
pub use super::kit::pace::LimitScope;
use super::reader::RecordReader;
use super::{Expected, Names, RowRequest};
use tenantry_foundation::db::DbError;
use tenantry_foundation::passwords::Password;
use tenantry_ledger::intents::DoneStep;
use tenantry_ledger::{Installation, Ledger, PasswordJob};

/// A store that is no database. Handles to one store share its connections, tokens and pace.
pub trait RemoteStore: Send + Sync {
    /// The word for it in parameters of jobs and among the stores to copy from, as `partner-center`.
    fn name(&self) -> &'static str;

    /// What people call it, as `Partner Center`. Its messages begin with it.
    fn title(&self) -> &'static str;

    /// The section of the configuration that it is set up in.
    fn section(&self) -> &'static str;

    /// What it can do, however it is configured.
    fn capabilities(&self) -> Capabilities;

    /// What is missing of the configuration for jobs of this kind, so that nothing is begun that cannot be finished.
    fn lacks(&self, job: &dyn JobKind) -> Option<String>;

    /// What tells its records, as this account sees them, from those of every other store.
    fn installation(&self) -> Installation;

    /// Rows in hand at once.
    fn concurrency(&self) -> usize;

    /// Customers whose rows take turns, so that one that is throttled holds nobody up.
    fn customers_at_once(&self) -> usize {
        8
    }

    /// The customer whose turn it is when these steps are taken back; rows of the same customer have the same.
    fn customer_of(&self, steps: &[DoneStep]) -> String;

    /// Begins with rows of one chunk or one file. `rows` are those that are to come, where that is known. Nothing is asked yet.
    fn open(&self, env: StoreEnv, rows: &[RowRequest<'_>]) -> Box<dyn RemoteSession>;

    /// Reads what it holds; `None` for a store that cannot be read.
    fn reader(&self) -> Option<Arc<dyn RecordReader>>;

    /// Whether everything is as it should be, tried rather than believed.
    fn health(&self) -> BoxFuture<'_, Vec<Finding>>;

    /// Sees to what ends by itself, as tokens do. Called about hourly, whether or not there are jobs.
    fn tick(&self) -> BoxFuture<'_, ()>;

    /// Has each call from now on told; only the first who asks is.
    fn watched_by(&self, _watch: Arc<dyn CallWatch>) {}

    /// How it stands with what it lets us do; nothing of a store that has no limits.
    fn standing(&self) -> BoxFuture<'_, RemoteStanding> {
        Box::pin(async { RemoteStanding::default() })
    }
}

/// Told of calls to a service.
pub trait CallWatch: Send + Sync {
    /// A call was made.
    fn called(&self, call: WatchedCall);

    /// A call was one too many, of the whole account or of one customer.
    fn throttled(&self, scope: LimitScope);
}

/// A call that was made.
#[derive(Debug, Clone, Copy)]
pub struct WatchedCall {
    /// What was called, by our own name of it.
    pub operation: &'static str,
    /// Whether it only reads.
    pub is_read: bool,
    /// With what it was answered, if it was.
    pub status: Option<u16>,
    /// After how long.
    pub took: Duration,
}

/// How it stands with what a service lets us do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RemoteStanding {
    /// The share of the account's limit that is used, where one has been met.
    pub used: Option<f64>,
    /// Customers that are left alone for now.
    pub customers_blocked: u64,
    /// When the token ends by which all others are got, in milliseconds since the epoch.
    pub token_ends_at: Option<i64>,
}

/// Rows of one chunk or one file, in a store that is no database. Rows are previewed and carried out several at a time.
///
/// `Err` says that the row is not over. The runner waits and tries the row again ([`StoreError::Throttled`]), leaves it for
/// later ([`StoreError::Deferred`]), or gives the chunk back; [`StoreError::Rejected`] ends the row.
///
/// Those whom rows are about it calls by the [`Names`] it has come across.
pub trait RemoteSession: Names {
    /// What a row would do.
    fn preview<'a>(&'a self, row: u64, change: &'a Change<'a>) -> BoxFuture<'a, Result<RowPreview, ApplyError>>;

    /// What a customer holds of that, so that a cell that names nothing of it can be told by it; `None` where there is no such
    /// customer, or where it cannot be told.
    fn holdings<'a>(
        &'a self,
        customer: CustomerRef<'a>,
        naming: Naming,
    ) -> BoxFuture<'a, Result<Option<Holdings>, ApplyError>>;

    /// Carries a row out, or goes on with it, if it would still do what is expected. A row that has begun is not compared.
    /// `draw` gives a password for each user that needs one.
    fn apply<'a>(
        &'a self,
        steps: Steps<'a>,
        change: &'a Change<'a>,
        expected: Option<&'a Expected>,
        draw: PasswordSource<'a>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>>;

    /// What taking back a row that did these steps would do.
    fn preview_undo<'a>(&'a self, done: &'a [DoneStep]) -> BoxFuture<'a, Result<RowPreview, ApplyError>>;

    /// Takes back a row that did these steps, if that would still do what is expected. The steps that this takes are those
    /// of the row that takes back.
    fn undo<'a>(
        &'a self,
        steps: Steps<'a>,
        done: &'a [DoneStep],
        expected: Option<&'a Expected>,
    ) -> BoxFuture<'a, Result<RowEnd, ApplyError>>;
}

/// What a store that has been asked too often wants left alone longer than this is not waited for on the spot.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a store may take to show what was made in it. Rows that need it wait no longer than this.
pub const LATELY: Duration = Duration::from_secs(15 * 60);

/// Draws a password.
pub type PasswordSource<'d> = &'d (dyn Fn() -> Result<Password, DbError> + Sync);

/// What a store can do, however it is configured.
#[derive(Clone, Copy)]
pub struct Capabilities {
    /// The kinds of jobs that it carries out.
    pub kinds: &'static [&'static str],
    /// Whether it makes an administrator with each customer, and tells that one's password.
    pub makes_administrators: bool,
    /// Columns of a kind of job that it has no place for. A row that has a value there is refused with
    /// [`NOT_KEPT`](code::NOT_KEPT), unless the columns are left out.
    pub unkept_columns: fn(&str) -> &'static [&'static str],
}

impl Capabilities {
    /// Whether it carries out jobs of this kind.
    pub fn takes(&self, job: &dyn JobKind) -> bool {
        self.kinds.contains(&job.kind())
    }
}

/// What reads a store. That it cannot be read is [`StoreError::Rejected`].
pub fn readable(store: &dyn RemoteStore) -> Result<Arc<dyn RecordReader>, ApplyError> {
    store.reader().ok_or_else(|| {
        let expected = format!("{} cannot be read", store.title());
        Problem::stated(code::REFUSED, "", "", expected).into()
    })
}

/// What is said of a cell that the store of that [title](RemoteStore::title) has no place for.
pub fn not_kept(title: &str, column: &str, value: &str) -> Problem {
    let expected = format!(
        "{title} does not keep this; delete the column, or leave it out with --ignore-not-kept (`ignore_not_kept` of a folder or schedule)"
    );
    Problem::stated(code::NOT_KEPT, column, value, expected)
}

/// What is said of a row of a kind that the store of that [title](RemoteStore::title) does not carry out.
pub fn not_taken(title: &str) -> Problem {
    let expected = format!("this kind cannot be run against {title}");
    Problem::stated(code::REFUSED, "", "", expected)
}

/// What a session may know of its surroundings.
#[derive(Clone)]
pub struct StoreEnv {
    ledger: Ledger,
}

impl StoreEnv {
    /// The surroundings of the jobs in this ledger.
    pub fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone() }
    }

    /// Milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        self.ledger.clock().now_millis()
    }

    /// When a job last gave a user a password ([`Steps::note_password`]), if that was within a day.
    pub async fn password_set_at(&self, account: &str) -> Result<Option<i64>, DbError> {
        self.ledger.password_set_at(account).await
    }

    /// The job that gave a user of that id a password at that time, if it can be told.
    pub async fn password_job(&self, at: i64, user: &str) -> Result<Option<PasswordJob>, DbError> {
        self.ledger.password_job(crate::password_kinds(), at, user).await
    }

    /// What rows of this kind have had this step come to within [`LATELY`], where it came to `what` or its image mentions it.
    pub async fn done_lately(&self, of: (&'static str, &'static str), what: &str) -> Result<Vec<DoneStep>, DbError> {
        self.ledger.done_lately(of, what, LATELY.as_millis() as i64).await
    }
}

/// What one look at the surroundings has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// Whether all is well.
    pub fine: bool,
    /// What there is, or what is wrong and what to do about it.
    pub says: String,
}
