//! Steps 8 to 12 of the protocol: the outcome of a file is written beside it, and its directory appears under its last name by one
//! rename.
//!
//! Everything that is written is derived from the ledger, so the next worker writes it again if it is not whole. Where a directory
//! is to go is recorded before it is moved. A worker that finds that record and the directory still here moves it; a worker that
//! finds it gone looks there. Nothing is ever overwritten: a name that is taken gets a number.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tenantry_jobs::key;

use super::disk::{put_on_disk, rename_new};
use super::layout::{DONE, FAILED, FolderLayout, WAITING, file_at, sync_dir};
use super::{Desk, FolderError, blocking, copy, redacted};
use crate::failpoint;
use crate::ledger::audit::AuditEntry;
use crate::ledger::drops::{DropChange, DropState, DroppedFile};
use crate::metrics::DropResult;
use crate::modes::{make_directories, make_directory, of_directory};

/// Names tried for a directory.
const MOST_NAMES: usize = 1_000;

/// Where the directory of a file is to go.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) drop: DroppedFile,
    /// `done`, `failed` or `waiting`.
    pub(super) to: Shelf,
    /// Why, where that is not plain.
    pub(super) reason: Option<String>,
    /// What ids of eight characters come after in the directory's name.
    pub(super) end: String,
}

/// Where directories end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    Waiting,
    Done,
    Failed,
}

impl Leaving {
    fn state(&self) -> DropState {
        match self.to {
            // It stays so until it has been moved.
            Shelf::Waiting => DropState::Submitted,
            Shelf::Done => DropState::Archiving,
            Shelf::Failed => DropState::Quarantining,
        }
    }

    fn dest(&self, day: &str, number: usize) -> String {
        let name = super::stem_and(&self.drop.name, &self.end);
        let name = if number == 0 {
            name
        } else {
            format!("{name}-{}", number + 1)
        };
        match self.to {
            Shelf::Waiting => format!("{WAITING}/{name}"),
            Shelf::Done => format!("{DONE}/{day}/{name}"),
            Shelf::Failed => format!("{FAILED}/{day}/{name}"),
        }
    }
}

/// Sends directories where they belong: recorded, moved, recorded as moved.
pub(super) async fn send_off(desk: &Desk, leaving: Vec<Leaving>, entries: Vec<AuditEntry>) -> Result<(), FolderError> {
    if leaving.is_empty() {
        return Ok(());
    }
    let day = day(desk.service.ledger.clock().now_millis());
    let layout = desk.layout.clone();
    let (leaving, dests) = blocking(move || {
        let mut taken = HashSet::new();
        let mut dests = Vec::with_capacity(leaving.len());
        for one in &leaving {
            let free = (0..MOST_NAMES)
                .map(|number| one.dest(&day, number))
                .find(|dest| !taken.contains(&*key::fold(dest)) && fs::symlink_metadata(layout.path(dest)).is_err());
            let dest = free.unwrap_or_else(|| one.dest(&day, MOST_NAMES));
            // Where the file system tells letters or their forms apart less than others do.
            taken.insert(key::fold(&dest).into_owned());
            dests.push(dest);
        }
        (leaving, dests)
    })
    .await?;
    let mut changes = Vec::with_capacity(leaving.len());
    let mut moving = Vec::with_capacity(leaving.len());
    for (one, dest) in leaving.into_iter().zip(dests) {
        let state = one.state();
        changes.push(DropChange {
            dest: Some(dest.clone()),
            reason: one.reason,
            ..DropChange::to(one.drop.seq, state)
        });
        moving.push(DroppedFile {
            state,
            dest: Some(dest),
            ..one.drop
        });
    }
    desk.service.ledger.change_drops(&desk.hold, changes, entries).await?;
    failpoint::hit("drop-archiving");
    finish_moves(desk, moving).await
}

/// Moves directories to where their rows say that they are to go, as far as that was not done, and records it.
pub(super) async fn finish_moves(desk: &Desk, moving: Vec<DroppedFile>) -> Result<(), FolderError> {
    if moving.is_empty() {
        return Ok(());
    }
    let layout = desk.layout.clone();
    let (moving, moved) = blocking(move || {
        let moved = move_all(&layout, &moving);
        (moving, moved)
    })
    .await?;
    let (mut changes, mut taken, mut fault) = (Vec::new(), Vec::new(), None);
    for (drop, moved) in moving.into_iter().zip(moved) {
        let dest = drop.dest.clone().unwrap_or_default();
        match moved {
            Ok(()) => {
                tracing::info!("folder {}: {} lies in {dest}", desk.rules.name, drop.name);
                changes.push(DropChange {
                    place: Some(dest),
                    ..DropChange::to(
                        drop.seq,
                        match drop.state {
                            DropState::Archiving => DropState::Archived,
                            DropState::Quarantining => DropState::Quarantined,
                            _ => DropState::Waiting,
                        },
                    )
                });
            }
            Err(error) if is_taken(&error) => taken.push(drop),
            Err(error) => fault = Some(FolderError::io(&desk.layout.path(&dest), error)),
        }
    }
    failpoint::hit("drop-published");
    let ended: Vec<DropState> = changes.iter().map(|change: &DropChange| change.state).collect();
    if !changes.is_empty() {
        desk.service
            .ledger
            .change_drops(&desk.hold, changes, Vec::new())
            .await?;
    }
    failpoint::hit("drop-archived");
    for (state, how) in [
        (DropState::Archived, DropResult::Done),
        (DropState::Quarantined, DropResult::Failed),
    ] {
        let files = ended.iter().filter(|ended| **ended == state).count();
        desk.service.metrics.dropped(&desk.rules.name, files, how);
    }
    if !taken.is_empty() {
        let again = taken.into_iter().map(|drop| {
            let end = drop.job.map_or_else(|| drop.id.clone(), |job| job.to_string());
            Leaving {
                to: match drop.state {
                    DropState::Archiving => Shelf::Done,
                    DropState::Quarantining => Shelf::Failed,
                    _ => Shelf::Waiting,
                },
                reason: None,
                end: super::last_of(&end),
                drop,
            }
        });
        Box::pin(send_off(desk, again.collect(), Vec::new())).await?;
    }
    // What could not be moved stays as its row says, and is tried again.
    fault.map_or(Ok(()), Err)
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
    )
}

fn move_all(layout: &FolderLayout, moving: &[DroppedFile]) -> Vec<io::Result<()>> {
    let mut parents = HashSet::new();
    let moved: Vec<io::Result<()>> = moving
        .iter()
        .map(|drop| {
            let (from, to) = (
                layout.path(&drop.place),
                layout.path(drop.dest.as_deref().unwrap_or_default()),
            );
            let parent = to.parent().unwrap_or(Path::new(".")).to_owned();
            if !parents.contains(&parent) {
                make_directories(&parent, of_directory(layout.mode))?;
            }
            parents.insert(parent);
            if drop.state == DropState::Archiving {
                redacted::put_in_place(&file_at(layout, drop))?;
            }
            move_one(&from, &to, drop, layout.mode)
        })
        .collect();
    // A rename that is not on disk yet is found undone, and done again.
    let mut parents = parents.iter().chain([&layout.root]);
    match parents.try_for_each(|dir| sync_dir(dir)) {
        Ok(()) => moved,
        Err(error) => moving
            .iter()
            .map(|_| Err(io::Error::new(error.kind(), error.to_string())))
            .collect(),
    }
}

fn move_one(from: &Path, to: &Path, drop: &DroppedFile, mode: u32) -> io::Result<()> {
    if let Err(error) = fs::symlink_metadata(from)
        && error.kind() == io::ErrorKind::NotFound
    {
        // It was moved before, or somebody has removed it; its name is not taken by another one, which has an id of its own.
        return match fs::symlink_metadata(to) {
            Ok(_) => copy::tidy(to, &drop.id),
            Err(_) => make_directory(to, of_directory(mode)),
        };
    }
    match rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy::across(from, to, &drop.id),
        moved => moved,
    }
}

/// Lets the folder's readers read what was written beside a file.
pub(super) async fn set_modes(desk: &Desk, drop: &DroppedFile) -> Result<(), FolderError> {
    let (dir, mode, name) = (desk.layout.path(&drop.place), desk.layout.mode, drop.name.clone());
    let shown = dir.clone();
    let set = blocking(move || modes(&dir, mode, written(&dir, &name)?)).await?;
    set.map_err(|error| FolderError::io(&shown, error))
}

/// Puts what was written into the directories of these files on disk: one by one where they are few, and else all that waits to be
/// written to their file system, which costs as much as a few of them.
pub(super) async fn sync(desk: &Desk, leaving: &[Leaving]) -> Result<(), FolderError> {
    let dirs: Vec<PathBuf> = leaving.iter().map(|one| desk.layout.path(&one.drop.place)).collect();
    let root = desk.layout.root.clone();
    let synced = blocking(move || put_on_disk(&root, &dirs));
    synced.await?.map_err(|error| FolderError::io(&desk.layout.root, error))
}

/// The UTC day of a time, as directories are called.
fn day(millis: i64) -> String {
    crate::moment::rfc3339(millis).chars().take(10).collect()
}

/// What lies in a directory and was written by this program, but for the file that was dropped.
fn written(dir: &Path, file: &str) -> io::Result<Vec<PathBuf>> {
    let own = fs::metadata(dir)?.uid();
    let mut written = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What was dropped stays as it came, and sealed passwords stay their owner's.
        if name == file || (name.starts_with("passwords") && entry.path().extension().is_some_and(|end| end == "age")) {
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.uid() == own {
            written.push(entry.path());
        }
    }
    Ok(written)
}

/// Gives a directory, and what was written into it, the mode that the folder's readers need, whatever this process' mask is.
pub(super) fn modes(dir: &Path, mode: u32, written: Vec<PathBuf>) -> io::Result<()> {
    let own = fs::metadata(dir)?.permissions().mode() & 0o7777;
    let wanted = (own & 0o7000) | of_directory(mode);
    if own != wanted {
        fs::set_permissions(dir, fs::Permissions::from_mode(wanted))?;
    }
    written
        .into_iter()
        .try_for_each(|path| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
}
