//! Taking secrets out of a row before it enters a block.

use super::block::{Cells, Mark};

/// What stands in a cell whose text must not be kept.
pub const REDACTED: &str = "<redacted>";

/// Redacts the row appended since `mark`, of which `columns` are secret. `ought` is how many cells it should have:
/// in a row that has more or fewer, a secret may stand as many cells to the right or left, so those are redacted too.
pub(super) fn since(mark: Mark, cells: &mut Cells, columns: &[usize], ought: usize, scratch: &mut String) {
    let row = cells.since(mark);
    let is = row.len();
    let (left, right) = (ought.saturating_sub(is), is.saturating_sub(ought));
    let secret = |index: usize| {
        let may_be = |column: &usize| (column.saturating_sub(left)..=column + right).contains(&index);
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
