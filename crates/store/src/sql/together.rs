//! Chunks of several jobs in one transaction, in the order of the jobs.
//!
//! Chunks of one kind that are about different records share a session, and those that make different users one insertion, so that many
//! jobs of one row cost as few statements as one job of many rows, and decide as those would. A chunk that is about a record which one before it is about begins a
//! session anew and sees what that one wrote; so do chunks of another kind, and undos. Where a unique key refuses something, the
//! chunks of the session are written in halves, down to the one that is refused, whose neighbours are none the worse.

use std::collections::HashSet;
use std::ops::Range;

use super::session::Task;
use super::tasks::ChunkTasks;
use super::users::NewUsers;
use super::{Prepared, apply, refused, tasks};
use crate::Applied;
use tenantry_foundation::db::{Alone, DbError, Tx};
use tenantry_ledger::ChangeSet;

/// Locks what the rows change: names that are unique over all customers, then the customers, in ascending order. With
/// its customer everything of a customer is locked, so who comes second waits and then decides on what the first left.
///
/// First in the transaction: while it waits, nothing of the chunks is locked, so that their leases can be renewed.
pub fn lock_all(tx: &mut dyn Tx, chunks: &[Prepared]) -> Result<(), DbError> {
    if chunks.iter().any(Prepared::names) {
        tx.alone_with(Alone::Names)?;
    }
    let customers = customers_of(chunks);
    if customers.is_empty() {
        return Ok(());
    }
    tx.lock("customers", &customers)
}

/// What the rows of all chunks change; `None` if one is refused as things are, of which it is unknown what it comes to once those before it
/// have taken effect.
pub fn places_of(chunks: &[Prepared]) -> Option<ChangeSet> {
    let is_known = chunks.iter().all(|chunk| chunk.refused.is_empty());
    is_known.then(|| ChangeSet::of(&customers_of(chunks), chunks.iter().any(Prepared::names)))
}

/// The customers that the rows of all chunks change, in ascending order.
fn customers_of(chunks: &[Prepared]) -> Vec<i64> {
    let mut customers: Vec<i64> = chunks.iter().flat_map(Prepared::customers).collect();
    customers.sort_unstable();
    customers.dedup();
    customers
}

/// Writes the rows of all chunks, which [are locked](lock_all), one chunk after the other as far as that can be told from
/// outside. The outcome of each, as [`apply`] gives it.
pub fn apply_all(tx: &mut dyn Tx, chunks: &[Prepared], refusal: OnRefusal) -> Result<Vec<Applied>, DbError> {
    let mut applied = Vec::with_capacity(chunks.len());
    for session in sessions(chunks) {
        let chunks = &chunks[session];
        match (refusal, chunks) {
            (OnRefusal::FailAll, [_, _, ..]) => add_all(chunks, write_together(tx, chunks)?, &mut applied),
            _ => write(tx, chunks, &mut applied)?,
        }
    }
    Ok(applied)
}

/// What is done where a unique key refuses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefusal {
    /// The chunk is found that it refuses.
    Isolate,
    /// Nothing is written, which may show with a later statement of the transaction.
    FailAll,
}

/// Writes chunks in one session, or where that is refused, in halves.
fn write(tx: &mut dyn Tx, chunks: &[Prepared], applied: &mut Vec<Applied>) -> Result<(), DbError> {
    if let [one] = chunks {
        applied.push(apply(tx, one)?);
        return Ok(());
    }
    let mut done = Vec::new();
    let written = tx.attempt(&mut |tx| {
        done = write_together(tx, chunks)?;
        Ok(())
    });
    match written {
        Ok(()) => {
            add_all(chunks, done, applied);
            Ok(())
        }
        Err(DbError::Conflict(_)) => {
            let (first, second) = chunks.split_at(chunks.len() / 2);
            write(tx, first, applied)?;
            write(tx, second, applied)
        }
        Err(error) => Err(error),
    }
}

fn write_together(tx: &mut dyn Tx, chunks: &[Prepared]) -> Result<Vec<Applied>, DbError> {
    if chunks.iter().any(|chunk| chunk.users.is_some()) {
        let users = chunks.iter().map(|chunk| (&chunk.context, chunk.users.as_ref()));
        return NewUsers::apply_together(tx, &users.collect::<Vec<_>>());
    }
    let tasks = chunks.iter().map(|chunk| ChunkTasks {
        context: &chunk.context,
        doubts: &chunk.doubts,
        tasks: &chunk.tasks,
    });
    tasks::apply_together(tx, &tasks.collect::<Vec<_>>())
}

fn add_all(chunks: &[Prepared], done: Vec<Applied>, applied: &mut Vec<Applied>) {
    applied.extend(chunks.iter().zip(done).map(|(chunk, mut done)| {
        done.outcomes.extend(refused(chunk));
        done.outcomes.sort_unstable_by_key(|one| one.row);
        if !chunk.context.hands_out_passwords {
            done.accounts.clear();
        }
        done
    }));
}

/// Which chunks share a session: ranges of those that follow each other.
fn sessions(chunks: &[Prepared]) -> Vec<Range<usize>> {
    let mut sessions: Vec<Range<usize>> = Vec::new();
    // What the rows of the last session are about; `None` if nobody joins it.
    let mut subjects: Option<HashSet<(i64, String)>> = None;
    for (at, chunk) in chunks.iter().enumerate() {
        match (sessions.last_mut(), &mut subjects, subjects_of(chunk)) {
            (Some(session), Some(subjects), Some(own))
                if chunks[session.start].context.kind == chunk.context.kind && subjects.is_disjoint(&own) =>
            {
                session.end = at + 1;
                subjects.extend(own);
            }
            (_, _, own) => {
                sessions.push(at..at + 1);
                subjects = own;
            }
        }
    }
    sessions
}

/// What the rows of a chunk are about, as far as rows of others may not be about the same in one session; `None` for a chunk
/// that needs a session of its own.
fn subjects_of(chunk: &Prepared) -> Option<HashSet<(i64, String)>> {
    let is_simple = chunk.known_users.is_none()
        && chunk.new_customers.is_empty()
        && chunk.exports.is_empty()
        && chunk.syncs.is_empty();
    if !is_simple || chunk.takes_back || chunk.names() {
        return None;
    }
    if let Some(users) = &chunk.users {
        // Where a plan is gone by, each is compared with its own.
        return (chunk.tasks.is_empty() && chunk.context.expected.is_none()).then(|| users.names().collect());
    }
    let mut subjects = HashSet::new();
    for task in &chunk.tasks {
        if !task.may_repeat() {
            subjects.extend(subjects_of_task(&**task)?);
        }
    }
    Some(subjects)
}

fn subjects_of_task(task: &dyn Task) -> Option<Vec<(i64, String)>> {
    let names: Vec<(i64, String)> = [task.user(), task.new_name()].into_iter().flatten().collect();
    if !names.is_empty() {
        return Some(names);
    }
    let part = task.subscription().unwrap_or_default().to_owned();
    Some(vec![(task.customer()?, part)])
}
