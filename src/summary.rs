//! A job as every surface shows it: command line, replies over Redis, receipts.

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{Counts, Job, JobId, JobState, Parameters};
use crate::receipt::{RECEIPT, REJECTS, RESULTS};

/// One JSON object per job; the field names are stable.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are the interface")]
pub struct JobSummary {
    pub job: JobId,
    pub kind: String,
    pub state: JobState,
    pub counts: Counts,
    pub parameters: Parameters,
    pub input: InputSummary,
    pub submitted_by: String,
    pub created_at: String,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    /// Why it waits or failed; `null` when all is well.
    pub message: Option<String>,
    /// Paths on the machine that wrote them; `null` until they are written.
    pub results: Option<String>,
    pub rejects: Option<String>,
    pub receipt: Option<String>,
}

/// The file a job was made from.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names are the interface")]
pub struct InputSummary {
    pub name: String,
    pub sha256: String,
    pub bytes: u64,
    pub rows: u64,
}

impl JobSummary {
    /// What the ledger says of a job.
    pub fn of(job: &Job) -> Self {
        let dir = job.delivered_at.and(job.out_dir.as_deref());
        let path = |name: &str| dir.map(|dir| format!("{dir}/{name}"));
        Self {
            job: job.id,
            kind: job.kind.clone(),
            state: job.state,
            counts: job.counts,
            parameters: job.parameters.clone(),
            input: InputSummary {
                name: job.input_name.clone(),
                sha256: job.input_sha256.clone(),
                bytes: job.input_bytes,
                rows: job.input_rows,
            },
            submitted_by: job.submitted_by.clone(),
            created_at: time(job.created_at),
            started_at: job.started_at.map(time),
            finished_at: job.finished_at.map(time),
            message: job.message.clone(),
            results: path(RESULTS),
            rejects: path(REJECTS).filter(|_| job.counts.rejected + job.counts.failed > 0),
            receipt: path(RECEIPT),
        }
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// RFC 3339, UTC.
pub fn time(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |time| time.to_string())
}
