//! The one integration binary: a file per module of `src/`, against real servers and never against mocks.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "tests make small texts and should read plainly"
)]

mod audit;
mod cli;
mod config;
mod contention;
mod crash;
mod delivery;
mod input;
mod intake;
mod invariants;
mod ledger;
mod partner_center;
mod passwords;
mod place;
mod plan;
mod queue;
mod receipt;
mod report;
mod runner;
mod sandbox;
mod servers;
mod store;
mod sync;
mod tidy;
mod walk;
