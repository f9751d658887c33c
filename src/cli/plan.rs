//! `tenantry plan`: what a file would do, row by row, without writing anything.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use super::output::{self, Progress, SHOWN};
use super::{End, InputArgs};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::input::Sha256;
use crate::ledger::{Ledger, Parameters};
use crate::plan::{CheckedBlock, Fault, FaultLog, PlanError, Planning, Totals};
use crate::store::Verdict;

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// CSV file or Excel workbook (.xlsx)
    file: PathBuf,
    /// Check the file alone, without looking at the store
    #[arg(long)]
    offline: bool,
    /// Show every row and every fault, not just the first; --json always does
    #[arg(long)]
    all: bool,
    /// The customer of all rows, for a file without a `customer` column
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    #[command(flatten)]
    input: InputArgs,
}

pub(super) async fn plan(args: &Plan, config: &Config, json: bool) -> anyhow::Result<End> {
    let kind = super::kind(&args.kind)?;
    let parameters = Parameters {
        customer: args.customer.clone(),
        skip_invalid: false,
    };
    let (store, _empty) = if args.offline {
        (None, None)
    } else {
        store(config).await?
    };
    let source = args.input.source(&args.file);
    let mut planning = Planning::open(source, kind, &parameters, store, config.worker.chunk_rows, false).await?;
    let template = planning.template();
    let sheet = planning.sheet().map(str::to_owned);
    let mut report = Report {
        json,
        all: args.all || json,
        offline: args.offline,
        line: if sheet.is_some() { "row" } else { "line" },
        shown: 0,
        changes: output::out(),
    };
    report.open(kind.kind(), args, template, sheet.as_deref())?;
    let (mut totals, mut faults) = (Totals::default(), FaultLog::default());
    let progress = Progress::new("checking", json);
    let whole = loop {
        let checked = match planning.next().await {
            Ok(Some(checked)) => checked,
            Ok(None) => break true,
            Err(PlanError::Input(error)) => {
                faults.push(Fault::of_file(&error))?;
                break false;
            }
            Err(error) => return Err(error.into()),
        };
        totals.add(&checked);
        progress.at(totals.rows, None);
        report.rows(&checked)?;
        for fault in checked.rejects.into_values().flatten() {
            faults.push(fault)?;
        }
    };
    let mut sha256 = None;
    if whole {
        let planned = planning.finish().await?;
        for repeated in planned.repeated {
            let repeated = repeated?;
            totals.repeat(&repeated);
            faults.push(repeated.fault)?;
        }
        sha256 = Some(planned.digest.sha256);
    }
    progress.done();
    report.close(totals, &mut faults, sha256.as_ref().map(Sha256::as_str))?;
    Ok(match (whole, faults.is_empty()) {
        (false, _) => End::Unfinished,
        (true, true) => End::Fine,
        (true, false) => End::SomeRowsNot,
    })
}

/// The store to preview against. A ledger that does not exist yet is not made: an empty one stands in for it,
/// in a directory that goes when the caller lets go of it.
async fn store(config: &Config) -> anyhow::Result<(Option<Db>, Option<TempDir>)> {
    let url = config.ledger.url.reveal();
    let (url, connections, empty) = if Db::inspect(url).await.is_ok_and(|version| version == 0) {
        let dir = TempDir::new()?;
        (
            format!("sqlite:{}", dir.path().join("empty.db").display()),
            1,
            Some(dir),
        )
    } else {
        (url.to_owned(), config.ledger.connections, None)
    };
    let ledger = Ledger::open(&url, connections, Clock::system())
        .await
        .with_context(|| {
            format!(
                "the ledger `{}` cannot be opened; --offline checks the file alone",
                config.ledger.url
            )
        })?;
    Ok((Some(ledger.db().clone()), empty))
}

struct Report<W: Write> {
    json: bool,
    all: bool,
    offline: bool,
    /// What a line of the file is called.
    line: &'static str,
    shown: u64,
    changes: W,
}

impl<W: Write> Report<W> {
    fn open(&mut self, kind: &str, args: &Plan, template: Option<&str>, sheet: Option<&str>) -> anyhow::Result<()> {
        if self.json {
            let mut head = json!({ "kind": kind, "file": args.file, "template": template, "offline": self.offline });
            if let Some(sheet) = sheet {
                head["sheet"] = sheet.into();
            }
            let head = head.to_string();
            write!(self.changes, "{},\"rows\":[", head.trim_end_matches('}'))?;
        } else if let Some(template) = template {
            writeln!(self.changes, "recognised as the template: {template}")?;
        }
        Ok(())
    }

    fn rows(&mut self, checked: &CheckedBlock) -> anyhow::Result<()> {
        // Offline nothing is known but that the row is sound.
        if self.offline {
            return Ok(());
        }
        for preview in &checked.previews {
            if !self.all && self.shown >= SHOWN {
                break;
            }
            let changes = match &preview.verdict {
                Verdict::Change(changes) => changes.as_slice(),
                _ => &[],
            };
            let action = match preview.verdict {
                Verdict::Create => "create",
                Verdict::Change(_) => "change",
                Verdict::Unchanged => "unchanged",
                Verdict::Reject(_) => "reject",
            };
            let line = checked.line(preview.row);
            if self.json {
                let separator = if self.shown == 0 { "" } else { "," };
                let row = json!({ "row": preview.row, "line": line, "action": action, "changes": changes });
                write!(self.changes, "{separator}{row}")?;
            } else {
                writeln!(self.changes, "{} {line}: {action}", self.line)?;
                for change in changes {
                    writeln!(
                        self.changes,
                        "    {}: {:?} → {:?}",
                        change.field, change.old, change.new
                    )?;
                }
            }
            self.shown += 1;
        }
        Ok(())
    }

    fn close(&mut self, totals: Totals, faults: &mut FaultLog, sha256: Option<&str>) -> anyhow::Result<()> {
        let out = &mut self.changes;
        if self.json {
            write!(out, "],\"errors\":")?;
            output::faults_json(out, faults)?;
            let rest = json!({ "error_codes": faults.by_code(), "totals": totals, "sha256": sha256 }).to_string();
            writeln!(out, ",{}", rest.trim_start_matches('{'))?;
        } else {
            let valid = totals.rows - totals.reject;
            if !self.offline && valid > self.shown {
                let more = output::counted(valid - self.shown, "more row");
                writeln!(out, "… and {more}; --all shows them")?;
            }
            if !faults.is_empty() {
                output::faults(out, faults, self.all)?;
            }
            if self.offline {
                let rows = output::counted(totals.rows, "row");
                writeln!(
                    out,
                    "{rows}: {valid} sound, {} to mend (the store was not asked)",
                    totals.reject
                )?;
            } else {
                let rows = output::counted(totals.rows, "row");
                writeln!(
                    out,
                    "{rows}: {} to create, {} to change, {} unchanged, {} to reject",
                    totals.create, totals.change, totals.unchanged, totals.reject
                )?;
            }
        }
        out.flush()?;
        Ok(())
    }
}
