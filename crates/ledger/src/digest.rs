//! Hashes over the outcome of rows, so that the record of a job's end stands for its recorded outcomes and before-images as well.
//!
//! A chunk has one, made where it is closed, mostly of what is at hand there; what came to be in several transactions is read back. A job
//! has one over those of its chunks. A row that is not recorded, and has no image, adds nothing; most jobs that create something
//! have none at all.
//!
//! Of rows that were carried out in a store that is no database, the steps they took are hashed as well, with what each found and left: an undo goes
//! by these. They are let go of with the rows (`spool.retention`), long before the rest; so the hash over a chunk's steps is kept by itself, too, and
//! stands for them from then on. That it was not replaced shows the chunk's hash, of which it is a part.

use super::audit::{self, AuditRecord, hash_of};
use super::images::{COLUMNS, RowImage};
use super::rows::BETWEEN;
use super::{Claim, Outcome, RowOutcome};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// Digits of a hash over rows.
const DIGITS: usize = 32;

/// The hash over the rows of a chunk: their recorded outcomes, and their images. `None` if there are neither.
pub(super) fn of_chunk(mut outcomes: Vec<&RowOutcome>, mut images: Vec<&RowImage>) -> Option<String> {
    if outcomes.is_empty() && images.is_empty() {
        return None;
    }
    outcomes.sort_unstable_by_key(|one| one.row);
    images.sort_unstable_by_key(|one| (one.row, one.step));
    let mut texts = Vec::with_capacity(outcomes.len() + images.len());
    for one in outcomes {
        let (row, columns) = (one.row.to_string(), one.columns.join(BETWEEN));
        let fields = [
            Some(row.as_str()),
            Some(one.outcome.as_str()),
            Some(&one.code),
            Some(&one.message),
            Some(&one.target),
            Some(&columns),
        ];
        texts.push(hash_of("tenantry-outcome-1", &fields));
    }
    texts.extend(images.into_iter().map(|one| {
        let mut hash = one.hash();
        hash.truncate(DIGITS);
        hash
    }));
    let fields: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let mut hash = hash_of("tenantry-rows-1", &fields);
    hash.truncate(DIGITS);
    Some(hash)
}

/// A chunk that is being closed, and how the rows ended that were pending. Their outcomes are not recorded yet. Their images are, where
/// rows of the chunk have ended before.
pub(super) struct ClosedChunk<'c> {
    pub(super) claim: &'c Claim,
    pub(super) outcomes: &'c [RowOutcome],
    pub(super) images: &'c [RowImage],
}

impl ClosedChunk<'_> {
    fn range(&self) -> [Value; 3] {
        let Claim {
            job, first_row, rows, ..
        } = self.claim;
        range(*job, *first_row, first_row + rows - 1)
    }

    /// Whether rows have ended in earlier transactions.
    fn has_earlier(&self) -> bool {
        self.claim.pending < self.claim.rows
    }

    /// Whether there may be images from earlier transactions, given the outcomes of these. A row of a database that was refused, or failed, has
    /// left none.
    fn may_have_earlier_images(&self, earlier: &[RowOutcome]) -> bool {
        let is_nothing = |one: &RowOutcome| matches!(one.outcome, Outcome::Rejected | Outcome::Failed);
        let is_without = earlier.len() as u64 == self.claim.rows - self.claim.pending && earlier.iter().all(is_nothing);
        let is_elsewhere = self.claim.parameters.store.is_some() && self.has_earlier();
        self.claim.waited || is_elsewhere || !is_without
    }
}

/// The hashes over the rows of chunks that are being closed. Rows of earlier transactions are read for all chunks together.
pub(super) fn of_closed(tx: &mut dyn Tx, chunks: &[ClosedChunk<'_>]) -> Result<Vec<Option<String>>, DbError> {
    let earlier = chunks.iter().map(|chunk| chunk.has_earlier().then(|| chunk.range()));
    let earlier = outcomes_of(tx, earlier)?;
    let images = chunks.iter().zip(&earlier).map(|(chunk, earlier)| {
        let earlier = earlier.as_deref().unwrap_or_default();
        chunk.may_have_earlier_images(earlier).then(|| chunk.range())
    });
    let images = images_of(tx, images)?;
    let hashes = chunks
        .iter()
        .zip(&earlier)
        .zip(&images)
        .map(|((chunk, earlier), images)| {
            let outcomes = earlier.iter().flatten().chain(chunk.outcomes);
            let images = images.as_deref().unwrap_or(chunk.images);
            of_chunk(outcomes.collect(), images.iter().collect())
        });
    Ok(hashes.collect())
}

/// The hash over rows `first` to `last` of a job, as they are recorded.
pub(super) fn read_back(tx: &mut dyn Tx, job: i64, first: u64, last: u64) -> Result<Option<String>, DbError> {
    let outcomes = outcomes_of(tx, std::iter::once(Some(range(job, first, last))))?;
    let images = images_of(tx, std::iter::once(Some(range(job, first, last))))?;
    Ok(of_chunk(
        outcomes.iter().flatten().flatten().collect(),
        images.iter().flatten().flatten().collect(),
    ))
}

/// Rows of a job, from the first to the last.
fn range(job: i64, first: u64, last: u64) -> [Value; 3] {
    [job.into(), first.into(), last.into()]
}

fn outcomes_of(
    tx: &mut dyn Tx,
    ranges: impl Iterator<Item = Option<[Value; 3]>>,
) -> Result<Vec<Option<Vec<RowOutcome>>>, DbError> {
    let sql = "SELECT row, outcome, code, message, target, columns FROM every_outcome WHERE job = $1 AND row BETWEEN $2 AND $3";
    read_each(tx, sql, ranges, outcome)
}

fn images_of(
    tx: &mut dyn Tx,
    ranges: impl Iterator<Item = Option<[Value; 3]>>,
) -> Result<Vec<Option<Vec<RowImage>>>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM every_image WHERE job = $1 AND row BETWEEN $2 AND $3");
    read_each(tx, &sql, ranges, RowImage::read)
}

/// What is recorded of each of these ranges; `None` where there is none to be read.
fn read_each<T>(
    tx: &mut dyn Tx,
    sql: &str,
    ranges: impl Iterator<Item = Option<[Value; 3]>>,
    read: impl Fn(&Row) -> Result<T, DbError>,
) -> Result<Vec<Option<Vec<T>>>, DbError> {
    let ranges: Vec<Option<Vec<Value>>> = ranges.map(|range| range.map(Vec::from)).collect();
    let to_read: Vec<Vec<Value>> = ranges.iter().flatten().cloned().collect();
    let found = match to_read.as_slice() {
        [] => Vec::new(),
        [range] => vec![tx.query(sql, range)?],
        several => tx.query_each(sql, several)?,
    };
    let mut found = found.into_iter();
    let read_rows = |rows: Vec<Row>| rows.iter().map(&read).collect::<Result<Vec<T>, DbError>>();
    let each = ranges.into_iter().map(|range| {
        let rows = range.and_then(|_| found.next());
        rows.map(read_rows).transpose()
    });
    each.collect()
}

fn outcome(row: &Row) -> Result<RowOutcome, DbError> {
    let columns = row.text_or_empty(5)?;
    Ok(RowOutcome {
        row: row.int(0)? as u64,
        outcome: Outcome::parse(row.text(1)?)?,
        code: row.text_or_empty(2)?.to_owned(),
        message: row.text_or_empty(3)?.to_owned(),
        target: row.text_or_empty(4)?.to_owned(),
        columns: columns
            .split(BETWEEN)
            .filter(|column| !column.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// The hash over the steps that rows `first` to `last` of a job took; `None` if they took none.
pub(super) fn of_steps(tx: &mut dyn Tx, job: i64, first: u64, last: u64) -> Result<Option<String>, DbError> {
    let sql = "SELECT row, step, place, generation, state, result, image FROM intents
         WHERE job = $1 AND row BETWEEN $2 AND $3";
    let mut texts = Vec::new();
    for row in tx.query(sql, &[job.into(), first.into(), last.into()])? {
        let (number, step) = (row.int(0)?, row.text(1)?.to_owned());
        let at = format!("{number}:{}:{}", row.int(2)?, row.int(3)?);
        let fields = [
            Some(at.as_str()),
            Some(&step),
            Some(row.text(4)?),
            row.opt_text(5)?,
            row.opt_text(6)?,
        ];
        let hash = hash_of("tenantry-step-1", &fields);
        texts.push((number, step, hash));
    }
    if texts.is_empty() {
        return Ok(None);
    }
    // Databases differ in how they order texts.
    texts.sort_unstable();
    let fields: Vec<Option<&str>> = texts.iter().map(|(_, _, hash)| Some(hash.as_str())).collect();
    let mut hash = hash_of("tenantry-steps-1", &fields);
    hash.truncate(DIGITS);
    Ok(Some(hash))
}

/// The hash of a chunk of those over its rows, and over their steps.
pub(super) fn of_both(rows: Option<String>, steps: Option<&str>) -> Option<String> {
    let Some(steps) = steps else { return rows };
    let mut hash = hash_of("tenantry-rows-and-steps-1", &[rows.as_deref(), Some(steps)]);
    hash.truncate(DIGITS);
    Some(hash)
}

/// Over a job of which these chunks have a hash, in their order.
pub(super) fn of_job(chunks: &[(i64, String)]) -> Option<String> {
    if chunks.is_empty() {
        return None;
    }
    let texts: Vec<String> = chunks
        .iter()
        .map(|(chunk, digest)| format!("{chunk}:{digest}"))
        .collect();
    let fields: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let mut hash = hash_of("tenantry-job-rows-1", &fields);
    hash.truncate(DIGITS);
    Some(hash)
}

/// What a statement that ends a job returns for [`of_ended`]: how many chunks it has, and of the only one its number and hash. Nothing is
/// looked for while chunks are left. Of several, others may be closed by transactions that such a statement does not see yet.
pub(super) const OF_ENDED: &str =
    "CASE WHEN chunks_left = 0 THEN (SELECT COUNT(*) FROM chunks d WHERE d.job = jobs.seq) ELSE 0 END,
   CASE WHEN chunks_left = 0 THEN (SELECT MAX(d.chunk) FROM chunks d WHERE d.job = jobs.seq) END,
   CASE WHEN chunks_left = 0 THEN (SELECT MAX(d.digest) FROM chunks d WHERE d.job = jobs.seq) END";

/// The hash over a job that has ended, whose [`OF_ENDED`] begins at `first`.
pub(super) fn of_ended(tx: &mut dyn Tx, job: i64, row: &Row, first: usize) -> Result<Option<String>, DbError> {
    let count = row.int(first)?;
    if count <= 1 {
        let only = row.opt_int(first + 1)?.zip(row.opt_text(first + 2)?);
        return Ok(only.and_then(|(chunk, digest)| of_job(&[(chunk, digest.to_owned())])));
    }
    let sql = "SELECT chunk, digest FROM chunks WHERE job = $1 AND digest IS NOT NULL ORDER BY chunk";
    let chunks = tx.query(sql, &[job.into()])?;
    let read = |row: &Row| Ok((row.int(0)?, row.text(1)?.to_owned()));
    Ok(of_job(&chunks.iter().map(read).collect::<Result<Vec<_>, DbError>>()?))
}

/// Notes the hash of a chunk that has ended otherwise than by being closed.
pub(super) fn note(tx: &mut dyn Tx, (job, chunk): (i64, i64), first: u64, last: u64) -> Result<(), DbError> {
    let steps = of_steps(tx, job, first, last)?;
    match of_both(read_back(tx, job, first, last)?, steps.as_deref()) {
        Some(digest) => tx.send(
            "UPDATE chunks SET digest = $3, steps = $4 WHERE job = $1 AND chunk = $2",
            &[job.into(), chunk.into(), digest.into(), steps.into()],
        ),
        None => Ok(()),
    }
}

/// The hash over a job's rows as they are recorded now.
pub(super) fn recomputed(tx: &mut dyn Tx, job: i64) -> Result<Option<String>, DbError> {
    let sql = "SELECT chunk, first_row, rows FROM every_chunk WHERE job = $1 ORDER BY chunk";
    let mut chunks = Vec::new();
    for row in tx.query(sql, &[job.into()])? {
        let (chunk, first, rows) = (row.int(0)?, row.int(1)? as u64, row.int(2)? as u64);
        if let Some(digest) = of_chunk_now(tx, (job, chunk), first, rows)? {
            chunks.push((chunk, digest));
        }
    }
    Ok(of_job(&chunks))
}

/// The hash over the rows of a chunk as they are recorded now, and over their steps as far as these are kept.
fn of_chunk_now(tx: &mut dyn Tx, (job, chunk): (i64, i64), first: u64, rows: u64) -> Result<Option<String>, DbError> {
    let last = first + rows.max(1) - 1;
    let digest = read_back(tx, job, first, last)?;
    let sql = "SELECT c.steps, j.spooled FROM chunks c JOIN jobs j ON j.seq = c.job
         WHERE c.job = $1 AND c.chunk = $2 AND c.steps IS NOT NULL";
    let Some(kept) = tx.query_first(sql, &[job.into(), chunk.into()])? else {
        return Ok(digest);
    };
    let (is_spooled, kept) = (kept.int(1)? != 0, kept.text(0)?.to_owned());
    let steps = of_steps(tx, job, first, last)?;
    let steps = if is_spooled { steps } else { steps.or(Some(kept)) };
    Ok(of_both(digest, steps.as_deref()))
}

/// Whether a chunk of a job that has ended is as `recorded` of the job: the chunks by their hashes, and of this one the rows.
fn holds_of_chunk(tx: &mut dyn Tx, (job, chunk): (i64, i64), recorded: Option<&str>) -> Result<bool, DbError> {
    let sql = "SELECT chunk, digest, first_row, rows FROM chunks WHERE job = $1 ORDER BY chunk";
    let found = tx.query(sql, &[job.into()])?;
    if found.is_empty() {
        return Ok(recomputed(tx, job)?.as_deref() == recorded);
    }
    let (mut all, mut this) = (Vec::new(), None);
    for row in &found {
        let digest = row.opt_text(1)?.map(str::to_owned);
        if row.int(0)? == chunk {
            this = Some((digest.clone(), row.int(2)? as u64, row.int(3)? as u64));
        }
        if let Some(digest) = digest {
            all.push((row.int(0)?, digest));
        }
    }
    let Some((digest, first, rows)) = this else {
        return Ok(false);
    };
    Ok(of_job(&all).as_deref() == recorded && of_chunk_now(tx, (job, chunk), first, rows)? == digest)
}

/// Whether the rows of a chunk of a job are those it ended with, as far as there is a hash over them.
pub(super) fn is_chunk_as_ended(tx: &mut dyn Tx, job: i64, chunk: i64) -> Result<bool, DbError> {
    let Ok(id) = super::job::shown_id(tx, job)?.parse() else {
        return Ok(false);
    };
    let records = audit::of_one(tx, id)?;
    let end = records
        .iter()
        .find(|one| matches!(one.action.as_str(), "applied" | "carried-out"));
    match end {
        Some(end) if is_held(end, digests_after(tx)?) => holds_of_chunk(tx, (job, chunk), end.digest.as_deref()),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// Whether the record of a job's end says what its rows came to, given [`digests_after`]. One that has a hash does, whatever is noted of when
/// the first was made.
pub(super) fn is_held(end: &AuditRecord, digests_after: i64) -> bool {
    end.digest.is_some() || end.seq > digests_after
}

/// The last record of before there were such hashes. That is noted where anybody may write who may write to the ledger, so the record itself, in
/// which the first hash stands, has the last word.
pub(super) fn digests_after(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let noted = tx.query_first("SELECT value FROM meta WHERE key = 'digests_after'", &[])?;
    let noted = noted.and_then(|row| row.text(0).ok()?.parse().ok()).unwrap_or(0_i64);
    if noted == 0 {
        return Ok(0);
    }
    let first = tx.query_first(
        "SELECT seq FROM audit WHERE seq <= $1 AND digest IS NOT NULL ORDER BY seq LIMIT 1",
        &[noted.into()],
    )?;
    first.map_or(Ok(noted), |row| row.int(0).map(|first| first - 1))
}
