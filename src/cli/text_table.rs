//! Tables on the terminal: columns as wide as what stands in them.

use std::io::{self, Write};

/// Rows looked at for the widths of the columns.
const SAMPLE: usize = 200;
/// No column is wider than this because of one long value.
const WIDEST: usize = 48;

/// Writes rows below each other. The first ones are held back until the widths are known.
pub(super) struct TextTable<W> {
    out: W,
    titles: Option<Vec<String>>,
    first: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
}

impl<W: Write> TextTable<W> {
    /// A table below these titles, which are written even if there is no row.
    pub(super) fn new<'t>(out: W, titles: impl IntoIterator<Item = &'t str>) -> Self {
        Self {
            titles: Some(titles.into_iter().map(str::to_owned).collect()),
            ..Self::untitled(out)
        }
    }

    /// A table without titles.
    pub(super) fn untitled(out: W) -> Self {
        Self {
            out,
            titles: None,
            first: Vec::new(),
            widths: None,
        }
    }

    /// Takes a row, which has as many cells as every other.
    pub(super) fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        if let Some(widths) = &self.widths {
            return line(&mut self.out, widths, &cells);
        }
        self.first.push(cells);
        if self.first.len() < SAMPLE {
            return Ok(());
        }
        self.begin()
    }

    /// Writes the titles and the rows so far.
    fn begin(&mut self) -> io::Result<()> {
        let first = std::mem::take(&mut self.first);
        let columns = self.titles.iter().chain(&first).map(Vec::len).max().unwrap_or(0);
        let width = |cells: &Vec<String>, at: usize| cells.get(at).map_or(0, |cell| cell.chars().count());
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                let widest = first.iter().map(|cells| width(cells, at)).max().unwrap_or(0);
                let title = self.titles.as_ref().map_or(0, |titles| width(titles, at));
                widest.min(WIDEST).max(title)
            })
            .collect();
        for cells in self.titles.iter().chain(&first) {
            line(&mut self.out, &widths, cells)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// Writes what is held back.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.begin()?;
        }
        self.out.flush()
    }
}

fn line(out: &mut impl Write, widths: &[usize], cells: &[String]) -> io::Result<()> {
    // Nothing is padded for cells that are empty up to the end.
    let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
    for (at, cell) in cells.iter().enumerate().take(last + 1) {
        let cell = shown(cell);
        if at == last {
            writeln!(out, "{cell}")?;
        } else {
            write!(out, "{cell:<width$}  ", width = widths[at])?;
        }
    }
    Ok(())
}

/// On one line, and nothing in it a terminal would act on.
fn shown(cell: &str) -> String {
    cell.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(titles: Option<&[&str]>, rows: &[&[&str]]) -> String {
        let mut out = Vec::new();
        let mut table = match titles {
            Some(titles) => TextTable::new(&mut out, titles.iter().copied()),
            None => TextTable::untitled(&mut out),
        };
        for row in rows {
            table
                .row(row.iter().map(|&cell| cell.to_owned()).collect())
                .expect("memory");
        }
        table.end().expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows: [&[&str]; 2] = [&["7", "awaiting-approval", "none"], &["12345", "queued", "some"]];
        assert_eq!(
            written(Some(&["job", "state", "rows"]), &rows),
            "job    state              rows\n7      awaiting-approval  none\n12345  queued             some\n"
        );
        assert_eq!(
            written(None, &rows),
            "7      awaiting-approval  none\n12345  queued             some\n"
        );
    }

    #[test]
    fn lines_end_with_what_is_in_them() {
        let rows: [&[&str]; 3] = [&["a", "b", ""], &["cc", "", ""], &["", "", "d"]];
        assert_eq!(written(None, &rows), "a   b\ncc\n       d\n");
        assert_eq!(written(None, &[&["", ""]]), "\n");
    }

    #[test]
    fn letters_are_counted_and_not_bytes() {
        assert_eq!(
            written(None, &[&["Ölmühle", "a"], &["Berg", "b"]]),
            "Ölmühle  a\nBerg     b\n"
        );
    }

    #[test]
    fn titles_stand_above_no_rows_and_without_either_nothing_does() {
        assert_eq!(written(Some(&["job", "rows"]), &[]), "job  rows\n");
        assert_eq!(written(None, &[]), "");
    }

    #[test]
    fn one_long_value_makes_no_wide_column_and_a_cell_no_lines() {
        let long = "x".repeat(WIDEST + 2);
        let text = written(None, &[&[&long, "a"], &["b\n\u{1b}[2J", "c"]]);
        let (first, second) = text.split_once('\n').expect("two lines");
        assert_eq!(first, format!("{long}  a"));
        assert_eq!(second, format!("{:<WIDEST$}  c\n", "b  [2J"));
    }

    #[test]
    fn rows_after_the_sample_keep_its_widths() {
        let mut rows = vec![["ab", "c"].as_slice(); SAMPLE];
        rows.push(&["abcdef", "c"]);
        let text = written(None, &rows);
        assert_eq!(text.lines().count(), SAMPLE + 1);
        assert_eq!(text.lines().last(), Some("abcdef  c"));
    }
}
