//! The integration tests: one binary, one file for each module of the library.

mod input;
mod receipt;
