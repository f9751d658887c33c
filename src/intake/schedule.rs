//! Schedules: jobs that are submitted by themselves at certain times.
//!
//! - `pick`: the file of a fire, found where it lies and only once it is complete.

pub(crate) mod pick;
