//! Rows that are refused for values that the store may hold: what they would do is asked, and those of their faults are dropped
//! whose values would change nothing ([`tenantry_jobs::ValueDoubt`]). A row without a fault left is one like any other.

use std::collections::BTreeMap;

use tenantry_jobs::{CustomerRef, Problem, Request, ValueDoubt};

use super::PlanError;
use super::check::{BlockChecks, CheckedBlock};
use super::rest::{Rejected, RejectedRest, RestCells, pieces};
use crate::db::Tx;
use crate::input::Block;
use crate::input::duplicates::RowKey;
use crate::store::doubts;
use crate::store::sql::{self, Prepared};
use crate::store::{Preview, RowRequest, SeatNeed, Verdict};

/// A rejected row with doubts, as it is written.
pub(super) struct DoubtedRow<'c> {
    pub(super) number: u64,
    line: u64,
    pub(super) request: Request<'c>,
    doubts: Vec<ValueDoubt>,
}

/// A row of which it is known what it would do.
pub(super) struct SettledRow {
    preview: Preview,
    needs: Vec<SeatNeed>,
    keys: Vec<RowKey>,
    /// What is no fault.
    dropped: Vec<Problem>,
}

/// Rejected rows of a block, none of their cells left out.
pub(super) fn wholes<'b>(
    shared: &'b BlockChecks,
    block: &'b Block,
    rejected: &[Rejected<'_>],
) -> Vec<RejectedRest<'b>> {
    let whole = |(row, faults): &Rejected<'_>| {
        let view = block.row((*row - block.first_row()) as usize)?;
        RejectedRest::whole(shared, &view, faults)
    };
    rejected.iter().filter_map(whole).collect()
}

impl<'c> DoubtedRow<'c> {
    /// The row with these cells, if there are doubts about it.
    pub(super) fn of(shared: &BlockChecks, whole: &RejectedRest<'_>, cells: &'c RestCells<'_>) -> Option<Self> {
        let faulty = cells.read(shared).err()?;
        let doubts = faulty.doubts();
        (!doubts.is_empty()).then_some(Self {
            number: whole.row,
            line: whole.line,
            request: *faulty.rest,
            doubts,
        })
    }

    /// With what the row would do, if some of its faults are none. Customers are called by `name`.
    pub(super) fn settled(
        &self,
        shared: &BlockChecks,
        name: &dyn Fn(CustomerRef<'_>) -> String,
        preview: Preview,
        needs: Vec<SeatNeed>,
    ) -> Option<SettledRow> {
        let wrong: Vec<&ValueDoubt> = doubts::wrong(&self.doubts, &preview.verdict, preview.destructive).collect();
        let dropped = self.doubts.iter().filter(|doubt| !wrong.contains(doubt));
        let dropped: Vec<Problem> = dropped.map(|doubt| doubt.problem.clone()).collect();
        if dropped.is_empty() {
            return None;
        }
        let mut keys = Vec::new();
        let mut hasher = shared.hasher.clone();
        self.request.each_key(name, &mut |column, parts| {
            keys.push(hasher.key(column, parts, self.number, self.line));
        });
        Some(SettledRow {
            preview,
            needs,
            keys,
            dropped,
        })
    }
}

impl SettledRow {
    /// Drops what is no fault of the row, which is a sound one if that was all.
    pub(super) fn put(self, checked: &mut CheckedBlock) {
        let row = self.preview.row;
        let Some(faults) = checked.rejects.get_mut(&row) else {
            return;
        };
        faults.retain(|fault| !self.dropped.contains(&fault.problem));
        if !faults.is_empty() || matches!(self.preview.verdict, Verdict::Create | Verdict::Reject(_)) {
            return;
        }
        checked.rejects.remove(&row);
        checked.need(self.needs);
        let at = checked.previews.partition_point(|other| other.row < row);
        checked.previews.insert(at, self.preview);
        // Rows whose names are doubtful had none so far.
        if checked.keys.binary_search_by_key(&row, RowKey::row).is_err() {
            checked.keys.extend(self.keys);
            checked.keys.sort_by_key(RowKey::row);
        }
    }
}

/// Asks the database.
pub(super) fn settle(shared: &BlockChecks, checked: &mut CheckedBlock, tx: &mut dyn Tx) -> Result<(), PlanError> {
    let mut settled = Vec::new();
    for rejected in pieces(checked.rejects.iter()) {
        let wholes = wholes(shared, &checked.block, &rejected);
        let cells: Vec<RestCells<'_>> = wholes.iter().map(RejectedRest::cells).collect();
        let all = wholes.iter().zip(&cells);
        let rows: Vec<DoubtedRow<'_>> = all
            .filter_map(|(whole, cells)| DoubtedRow::of(shared, whole, cells))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let requests = rows.iter().map(|row| RowRequest {
            row: row.number,
            request: row.request.clone(),
        });
        let requests: Vec<RowRequest<'_>> = requests.collect();
        let mut prepared = Prepared::new(shared.context.clone(), requests.len());
        prepared.resolve(tx, &requests)?;
        prepared.add(&requests);
        let mut previewed = sql::preview(tx, &prepared)?;
        let mut previews = BTreeMap::new();
        for preview in previewed.previews {
            previews.insert(preview.row, preview);
        }
        for row in &rows {
            let Some(preview) = previews.remove(&row.number) else {
                continue;
            };
            let needs = previewed.needs.extract_if(.., |need| need.row == row.number).collect();
            settled.extend(row.settled(shared, &|customer| prepared.name(customer), preview, needs));
        }
    }
    for one in settled {
        one.put(checked);
    }
    Ok(())
}
