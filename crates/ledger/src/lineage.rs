//! The rows of a retry or an undo: those of the other job that ended in the ways it is for.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use super::chunk_state::ChunkState;
use super::{Outcome, inputs};
use tenantry_foundation::db::{DbError, Tx};

/// The jobs a job's rows follow from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lineage {
    /// The job whose failed and cancelled rows it tries again.
    pub retry_of: Option<i64>,
    /// The job whose applied rows it takes back.
    pub undo_of: Option<i64>,
}

impl Lineage {
    /// The job that a job follows from, and whether it tries that one's rows again.
    fn parent(self) -> Option<(i64, bool)> {
        match self.retry_of {
            Some(parent) => Some((parent, true)),
            None => self.undo_of.map(|parent| (parent, false)),
        }
    }
}

/// Rows of a chunk that are a job's; `None` means all of them.
///
/// # Errors
/// [`DbError::Damaged`] if a job follows from one that is no older than itself.
pub fn selected_rows(tx: &mut dyn Tx, of: Lineage, chunk: i64) -> Result<Option<HashSet<u64>>, DbError> {
    // From the job to the first of its line, each older than the one before it.
    let mut line = Vec::new();
    let (mut next, mut before) = (of.parent(), i64::MAX);
    while let Some((parent, is_tried_again)) = next {
        if parent >= before {
            return Err(DbError::Damaged(format!(
                "job number {parent} is said to follow from itself"
            )));
        }
        before = parent;
        let Some((loaded, lineage)) = ParentChunk::load(tx, parent, chunk)? else {
            line.push(None);
            break;
        };
        line.push(Some((loaded, is_tried_again)));
        next = lineage.parent();
    }
    let mut had: Option<HashSet<u64>> = None;
    for parent in line.into_iter().rev() {
        had = Some(match parent {
            None => HashSet::new(),
            Some((parent, true)) => parent.unfinished(had.as_ref()),
            Some((parent, false)) => parent.effective(had.as_ref()),
        });
    }
    Ok(had)
}

/// Rows that no chunk has more than.
const MOST_ROWS: i64 = 1 << 20;

/// A chunk of a job that another one follows from.
struct ParentChunk {
    /// The chunk's rows, of which not all need have been the parent's.
    rows: RangeInclusive<u64>,
    state: ChunkState,
    outcomes: HashMap<u64, Outcome>,
    /// Rows that have had steps done in a store that is no database.
    stepped: HashSet<u64>,
}

impl ParentChunk {
    /// With what the parent follows from itself.
    fn load(tx: &mut dyn Tx, job: i64, chunk: i64) -> Result<Option<(Self, Lineage)>, DbError> {
        let found = tx.query_first(
            "SELECT j.retry_of, j.undo_of, c.state, c.first_row, c.rows FROM jobs j
             CROSS JOIN (SELECT state, first_row, rows FROM every_chunk WHERE job = $1 AND chunk = $2) c WHERE j.seq = $1",
            &[job.into(), chunk.into()],
        )?;
        let Some(found) = found else { return Ok(None) };
        let (first, rows) = (found.int(3)?, found.int(4)?);
        if first < 1 || !(0..=MOST_ROWS).contains(&rows) {
            return Err(DbError::Damaged(format!(
                "chunk {chunk} of job number {job} has rows that cannot be"
            )));
        }
        let last = first.saturating_add(rows) - 1;
        let lineage = Lineage {
            retry_of: found.opt_int(0)?,
            undo_of: found.opt_int(1)?,
        };
        let recorded = tx.query(
            "SELECT row, outcome FROM every_outcome WHERE job = $1 AND row BETWEEN $2 AND $3",
            &[job.into(), first.into(), last.into()],
        )?;
        let stepped = tx.query(
            "SELECT DISTINCT row FROM intents WHERE job = $1 AND row BETWEEN $2 AND $3 AND state = 'done'",
            &[job.into(), first.into(), last.into()],
        )?;
        let outcome = |row: &tenantry_foundation::db::Row| Ok((row.int(0)? as u64, Outcome::parse(row.text(1)?)?));
        let loaded = Self {
            rows: first as u64..=last as u64,
            state: ChunkState::parse(found.text(2)?)?,
            stepped: stepped
                .iter()
                .map(|row| row.int(0).map(|row| row as u64))
                .collect::<Result<_, DbError>>()?,
            outcomes: recorded.iter().map(outcome).collect::<Result<_, DbError>>()?,
        };
        Ok(Some((loaded, lineage)))
    }

    /// Those of its rows that were the parent's.
    fn had<'h>(&self, had: Option<&'h HashSet<u64>>) -> impl Iterator<Item = u64> + use<'h> {
        self.rows
            .clone()
            .filter(move |row| had.is_none_or(|had| had.contains(row)))
    }

    /// Rows that failed or were cancelled. One without a record shares its chunk's end.
    fn unfinished(&self, had: Option<&HashSet<u64>>) -> HashSet<u64> {
        let ended = matches!(self.state, ChunkState::Failed | ChunkState::Cancelled);
        let is_unfinished = |outcome: &Outcome| matches!(outcome, Outcome::Failed | Outcome::Cancelled);
        let is = |row: &u64| self.outcomes.get(row).map_or(ended, is_unfinished);
        self.had(had).filter(is).collect()
    }

    /// Rows that changed something: those that were applied, and those that came halfway.
    fn effective(&self, had: Option<&HashSet<u64>>) -> HashSet<u64> {
        let done = self.state == ChunkState::Done;
        let is = |row: &u64| match self.outcomes.get(row) {
            Some(Outcome::Applied) => true,
            Some(Outcome::Failed | Outcome::Cancelled) => self.stepped.contains(row),
            Some(Outcome::Unchanged | Outcome::Rejected) => false,
            None => done || self.stepped.contains(row),
        };
        self.had(had).filter(is).collect()
    }
}

/// The rows of a chunk that an undo takes back.
#[derive(Debug)]
pub struct ChunkSelection {
    /// Where the chunk begins.
    pub first_row: u64,
    /// How many rows it has.
    pub rows: u64,
    /// Those to take back, in order.
    pub selected: Vec<u64>,
}

/// The rows of a chunk of `job` that an undo would take back; `None` once its input is kept no more.
pub fn undoable_rows(tx: &mut dyn Tx, input: i64, job: i64, chunk: i64) -> Result<Option<ChunkSelection>, DbError> {
    if inputs::raw_block(tx, input, chunk)?.is_none() {
        return Ok(None);
    }
    let of = tx.query_first(
        "SELECT first_row, rows FROM every_chunk WHERE job = $1 AND chunk = $2",
        &[job.into(), chunk.into()],
    )?;
    let (first_row, rows) = of.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))?;
    let undone = Lineage {
        retry_of: None,
        undo_of: Some(job),
    };
    let mut selected: Vec<u64> = selected_rows(tx, undone, chunk)?
        .unwrap_or_default()
        .into_iter()
        .collect();
    selected.sort_unstable();
    Ok(Some(ChunkSelection {
        first_row,
        rows,
        selected,
    }))
}
