//! Taking secrets out of a row before it enters a block.

use super::block::{Cells, Mark, RowView};

/// What stands in a cell whose text must not be kept.
pub const REDACTED: &str = "<redacted>";

/// How far to the left and to the right of their columns the values of a row may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slip {
    left: usize,
    right: usize,
}

impl Slip {
    /// Of a row under a header of so many cells. `usual` is how many cells rows have, and `ought` how many this one should have
    /// if it may have lost some or won some. Empty cells at its end are no reason to doubt it otherwise.
    pub(super) fn of(row: &RowView<'_>, header: usize, usual: usize, ought: Option<usize>) -> Self {
        let len = row.len();
        let is_empty = |at: &usize| row.cell(*at).is_some_and(|cell| cell.trim_ascii().is_empty());
        let surplus = (header..len).rev().skip_while(is_empty).count();
        let (left, right) = match ought {
            Some(ought) => (ought.saturating_sub(len), len.saturating_sub(ought)),
            None if len < header => (usual.max(header) - len, 0),
            None => (0, surplus),
        };
        Self { left, right }
    }
}

/// Redacts the row appended since `mark`, of which `columns` are secret, wherever those may stand.
pub(super) fn since(mark: Mark, cells: &mut Cells, columns: &[usize], slip: Slip, scratch: &mut String) {
    let row = cells.since(mark);
    let secret = |index: usize| {
        let may_be = |column: &usize| (column.saturating_sub(slip.left)..=column + slip.right).contains(&index);
        columns.iter().any(may_be)
    };
    if !row
        .cells()
        .enumerate()
        .any(|(index, cell)| !cell.is_empty() && secret(index))
    {
        return;
    }
    cells.rewrite(mark, scratch, |index, cell| {
        if cell.is_empty() || !secret(index) {
            cell
        } else {
            REDACTED
        }
    });
}
