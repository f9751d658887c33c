//! Marks that a row's keys carry, since what it was to become counts no more once it is known to repeat another.

use crate::store::Verdict;

pub(super) const CREATE: u8 = 1;
pub(super) const CHANGE: u8 = 2;
pub(super) const UNCHANGED: u8 = 3;

/// The mark of a row.
pub(super) fn of(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Create => CREATE,
        Verdict::Change(_) => CHANGE,
        Verdict::Unchanged => UNCHANGED,
        Verdict::Reject(_) => 0,
    }
}
