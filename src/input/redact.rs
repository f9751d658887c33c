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
    let ends = cells.ends.split_off(mark.cells);
    scratch.clear();
    scratch.push_str(&cells.text[mark.text..]);
    cells.text.truncate(mark.text);
    let mut start = 0;
    for (index, end) in ends.into_iter().enumerate() {
        let end = end as usize - mark.text;
        let cell = &scratch[start..end];
        cells.text.push_str(if cell.is_empty() || !secret(index) {
            cell
        } else {
            REDACTED
        });
        cells.end();
        start = end + 1;
    }
}
