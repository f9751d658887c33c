//! Looking at one job, and stopping or repeating it.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::CommandEnd;
use super::destination::ResultsFormat;
use super::outcome::{passwords, print_result, print_summary, print_with_origin};
use super::output;
use super::progress::ProgressDisplay;
use super::text_table::TextTable;
use crate::app::App;
use crate::delivery::{self, Destination, MayHold};
use crate::file::WholeFile;
use crate::ledger::{Actor, Outcome};
use crate::plan::{Place, Subjects};
use crate::summary::may_have_open_requests;
use crate::table::{Form, TableFormat};

#[derive(Debug, Args)]
pub(super) struct OneJobArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
}

#[derive(Debug, Args)]
pub(super) struct ResultsArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Print this file that the job made instead, e.g. an export
    #[arg(long, value_name = "NAME", conflicts_with_all = ["save", "format"])]
    file: Option<String>,
    /// Write what `run` would have written to this directory instead: results, rejects, receipt.json, sealed passwords and the
    /// files of an ended job
    #[arg(long, value_name = "DIR", value_parser = super::directory, conflicts_with_all = ["file", "save"])]
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
}

#[derive(Debug, Args)]
pub(super) struct RejectsArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    #[command(flatten)]
    table: TableArgs,
}

/// How a table is to be written, and where.
#[derive(Debug, Args)]
struct TableArgs {
    /// Write the rows to this new file instead; a workbook where its name ends in .xlsx
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// CSV or an Excel workbook, in which every cell is text [default: as the name of --save ends, else csv]
    #[arg(long)]
    format: Option<ResultsFormat>,
}

impl TableArgs {
    fn form(&self, app: &App) -> anyhow::Result<Form> {
        let of_name = || self.save.as_deref().map_or(TableFormat::Csv, TableFormat::of_name);
        let format = self.format.map_or_else(of_name, ResultsFormat::table);
        if format == TableFormat::Xlsx && self.save.is_none() && io::stdout().is_terminal() {
            anyhow::bail!("a workbook cannot be shown on a terminal; name a file with --save");
        }
        Ok(Form {
            format,
            ..app.config.results.form()
        })
    }

    fn create(path: &Path) -> anyhow::Result<WholeFile> {
        WholeFile::create_new(path).with_context(|| cannot_be_written(path))
    }
}

fn cannot_be_written(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

#[derive(Debug, Args)]
pub(super) struct RowsArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Only rows with this outcome
    #[arg(long)]
    outcome: Option<RowFilter>,
}

#[derive(Debug, Args)]
pub(super) struct AskedArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RowFilter {
    Applied,
    Unchanged,
    Rejected,
    Failed,
    Cancelled,
    Pending,
    Waiting,
}

impl RowFilter {
    fn matches(self, outcome: Option<Outcome>, is_waiting: bool) -> bool {
        let wanted = match self {
            RowFilter::Applied => Outcome::Applied,
            RowFilter::Unchanged => Outcome::Unchanged,
            RowFilter::Rejected => Outcome::Rejected,
            RowFilter::Failed => Outcome::Failed,
            RowFilter::Cancelled => Outcome::Cancelled,
            RowFilter::Pending => return outcome.is_none() && !is_waiting,
            RowFilter::Waiting => return outcome.is_none() && is_waiting,
        };
        outcome == Some(wanted)
    }
}

pub(super) async fn show(args: &OneJobArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    print_with_origin(app, &app.service.find(&args.job).await?, json).await?;
    Ok(CommandEnd::Fine)
}

pub(super) async fn rows(args: &RowsArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let (mut out, mut table) = (output::out(), TextTable::untitled(output::out()));
    let subjects = app
        .service
        .patiently(|| Subjects::of(&app.service.ledger, &job))
        .await?;
    for (chunk, _) in app
        .service
        .patiently(|| app.service.ledger.chunk_states(job.seq))
        .await?
    {
        let Some(rows) = app
            .service
            .patiently(|| app.service.ledger.chunk_rows(&job, chunk))
            .await?
        else {
            anyhow::bail!("the rows of job {} are no longer kept (`spool.retention`)", job.id);
        };
        let about = match &subjects {
            Some(subjects) => app.service.patiently(|| subjects.chunk(chunk, None)).await?,
            None => None,
        };
        for row in rows.block().rows().filter(|row| rows.is_selected(row.number)) {
            let record = rows.record(row.number, row.line);
            let is_waiting = record.outcome.is_none() && record.code == "waiting";
            if args
                .outcome
                .is_some_and(|filter| !filter.matches(record.outcome, is_waiting))
            {
                continue;
            }
            let subject = about.as_ref().and_then(|about| about.subject(row.number));
            let columns = subjects
                .as_ref()
                .map_or(Vec::new(), |subjects| subjects.places(&record.columns));
            let place = Place::of(&job, record.row, Some(record.line), &columns);
            if json {
                let mut told = serde_json::to_value(&record)?;
                if let Some(sheet) = place.sheet {
                    told["sheet"] = json!(sheet);
                    told["cells"] = json!(place.cells);
                }
                if let Some(subject) = &subject {
                    told["subject"] = json!(subject);
                }
                writeln!(out, "{told}")?;
            } else {
                let outcome = match record.outcome {
                    Some(outcome) => outcome.as_str(),
                    None if is_waiting => "waiting",
                    None => "pending",
                };
                let id = if record.id.is_empty() { "-" } else { &record.id };
                let mut cells = vec![place.to_string(), outcome.to_owned(), id.to_owned()];
                if subjects.is_some() {
                    cells.push(subject.map_or(String::new(), |subject| subject.to_string()));
                }
                cells.push(if record.code.is_empty() || record.outcome.is_none() {
                    record.message
                } else {
                    format!("{} [{}]", record.message, record.code)
                });
                table.row(cells)?;
            }
        }
    }
    out.flush()?;
    table.end()?;
    Ok(CommandEnd::Fine)
}

pub(super) async fn results(args: &ResultsArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    if let Some(dir) = &args.out {
        if !job.state.is_final() {
            anyhow::bail!(
                "job {0} is {1}; its files are written once it has ended (`tenantry results {0}` prints its rows as they are)",
                job.id,
                job.state.as_str()
            );
        }
        app.service.try_results(Some(dir), MayHold::Of(job.id))?;
        let progress = ProgressDisplay::new("writing", json);
        let out = Destination {
            dir: Some(dir),
            format: args.table.format.map(ResultsFormat::table),
        };
        let written = app.service.wait(job.id, out, &progress).await;
        progress.done();
        written?;
        print_result(app, &app.service.job(job.id).await?, json).await?;
        return Ok(CommandEnd::Fine);
    }
    if let Some(name) = &args.file {
        if !delivery::write_file(&app.service.ledger, &job, name, &mut output::out()).await? {
            let made: Vec<String> = app
                .service
                .ledger
                .artifacts(&job)
                .await?
                .into_iter()
                .map(|made| made.name)
                .collect();
            let made = if made.is_empty() {
                "none".to_owned()
            } else {
                made.join(", ")
            };
            anyhow::bail!("job {} has made no file `{name}`; its files: {made}", job.id);
        }
        return Ok(CommandEnd::Fine);
    }
    let (ledger, form) = (&app.service.ledger, args.table.form(app)?);
    match &args.table.save {
        Some(path) => {
            let file = TableArgs::create(path)?;
            let file = delivery::write_results(ledger, &job, form, file).await?;
            file.finish().with_context(|| cannot_be_written(path))?;
        }
        None => {
            delivery::write_results(ledger, &job, form, output::out()).await?;
        }
    }
    if let Some(next) = passwords(app, &job).await.filter(|_| !json) {
        output::hint(&next);
    }
    Ok(CommandEnd::Fine)
}

pub(super) async fn rejects(args: &RejectsArgs, app: &App) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let (ledger, form) = (&app.service.ledger, args.table.form(app)?);
    match &args.table.save {
        Some(path) => {
            let file = TableArgs::create(path)?;
            let file = delivery::write_rejects(ledger, &job, form, file).await?;
            file.finish().with_context(|| cannot_be_written(path))?;
        }
        None => {
            delivery::write_rejects(ledger, &job, form, output::out()).await?;
        }
    }
    Ok(CommandEnd::Fine)
}

pub(super) async fn cancel(args: &AskedArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let waited = job.waiting;
    let (job, is_stopped) = app.service.cancel(&args.by, &job).await?;
    if !is_stopped {
        output::say(&format!("job {} had ended before", job.id));
    }
    print_summary(&job, json)?;
    if waited > 0 && may_have_open_requests(&job) {
        output::hint(&format!(
            "{} waited, and what they asked for stands: `tenantry undo {id}` takes it back, `tenantry retry {id}` goes on with it",
            output::counted(waited, "row"),
            id = job.id
        ));
    }
    Ok(CommandEnd::Fine)
}

pub(super) async fn retry(args: &AskedArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let id = app.service.retry(&args.by, &job).await?;
    let mut out = output::out();
    if json {
        writeln!(out, "{}", json!({ "job": id, "kind": job.kind, "new": true }))?;
    } else {
        writeln!(out, "{id}")?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}
