//! `tenantry schedules`: what happens by itself and when, what has, and what is to happen otherwise.

mod change;
mod explain;
mod next;
mod show;

use clap::{Args, Subcommand};

use super::{CommandEnd, output};
use crate::app::App;
use crate::intake::schedule::ScheduleError;
use crate::ledger::Actor;

#[derive(Debug, Args)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    what: Option<ScheduleCommand>,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Show a schedule, its next times and its history
    Show(show::ScheduleShowArgs),
    /// List the next times of all schedules
    Next(next::NextArgs),
    /// Explain a cron expression, its times and clock changes; needs no ledger
    Explain(explain::ScheduleExplainArgs),
    /// Show row by row what a schedule would submit at a due time
    Plan(show::SchedulePlanArgs),
    /// Fire a schedule once now; its due times stay
    Run(change::ScheduleRunArgs),
    /// Skip a future due time
    Skip(change::SkipArgs),
    /// Pause a schedule until it is resumed
    Pause(change::PauseArgs),
    /// Resume a paused schedule
    Resume(change::ResumeArgs),
    /// Fire past due times, one after the other; without --yes, list them
    Backfill(change::BackfillArgs),
    /// Define a schedule, as a section of the configuration does
    Add(change::DefineArgs),
    /// Change a schedule that `add` defined
    Edit(change::DefineArgs),
    /// Remove a schedule that `add` defined; due times that have not begun are dropped
    Remove(change::RemoveArgs),
}

/// Who asks.
#[derive(Debug, Args)]
struct By {
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

impl SchedulesArgs {
    /// What is asked, if that needs neither ledger nor configuration; and the answer.
    pub(super) fn explained(&self, json: bool) -> Option<anyhow::Result<CommandEnd>> {
        match &self.what {
            Some(ScheduleCommand::Explain(args)) => Some(explain::explain(args, json)),
            _ => None,
        }
    }
}

pub(super) async fn schedules(args: SchedulesArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let ended = answer(args, app, json).await;
    ended.map_err(|error| {
        let Some(ScheduleError::Unknown { name, .. }) = error.downcast_ref() else {
            return error;
        };
        if !app.config.schedules.named.contains_key(name) {
            return output::hinted(error.to_string(), "`tenantry schedules` lists the schedules");
        }
        // It comes into the ledger with a worker.
        output::hinted(
            format!("schedule {name} is not in force yet: it is in the configuration, and not in the ledger"),
            "a `tenantry worker` with this configuration starts it",
        )
    })
}

async fn answer(args: SchedulesArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    match args.what {
        None => show::list(app, json).await,
        Some(ScheduleCommand::Show(args)) => show::show(&args, app, json).await,
        Some(ScheduleCommand::Next(args)) => next::next(&args, app, json).await,
        Some(ScheduleCommand::Explain(args)) => explain::explain(&args, json),
        Some(ScheduleCommand::Plan(args)) => show::plan(&args, app, json).await,
        Some(ScheduleCommand::Run(args)) => change::run(&args, app, json).await,
        Some(ScheduleCommand::Skip(args)) => change::skip(&args, app, json).await,
        Some(ScheduleCommand::Pause(args)) => change::pause(&args, app, json).await,
        Some(ScheduleCommand::Resume(args)) => change::resume(&args, app, json).await,
        Some(ScheduleCommand::Backfill(args)) => change::backfill(&args, app, json).await,
        Some(ScheduleCommand::Add(args)) => change::define(&args, true, app, json).await,
        Some(ScheduleCommand::Edit(args)) => change::define(&args, false, app, json).await,
        Some(ScheduleCommand::Remove(args)) => change::remove(&args, app, json).await,
    }
}
