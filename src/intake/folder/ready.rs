//! Files that are to be taken; where they stay, those that were not taken as they are now.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::left::key;
use super::{Desk, FolderError, blocking, corrects};
use crate::ledger::drops::{FileSeen, LeftFile};

/// A file in `in/` that is to be taken.
#[derive(Debug, Clone)]
pub(super) struct ReadyFile {
    /// Its path below `in/`.
    pub(super) file: PathBuf,
    /// What people are shown.
    pub(super) name: String,
    /// As it was when it had settled.
    pub(super) seen: FileSeen,
    /// The name of its owner.
    pub(super) owner: Option<String>,
    /// What goes along with it, such as its marker: paths below `in/`.
    pub(super) along: Vec<PathBuf>,
}

/// Those of the files that were not taken as they are now.
pub(super) async fn untaken(desk: &Desk, ready: Vec<ReadyFile>) -> Result<Vec<ReadyFile>, FolderError> {
    let ledger = &desk.service.ledger;
    let files = ready.iter().map(|one| one.file.as_os_str().as_bytes().to_vec());
    let known = ledger.left_files(&desk.hold.folder, files.collect()).await?;
    let mut untaken = Vec::new();
    for (one, known) in ready.into_iter().zip(known) {
        let key = key(&one.seen);
        match known {
            Some(known) if known.key == key => {}
            Some(LeftFile {
                seq,
                sha256: Some(before),
                ..
            }) if content_of(desk, &one).await?.is_some_and(|now| now == before) => {
                ledger.left_file_touched(seq, key).await?;
            }
            _ => untaken.push(one),
        }
    }
    Ok(untaken)
}

/// The hash of what is in a file, if it can be read.
async fn content_of(desk: &Desk, one: &ReadyFile) -> Result<Option<String>, FolderError> {
    let path = desk.layout.inbox().join(&one.file);
    let hashed = blocking(move || {
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        is_file.then(|| corrects::sha256(&path).ok()).flatten()
    });
    hashed.await
}
