//! `tenantry worker`: work on queued jobs until stopped.

use clap::Args;

use super::{CommandEnd, output};
use crate::app::App;
use crate::worker::{self, WorkerOptions};

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// Stop when no job is left to work on
    #[arg(long)]
    drain: bool,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
}

pub(super) async fn worker(args: &WorkerArgs, app: &App) -> anyhow::Result<CommandEnd> {
    let stop = super::stop_signal()?;
    let (config, concurrency) = (&app.config, args.concurrency.map(usize::from));
    let at_once = concurrency.unwrap_or(config.worker.concurrency) as u64;
    tracing::info!(
        "working on the jobs of {} with {} at a time, queue {}",
        config.ledger.url,
        output::counted(at_once, "chunk"),
        config.queue.url
    );
    let options = WorkerOptions {
        concurrency,
        inbox: config.inbox.enabled,
        drain: args.drain,
    };
    let unwritten = worker::serve(&app.service, options, stop).await?;
    Ok(if unwritten == 0 {
        CommandEnd::Fine
    } else {
        CommandEnd::Unfinished
    })
}
