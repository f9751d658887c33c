//! Rows that end before the header does: which of them only lack empty cells.
//!
//! Excel writes a text file in blocks of 16 rows, and each block only up to the last column that holds something in it. So the
//! first rows have all delimiters, and further down whole blocks are short by the same. Files that were put together from such
//! ones have the blocks in other places.
//!
//! A row that has lost a cell in its middle, or its end, looks the same by itself: what follows would be taken for something
//! else. So one row never shows that it is meant so; only the rows around it do. Where they leave a doubt, the row stays as it
//! is, and the caller that knows the columns refuses it. A row that is short alone, or differs from the rows of its sixteen, is
//! also held against the values that its columns held so far, by their sorts.
//!
//! Empty cells beyond the header do no harm, where a program ends all its rows so. A row that has fewer or more of them than the
//! others may have lost a cell, or have a text with the delimiter in it that stands without quotes ([`uneven`]).

mod sorts;
mod uneven;

use super::block::RowView;
use sorts::Sorts;
use uneven::Widths;

/// What a row is by the number of its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It has those it should have, or nobody may complete it.
    Done,
    /// It is a short one that may be completed, to be [asked](Short::is_meant) about.
    Short,
    /// It has others than the rows before it, to be [asked](Short::ought) about.
    Uneven,
}

/// Rows that Excel writes in the same width.
const TOGETHER: u64 = 16;
/// How many rows that are short by the same are no accident.
const SEVERAL: u64 = 3;
/// The most records that are looked at for one row, blank ones included.
const MOST_AHEAD: u64 = 64;

/// Decides about the rows of one text, in file order.
#[derive(Debug)]
pub(super) struct Short {
    /// The fewest cells of a row that may be completed; until somebody says it, none is.
    least: usize,
    /// Cells of the header up to its last name.
    named: usize,
    /// Cells of the header.
    width: usize,
    sorts: Sorts,
    /// Records so far, blank ones and those before the header as well.
    records: u64,
    /// The width of the rows of the current sixteen, if there were any.
    together: Option<usize>,
    /// Whether all rows of each sixteen had the same width so far.
    is_uniform: bool,
    /// The fewest cells that a full row had something in.
    least_filled: usize,
    /// The rows of the same width that come last.
    run: Run,
    /// How many cells rows have.
    widths: Widths,
    /// Rows that were completed and lacked cells of columns with a name.
    completed: u64,
}

/// Rows of the same width that follow one another.
#[derive(Debug, Default)]
struct Run {
    width: usize,
    /// Those that end in a line end.
    rows: u64,
    /// What was decided, and of the records before which.
    decided: Option<(bool, u64)>,
}

/// A record that follows: its cells, whether it is blank, and whether a line end ends it.
pub(super) struct Ahead {
    pub(super) width: usize,
    pub(super) is_blank: bool,
    pub(super) is_ended: bool,
}

impl Default for Short {
    fn default() -> Self {
        Self {
            least: usize::MAX,
            named: usize::MAX,
            width: 0,
            sorts: Sorts::default(),
            records: 0,
            together: None,
            is_uniform: true,
            least_filled: usize::MAX,
            run: Run::default(),
            widths: Widths::default(),
            completed: 0,
        }
    }
}

impl Short {
    /// Lets rows of at least `least` cells be completed; `named` is how many cells the header has up to its last name.
    pub(super) fn allow(&mut self, least: usize, named: usize) {
        (self.least, self.named) = (least, named);
    }

    /// How many rows were completed that lacked cells of columns with a name.
    pub(super) fn completed(&self) -> u64 {
        self.completed
    }

    /// Counts a record that is passed over.
    pub(super) fn pass(&mut self) {
        if self.records.is_multiple_of(TOGETHER) {
            self.together = None;
        }
        self.records += 1;
    }

    /// Looks at the next row, of a header of `width` cells; 0 before it is known.
    pub(super) fn look(&mut self, row: &RowView<'_>, width: usize, is_ended: bool) -> Look {
        self.pass();
        let len = row.len();
        self.is_uniform &= *self.together.get_or_insert(len) == len;
        if self.run.width != len {
            self.run = Run {
                width: len,
                ..Run::default()
            };
        }
        self.run.rows += u64::from(is_ended);
        self.width = width;
        if width == 0 {
            return Look::Done;
        }
        if len < width {
            return if len >= self.least { Look::Short } else { Look::Done };
        }
        if self.widths.is_doubtful(row, width) {
            return Look::Uneven;
        }
        self.is_whole(row);
        Look::Done
    }

    /// Learns from a row that has the cells it should have.
    fn is_whole(&mut self, row: &RowView<'_>) {
        self.widths.observe(row.len());
        self.sorts.observe(row);
        if self.least_filled > 0 {
            let is_empty = |at: &usize| row.cell(*at).is_some_and(is_blank);
            let empty = (0..self.width).rev().take_while(is_empty).count();
            self.least_filled = self.least_filled.min(self.width - empty);
        }
    }

    /// How many cells the uneven row that was looked at last should have; `None` where it is as it should be. `ahead` gives the
    /// records that follow.
    pub(super) fn ought<E>(
        &mut self,
        row: &RowView<'_>,
        mut ahead: impl FnMut() -> Result<Option<Ahead>, E>,
    ) -> Result<Option<usize>, E> {
        let (len, mut alike, mut next) = (row.len(), self.run.rows.max(1), Vec::new());
        let mut is_run = true;
        for _ in 0..MOST_AHEAD {
            if next.len() as u64 == SEVERAL || !(is_run || self.widths.are_few()) {
                break;
            }
            let Some(record) = ahead()? else { break };
            if !record.is_blank {
                next.push(record.width);
                is_run &= record.width == len;
                alike += u64::from(is_run);
            }
        }
        let ought = self.widths.around(len, &next);
        let is_one_of_several = alike >= SEVERAL && ought.is_none_or(|ought| !self.sorts.is_shifted(row, ought, false));
        let is_last_empty = row.cell(self.width - 1).is_some_and(is_blank);
        let is_doubtful = |ought: &usize| (*ought > len && is_last_empty) || (*ought < len && len > self.width);
        let ought = ought
            .map(|ought| ought.max(self.width))
            .filter(is_doubtful)
            .filter(|_| !is_one_of_several);
        match ought {
            Some(_) => self.widths.doubt(len),
            None => self.is_whole(row),
        }
        Ok(ought)
    }

    /// How many cells a row should have, as far as can be told.
    pub(super) fn usual(&self) -> usize {
        self.widths.usual().unwrap_or(0).max(self.width)
    }

    /// Whether the short row that was looked at last is one that lacks nothing but empty cells. `ahead` gives the records
    /// that follow.
    pub(super) fn is_meant<E>(
        &mut self,
        row: &RowView<'_>,
        is_ended: bool,
        ahead: impl FnMut() -> Result<Option<Ahead>, E>,
    ) -> Result<bool, E> {
        let is_meant = self.decide(row, is_ended, ahead)?;
        if is_meant {
            self.sorts.observe(row);
        }
        self.completed += u64::from(is_meant && row.len() < self.named);
        Ok(is_meant)
    }

    fn decide<E>(
        &mut self,
        row: &RowView<'_>,
        is_ended: bool,
        mut ahead: impl FnMut() -> Result<Option<Ahead>, E>,
    ) -> Result<bool, E> {
        let len = row.len();
        // Only columns without a name are missing. One that lost a cell would end in an empty one.
        if len >= self.named && !ends_empty(row) {
            return Ok(true);
        }
        let place = self.records - 1;
        let begins = place.is_multiple_of(TOGETHER);
        if let Some((decided, before)) = self.run.decided
            && place < before
            && (!begins || decided)
        {
            // Those of sixteen were looked at together.
            let is_proven = before != u64::MAX;
            return Ok(decided && (is_proven || !self.sorts.is_shifted(row, self.width, false)));
        }
        let is_told = self.least_filled <= len;
        let together = begins && self.is_uniform;
        let (mut alike, mut next, mut is_whole) = (0, self.records, is_ended);
        while next - place < MOST_AHEAD {
            let is_enough = !is_told || self.run.rows + alike >= SEVERAL;
            if (!together || next.is_multiple_of(TOGETHER)) && is_enough {
                break;
            }
            let Some(record) = ahead()? else { break };
            next += 1;
            if record.is_blank {
                continue;
            }
            let is_alike = record.width == len;
            if next - place <= TOGETHER {
                is_whole &= is_alike && record.is_ended;
            }
            if !is_alike {
                break;
            }
            alike += u64::from(record.is_ended);
        }
        if together && is_whole && (alike + 1 >= SEVERAL || is_told) {
            // A spreadsheet writes its last rows up to a cell that holds something, so a row by itself ends in one.
            let is_doubtful = alike == 0 && (ends_empty(row) || self.sorts.is_shifted(row, self.width, true));
            self.run.decided = Some((!is_doubtful, place + TOGETHER));
            return Ok(!is_doubtful);
        }
        let is_meant = is_told && self.run.rows + alike >= SEVERAL;
        // The rows of one run have one fate.
        self.run.decided = Some((is_meant, u64::MAX));
        Ok(is_meant && !self.sorts.is_shifted(row, self.width, false))
    }
}

/// Whether nothing is in the last cell.
fn ends_empty(row: &RowView<'_>) -> bool {
    let last = row.len().checked_sub(1).and_then(|last| row.cell(last));
    last.is_none_or(is_blank)
}

fn is_blank(cell: &str) -> bool {
    cell.trim_ascii().is_empty()
}
