//! Previews against a store that is no database: row by row, several at a time, over what is known of the store.

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::{Export, Problem, Request};

use super::PlanError;
use super::check::{BlockChecks, CheckedBlock};
use super::doubted::{self, DoubtedRow};
use super::rest::{self, RejectedRest};
use super::slice::Slice;
use crate::store::listing::Listing;
use crate::store::remote::{
    ApplyError, LONGEST_PAUSE, RemoteSession, RemoteStore, RowPreview, StoreError, not_taken, readable,
};
use crate::store::{SeatNeed, Verdict};

/// Replaces the previews of a block, which so far say only which rows are sound.
pub(super) async fn preview(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    shared: &BlockChecks,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    let sound: HashSet<u64> = checked.previews.iter().map(|preview| preview.row).collect();
    let mut found: BTreeMap<u64, RowPreview> = BTreeMap::new();
    {
        let mut rows = checked.block.rows();
        let mut slices = Vec::new();
        while let Some(slice) = Slice::next(&mut rows, shared.job, &shared.mapping, shared.customer.as_deref()) {
            slices.push(slice);
        }
        let mut requests: Vec<(u64, Request<'_>)> = Vec::new();
        for (view, cells) in slices.iter().flat_map(Slice::rows) {
            if sound.contains(&view.number)
                && let Ok(request) = shared.job.request(&cells)
            {
                requests.push((view.number, request));
            }
        }
        let mut waiting = requests.iter();
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < store.concurrency() {
                let Some((row, request)) = waiting.next() else {
                    break;
                };
                asked.push(ask(store, session, *row, request));
            }
            let Some((row, previewed)) = asked.next().await else {
                break;
            };
            found.insert(row, previewed.map_err(unasked)?);
        }
    }
    checked.previews.clear();
    for (row, previewed) in found {
        let (preview, needs) = previewed.into_preview(row);
        checked.needs.extend(needs);
        checked.add(preview, shared);
    }
    settle(store, session, shared, checked).await?;
    look_up(store, session, shared, checked).await
}

/// Finds out which values that would be refused the store holds.
async fn settle(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    shared: &BlockChecks,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    let mut settled = Vec::new();
    for rejected in rest::pieces(checked.rejects.iter()) {
        let wholes = doubted::wholes(shared, &checked.block, &rejected);
        let cells: Vec<_> = wholes.iter().map(RejectedRest::cells).collect();
        let all = wholes.iter().zip(&cells);
        let mut waiting = all.filter_map(|(whole, cells)| DoubtedRow::of(shared, whole, cells));
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < store.concurrency() {
                let Some(row) = waiting.next() else { break };
                asked.push(async move {
                    let (_, previewed) = ask(store, session, row.number, &row.request).await;
                    (row, previewed)
                });
            }
            let Some((row, previewed)) = asked.next().await else {
                break;
            };
            let (preview, needs) = previewed.map_err(unasked)?.into_preview(row.number);
            settled.extend(row.settled(shared, &|customer| customer.as_written().to_owned(), preview, needs));
        }
    }
    for one in settled {
        one.put(checked);
    }
    Ok(())
}

/// Looks rejected rows up, and adds what else is wrong with them and which seats they would need.
async fn look_up(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    shared: &BlockChecks,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    let (mut found, mut needed) = (BTreeMap::new(), Vec::new());
    {
        let rejected = rest::pieces(checked.rejects.iter());
        let mut waiting = rejected.flat_map(|rejected| rest::rests(shared, &checked.block, &rejected));
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < store.concurrency() {
                let Some(rest) = waiting.next() else { break };
                asked.push(further_problems(store, session, shared, rest));
            }
            let Some(looked_up) = asked.next().await else { break };
            let (row, problems, needs) = looked_up.map_err(unasked)?;
            found.insert(row, problems);
            needed.extend(needs);
        }
    }
    for (row, problems) in found {
        for problem in problems {
            checked.reject_also(row, problem, shared);
        }
    }
    checked.need(needed);
    Ok(())
}

async fn further_problems(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    shared: &BlockChecks,
    mut rest: RejectedRest<'_>,
) -> Result<(u64, Vec<Problem>, Vec<SeatNeed>), ApplyError> {
    let mut found = Vec::new();
    loop {
        let (row, previewed) = {
            let cells = rest.cells();
            ask(store, session, rest.row, &cells.request(shared)).await
        };
        let (preview, needs) = previewed?.into_preview(row);
        let Verdict::Reject(problem) = preview.verdict else {
            found.extend(rest.impossible_skus(shared));
            return Ok((row, found, needs));
        };
        if !rest.leave_out(shared, &problem) {
            found.extend(rest.impossible_skus(shared));
            return Ok((row, found, Vec::new()));
        }
        if problem.is_of_one_cell() {
            found.push(problem);
        }
    }
}

async fn ask(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    row: u64,
    request: &Request<'_>,
) -> (u64, Result<RowPreview, ApplyError>) {
    (row, ask_patiently(store, session, row, request).await)
}

async fn ask_patiently(
    store: &dyn RemoteStore,
    session: &dyn RemoteSession,
    row: u64,
    request: &Request<'_>,
) -> Result<RowPreview, ApplyError> {
    loop {
        let previewed = match request {
            Request::Change(change) => session.preview(row, change).await,
            Request::Export(export) => list(store, export).await.map(|_| Verdict::Create.into()),
            // Such rows are for the ledger's own database.
            Request::Sync(_) => Ok(RowPreview::reject(not_taken(store.title()))),
        };
        if let Some(previewed) = settled(previewed).await? {
            return Ok(previewed);
        }
    }
}

/// The list a row asks for, of which nothing is read yet.
async fn list(store: &dyn RemoteStore, export: &Export<'_>) -> Result<Listing, ApplyError> {
    Listing::open(readable(store)?, export).await
}

/// What a store says a row would do; nothing, after a while, if it has been asked too often, and an error if that while is a
/// long one. What it refuses when it is asked, it would refuse the row.
pub(crate) async fn settled(previewed: Result<RowPreview, ApplyError>) -> Result<Option<RowPreview>, ApplyError> {
    match previewed {
        Err(ApplyError::Store(StoreError::Throttled(pause))) if pause <= LONGEST_PAUSE => {
            tokio::time::sleep(pause).await;
            Ok(None)
        }
        Err(ApplyError::Store(StoreError::Rejected(problem))) => Ok(Some(RowPreview::reject(problem))),
        other => other.map(Some),
    }
}

pub(super) fn unasked(error: ApplyError) -> PlanError {
    match error {
        ApplyError::Db(error) => PlanError::Db(error),
        other => PlanError::Store(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_preview_fails_if_the_store_asks_for_a_long_pause() {
        let throttled = |pause| settled(Err(StoreError::Throttled(pause).into()));
        assert!(matches!(throttled(LONGEST_PAUSE).await, Ok(None)));
        let longer = throttled(LONGEST_PAUSE + Duration::from_secs(1)).await;
        assert!(longer.is_err_and(|error| error.to_string().contains("asked too often")));
    }
}
