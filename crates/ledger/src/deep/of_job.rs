//! A job held against a record of it.

use super::DeepReport;
use super::walked::is_first;
use crate::audit::AuditRecord;
use crate::job::Job;
use crate::{Counts, Ledger, digest};
use tenantry_foundation::db::DbError;
use tenantry_jobs::printable;

impl Ledger {
    /// Holds a job against one record of it.
    pub(super) async fn hold(
        &self,
        job: &Job,
        of: &AuditRecord,
        digests_after: i64,
        report: &mut DeepReport,
    ) -> Result<(), DbError> {
        let id = Some(job.id);
        if is_first(of) {
            report.jobs += 1;
            for what in submitted_otherwise(job, of) {
                report.fault(id, what);
            }
        }
        if of.action == "approved" || of.action == "rejected" {
            let decided = job.decided_by.as_deref().unwrap_or("nobody");
            if decided != of.actor {
                let what = format!("it says that {decided} decided about it, and {} did", of.actor);
                report.fault(id, what);
            }
        }
        if !matches!(of.action.as_str(), "applied" | "carried-out") {
            return Ok(());
        }
        let note = of.note.as_deref().unwrap_or_default();
        let ended = note.rsplit("; ").next().unwrap_or(note);
        let state = ended.split(',').next().unwrap_or_default();
        if state != job.state.as_str() {
            report.fault(id, format!("it is {}, and ended as {state}", job.state.as_str()));
        }
        if counts(of).is_some_and(|counts| counts != job.counts) {
            report.fault(id, "the counts of its rows are not those it ended with");
        }
        let seq = job.seq;
        let found = self.db.read(move |tx| digest::recomputed(tx, seq)).await?;
        if digest::is_held(of, digests_after) && found != of.digest {
            report.fault(
                id,
                "the outcomes of its rows, or the images of what they changed, are not those it ended with",
            );
        }
        Ok(())
    }
}

fn counts(of: &AuditRecord) -> Option<Counts> {
    of.counts.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// What of a job is not as it was when it came to be.
fn submitted_otherwise(job: &Job, of: &AuditRecord) -> Vec<String> {
    let mut told = Vec::new();
    if of.kind.as_deref() != Some(&job.kind) {
        told.push(format!(
            "it is of kind `{}`, and was submitted as `{}`",
            job.kind,
            of.kind.as_deref().unwrap_or("-")
        ));
    }
    if of.actor != job.submitted_by {
        told.push(format!(
            "it says that {} submitted it, and {} did",
            job.submitted_by, of.actor
        ));
    } else if of.via != job.submitted_via {
        let via = |via: &Option<String>| via.clone().unwrap_or_else(|| "nothing".to_owned());
        told.push(format!(
            "it says that it was submitted via {}, and it was via {}",
            via(&job.submitted_via),
            via(&of.via)
        ));
    }
    if of.plan_hash.as_deref() != Some(job.hash_to_approve()) {
        told.push("its plan is not the one it was submitted with".to_owned());
    }
    if let Some(counts) = counts(of).filter(|counts| counts.total != job.counts.total) {
        told.push(format!(
            "it has {} rows, and was submitted with {}",
            job.counts.total, counts.total
        ));
    }
    let is_as_recorded = match of.action.as_str() {
        "undone" => job.undo_of.is_some() && job.retry_of.is_none(),
        "retried" => job.retry_of.is_some(),
        _ => job.undo_of.is_none() && job.retry_of.is_none(),
    };
    if !is_as_recorded {
        told.push("it takes back or tries again another job than it was submitted for".to_owned());
    }
    if let Some((name, sha256)) = file(of.note.as_deref().unwrap_or_default()) {
        // Earlier versions have recorded names as they are.
        let is_name = name == job.input_name || name == printable(&job.input_name);
        if !is_name || sha256 != job.input_sha256 {
            told.push("its file is not the one it was submitted with".to_owned());
        }
    }
    told
}

/// The name and the hash of the file in the note of a submission; an undo and a retry have none.
fn file(note: &str) -> Option<(&str, &str)> {
    const HASH: usize = 64;
    let (name, rest) = note.rsplit_once(", sha256 ")?;
    rest.get(..HASH).map(|sha256| (name, sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_in_its_note() {
        let sha256 = "a".repeat(64);
        let note = format!("x, y.csv, sha256 {sha256}, via folder users, x, y.csv, policy 2");
        assert_eq!(file(&note), Some(("x, y.csv", sha256.as_str())));
        assert_eq!(file("retries job 1"), None);
        assert_eq!(file("x.csv, sha256 abc"), None);
    }
}
