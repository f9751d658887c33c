//! Steps 6 to 9 of the protocol: what happens to a file whose job waits for approval, or has ended.
//!
//! The job's results, rejects and receipt are written beside the file. A file that was changed after it had been read is a file of
//! its own from then on, for all of its content is to be carried out; what was read before is done and stays so.

use std::collections::HashMap;
use std::fs;
use std::io;

use futures::StreamExt;

use super::disk::rename_new;
use super::ended::{REMOVED, SecondLook, look_at, shelf};
use super::layout::file_at;
use super::layout::{self, WORKING, is_seen};
use super::publish::{self, Leaving, Shelf};
use super::waiting::{self, BesideFile};
use super::{Desk, FolderError, blocking, last_of, not_done, redacted, stem_and, together};
use crate::delivery::{Beside, DeliveryError, write_beside};
use crate::failpoint;
use crate::ledger::drops::{DropState, DroppedFile, NewDrop};
use crate::ledger::{Job, JobId, JobState};

/// Files dealt with at once: what putting things on disk and recording them costs is shared by them.
pub(super) const PAGE: u64 = 500;
/// Directories written to at the same time.
const AT_ONCE: usize = 4;

/// The outcome of files whose jobs wait for approval or have ended, written beside them and not put on disk.
#[derive(Debug, Default)]
pub(super) struct EndedFiles {
    /// Where their directories are to go.
    pub(super) leaving: Vec<Leaving>,
    /// Files that were found changed, to be handed in.
    pub(super) changed: Vec<DroppedFile>,
    /// Whether there may be more.
    pub(super) more: bool,
    /// Why some could not be written.
    pub(super) fault: Option<FolderError>,
}

impl EndedFiles {
    /// Whether there was nothing to be dealt with.
    pub(super) fn is_nothing(&self) -> bool {
        self.leaving.is_empty() && self.changed.is_empty() && self.fault.is_none() && !self.more
    }
}

/// Writes the outcome of files whose jobs wait for approval or have ended, as many as come at once. Those from the first to the last
/// one that is being put away have their time later.
pub(super) async fn end_some(desk: &Desk, being_put_away: Option<(i64, i64)>) -> Result<EndedFiles, FolderError> {
    let ledger = &desk.service.ledger;
    let drops = ledger.settled_drops(&desk.hold.folder, being_put_away, PAGE).await?;
    let more = drops.len() as u64 == PAGE;
    if drops.is_empty() {
        return Ok(EndedFiles::default());
    }
    let ids: Vec<JobId> = drops.iter().filter_map(|drop| drop.job).collect();
    let jobs = desk
        .service
        .jobs_of(ids)
        .await
        .map_err(|error| FolderError::Trouble(error.to_string()))?;
    let jobs: HashMap<JobId, Job> = jobs.into_iter().flatten().map(|job| (job.id, job)).collect();
    let work = drops.into_iter().filter_map(|drop| {
        // Two files may have one job.
        let job = jobs.get(&drop.job?)?.clone();
        Some((drop, job))
    });
    let (small, mut others): (Vec<_>, Vec<_>) = work.partition(|(_, job)| together::may_be(job));
    let (mut leaving, left) = together::end_together(desk, small).await?;
    others.extend(left);
    let mut changed = Vec::new();
    let mut fault = None;
    {
        let work = others.into_iter().map(|(drop, job)| end_one(desk, drop, job));
        let mut work = futures::stream::iter(work).buffered(AT_ONCE);
        while let Some(ended) = work.next().await {
            match ended {
                Ok((one, late)) => {
                    leaving.push(one);
                    changed.extend(late);
                }
                Err(FolderError::Lost) => return Err(FolderError::Lost),
                // One that cannot be written keeps none of the others.
                Err(error) => fault = Some(error),
            }
        }
    }
    Ok(EndedFiles {
        leaving,
        changed,
        more,
        fault,
    })
}

/// Puts on disk what was written beside files, and sends their directories where they belong.
pub(super) async fn put_away(
    desk: &Desk,
    leaving: Vec<Leaving>,
    fault: Option<FolderError>,
) -> Result<(), FolderError> {
    publish::sync(desk, &leaving).await?;
    failpoint::hit("drop-results");
    let failed = leaving.iter().find(|one| one.to == Shelf::Failed);
    if let Some(one) = failed.filter(|_| desk.rules.holds) {
        let why = format!("{}: {}", one.drop.name, one.reason.as_deref().unwrap_or("failed"));
        desk.service.ledger.hold_back(&desk.hold, why).await?;
    }
    publish::send_off(desk, leaving, Vec::new()).await?;
    fault.map_or(Ok(()), Err)
}

async fn end_one(desk: &Desk, drop: DroppedFile, job: Job) -> Result<(Leaving, Option<DroppedFile>), FolderError> {
    let dir = desk.layout.path(&drop.place);
    // Somebody may have removed all of it; its outcome is written all the same.
    let made = dir.clone();
    blocking(move || fs::create_dir_all(made))
        .await?
        .map_err(|error| FolderError::io(&dir, error))?;
    let end = last_of(&job.id.to_string());
    let stem = stem_and(&drop.name, &end);
    let file = BesideFile {
        dir: &dir,
        stem: &stem,
        file: &drop.name,
        bom: desk.rules.bom,
    };
    if job.state == JobState::AwaitingApproval {
        waiting::write(&desk.service.ledger, &job, &file).await?;
        publish::set_modes(desk, &drop).await?;
        let leaving = Leaving {
            drop,
            to: Shelf::Waiting,
            reason: None,
            end,
        };
        return Ok((leaving, None));
    }
    not_done::forget_waiting(&file)?;
    let mut notes = Vec::new();
    let late = match look_again(desk, &drop).await? {
        SecondLook::Same => None,
        SecondLook::Gone if redacted::is_replaced(&file_at(&desk.layout, &drop)) => None,
        SecondLook::Gone => {
            notes.push(REMOVED.to_owned());
            None
        }
        SecondLook::Changed(sha256) => {
            let late = set_apart(desk, &drop, sha256).await?;
            notes.push(format!(
                "the file was changed after it had been read; what it holds now is a file of its own, {}",
                late.id
            ));
            Some(late)
        }
    };
    let beside = Beside {
        dir: &dir,
        file: &drop.name,
        stem: &stem,
        origin: desk.rules.origin(&drop),
        notes,
        is_seen: is_seen(&drop.place),
    };
    // Boxed, as it is large and would be carried in every future around it.
    let written = Box::pin(write_beside(
        &desk.service.ledger,
        job.id,
        desk.service.settings.form,
        &beside,
    ))
    .await;
    match written {
        Ok(_) => {}
        // Nothing is left to write them from, which no waiting will change.
        Err(DeliveryError::RowsGone(_)) => {
            tracing::warn!(
                "folder {}: job {} has ended so long ago that its rows are no longer kept",
                desk.rules.name,
                job.id
            );
        }
        Err(DeliveryError::Db(error)) => return Err(error.into()),
        Err(error) => {
            let why = format!("the results of job {} cannot be written: {error}", job.id);
            return Err(FolderError::Trouble(why));
        }
    }
    if late.is_none() {
        redacted::redact(desk, &job, &drop).await?;
    }
    let (to, reason) = shelf(&job);
    if let Some(why) = &reason {
        not_done::write(desk, &job, why, &file).await?;
    }
    publish::set_modes(desk, &drop).await?;
    let leaving = Leaving { drop, to, reason, end };
    Ok((leaving, late))
}

async fn look_again(desk: &Desk, drop: &DroppedFile) -> Result<SecondLook, FolderError> {
    let path = file_at(&desk.layout, drop);
    let (seen, known) = (drop.seen.clone(), drop.sha256.clone());
    let looked = blocking(move || look_at(&path, &seen, known.as_deref()));
    let looked = looked.await?;
    looked.map_err(|error| FolderError::away(&file_at(&desk.layout, drop), &error))
}

/// Makes a file that was changed late one of its own: recorded first, then moved into a directory of its own.
async fn set_apart(desk: &Desk, drop: &DroppedFile, sha256: String) -> Result<DroppedFile, FolderError> {
    let path = file_at(&desk.layout, drop);
    let metadata = fs::symlink_metadata(&path).map_err(|error| FolderError::away(&path, &error))?;
    let id = desk.service.ledger.clock().fresh_id().to_string();
    let place = format!("{WORKING}/{id}-{}", desk.hold.fence);
    tracing::warn!(
        "folder {}: {} was changed after it had been read (sha256 {sha256} now); it is taken once more",
        desk.rules.name,
        drop.name
    );
    let to = desk.layout.path(&place);
    let from = path.clone();
    let moved = blocking(move || -> io::Result<()> {
        fs::create_dir(&to)?;
        let name = from.file_name().unwrap_or_default();
        rename_new(&from, &to.join(name))?;
        layout::sync_dir(&to)
    });
    // The next worker finds it there, should this one die now: a directory that no row names is adopted.
    moved.await?.map_err(|error| FolderError::io(&path, error))?;
    failpoint::hit("drop-set-apart");
    let new = NewDrop {
        id,
        name: drop.name.clone(),
        file: drop.file.clone(),
        seen: layout::seen(&metadata),
        owner: drop.owner.clone(),
        state: DropState::Taken,
        place,
        stays: None,
    };
    let seqs = desk
        .service
        .ledger
        .record_drops(&desk.hold, vec![new.clone()], Vec::new())
        .await?;
    Ok(DroppedFile {
        seq: seqs.into_iter().next().unwrap_or_default(),
        ..super::claim::dropped(desk, &new)
    })
}
