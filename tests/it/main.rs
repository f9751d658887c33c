//! The one integration binary: a file per module of `src/`, against real servers and never against mocks.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "tests make small texts and should read plainly"
)]

mod audit;
mod backup;
mod certificates;
mod cli;
mod config;
mod contention;
mod counterpart;
mod crash;
mod db;
mod delivery;
mod docs;
mod doctor;
mod facts;
mod imports;
mod input;
mod intake;
mod invariants;
mod ledger;
mod listen;
mod partner_center;
mod passwords;
mod place;
mod plan;
mod queue;
mod receipt;
mod replaced;
mod report;
mod runner;
mod sandbox;
mod servers;
mod snapshots;
mod store;
mod submit;
mod surroundings;
mod sync;
mod tidy;
mod walk;
mod workers;
