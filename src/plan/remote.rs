//! Previews against a store that is no database: row by row, several at a time, over what is known of the store.

use std::collections::{BTreeMap, HashSet, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::{Request, Row};

use super::PlanError;
use super::check::{CheckedBlock, Shared, Slice};
use crate::store::partner_center::{Halt, PartnerCenter, Previewed, Session};

/// Replaces the previews of a block, which so far say only which rows are sound.
pub(super) async fn preview(
    store: &PartnerCenter,
    session: &Session,
    shared: &Shared,
    checked: &mut CheckedBlock,
) -> Result<(), PlanError> {
    let sound: HashSet<u64> = checked.previews.iter().map(|preview| preview.row).collect();
    let mut found: BTreeMap<u64, Previewed> = BTreeMap::new();
    {
        let mut rows = checked.block.rows();
        let mut slices = Vec::new();
        while let Some(slice) = Slice::next(&mut rows, shared.job, &shared.mapping, shared.customer.as_deref()) {
            slices.push(slice);
        }
        let mut waiting: VecDeque<(u64, Request<'_>)> = VecDeque::new();
        for (view, cells) in slices.iter().flat_map(Slice::rows) {
            if sound.contains(&view.number)
                && let Ok(request) = shared.job.request(&Row::new(cells))
            {
                waiting.push_back((view.number, request));
            }
        }
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < store.concurrency() {
                let Some((row, request)) = waiting.pop_front() else {
                    break;
                };
                asked.push(ask(store, session, row, request));
            }
            let Some((row, previewed)) = asked.next().await else {
                break;
            };
            found.insert(row, previewed.map_err(halted)?);
        }
    }
    checked.previews.clear();
    for (row, previewed) in found {
        let (preview, needs) = previewed.into_preview(row);
        checked.needs.extend(needs);
        checked.add(preview, shared);
    }
    Ok(())
}

async fn ask(
    store: &PartnerCenter,
    session: &Session,
    row: u64,
    request: Request<'_>,
) -> (u64, Result<Previewed, Halt>) {
    (row, store.preview(session, row, &request).await)
}

pub(super) fn halted(halt: Halt) -> PlanError {
    match halt {
        Halt::Db(error) => PlanError::Db(error),
        other => PlanError::Store(other.to_string()),
    }
}
