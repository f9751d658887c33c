//! `tenantry kinds` and `tenantry template`: what the catalogue offers.

use std::io::Write;

use clap::Args;
use serde_json::json;
use tenantry_jobs::KINDS;

use super::End;
use super::output;

#[derive(Debug, Args)]
pub(super) struct Template {
    /// Kind of job; `tenantry kinds` lists them
    kind: String,
    /// Print sample rows too
    #[arg(long)]
    sample: bool,
    /// Say what belongs into each column instead
    #[arg(long, conflicts_with = "sample")]
    explain: bool,
}

pub(super) fn kinds(json: bool) -> anyhow::Result<End> {
    let mut out = output::out();
    for job in KINDS {
        if json {
            let columns: Vec<_> = job
                .columns()
                .iter()
                .map(|column| json!({ "name": column.name, "required": column.required, "secret": column.secret, "about": column.about }))
                .collect();
            let templates: Vec<_> = job.templates().iter().map(|template| template.name).collect();
            let kind =
                json!({ "kind": job.kind(), "summary": job.summary(), "columns": columns, "templates": templates });
            writeln!(out, "{kind}")?;
        } else {
            writeln!(out, "{:<16} {}", job.kind(), job.summary())?;
        }
    }
    out.flush()?;
    Ok(End::Fine)
}

pub(super) fn template(args: &Template) -> anyhow::Result<End> {
    let job = super::kind(&args.kind)?;
    let mut out = output::out();
    if args.explain {
        for column in job.columns() {
            let required = if column.required { "required" } else { "" };
            writeln!(out, "{:<24} {:<9} {}", column.name, required, column.about)?;
        }
    } else if args.sample {
        write!(out, "{}", job.sample())?;
    } else {
        let names: Vec<&str> = job.columns().iter().map(|column| column.name).collect();
        writeln!(out, "{}", names.join(","))?;
    }
    out.flush()?;
    Ok(End::Fine)
}
