//! The files of a job beside the file that it was made of, as a drop folder has them: nothing of ours takes the place of that one.

use std::path::Path;

use super::{DeliveryError, Files, delivered_name, load, write_json, write_rows};
use crate::ledger::BroughtBy;
use crate::ledger::drops::JobOrigin;
use crate::ledger::{Job, JobId, Ledger};
use crate::receipt::{Durable, Form, Receipt};

/// How long the ledger is waited for. The publisher comes again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Where the files go.
pub(crate) struct Beside<'b> {
    /// The directory.
    pub(crate) dir: &'b Path,
    /// The name of the file that lies there.
    pub(crate) file: &'b str,
    /// What the rejects are called after, since they leave the directory to be fixed.
    pub(crate) stem: &'b str,
    /// What it was.
    pub(crate) origin: JobOrigin,
    /// What is to be said of the file, besides what was on reading it.
    pub(crate) notes: Vec<String>,
    /// Whether somebody may look into the directory before all of it is there.
    pub(crate) is_seen: bool,
}

impl Beside<'_> {
    pub(super) fn names(&self, job: &Job, form: Form) -> Files<'_> {
        let usual = Files::usual(self.dir, form);
        let end = usual.rejects.clone();
        let named = Files {
            rejects: format!("{}.{end}", self.stem),
            durable: if self.is_seen {
                Durable::Later
            } else {
                Durable::WithDirectory
            },
            ..usual
        };
        let file = self.file.to_lowercase();
        let made = job.files.iter().map(|name| delivered_name(name));
        let ours = [named.results.clone(), named.rejects.clone(), named.receipt.clone()];
        let is_taken = ours.into_iter().chain(made).any(|ours| ours.to_lowercase() == file);
        if !is_taken && !file.starts_with("passwords") {
            return named;
        }
        // Longer than the file's own name, so that it is another one.
        let prefix = format!("{}.job-", self.stem);
        Files {
            results: format!("{prefix}{}", named.results),
            rejects: format!("{prefix}{end}"),
            receipt: format!("{prefix}{}", named.receipt),
            prefix,
            ..named
        }
    }
}

/// Writes the files of an ended job beside the one it was made of. The caller puts them on disk.
pub(crate) async fn write_beside(
    ledger: &Ledger,
    id: JobId,
    form: Form,
    beside: &Beside<'_>,
) -> Result<Receipt, DeliveryError> {
    let job = load(ledger, id, PATIENCE).await?;
    let names = beside.names(&job, form);
    let (_, mut receipt) = write_rows(ledger, &job, &names, PATIENCE).await?;
    receipt.origin = Some(BroughtBy::Drop(beside.origin.clone()));
    receipt.input.notes.extend(beside.notes.iter().cloned());
    write_json(beside.dir, &names.receipt, &receipt, names.durable)?;
    Ok(receipt)
}
