//! A timing said in a sentence, and what becomes of it where clocks change.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::timing::Timing;

/// A change of a zone's clocks that concerns a timing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockChange {
    /// When clocks change.
    pub at: Timestamp,
    /// From when to when civil times do not exist, or exist twice.
    pub from: DateTime,
    /// The end of those.
    pub to: DateTime,
    /// What becomes of the timing then, as a sentence without a full stop.
    pub told: String,
}

/// A timing in words: `at 02:00, Monday to Friday`.
pub fn in_words(timing: &Timing) -> String {
    let _ = timing;
    todo!()
}

/// What might be meant otherwise than it is taken, each as a sentence without a full stop.
pub fn warnings(timing: &Timing) -> Vec<String> {
    let _ = timing;
    todo!()
}

/// The changes of the zone's clocks between two instants that concern a timing.
pub fn clock_changes(timing: &Timing, after: Timestamp, until: Timestamp) -> Vec<ClockChange> {
    let _ = (timing, after, until);
    todo!()
}
