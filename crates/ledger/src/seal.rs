//! Seals: what is approved of a job that needs approval, and what a worker holds it to.
//!
//! A seal is a hash over all that decides what a job does: its id, kind, parameters and recipients, who submitted it, the plan's hash,
//! its file's hash and header, the jobs it takes back or tries again, and of every chunk its rows as they are spooled, which of them
//! are the job's, and what the plan expects of them. It is made in the transaction that lets the job wait, and it is what is shown,
//! approved and recorded. A worker computes it anew before it carries out a chunk ([`check`]), from what it has claimed: whatever
//! was changed in the ledger since, the job is given up, and nothing of it is done.
//!
//! A job that needs no approval has no seal. A worker that trusts nothing but signatures has the audit record say that of it as well
//! ([`check_unsealed`]): it was recorded as one that does not wait, and has not ended since.
//!
//! All is hashed as records are ([`super::audit`]): fields as netstrings, after a word that says what they are.

use std::collections::HashSet;

use super::audit::{self, Action, hash_of};
use super::inputs::{self, HEADER, JOIN, NUMBER, SHA256};
use super::job::json;
use super::lineage::{Lineage, selected_rows};
use super::{Claim, Job, Ledger, approvers, digest, signing};
use tenantry_foundation::db::{DbError, Row, Tx};
use tenantry_foundation::input::StreamHasher;

/// Seals a job that is to wait for approval, and its chunks; the hash.
pub(super) fn seal(tx: &mut dyn Tx, job: i64) -> Result<String, DbError> {
    let head = SealedHead::read(tx, job)?;
    let mut seals = Vec::new();
    for place in places(tx, job)? {
        let expected = expected_of(tx, job, place.chunk)?;
        let seal = place.seal(tx, &head, expected.as_deref())?;
        tx.send(
            "UPDATE chunks SET seal = $3 WHERE job = $1 AND chunk = $2",
            &[job.into(), place.chunk.into(), seal.as_str().into()],
        )?;
        seals.push((place.chunk, seal));
    }
    let hash = head.hash(&seals);
    tx.send(
        "UPDATE jobs SET seal = $2 WHERE seq = $1",
        &[job.into(), hash.as_str().into()],
    )?;
    Ok(hash)
}

/// Whether what was claimed is what was approved, by somebody who is `trusted`, if that is not left to the ledger.
///
/// # Errors
/// [`DbError::Damaged`] if it is not: it says what is not as it was.
pub fn check(tx: &mut dyn Tx, claim: &Claim, trusted: &[String]) -> Result<(), DbError> {
    let not_so = |what: &str| {
        DbError::Damaged(format!(
            "job {} is not as it was approved: {what}; nothing of it is done",
            claim.job_id
        ))
    };
    let head = SealedHead::read(tx, claim.job)?;
    let is_claimed = head.id == claim.job_id.to_string()
        && head.kind == claim.kind
        && json::<super::Parameters>(&head.parameters)? == claim.parameters
        && json::<Vec<String>>(&head.header)? == claim.header
        && (head.retry_of, head.undo_of) == (claim.retry_of, claim.undo_of.as_ref().map(|(job, _)| *job));
    if !is_claimed {
        return Err(not_so("its kind or its parameters were changed meanwhile"));
    }
    let Some(sealed) = head.seal.clone() else {
        return Err(not_so("it has no seal"));
    };
    let seals = seals_of(tx, claim.job)?;
    if head.hash(&seals) != sealed {
        return Err(not_so(
            "its kind, its parameters, whom passwords are for, its submitter or its chunks are not",
        ));
    }
    let place = SealedChunk {
        chunk: claim.chunk,
        first_row: claim.first_row as i64,
        rows: claim.rows as i64,
    };
    let seal = place.seal(tx, &head, claim.expected.as_deref())?;
    if !seals.contains(&(claim.chunk, seal)) {
        return Err(not_so("its rows, or what the plan expects of them, are not"));
    }
    match approval(tx, &head, &sealed, trusted)? {
        Some(why) => Err(not_so(&why)),
        None => Ok(()),
    }
}

/// Whether what was claimed without an approval is of jobs that were recorded as such, and have not ended.
///
/// # Errors
/// [`DbError::Damaged`] if one is not: it says why.
pub fn check_unsealed(tx: &mut dyn Tx, claims: &[&Claim]) -> Result<(), DbError> {
    let of = |claim: &&Claim| vec![claim.job.into(), claim.job_id.to_string().into()];
    let found = tx.query_each(
        "SELECT a.action, a.kind, a.plan_hash, a.actor, a.via, j.plan_hash, j.submitted_by, j.submitted_via, j.seal
         FROM audit a JOIN jobs j ON j.seq = $1 AND j.id = a.job WHERE a.job = $2 ORDER BY a.seq",
        &claims.iter().map(of).collect::<Vec<_>>(),
    )?;
    for (claim, records) in claims.iter().zip(found) {
        let mut why = unrecorded(claim, &records)?;
        if let (None, Some((undone, _))) = (why, &claim.undo_of)
            && !digest::is_chunk_as_ended(tx, *undone, claim.chunk)?
        {
            why = Some("what is recorded of the rows it takes back is not what they ended with");
        }
        if let Some(why) = why {
            return Err(DbError::Damaged(format!(
                "job {} is not as it was recorded: {why}; nothing of it is done",
                claim.job_id
            )));
        }
    }
    Ok(())
}

/// Why these records of a job are not those of one that runs without an approval.
fn unrecorded(claim: &Claim, records: &[Row]) -> Result<Option<&'static str>, DbError> {
    let Some(first) = records.first() else {
        return Ok(Some("the audit record knows nothing of it"));
    };
    if !CAME_TO_BE.contains(&first.text(0)?) || first.opt_text(1)? != Some(&claim.kind) {
        return Ok(Some("it was submitted as something else"));
    }
    if first.opt_text(2)? != first.opt_text(5)? || first.opt_text(8)?.is_some() {
        return Ok(Some("it was submitted for approval"));
    }
    if (first.text(3)?, first.opt_text(4)?) != (first.text(6)?, first.opt_text(7)?) {
        return Ok(Some("somebody else submitted it"));
    }
    for record in records {
        if record.text(0)? == Action::Applied.as_str() {
            return Ok(Some("it has ended"));
        }
    }
    Ok(None)
}

/// What is recorded of a job when it comes to be.
const CAME_TO_BE: [&str; 3] = [
    Action::Submitted.as_str(),
    Action::Retried.as_str(),
    Action::Undone.as_str(),
];

/// Whether an undo is one that its submitter may have carried out alone, within so many milliseconds of the end of the job it takes back, as
/// the audit record has it of both.
pub fn is_own_undo(tx: &mut dyn Tx, claim: &Claim, within: i64) -> Result<bool, DbError> {
    let Some((undone, _)) = &claim.undo_of else {
        return Ok(false);
    };
    let undone = super::job::shown_id(tx, *undone)?.parse();
    let Ok(undone) = undone else { return Ok(false) };
    let (records, of_undone) = (audit::of_one(tx, claim.job_id)?, audit::of_one(tx, undone)?);
    let asked = records.iter().find(|one| one.action == Action::Undone.as_str());
    let came = of_undone
        .iter()
        .find(|one| matches!(one.action.as_str(), "submitted" | "carried-out"));
    let ended = of_undone
        .iter()
        .find(|one| matches!(one.action.as_str(), "applied" | "carried-out"));
    let (Some(asked), Some(came), Some(ended)) = (asked, came, ended) else {
        return Ok(false);
    };
    let was_approved = of_undone.iter().any(|one| one.action == Action::Approved.as_str());
    let has_account = asked.via.as_ref().is_some_and(|via| via.starts_with("cli "));
    Ok(!was_approved && has_account && asked.via == came.via && asked.at - ended.at <= within)
}

/// Why a job may not run although it does not wait any more; `None` if it may.
pub(super) fn unapproved(tx: &mut dyn Tx, job: i64) -> Result<Option<String>, DbError> {
    let head = SealedHead::read(tx, job)?;
    match head.seal.clone() {
        Some(sealed) => approval(tx, &head, &sealed, &[]),
        None => Ok(Some("it has no seal".to_owned())),
    }
}

/// What is wrong with the approval of what was sealed.
fn approval(tx: &mut dyn Tx, head: &SealedHead, sealed: &str, trusted: &[String]) -> Result<Option<String>, DbError> {
    let decisions = decisions(tx, &head.id)?;
    if let Some(against) = decisions.iter().find(|one| one.action != Action::Approved.as_str()) {
        return Ok(Some(if against.action == Action::Applied.as_str() {
            "it has ended, and what was approved is done once".to_owned()
        } else {
            format!("it was {} since", against.action)
        }));
    }
    let Some(approved) = decisions.last() else {
        return Ok(Some("the audit record has no approval of it".to_owned()));
    };
    if approved.hash.as_deref() != Some(sealed) {
        return Ok(Some("another plan was".to_owned()));
    }
    let recorded = signing::JobApproval {
        job: &head.id,
        kind: &head.kind,
        hash: sealed,
        submitted: (&head.submitted_by, head.via.as_deref()),
        note: approved.note.as_deref().unwrap_or_default(),
    };
    let held = signing::holds(&approvers::all(tx)?, trusted, &recorded);
    Ok(held.err().map(|why| why.to_string()))
}

/// A decision about a job, as it was recorded.
struct RecordedDecision {
    action: String,
    hash: Option<String>,
    note: Option<String>,
}

/// What was decided about whether a job may run, and its end, in that order.
fn decisions(tx: &mut dyn Tx, id: &str) -> Result<Vec<RecordedDecision>, DbError> {
    let sql = "SELECT action, plan_hash, note FROM audit
         WHERE job = $1 AND action IN ('approved', 'rejected', 'expired', 'cancelled', 'applied') ORDER BY seq";
    let read = |row: &Row| {
        Ok(RecordedDecision {
            action: row.text(0)?.to_owned(),
            hash: row.opt_text(1)?.map(str::to_owned),
            note: row.opt_text(2)?.map(str::to_owned),
        })
    };
    tx.query(sql, &[id.into()])?.iter().map(read).collect()
}

impl Ledger {
    /// Rows of a chunk that are the job's; `None` if all of them are.
    pub async fn rows_of_chunk(&self, job: &Job, chunk: i64) -> Result<Option<HashSet<u64>>, DbError> {
        let lineage = Lineage {
            retry_of: job.retry_of,
            undo_of: job.undo_of,
        };
        self.db.read(move |tx| selected_rows(tx, lineage, chunk)).await
    }

    /// Whether all of a job is as it was sealed, so that what is shown of it is what would be approved.
    pub async fn is_as_sealed(&self, job: &Job) -> Result<bool, DbError> {
        let job = job.seq;
        self.db
            .read(move |tx| {
                let head = SealedHead::read(tx, job)?;
                let mut seals = Vec::new();
                for place in places(tx, job)? {
                    let expected = expected_of(tx, job, place.chunk)?;
                    seals.push((place.chunk, place.seal(tx, &head, expected.as_deref())?));
                }
                Ok(head.seal.as_deref() == Some(&head.hash(&seals)))
            })
            .await
    }
}

/// What is sealed of a job besides its chunks.
struct SealedHead {
    id: String,
    kind: String,
    parameters: String,
    submitted_by: String,
    via: Option<String>,
    plan_hash: Option<String>,
    undoes: Option<String>,
    retries: Option<String>,
    content: Option<String>,
    header: String,
    seal: Option<String>,
    undo_of: Option<i64>,
    retry_of: Option<i64>,
    input: i64,
}

impl SealedHead {
    fn read(tx: &mut dyn Tx, job: i64) -> Result<Self, DbError> {
        let sql = format!(
            "SELECT j.id, j.kind, j.parameters, j.submitted_by, j.submitted_via, j.plan_hash,
             (SELECT u.id FROM jobs u WHERE u.seq = j.undo_of), (SELECT r.id FROM jobs r WHERE r.seq = j.retry_of),
             {SHA256}, {HEADER}, j.seal, j.undo_of, j.retry_of, {NUMBER}
             FROM jobs j {JOIN} WHERE j.seq = $1"
        );
        let Some(row) = tx.query_first(&sql, &[job.into()])? else {
            return Err(DbError::Damaged("the job is gone from the ledger".to_owned()));
        };
        let optional = |column: usize| row.opt_text(column).map(|text| text.map(str::to_owned));
        Ok(Self {
            id: row.text(0)?.to_owned(),
            kind: row.text(1)?.to_owned(),
            parameters: row.text(2)?.to_owned(),
            submitted_by: row.text(3)?.to_owned(),
            via: optional(4)?,
            plan_hash: optional(5)?,
            undoes: optional(6)?,
            retries: optional(7)?,
            content: optional(8)?,
            header: row.text(9)?.to_owned(),
            seal: optional(10)?,
            undo_of: row.opt_int(11)?,
            retry_of: row.opt_int(12)?,
            input: row.int(13)?,
        })
    }

    fn hash(&self, seals: &[(i64, String)]) -> String {
        let chunks: Vec<String> = seals.iter().map(|(chunk, seal)| format!("{chunk}:{seal}")).collect();
        let mut fields = vec![
            Some(self.id.as_str()),
            Some(&self.kind),
            Some(&self.parameters),
            Some(&self.submitted_by),
            self.via.as_deref(),
            self.plan_hash.as_deref(),
            self.undoes.as_deref(),
            self.retries.as_deref(),
            self.content.as_deref(),
            Some(&self.header),
        ];
        fields.extend(chunks.iter().map(|chunk| Some(chunk.as_str())));
        hash_of("tenantry-seal-1", &fields)
    }
}

/// Where a chunk stands.
struct SealedChunk {
    chunk: i64,
    first_row: i64,
    rows: i64,
}

impl SealedChunk {
    fn read(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            chunk: row.int(0)?,
            first_row: row.int(1)?,
            rows: row.int(2)?,
        })
    }

    fn seal(&self, tx: &mut dyn Tx, of: &SealedHead, expected: Option<&[u8]>) -> Result<String, DbError> {
        let block = inputs::raw_block(tx, of.input, self.chunk)?;
        let block = block.map(|row| row.blob(0).map(hash_of_bytes)).transpose()?;
        let lineage = Lineage {
            retry_of: of.retry_of,
            undo_of: of.undo_of,
        };
        let selected = selected_rows(tx, lineage, self.chunk)?.map(|rows| {
            let mut rows: Vec<u64> = rows.into_iter().collect();
            rows.sort_unstable();
            let rows: Vec<u8> = rows.into_iter().flat_map(u64::to_le_bytes).collect();
            hash_of_bytes(&rows)
        });
        let expected = expected.filter(|expected| !expected.is_empty()).map(hash_of_bytes);
        let place = format!("{}:{}:{}", self.chunk, self.first_row, self.rows);
        Ok(hash_of(
            "tenantry-chunk-1",
            &[Some(&place), block.as_deref(), selected.as_deref(), expected.as_deref()],
        ))
    }
}

fn places(tx: &mut dyn Tx, job: i64) -> Result<Vec<SealedChunk>, DbError> {
    let sql = "SELECT chunk, first_row, rows FROM chunks WHERE job = $1 ORDER BY chunk";
    tx.query(sql, &[job.into()])?.iter().map(SealedChunk::read).collect()
}

fn expected_of(tx: &mut dyn Tx, job: i64, chunk: i64) -> Result<Option<Vec<u8>>, DbError> {
    let sql = "SELECT expected FROM chunks WHERE job = $1 AND chunk = $2";
    let found = tx.query_first(sql, &[job.into(), chunk.into()])?;
    found.map_or(Ok(None), |row| Ok(row.opt_blob(0)?.map(<[u8]>::to_vec)))
}

fn seals_of(tx: &mut dyn Tx, job: i64) -> Result<Vec<(i64, String)>, DbError> {
    let sql = "SELECT chunk, seal FROM chunks WHERE job = $1 ORDER BY chunk";
    let found = tx.query(sql, &[job.into()])?;
    found
        .iter()
        .map(|row| Ok((row.int(0)?, row.text_or_empty(1)?.to_owned())))
        .collect()
}

fn hash_of_bytes(bytes: &[u8]) -> String {
    let mut meter = StreamHasher::default();
    meter.pass(bytes);
    meter.sha256().as_str().to_owned()
}
