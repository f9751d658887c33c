//! Further faults of a row that is rejected, so that all of it is told in one round.
//!
//! A row is rejected for one of its cells, by the kind or by the store. Without that cell, or without the entry of its list
//! that is at fault, it is read again, and what is left of it is looked up again, until the store finds nothing more that
//! is true of a cell by itself ([`Problem::is_of_one_cell`]). No kind and no store has to know of this: to them it is a row
//! with an empty cell. A row without faults costs nothing of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tenantry_jobs::{Faulty, Problem, Request, RowCells, code, header};

use super::check::{BlockChecks, CheckedBlock};
use super::{PlanError, RowFault};
use crate::db::Tx;
use crate::input::duplicates::RowKey;
use crate::input::{Block, RowView};
use crate::store::sql::{self, BlockPreview, Prepared};
use crate::store::{RowRequest, SeatNeed, Verdict};

/// Rejected rows that are looked at together: what is left of one takes many times its size.
const REJECTS_TOGETHER: usize = 1024;

/// The number of a rejected row, and its faults.
pub(super) type Rejected<'c> = (&'c u64, &'c Vec<RowFault>);

/// A rejected row without its cells at fault.
pub(super) struct RejectedRest<'b> {
    pub(super) row: u64,
    pub(super) line: u64,
    cells: Vec<Option<Cow<'b, str>>>,
    left_out: Vec<usize>,
    /// What names the customer once more.
    again: [&'b str; 2],
    /// Whether its customer is not known.
    lacks_customer: bool,
}

/// The cells of a [`RejectedRest`], to be borrowed from.
pub(super) struct RestCells<'r> {
    texts: Vec<Option<&'r str>>,
    left_out: &'r [usize],
    again: [&'r str; 2],
}

impl<'r> RestCells<'r> {
    /// What they ask for; never to be carried out.
    pub(super) fn request<'c>(&'c self, shared: &BlockChecks) -> Request<'c>
    where
        'r: 'c,
    {
        self.read(shared).unwrap_or_else(|faulty| *faulty.rest)
    }

    /// As [`request`](Self::request), with what is wrong with them.
    pub(super) fn read<'c>(&'c self, shared: &BlockChecks) -> Result<Request<'c>, Faulty<'c>>
    where
        'r: 'c,
    {
        let row = RowCells::without(&self.texts, self.left_out).naming_again(self.again);
        shared.job.request(&row.of_list(shared.mapping.is_list))
    }
}

impl<'b> RejectedRest<'b> {
    /// What is left of a row with these faults; `None` where it is not known which cell is which.
    pub(super) fn new(shared: &'b BlockChecks, view: &RowView<'b>, faults: &[RowFault]) -> Option<Self> {
        let mut rest = Self::whole(shared, view, faults)?;
        for fault in faults {
            rest.leave_out(shared, &fault.problem);
        }
        Some(rest)
    }

    /// All of a row with these faults.
    pub(super) fn whole(shared: &'b BlockChecks, view: &RowView<'b>, faults: &[RowFault]) -> Option<Self> {
        let is_unread = |code: &str| matches!(code, code::RAGGED_ROW | code::EXAMPLE_ROW);
        if faults.iter().any(|fault| is_unread(&fault.problem.code)) {
            return None;
        }
        let customer = shared.customer.as_deref();
        let columns = shared.job.columns().iter().zip(&shared.mapping.columns);
        let cell = |(native, column): (&tenantry_jobs::Column, &Option<usize>)| match customer {
            Some(customer) if native.name == "customer" => Some(Cow::Borrowed(customer)),
            _ => column.map(|column| Cow::Borrowed(view.cell(column).unwrap_or(""))),
        };
        let mut cells: Vec<Option<Cow<'_, str>>> = columns.map(cell).collect();
        if let Some(Some(Cow::Borrowed(turned))) = shared.mapping.opposite.and_then(|at| cells.get_mut(at)) {
            *turned = header::opposite(turned);
        }
        Some(Self {
            row: view.number,
            line: view.line,
            cells,
            left_out: shared.mapping.left_out.clone(),
            again: shared
                .mapping
                .again
                .map(|column| column.and_then(|at| view.cell(at)).unwrap_or("")),
            lacks_customer: false,
        })
    }

    /// Leaves out what a problem is with; whether there was anything left of it.
    pub(super) fn leave_out(&mut self, shared: &BlockChecks, problem: &Problem) -> bool {
        self.lacks_customer |= problem.column == "customer";
        let columns = shared.job.columns();
        let Some(at) = columns.iter().position(|column| column.name == problem.column) else {
            return false;
        };
        let Some(cell) = self.cells[at].as_deref().filter(|cell| !cell.trim().is_empty()) else {
            // It is at fault for being empty.
            let is_new = !self.left_out.contains(&at);
            self.left_out.extend(is_new.then_some(at));
            return is_new;
        };
        let others: Vec<&str> = cell.split(';').filter(|entry| entry.trim() != problem.value).collect();
        let is_entry = !problem.value.is_empty() && others.len() < cell.split(';').count();
        let left = if is_entry { others.join(";") } else { String::new() };
        if !self.left_out.contains(&at) {
            self.left_out.push(at);
        }
        if problem.column == "customer" {
            self.again = [""; 2];
        }
        self.cells[at] = Some(Cow::Owned(left));
        true
    }

    /// The cells that are left.
    pub(super) fn cells(&self) -> RestCells<'_> {
        RestCells {
            texts: self.cells.iter().map(Option::as_deref).collect(),
            left_out: &self.left_out,
            again: self.again,
        }
    }

    /// What the licences it names lack for any customer, where the customer is not known: what one holds cannot be said then.
    pub(super) fn impossible_skus(&self, shared: &BlockChecks) -> Vec<Problem> {
        if !self.lacks_customer {
            return Vec::new();
        }
        match self.cells().request(shared) {
            Request::Change(change) => tenantry_jobs::impossible_skus(&change),
            Request::Export(_) | Request::Sync(_) => Vec::new(),
        }
    }

    /// The keys of the row that are whole, each with its column.
    pub(super) fn each_key(
        &self,
        shared: &BlockChecks,
        prepared: &Prepared,
        key: &mut dyn FnMut(&'static str, &[&str], u64),
    ) {
        let is_whole = |column: &str| {
            let at = shared.job.columns().iter().position(|known| known.name == column);
            at.is_none_or(|at| !self.left_out.contains(&at))
        };
        let cells = self.cells();
        cells
            .request(shared)
            .each_key(&|customer| prepared.name(customer), &mut |column, parts| {
                if is_whole(column) && parts.iter().all(|part| !part.is_empty()) {
                    key(column, parts, self.line);
                }
            });
    }
}

/// Checks a block by itself, without a store, and finds all that is wrong with its rows.
pub(super) fn check(shared: &Arc<BlockChecks>, block: Block, encode: bool) -> Result<CheckedBlock, PlanError> {
    let mut checked = super::check::check(shared, block, encode)?;
    add_keys(shared, &mut checked, None)?;
    Ok(checked)
}

/// Drops the faults of a block that are none, as the database has it.
type SettleDoubts = fn(&BlockChecks, &mut CheckedBlock, &mut dyn Tx) -> Result<(), PlanError>;

/// As [`check`] for blocks of several files, against the store as it is.
pub(super) fn check_all(
    blocks: Vec<(Arc<BlockChecks>, Block)>,
    tx: &mut dyn Tx,
    encode: bool,
    settle: SettleDoubts,
) -> Result<Vec<CheckedBlock>, PlanError> {
    let shared: Vec<Arc<BlockChecks>> = blocks.iter().map(|(shared, _)| shared.clone()).collect();
    let mut checked = super::check::check_all(blocks, tx, encode)?;
    for (shared, checked) in shared.iter().zip(&mut checked) {
        add_keys(shared, checked, Some(&mut *tx))?;
        settle(shared, checked, tx)?;
        look_up(shared, checked, tx)?;
    }
    Ok(checked)
}

/// Adds the keys of rows that were rejected for their cells alone.
fn add_keys(shared: &BlockChecks, checked: &mut CheckedBlock, mut tx: Option<&mut dyn Tx>) -> Result<(), PlanError> {
    if checked.rejects.is_empty() {
        return Ok(());
    }
    let mut keys = Vec::new();
    let known = &checked.keys;
    for rejected in pieces(checked.rejects.iter()) {
        let mut rests = rests(shared, &checked.block, &rejected);
        rests.retain(|rest| known.binary_search_by_key(&rest.row, RowKey::row).is_err());
        let mut prepared = Prepared::new(shared.context.clone(), 0);
        if let Some(tx) = &mut tx {
            let cells: Vec<(u64, RestCells<'_>)> = rests.iter().map(|rest| (rest.row, rest.cells())).collect();
            prepared.resolve(&mut **tx, &requests(shared, &cells))?;
        }
        let mut hasher = shared.hasher.clone();
        for rest in &rests {
            rest.each_key(shared, &prepared, &mut |column, parts, line| {
                keys.push(hasher.key(column, parts, rest.row, line));
            });
        }
    }
    if !keys.is_empty() {
        checked.keys.extend(keys);
        checked.keys.sort_by_key(RowKey::row);
    }
    Ok(())
}

pub(super) fn requests<'c>(shared: &BlockChecks, cells: &'c [(u64, RestCells<'_>)]) -> Vec<RowRequest<'c>> {
    let request = |(row, cells): &'c (u64, RestCells<'_>)| RowRequest {
        row: *row,
        request: cells.request(shared),
    };
    cells.iter().map(request).collect()
}

/// Rejected rows, some at a time.
pub(super) fn pieces<'c>(mut rejects: impl Iterator<Item = Rejected<'c>>) -> impl Iterator<Item = Vec<Rejected<'c>>> {
    std::iter::from_fn(move || {
        let piece: Vec<Rejected<'c>> = rejects.by_ref().take(REJECTS_TOGETHER).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

/// What is left of rejected rows of a block.
pub(super) fn rests<'b>(shared: &'b BlockChecks, block: &'b Block, rejected: &[Rejected<'_>]) -> Vec<RejectedRest<'b>> {
    let rest = |(row, faults): &Rejected<'_>| {
        let view = block.row((*row - block.first_row()) as usize)?;
        RejectedRest::new(shared, &view, faults)
    };
    rejected.iter().filter_map(rest).collect()
}

/// Looks rejected rows up in the database, and adds what else is wrong with them and which seats they would need.
fn look_up(shared: &BlockChecks, checked: &mut CheckedBlock, tx: &mut dyn Tx) -> Result<(), PlanError> {
    let mut found: Vec<(u64, Problem)> = Vec::new();
    let mut needs: Vec<SeatNeed> = Vec::new();
    for rejected in pieces(checked.rejects.iter()) {
        let rests = rests(shared, &checked.block, &rejected);
        look_up_rests(shared, rests, tx, (&mut found, &mut needs))?;
    }
    for (row, problem) in found {
        checked.reject_also(row, problem, shared);
    }
    checked.need(needs);
    Ok(())
}

fn look_up_rests(
    shared: &BlockChecks,
    mut rests: Vec<RejectedRest<'_>>,
    tx: &mut dyn Tx,
    (found, needs): (&mut Vec<(u64, Problem)>, &mut Vec<SeatNeed>),
) -> Result<(), PlanError> {
    while !rests.is_empty() {
        let BlockPreview { previews, needs: last } = {
            let cells: Vec<(u64, RestCells<'_>)> = rests.iter().map(|rest| (rest.row, rest.cells())).collect();
            let requests = requests(shared, &cells);
            let mut prepared = Prepared::new(shared.context.clone(), requests.len());
            prepared.resolve(tx, &requests)?;
            prepared.add(&requests);
            sql::preview(tx, &prepared)?
        };
        let mut problems: BTreeMap<u64, Problem> = previews
            .into_iter()
            .filter_map(|preview| match preview.verdict {
                Verdict::Reject(problem) => Some((preview.row, problem)),
                _ => None,
            })
            .collect();
        needs.extend(last.into_iter().filter(|need| !problems.contains_key(&need.row)));
        rests.retain_mut(|rest| {
            let problem = problems.remove(&rest.row);
            let goes_on = problem.as_ref().is_some_and(|problem| rest.leave_out(shared, problem));
            found.extend(
                problem
                    .filter(|problem| goes_on && problem.is_of_one_cell())
                    .map(|problem| (rest.row, problem)),
            );
            if !goes_on {
                found.extend(
                    rest.impossible_skus(shared)
                        .into_iter()
                        .map(|problem| (rest.row, problem)),
                );
            }
            goes_on
        });
    }
    Ok(())
}
