//! What became of a file or a job, told.

use std::io::Write;

use super::{End, output};
use crate::ledger::Job;
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
            0 => "mend the file".to_owned(),
            _ if !refusal.whole => "mend the file, which cannot be read to its end".to_owned(),
            _ => format!(
                "mend the file, or apply its {} with --skip-invalid",
                output::counted(good, "good row")
            ),
        };
        writeln!(out, "nothing was applied; {way}")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints how a job ended.
pub(super) fn tell(job: &Job, json: bool) -> anyhow::Result<End> {
    let summary = JobSummary::of(job);
    let mut out = output::out();
    if json {
        writeln!(out, "{}", summary.to_json())?;
    } else {
        output::summary(&mut out, &summary)?;
    }
    out.flush()?;
    if let Some(next) = output::next(job, &summary).filter(|_| !json) {
        output::say(&format!("next: {next}"));
    }
    Ok(output::end_of(job.state, &job.counts))
}
