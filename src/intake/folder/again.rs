//! A failed file put back to where it was dropped, so that it is taken as a file of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::FolderRules;
use super::disk::rename_new;
use super::layout::WORKING;
use super::layout::file_at;
use crate::ledger::drops::DroppedFile;
use crate::modes::{make_directories, of_directory};

/// Copies the file back. What is there under its name stays as it is, and is an error. Where the copy lies.
pub(crate) fn put_back(rules: &FolderRules, drop: &DroppedFile) -> io::Result<PathBuf> {
    let from = file_at(&rules.layout, drop);
    let dropped = rules.layout.inbox().join(OsStr::from_bytes(&drop.file));
    let to = if rules.leaves {
        // Nothing can be put where files stay. What lies in a directory of its own that no record names is adopted.
        let dir = rules.layout.root.join(WORKING).join(format!("{}-0", drop.id));
        dir.join(dropped.file_name().unwrap_or_default())
    } else {
        dropped
    };
    let taken = || {
        let text = format!("{} is there already", to.display());
        io::Error::new(io::ErrorKind::AlreadyExists, text)
    };
    if fs::symlink_metadata(&to).is_ok() {
        return Err(taken());
    }
    if !fs::symlink_metadata(&from)?.is_file() {
        let text = format!("{} is no file", from.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let parent = to.parent().unwrap_or(Path::new("."));
    make_directories(parent, of_directory(rules.layout.mode))?;
    // A name that is ignored until all of it is there.
    let part = parent.join(format!(".{}.part", drop.id));
    fs::copy(&from, &part)?;
    File::open(&part)?.sync_all()?;
    rename_new(&part, &to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(),
        _ => error,
    })?;
    Ok(to)
}
