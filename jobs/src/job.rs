//! The definition of a job kind: a name, its columns, a sample file, a [`Policy`], and a pure function from a row to a [`Request`].
//!
//! A kind never does I/O; this crate's manifest has nothing it could do it with. What a kind
//! cannot know without the store (does the customer exist, is a seat free) is the store's to
//! answer when it previews or carries out the row.

use crate::{Column, Faulty, Policy, Request};

/// One kind of job. Implement it in a file of its own and add one line to [`KINDS`](crate::KINDS).
pub trait JobKind: Sync {
    /// The name on the command line, in the queue and in the ledger, e.g. `bulk-add-users`. Never changes.
    fn kind(&self) -> &'static str;

    /// One line for help texts, without a full stop.
    fn summary(&self) -> &'static str;

    /// The native columns, in the order the template prints them.
    fn columns(&self) -> &'static [Column];

    /// Optional columns of which the header has to name at least one; usually there are none such.
    fn one_of(&self) -> &'static [Column] {
        &[]
    }

    /// Headers of other programs' templates that this kind recognises without being told.
    fn templates(&self) -> &'static [Template] {
        &[]
    }

    /// A runnable CSV file: the one that lies beside the kind's source.
    fn sample(&self) -> &'static str;

    /// What follows from a job of this kind, decided for each kind anew.
    fn policy(&self) -> Policy;

    /// What a row asks for, or everything that is wrong with the row.
    ///
    /// # Errors
    /// One [`Problem`](crate::Problem) per fault, in column order; never just the first. What the sound cells say comes with them.
    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>>;
}

/// Another program's file layout, mapped onto the native columns.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// The name shown to the user, e.g. `Microsoft Entra bulk create`.
    pub name: &'static str,
    /// First cell of a line that precedes the header, e.g. `version:v1.0`.
    pub preamble: Option<&'static str>,
    /// Header cells without which it is not this layout, however well the others fit; for one that ignores columns that
    /// somebody might take for columns of the kind.
    pub markers: &'static [&'static str],
    /// A header cell whose yes is the no of the native column it stands for.
    pub opposite: Option<&'static str>,
    /// Header cell and the native column it stands for; `None` is read and ignored.
    pub columns: &'static [(&'static str, Option<&'static str>)],
}

/// The cells of one row, in the order of [`JobKind::columns`].
///
/// `None`: the file has no such column. `Some("")`: it has, and the cell is empty.
#[derive(Debug, Clone, Copy)]
pub struct RowCells<'a> {
    cells: &'a [Option<&'a str>],
    left_out: &'a [usize],
    again: [&'a str; 2],
    is_of_list: bool,
    is_plain: bool,
}

impl<'a> RowCells<'a> {
    /// Wraps cells that are already in the order of [`JobKind::columns`].
    pub fn new(cells: &'a [Option<&'a str>]) -> Self {
        Self::without(cells, &[])
    }

    /// The same with cells at fault left out, which are empty; `left_out` has their columns.
    pub fn without(cells: &'a [Option<&'a str>], left_out: &'a [usize]) -> Self {
        Self {
            cells,
            left_out,
            again: [""; 2],
            is_of_list: false,
            is_plain: false,
        }
    }

    /// Knowing the text that all cells stand in: looked at once, it spares most rows a look at each cell.
    #[must_use]
    pub fn within(self, text: &str) -> Self {
        Self {
            is_plain: crate::text::is_plain(text),
            ..self
        }
    }

    /// Whether no cell has a [control](crate::text::has_control) or a `?`; where it is not known, each is to be looked at.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether the cell of one of these columns was left out, so that nothing follows from its being empty.
    pub(crate) fn lacks(&self, columns: &[usize]) -> bool {
        self.left_out.iter().any(|column| columns.contains(column))
    }

    /// With the cells that name the customer once more, in the order of [`Mapping::again`](crate::Mapping::again).
    #[must_use]
    pub fn naming_again(self, again: [&'a str; 2]) -> Self {
        Self { again, ..self }
    }

    /// Whether it is a row of a list of what there is ([`Mapping::is_list`](crate::Mapping::is_list)).
    #[must_use]
    pub fn of_list(self, is_of_list: bool) -> Self {
        Self { is_of_list, ..self }
    }

    /// Whether the row stands in a list of what there is: who edits one means that what is empty there stays as it is.
    pub(crate) fn is_of_list(&self) -> bool {
        self.is_of_list
    }

    /// The primary domain and the external id of the customer, where the file says them besides naming it; else empty.
    pub(crate) fn again(&self) -> [&'a str; 2] {
        self.again.map(trimmed)
    }

    /// The cell of the column at `index`, without surrounding white space; empty when absent.
    pub fn text(&self, index: usize) -> &'a str {
        self.given(index).unwrap_or("")
    }

    /// As [`text`](Self::text), but `None` where the file has no such column.
    pub fn given(&self, index: usize) -> Option<&'a str> {
        self.cells.get(index).copied().flatten().map(trimmed)
    }
}

/// As [`str::trim`], which looks at characters where mostly two bytes will do.
#[inline]
pub(crate) fn trimmed(cell: &str) -> &str {
    match cell.as_bytes() {
        [] => cell,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => cell,
        _ => cell.trim_matches(crate::text::is_around),
    }
}
