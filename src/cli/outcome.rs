//! Outcomes of files and jobs, printed.

use std::io::Write;

use super::{CommandEnd, output};
use crate::app::App;
use crate::ledger::Job;
use crate::receipt::passwords_name;
use crate::submit::FileRefusal;
use crate::summary::JobSummary;

/// Tells that a file was refused, and why.
pub(super) fn refused(kind: &str, mut refusal: FileRefusal, all: bool, json: bool) -> anyhow::Result<()> {
    let mut out = output::out();
    if json {
        refusal.write_json(kind, None, &mut out)?;
    } else {
        let good = refusal.good_rows();
        output::faults(&mut out, &mut refusal.faults, all)?;
        let way = match good {
            _ if refusal.is_for_now() => "nothing is wrong with the file; try again in a few minutes".to_owned(),
            0 => "fix the file".to_owned(),
            _ if !refusal.whole => "fix the file, which cannot be read to its end".to_owned(),
            _ => format!(
                "fix the file, or apply its {} with --skip-invalid",
                output::counted(good, "good row")
            ),
        };
        writeln!(out, "nothing was applied; {way}")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints how a job that was worked on or waited for ended, and says what to do next, with the passwords it handed out as well.
pub(super) async fn print_result(app: &App, job: &Job, json: bool) -> anyhow::Result<CommandEnd> {
    let passwords = if json { None } else { passwords(app, job).await };
    told(job, &JobSummary::of(job), passwords, json)
}

/// Prints how a job is, and says what to do next.
pub(super) fn print_summary(job: &Job, json: bool) -> anyhow::Result<CommandEnd> {
    told(job, &JobSummary::of(job), None, json)
}

/// As [`print_summary`], with what brought the job.
pub(super) async fn print_with_origin(app: &App, job: &Job, json: bool) -> anyhow::Result<CommandEnd> {
    let mut summary = JobSummary::of(job);
    let service = &app.service;
    summary.origin = service.patiently(|| service.ledger.brought_by(job.seq)).await?;
    told(job, &summary, None, json)
}

/// What to do about the passwords that a job handed out; `None` if it handed out none, or in the clear, where its submitter is
/// told anyhow.
pub(super) async fn passwords(app: &App, job: &Job) -> Option<String> {
    if job.parameters.seal_to.is_empty() || job.parameters.in_the_clear {
        return None;
    }
    // A job that came to its end is not told of as an error because this cannot be said.
    let parts = app.service.ledger.sealed_parts(job).await.ok()?.len();
    if parts == 0 {
        return None;
    }
    let place = match (&job.out_dir, job.delivered_at) {
        (Some(dir), Some(_)) => {
            let first = format!("{dir}/{}", passwords_name(1, parts));
            let last = passwords_name(parts, parts);
            let place = if parts > 1 { format!("{first} to {last}") } else { first };
            format!("sealed in {place}")
        }
        _ => "kept, sealed".to_owned(),
    };
    Some(format!(
        "the passwords are {place}; the holder of a recipient's key opens them with `tenantry reveal {} --identity KEYFILE`",
        job.id
    ))
}

fn told(job: &Job, summary: &JobSummary, passwords: Option<String>, json: bool) -> anyhow::Result<CommandEnd> {
    let mut out = output::out();
    if json {
        writeln!(out, "{}", summary.to_json())?;
    } else {
        output::summary(&mut out, summary)?;
    }
    out.flush()?;
    let next = output::next(job, summary).into_iter().chain(passwords);
    for next in next.filter(|_| !json) {
        output::hint(&next);
    }
    Ok(output::end_of(job.state, &job.counts))
}
