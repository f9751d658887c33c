//! Permissions of what this program writes: for its owner alone, whatever mask it was started with, unless the configuration lets
//! others read results.
//!
//! The mask of the process says it for every file and directory that is made without a mode of its own. What is nobody else's business
//! (ledger, keys, passwords) has one; so have the directories of drop folders, in which others have to reach their files.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// From here on what is written is its owner's alone.
pub(crate) fn keep_to_owner() {
    umask(Mode::from_raw_mode(0o077));
}

/// From here on no memory of this process or of its children is written to a file when one of them crashes: it may hold secrets.
pub(crate) fn leave_no_core() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // What a system does that refuses this is its own affair; it is no reason to do nothing.
    let _ = setrlimit(Resource::Core, none);
}

/// From here on files may be read as `mode` says, and directories searched.
pub(crate) fn allow(mode: u32) {
    umask(Mode::from_raw_mode(0o777 & !of_directory(mode)));
}

/// The mode of a directory whose files have that mode.
pub(crate) fn of_directory(mode: u32) -> u32 {
    0o700 | mode | (mode & 0o444) >> 2
}

/// Makes a directory, and those that it lies in, each with that mode whatever the mask is. What is there stays as it is.
pub(crate) fn make_directories(path: &Path, mode: u32) -> io::Result<()> {
    match make_directory(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            make_directories(parent.ok_or(error)?, mode)?;
            make_directory(path, mode)
        }
        made => made,
    }
}

/// As [`make_directories`], of one whose parent is there.
pub(crate) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            // A directory in one with a group of its own has that group, and a bit that says so.
            let own = fs::metadata(path)?.permissions().mode() & 0o7000;
            fs::set_permissions(path, Permissions::from_mode(own | mode))
        }
        // What is no directory is told of by who wants to put something into it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_searchable_by_readers_of_their_files() {
        assert_eq!(
            [0o600, 0o640, 0o660, 0o644].map(of_directory),
            [0o700, 0o750, 0o770, 0o755]
        );
        let dir = tempfile::tempdir().expect("made");
        let path = dir.path().join("a/b");
        make_directories(&path, 0o750).expect("made");
        make_directories(&path, 0o777).expect("there");
        for made in [path.as_path(), path.parent().expect("a parent")] {
            assert_eq!(fs::metadata(made).expect("there").permissions().mode() & 0o777, 0o750);
        }
    }
}
