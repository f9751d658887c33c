//! A fault that only a store can tell to be one.

use crate::Problem;

/// A fault of a value that the store may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueDoubt {
    /// What stores call the value; [`NAME`](Self::NAME) for one that says which record is meant.
    pub field: &'static str,
    /// What is said of it where it would change something.
    pub problem: Problem,
}

impl ValueDoubt {
    /// Of a value that a record was found by.
    pub const NAME: &'static str = "";
}
