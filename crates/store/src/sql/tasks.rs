//! Carries out tasks in row order: decide, compare with the plan, perform.

use tenantry_jobs::Problem;

use super::session::{Decision, Task, UnitOfWork, no_free_seats};
use super::{BlockPreview, Context, halves};
use crate::administrators::unapproved;
use crate::doubts::Doubts;
use crate::{Applied, Expected, Preview, SeatNeed, Verdict, drifted, rejected, unchanged};
use tenantry_foundation::db::{DbError, Tx};
use tenantry_ledger::{Outcome, RowOutcome, RowWait};

/// What each row of each list would do to the store as it is. Nothing is carried out, so that no row sees another.
pub(super) fn preview<'t>(
    session: &mut UnitOfWork<'_>,
    lists: impl Iterator<Item = &'t [Box<dyn Task>]> + Clone,
) -> Result<Vec<BlockPreview>, DbError> {
    let every: Vec<&dyn Task> = lists.clone().flat_map(all).collect();
    if !every.is_empty() {
        load(session, &every)?;
    }
    lists.map(|tasks| preview_list(session, tasks)).collect()
}

fn preview_list(session: &mut UnitOfWork<'_>, tasks: &[Box<dyn Task>]) -> Result<BlockPreview, DbError> {
    let (mut previews, mut needs) = (Vec::with_capacity(tasks.len()), Vec::new());
    for task in tasks {
        let decision = task.decide(session)?;
        needs.extend(decision.seats);
        // Why nothing would be done; the outcome of a row is said once it is done.
        let note = if decision.verdict == Verdict::Unchanged {
            decision.message
        } else {
            let namesakes = session.namesakes(&decision.steps)?;
            let notes = [Some(decision.note).filter(|note| !note.is_empty()), namesakes];
            notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
        };
        previews.push(Preview {
            row: task.row(),
            verdict: decision.verdict,
            touch: decision.touch.map(Box::new),
            destructive: decision.destructive,
            note,
        });
    }
    Ok(BlockPreview { previews, needs })
}

/// Does what the rows ask for. Rows that are not as expected are refused, and so are those that a unique key refuses.
pub(super) fn apply(
    tx: &mut dyn Tx,
    (context, doubts): (&Context, &Doubts),
    tasks: &[Box<dyn Task>],
    applied: &mut Applied,
) -> Result<(), DbError> {
    let expected = context.expected.as_ref();
    let refused = halves::write(tx, tasks, applied, Applied::add, &mut |tx, tasks, _| {
        let held_to = (expected, doubts, context.may_destroy);
        together((context.session(tx), context.writes_images), tasks, held_to)
    })?;
    applied.outcomes.extend(refused.into_iter().map(|task| {
        let problem = task.refused();
        match expected {
            Some(_) => drifted(task.row(), &Verdict::Reject(problem)),
            None => rejected(task.row(), &problem),
        }
    }));
    Ok(())
}

/// What a chunk of one job asks for, among others.
pub(super) struct ChunkTasks<'c> {
    pub(super) context: &'c Context,
    pub(super) doubts: &'c Doubts,
    pub(super) tasks: &'c [Box<dyn Task>],
}

/// As [`apply`] for chunks of several jobs, in their order, in one session. A unique key that refuses a row fails them all.
pub(super) fn apply_together(tx: &mut dyn Tx, chunks: &[ChunkTasks<'_>]) -> Result<Vec<Applied>, DbError> {
    let Some(first) = chunks.first() else {
        return Ok(Vec::new());
    };
    let mut session = first.context.session(tx);
    let every: Vec<&dyn Task> = chunks.iter().flat_map(|chunk| all(chunk.tasks)).collect();
    load(&mut session, &every)?;
    let mut applied = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        session.enter(chunk.context.job);
        let held_to = (chunk.context.expected.as_ref(), chunk.doubts, chunk.context.may_destroy);
        applied.push(carry_out(&mut session, chunk.tasks, held_to)?);
    }
    // They are in the order of the chunks.
    let mut images = session.write(first.context.writes_images)?.into_iter().peekable();
    for (chunk, applied) in chunks.iter().zip(&mut applied) {
        while let Some((_, image)) = images.next_if(|(job, _)| *job == chunk.context.job) {
            applied.images.push(image);
        }
    }
    Ok(applied)
}

fn together(
    (mut session, writes_images): (UnitOfWork<'_>, bool),
    tasks: &[Box<dyn Task>],
    held_to: (Option<&Expected>, &Doubts, u64),
) -> Result<Applied, DbError> {
    load(&mut session, &all(tasks))?;
    let mut applied = carry_out(&mut session, tasks, held_to)?;
    let images = session.write(writes_images)?;
    applied.images = images.into_iter().map(|(_, image)| image).collect();
    Ok(applied)
}

fn all(tasks: &[Box<dyn Task>]) -> Vec<&dyn Task> {
    tasks.iter().map(|task| &**task).collect()
}

/// Decides and performs what one job's rows ask for.
fn carry_out(
    session: &mut UnitOfWork<'_>,
    tasks: &[Box<dyn Task>],
    (expected, doubts, mut may_destroy): (Option<&Expected>, &Doubts, u64),
) -> Result<Applied, DbError> {
    let mut applied = Applied::default();
    for task in tasks {
        let mut decision = task.decide(session)?;
        if decision.destructive && !decision.steps.is_empty() {
            let Some(left) = may_destroy.checked_sub(1) else {
                applied.outcomes.push(rejected(task.row(), &unapproved(&decision.note)));
                continue;
            };
            may_destroy = left;
        }
        if let Some(touch) = &decision.touch {
            applied.touch(touch);
        }
        if let Some(problem) = doubts.refuse(task.row(), &decision.verdict, decision.destructive) {
            decision = Decision::reject(problem);
        }
        if let Some(problem) = seatless(session, &decision.seats)? {
            decision = Decision::reject(problem);
        }
        let row = task.row();
        // A row that has begun, and waits, was compared when it began.
        if let Some(expected) = expected.filter(|_| decision.begins)
            && !expected.meets(row, &decision.verdict)
        {
            applied.outcomes.push(drifted(row, &decision.verdict));
            continue;
        }
        if let Some(note) = session.namesakes(&decision.steps)? {
            let join = if decision.message.is_empty() { "" } else { "; " };
            decision.message.push_str(join);
            decision.message.push_str(&note);
        }
        for (number, step) in (decision.first_step..).zip(decision.steps) {
            session.perform(row, number, step)?;
        }
        applied.accounts.extend(decision.account);
        applied.artifacts.extend(decision.artifact);
        if let Some(message) = decision.waits {
            let target = decision.target;
            applied.waits.push(RowWait { row, message, target });
            continue;
        }
        applied.outcomes.push(match decision.verdict {
            Verdict::Reject(problem) => RowOutcome {
                target: decision.target,
                ..rejected(row, &problem)
            },
            Verdict::Unchanged => RowOutcome {
                message: decision.message,
                ..unchanged(row, decision.target)
            },
            Verdict::Create | Verdict::Change(_) => RowOutcome {
                row,
                outcome: Outcome::Applied,
                code: decision.code.to_owned(),
                message: decision.message,
                target: decision.target,
                columns: Vec::new(),
            },
        });
    }
    Ok(applied)
}

fn load(session: &mut UnitOfWork<'_>, tasks: &[&dyn Task]) -> Result<(), DbError> {
    let mut users = Vec::new();
    for task in tasks {
        users.extend(task.user());
    }
    session.find_users(users.clone())?;
    let new_names: Vec<(i64, String)> = tasks.iter().filter_map(|task| task.new_name()).collect();
    session.find_users(new_names.clone())?;
    // Who is not there may have been deleted, and somebody else may have the name since.
    users.retain(|user| session.known_user(user).is_none());
    let restored = tasks.iter().filter(|task| task.restores());
    let restored: Vec<(i64, String)> = restored.filter_map(|task| task.user()).collect();
    users.extend(restored.iter().cloned());
    // Who gets a name that somebody was deleted under is told so.
    users.extend(new_names);
    session.find_deleted(users)?;
    session.find_holders_of(&restored)?;
    let deleted: Vec<i64> = tasks.iter().flat_map(|task| task.deleted_users()).collect();
    session.load_deleted(deleted.clone())?;
    session.find_namesakes(&deleted)?;
    session.find_subscriptions(tasks.iter().filter_map(|task| task.subscription()).collect())?;
    session.expect_customers(tasks.iter().filter_map(|task| task.customer()));
    let mut keys = Vec::new();
    for task in tasks {
        keys.extend(task.needs(session)?);
    }
    session.load(keys)
}

/// Why a seat that a row needs cannot be had.
fn seatless(session: &mut UnitOfWork<'_>, needs: &[SeatNeed]) -> Result<Option<Problem>, DbError> {
    for need in needs {
        let free = session.free_seats(need.of.customer, &need.of.sku_id)?.unwrap_or(0);
        if free <= 0 {
            return Ok(Some(no_free_seats(need.column, &need.of.part_number)));
        }
    }
    Ok(None)
}
