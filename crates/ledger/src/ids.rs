//! Ids: of jobs, and of the records jobs make.
//!
//! The id of a record is `job << 32 | row`, with the job's sequence number. So the record itself says
//! which row made it, a row that is applied twice collides with itself, and ids ascend with insertion.
//! People and APIs see a GUID made from it and from the installation's own number, and back.

use serde::{Deserialize, Serialize};
use tenantry_foundation::db::{DbError, Row};
use uuid::Uuid;

/// A job's id: UUID version 7, so ids sort by submission time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// From a column of the ledger.
    pub(super) fn read(row: &Row, column: usize) -> Result<Self, DbError> {
        let id = row.text(column)?.parse();
        id.map_err(|_| DbError::Broken("a job's id is no UUID".to_owned()))
    }

    /// When it was given, in milliseconds since the epoch, if it says so.
    pub(super) fn made_at(self) -> Option<i64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Some(seconds as i64 * 1000 + i64::from(nanos / 1_000_000))
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The id of the record that `row` of the job with sequence number `job` makes.
pub fn record_id(job: i64, row: u64) -> i64 {
    (job << 32) | row as i64
}

/// The sequence number of the job that made a record; 0 for a copy.
pub fn job_of(record: i64) -> i64 {
    record >> 32
}
