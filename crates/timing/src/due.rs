//! Due times and their names.
//!
//! A due time is named by its civil time and not by its instant: two workers with different zone data compute different instants for
//! the same run, and have to see that it is the same.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::zone::Zone;

/// A time at which a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What names this time whatever the zone's data says: the civil time as it was matched and which of two such times it is,
    /// `2026-10-25T02:30/1`; of an interval the instant, `2026-10-25T00:30:00Z`.
    pub nominal: String,
    /// The civil time that stands for, which the names of files are made of.
    pub local: DateTime,
    /// When it is.
    pub at: Timestamp,
}

/// The civil time that a due time's name stands for; an instant is read in this zone.
pub(crate) fn local_of_nominal(nominal: &str, zone: &Zone) -> Option<DateTime> {
    match nominal.split_once('/') {
        Some((civil, _)) => civil.parse().ok(),
        None => Some(zone.rules.to_datetime(nominal.parse().ok()?)),
    }
}

/// The name of a civil time, of which a zone may have two.
pub(crate) fn name_of(civil: DateTime, pass: u8) -> String {
    format!("{}/{pass}", civil.strftime("%Y-%m-%dT%H:%M"))
}
