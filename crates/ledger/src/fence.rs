//! The fence: what a worker writes of a chunk counts only while the chunk is still its own.

use std::collections::HashSet;

use super::{Claim, Lineage, batches, recorded_rows, selected_rows};
use tenantry_foundation::db::{DbError, Tx, Value};

/// The chunk's row is locked and its lease is still `claim`'s, or [`DbError::LeaseLost`]. Before anything else is written in every
/// transaction that writes results.
pub fn check(tx: &mut dyn Tx, claim: &Claim) -> Result<(), DbError> {
    check_all(tx, &[claim])
}

/// As [`check`]; until when the lease is held, in milliseconds since the epoch.
pub(super) fn check_until(tx: &mut dyn Tx, claim: &Claim) -> Result<i64, DbError> {
    check(tx, claim)?;
    until(tx, claim)
}

/// What finds the row of a chunk as long as it is `claim`'s: `job`, `chunk`, `attempt` and `lease_owner`.
pub(super) fn key(claim: &Claim) -> Vec<Value> {
    vec![
        claim.job.into(),
        claim.chunk.into(),
        claim.attempt.into(),
        claim.owner.as_str().into(),
    ]
}

/// Until when the lease of a chunk is held, in milliseconds since the epoch, or [`DbError::LeaseLost`].
pub(super) fn until(tx: &mut dyn Tx, claim: &Claim) -> Result<i64, DbError> {
    let held = tx.query_first(
        "SELECT lease_until FROM chunks WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4
         AND state = 'running'",
        &key(claim),
    )?;
    held.ok_or(DbError::LeaseLost)?.int(0)
}

/// As [`check`] for several chunks; one whose lease is lost is enough.
pub fn check_all(tx: &mut dyn Tx, claims: &[&Claim]) -> Result<(), DbError> {
    let sql = format!(
        "SELECT 1 FROM chunks WHERE job = $1 AND chunk = $2 AND attempt = $3 AND lease_owner = $4
         AND state = 'running'{}",
        tx.dialect().for_update()
    );
    let mut in_order = claims.to_vec();
    in_order.sort_unstable_by_key(|claim| (claim.job, claim.chunk));
    let params: Vec<Vec<Value>> = in_order.into_iter().map(key).collect();
    let found = match params.as_slice() {
        [one] => vec![tx.query(&sql, one)?],
        several => tx.query_each(&sql, several)?,
    };
    if found.iter().any(Vec::is_empty) {
        Err(DbError::LeaseLost)
    } else {
        Ok(())
    }
}

/// Chunks that were fenced are nobody's any more. If they are all that was claimed together, their batch is over.
pub(super) fn leave(tx: &mut dyn Tx, claims: &[&Claim]) -> Result<(), DbError> {
    match claims.first().and_then(|claim| Some((claim, claim.turn?))) {
        Some((claim, turn)) if claim.together == claims.len() => batches::end(tx, turn, &claim.owner),
        _ => Ok(()),
    }
}

/// Some of a chunk was done, which starts the count of its failures anew. In a transaction that is fenced.
pub fn progressed(tx: &mut dyn Tx, claim: &Claim) -> Result<(), DbError> {
    if claim.trial.failures == 0 {
        return Ok(());
    }
    tx.send(
        "UPDATE chunks SET failures = 0, setbacks = 0 WHERE job = $1 AND chunk = $2",
        &[claim.job.into(), claim.chunk.into()],
    )
}

/// The rows of a claimed chunk that have no outcome yet and do not wait, in order.
pub fn pending_rows(tx: &mut dyn Tx, claim: &Claim) -> Result<Vec<u64>, DbError> {
    let settled = recorded_rows(tx, claim.job, claim.first_row, claim.rows)?;
    let waiting = tx.query(
        "SELECT row FROM waiting_rows WHERE job = $1 AND row >= $2 AND row < $3",
        &[
            claim.job.into(),
            claim.first_row.into(),
            (claim.first_row + claim.rows).into(),
        ],
    )?;
    let waiting: HashSet<u64> = waiting
        .iter()
        .map(|row| row.int(0).map(|row| row as u64))
        .collect::<Result<_, _>>()?;
    let lineage = Lineage {
        retry_of: claim.retry_of,
        undo_of: claim.undo_of.as_ref().map(|(job, _)| *job),
    };
    let selected = selected_rows(tx, lineage, claim.chunk)?;
    let is_pending = |row: &u64| {
        !settled.contains(row)
            && !waiting.contains(row)
            && selected.as_ref().is_none_or(|selected| selected.contains(row))
    };
    Ok((claim.first_row..claim.first_row + claim.rows)
        .filter(is_pending)
        .collect())
}
