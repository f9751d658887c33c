//! `tenantry worker`: work on queued jobs until stopped.

use anyhow::Context;
use clap::Args;

use super::{CommandEnd, output};
use crate::app::App;
use crate::config::Config;
use crate::intake::folder::Folders;
use crate::intake::schedule;
use crate::listen::Listener;
use crate::worker::{self, WorkerOptions};

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// Stop when no job is left to work on
    #[arg(long)]
    drain: bool,
    /// Take nothing in from drop folders: for a copy of a ledger that is in use
    #[arg(long)]
    no_intakes: bool,
    /// Chunks worked on at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: Option<u16>,
    /// Say over HTTP how it is: /healthz, /readyz and /metrics, on an address such as 127.0.0.1:9464 [default: as configured, else
    /// nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
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
    let listener = listener(config).await?;
    let options = WorkerOptions {
        listener,
        concurrency,
        inbox: config.inbox.enabled && !args.no_intakes,
        folders: if args.no_intakes {
            Folders::default()
        } else {
            Folders::new(config.folders.values().filter(|folder| folder.enabled).cloned())
        },
        schedules: (!args.no_intakes).then(|| schedule::of_configuration(config)),
        drain: args.drain,
    };
    let unwritten = worker::serve(&app.service, options, stop).await?;
    Ok(if unwritten == 0 {
        CommandEnd::Fine
    } else {
        CommandEnd::Unfinished
    })
}

/// What is to be listened on.
async fn listener(config: &Config) -> anyhow::Result<Option<Listener>> {
    let Some((address, token)) = config.listen.listening()? else {
        return Ok(None);
    };
    let listener = Listener::bind(address, token)
        .await
        .with_context(|| format!("`listen.address` = `{address}` cannot be listened on"))?;
    let address = listener.address()?;
    tracing::info!(%address, "answering at http://{address}/healthz, /readyz and /metrics");
    Ok(Some(listener))
}
