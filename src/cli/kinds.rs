//! `tenantry kinds` and `tenantry template`: what the catalogue offers.

use std::ffi::OsStr;
use std::io::Write;

use clap::Args;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use serde_json::json;
use tenantry_jobs::{JobKind, KINDS};

use super::CommandEnd;
use super::output;
use super::text_table::TextTable;
use crate::config::Config;
use crate::registry::stores;
use crate::table::BOM;

#[derive(Debug, Args)]
pub(super) struct TemplateArgs {
    /// Kind of job; `tenantry kinds` lists them
    #[arg(value_parser = KindName, hide_possible_values = true)]
    kind: String,
    /// Print sample rows too
    #[arg(long)]
    sample: bool,
    /// Say what belongs into each column instead
    #[arg(long, conflicts_with = "sample")]
    explain: bool,
}

/// The name of a kind, which shells complete. What is wrong with one is said later, with the nearest kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct KindName;

impl TypedValueParser for KindName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let about = |kind: &&dyn JobKind| PossibleValue::new(kind.kind()).help(kind.summary());
        Some(Box::new(KINDS.iter().map(about)))
    }
}

pub(super) fn kinds(json: bool) -> anyhow::Result<CommandEnd> {
    if !json {
        let mut table = TextTable::untitled(output::out());
        for job in KINDS {
            table.row(vec![job.kind().to_owned(), job.summary().to_owned()])?;
        }
        table.end()?;
        return Ok(CommandEnd::Fine);
    }
    let mut out = output::out();
    for job in KINDS {
        let columns: Vec<_> = job
                .columns()
                .iter()
                .map(|column| json!({ "name": column.name, "required": column.required, "secret": column.secret, "about": column.about }))
                .collect();
        let templates: Vec<_> = job.templates().iter().map(|template| template.name).collect();
        let kind = json!({ "kind": job.kind(), "summary": job.summary(), "columns": columns, "templates": templates });
        writeln!(out, "{kind}")?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// Columns that the configured store has no place for are left out, so that what is printed can be handed in as it is.
pub(super) fn template(args: &TemplateArgs, config: &Config) -> anyhow::Result<CommandEnd> {
    let job = super::kind(&args.kind)?;
    let mut out = output::out();
    let stores = stores(config, None)?;
    let unkept = stores
        .of(job)
        .map_or(&[][..], |store| (store.capabilities().unkept_columns)(job.kind()));
    let is_kept = |name: &str| !unkept.contains(&name);
    let columns = || job.columns().iter().filter(|column| is_kept(column.name));
    if args.explain {
        let mut table = TextTable::untitled(out);
        for column in columns() {
            let required = if column.required { "required" } else { "" };
            table.row(vec![
                column.name.to_owned(),
                required.to_owned(),
                column.about.to_owned(),
            ])?;
        }
        table.end()?;
        return Ok(CommandEnd::Fine);
    } else if args.sample {
        let sample = if unkept.is_empty() {
            job.sample().to_owned()
        } else {
            sample_of(job, &is_kept)?
        };
        let mark = if config.results.bom && !sample.is_ascii() {
            BOM
        } else {
            ""
        };
        write!(out, "{mark}{sample}")?;
    } else {
        let names: Vec<&str> = columns().map(|column| column.name).collect();
        writeln!(out, "{}", names.join(","))?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// The sample with these columns alone.
fn sample_of(job: &dyn JobKind, is_kept: &dyn Fn(&str) -> bool) -> anyhow::Result<String> {
    let mut sample = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(job.sample().as_bytes());
    let mut kept = csv::Writer::from_writer(Vec::new());
    let mut places = Vec::new();
    for record in sample.records() {
        let record = record?;
        if places.is_empty() {
            places = (0..record.len()).filter(|at| is_kept(&record[*at])).collect();
        }
        kept.write_record(places.iter().map(|at| &record[*at]))?;
    }
    Ok(String::from_utf8(kept.into_inner()?)?)
}
