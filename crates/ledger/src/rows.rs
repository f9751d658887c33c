//! Rows as the ledger sees them: recorded outcomes, and what follows from a chunk's state.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::chunk_state::ChunkState;
use super::inputs::{load_block, load_blocks};
use super::lineage::{Lineage, selected_rows};
use super::{Installation, Job, Ledger, Outcome};
use tenantry_foundation::db::{Batch, DbError, Row, Tx, Value};
use tenantry_foundation::input::Block;

/// A row that waits for a partner or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowWait {
    /// Row number, from 1.
    pub row: u64,
    /// For what, in words.
    pub message: String,
    /// GUID of the record concerned.
    pub target: String,
}

/// The recorded outcome of one row. Rows that a bulk kind applied have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOutcome {
    /// Row number, from 1.
    pub row: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Stable code; empty when there is nothing to say.
    pub code: String,
    /// For people.
    pub message: String,
    /// GUID of the record concerned, if there is one.
    pub target: String,
    /// The columns of the kind that are at fault, in the order of the message.
    pub columns: Vec<String>,
}

/// A row with its outcome, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct RowRecord {
    /// Row number, from 1.
    pub row: u64,
    /// Line of the file the row begins on.
    pub line: u64,
    /// `None` while the row is pending.
    pub outcome: Option<Outcome>,
    /// Stable code; empty when there is nothing to say.
    pub code: String,
    /// For people.
    pub message: String,
    /// GUID of the record concerned; empty when there is none.
    pub id: String,
    /// The columns of the kind that are at fault, in the order of the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

/// One chunk with everything needed to show its rows.
pub struct ChunkRows {
    block: Block,
    /// State of the chunk, and why it failed.
    state: ChunkState,
    message: String,
    recorded: HashMap<u64, RowRecord>,
    /// Rows of the block that belong to the job; `None` for all.
    selected: Option<HashSet<u64>>,
    waiting: HashMap<u64, (String, String)>,
    made: Option<(Installation, i64)>,
}

impl ChunkRows {
    /// The rows themselves.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Whether the row at this number is one of the job's.
    pub fn is_selected(&self, row: u64) -> bool {
        self.selected.as_ref().is_none_or(|selected| selected.contains(&row))
    }

    /// The outcome of a row of the block.
    pub fn record(&self, row: u64, line: u64) -> RowRecord {
        if let Some(record) = self.recorded.get(&row) {
            return RowRecord { line, ..record.clone() };
        }
        if let Some((message, id)) = self.waiting.get(&row) {
            return RowRecord {
                row,
                line,
                outcome: None,
                code: "waiting".to_owned(),
                message: message.clone(),
                id: id.clone(),
                columns: Vec::new(),
            };
        }
        let (outcome, code, message) = match self.state {
            ChunkState::Done => (Some(Outcome::Applied), "", ""),
            ChunkState::Failed => (Some(Outcome::Failed), "attempts-exhausted", self.message.as_str()),
            ChunkState::Cancelled => (Some(Outcome::Cancelled), "", ""),
            ChunkState::Queued | ChunkState::Running | ChunkState::Waiting => (None, "", ""),
        };
        let id = match (outcome, &self.made) {
            (Some(Outcome::Applied), Some((installation, job))) => {
                installation.guid(super::ids::record_id(*job, row)).to_string()
            }
            _ => String::new(),
        };
        RowRecord {
            row,
            line,
            outcome,
            code: code.to_owned(),
            message: message.to_owned(),
            id,
            columns: Vec::new(),
        }
    }
}

impl Ledger {
    /// The numbers of the job's chunks, in row order, each with whether its rows all have their outcome.
    pub async fn chunk_states(&self, job: i64) -> Result<Vec<(i64, bool)>, DbError> {
        self.db
            .read(move |tx| {
                let rows = tx.query(
                    "SELECT chunk, CASE WHEN state IN ('done', 'failed', 'cancelled') THEN 1 ELSE 0 END
                     FROM every_chunk WHERE job = $1 ORDER BY chunk",
                    &[job.into()],
                )?;
                rows.iter().map(|row| Ok((row.int(0)?, row.int(1)? != 0))).collect()
            })
            .await
    }

    /// One chunk of a job, ready to be shown. `None` when its rows are no longer kept.
    pub async fn chunk_rows(&self, job: &Job, chunk: i64) -> Result<Option<ChunkRows>, DbError> {
        let (seq, input, kind) = (job.seq, job.input, job.kind.clone());
        let lineage = Lineage {
            retry_of: job.retry_of,
            undo_of: job.undo_of,
        };
        let installation = self.installation;
        self.db
            .read(move |tx| {
                let Some(block) = load_block(tx, input, chunk)? else {
                    return Ok(None);
                };
                let state = tx.query(
                    "SELECT state, message, first_row, rows FROM every_chunk WHERE job = $1 AND chunk = $2",
                    &[seq.into(), chunk.into()],
                )?;
                let Some(state) = state.first() else { return Ok(None) };
                let (first, last) = (state.int(2)?, state.int(2)? + state.int(3)? - 1);
                // What such a kind creates carries its row in its id; all others record every row.
                let creates = tenantry_jobs::find(&kind).is_ok_and(|kind| kind.policy().creates.is_some());
                Ok(Some(ChunkRows {
                    selected: selected_rows(tx, lineage, chunk)?,
                    recorded: recorded(tx, seq, first, last)?,
                    waiting: waiting(tx, seq, first, last)?,
                    made: creates.then_some((installation, seq)),
                    state: ChunkState::parse(state.text(0)?)?,
                    message: state.text_or_empty(1)?.to_owned(),
                    block,
                }))
            })
            .await
    }
}

impl Ledger {
    /// All rows of ended jobs of one chunk, with everything that was made besides results: nothing. `None` of any other job, and of one
    /// whose rows are no longer kept. The caller sees to it that there are few rows.
    pub async fn small_rows(&self, jobs: &[Job]) -> Result<Vec<Option<ChunkRows>>, DbError> {
        let installation = self.installation;
        let jobs: Vec<Option<(i64, i64, bool)>> = jobs
            .iter()
            .map(|job| {
                let is_plain = job.finished_at.is_some() && job.retry_of.is_none() && job.undo_of.is_none();
                let creates = || tenantry_jobs::find(&job.kind).is_ok_and(|kind| kind.policy().creates.is_some());
                (is_plain && job.files.is_empty()).then(|| (job.seq, job.input, creates()))
            })
            .collect();
        self.db
            .read(move |tx| {
                let plain: Vec<(i64, i64, bool)> = jobs.iter().flatten().copied().collect();
                if plain.is_empty() {
                    return Ok(jobs.iter().map(|_| None).collect());
                }
                let seqs: Vec<Vec<Value>> = plain.iter().map(|(seq, ..)| vec![(*seq).into()]).collect();
                let chunks = tx.query_each(
                    "SELECT state, message FROM every_chunk WHERE job = $1 ORDER BY chunk LIMIT 2",
                    &seqs,
                )?;
                let sealed = tx.query_each("SELECT 1 FROM sealed_passwords WHERE job = $1 LIMIT 1", &seqs)?;
                let outcomes = tx.query_each(
                    "SELECT row, outcome, code, message, target, columns FROM every_outcome WHERE job = $1",
                    &seqs,
                )?;
                let places: Vec<(i64, i64)> = plain.iter().map(|(_, input, _)| (*input, 0)).collect();
                let blocks = load_blocks(tx, &places)?;
                let mut found = Vec::with_capacity(plain.len());
                for ((((job, chunks), sealed), outcomes), block) in
                    plain.iter().zip(chunks).zip(sealed).zip(outcomes).zip(blocks)
                {
                    let (seq, _, creates) = *job;
                    let ([chunk], [], Some(block)) = (chunks.as_slice(), sealed.as_slice(), block) else {
                        found.push(None);
                        continue;
                    };
                    found.push(Some(ChunkRows {
                        selected: None,
                        recorded: outcomes.iter().map(recorded_one).collect::<Result<_, _>>()?,
                        waiting: HashMap::new(),
                        made: creates.then_some((installation, seq)),
                        state: ChunkState::parse(chunk.text(0)?)?,
                        message: chunk.text_or_empty(1)?.to_owned(),
                        block,
                    }));
                }
                let mut found = found.into_iter();
                Ok(jobs
                    .iter()
                    .map(|job| job.and_then(|_| found.next().flatten()))
                    .collect())
            })
            .await
    }
}

impl Ledger {
    /// Rows of a job that were rejected or have failed, the first `most` of them.
    pub async fn rows_not_applied(&self, job: i64, most: u64) -> Result<Vec<RowRecord>, DbError> {
        self.db
            .read(move |tx| {
                let found = tx.query(
                    "SELECT row, outcome, code, message, target, columns FROM every_outcome
                     WHERE job = $1 AND outcome IN ('rejected', 'failed') ORDER BY row LIMIT $2",
                    &[job.into(), most.into()],
                )?;
                found.iter().map(|row| Ok(recorded_one(row)?.1)).collect()
            })
            .await
    }
}

/// Numbers of the rows in a range that have a recorded outcome.
pub fn recorded_rows(tx: &mut dyn Tx, job: i64, first: u64, rows: u64) -> Result<HashSet<u64>, DbError> {
    let found = tx.query(
        "SELECT row FROM every_outcome WHERE job = $1 AND row BETWEEN $2 AND $3",
        &[job.into(), first.into(), (first + rows - 1).into()],
    )?;
    found.iter().map(|row| row.int(0).map(|row| row as u64)).collect()
}

fn recorded(tx: &mut dyn Tx, job: i64, first: i64, last: i64) -> Result<HashMap<u64, RowRecord>, DbError> {
    let found = tx.query(
        "SELECT row, outcome, code, message, target, columns FROM every_outcome WHERE job = $1 AND row BETWEEN $2 AND $3",
        &[job.into(), first.into(), last.into()],
    )?;
    found.iter().map(recorded_one).collect()
}

fn recorded_one(row: &Row) -> Result<(u64, RowRecord), DbError> {
    let number = row.int(0)? as u64;
    let record = RowRecord {
        row: number,
        line: 0,
        outcome: Some(Outcome::parse(row.text(1)?)?),
        code: row.text_or_empty(2)?.to_owned(),
        message: row.text_or_empty(3)?.to_owned(),
        id: row.text_or_empty(4)?.to_owned(),
        columns: columns(row.text_or_empty(5)?),
    };
    Ok((number, record))
}

fn waiting(tx: &mut dyn Tx, job: i64, first: i64, last: i64) -> Result<HashMap<u64, (String, String)>, DbError> {
    let found = tx.query(
        "SELECT row, message, target FROM waiting_rows WHERE job = $1 AND row BETWEEN $2 AND $3",
        &[job.into(), first.into(), last.into()],
    )?;
    let wait = |row: &Row| {
        let said = (row.text(1)?.to_owned(), row.text_or_empty(2)?.to_owned());
        Ok((row.int(0)? as u64, said))
    };
    found.iter().map(wait).collect()
}

const OUTCOME_COLUMNS: [&str; 7] = ["job", "row", "outcome", "code", "message", "target", "columns"];

/// What separates columns where they are kept: no name of a column has it.
pub(super) const BETWEEN: &str = ";";

/// Columns as they are kept, each once.
pub(super) fn columns(kept: &str) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for column in kept.split(BETWEEN).filter(|column| !column.is_empty()) {
        if columns.iter().all(|known| known != column) {
            columns.push(column.to_owned());
        }
    }
    columns
}

/// Fewer outcomes than this are inserted by a prepared statement; a COPY is prepared anew each time.
const BULK: usize = 256;

/// Records the outcomes of rows of one job.
pub(super) fn record_outcomes_of(tx: &mut dyn Tx, job: i64, outcomes: &[RowOutcome]) -> Result<(), DbError> {
    let outcomes: Vec<(i64, &RowOutcome)> = outcomes.iter().map(|one| (job, one)).collect();
    record_outcomes(tx, &outcomes)
}

/// Records outcomes, each with the number of its job.
pub(super) fn record_outcomes(tx: &mut dyn Tx, outcomes: &[(i64, &RowOutcome)]) -> Result<(), DbError> {
    if outcomes.len() < BULK {
        let params: Vec<Vec<Value>> = outcomes
            .iter()
            .map(|(job, one)| {
                vec![
                    (*job).into(),
                    one.row.into(),
                    one.outcome.as_str().into(),
                    present(&one.code),
                    present(&one.message),
                    present(&one.target),
                    present(&one.columns.join(BETWEEN)),
                ]
            })
            .collect();
        let sql = "INSERT INTO row_outcomes (job, row, outcome, code, message, target, columns)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        return tx.send_all(sql, params);
    }
    let mut batch = Batch::new(OUTCOME_COLUMNS.len(), outcomes.len());
    for (job, one) in outcomes {
        batch.int(*job);
        batch.int(one.row as i64);
        batch.text(one.outcome.as_str());
        batch.text(&one.code);
        batch.text(&one.message);
        batch.text(&one.target);
        batch.text(&one.columns.join(BETWEEN));
    }
    tx.insert("row_outcomes", &OUTCOME_COLUMNS, &batch)
}

/// An empty text is absent, as in a [`Batch`].
fn present(text: &str) -> Value {
    Some(text).filter(|text| !text.is_empty()).into()
}
