//! Folders whose files stay where they are, as nothing may be moved there: in the place of step 2, a file is copied.
//!
//! Whether a file was taken before is known by its path, its size and its time of change, which the ledger has; where only the time
//! differs, its content decides. So every worker that serves the folder takes a changed file again, and not one that is merely there.
//! A change that leaves size and time as they were is not seen: that is why moving is the better way. An entry that is no file, or
//! is none of the files that are taken, is not copied; its outcome says so.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::disk::rename_new;
use super::scan::{look_of, open};
use super::{FolderRules, layout};
use crate::failpoint;
use crate::input::StreamHasher;
use crate::ledger::drops::FileSeen;

/// A copy until all of it is there.
const PART: &str = ".part";

/// What a file is known by that looks like that.
pub(super) fn key(seen: &FileSeen) -> String {
    format!("{}:{}", seen.size, seen.modified)
}

/// Whether what lies there is copied: a file, and one of those that are taken.
pub(super) fn is_copied(rules: &FolderRules, path: &Path) -> bool {
    let is_taken = rules
        .config
        .files
        .fitting(path.file_name().unwrap_or_default())
        .is_some();
    is_taken && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Copies a file into the directory that it is to have, unless it is there already. The hash of its content.
///
/// # Errors
/// It cannot be read or written; or it is not as it was when it had settled.
pub(super) fn copy_in(from: &Path, dir: &Path, seen: &FileSeen) -> io::Result<String> {
    let name = from.file_name().unwrap_or_default();
    let to = dir.join(name);
    let mut source = open(from)?;
    let before = source.metadata()?;
    let is_as_seen = |metadata: &fs::Metadata| layout::is_same(&layout::seen_as(&look_of(metadata)), seen);
    if !before.is_file() || !is_as_seen(&before) {
        return Err(changed());
    }
    let part = dir.join(PART);
    let mut copy = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(&part)?;
    let sha256 = copied(&mut source, &mut copy)?;
    failpoint::hit("drop-part");
    if !is_as_seen(&source.metadata()?) {
        fs::remove_file(&part)?;
        return Err(changed());
    }
    copy.set_modified(before.modified()?)?;
    std::mem::drop(copy);
    match rename_new(&part, &to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => {
            fs::remove_file(&part)?;
            Ok(sha256)
        }
        Ok(()) => Ok(sha256),
    }
}

/// Copies what goes along with a file, if it is one.
pub(super) fn copy_along(from: &Path, dir: &Path) {
    let name = from.file_name().unwrap_or_default();
    let copied = open(from).and_then(|mut source| {
        if !source.metadata()?.is_file() {
            return Err(changed());
        }
        let part = dir.join(PART);
        let mut copy = File::create(&part)?;
        io::copy(&mut source, &mut copy)?;
        rename_new(&part, &dir.join(name))
    });
    if copied.is_err() {
        // Without it the file says what it is by itself, or is refused.
        let _ = fs::remove_file(dir.join(PART));
    }
}

fn changed() -> io::Error {
    io::Error::other("it was changed after it had settled")
}

fn copied(source: &mut File, copy: &mut File) -> io::Result<String> {
    let mut meter = StreamHasher::default();
    let mut bytes = vec![0; 128 << 10];
    loop {
        match source.read(&mut bytes) {
            Ok(0) => return Ok(meter.sha256().to_string()),
            Ok(read) => {
                meter.pass(&bytes[..read]);
                copy.write_all(&bytes[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether all that a directory holds is a copy that was not finished, or one of a file that stays where it is: another worker made it
/// that has lost the folder since.
pub(super) fn is_spare_copy(inbox: &Path, dir: &Path) -> io::Result<bool> {
    let mut is_spare = true;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        is_spare &= name == OsStr::new(PART) || {
            let (copy, original) = (entry.metadata()?, fs::symlink_metadata(inbox.join(&name)));
            original.is_ok_and(|original| {
                original.is_file() && layout::is_same(&layout::seen(&original), &layout::seen(&copy))
            })
        };
    }
    Ok(is_spare)
}

#[cfg(test)]
mod tests {
    use super::super::corrects;
    use super::*;

    #[test]
    fn a_copy_is_whole_and_changed_or_irregular_files_are_not_copied() {
        let (inbox, dir) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let from = inbox.path().join("a.csv");
        fs::write(&from, "one").expect("written");
        let seen = layout::seen(&fs::metadata(&from).expect("there"));
        let hash = copy_in(&from, dir.path(), &seen).expect("copied");
        assert_eq!(hash, corrects::sha256(&from).expect("read"));
        let copy = fs::metadata(dir.path().join("a.csv")).expect("there");
        assert!(layout::is_same(&layout::seen(&copy), &seen));
        assert!(is_spare_copy(inbox.path(), dir.path()).expect("looked"));
        // Once more, as after a death, is no fault; another content is.
        assert_eq!(copy_in(&from, dir.path(), &seen).expect("copied"), hash);
        fs::write(&from, "three").expect("written");
        copy_in(&from, dir.path(), &seen).expect_err("changed");
        assert!(!is_spare_copy(inbox.path(), dir.path()).expect("looked"));
        assert!(!dir.path().join(PART).exists());
        let pipe = inbox.path().join("pipe.csv");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).expect("made");
        copy_in(&pipe, dir.path(), &seen).expect_err("no file");
    }
}
