//! The work of a chunk's rows, and its order.

use std::collections::{HashMap, HashSet, VecDeque};

use tenantry_jobs::header::Mapping;
use tenantry_jobs::{JobKind, Request, key};

use crate::db::{DbError, Tx};
use crate::input::Block;
use crate::ledger::intents::{DoneStep, done_steps};
use crate::ledger::{Claim, Lineage};
use crate::runner::chunk::{SpooledRows, spooled};
use crate::store::remote::RemoteStore;

/// What a row is to have done.
pub(super) enum Work<'a> {
    Request(Box<Request<'a>>),
    /// The steps that an earlier job did for it, taken back.
    Undo(Vec<DoneStep>),
}

impl Work<'_> {
    /// Rows of different customers take turns.
    pub(super) fn customer(&self, store: &dyn RemoteStore) -> String {
        match self {
            Work::Request(request) => {
                let named = request.customer();
                key::domain(named.map_or("", |customer| customer.as_written())).into_owned()
            }
            Work::Undo(steps) => store.customer_of(steps),
        }
    }
}

/// What a chunk has to have done.
pub(super) enum ChunkWork {
    Rows(Box<SpooledChunk>),
    /// Rows of an earlier job with the steps they did.
    Undo(Vec<(u64, Vec<DoneStep>)>),
}

/// The rows of a chunk as they were spooled.
pub(super) struct SpooledChunk {
    pub(super) job: &'static dyn JobKind,
    pub(super) mapping: Mapping,
    pub(super) block: Block,
    settled: HashSet<u64>,
    selected: Option<HashSet<u64>>,
}

impl SpooledChunk {
    pub(super) fn is_due(&self, row: u64) -> bool {
        !self.settled.contains(&row) && self.selected.as_ref().is_none_or(|selected| selected.contains(&row))
    }
}

pub(super) fn load(tx: &mut dyn Tx, claim: &Claim) -> Result<ChunkWork, DbError> {
    let settled = crate::ledger::recorded_rows(tx, claim.job, claim.first_row, claim.rows)?;
    let undone = claim.undo_of.as_ref().map(|(job, _)| *job);
    let lineage = Lineage {
        retry_of: claim.retry_of,
        undo_of: undone,
    };
    let selected = crate::ledger::selected_rows(tx, lineage, claim.chunk)?;
    if let Some(undone) = undone {
        let mut steps = done_steps(tx, undone, claim.first_row, claim.first_row + claim.rows - 1)?;
        let mut rows: Vec<u64> = selected.unwrap_or_default().into_iter().collect();
        rows.retain(|row| !settled.contains(row));
        rows.sort_unstable();
        let of = |row| (row, steps.remove(&row).unwrap_or_default());
        return Ok(ChunkWork::Undo(rows.into_iter().map(of).collect()));
    }
    let rows = spooled(tx, &[claim])?.into_iter().next();
    let SpooledRows { job, mapping, block } =
        rows.ok_or_else(|| DbError::Broken("the rows of a chunk were not read".to_owned()))?;
    Ok(ChunkWork::Rows(Box::new(SpooledChunk {
        job,
        mapping,
        block,
        settled,
        selected,
    })))
}

/// Rows in the order of the file, but a row of each of `at_once` customers before the next one of the first; who has no more
/// makes room for another.
pub(super) fn interleave_by_customer<'w>(
    work: Vec<(u64, Work<'w>)>,
    at_once: usize,
    customer: impl Fn(&Work<'w>) -> String,
) -> VecDeque<(u64, Work<'w>)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut customers: VecDeque<VecDeque<(u64, Work<'w>)>> = VecDeque::new();
    let mut turns = VecDeque::with_capacity(work.len());
    for one in work {
        let place = *places.entry(customer(&one.1)).or_insert_with(|| {
            customers.push_back(VecDeque::new());
            customers.len() - 1
        });
        customers[place].push_back(one);
    }
    let mut at_work: VecDeque<VecDeque<(u64, Work<'w>)>> = VecDeque::new();
    loop {
        while at_work.len() < at_once
            && let Some(next) = customers.pop_front()
        {
            at_work.push_back(next);
        }
        let Some(mut first) = at_work.pop_front() else {
            return turns;
        };
        turns.extend(first.pop_front());
        if !first.is_empty() {
            at_work.push_back(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_few_customers_take_turns_and_none_is_lost() {
        let step = |customer: usize| DoneStep {
            step: "create".to_owned(),
            result: String::new(),
            image: customer.to_string(),
        };
        let customer = |work: &Work<'_>| match work {
            Work::Undo(steps) => steps[0].image.clone(),
            Work::Request(_) => String::new(),
        };
        // Three rows of each of ten customers, customer by customer.
        let work = (0..30)
            .map(|row| (row as u64, Work::Undo(vec![step(row / 3)])))
            .collect();
        let order: Vec<u64> = interleave_by_customer(work, 8, customer)
            .into_iter()
            .map(|(row, _)| row)
            .collect();
        assert_eq!(order[..9], [0, 3, 6, 9, 12, 15, 18, 21, 1]);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..30).collect::<Vec<u64>>());
        let last_of_the_first = order.iter().position(|row| *row == 2);
        let first_of_the_last = order.iter().position(|row| *row == 27);
        assert!(last_of_the_first < first_of_the_last, "{order:?}");
    }
}
