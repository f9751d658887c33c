//! Operations on a folder's file system: that a rename takes nothing's place, and that what was written lasts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::sync_dir;

/// Directories that are put on disk one by one.
const FEW: usize = 4;

/// Renames, unless something has that name already.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do that; the directory is this program's own.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        done => Ok(done?),
    }
}

/// Puts what was written into these directories on disk: one by one where they are few, and else all that waits to be written to
/// their file system, which costs as much as a few of them.
pub(super) fn put_on_disk(root: &Path, dirs: &[PathBuf]) -> io::Result<()> {
    if dirs.len() > FEW && sync_all(root).is_ok() {
        return Ok(());
    }
    dirs.iter().try_for_each(|dir| sync_one(dir))
}

#[cfg(target_os = "linux")]
fn sync_all(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn sync_one(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(dir)
}
