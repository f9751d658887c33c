//! Cells that have to name something their customer holds and name nothing of the kind: by what the customer holds, it is told
//! what was probably meant. Of cells that the store itself finds at fault, the store tells it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tenantry_jobs::{CustomerRef, Holdings, Naming, Problem, Request};

use super::check::{BlockChecks, CheckedBlock};
use super::remote::unasked;
use super::rest::{self, Rejected, RestCells};
use super::{PlanError, RowFault, doubted};
use crate::db::{DbError, Tx};
use crate::input::Block;
use crate::ledger::Ledger;
use crate::store::RowRequest;
use crate::store::remote::{ApplyError, LONGEST_PAUSE, RemoteSession, StoreError};
use crate::store::sql::Prepared;

type Rejects = BTreeMap<u64, Vec<RowFault>>;

/// A cell that is to be advised of.
struct AdviceRequest<'r> {
    row: u64,
    customer: CustomerRef<'r>,
    naming: Naming,
    problem: &'r Problem,
}

impl<'r> AdviceRequest<'r> {
    fn of(rejects: &'r Rejects, RowRequest { row, request }: &'r RowRequest<'_>) -> Option<Self> {
        let Request::Change(change) = request else { return None };
        let naming = Naming::of(change)?;
        Some(Self {
            row: *row,
            customer: change.customer()?,
            naming,
            problem: rejects
                .get(row)?
                .iter()
                .map(|fault| &fault.problem)
                .find(|one| naming.is_at_fault(one))?,
        })
    }
}

/// The rows that may have such a cell, some at a time.
fn rejected(checked: &CheckedBlock) -> impl Iterator<Item = Vec<Rejected<'_>>> {
    let has_one = |faults: &[RowFault]| {
        let mut problems = faults.iter().map(|fault| &fault.problem);
        problems.any(|problem| Naming::ALL.iter().any(|naming| naming.is_at_fault(problem)))
    };
    rest::pieces(checked.rejects.iter().filter(move |(_, faults)| has_one(faults)))
}

/// Checks blocks against the database, with advice by what is in it.
pub(super) async fn check_all(
    ledger: &Ledger,
    blocks: Vec<(Arc<BlockChecks>, Block)>,
    keep: bool,
) -> Result<Vec<CheckedBlock>, DbError> {
    let in_transaction = |error| match error {
        PlanError::Db(error) => error,
        other => DbError::Broken(other.to_string()),
    };
    let checked = ledger.db().read(move |tx| {
        let shared: Vec<Arc<BlockChecks>> = blocks.iter().map(|(shared, _)| shared.clone()).collect();
        let mut checked = rest::check_all(blocks, &mut *tx, keep, doubted::settle).map_err(in_transaction)?;
        for (shared, checked) in shared.iter().zip(&mut checked) {
            of_database(shared, checked, &mut *tx).map_err(in_transaction)?;
        }
        Ok(checked)
    });
    checked.await
}

/// By what is in the database.
fn of_database(shared: &BlockChecks, checked: &mut CheckedBlock, tx: &mut dyn Tx) -> Result<(), PlanError> {
    let mut advised = Vec::new();
    for rejected in rejected(checked) {
        let rests = rest::rests(shared, &checked.block, &rejected);
        let cells: Vec<(u64, RestCells<'_>)> = rests.iter().map(|rest| (rest.row, rest.cells())).collect();
        let requests = rest::requests(shared, &cells);
        let mut prepared = Prepared::new(shared.context.clone(), 0);
        prepared.resolve(tx, &requests)?;
        let mut known: HashMap<&str, Option<Holdings>> = HashMap::new();
        for wanted in requests
            .iter()
            .filter_map(|request| AdviceRequest::of(&checked.rejects, request))
        {
            let text = wanted.customer.as_written();
            if !known.contains_key(text) {
                known.insert(text, prepared.holdings(tx, wanted.customer, wanted.naming)?);
            }
            let held = known.get(text).and_then(Option::as_ref);
            advised.extend(held.map(|held| (wanted.row, wanted.naming, held.advise(wanted.problem.clone()))));
        }
    }
    put(&mut checked.rejects, advised);
    Ok(())
}

/// By what a store that is no database says.
pub(super) async fn of_service(
    session: &dyn RemoteSession,
    shared: &BlockChecks,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    let mut advised = Vec::new();
    for rejected in rejected(checked) {
        let rests = rest::rests(shared, &checked.block, &rejected);
        let cells: Vec<(u64, RestCells<'_>)> = rests.iter().map(|rest| (rest.row, rest.cells())).collect();
        let requests = rest::requests(shared, &cells);
        for wanted in requests
            .iter()
            .filter_map(|request| AdviceRequest::of(&checked.rejects, request))
        {
            let held = held_there(session, wanted.customer, wanted.naming)
                .await
                .map_err(unasked)?;
            advised.extend(held.map(|held| (wanted.row, wanted.naming, held.advise(wanted.problem.clone()))));
        }
    }
    put(&mut checked.rejects, advised);
    Ok(())
}

/// What a customer holds there; nothing where that is not to be known.
async fn held_there(
    session: &dyn RemoteSession,
    customer: CustomerRef<'_>,
    naming: Naming,
) -> Result<Option<Holdings>, ApplyError> {
    loop {
        match session.holdings(customer, naming).await {
            Err(ApplyError::Store(StoreError::Throttled(pause))) if pause <= LONGEST_PAUSE => {
                tokio::time::sleep(pause).await;
            }
            Err(ApplyError::Store(StoreError::Rejected(_))) => return Ok(None),
            other => return other,
        }
    }
}

fn put(rejects: &mut Rejects, advised: Vec<(u64, Naming, Problem)>) {
    for (row, naming, problem) in advised {
        let faults = rejects.get_mut(&row).into_iter().flatten();
        let mut problems = faults.map(|fault| &mut fault.problem);
        if let Some(known) = problems.find(|known| naming.is_at_fault(known)) {
            *known = problem;
        }
    }
}
