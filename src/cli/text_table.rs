//! Tables on the terminal: columns as wide as what stands in them, and together no wider than the terminal.
//!
//! On a terminal a cell that is too long goes on below itself, so that no line is broken by the terminal and nothing is cut off.
//! A table of more columns than there is room for is written as records. In a pipe a row is always one line.

use std::io::{self, Write};

use super::text_width::{char_width, padded, text_width};

/// Rows looked at for the widths of the columns.
const SAMPLE: usize = 200;
/// No column is wider than this because of one long value.
const WIDEST: usize = 48;

/// The narrowest that a column is made; a table that would need narrower ones is written as records.
const NARROWEST: usize = 9;
/// What stands between columns.
const GAP: usize = 2;

/// Writes rows below each other. The first ones are held back until the widths are known.
pub(super) struct TextTable<W> {
    out: W,
    /// How wide the table may be; `None` where nobody sees it.
    room: Option<usize>,
    titles: Option<Vec<String>>,
    first: Vec<Vec<String>>,
    layout: Option<Layout>,
}

enum Layout {
    /// In columns of these widths; what does not fit goes on in the next line where `wraps`.
    Columns { widths: Vec<usize>, wraps: bool },
    /// One below the other, each cell beside its title.
    Records,
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
            room: super::output::width(),
            titles: None,
            first: Vec::new(),
            layout: None,
        }
    }

    /// The same table, no wider than this.
    #[cfg(test)]
    pub(super) fn within(self, room: Option<usize>) -> Self {
        Self { room, ..self }
    }

    /// Takes a row, which has as many cells as every other.
    pub(super) fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        if self.layout.is_some() {
            return self.write(&cells);
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
        let width = |cells: &Vec<String>, at: usize| cells.get(at).map_or(0, |cell| text_width(cell));
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                let widest = first.iter().map(|cells| width(cells, at)).max().unwrap_or(0);
                let title = self.titles.as_ref().map_or(0, |titles| width(titles, at));
                let bounded = if self.room.is_some() {
                    widest
                } else {
                    widest.min(WIDEST)
                };
                bounded.max(title)
            })
            .collect();
        let layout = match self.room {
            None => Layout::Columns { widths, wraps: false },
            Some(room) => {
                let word = |cell: &String| cell.split(' ').map(text_width).max().unwrap_or(0);
                let longest = |at: usize| {
                    let cells = self.titles.iter().chain(&first).filter_map(|cells| cells.get(at));
                    cells.map(word).max().unwrap_or(0)
                };
                let words: Vec<usize> = (0..columns).map(longest).collect();
                fitted(widths, &words, room, self.titles.is_some())
            }
        };
        if let (Layout::Columns { widths, wraps }, Some(titles)) = (&layout, &self.titles) {
            line(&mut self.out, widths, *wraps, titles)?;
        }
        self.layout = Some(layout);
        for cells in &first {
            self.write(cells)?;
        }
        Ok(())
    }

    fn write(&mut self, cells: &[String]) -> io::Result<()> {
        match &self.layout {
            Some(Layout::Columns { widths, wraps }) => line(&mut self.out, widths, *wraps, cells),
            _ => record(&mut self.out, self.titles.as_deref().unwrap_or_default(), cells),
        }
    }

    /// Writes what is held back.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.layout.is_none() {
            self.begin()?;
        }
        self.out.flush()
    }
}

/// Columns that fit: the widest give way first, and words are broken only where there is no other way.
fn fitted(mut widths: Vec<usize>, words: &[usize], room: usize, has_titles: bool) -> Layout {
    let gaps = GAP * widths.len().saturating_sub(1);
    let sum_at = |cap: usize, floors: &[usize]| {
        let capped = widths
            .iter()
            .zip(floors)
            .map(|(width, floor)| (*width).min(cap.max(*floor)));
        capped.sum::<usize>() + gaps
    };
    let widest = widths.iter().copied().max().unwrap_or(0);
    let none = vec![0; widths.len()];
    let fits = |floors: &'_ [usize]| (NARROWEST..=widest).rev().find(|cap| sum_at(*cap, floors) <= room);
    let fitting = [words, &none]
        .into_iter()
        .find_map(|floors| Some((fits(floors)?, floors)));
    let Some((cap, floors)) = fitting else {
        return if widest < NARROWEST || !has_titles {
            Layout::Columns { widths, wraps: false }
        } else {
            Layout::Records
        };
    };
    let mut spare = room - sum_at(cap, floors);
    for (width, floor) in widths.iter_mut().zip(floors) {
        let narrow = cap.max(*floor);
        if *width > narrow {
            let more = spare.min(*width - narrow);
            spare -= more;
            *width = narrow + more;
        }
    }
    Layout::Columns { widths, wraps: true }
}

fn line(out: &mut impl Write, widths: &[usize], wraps: bool, cells: &[String]) -> io::Result<()> {
    let shown = cells.iter().map(|cell| shown(cell));
    let lines: Vec<Vec<String>> = if wraps {
        shown.zip(widths).map(|(cell, width)| wrapped(&cell, *width)).collect()
    } else {
        shown.map(|cell| vec![cell]).collect()
    };
    let height = lines.iter().map(Vec::len).max().unwrap_or(0).max(1);
    for at in 0..height {
        let part = |column: &Vec<String>| column.get(at).cloned().unwrap_or_default();
        parts(out, widths, &lines.iter().map(part).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn parts(out: &mut impl Write, widths: &[usize], cells: &[String]) -> io::Result<()> {
    let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
    for (at, cell) in cells.iter().enumerate().take(last + 1) {
        if at == last {
            write!(out, "{cell}")?;
        } else {
            write!(out, "{}{:GAP$}", padded(cell, widths[at]), "")?;
        }
    }
    writeln!(out)
}

/// A row as lines of its own, for a table with more columns than a terminal has room for.
fn record(out: &mut impl Write, titles: &[String], cells: &[String]) -> io::Result<()> {
    let width = titles.iter().map(|title| text_width(title)).max().unwrap_or(0);
    for (title, cell) in titles.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        writeln!(out, "{}  {}", padded(title, width), shown(cell))?;
    }
    writeln!(out)
}

/// A text in lines of that width, broken between words where that is possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text_width(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let between = usize::from(!current.is_empty());
        if length + between + text_width(word) > width && !current.is_empty() {
            lines.push(std::mem::take(&mut current));
            length = 0;
        }
        let mut word = word;
        while text_width(word) > width.max(1) {
            let (part, rest) = word.split_at(fitting_bytes(word, width.max(1)));
            lines.push(part.to_owned());
            word = rest;
        }
        if !current.is_empty() {
            current.push(' ');
            length += 1;
        }
        length += text_width(word);
        current.push_str(word);
    }
    if !current.is_empty() || lines.is_empty() {
        lines.push(current);
    }
    lines
}

/// How much of a text, in bytes, fits into that width: at least one letter, with the marks on it.
fn fitting_bytes(text: &str, width: usize) -> usize {
    let mut taken = 0;
    let letters = text.char_indices().take_while(|(at, letter)| {
        taken += char_width(*letter);
        taken <= width || *at == 0
    });
    letters.last().map_or(0, |(at, letter)| at + letter.len_utf8())
}

/// On one line, and nothing in it a terminal would act on.
fn shown(cell: &str) -> String {
    cell.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(titles: Option<&[&str]>, rows: &[&[&str]]) -> String {
        written_within(None, titles, rows)
    }

    fn written_within(room: Option<usize>, titles: Option<&[&str]>, rows: &[&[&str]]) -> String {
        let mut out = Vec::new();
        let mut table = match titles {
            Some(titles) => TextTable::new(&mut out, titles.iter().copied()),
            None => TextTable::untitled(&mut out),
        };
        table = table.within(room);
        for row in rows {
            table
                .row(row.iter().map(|&cell| cell.to_owned()).collect())
                .expect("memory");
        }
        table.end().expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn columns_are_as_wide_as_their_contents() {
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
    fn lines_have_no_trailing_spaces() {
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
    fn wide_letters_and_marks_are_counted_by_the_cells_they_take() {
        assert_eq!(
            written(Some(&["name", "n"]), &[&["株式会社", "a"], &["Ko\u{308}ln", "b"]]),
            "name      n\n株式会社  a\nKo\u{308}ln      b\n"
        );
        assert_eq!(wrapped("株式会社と申します", 7), ["株式会", "社と申", "します"]);
        assert_eq!(wrapped("株式", 1), ["株", "式"]);
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

    #[test]
    fn a_table_is_no_wider_than_the_terminal_and_loses_nothing() {
        let long = "a user of that name was deleted, and can be restored until 2026-12-24";
        let rows: [&[&str]; 2] = [&["7", "rejected", long], &["8", "applied", "fine"]];
        let text = written_within(Some(40), Some(&["row", "outcome", "message"]), &rows);
        assert_eq!(
            text,
            "row  outcome   message\n\
             7    rejected  a user of that name was\n\
             \u{20}              deleted, and can be\n\
             \u{20}              restored until 2026-12-24\n\
             8    applied   fine\n"
        );
        // The widest columns give way, and a word that is too long is broken.
        let text = written_within(Some(30), None, &[&["abc", &"x".repeat(30), "y"]]);
        assert_eq!(text, format!("abc  {}  y\n     {}\n", "x".repeat(22), "x".repeat(8)));
    }

    #[test]
    fn more_columns_than_there_is_room_for_become_records() {
        let titles: Vec<String> = (0..10).map(|number| format!("title {number}")).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let cells = ["a longer cell"; 10];
        let text = written_within(Some(80), Some(&titles), &[&cells, &cells]);
        assert_eq!(text.lines().count(), 22);
        assert!(
            text.starts_with("title 0  a longer cell\ntitle 1  a longer cell\n"),
            "{text}"
        );
    }

    proptest::proptest! {
        #[test]
        fn wrapping_keeps_every_letter_and_the_width(text in "[a-zß会\u{308} ]{0,80}", width in 2_usize..30) {
            let lines = wrapped(&text, width);
            for line in &lines {
                proptest::prop_assert!(text_width(line) <= width, "{line:?}");
            }
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            proptest::prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
