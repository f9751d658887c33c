//! Schedules: jobs that are submitted by themselves at certain times.

pub(crate) mod due;
