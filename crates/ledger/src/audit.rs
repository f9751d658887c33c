//! The audit record: who submitted, approved, applied, revealed or undid what, and when.
//!
//! Records are only ever appended, each in the transaction of the event it records, and chained by hash: a
//! record's hash covers its own fields and the hash of the record before. [`chain`] names what was altered,
//! removed, inserted or moved. The owner of the database can still rewrite the chain from some record on,
//! hashes and all; a `SEQ:HASH` noted elsewhere (an anchor) shows that.
//!
//! # What is hashed
//!
//! SHA-256, as lower-case hexadecimal, over these fields in this order, each written as a netstring
//! (`LENGTH:TEXT,`, the length in bytes of UTF-8, decimal) or as `-,` where there is none; numbers in decimal:
//!
//! ```text
//! "tenantry-audit-1", previous hash, seq, milliseconds since the Unix epoch, actor, action, job, kind,
//! plan hash, counts, note, in records that have it: via; in records of several jobs: via and jobs; in records with a hash over what
//! became of a job's rows: via, jobs, and that
//! ```
//!
//! Counts are a JSON object, keys sorted, no white space. Jobs that were carried out as they came in, and together, have one
//! record: their ids, kinds, plan hashes, counts other than 0, and notes are a JSON array, as it is exported but without white space. `seq` is gapless from 1. What record 1 has for its
//! previous hash is the hash of the fields `"tenantry-audit-1", "installation"`, installation number
//! ([`start`]), so that a chain belongs to one installation.
//!
//! # Locks
//!
//! Appending locks the one row of `audit_head` until the transaction ends, and so comes after everything else
//! in it: no transaction waits for another lock while it holds that row.

pub mod chain;
mod line;
mod read;
mod together;

pub use chain::{Anchor, ChainFault, ChainReport, Checker};
pub use read::{AuditStep, AuditWalk};
pub(super) use read::{known_job, of_one};

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::job::to_json;
use super::{Actor, Counts, EndedJob, JobId};
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_foundation::input::StreamHasher;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A job was queued.
    Submitted,
    /// A waiting job was let go ahead.
    Approved,
    /// A waiting job was refused approval.
    Rejected,
    /// A waiting job was not approved in time.
    Expired,
    /// A job ended; the note says in which state, the counts the outcome of its rows.
    Applied,
    /// A job was submitted, and carried out at once; the note says what came in and in which state the job ended.
    CarriedOut,
    /// A job was held.
    Paused,
    /// A held job was let go on.
    Resumed,
    /// A job was asked to stop.
    Cancelled,
    /// A job was queued over the rows of another one that failed or were cancelled; the note names that one.
    Retried,
    /// Something secret was shown.
    Revealed,
    /// Something secret was asked for and not shown, or not whole; the note says why.
    RevealFailed,
    /// What a job did was undone.
    Undone,
    /// Somebody said what happened elsewhere; the note says what.
    Recorded,
    /// Counts of the store that did not add up were fixed; the note says which.
    Repaired,
    /// A schedule was defined; the note says which, and what it is.
    Defined,
    /// A schedule was defined anew; the note says which, and what it is now.
    Changed,
    /// A schedule was removed, or what lay in a folder for as long as it is kept; the note says which.
    Removed,
    /// A time of a schedule is not to do anything; the note says which.
    Skipped,
    /// Somebody asked for fires of a schedule; the note says which.
    Fired,
    /// A dropped file was refused; the note says which, and why.
    Refused,
    /// A folder, or a file found in one, was taken for this ledger's; the note says which.
    Adopted,
    /// A folder that held at a failure was let go on.
    Released,
    /// Jobs that ended long ago were removed; the note says which.
    Pruned,
    /// What jobs are held to was decided; the note says what.
    Decided,
    /// Somebody's key was enrolled: their signature approves; the note has name and key.
    Enrolled,
    /// A key was revoked; the note has name and key.
    Revoked,
}

impl Action {
    /// The word in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Submitted => "submitted",
            Action::Approved => "approved",
            Action::Rejected => "rejected",
            Action::Expired => "expired",
            Action::Applied => "applied",
            Action::CarriedOut => "carried-out",
            Action::Paused => "paused",
            Action::Resumed => "resumed",
            Action::Cancelled => "cancelled",
            Action::Retried => "retried",
            Action::Revealed => "revealed",
            Action::RevealFailed => "reveal-failed",
            Action::Undone => "undone",
            Action::Recorded => "recorded",
            Action::Repaired => "repaired",
            Action::Defined => "defined",
            Action::Changed => "changed",
            Action::Removed => "removed",
            Action::Skipped => "skipped",
            Action::Fired => "fired",
            Action::Refused => "refused",
            Action::Adopted => "adopted",
            Action::Released => "released",
            Action::Pruned => "pruned",
            Action::Decided => "decided",
            Action::Enrolled => "enrolled",
            Action::Revoked => "revoked",
        }
    }
}

/// Something to be recorded.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the record's columns")]
pub struct AuditEntry {
    pub actor: String,
    /// By which way in it was asked for; `None` for what this program does by itself.
    pub via: Option<String>,
    pub action: Action,
    pub job: Option<JobId>,
    pub kind: Option<String>,
    pub plan_hash: Option<String>,
    pub counts: Option<Counts>,
    pub note: Option<String>,
    /// Hash over the outcome of the rows of a job that has ended.
    pub digest: Option<String>,
}

impl AuditEntry {
    /// What this program does by itself, to no job.
    pub fn own(action: Action, note: String) -> Self {
        Self {
            actor: "tenantry".to_owned(),
            via: None,
            action,
            job: None,
            kind: None,
            plan_hash: None,
            counts: None,
            note: Some(note),
            digest: None,
        }
    }

    /// The same, done by `actor`.
    #[must_use]
    pub fn by(self, actor: &Actor) -> Self {
        Self {
            actor: actor.name.clone(),
            via: Some(actor.way()),
            ..self
        }
    }

    /// The record of it, or of several `jobs`, that follows on the one with that number and hash.
    fn following(&self, last: i64, prev: String, now_millis: i64, jobs: Option<String>) -> AuditRecord {
        let mut record = AuditRecord {
            seq: last + 1,
            at: now_millis,
            actor: self.actor.clone(),
            action: self.action.as_str().to_owned(),
            job: self.job.map(|job| job.to_string()),
            kind: self.kind.clone(),
            plan_hash: self.plan_hash.clone(),
            counts: self.counts.as_ref().map(canonical),
            note: self.note.clone(),
            via: self.via.clone(),
            jobs,
            digest: self.digest.clone(),
            prev,
            hash: String::new(),
        };
        record.hash = record.computed();
        record
    }
}

/// A record as it was found: possibly damaged, so everything is the text that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the record's columns")]
pub struct AuditRecord {
    pub seq: i64,
    pub at: i64,
    pub actor: String,
    pub action: String,
    pub job: Option<String>,
    pub kind: Option<String>,
    pub plan_hash: Option<String>,
    pub counts: Option<String>,
    pub note: Option<String>,
    pub via: Option<String>,
    /// The jobs it is of, if of several: see `together`.
    pub jobs: Option<String>,
    /// Hash over the outcome of the rows of the job, whose end it is; see `digest`.
    pub digest: Option<String>,
    pub prev: String,
    pub hash: String,
}

impl AuditRecord {
    /// The hash this record should have.
    pub fn computed(&self) -> String {
        self.computed_as(self.seq)
    }

    /// The hash it should have, were it number `seq`.
    pub fn computed_as(&self, seq: i64) -> String {
        let (seq, at) = (seq.to_string(), self.at.to_string());
        let mut fields = vec![
            Some(self.prev.as_str()),
            Some(&seq),
            Some(&at),
            Some(&self.actor),
            Some(&self.action),
            self.job.as_deref(),
            self.kind.as_deref(),
            self.plan_hash.as_deref(),
            self.counts.as_deref(),
            self.note.as_deref(),
        ];
        // Records of before there were such fields keep their hashes.
        match (&self.jobs, &self.digest) {
            (None, None) => fields.extend(self.via.as_deref().map(Some)),
            (Some(jobs), None) => fields.extend([self.via.as_deref(), Some(jobs)]),
            (jobs, Some(digest)) => fields.extend([self.via.as_deref(), jobs.as_deref(), Some(digest)]),
        }
        hash(&fields)
    }

    fn values(self, kept: Option<Vec<u8>>) -> Vec<Value> {
        vec![
            self.seq.into(),
            self.at.into(),
            self.actor.into(),
            self.action.into(),
            self.job.into(),
            self.kind.into(),
            self.plan_hash.into(),
            self.counts.into(),
            self.note.into(),
            self.via.into(),
            kept.into(),
            self.digest.into(),
            self.prev.into(),
            self.hash.into(),
        ]
    }
}

/// What the first record of the installation with that number has for its previous hash.
pub fn start(installation: u64) -> String {
    hash(&[Some("installation"), Some(&installation.to_string())])
}

fn hash(fields: &[Option<&str>]) -> String {
    hash_of("tenantry-audit-1", fields)
}

/// SHA-256 of fields after a word that says what they are, written as [above](self#what-is-hashed).
pub(super) fn hash_of(what: &str, fields: &[Option<&str>]) -> String {
    let length: usize = fields.iter().flatten().map(|text| text.len()).sum();
    let mut written = String::with_capacity(what.len() + length + 8 * (fields.len() + 1));
    for field in [Some(what)].iter().chain(fields) {
        match field {
            Some(text) => {
                let _ = write!(written, "{}:", text.len());
                written.push_str(text);
                written.push(',');
            }
            None => written.push_str("-,"),
        }
    }
    let mut hasher = StreamHasher::default();
    hasher.pass(written.as_bytes());
    hasher.sha256().as_str().to_owned()
}

/// Records `entry` in the caller's transaction. Last in it, see [above](self#locks).
pub fn append(tx: &mut dyn Tx, now_millis: i64, entry: &AuditEntry) -> Result<(), DbError> {
    append_all(tx, now_millis, std::slice::from_ref(entry))
}

/// As [`append`] for several entries, in their order. Jobs that were carried out together share a record.
pub fn append_all(tx: &mut dyn Tx, now_millis: i64, entries: &[AuditEntry]) -> Result<(), DbError> {
    if entries.is_empty() {
        return Ok(());
    }
    // Before the head is locked: what comes after it waits for others, and is waited for by others.
    let together = together::together(entries);
    let sql = format!(
        "SELECT seq, hash, (SELECT value FROM meta WHERE key = 'installation') FROM audit_head WHERE id = 1{}",
        tx.dialect().for_update()
    );
    let Some(head) = tx.query_first(&sql, &[])? else {
        return Err(DbError::Broken("the audit record has lost its head".to_owned()));
    };
    let mut last = head.int(0)?;
    let mut prev = if last == 0 {
        let number = head.text_or_empty(2)?;
        start(
            number
                .parse()
                .map_err(|_| DbError::Broken(format!("installation is `{number}`, not a number")))?,
        )
    } else {
        head.text(1)?.to_owned()
    };
    let mut records = Vec::new();
    for (entry, jobs) in together {
        let (jobs, kept) = jobs.map(|jobs| (jobs.text, jobs.kept)).unzip();
        let record = entry.following(last, prev, now_millis, jobs);
        (last, prev) = (record.seq, record.hash.clone());
        records.push(record.values(kept));
    }
    tx.send_all(
        "INSERT INTO audit (seq, at, actor, action, job, kind, plan_hash, counts, note, via, jobs, digest, prev, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        records,
    )
}

fn canonical(counts: &Counts) -> String {
    let keyed: BTreeMap<String, u64> = serde_json::from_str(&to_json(counts)).unwrap_or_default();
    to_json(&keyed)
}

/// What the note of a submission ends with whose job waits for approval.
pub(super) const AWAITS: &str = ", awaits approval";

/// What a statement that changes a job has to return for [`of_job`].
pub(super) const JOB_COLUMNS: &str = "id, kind, submitted_by, state, applied, unchanged, rejected, failed, cancelled, total, COALESCE(seal, plan_hash), submitted_via";

/// What is recorded of the job whose [`JOB_COLUMNS`] begin at `first`; its submitter is the actor, its state the note.
pub(super) fn of_job(action: Action, row: &Row, first: usize) -> Result<AuditEntry, DbError> {
    let count = |column: usize| row.int(first + column).map(|value| value as u64);
    Ok(AuditEntry {
        actor: row.text(first + 2)?.to_owned(),
        via: row.opt_text(first + 11)?.map(str::to_owned),
        action,
        job: Some(JobId::read(row, first)?),
        kind: Some(row.text(first + 1)?.to_owned()),
        plan_hash: row.opt_text(first + 10)?.map(str::to_owned),
        counts: Some(Counts {
            applied: count(4)?,
            unchanged: count(5)?,
            rejected: count(6)?,
            failed: count(7)?,
            cancelled: count(8)?,
            total: count(9)?,
        }),
        note: Some(row.text(first + 3)?.to_owned()),
        digest: None,
    })
}

impl AuditEntry {
    /// What [`of_job`] says of the end of a job, as it is recorded, and how the job ended; `worker` closed its last chunk.
    pub(super) fn of_an_end(mut self, worker: Option<&str>) -> (Self, EndedJob) {
        let state = self.note.take().unwrap_or_default();
        self.note = Some(worker.map_or_else(|| state.clone(), |worker| format!("{state}, last worker {worker}")));
        let counts = self.counts.unwrap_or_default();
        (self, EndedJob { state, counts })
    }
}

/// Records the end of a job, if one has ended. Last in the transaction. Returns how it ended.
pub(super) fn ended(
    tx: &mut dyn Tx,
    end: Option<AuditEntry>,
    worker: Option<&str>,
    now: i64,
) -> Result<Option<EndedJob>, DbError> {
    let Some(end) = end else { return Ok(None) };
    let (entry, how) = end.of_an_end(worker);
    append(tx, now, &entry)?;
    Ok(Some(how))
}
