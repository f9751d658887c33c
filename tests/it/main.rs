//! The one integration binary: a file per module of `src/`, against real servers and never against mocks.

mod cli;
mod config;
mod crash;
mod input;
mod intake;
mod ledger;
mod place;
mod queue;
mod receipt;
mod servers;
mod store;
mod tidy;
