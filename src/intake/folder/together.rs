//! Steps 8 and 9 for many files of few rows: looked at, read from the ledger and written together, as each by itself would cost as
//! much as a large one. What is not plain about one of them is left to be dealt with by itself.

use std::fs;
use std::sync::Arc;

use super::ended::{REMOVED, SecondLook, look_at, shelf};
use super::layout::{file_at, is_seen};
use super::publish::{Leaving, Shelf, modes};
use super::{Desk, FolderError, FolderRules, blocking, last_of, redacted, stem_and};
use crate::delivery::{Beside, SmallResults};
use crate::ledger::Job;
use crate::ledger::drops::DroppedFile;
use crate::receipt::Form;

/// Files whose results are in memory at once.
const READ: usize = 128;
/// Files written by one thread in a row, and how many threads there are.
const IN_A_ROW: usize = 64;
const AT_ONCE: usize = 2;

/// Files with their jobs.
type Files = Vec<(DroppedFile, Job)>;

/// Whether a job may be one of those; the ledger knows more.
pub(super) fn may_be(job: &Job) -> bool {
    // Of others there is more to write, or to remove.
    let is_done = shelf(job).0 == Shelf::Done && job.gate.is_empty();
    is_done && job.finished_at.is_some() && SmallResults::may_be_of(job) && !redacted::has_secrets(job)
}

/// A file with what its job came to.
struct SmallEnding {
    drop: DroppedFile,
    job: Job,
    results: Option<SmallResults>,
}

/// Writes the outcome of these files beside them. Those that are to leave, and those that are left.
pub(super) async fn end_together(desk: &Desk, files: Files) -> Result<(Vec<Leaving>, Files), FolderError> {
    let (mut leaving, mut others) = (Vec::with_capacity(files.len()), Vec::new());
    let mut files = files.into_iter();
    loop {
        let some: Files = files.by_ref().take(READ).collect();
        if some.is_empty() {
            return Ok((leaving, others));
        }
        let (ended, left) = end_portion(desk, some).await?;
        leaving.extend(ended);
        others.extend(left);
    }
}

async fn end_portion(desk: &Desk, files: Files) -> Result<(Vec<Leaving>, Files), FolderError> {
    let (drops, jobs): (Vec<DroppedFile>, Vec<Job>) = files.into_iter().unzip();
    let results = SmallResults::load(&desk.service.ledger, &jobs).await?;
    let mut ended = drops
        .into_iter()
        .zip(jobs)
        .zip(results)
        .map(|((drop, job), results)| SmallEnding { drop, job, results });
    let (mut leaving, mut others) = (Vec::new(), Vec::new());
    loop {
        let portions: Vec<Vec<SmallEnding>> = (0..AT_ONCE).map(|_| ended.by_ref().take(IN_A_ROW).collect()).collect();
        if portions[0].is_empty() {
            return Ok((leaving, others));
        }
        let written = portions.into_iter().map(|portion| {
            let writer = Writer::of(desk);
            blocking(move || portion.into_iter().map(|one| writer.write(one)).collect::<Vec<_>>())
        });
        for written in futures::future::join_all(written).await {
            for written in written? {
                match written {
                    Ok(one) => leaving.push(one),
                    Err(one) => others.push((one.drop, one.job)),
                }
            }
        }
    }
}

/// What writing takes, away from what does not wait for disks.
struct Writer {
    rules: Arc<FolderRules>,
    form: Form,
}

impl Writer {
    fn of(desk: &Desk) -> Self {
        Self {
            rules: desk.rules.clone(),
            form: desk.service.settings.form,
        }
    }

    /// Writes the outcome of one. What cannot be is tried again by itself, which tells why.
    fn write(&self, ended: SmallEnding) -> Result<Leaving, Box<SmallEnding>> {
        match self.written(&ended) {
            Some((end, to, reason)) => Ok(Leaving {
                drop: ended.drop,
                to,
                reason,
                end,
            }),
            None => Err(Box::new(ended)),
        }
    }

    /// The end of its directory's name, where that belongs, and why there.
    fn written(&self, SmallEnding { drop, job, results }: &SmallEnding) -> Option<(String, Shelf, Option<String>)> {
        let dir = self.rules.layout.path(&drop.place);
        let path = file_at(&self.rules.layout, drop);
        let notes = match look_at(&path, &drop.seen, drop.sha256.as_deref()).ok()? {
            SecondLook::Same => Vec::new(),
            SecondLook::Gone => {
                // Its directory may be as well.
                fs::create_dir_all(&dir).ok()?;
                vec![REMOVED.to_owned()]
            }
            SecondLook::Changed(_) => return None,
        };
        let end = last_of(&job.id.to_string());
        let stem = stem_and(&drop.name, &end);
        let beside = Beside {
            dir: &dir,
            file: &drop.name,
            stem: &stem,
            origin: self.rules.origin(drop),
            notes,
            is_seen: is_seen(&drop.place),
        };
        let written = results.as_ref()?.write_beside(self.form, &beside).ok()?;
        modes(&dir, self.rules.layout.mode, written).ok()?;
        let (to, reason) = shelf(job);
        Some((end, to, reason))
    }
}
