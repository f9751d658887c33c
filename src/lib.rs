//! Tenantry, the batch worker for the customer accounts of cloud resellers.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod delivery;
pub mod failpoint;
pub mod input;
pub mod intake;
pub mod ledger;
pub mod plan;
pub mod queue;
pub mod receipt;
pub mod runner;
pub mod store;
pub mod submit;
pub mod summary;
pub mod telemetry;
