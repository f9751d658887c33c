//! The ledger: what was asked for, what is being done, and what happened to every row. It is the truth;
//! queue, results files and logs are derived from it and can be lost.
//!
//! A job's rows are split into chunks, the unit of claiming and of commitment. A worker holds a chunk
//! by a lease, fenced by the chunk's attempt number: effects, outcomes, chunk and counters are
//! written in one transaction that first checks the fence ([`lease::fence`]) and last closes the chunk
//! ([`closing::close`]). Outcomes are cheap because the usual one is not written: a row of a done chunk
//! without a record in `row_outcomes` was applied.
//!
//! Locks are always taken in the order chunks, store, jobs, audit record; nothing here may reverse it.

mod approval;
pub(crate) mod artifacts;
pub mod audit;
pub mod closing;
mod errors;
pub mod ids;
pub mod intents;
mod job;
pub mod lease;
mod plan;
mod retry;
mod rows;
pub(crate) mod sealed;
mod upkeep;

pub use approval::DecisionRefused;
pub use artifacts::Made;
pub use closing::{Closing, ErrorLimit};
pub use errors::{ErrorExample, ErrorGroup};
pub use ids::{Installation, JobId};
pub use job::{Counts, Job, JobFilter, JobState, Parameters};
pub use lease::{Claim, Scope};
pub use plan::{Begun, Gate, NewChunk, NewJob, Seal, Sealed};
pub use retry::RetryRefused;
pub(crate) use retry::{Descent, selected_rows};
pub use rows::{ChunkRows, Outcome, RowOutcome, RowRecord};
pub(crate) use rows::{load_block, recorded_rows};
pub use sealed::{SealedPart, SealedPasswords};
pub use upkeep::Reply;

use crate::clock::Clock;
use crate::db::{Db, DbError};

/// A handle on the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    db: Db,
    clock: Clock,
    installation: Installation,
}

impl Ledger {
    /// Opens the ledger at `url`, bringing its schema up to date.
    pub async fn open(url: &str, connections: usize, clock: Clock) -> Result<Self, DbError> {
        let db = Db::open(url, connections).await?;
        let proposal = Installation::random(&clock);
        let installation = db.write(move |tx| proposal.recorded(tx)).await?;
        Ok(Self {
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

    /// Turns record ids into the GUIDs people see.
    pub fn installation(&self) -> Installation {
        self.installation
    }
}
