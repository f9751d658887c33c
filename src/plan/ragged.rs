//! Rows of other widths than the header or the rows around them: what is said of those of which nobody knows which cell is which.

use tenantry_jobs::{Problem, code};

use super::check::BlockChecks;
use crate::input::{self, Block, RowView};

impl BlockChecks {
    /// A row must have as many cells as the header; empty ones beyond it, as spreadsheets leave, do no harm.
    pub(super) fn ragged(&self, block: &Block, row: &RowView<'_>) -> Option<Problem> {
        let header = self.header.len();
        if let Some(ought) = block.ought(row.number) {
            return Some(Problem::stated(code::RAGGED_ROW, "", "", uneven(row.len(), ought)));
        }
        let beyond = (header..row.len()).chain(self.mapping.unnamed.iter().copied());
        let extra = beyond
            .into_iter()
            .find(|at| row.cell(*at).is_some_and(|cell| !cell.trim().is_empty()));
        let sentence = match (&self.sheet, extra) {
            (Some(_), Some(at)) => {
                let letters = input::column_letters(at);
                let expected = format!(
                    "nothing in columns without a name, and column {letters} has none here; name it, or delete the value"
                );
                return Some(Problem::new(code::RAGGED_ROW, "", "", expected));
            }
            (None, None) if row.len() < header => self.short(row.len()),
            (_, None) => return None,
            (None, Some(_)) => format!(
                "the row has {} and the header {header}; is a quote missing, or does a text with the delimiter in it stand without \
                 quotes?",
                cells(row.len())
            ),
        };
        Some(Problem::stated(code::RAGGED_ROW, "", "", sentence))
    }

    /// What is said of a row of so few cells, of which nobody knows which are missing.
    fn short(&self, len: usize) -> String {
        const TOLD: usize = 3;
        let natives = self.job.columns().iter().zip(&self.mapping.columns);
        let needed = natives
            .filter(|(native, at)| native.required && at.is_some_and(|at| at >= len))
            .find_map(|(_, at)| self.header.get((*at)?));
        let missing = &self.header[len..];
        let mut names: Vec<String> = missing
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
            .map(|name| format!("`{name}`"))
            .collect();
        let more = names.len().saturating_sub(TOLD);
        names.truncate(TOLD);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let named = match names.split_last() {
            None => "what is missing".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        };
        let verb = if names.len() > 1 { "are" } else { "is" };
        let (row, header) = (cells(len), self.header.len());
        match needed {
            Some(needed) => format!(
                "the row has {row} and the header {header}, and `{needed}`, which has to have a value, is not among them; a \
                 cell, a quote or a delimiter is missing, or the end of the row"
            ),
            None => format!(
                "the row has {row} and the header {header}; if {named} {verb} meant to be empty, write the delimiters for \
                 that; if not, a cell, a quote or a delimiter is missing, or the end of the row"
            ),
        }
    }
}

/// What is said of a row of so many cells among rows of others, of which nobody knows which is missing or too many.
fn uneven(len: usize, ought: usize) -> String {
    let (row, others) = (cells(len), ought);
    if len < ought {
        return format!(
            "the row has {row} and the rows around it {others}, so that its values may stand beside their columns; a cell or a \
             delimiter is missing: write as many as the other rows have"
        );
    }
    format!(
        "the row has {row} and the rows around it {others}, so that its values may stand beside their columns; does a text with \
         the delimiter in it stand without quotes? If not, delete the delimiters at the end of the row"
    )
}

/// So many cells, in words.
fn cells(count: usize) -> String {
    match count {
        1 => "1 cell".to_owned(),
        many => format!("{many} cells"),
    }
}
