//! `approve`, `reject`, `pause`, `resume`: what people decide about jobs.

use clap::Args;

use super::End;
use super::inspect::find;
use super::run::tell;
use crate::app::App;
use crate::ledger::{Actor, Job};

#[derive(Debug, Args)]
pub(super) struct Approve {
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
pub(super) struct Reject {
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
pub(super) struct Decide {
    /// Job id, or enough of its beginning or end to tell it apart
    job: String,
    /// Who asks
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn approve(args: &Approve, app: &App, json: bool) -> anyhow::Result<End> {
    let job = find(app, &args.job).await?;
    app.ledger.approve(&job, &args.hash, &args.by).await??;
    app.queue.ring(job.id, 1).await;
    show(app, &job, json).await
}

pub(super) async fn reject(args: &Reject, app: &App, json: bool) -> anyhow::Result<End> {
    let job = find(app, &args.job).await?;
    app.ledger.reject_plan(&job, &args.by, &args.reason).await??;
    show(app, &job, json).await
}

pub(super) async fn pause(args: &Decide, app: &App, json: bool) -> anyhow::Result<End> {
    let job = find(app, &args.job).await?;
    app.ledger.pause(&job, &args.by).await??;
    show(app, &job, json).await
}

pub(super) async fn resume(args: &Decide, app: &App, json: bool) -> anyhow::Result<End> {
    let job = find(app, &args.job).await?;
    app.ledger.resume(&job, &args.by).await??;
    app.queue.ring(job.id, 1).await;
    show(app, &job, json).await
}

async fn show(app: &App, job: &Job, json: bool) -> anyhow::Result<End> {
    tell(&super::run::load(app, job.id).await?, json)?;
    Ok(End::Fine)
}
