//! The sorts of values that the columns of a text hold, to tell a row whose values stand beside their columns.

use crate::input::block::RowView;

/// Rows that are learned from: enough to know a column, and few enough to cost nothing.
const LEARNED: u32 = 256;

const DIGIT: u8 = 1;
const AT: u8 = 2;
const DOT: u8 = 4;
const PLUS: u8 = 8;
const LOWER: u8 = 16;
const OTHER_LETTER: u8 = 32;
const BLANK: u8 = 64;

/// What was seen in each column.
#[derive(Debug, Default)]
pub(super) struct Sorts {
    columns: Vec<SeenSorts>,
    rows: u32,
}

/// A bit for each sort of value.
#[derive(Debug, Default, Clone, Copy)]
struct SeenSorts {
    /// By all signs in a value.
    exact: u128,
    /// By those alone in which names, codes, numbers and addresses differ.
    rough: u128,
}

impl Sorts {
    /// Learns from a row whose cells stand in their columns.
    pub(super) fn observe(&mut self, row: &RowView<'_>) {
        if self.rows == LEARNED {
            return;
        }
        self.rows += 1;
        for (at, cell) in row.cells().enumerate() {
            if self.columns.len() == at {
                self.columns.push(SeenSorts::default());
            }
            let value = SeenSorts::of(cell);
            self.columns[at].exact |= value.exact;
            self.columns[at].rough |= value.rough;
        }
    }

    /// Whether the row, of fewer cells than the `width` of the header, looks as if one was lost before its end: its last values
    /// are of sorts that the columns after theirs hold, and one of them of no sort that its own column holds. `alone`: no other
    /// row is short with it, so that a value for a column nobody used before is a doubt as well.
    pub(super) fn is_shifted(&self, row: &RowView<'_>, width: usize, alone: bool) -> bool {
        let seen = |at: usize| self.columns.get(at).copied().unwrap_or_default();
        (1..=width.saturating_sub(row.len())).any(|by| {
            let moved = (0..row.len()).rev().map(|at| {
                let value = row.cell(at).map(SeenSorts::of).unwrap_or_default();
                (value, seen(at), seen(at + by))
            });
            let mut moved = moved
                .filter(|(value, ..)| value.exact != 0)
                .take_while(|(value, _, after)| {
                    value.exact & after.exact != 0 || (alone && by == 1 && after.exact == 0)
                });
            moved.any(|(value, own, after)| match after.exact {
                0 => value.rough & own.rough == 0,
                _ => value.exact & own.exact == 0,
            })
        })
    }
}

impl SeenSorts {
    /// No bit where the value is empty.
    fn of(value: &str) -> Self {
        let value = value.trim();
        if value.is_empty() {
            return Self::default();
        }
        let signs = value.chars().fold(0, |signs, c| {
            signs
                | match c {
                    '0'..='9' => DIGIT,
                    '@' => AT,
                    '.' => DOT,
                    '+' => PLUS,
                    c if c.is_lowercase() => LOWER,
                    c if c.is_alphabetic() => OTHER_LETTER,
                    c if c.is_whitespace() => BLANK,
                    _ => 0,
                }
        });
        let rough = match signs & (LOWER | OTHER_LETTER) {
            0 => signs & (AT | DIGIT),
            letters => letters | signs & AT,
        };
        Self {
            exact: 1 << signs,
            rough: 1 << rough,
        }
    }
}
