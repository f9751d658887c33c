//! The ledger: what was asked for, what is being done, and what happened to every row. It is the truth;
//! queue, results files and logs are derived from it and can be lost.
//!
//! A job's rows are split into chunks, the unit of claiming and of commitment. A worker holds a chunk
//! by a lease, fenced by the chunk's attempt number: effects, outcomes, chunk and counters are
//! written in one transaction that first checks the fence ([`fence::check`]) and last closes the chunk
//! ([`closing::close`]). Outcomes are cheap because the usual one is not written: a row of a done chunk
//! without a record in `row_outcomes` was applied. A job of one row that is carried out as it comes in is a single record
//! ([`inputs`], [`images`]); views (`every_…`) show it like any other.
//!
//! Locks are taken in the order allowances, store, chunks, jobs, audit record; nothing here may reverse it.

mod actor;
mod allowances;
mod approval;
pub mod approvers;
pub mod artifacts;
mod at_once;
pub mod audit;
mod backlog;
pub mod batches;
mod chunk_state;
mod claim;
pub mod closing;
pub mod deep;
mod digest;
pub mod drops;
mod errors;
pub mod fence;
pub mod fires;
pub mod ids;
pub mod images;
pub mod inputs;
pub mod intents;
pub mod invariants;
pub mod job;
mod kept;
pub mod lease;
mod lineage;
mod lookup;
mod names;
mod origin;
mod outcome;
mod past;
pub mod person;
mod plan;
mod policy;
mod record;
mod replies;
mod retention;
mod retry;
mod rows;
pub mod schedules;
pub mod seal;
pub mod sealed;
pub mod signing;
mod trial;
mod upkeep;
mod whole;
pub mod workers;

pub use actor::{Actor, Via};
pub use allowances::{AllowanceTaking, Counter, Limited, TakenToday};
pub use approval::{Decided, DecisionRefused};
pub use artifacts::{Artifact, JobFile};
pub use at_once::{AtOnce, DoneAtOnce};
pub use backlog::{Backlog, OpenJobs};
pub use batches::{BatchTurn, ChangeSet, InTheWay, WaitingBatch, takes_effect};
pub use claim::{Claim, Claimant, Scope, Together};
pub use closing::{Closing, ErrorLimit};
pub use errors::{ErrorExample, ErrorGroup};
pub use ids::JobId;
pub use inputs::{load_block, load_blocks};
pub use job::{Counts, EndedJob, Job, JobFilter, JobState, Parameters, Undone};
pub use lease::{Cause, FailedRows, SetBack};
pub use lineage::{ChunkSelection, Lineage, selected_rows, undoable_rows};
pub use lookup::{JobLookup, ShortIds};
pub use names::{NameKey, StoreName};
pub use origin::{BroughtBy, FireOrigin, Origin, OriginIntake};
pub use outcome::Outcome;
pub use plan::{Commit, Committed, Draft, Gate, NewChunk, NewJob, Undoes};
pub use policy::{RENAMED_POLICY_KEYS, StoredPolicy};
pub use record::RecordedJobs;
pub use replies::{Reply, ReplyTo, TakenReplies};
pub use retention::LookedThrough;
pub use retry::{RetryRefused, Retrying};
pub use rows::{ChunkRows, RowOutcome, RowRecord, RowWait, recorded_rows};
pub use sealed::{PasswordJob, SealedPart, SealedPasswords};
pub use tenantry_foundation::installation::Installation;
pub use trial::Trial;
pub use upkeep::{Pruned, Seen};
pub use whole::WholeJob;
pub use workers::{Worker, WorkerSign};

use std::sync::{Arc, Mutex};

use past::Past;
use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::{ConnectOptions, Db, DbError, Dialect, Tx};

/// A handle on the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    db: Db,
    clock: Clock,
    installation: Installation,
    past: Arc<Past>,
    /// As it was last learned of.
    policy: Arc<Mutex<StoredPolicy>>,
    /// Public keys whose signatures alone decide on it; none: what the ledger holds is so.
    trusted: Arc<[String]>,
}

impl Ledger {
    /// Opens the ledger at `url`, bringing its schema up to date.
    pub async fn open(url: &str, connections: usize, clock: Clock) -> Result<Self, DbError> {
        Self::open_with(url, ConnectOptions::with_connections(connections), clock).await
    }

    /// As [`open`](Self::open), with timeouts of its own.
    pub async fn open_with(url: &str, options: ConnectOptions, clock: Clock) -> Result<Self, DbError> {
        Self::over(Db::open(url, options).await?, clock).await
    }

    /// As [`open_with`](Self::open_with) where there is a ledger already; [`DbError::Missing`] where there is none.
    pub async fn open_existing(url: &str, options: ConnectOptions, clock: Clock) -> Result<Self, DbError> {
        Self::over(Db::open_existing(url, options).await?, clock).await
    }

    async fn over(db: Db, clock: Clock) -> Result<Self, DbError> {
        let clock = match db.time().await? {
            Some(told) => clock.following(told),
            None => clock,
        };
        let proposal = Installation::random(&clock);
        let installation = db.write(move |tx| proposal.recorded(tx)).await?;
        let learned = |tx: &mut dyn Tx| Ok((past::newest_record(tx)?, StoredPolicy::read(tx)?));
        let (last, policy) = db.read(learned).await?;
        Ok(Self {
            policy: Arc::new(Mutex::new(policy)),
            trusted: Arc::default(),
            past: Arc::new(Past::new(last, &clock)),
            db,
            clock,
            installation,
        })
    }

    /// Closes the database; every clone is of no more use then.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// The database, which ledger and SQL store share.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The clock every time in the ledger comes from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A time that has certainly passed, for what cannot be taken back. See the module `past`.
    pub fn past(&self) -> i64 {
        match self.db.dialect() {
            // The database's own time, which all workers share.
            Dialect::Postgres => self.clock.now_millis(),
            Dialect::Sqlite => self.past.at(&self.clock),
        }
    }

    /// Follows the time of the database where it has one, and what has been recorded since. Says how far this machine's clock
    /// is off, in milliseconds ahead, if it is.
    pub async fn look_at_clocks(&self) -> Result<Option<i64>, DbError> {
        if let Some(told) = self.db.time().await? {
            self.clock.follow(told);
            return Ok(self.clock.is_off_by());
        }
        let newest = self.db.read(past::newest_record).await?;
        Ok(newest.and_then(|newest| self.past.observe(newest, &self.clock)))
    }

    /// Turns record ids into the GUIDs people see.
    pub fn installation(&self) -> Installation {
        self.installation
    }
}
