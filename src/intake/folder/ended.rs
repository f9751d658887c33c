//! A file whose job has ended: whether it is still the one that was read, and where it belongs.

use std::fs;
use std::io;
use std::path::Path;

use super::corrects;
use super::layout::{self, is_same};
use super::publish::Shelf;
use crate::ledger::drops::FileSeen;
use crate::ledger::{Job, JobState};

/// What is said of a file that is gone.
pub(super) const REMOVED: &str = "the file itself was removed before the job had ended; its rows were kept";

/// What a second look at a file came to.
pub(super) enum SecondLook {
    Same,
    Gone,
    Changed(String),
}

/// Looks whether a file is as it was, by what it looked like or else by its content.
pub(super) fn look_at(path: &Path, seen: &FileSeen, known: Option<&str>) -> io::Result<SecondLook> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SecondLook::Gone),
        Err(error) => return Err(error),
    };
    if is_same(&layout::seen(&metadata), seen) {
        return Ok(SecondLook::Same);
    }
    let sha256 = corrects::sha256(path)?;
    Ok(if known == Some(&*sha256) {
        SecondLook::Same
    } else {
        SecondLook::Changed(sha256)
    })
}

/// Where the file of an ended job belongs, and why there.
pub(super) fn shelf(job: &Job) -> (Shelf, Option<String>) {
    let counts = &job.counts;
    let nothing = counts.applied + counts.unchanged == 0 && counts.total > 0;
    match job.state {
        JobState::Cancelled => {
            let why = job.message.clone().unwrap_or_else(|| "cancelled".to_owned());
            (Shelf::Failed, Some(why))
        }
        _ if nothing => (Shelf::Failed, Some("no row was applied".to_owned())),
        _ => (Shelf::Done, None),
    }
}
