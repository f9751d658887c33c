//! Cells of a sheet that have a number format that shows another text than their value.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::rc::Rc;

use calamine::{DataRef, XlsxCellReader};

use super::format::Format;

/// Columns that a sheet can have.
pub(super) const MOST_COLUMNS: u32 = 1 << 14;

/// Where a column's format changes, over all columns; people format columns, not cells.
const MOST_CHANGES: usize = 1 << 20;

/// What is told of a sheet that has more.
pub(super) const TOO_MANY: &str =
    "number formats change from cell to cell too often; give each column of the sheet one format";

/// The row in which there are too many changes of format.
pub(super) struct TooMany(pub(super) u32);

#[derive(Default)]
pub(super) struct Formatted {
    formats: Vec<Option<Rc<Format>>>,
    /// For each column from which row on cells have which style, in ascending order.
    columns: Vec<Vec<(u32, u32)>>,
}

/// Reads the styles of a sheet's cells. A sheet that breaks off has the formats up to there.
pub(super) fn of<R: Read + Seek>(mut cells: XlsxCellReader<'_, R>) -> Result<Formatted, TooMany> {
    // Many styles have one format.
    let mut parsed: HashMap<&str, Option<Rc<Format>>> = HashMap::new();
    let formats = cells.styles().iter().map(|style| {
        let code = style.number_format.as_ref()?.format_code.as_str();
        let format = parsed.entry(code).or_insert_with(|| Format::parse(code).map(Rc::new));
        format.clone()
    });
    let mut formatted = Formatted {
        formats: formats.collect(),
        columns: Vec::new(),
    };
    // Most workbooks have none, and are read once.
    if formatted.formats.iter().all(Option::is_none) {
        return Ok(Formatted::default());
    }
    let mut changes = 0;
    while let Ok(Some((cell, style))) = cells.next_cell_with_style_id() {
        if *cell.get_value() == DataRef::Empty {
            continue;
        }
        let (row, column) = cell.get_position();
        let column = column as usize;
        let is_formatted = formatted.formats.get(style).is_some_and(Option::is_some);
        if column >= formatted.columns.len() {
            if !is_formatted || column >= MOST_COLUMNS as usize {
                continue;
            }
            formatted.columns.resize_with(column + 1, Vec::new);
        }
        let runs = &mut formatted.columns[column];
        // A style without a format that makes a difference is like any other such.
        let style = if is_formatted { style as u32 } else { u32::MAX };
        let last = runs.last().map_or(u32::MAX, |(_, style)| *style);
        if style != last {
            runs.push((row, style));
            changes += 1;
            if changes > MOST_CHANGES {
                return Err(TooMany(row));
            }
        }
    }
    Ok(formatted)
}

impl Formatted {
    /// The format of a cell, if it makes a difference.
    pub(super) fn get(&self, row: u32, column: u32) -> Option<&Format> {
        let runs = self.columns.get(column as usize)?;
        let after = runs.partition_point(|(from, _)| *from <= row);
        let (_, style) = runs.get(after.checked_sub(1)?)?;
        self.formats.get(*style as usize)?.as_deref()
    }
}
