//! Rows of a document that are objects: a document may have hundreds of thousands of short ones, so their cells lie in one text.

use std::collections::HashMap;

/// Such rows.
#[derive(Default)]
pub struct ObjectRows {
    /// All keys, in the order they are first met.
    columns: Vec<String>,
    places: HashMap<String, usize>,
    /// The values, one after the other.
    text: String,
    /// The column of each value, and where it ends.
    cells: Vec<(usize, usize)>,
    /// How many cells there are up to the end of each row.
    rows: Vec<usize>,
}

impl ObjectRows {
    /// Adds a value to the row at hand, unless that has one of this key.
    pub(super) fn add(&mut self, key: &str, value: &str) -> Result<(), NamedTwice> {
        let column = self.column(key);
        let begins = self.rows.last().copied().unwrap_or_default();
        // Rows have a few dozen columns at most, so looking through them is the quicker way.
        if self.cells[begins..].iter().any(|(known, _)| *known == column) {
            return Err(NamedTwice);
        }
        self.text.push_str(value);
        self.cells.push((column, self.text.len()));
        Ok(())
    }

    /// Ends the row at hand.
    pub(super) fn end_row(&mut self) {
        self.rows.push(self.cells.len());
    }

    /// How many different keys there are.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Bytes of all values, and of what says where they belong.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(self.cells.as_slice())
    }

    fn column(&mut self, key: &str) -> usize {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        self.columns.push(key.to_owned());
        self.places.insert(key.to_owned(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// As CSV text. The header is all keys, in the order they are first met.
    pub(super) fn into_csv(self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::with_capacity(self.text.len() + self.cells.len()));
        csv.write_record(&self.columns).expect("memory takes what is written");
        let mut record = vec![""; self.columns.len()];
        let (mut at, mut from) = (0, 0);
        for end in self.rows {
            record.fill("");
            for (column, to) in &self.cells[at..end] {
                record[*column] = &self.text[from..*to];
                from = *to;
            }
            at = end;
            csv.write_record(&record).expect("memory takes what is written");
        }
        csv.into_inner().expect("memory takes what is written")
    }
}

/// The row has a value of this key.
pub(super) struct NamedTwice;
