//! Many rows for one bulk insertion, without an allocation per cell.

use std::ops::Range;

use crate::recycled::{Recycled, recycled_vec};

/// Rows of equal width, cell after cell. Texts lie end to end in one buffer.
#[derive(Debug, Clone)]
pub struct Batch {
    width: usize,
    cells: Recycled<Vec<Stored>>,
    text: Recycled<String>,
}

recycled_vec!(Stored);

/// Bytes of text that a cell is taken to have, absent ones included.
const CELL: usize = 10;

#[derive(Debug, Clone)]
enum Stored {
    Null,
    Int(i64),
    Text(Range<u32>),
}

/// One cell as it is bound or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Cell<'b> {
    Null,
    Int(i64),
    Text(&'b str),
}

impl Batch {
    /// An empty batch of rows of `width` cells, with room for `rows` of them.
    pub fn new(width: usize, rows: usize) -> Self {
        Self {
            width,
            cells: Recycled::with_room(width * rows * size_of::<Stored>()),
            text: Recycled::with_room(rows * width * CELL),
        }
    }

    /// Appends an integer cell.
    pub fn int(&mut self, value: i64) {
        self.cells.push(Stored::Int(value));
    }

    /// Appends a text cell; the empty text is an absent value, so NULL.
    pub fn text(&mut self, value: &str) {
        if value.is_empty() {
            self.cells.push(Stored::Null);
            return;
        }
        let start = self.text.len() as u32;
        self.text.push_str(value);
        self.cells.push(Stored::Text(start..self.text.len() as u32));
    }

    /// Appends a text cell of several texts.
    pub fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>, between: &str) {
        let start = self.text.len() as u32;
        for (nth, text) in texts.enumerate() {
            if nth > 0 {
                self.text.push_str(between);
            }
            self.text.push_str(text);
        }
        let end = self.text.len() as u32;
        self.cells.push(if start == end {
            Stored::Null
        } else {
            Stored::Text(start..end)
        });
    }

    /// Appends the rows of another batch of the same width.
    pub fn append(&mut self, other: &Self) {
        let start = self.text.len() as u32;
        self.text.push_str(&other.text);
        self.cells.extend(other.cells.iter().map(|cell| match cell {
            Stored::Text(range) => Stored::Text(start + range.start..start + range.end),
            cell => cell.clone(),
        }));
    }

    /// How many whole rows there are.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cells per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The cells of the row at `position`.
    pub fn row(&self, position: usize) -> impl ExactSizeIterator<Item = Cell<'_>> {
        self.cells[position * self.width..(position + 1) * self.width]
            .iter()
            .map(|cell| match cell {
                Stored::Null => Cell::Null,
                Stored::Int(value) => Cell::Int(*value),
                Stored::Text(range) => Cell::Text(&self.text[range.start as usize..range.end as usize]),
            })
    }

    /// The id (first cell) of the row at `position`; 0 where that is no integer.
    pub fn id(&self, position: usize) -> i64 {
        match self.cells.get(position * self.width) {
            Some(Stored::Int(id)) => *id,
            _ => 0,
        }
    }
}
