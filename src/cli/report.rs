//! `tenantry report`: a job for people who were not there.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::CommandEnd;
use super::output;
use crate::app::App;
use crate::file::WholeFile;
use crate::report::{JobReport, begins_a_page, page};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Job ID, or a unique beginning or end of it
    job: String,
    /// Write a page of HTML to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) async fn report(args: &ReportArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let job = app.service.find(&args.job).await?;
    let report = app
        .service
        .patiently(|| JobReport::of(&app.service.ledger, &job))
        .await?;
    let mut out = output::out();
    match &args.html {
        Some(file) if file.as_os_str() != "-" => write(file, &page(&report))?,
        Some(_) => out.write_all(page(&report).as_bytes())?,
        None if json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        None => {
            output::summary(&mut out, &report.summary)?;
            report.write_errors(&mut out)?;
        }
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

fn write(path: &Path, page: &str) -> anyhow::Result<()> {
    let written = || {
        let mut file = WholeFile::create_over(path, begins_a_page)?;
        file.write_all(page.as_bytes())?;
        file.finish()
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}
