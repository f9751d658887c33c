//! Steps 1 to 3 of the protocol: files are recorded as being taken, moved into directories of their own, and recorded as taken where
//! the record does not say yet where they lie.
//!
//! Of a file that was moved to where its record says that it is to go, nothing more is recorded until it has a job or is refused:
//! the next worker looks there. One that was copied is recorded with the hash of its copy, one that was not moved with the reason.
//!
//! A file that cannot be moved is not read. What a rename answers is not believed where it says that the file is not there: on a
//! network file system the answer to a rename that was done may be lost, and the directory decides.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::disk::{put_on_disk, rename_new};
use super::layout::{FolderLayout, WORKING, sync_dir};
use super::ready::ReadyFile;
use super::{Desk, FolderError, FolderRules, blocking, left};
use crate::failpoint;
use crate::ledger::drops::{DropChange, DropState, DroppedFile, NewDrop};
use crate::metrics::DropResult;

/// A file that could not be moved, and why.
#[derive(Debug)]
pub(super) struct Unmovable {
    pub(super) file: PathBuf,
    pub(super) why: String,
}

/// What was taken, in the order in which it was given, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Taking {
    pub(super) taken: Vec<DroppedFile>,
    pub(super) unmovable: Vec<Unmovable>,
}

/// A file to be moved into the directory that its row names.
pub(super) struct Move {
    pub(super) drop: DroppedFile,
    pub(super) along: Vec<PathBuf>,
    /// Whether the row says already that it is going there.
    pub(super) is_recorded: bool,
}

/// How moving one went.
enum Moved {
    Here,
    /// The same, and the hash of its copy.
    Copied(String),
    /// It is neither where it was nor where it was to go.
    Gone,
    Stuck(io::Error),
}

/// Takes files, in their order.
pub(super) async fn take(desk: &Desk, ready: Vec<ReadyFile>) -> Result<Taking, FolderError> {
    if ready.is_empty() {
        return Ok(Taking::default());
    }
    let clock = desk.service.ledger.clock().clone();
    let mut moves = Vec::with_capacity(ready.len());
    let mut new = Vec::with_capacity(ready.len());
    for one in ready {
        let id = clock.fresh_id().to_string();
        let place = format!("{WORKING}/{id}-{}", desk.hold.fence);
        let one_new = NewDrop {
            id,
            name: one.name,
            file: one.file.as_os_str().as_bytes().to_vec(),
            stays: desk.rules.leaves.then(|| left::key(&one.seen)),
            seen: one.seen,
            owner: one.owner,
            state: DropState::Taking,
            place,
        };
        moves.push((dropped(desk, &one_new), one.along));
        new.push(one_new);
    }
    let seqs = desk.service.ledger.record_drops(&desk.hold, new, Vec::new()).await?;
    failpoint::hit("drop-taking");
    let moves = moves.into_iter().zip(seqs).map(|((drop, along), seq)| Move {
        drop: DroppedFile { seq, ..drop },
        along,
        is_recorded: true,
    });
    move_in(desk, moves.collect()).await
}

pub(super) fn dropped(desk: &Desk, new: &NewDrop) -> DroppedFile {
    DroppedFile {
        seq: 0,
        id: new.id.clone(),
        folder: desk.hold.folder.clone(),
        name: new.name.clone(),
        file: new.file.clone(),
        state: new.state,
        fence: desk.hold.fence,
        seen: new.seen.clone(),
        owner: new.owner.clone(),
        place: new.place.clone(),
        dest: None,
        reason: None,
        corrects: None,
        sha256: None,
        job: None,
        seen_at: 0,
        ended_at: None,
    }
}

/// Moves files whose rows say that they are about to be, and records which were. Files that have a job keep their state.
pub(super) async fn move_in(desk: &Desk, moves: Vec<Move>) -> Result<Taking, FolderError> {
    let (layout, rules) = (desk.layout.clone(), desk.rules.clone());
    let (moves, moved) = blocking(move || {
        let moved: Vec<Moved> = moves.iter().map(|one| move_one(&layout, &rules, one)).collect();
        // Each rename is whole by itself; that it lasts is seen to once for all of them.
        let synced = if rules.leaves {
            let dirs = moves.iter().map(|one| layout.path(&one.drop.place));
            let dirs: Vec<PathBuf> = dirs.filter(|dir| dir.is_dir()).collect();
            put_on_disk(&layout.root, &dirs)
        } else {
            sync_dir(&layout.inbox())
        };
        let synced = synced.and_then(|()| sync_dir(&layout.root.join(WORKING)));
        synced.map(|()| (moves, moved))
    })
    .await?
    .map_err(|error| FolderError::io(&desk.layout.root, error))?;
    failpoint::hit("drop-moved");
    let mut taking = Taking::default();
    let mut changes = Vec::with_capacity(moves.len());
    let mut fault = None;
    for (one, moved) in moves.into_iter().zip(moved) {
        let seq = one.drop.seq;
        let file = PathBuf::from(OsStr::from_bytes(&one.drop.file));
        let is_here = matches!(moved, Moved::Here | Moved::Copied(_));
        let state = match one.drop.state {
            DropState::Taking if is_here => DropState::Taken,
            DropState::Taking | DropState::Taken if !is_here => DropState::Gone,
            // One that has a job goes on without its file: the job has its rows.
            state => state,
        };
        let mut change = DropChange::to(seq, state);
        match moved {
            Moved::Here if one.is_recorded => {
                taking.taken.push(DroppedFile { state, ..one.drop });
                continue;
            }
            Moved::Here | Moved::Copied(_) => {
                change.place = Some(one.drop.place.clone());
                if let Moved::Copied(sha256) = moved {
                    change.sha256 = Some(sha256);
                }
                taking.taken.push(DroppedFile { state, ..one.drop });
            }
            Moved::Gone => change.reason = Some("taken back before it was moved".to_owned()),
            Moved::Stuck(error) => {
                let why = if desk.rules.leaves {
                    format!("cannot be copied: {error}")
                } else {
                    why_stuck(&error)
                };
                change.reason = Some(why.clone());
                if error.kind() == io::ErrorKind::CrossesDevices {
                    fault = Some(format!(
                        "{}: `in` and `{WORKING}` have to lie in one file system, and a file cannot be moved from one to the other",
                        desk.layout.root.display()
                    ));
                }
                taking.unmovable.push(Unmovable { file, why });
            }
        }
        changes.push(change);
    }
    if !changes.is_empty() {
        desk.service
            .ledger
            .change_drops(&desk.hold, changes, Vec::new())
            .await?;
    }
    failpoint::hit("drop-taken");
    let taken = taking
        .taken
        .iter()
        .filter(|drop| drop.state == DropState::Taken)
        .count();
    desk.service.metrics.dropped(&desk.rules.name, taken, DropResult::Taken);
    match fault {
        Some(fault) => Err(FolderError::Trouble(fault)),
        None => Ok(taking),
    }
}

fn why_stuck(error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "cannot be moved: who works here may not (read-only, or another's in a directory with the sticky bit)"
        }
        io::ErrorKind::ReadOnlyFilesystem => "cannot be moved: the file system is read-only",
        io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => "is in use",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "cannot be moved: the disk is full",
        _ => "cannot be moved",
    };
    format!("{what} ({error})")
}

fn move_one(layout: &FolderLayout, rules: &FolderRules, one: &Move) -> Moved {
    let dir = layout.path(&one.drop.place);
    let from = layout.inbox().join(OsStr::from_bytes(&one.drop.file));
    let Some(name) = from.file_name() else {
        return Moved::Gone;
    };
    match fs::DirBuilder::new().mode(0o750).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Moved::Stuck(error),
        _ => {}
    }
    failpoint::hit("drop-directory");
    if rules.leaves {
        return copy_one(layout, rules, one, &from, &dir);
    }
    let to = dir.join(name);
    match rename_new(&from, &to) {
        Ok(()) => {}
        Err(_) if fs::symlink_metadata(&to).is_ok() => {}
        Err(error) => {
            let _ = fs::remove_dir(&dir);
            return if error.kind() == io::ErrorKind::NotFound {
                Moved::Gone
            } else {
                Moved::Stuck(error)
            };
        }
    }
    for along in &one.along {
        if let Some(name) = along.file_name() {
            // What goes along is of no use without the file; without it the file says what it is by itself, or is refused.
            let _ = rename_new(&layout.inbox().join(along), &dir.join(name));
        }
    }
    Moved::Here
}

/// Copies a file that stays where it is.
fn copy_one(layout: &FolderLayout, rules: &FolderRules, one: &Move, from: &Path, dir: &Path) -> Moved {
    // What is there, and is not copied, is refused for what it is.
    if fs::symlink_metadata(from).is_ok() && !left::is_copied(rules, from) {
        return Moved::Here;
    }
    match left::copy_in(from, dir, &one.drop.seen) {
        Ok(sha256) => {
            for along in &one.along {
                left::copy_along(&layout.inbox().join(along), dir);
            }
            Moved::Copied(sha256)
        }
        Err(error) => {
            let _ = fs::remove_dir_all(dir);
            match error.kind() {
                io::ErrorKind::NotFound => Moved::Gone,
                _ => Moved::Stuck(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::folder;
    use super::*;

    /// Case 21: what a rename answers is not believed where it says that the file is not there.
    #[test]
    fn a_rename_that_was_done_is_decided_by_looking() {
        let dir = tempfile::tempdir().expect("made");
        let rules = FolderRules::new(folder(&[("kind", "bulk-add-users")]), false);
        let layout = FolderLayout {
            root: dir.path().to_owned(),
            done: dir.path().join("done"),
            failed: dir.path().join("failed"),
            mode: 0o640,
        };
        for name in [layout.inbox(), layout.root.join(WORKING)] {
            fs::create_dir(name).expect("made");
        }
        let of = |file: &str| Move {
            drop: DroppedFile {
                file: file.as_bytes().to_vec(),
                place: format!("{WORKING}/{file}-1"),
                ..of_nothing()
            },
            along: Vec::new(),
            is_recorded: true,
        };
        // Another mover is at the same files: it takes some of them back, and does what was to be done with the others.
        for number in 0..200 {
            let (name, is_back) = (format!("{number}.csv"), number % 3 == 0);
            let (from, place) = (
                layout.inbox().join(&name),
                layout.root.join(WORKING).join(format!("{name}-1")),
            );
            fs::write(&from, "a").expect("written");
            let other = std::thread::spawn({
                let (from, to) = (from.clone(), place.join(&name));
                let back = layout.root.join("back");
                move || {
                    if is_back {
                        fs::rename(from, back).is_ok()
                    } else {
                        let _ = fs::create_dir(to.parent().expect("a directory"));
                        rename_new(&from, &to).is_ok()
                    }
                }
            });
            let moved = move_one(&layout, &rules, &of(&name));
            let is_taken_back = other.join().expect("it ends") && is_back;
            assert_eq!(matches!(moved, Moved::Here), !is_taken_back, "{name}");
            assert_eq!(place.join(&name).exists(), !is_taken_back, "{name}");
            assert!(!from.exists(), "{name}");
        }
    }

    fn of_nothing() -> DroppedFile {
        DroppedFile {
            seq: 0,
            id: String::new(),
            folder: String::new(),
            name: String::new(),
            file: Vec::new(),
            state: DropState::Taking,
            fence: 1,
            seen: crate::ledger::drops::FileSeen::default(),
            owner: None,
            place: String::new(),
            dest: None,
            reason: None,
            corrects: None,
            sha256: None,
            job: None,
            seen_at: 0,
            ended_at: None,
        }
    }
}
