//! `tenantry wait`: until jobs have ended, or go on only once somebody has decided about them.

use std::time::Duration;

use clap::Args;

use super::outcome::print_result;
use super::progress::ProgressDisplay;
use super::{CommandEnd, output};
use crate::app::App;

#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Job IDs, or a unique beginning or end of each
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Wait for this long at most, e.g. 30s or 2h [default: until they have ended]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).ok_or_else(|| "expected a duration such as 30s, 5m or 2h".to_owned())
}

pub(super) async fn wait(args: &WaitArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let mut found = Vec::with_capacity(args.jobs.len());
    for job in &args.jobs {
        found.push(app.service.find(job).await?.id);
    }
    let stop = super::stop_signal()?;
    let timeout = async {
        match args.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let mut timeout = std::pin::pin!(timeout);
    let mut end = CommandEnd::Fine;
    for id in found {
        let progress = ProgressDisplay::new("applying", json);
        let waited = tokio::select! {
            waited = app.service.wait_for(id, &progress) => Some(waited),
            () = &mut timeout => None,
            () = stop.cancelled() => None,
        };
        progress.done();
        let Some(waited) = waited else {
            output::say(&format!(
                "no longer waiting; job {id} goes on: `tenantry show {id}` says how far it is"
            ));
            return Ok(CommandEnd::Unfinished);
        };
        end = end.max(print_result(app, &waited?, json).await?);
    }
    Ok(end)
}
