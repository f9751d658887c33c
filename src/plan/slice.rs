//! A few rows of a block at a time, their cells in the order of a kind's columns.

use tenantry_jobs::header::{self, Mapping};
use tenantry_jobs::{JobKind, RowCells};

use crate::input::{RowView, Rows};

/// Rows turned into requests at a time: requests are large and should not pile up.
const SLICE: usize = 512;

/// A few rows of a block, with their cells in the order of the kind's columns.
pub(crate) struct Slice<'b> {
    rows: Vec<RowView<'b>>,
    /// The cells of every row, end to end.
    cells: Vec<Option<&'b str>>,
    columns: usize,
    /// Columns that name the customer once more.
    again: [Option<usize>; 2],
    /// Native columns that nobody is to read.
    left_out: Vec<usize>,
    is_list: bool,
    /// Whether a cell of each row stands elsewhere.
    is_fixed: bool,
}

impl<'b> Slice<'b> {
    /// The next few rows; `customer` stands in for a column the file does not have.
    pub(crate) fn next(
        rows: &mut Rows<'b>,
        job: &dyn JobKind,
        mapping: &Mapping,
        customer: Option<&'b str>,
    ) -> Option<Self> {
        let rows: Vec<RowView<'b>> = rows.take(SLICE).collect();
        let columns = job.columns().len();
        let fixed = job.columns().iter().position(|column| column.name == "customer");
        let mut cells = Vec::with_capacity(rows.len() * columns);
        for row in &rows {
            for (native, column) in mapping.columns.iter().enumerate() {
                cells.push(match customer {
                    Some(customer) if Some(native) == fixed => Some(customer),
                    _ => column.map(|column| row.cell(column).unwrap_or("")),
                });
            }
            if let Some(native) = mapping.opposite {
                let cell = cells.len() - columns + native;
                cells[cell] = cells[cell].map(header::opposite);
            }
        }
        (!rows.is_empty()).then_some(Self {
            rows,
            cells,
            columns,
            again: mapping.again,
            left_out: mapping.left_out.clone(),
            is_list: mapping.is_list,
            is_fixed: customer.is_some(),
        })
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Each row with its cells.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&RowView<'b>, RowCells<'_>)> {
        let rows = self.rows.iter().zip(self.cells.chunks_exact(self.columns));
        rows.map(|(view, cells)| {
            let again = self
                .again
                .map(|column| column.and_then(|at| view.cell(at)).unwrap_or(""));
            let row = RowCells::without(cells, &self.left_out).naming_again(again);
            let row = row.of_list(self.is_list);
            (view, if self.is_fixed { row } else { row.within(view.text()) })
        })
    }
}
