//! Rows that have more cells than the header, all of them empty, and rows among those that have fewer.
//!
//! Where every row ends in a delimiter too many, one that lost a cell has as many as the header, and nothing else shows that
//! its values stand beside their columns. Where no row does, one that ends so may have a text with the delimiter in it and no
//! quotes. So a row that differs from the others is in doubt if its last cells leave one.

use super::is_blank;
use crate::input::block::RowView;

/// Widths that are counted apart.
const COUNTED: usize = 8;
/// Rows that a file begins with before it has a usual width.
const FIRST: u64 = 2;

/// How many rows have how many cells.
#[derive(Debug, Default)]
pub(super) struct Widths {
    counted: Vec<(usize, u64)>,
    /// Those of the first rows that are in doubt.
    doubted: Vec<usize>,
}

impl Widths {
    /// Counts a row that is not in doubt.
    pub(super) fn observe(&mut self, len: usize) {
        if let Some((_, rows)) = self.counted.iter_mut().find(|(width, _)| *width == len) {
            *rows += 1;
        } else if self.counted.len() < COUNTED {
            self.counted.push((len, 1));
        }
    }

    /// The width that most rows have.
    pub(super) fn usual(&self) -> Option<usize> {
        let most = self.counted.iter().max_by_key(|(width, rows)| (*rows, *width));
        most.map(|(width, _)| *width)
    }

    /// Notes a row that is in doubt.
    pub(super) fn doubt(&mut self, len: usize) {
        if self.are_few() && self.doubted.len() < COUNTED {
            self.doubted.push(len);
        }
    }

    /// The width that most rows have around one of `len` cells; `next` are those that follow. While there are few, the row's own
    /// is the likelier one of several.
    pub(super) fn around(&self, len: usize, next: &[usize]) -> Option<usize> {
        if !self.are_few() {
            return self.usual();
        }
        let mut around = Self {
            counted: self.counted.clone(),
            doubted: Vec::new(),
        };
        self.doubted.iter().chain(next).for_each(|width| around.observe(*width));
        let most = around
            .counted
            .iter()
            .max_by_key(|(width, rows)| (*rows, *width == len, *width));
        most.map(|(width, _)| *width)
    }

    /// Whether a row of at least `width` cells, which the header has, is to be held against those around it.
    pub(super) fn is_doubtful(&self, row: &RowView<'_>, width: usize) -> bool {
        let len = row.len();
        let is_empty = |at: usize| row.cell(at).is_some_and(is_blank);
        // What is in a cell beyond the header is told anyway.
        if !(width..len).all(is_empty) {
            return false;
        }
        if len > width && self.usual() != Some(len) {
            return true;
        }
        is_empty(width - 1) && (self.are_few() || self.usual().is_some_and(|usual| usual > len))
    }

    /// Whether there is no usual width yet.
    pub(super) fn are_few(&self) -> bool {
        self.counted.iter().map(|(_, rows)| rows).sum::<u64>() < FIRST
    }
}
