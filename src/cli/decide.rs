//! `approve`, `reject`, `pause`, `resume`: what people decide about jobs.

use clap::Args;

use super::CommandEnd;
use super::outcome::tell;
use crate::app::App;
use crate::ledger::{Actor, Job};

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// The hash of the plan that was looked at, or the first 12 digits of it or more
    #[arg(long, value_name = "HASH")]
    hash: String,
    /// Who approves; not who submitted
    #[arg(long, value_name = "NAME", value_parser = super::actor)]
    by: Actor,
}

#[derive(Debug, Args)]
pub(super) struct RejectArgs {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// Who rejects
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
    /// Why
    #[arg(long, value_name = "REASON", default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// Who asks
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn approve(args: &ApproveArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.approve(&args.by, &job, &args.hash).await?, json)
}

pub(super) async fn reject(args: &RejectArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.reject(&args.by, &job, &args.reason).await?, json)
}

pub(super) async fn pause(args: &DecideArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.pause(&args.by, &job).await?, json)
}

pub(super) async fn resume(args: &DecideArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    show(&app.service.resume(&args.by, &job).await?, json)
}

fn show(job: &Job, json: bool) -> anyhow::Result<CommandEnd> {
    tell(job, json)?;
    Ok(CommandEnd::Fine)
}
