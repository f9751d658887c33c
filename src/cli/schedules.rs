//! `tenantry schedules`: what happens by itself and when, what has, and what is to happen otherwise.

mod change;
mod explain;
mod next;
mod show;

use clap::{Args, Subcommand};

use super::CommandEnd;
use crate::app::App;
use crate::ledger::Actor;

#[derive(Debug, Args)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show a schedule: what it is, its next times and what came of the last ones
    Show(show::ScheduleShowArgs),
    /// List what is due in the time to come, of all schedules
    Next(next::NextArgs),
    /// Say what a cron expression means, when that is and what becomes of it where clocks change; needs no ledger
    Explain(explain::ScheduleExplainArgs),
    /// Show what would be submitted at a due time, row by row, without writing anything
    Plan(show::SchedulePlanArgs),
    /// Fire once now; no due time is used up by it
    Run(change::ScheduleRunArgs),
    /// Pass over a due time to come
    Skip(change::SkipArgs),
    /// Do nothing at due times until the schedule is resumed
    Pause(change::PauseArgs),
    /// End a pause
    Resume(change::ResumeArgs),
    /// Make up for due times of the past, one after the other; without --yes they are only listed
    Backfill(change::BackfillArgs),
    /// Define a schedule, as a section of the configuration does
    Add(change::DefineArgs),
    /// Change a schedule that was defined by `add`
    Edit(change::DefineArgs),
    /// Remove a schedule that was defined by `add`; what is due and has not begun is not done
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
            Some(What::Explain(args)) => Some(explain::explain(args, json)),
            _ => None,
        }
    }
}

pub(super) async fn schedules(args: SchedulesArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    match args.what {
        None => show::list(app, json).await,
        Some(What::Show(args)) => show::show(&args, app, json).await,
        Some(What::Next(args)) => next::next(&args, app, json).await,
        Some(What::Explain(args)) => explain::explain(&args, json),
        Some(What::Plan(args)) => show::plan(&args, app, json).await,
        Some(What::Run(args)) => change::run(&args, app, json).await,
        Some(What::Skip(args)) => change::skip(&args, app, json).await,
        Some(What::Pause(args)) => change::pause(&args, app, json).await,
        Some(What::Resume(args)) => change::resume(&args, app, json).await,
        Some(What::Backfill(args)) => change::backfill(&args, app, json).await,
        Some(What::Add(args)) => change::define(&args, true, app, json).await,
        Some(What::Edit(args)) => change::define(&args, false, app, json).await,
        Some(What::Remove(args)) => change::remove(&args, app, json).await,
    }
}
