//! A block: some consecutive rows of a file, in a few large allocations however many cells they have.

use std::borrow::Cow;

use tenantry_jobs::key::composed;

use super::error::{InputError, code};
use crate::recycled::Recycled;

/// Rows that follow one another in a file. Cells are text as decoded and unquoted, and nothing else is done to them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Block {
    pub(super) first_row: u64,
    pub(super) cells: Cells,
    pub(super) rows: Vec<RowBounds>,
    /// Cells that hold no value but an error: row, counted from 0 within the block, and column. They are told
    /// when the file is read, and the spool does not keep them.
    pub(super) errors: Vec<(u32, u32)>,
    /// Rows that may have lost a cell or won one: row, and how many cells the rows around it have. Likewise.
    pub(super) uneven: Vec<(u32, u32)>,
}

/// The cells of all rows, one after the other.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Cells {
    /// After each cell stands one ASCII character that belongs to none: whatever stood there in the file, so
    /// that an unquoted row is copied in one go.
    pub(super) text: Recycled<String>,
    /// Where each cell ends in `text`. The next one begins after the character that follows.
    pub(super) ends: Recycled<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowBounds {
    /// Cells up to the end of this row, of all rows.
    pub(super) cells: u32,
    /// The line the row begins on.
    pub(super) line: u64,
}

impl Block {
    /// A block to which rows can be added, for rows that do not come from a file.
    pub fn new(first_row: u64) -> Self {
        Self {
            first_row,
            ..Self::default()
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `record-too-long` where the block would outgrow 4 GiB.
    pub fn push<'c>(&mut self, line: u64, cells: impl IntoIterator<Item = &'c str>) -> Result<(), InputError> {
        let mark = self.cells.mark();
        for cell in cells {
            if u32::try_from(self.cells.text.len() + cell.len() + 1).is_err() {
                self.cells.rewind(mark);
                return Err(InputError::new(
                    "block",
                    code::RECORD_TOO_LONG,
                    "a block holds 4 GiB at most",
                ));
            }
            self.cells.text.push_str(cell);
            self.cells.end();
        }
        self.end_row(line);
        Ok(())
    }

    pub(super) fn end_row(&mut self, line: u64) {
        let cells = self.cells.ends.len() as u32;
        self.rows.push(RowBounds { cells, line });
    }

    /// The number of the first row; data rows are numbered from 1.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows in file order.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            block: self,
            next: 0,
            cells: 0,
            text: 0,
        }
    }

    /// The row at `index`, counted from 0 within the block.
    pub fn row(&self, index: usize) -> Option<RowView<'_>> {
        let end = self.rows.get(index)?;
        let cells = index.checked_sub(1).map_or(0, |before| self.rows[before].cells) as usize;
        let text = cells.checked_sub(1).map_or(0, |before| self.cells.ends[before] + 1);
        Some(RowView {
            number: self.first_row + index as u64,
            line: end.line,
            text: &self.cells.text,
            start: text,
            ends: &self.cells.ends[cells..end.cells as usize],
        })
    }

    /// The columns, counted from 0, of the cells of a row, given by its number, in which a spreadsheet shows an error such as `#N/A`. A block
    /// that was encoded has forgotten them.
    pub fn errors(&self, row: u64) -> impl Iterator<Item = usize> {
        let row = row.wrapping_sub(self.first_row);
        let from = self.errors.partition_point(|(other, _)| u64::from(*other) < row);
        let of_row = self.errors[from..]
            .iter()
            .take_while(move |(other, _)| u64::from(*other) == row);
        of_row.map(|(_, column)| *column as usize)
    }

    /// How many cells the rows around a row have, given by its number, where it has fewer or more of them, and it cannot be told
    /// which cell is which. A block that was encoded has forgotten it.
    pub fn ought(&self, row: u64) -> Option<usize> {
        let row = row.wrapping_sub(self.first_row);
        let at = self
            .uneven
            .binary_search_by_key(&row, |(row, _)| u64::from(*row))
            .ok()?;
        Some(self.uneven[at].1 as usize)
    }

    /// Bytes of memory the rows take.
    pub fn weight(&self) -> usize {
        self.cells.weight() + self.rows.len() * size_of::<RowBounds>()
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rows()).finish()
    }
}

impl Cells {
    /// None yet, with room for text of so many bytes and so many cells.
    pub(super) fn with_room(text: usize, cells: usize) -> Self {
        Self {
            text: Recycled::with_room(text),
            ends: Recycled::with_room(cells * size_of::<u32>()),
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// Ends the cell whose text was appended last.
    pub(super) fn end(&mut self) {
        self.ends.push(self.text.len() as u32);
        self.text.push(',');
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            cells: self.ends.len(),
        }
    }

    pub(super) fn rewind(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.ends.truncate(mark.cells);
    }

    /// Puts something else, or the same, in the place of each cell appended since `mark`.
    pub(super) fn rewrite(
        &mut self,
        mark: Mark,
        scratch: &mut String,
        cell: impl for<'c> Fn(usize, &'c str) -> &'c str,
    ) {
        let ends = self.ends.split_off(mark.cells);
        scratch.clear();
        scratch.push_str(&self.text[mark.text..]);
        self.text.truncate(mark.text);
        let mut start = 0;
        for (index, end) in ends.into_iter().enumerate() {
            let end = end as usize - mark.text;
            self.text.push_str(cell(index, &scratch[start..end]));
            self.end();
            start = end + 1;
        }
    }

    /// Composes letters and their marks in the cells appended since `mark`: the same text is the same bytes then, whatever
    /// system it was written on.
    pub(super) fn compose(&mut self, mark: Mark, scratch: &mut String) {
        let appended = &self.text[mark.text..];
        // Nothing below U+0300, which is written with bytes below 0xCC, is anything but composed.
        let below = appended.bytes().fold(0, u8::max) < 0xCC;
        if below || matches!(composed(appended), Cow::Borrowed(_)) {
            return;
        }
        let ends = self.ends.split_off(mark.cells);
        scratch.clear();
        scratch.push_str(appended);
        self.text.truncate(mark.text);
        let mut start = 0;
        for end in ends {
            let end = end as usize - mark.text;
            self.text.push_str(&composed(&scratch[start..end]));
            self.end();
            start = end + 1;
        }
    }

    /// Appends the cells of a row of a block made by [`end`](Self::end).
    pub(super) fn copy(&mut self, row: &RowView<'_>) {
        let base = (self.text.len() as u32).wrapping_sub(row.start);
        if let Some(last) = row.ends.last() {
            self.text.push_str(&row.text[row.start as usize..=*last as usize]);
            self.ends.extend(row.ends.iter().map(|end| end.wrapping_add(base)));
        }
    }

    /// The cells appended since `mark`.
    pub(super) fn since(&self, mark: Mark) -> RowView<'_> {
        RowView {
            number: 0,
            line: 0,
            text: &self.text,
            start: mark.text as u32,
            ends: &self.ends[mark.cells..],
        }
    }
}

/// A state of [`Cells`] to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) text: usize,
    pub(super) cells: usize,
}

/// One row of a block. Cheap to copy.
#[derive(Clone, Copy)]
pub struct RowView<'b> {
    /// The row's number in the file; data rows are numbered from 1.
    pub number: u64,
    /// The line of the file the row begins on.
    pub line: u64,
    text: &'b str,
    start: u32,
    ends: &'b [u32],
}

impl<'b> RowView<'b> {
    /// How many cells the row has, which need not be how many the header has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cell at `index`, counted from 0.
    pub fn cell(&self, index: usize) -> Option<&'b str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(self.start, |before| self.ends[before] + 1);
        Some(&self.text[start as usize..end as usize])
    }

    /// The cells from first to last, each but the last with the one character that stands after it.
    pub fn text(&self) -> &'b str {
        let end = self.ends.last().map_or(self.start, |end| *end);
        &self.text[self.start as usize..end as usize]
    }

    /// The cells from first to last.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &'b str> + use<'b> {
        let (text, mut start) = (self.text, self.start as usize);
        self.ends.iter().map(move |end| {
            let cell = &text[start..*end as usize];
            start = *end as usize + 1;
            cell
        })
    }
}

impl std::fmt::Debug for RowView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{} ", self.number, self.line)?;
        f.debug_list().entries(self.cells()).finish()
    }
}

/// Iterator over the rows of a block.
#[derive(Debug, Clone)]
pub struct Rows<'b> {
    block: &'b Block,
    next: usize,
    cells: usize,
    text: u32,
}

impl<'b> Iterator for Rows<'b> {
    type Item = RowView<'b>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.block.rows.get(self.next)?;
        let row = RowView {
            number: self.block.first_row + self.next as u64,
            line: end.line,
            text: &self.block.cells.text,
            start: self.text,
            ends: &self.block.cells.ends[self.cells..end.cells as usize],
        };
        self.next += 1;
        self.cells = end.cells as usize;
        self.text = row.ends.last().map_or(self.text, |last| last + 1);
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.block.rows.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Rows<'_> {}
