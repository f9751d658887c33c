//! `tenantry jobs`: the list of jobs, once or until it is stopped.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::text_table::TextTable;
use super::{CommandEnd, output, when};
use crate::app::App;
use crate::ledger::{Job, JobFilter, JobId, JobState, ShortIds};
use crate::summary::JobSummary;

/// How often `--watch` lists the jobs again.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears the terminal, and begins at its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    /// Only jobs in this state
    #[arg(long, value_parser = states())]
    state: Option<JobState>,
    /// Only jobs of this kind
    #[arg(long, value_parser = PossibleValuesParser::new(kinds()), hide_possible_values = true)]
    kind: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// List them again every two seconds, until Ctrl-C; for a terminal
    #[arg(long)]
    watch: bool,
}

fn states() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str))
        .try_map(|text| JobState::named(&text).ok_or_else(|| format!("`{text}` is no state of a job")))
}

/// Kinds of jobs there may be in a ledger.
fn kinds() -> Vec<&'static str> {
    let kinds = tenantry_jobs::KINDS.iter().map(|job| job.kind());
    kinds.chain(["undo"]).collect()
}

pub(super) async fn jobs(args: JobsArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let filter = JobFilter {
        state: args.state,
        kind: args.kind,
        limit: args.limit.into(),
    };
    if args.watch {
        return watch(filter, app, json).await;
    }
    let jobs = app.service.jobs(&filter).await?;
    let mut out = output::out();
    if json {
        for job in &jobs {
            writeln!(out, "{}", JobSummary::of(job).to_json())?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let short = short_ids(app, jobs.iter().map(|job| job.id)).await?;
    list(out, &jobs, &short)?;
    Ok(CommandEnd::Fine)
}

/// The short ids of jobs that are listed.
pub(super) async fn short_ids(app: &App, ids: impl IntoIterator<Item = JobId>) -> anyhow::Result<ShortIds> {
    let ids: Vec<JobId> = ids.into_iter().collect();
    Ok(app
        .service
        .patiently(|| app.service.ledger.short_ids(ids.clone()))
        .await?)
}

fn list(out: impl Write, jobs: &[Job], short: &ShortIds) -> io::Result<()> {
    let zone = when::one_zone(jobs.iter().map(|job| job.created_at));
    let submitted = match &zone {
        Some(zone) => format!("submitted ({zone})"),
        None => "submitted".to_owned(),
    };
    let mut table = TextTable::new(out, ["job", "kind", "state", &submitted, "rows"]);
    for job in jobs {
        let waiting = match job.waiting {
            0 => String::new(),
            waiting => format!(", {waiting} waiting"),
        };
        table.row(vec![
            short.of_job(job.id),
            job.kind.clone(),
            job.state.as_str().to_owned(),
            match zone {
                Some(_) => when::bare_minute(job.created_at),
                None => when::minute(job.created_at),
            },
            format!("{}{waiting}", output::counts(&job.counts)),
        ])?;
    }
    table.end()
}

async fn watch(filter: JobFilter, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let Some((_, height)) = output::size().filter(|_| !json) else {
        return Err(output::hinted(
            "--watch shows a list that changes, for which there is no terminal here",
            "`tenantry wait JOB` waits for a job, and `tenantry jobs --json` lists jobs for programs",
        ));
    };
    // The titles and the line below the list need room too.
    let fitting = u64::try_from(height.saturating_sub(3).max(1))?;
    let filter = JobFilter {
        limit: filter.limit.min(fitting),
        ..filter
    };
    let stop = super::stop_signal()?;
    loop {
        let jobs = app.service.jobs(&filter).await?;
        let mut shown = Vec::new();
        let short = short_ids(app, jobs.iter().map(|job| job.id)).await?;
        list(&mut shown, &jobs, &short)?;
        let lines = shown.split_inclusive(|byte| *byte == b'\n');
        let mut out = io::stdout().lock();
        out.write_all(CLEAR.as_bytes())?;
        // What a cell holds was made fit to be seen by the table.
        for line in lines.take(height.saturating_sub(2)) {
            out.write_all(line)?;
        }
        let now = app.service.ledger.clock().now_millis();
        writeln!(out, "\n{}; Ctrl-C ends this", when::second(now))?;
        out.flush()?;
        drop(out);
        if stop
            .run_until_cancelled(tokio::time::sleep(WATCH_EVERY))
            .await
            .is_none()
        {
            return Ok(CommandEnd::Fine);
        }
    }
}
