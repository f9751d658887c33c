//! A directory moved to another file system: copied, synced, given its name, and only then removed where it was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::failpoint;

/// Moves a directory by copying it. What an interrupted copy has left is thrown away; one that was finished is found under its
/// name, and only the source is removed then.
pub(super) fn across(from: &Path, to: &Path, id: &str) -> io::Result<()> {
    let parent = to.parent().unwrap_or(Path::new("."));
    // A finished copy has the mark of the directory that it is of until the source is gone.
    let mark = mark_of(to, id);
    if fs::symlink_metadata(to).is_ok() {
        if fs::symlink_metadata(&mark).is_err() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
    } else {
        let part = parent.join(format!(".part-{id}"));
        match fs::remove_dir_all(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&part)?;
        fs::set_permissions(&part, fs::metadata(from)?.permissions())?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let copy = part.join(entry.file_name());
            if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path())?, copy)?;
            } else if kind.is_file() {
                copy_file(&entry.path(), &copy)?;
            }
        }
        File::create(mark_of(&part, id))?.sync_all()?;
        File::open(&part)?.sync_all()?;
        failpoint::hit("drop-copied");
        super::disk::rename_new(&part, to)?;
        File::open(parent)?.sync_all()?;
    }
    failpoint::hit("drop-copy-named");
    match fs::remove_dir_all(from) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    tidy(to, id)
}

/// Takes the mark off a directory whose source is gone, if it has one.
pub(super) fn tidy(to: &Path, id: &str) -> io::Result<()> {
    match fs::remove_file(mark_of(to, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What says that a directory is a finished copy, and of which one.
fn mark_of(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!(".copied-{id}"))
}

/// Copies a file, with its mode, and makes sure that all of it is there.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let length = fs::metadata(from)?.len();
    let copied = fs::copy(from, to)?;
    if copied != length {
        let message = format!("{copied} of {length} bytes of {} were copied", from.display());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    let file = File::open(to)?;
    file.set_modified(fs::metadata(from)?.modified()?)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).expect("made");
        fs::write(from.join("a.csv"), "one").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).expect("linked");
        (dir, from, to)
    }

    #[test]
    fn a_copy_is_whole_and_its_source_gone() {
        let (_dir, from, to) = filled();
        across(&from, &to, "x").expect("moved");
        assert_eq!(fs::read_to_string(to.join("a.csv")).expect("there"), "one");
        assert!(fs::symlink_metadata(to.join("link")).expect("there").is_symlink());
        assert!(!from.exists() && !to.join(".copied-x").exists());
    }

    #[test]
    fn an_interrupted_copy_is_continued_and_a_foreign_one_stays() {
        let (dir, from, to) = filled();
        fs::create_dir(dir.path().join(".part-x")).expect("made");
        fs::write(dir.path().join(".part-x/half"), "h").expect("written");
        across(&from, &to, "x").expect("moved");
        assert!(!to.join("half").exists());
        // Named, and then the machine died: the source is still here.
        fs::create_dir(&from).expect("made");
        fs::write(to.join(".copied-x"), "").expect("written");
        across(&from, &to, "x").expect("moved");
        assert!(!from.exists() && to.join("a.csv").exists());
        fs::create_dir(&from).expect("made");
        let taken = across(&from, &to, "y").expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert!(from.exists());
    }
}
