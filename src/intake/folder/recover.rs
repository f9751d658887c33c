//! Recovery by a worker that takes a folder over: it looks what its predecessor's rows say and what the directories hold, and brings
//! the two together.
//!
//! A file that was about to be moved is moved, or was; a rename that a power cut has undone is done again, under the same id; a
//! directory on its way is sent on. What lies in `working/` and no row names was moved by a worker that had slept through its
//! lease, or by one whose ledger was restored from a backup since: it is adopted as a file of its own. Directories that are empty
//! and no row names are removed.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::claim::{Move, move_in};
use super::layout::{self, WORKING, is_same};
use super::{Desk, FolderError, FolderRules, blocking, left, names, publish, sidecar};
use crate::ledger::audit::{Action, AuditEntry};
use crate::ledger::drops::{DropChange, DropState, DroppedFile, NewDrop};

/// Rows read at once.
const PAGE: u64 = 500;

/// What is to be gone on with.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Files to be handed in, in their order.
    pub(super) taken: Vec<DroppedFile>,
    /// Files that were refused, to be put away.
    pub(super) refused: Vec<DroppedFile>,
    /// Files that were found, of which nobody knows whether they are whole.
    pub(super) unsure: Vec<(DroppedFile, String)>,
}

/// Brings rows and directories together.
pub(super) async fn recover(desk: &Desk) -> Result<Recovered, FolderError> {
    let mut recovered = Recovered::default();
    let taken = &mut recovered.taken;
    let mut named = HashSet::new();
    let lying = list_working(desk).await?;
    let mut after = 0;
    loop {
        let page = desk.service.ledger.open_drops(&desk.hold.folder, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        let (moving, resting): (Vec<_>, Vec<_>) = page.into_iter().partition(|drop| drop.dest.is_some());
        for drop in &moving {
            named.insert(drop.place.clone());
        }
        publish::finish_moves(desk, moving).await?;
        let (rules, lying_here) = (desk.rules.clone(), lying.clone());
        let found = blocking(move || {
            let found = resting.into_iter().map(|drop| {
                let found = find(&rules, &lying_here, &drop);
                (drop, found)
            });
            found.collect::<Vec<_>>()
        })
        .await?;
        let (mut changes, mut again) = (Vec::new(), Vec::new());
        for (mut drop, found) in found {
            let state = drop.state;
            match found {
                FileLocation::At(place) => {
                    let now = if state == DropState::Taking {
                        DropState::Taken
                    } else {
                        state
                    };
                    if now != state || place != drop.place {
                        changes.push(DropChange {
                            place: Some(place.clone()),
                            ..DropChange::to(drop.seq, now)
                        });
                    }
                    (drop.place, drop.state) = (place, now);
                    named.insert(drop.place.clone());
                    match now {
                        DropState::Taken => taken.push(drop),
                        DropState::Refused => recovered.refused.push(drop),
                        _ => {}
                    }
                }
                FileLocation::Dropped => {
                    if drop.place.starts_with(WORKING) {
                        drop.place = format!("{WORKING}/{}-{}", drop.id, desk.hold.fence);
                    }
                    named.insert(drop.place.clone());
                    again.push(Move {
                        drop,
                        along: Vec::new(),
                        is_recorded: false,
                    });
                }
                FileLocation::Nowhere if matches!(state, DropState::Taking | DropState::Taken) => {
                    let why = if state == DropState::Taking {
                        "taken back, or replaced, before it was moved"
                    } else {
                        "removed before it was read"
                    };
                    changes.push(DropChange {
                        reason: Some(why.to_owned()),
                        ..DropChange::to(drop.seq, DropState::Gone)
                    });
                }
                FileLocation::Nowhere => {
                    named.insert(drop.place.clone());
                    if state == DropState::Refused {
                        recovered.refused.push(drop);
                    }
                    // One that has a job goes on from the spool.
                }
            }
        }
        if !changes.is_empty() {
            desk.service
                .ledger
                .change_drops(&desk.hold, changes, Vec::new())
                .await?;
        }
        if !again.is_empty() {
            let moved = move_in(desk, again).await?;
            for drop in moved.taken {
                match drop.state {
                    DropState::Taken => taken.push(drop),
                    DropState::Refused => recovered.refused.push(drop),
                    _ => {}
                }
            }
        }
    }
    taken.sort_by_key(|drop| drop.seq);
    let unsure = adopt(desk, lying, &named).await?.into_iter();
    recovered.unsure = unsure.map(|drop| (drop, "found without a record".to_owned())).collect();
    Ok(recovered)
}

/// Looks for directories that no row names while the folder is being served, and adopts what lies there.
pub(super) async fn adopt_strays(desk: &Desk) -> Result<Vec<DroppedFile>, FolderError> {
    let lying = list_working(desk).await?;
    let ids: Vec<String> = lying.keys().cloned().collect();
    let states = desk.service.ledger.are_open(ids.clone()).await?;
    let is_suspect = |state: &Option<DropState>| state.is_none_or(DropState::is_final);
    let suspects: HashSet<&String> = ids
        .iter()
        .zip(&states)
        .filter(|(_, state)| is_suspect(state))
        .map(|(id, _)| id)
        .collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    // One that is named by a row of another id was adopted before.
    let mut named = HashSet::new();
    let mut after = 0;
    loop {
        let page = desk.service.ledger.open_drops(&desk.hold.folder, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        named.extend(page.into_iter().map(|drop| drop.place));
    }
    let lying = lying.into_iter().filter(|(id, _)| suspects.contains(id)).collect();
    adopt(desk, lying, &named).await
}

/// Where the file of a row was found.
enum FileLocation {
    /// In this place.
    At(String),
    /// In `in/`, as it was.
    Dropped,
    Nowhere,
}

fn find(rules: &FolderRules, lying: &Lying, drop: &DroppedFile) -> FileLocation {
    let layout = &rules.layout;
    let name = Path::new(OsStr::from_bytes(&drop.file))
        .file_name()
        .unwrap_or_default()
        .to_owned();
    let lies_at = |place: &str| fs::symlink_metadata(layout.path(place).join(&name)).is_ok();
    if lies_at(&drop.place) {
        return FileLocation::At(drop.place.clone());
    }
    let others = lying.get(&drop.id).into_iter().flatten();
    for dir in others {
        let place = format!("{WORKING}/{dir}");
        if lies_at(&place) {
            return FileLocation::At(place);
        }
    }
    let dropped = layout.inbox().join(OsStr::from_bytes(&drop.file));
    if rules.leaves && !left::is_copied(rules, &dropped) && layout.path(&drop.place).is_dir() {
        return FileLocation::At(drop.place.clone());
    }
    match fs::symlink_metadata(dropped) {
        Ok(metadata) if is_same(&layout::seen(&metadata), &drop.seen) => FileLocation::Dropped,
        _ => FileLocation::Nowhere,
    }
}

/// Directories in `working/` by the id that each is named after.
type Lying = HashMap<String, Vec<String>>;

async fn list_working(desk: &Desk) -> Result<Lying, FolderError> {
    let path = desk.layout.root.join(WORKING);
    let listed = blocking({
        let path = path.clone();
        move || -> io::Result<Lying> {
            let mut lying = Lying::new();
            for entry in fs::read_dir(path)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let id = name.rsplit_once('-').map_or(name.as_str(), |(id, _)| id).to_owned();
                lying.entry(id).or_default().push(name);
            }
            Ok(lying)
        }
    });
    listed.await?.map_err(|error| FolderError::away(&path, &error))
}

async fn adopt(desk: &Desk, lying: Lying, named: &HashSet<String>) -> Result<Vec<DroppedFile>, FolderError> {
    let mut unnamed: Vec<String> = lying
        .into_values()
        .flatten()
        .map(|dir| format!("{WORKING}/{dir}"))
        .filter(|place| !named.contains(place))
        .collect();
    unnamed.sort();
    let clock = desk.service.ledger.clock().clone();
    let mut adopted = Vec::new();
    let (mut new, mut entries) = (Vec::new(), Vec::new());
    for place in unnamed {
        let dir = desk.layout.path(&place);
        let inbox = desk.rules.leaves.then(|| desk.layout.inbox());
        let found = blocking(move || {
            if inbox.is_some_and(|inbox| left::is_spare_copy(&inbox, &dir).unwrap_or(false)) {
                let _ = fs::remove_dir_all(&dir);
            }
            the_file_in(&dir)
        });
        let Some(file) = found.await? else {
            continue;
        };
        let shown = names::shown(&file.0);
        tracing::warn!(
            "folder {}: {place} holds {shown}, and no record names it; it is adopted as a file of its own",
            desk.rules.name
        );
        let note = format!("folder {}, {shown}, found in {place}", desk.rules.name);
        entries.push(AuditEntry::own(Action::Adopted, note));
        new.push(NewDrop {
            id: clock.fresh_id().to_string(),
            name: shown,
            file: file.0.as_bytes().to_vec(),
            seen: layout::seen(&file.1),
            owner: Some(layout::owner(file.1.uid())),
            state: DropState::Taken,
            place,
            stays: None,
        });
    }
    if new.is_empty() {
        return Ok(adopted);
    }
    let seqs = desk
        .service
        .ledger
        .record_drops(&desk.hold, new.clone(), entries)
        .await?;
    for (seq, new) in seqs.into_iter().zip(&new) {
        adopted.push(DroppedFile {
            seq,
            ..super::claim::dropped(desk, new)
        });
    }
    Ok(adopted)
}

/// The file that a directory was made for. An empty directory is removed.
fn the_file_in(dir: &Path) -> Option<(OsString, fs::Metadata)> {
    let entries = fs::read_dir(dir).ok()?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if files.is_empty() {
        let _ = fs::remove_dir(dir);
        return None;
    }
    // Beside the file there may be what was written about it, and what came along with it.
    files.sort_by_key(|path| (super::reasons::is_ours(path), is_companion(path), path.clone()));
    let first = files.first()?;
    let name = first.file_name()?.to_owned();
    Some((name, fs::symlink_metadata(first).ok()?))
}

/// Whether a name is that of something that goes along with a file: its marker, or the document that says what is to be done.
fn is_companion(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    sidecar::is_one(OsStr::new(&name)) || [".done", ".trg", ".ok"].iter().any(|end| name.ends_with(end))
}
