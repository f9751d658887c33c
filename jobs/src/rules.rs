//! Terms that hold in every store.

/// How long a deleted user can be restored, in milliseconds: 30 days.
pub const RESTORE_WITHIN_MILLIS: i64 = 30 * DAY;
/// How long the other partner of a transfer can answer, in milliseconds: 30 days.
pub const TRANSFER_OPEN_FOR_MILLIS: i64 = 30 * DAY;

const DAY: i64 = 24 * 60 * 60 * 1000;
