//! Schedules: jobs that are submitted by themselves at certain times.
//!
//! What a schedule is, up to when its due times have been looked at, and the outcome of each stands in the ledger
//! ([`crate::ledger::schedules`], [`crate::ledger::fires`]); every worker looks, and the ledger lets one of them succeed. So a
//! worker that dies, a clock that jumps or an edit at the wrong moment makes nothing happen twice, and nothing disappear.
//!
//! - `sync`: the configuration's schedules, brought into the ledger.
//! - `due`: what is due, and whether it may begin; pure.
//! - `serve`: the worker's round.
//! - `fires`: a fire that may begin, up to its job.
//! - `pick`: the file of a fire, found where it lies and only once it is complete.
//! - `reach`: which files a worker reads and moves, whatever the ledger says.
//! - `refused`: what is told of one whose rows are refused.
//! - `rows`: where its rows come from, and what happens to the files.
//! - `known`: a schedule of the ledger, read.
//! - `asked`: what people ask of schedules.
//! - `standing`: whether schedules do what is expected of them.
//! - `health`: that, for `doctor`.

mod asked;
mod due;
mod fires;
mod health;
mod known;
mod pick;
mod reach;
mod refused;
mod rows;
mod serve;
mod standing;
mod sync;

pub(crate) use asked::{ScheduleError, Schedules, due_at, late, time_of, upcoming};
pub(crate) use health::findings;
pub(crate) use known::KnownSchedule;
pub(crate) use serve::{Rounds, serve};
pub(crate) use standing::{ScheduleStatus, standing};
pub(crate) use sync::{definition, of_configuration};
