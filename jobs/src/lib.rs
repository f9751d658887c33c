//! The catalogue of job kinds.
//!
//! One file per kind, its sample CSV beside it, one line in [`JOBS`]. Command-line help, templates,
//! the README's table and the contract tests follow from that list.

mod change;
mod job;
pub mod problem;

pub use change::{Change, CustomerField, CustomerPatch, CustomerRef, NewCustomer, NewUser, Seats, UserField};
pub use job::{Column, Job, Row, Template};
pub use problem::{Problem, code, nearest};

/// Every job kind there is.
pub static JOBS: &[&dyn Job] = &[];

/// The kind of that name.
///
/// # Errors
/// The nearest name there is, if any is near.
pub fn find(kind: &str) -> Result<&'static dyn Job, Option<&'static str>> {
    JOBS.iter()
        .find(|job| job.kind() == kind)
        .copied()
        .ok_or_else(|| nearest(kind, JOBS.iter().map(|job| job.kind())))
}
