//! A lower bound of the time that has passed, where there is only this machine's clock.
//!
//! A clock can be wrong, and some of what the sweep does because of the time cannot be taken back: rows and deleted users are
//! let go of, approvals expire. So that goes by the ledger's own time: when the newest audit record was made, as of when the
//! ledger was opened, and the time that has passed since. It is never later than the clock says. After a pause of the whole
//! installation it lags behind by as much, and things are kept for longer; that does no harm.
//!
//! Records move it on, but not by more than a day at once: they may have been made by a clock that was wrong.

use std::sync::atomic::{AtomicI64, Ordering};

use tenantry_foundation::clock::Clock;
use tenantry_foundation::db::{DbError, Tx};

/// The most that a record is believed to be ahead.
const MOST_AHEAD: i64 = 24 * 60 * 60 * 1000;
/// A record this far in the future says that a clock is wrong, or was.
const OFF_BY: i64 = 3_000;

/// The ledger's own time, as one process knows it.
#[derive(Debug)]
pub(super) struct Past {
    /// What to add to the time that has passed by the clock's own count.
    offset: AtomicI64,
}

impl Past {
    /// `newest`: when the newest record was made. A ledger without any is as old as the clock says.
    pub(super) fn new(newest: Option<i64>, clock: &Clock) -> Self {
        let from = newest.unwrap_or_else(|| clock.now_millis());
        Self {
            offset: AtomicI64::new(from - clock.elapsed_millis()),
        }
    }

    pub(super) fn at(&self, clock: &Clock) -> i64 {
        let passed = self.offset.load(Ordering::SeqCst) + clock.elapsed_millis();
        passed.min(clock.now_millis())
    }

    /// Moves on to a record that was made since. How far the clock is ahead of it (less than nothing), if the record is of
    /// the future.
    pub(super) fn observe(&self, newest: i64, clock: &Clock) -> Option<i64> {
        let offset = newest - clock.elapsed_millis();
        let known = self.offset.load(Ordering::SeqCst);
        if offset <= known + MOST_AHEAD {
            self.offset.fetch_max(offset, Ordering::SeqCst);
        }
        let ahead = clock.now_millis() - newest;
        (ahead < -OFF_BY).then_some(ahead)
    }
}

/// When the newest audit record was made.
pub(super) fn newest_record(tx: &mut dyn Tx) -> Result<Option<i64>, DbError> {
    let found = tx.query_first("SELECT at FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)", &[])?;
    found.map(|row| row.int(0)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;

    #[test]
    fn a_clock_that_is_ahead_makes_no_time_pass() {
        // The last record is of an hour ago by the right clock; the other is a month ahead.
        let (right, wrong) = (Clock::held(1_000 * HOUR), Clock::held(1_720 * HOUR));
        let past = Past::new(Some(999 * HOUR), &wrong);
        assert_eq!(past.at(&wrong), 999 * HOUR);
        wrong.advance(HOUR);
        assert_eq!(past.at(&wrong), 1_000 * HOUR);
        // Not even by a record it makes itself.
        past.observe(1_721 * HOUR, &wrong);
        assert_eq!(past.at(&wrong), 1_000 * HOUR);
        // For the one that is right, a record of the future is a sign, and nothing to go by.
        let past = Past::new(Some(999 * HOUR), &right);
        assert_eq!(past.observe(1_721 * HOUR, &right), Some(-721 * HOUR));
        assert_eq!(past.observe(1_000 * HOUR, &right), None);
        assert_eq!(past.at(&right), 1_000 * HOUR);
    }

    #[test]
    fn a_clock_that_is_behind_holds_everything_back() {
        let clock = Clock::held(10 * HOUR);
        let past = Past::new(Some(20 * HOUR), &clock);
        assert_eq!(past.at(&clock), 10 * HOUR);
    }
}
