//! The one integration binary: a file per module of `src/`, against real servers and never against mocks.

mod cli;
mod crash;
mod intake;
mod ledger;
mod place;
mod servers;
mod store;
mod tidy;
