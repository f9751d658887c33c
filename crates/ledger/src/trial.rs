//! Retries of a chunk that failed by its own fault: tried again as it is, then in halves down to the row
//! that is at fault, and that row alone fails. Pure: the same facts give the same answer.
//!
//! A chunk fails by an error, or by the death of its worker. One rule holds for both; only how often in a row it takes
//! differs. Whatever gets done in between starts the count anew, so workers that are killed at random find no row at
//! fault: an innocent part just gets done. What is wrong with the surroundings is no failure and never comes here.

use tenantry_foundation::db::{DbError, Row};

/// How far the search has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trial {
    /// Failures in a row of what is tried now.
    pub failures: u64,
    /// How many of the pending rows that come next may be at fault; `None` while none is suspected.
    pub suspects: Option<u64>,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again, so.
    Again(Trial),
    /// The row that comes next is at fault, and fails.
    RowFails,
}

impl Trial {
    /// From the columns `failures` and `suspects`, which begin at `first`.
    pub(super) fn read(row: &Row, first: usize) -> Result<Self, DbError> {
        Ok(Self {
            failures: row.int(first)? as u64,
            suspects: row.opt_int(first + 1)?.map(|suspects| suspects as u64),
        })
    }

    /// How many of the pending rows are tried now; `None` for all.
    pub fn part(self) -> Option<u64> {
        self.suspects.map(|suspects| suspects.div_ceil(2))
    }

    /// After a failure; `most` in a row are enough.
    pub fn failed(self, pending: u64, most: u64) -> Next {
        let again = Self {
            failures: self.failures + 1,
            ..self
        };
        let suspected = |rows| {
            Next::Again(Self {
                failures: 0,
                suspects: Some(rows),
            })
        };
        match self.suspects {
            None | Some(1) if again.failures < most => Next::Again(again),
            None if pending > 1 => suspected(pending),
            None | Some(0 | 1) => Next::RowFails,
            Some(rows) => suspected(rows.div_ceil(2)),
        }
    }

    /// After the part was done.
    #[must_use]
    pub fn passed(self) -> Self {
        let left = self.suspects.map(|suspects| suspects - suspects.div_ceil(2));
        Self {
            failures: 0,
            suspects: left.filter(|left| *left > 0),
        }
    }

    /// After the row at fault has failed, and `pending` others are left.
    pub fn without_row(pending: u64) -> Self {
        Self {
            failures: 0,
            suspects: Some(pending).filter(|pending| *pending > 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Works a chunk off of which some rows kill; the rows that failed, and how many tries it took.
    fn work_off(rows: u64, deadly: &[u64], most: u64) -> (Vec<u64>, u64) {
        let mut pending: Vec<u64> = (0..rows).collect();
        let (mut trial, mut failed, mut tries) = (Trial::default(), Vec::new(), 0);
        while !pending.is_empty() {
            tries += 1;
            let part = trial.part().unwrap_or(pending.len() as u64) as usize;
            if pending[..part].iter().any(|row| deadly.contains(row)) {
                match trial.failed(pending.len() as u64, most) {
                    Next::Again(next) => trial = next,
                    Next::RowFails => {
                        failed.push(pending.remove(0));
                        trial = Trial::without_row(pending.len() as u64);
                    }
                }
            } else {
                pending.drain(..part);
                trial = trial.passed();
            }
        }
        (failed, tries)
    }

    #[test]
    fn one_deadly_row_of_five_thousand_is_found_alone() {
        for row in [0, 1, 2_499, 2_500, 4_999] {
            let (failed, tries) = work_off(5_000, &[row], 3);
            assert_eq!(failed, [row]);
            assert!(tries <= 60, "{tries}");
        }
    }

    #[test]
    fn accidents_blame_no_row() {
        // Two deaths of the whole chunk are not enough, and what gets done starts the count anew.
        let Next::Again(once) = Trial::default().failed(100, 3) else {
            panic!()
        };
        let Next::Again(twice) = once.failed(100, 3) else {
            panic!()
        };
        assert_eq!((twice.failures, twice.part()), (2, None));
        let Next::Again(halved) = twice.failed(100, 3) else {
            panic!()
        };
        assert_eq!((halved.failures, halved.part()), (0, Some(50)));
        assert_eq!(halved.passed().passed().passed().part(), Some(6));
    }

    proptest! {
        #[test]
        fn exactly_the_deadly_rows_fail(
            rows in 1_u64..300, deadly in prop::collection::btree_set(0_u64..300, 0..5), most in 1_u64..5,
        ) {
            let deadly: Vec<u64> = deadly.into_iter().filter(|row| *row < rows).collect();
            let (failed, tries) = work_off(rows, &deadly, most);
            prop_assert_eq!(failed, deadly.clone());
            prop_assert!(tries <= 1 + (deadly.len() as u64 + 1) * (2 * most + 24));
        }
    }
}
