//! `tenantry audit`: the record of who did what, shown, checked and exported.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use super::jobs::short_ids;
use super::text_table::TextTable;
use super::{CommandEnd, input, on_ledger, output, when};
use crate::app::App;
use crate::config::Config;
use crate::ledger::audit::{Anchor, AuditRecord, ChainReport, Checker};
use crate::ledger::deep::DeepReport;
use crate::ledger::{Counts, JobId};

/// Records shown unless more are asked for.
const SHOWN: u32 = 50;
/// No record comes near this length; a longer line is not read into memory.
const LONGEST_LINE: u64 = 4 << 20;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show the newest records
    Log(LogArgs),
    /// Check that no record was altered, removed, inserted or moved
    #[command(
        after_help = "Exit codes: 0 intact; 1 faults found; 2 could not be verified. The owner of the \
                            database can rewrite the whole chain; an anchor noted elsewhere shows that."
    )]
    Verify(VerifyArgs),
    /// Print the records as lines of JSON, or as CSV
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct LogArgs {
    /// Only records of this job: its ID, or a unique beginning or end of it
    #[arg(long)]
    job: Option<String>,
    /// At most this many [default: 50]
    #[arg(long)]
    limit: Option<u32>,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// A record's number and hash, noted earlier, that must still be in the chain
    #[arg(long, value_name = "SEQ:HASH")]
    anchor: Option<Anchor>,
    /// A file with anchors, such as `audit.anchor` makes, or a log with them among other lines: each must still be in the chain
    #[arg(long, value_name = "FILE", conflicts_with = "anchor")]
    anchors: Option<PathBuf>,
    /// Check this export (lines of JSON, all jobs) instead, or - for one on standard input; no database is asked
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Hold the jobs, their rows' outcomes and before-images, policy and approvers against the record as well; it takes as long as there are records
    #[arg(long, conflicts_with = "file")]
    deep: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// From the first record made at or after this time on, e.g. 2026-01-31T00:00:00Z
    #[arg(long, value_name = "RFC3339")]
    since: Option<Timestamp>,
    /// Only records of this job; such an export has gaps and cannot be verified as a chain
    #[arg(long)]
    job: Option<String>,
    /// Lines of JSON, as --json, or CSV for spreadsheets, which cannot be verified
    #[arg(long, value_enum, default_value_t)]
    format: AuditFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum AuditFormat {
    #[default]
    Json,
    Csv,
}

pub(super) async fn audit(args: AuditArgs, config: Config, json: bool) -> anyhow::Result<CommandEnd> {
    // clap could say so itself, but would then refuse `tenantry audit --json verify` as well.
    if args.command.is_some() && (args.log.job.is_some() || args.log.limit.is_some()) {
        bail!("--job and --limit come after the subcommand");
    }
    match args.command.unwrap_or(AuditCommand::Log(args.log)) {
        AuditCommand::Verify(VerifyArgs {
            anchor,
            anchors,
            file: Some(file),
            ..
        }) => {
            let verify = move || verify_file(&file, noted(anchor, anchors.as_deref(), None)?);
            let report = tokio::task::spawn_blocking(verify).await??;
            print_report(&report, None, json)
        }
        AuditCommand::Verify(args) => {
            on_ledger(config, async |app| {
                let (VerifyArgs { anchor, anchors, .. }, ledger) = (&args, &app.service.ledger);
                let number = ledger.installation().number();
                let noted = noted(anchor.clone(), anchors.as_deref(), Some(number))?;
                let report = app.service.patiently(|| ledger.verify_audit(noted.clone())).await?;
                let deep = if args.deep {
                    Some(app.service.patiently(|| app.service.ledger.verify_deep()).await?)
                } else {
                    None
                };
                print_report(&report, deep.as_ref(), json)
            })
            .await
        }
        AuditCommand::Log(args) => on_ledger(config, async |app| log(&args, app, json).await).await,
        AuditCommand::Export(args) => {
            if args.format == AuditFormat::Csv && json {
                bail!("--json and --format csv ask for two formats; leave one of them out");
            }
            on_ledger(config, async |app| export(&args, app).await).await
        }
    }
}

async fn log(args: &LogArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = job(app, args.job.as_deref()).await?;
    let records = app
        .service
        .patiently(|| app.service.ledger.audit_log(job, args.limit.unwrap_or(SHOWN).into()))
        .await
        .context("the audit record cannot be shown; `tenantry audit verify` names what is wrong with it")?;
    let mut out = output::out();
    if json {
        for record in &records {
            writeln!(out, "{}", record.to_json())?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let of_record = |record: &AuditRecord| record.job.as_deref().and_then(|id| id.parse::<JobId>().ok());
    let short = short_ids(app, records.iter().filter_map(of_record)).await?;
    let mut table = TextTable::new(out, ["seq", "time", "actor", "action", "job", "what"]);
    for record in &records {
        let plan = record.plan_hash.as_deref().map(|hash| format!("plan {hash}"));
        let jobs = record.job_count().map(|count| output::counted(count as u64, "job"));
        // What follows the first line of a note is for programs: signatures, and what was taken from limits.
        let note = record
            .note
            .as_deref()
            .and_then(|note| note.lines().next())
            .map(str::to_owned);
        let what: Vec<String> = [&jobs, &record.kind, &note, &plan]
            .into_iter()
            .filter_map(|part| part.as_deref().map(with_short_hashes))
            .collect();
        let counts = counted(record).map_or(String::new(), |counts| format!(" ({counts})"));
        let cells = [
            &record.seq.to_string(),
            &when::second_of(&record.time()),
            &record.actor,
            &record.action,
            &short.of_some(of_record(record)),
            &format!("{}{counts}", what.join("; ")),
        ];
        table.row(cells.map(|cell| output::printable(cell)).to_vec())?;
    }
    table.end()?;
    Ok(CommandEnd::Fine)
}

/// The outcome of the rows; nothing as long as nothing has.
fn counted(record: &AuditRecord) -> Option<String> {
    let counts: Counts = serde_json::from_str(record.counts.as_deref()?).ok()?;
    let done = counts.applied + counts.unchanged + counts.rejected + counts.failed + counts.cancelled;
    Some(if done == 0 {
        output::counted(counts.total, "row")
    } else {
        output::counts(&counts)
    })
}

/// A text in which SHA-256 hashes are cut to what tells them apart; the export has them whole.
fn with_short_hashes(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let hex = word.trim_end_matches([',', ';']);
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            format!("{}…{}", &hex[..12], &word[64..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

async fn export(args: &ExportArgs, app: &App) -> anyhow::Result<CommandEnd> {
    let job = job(app, args.job.as_deref()).await?;
    let mut after = match args.since {
        Some(since) => {
            // Records have whole milliseconds; one made within the asked-for millisecond, but before, is not meant.
            let millis = since.as_millisecond() + i64::from(since.subsec_nanosecond() % 1_000_000 > 0);
            app.service
                .patiently(|| app.service.ledger.audit_before(millis))
                .await?
        }
        None => i64::MIN,
    };
    let mut out = output::out();
    let mut csv = (args.format == AuditFormat::Csv).then(|| csv::Writer::from_writer(output::out()));
    if let Some(csv) = &mut csv {
        csv.write_record(COLUMNS)?;
    }
    loop {
        let page = app
            .service
            .patiently(|| app.service.ledger.audit_page(job, after))
            .await
            .context("the audit record cannot be exported; `tenantry audit verify` names what is wrong with it")?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for record in page {
            match &mut csv {
                Some(csv) => {
                    for of_one in record.of_each_job() {
                        csv.write_record(cells(&of_one))?;
                    }
                }
                None => writeln!(out, "{}", record.to_json())?,
            }
        }
    }
    if let Some(mut csv) = csv {
        csv.flush()?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

const COLUMNS: [&str; 12] = [
    "seq",
    "time",
    "actor",
    "action",
    "job",
    "kind",
    "plan_hash",
    "counts",
    "note",
    "via",
    "prev",
    "hash",
];

fn cells(record: &AuditRecord) -> [String; 12] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        record.seq.to_string(),
        record.time(),
        record.actor.clone(),
        record.action.clone(),
        text(&record.job),
        text(&record.kind),
        text(&record.plan_hash),
        text(&record.counts),
        text(&record.note),
        text(&record.via),
        record.prev.clone(),
        record.hash.clone(),
    ];
    cells.map(|cell| {
        // A spreadsheet would take it for a formula.
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{cell}")
        } else {
            cell
        }
    })
}

async fn job(app: &App, text: Option<&str>) -> anyhow::Result<Option<JobId>> {
    match text {
        Some(text) => Ok(Some(app.service.find_recorded(text).await?)),
        None => Ok(None),
    }
}

/// Anchors that were noted: the one that is given, or those in a file, where a line without any says nothing. Of another ledger than
/// `installation` are those that say so.
fn noted(anchor: Option<Anchor>, file: Option<&Path>, installation: Option<u64>) -> anyhow::Result<Vec<Anchor>> {
    let Some(path) = file else {
        return Ok(anchor.into_iter().collect());
    };
    let name = input::name(path);
    let cannot = || format!("{name} cannot be read");
    let mut file = BufReader::new(File::open(path).with_context(cannot)?);
    let (mut noted, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.with_context(cannot)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some((at, anchor)) = words
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, word)| Some((at, word.parse::<Anchor>().ok()?)))
        else {
            continue;
        };
        let of: Option<u64> = at.checked_sub(1).and_then(|before| words[before].parse().ok());
        if of.is_none() || installation.is_none() || of == installation {
            noted.push(anchor);
        }
    }
    if noted.is_empty() {
        bail!(
            "{name} has no anchor of this ledger, which is the number of a record, a colon and its 64 digits of hash"
        );
    }
    Ok(noted)
}

fn verify_file(path: &Path, anchors: Vec<Anchor>) -> anyhow::Result<ChainReport> {
    let name = input::name(path);
    let cannot = || format!("{name} cannot be read");
    let from: Box<dyn Read> = if input::is_standard_input(path) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(cannot)?)
    };
    let mut file = BufReader::new(from);
    let mut checker = Checker::part(anchors);
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number += 1;
        let read = (&mut file)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .with_context(cannot)?;
        if read == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if read as u64 == LONGEST_LINE {
            bail!("line {number} of {name} is too long for a record");
        }
        let record = std::str::from_utf8(&line)
            .map_err(|error| error.to_string())
            .and_then(AuditRecord::from_json);
        match record {
            Ok(record) => checker.take(&record),
            Err(why) => checker.unreadable(format!("line {number}"), None, why),
        }
    }
    let report = checker.end();
    if report.last.is_none() {
        bail!("{name} holds no record; `tenantry audit export` writes what can be verified");
    }
    Ok(report)
}

fn print_report(report: &ChainReport, deep: Option<&DeepReport>, json: bool) -> anyhow::Result<CommandEnd> {
    let deep_faults = deep.map_or(0, |deep| deep.fault_count);
    let intact = report.fault_count + deep_faults == 0 && !report.anchor_before;
    let mut out = output::out();
    if json {
        let mut document = serde_json::to_value(report)?;
        document["intact"] = json!(intact);
        for (fault, shown) in report.faults.iter().zip(0..) {
            document["faults"][shown]["message"] = json!(fault.to_string());
        }
        if let Some(deep) = deep {
            document["deep"] = json!(deep);
        }
        writeln!(out, "{document}")?;
    } else {
        if let Some(deep) = deep {
            for fault in &deep.faults {
                writeln!(out, "{}", output::printable(&fault.to_string()))?;
            }
            let (jobs, faults) = (
                output::counted(deep.jobs, "job"),
                output::counted(deep.fault_count, "fault"),
            );
            writeln!(out, "{jobs} held against the record: {faults}")?;
        }
        print_text(&mut out, report, report.fault_count == 0 && !report.anchor_before)?;
    }
    out.flush()?;
    Ok(if report.fault_count + deep_faults > 0 {
        CommandEnd::SomeRowsNot
    } else if report.anchor_before {
        CommandEnd::Unfinished
    } else {
        CommandEnd::Fine
    })
}

fn print_text(out: &mut dyn Write, report: &ChainReport, intact: bool) -> std::io::Result<()> {
    for fault in &report.faults {
        writeln!(out, "{}", output::printable(&fault.to_string()))?;
    }
    let kept = report.faults.len() as u64;
    if report.fault_count > kept {
        writeln!(out, "… and {} more", report.fault_count - kept)?;
    }
    if report.anchor_before {
        writeln!(
            out,
            "the records begin after what is anchored, which says nothing about them"
        )?;
    }
    let records = output::counted(report.records, "record");
    if report.anchors > 1 {
        let (all, lost) = (report.anchors, report.anchors_lost);
        writeln!(out, "{all} anchors: the chain holds {}, and not {lost}", all - lost)?;
    }
    let (Some(first), Some(last), Some(hash)) = (report.first, report.last, &report.hash) else {
        return if intact {
            writeln!(out, "intact: {records}")
        } else {
            writeln!(out, "{}: {records} read", output::counted(report.fault_count, "fault"))
        };
    };
    if intact {
        writeln!(out, "intact: {records}, {first} to {last}; anchor {last}:{hash}")
    } else {
        let faults = output::counted(report.fault_count, "fault");
        writeln!(out, "{faults}: {records} read, {first} to {last}")
    }
}
