//! Collects what is wrong with a row while it is read, so that every fault is reported and not just the first.

use crate::text;
use crate::{Column, Faulty, Problem, Request, RowCells, code};

/// A fault, with the value it is with, whole.
struct Found {
    /// The column; `usize::MAX` for the row as a whole.
    column: usize,
    value: String,
    problem: Problem,
}

/// Columns of names that ask nothing.
fn is_name(column: &str) -> bool {
    matches!(column, "first_name" | "last_name" | "city" | "state" | "external_id")
}

/// Columns of words that people read.
fn is_words(column: &str) -> bool {
    let others = [
        "display_name",
        "company_name",
        "job_title",
        "department",
        "office",
        "street_address",
        "address_line1",
        "address_line2",
        "partner_name",
        "tags",
        "product",
    ];
    is_name(column) || others.contains(&column)
}

/// The faults of one row so far. Costs nothing while there are none.
pub(crate) struct Faults {
    columns: &'static [Column],
    found: Vec<Found>,
}

impl Faults {
    /// Nothing wrong yet.
    pub(crate) fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            found: Vec::new(),
        }
    }

    /// Notes a fault of the column at `column`.
    #[cold]
    pub(crate) fn add(&mut self, column: usize, code: &str, value: &str, expected: impl Into<String>) {
        self.add_near(column, code, value, (expected, None));
    }

    /// As [`add`](Self::add), with the nearest valid choice.
    #[cold]
    pub(crate) fn add_near(
        &mut self,
        column: usize,
        code: &str,
        value: &str,
        (expected, nearest): (impl Into<String>, Option<&str>),
    ) {
        let at_fault = &self.columns[column];
        let shown = if at_fault.secret { "" } else { value };
        let problem = Problem::new(code, at_fault.name, shown, expected).suggest(nearest);
        self.note(column, shown, problem);
    }

    /// As [`add`](Self::add), with a sentence of its own instead of what is expected.
    #[cold]
    pub(crate) fn tell(&mut self, column: usize, code: &str, value: &str, sentence: impl Into<String>) {
        let at_fault = &self.columns[column];
        let shown = if at_fault.secret { "" } else { value };
        let problem = Problem::stated(code, at_fault.name, shown, sentence);
        self.note(column, shown, problem);
    }

    fn note(&mut self, column: usize, value: &str, problem: Problem) {
        let value = value.to_owned();
        self.found.push(Found { column, value, problem });
    }

    /// Notes a fault of the row as a whole.
    #[cold]
    pub(crate) fn add_whole(&mut self, code: &str, expected: &str) {
        self.note(usize::MAX, "", Problem::new(code, "", "", expected));
    }

    /// How many faults there are; two equal answers mean that nothing was found in between.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// The cell of one column: a single line of at most `max` characters, perhaps none.
    pub(crate) fn line<'a>(&mut self, row: &RowCells<'a>, column: usize, max: usize) -> &'a str {
        let value = row.text(column);
        self.check(column, value, max, row.is_plain());
        value
    }

    /// As [`line`](Self::line); an empty cell is a fault too.
    pub(crate) fn required_line<'a>(&mut self, row: &RowCells<'a>, column: usize, max: usize) -> &'a str {
        let value = self.line(row, column, max);
        if value.is_empty() {
            self.add(column, code::REQUIRED, value, "a value");
        }
        value
    }

    /// As [`line`](Self::line), but tabs and line breaks are part of the text.
    pub(crate) fn lines<'a>(&mut self, row: &RowCells<'a>, column: usize, max: usize) -> &'a str {
        let value = row.text(column);
        if !row.is_plain() && text::has_control(value) {
            self.check_characters(column, value, |c| {
                text::is_none_of_a_value(c) && !matches!(c, '\t' | '\n' | '\r')
            });
        }
        self.check_spoilt(column, value, row.is_plain());
        self.check_length(column, value, max);
        value
    }

    /// Checks a value that should be a single line of at most `max` characters.
    pub(crate) fn check_line(&mut self, column: usize, value: &str, max: usize) {
        self.check(column, value, max, false);
    }

    /// As [`check_line`](Self::check_line); `is_plain` says that the value is known to have no control and no `?`.
    #[inline]
    fn check(&mut self, column: usize, value: &str, max: usize, is_plain: bool) {
        if !is_plain && text::has_control(value) {
            self.check_characters(column, value, text::is_none_of_a_value);
        }
        self.check_spoilt(column, value, is_plain);
        self.check_length(column, value, max);
    }

    /// Notes the first character that the value cannot have. A tab within one is a blank to some, and the end of a cell to
    /// others, so nobody but its author knows.
    #[cold]
    fn check_characters(&mut self, column: usize, value: &str, is_wrong: impl Fn(char) -> bool) {
        let Some((at, c)) = value.chars().enumerate().find(|(_, c)| is_wrong(*c)) else {
            return;
        };
        let what = match c {
            '\t' => "is a tab; write a blank, or nothing".to_owned(),
            '\n' | '\r' => "is a line break, and the value has to be one line".to_owned(),
            '\u{FFFD}' => "stands for one that was lost; type it again".to_owned(),
            c if text::is_line(c) => "draws a line; a letter was read in a wrong encoding, so type it again".to_owned(),
            c => format!("is one that nobody can see (U+{:04X}); delete it", u32::from(c)),
        };
        self.tell(
            column,
            code::BAD_CHARACTER,
            value,
            format!("character {} {what}", at + 1),
        );
    }

    #[inline]
    fn check_spoilt(&mut self, column: usize, value: &str, is_plain: bool) {
        let digits = || {
            let name = self.columns[column].name;
            name.contains("phone") || matches!(name, "fax" | "postal_code" | "external_id")
        };
        // Where a house number or a code may stand that a spreadsheet takes for a date.
        let codes = || {
            let name = self.columns[column].name;
            let others = [
                "sku",
                "office",
                "street_address",
                "address_line1",
                "address_line2",
                "registration_number",
                "associated_partner_id",
            ];
            // A name may hold the name of a month, and begins with no day of it.
            let begins = || value.starts_with(|c: char| c.is_ascii_digit()) || value.starts_with("PT");
            digits() || others.contains(&name) || (is_words(name) && begins())
        };
        if let Some(sentence) = text::spoilt(value, digits).or_else(|| text::dates::spoilt(value, codes)) {
            self.tell(column, code::ERROR_CELL, value, sentence);
        } else if !is_plain && value.as_bytes().contains(&b'?') {
            // No letter was lost from `#NAME?`.
            self.check_lost(column, value);
        }
    }

    #[cold]
    fn check_lost(&mut self, column: usize, value: &str) {
        let name = self.columns[column].name;
        if let Some(at) = text::lost_letter(value, is_name(name)).filter(|_| is_words(name)) {
            let sentence = format!(
                "the `?` at character {} stands for a letter that was lost when the file was saved; type it again, and save the \
                 file as UTF-8",
                at + 1
            );
            self.tell(column, code::BAD_CHARACTER, value, sentence);
        }
    }

    fn check_length(&mut self, column: usize, value: &str, max: usize) {
        // Characters are never more than bytes, so most cells need no counting.
        if value.len() > max && value.chars().count() > max {
            self.add(
                column,
                code::TOO_LONG,
                value,
                format!("text of at most {max} characters"),
            );
        }
    }

    /// What the row asks for, or the faults in column order, those of the whole row last.
    pub(crate) fn finish<'a>(mut self, asked: impl Into<Request<'a>>) -> Result<Request<'a>, Faulty<'a>> {
        if self.found.is_empty() {
            return Ok(asked.into());
        }
        self.found.sort_by_key(|found| found.column);
        Err(Faulty::new(
            asked.into(),
            self.found.into_iter().map(|found| (found.value, found.problem)),
        ))
    }
}
