//! Drop folders: files that are put into a directory become jobs.
//!
//! - `names`: which names are left alone, and how names are shown, compared and ordered
//! - `scan`, `filesystem`: looking through the directory, and what its system can be believed
//! - `settle`, `complete`: whether a file is all there
//! - `sidecar`: what a file asks for
//! - `observe`: all of these together; `wait`: why a file is not taken yet

pub(super) mod complete;
pub(super) mod filesystem;
pub(super) mod names;
mod observe;
pub(super) mod scan;
pub(super) mod settle;
mod sidecar;
mod wait;

#[cfg(test)]
mod tests;
