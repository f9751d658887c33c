//! Rows of a document that are objects: a document may have hundreds of thousands of short ones, so their cells lie in one text.
//! A document has less than 4 GiB.

use std::collections::HashMap;

/// Different columns of all rows together. Far above what any kind has, and a bound on the CSV text they make.
pub(super) const MOST_COLUMNS: usize = 1_000;

/// Such rows.
#[derive(Default)]
pub struct ObjectRows {
    /// All keys, in the order they are first met.
    columns: Vec<String>,
    places: HashMap<String, u32>,
    /// The values, one after the other.
    text: String,
    /// The column of each value, and where it ends.
    cells: Vec<(u32, u32)>,
    /// How many cells there are up to the end of each row.
    rows: Vec<u32>,
    /// Whether there are more columns than may be.
    has_more_columns: bool,
}

impl ObjectRows {
    /// Adds a value to the row at hand, unless that has one of this key.
    pub(super) fn add(&mut self, key: &str, value: &str) -> Result<(), NamedTwice> {
        let Some(column) = self.column(key) else {
            self.has_more_columns = true;
            return Ok(());
        };
        let begins = self.rows.last().map_or(0, |end| *end as usize);
        // Rows have a few dozen columns at most, so looking through them is the quicker way.
        if self.cells[begins..].iter().any(|(known, _)| *known == column) {
            return Err(NamedTwice);
        }
        self.text.push_str(value);
        self.cells.push((column, self.text.len() as u32));
        Ok(())
    }

    /// Ends the row at hand.
    pub(super) fn end_row(&mut self) {
        self.rows.push(self.cells.len() as u32);
    }

    /// Whether there are more different keys than may be, of which the rest is left out.
    pub(super) fn has_more_columns(&self) -> bool {
        self.has_more_columns
    }

    /// Bytes of all values, and of what says where they belong.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(self.cells.as_slice())
    }

    fn column(&mut self, key: &str) -> Option<u32> {
        if let Some(place) = self.places.get(key) {
            return Some(*place);
        }
        if self.columns.len() == MOST_COLUMNS {
            return None;
        }
        let place = self.columns.len() as u32;
        self.columns.push(key.to_owned());
        self.places.insert(key.to_owned(), place);
        Some(place)
    }

    /// As CSV text. The header is all keys, in the order they are first met.
    pub(super) fn into_csv(self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::with_capacity(self.text.len() + self.cells.len()));
        csv.write_record(&self.columns).expect("memory takes what is written");
        let mut record = vec![""; self.columns.len()];
        let (mut at, mut from) = (0, 0);
        for end in self.rows {
            let end = end as usize;
            record.fill("");
            for (column, to) in &self.cells[at..end] {
                let to = *to as usize;
                record[*column as usize] = &self.text[from..to];
                from = to;
            }
            at = end;
            csv.write_record(&record).expect("memory takes what is written");
        }
        csv.into_inner().expect("memory takes what is written")
    }
}

/// The row has a value of this key.
pub(super) struct NamedTwice;
