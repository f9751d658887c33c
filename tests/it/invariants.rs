//! What has to be true of a ledger in which nobody is at work, asked of the database itself, and proof that each
//! question can be answered with no.

mod planted;
mod statements;

pub(crate) use statements::{violations, violations_at_work};
