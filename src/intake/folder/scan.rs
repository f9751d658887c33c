//! Looking through a folder's directory: entries stream by, none of them is followed or opened but a file of a network.
//!
//! Of a file it is seen what it looks like; what is no file is told apart. Directories that stand for a customer or a kind are
//! gone into, as deep as the configuration says and no deeper.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::settle::FileLook;

/// An entry of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DirectoryEntry {
    File(FileLook),
    /// One that stands for nothing.
    Directory,
    /// A link, a pipe, a socket or a device.
    Special(FileLook),
}

/// Where, how deep and how to look.
#[derive(Debug, Clone)]
pub(crate) struct DropPlace {
    /// The directory that files are dropped into.
    pub(crate) inbox: PathBuf,
    /// How many directories lie between it and the files.
    pub(crate) depth: usize,
    /// Whether the system may answer from what it remembers, so that files have to be opened.
    pub(crate) is_remote: bool,
}

impl DropPlace {
    /// Hands every entry to `found`, with its path below the directory, how deep it lies, and the times just before and after it
    /// was looked at, by `started`.
    pub(crate) fn each(&self, started: Instant, found: &mut FoundEntries<'_>) -> io::Result<()> {
        self.below(Path::new(""), 0, started, found)
    }

    fn below(&self, below: &Path, depth: usize, started: Instant, found: &mut FoundEntries<'_>) -> io::Result<()> {
        for entry in fs::read_dir(self.inbox.join(below))? {
            let entry = entry?;
            let file = below.join(entry.file_name());
            // One that is known to be gone into needs no look of its own.
            let before = started.elapsed();
            let seen = match self.look(&entry.path()) {
                Ok(seen) => seen,
                // Removed or renamed meanwhile, as temporary files are.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let after = started.elapsed();
            if seen == DirectoryEntry::Directory && depth < self.depth && found.goes_into(&entry.file_name()) {
                match self.below(&file, depth + 1, started, found) {
                    // A directory that is not to be read keeps nobody from the others.
                    Err(error) if is_its_own(&error) => found.found(&file, depth, seen, (before, after)),
                    gone => {
                        gone?;
                        (found.gone_into)(&self.inbox.join(&file));
                    }
                }
            } else {
                found.found(&file, depth, seen, (before, after));
            }
        }
        Ok(())
    }

    /// What an entry is and looks like.
    pub(crate) fn look(&self, path: &Path) -> io::Result<DirectoryEntry> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_dir() {
            return Ok(DirectoryEntry::Directory);
        }
        if !metadata.is_file() {
            return Ok(DirectoryEntry::Special(look_of(&metadata)));
        }
        if self.is_remote {
            // What is open is asked for at the server. One that may not be read can be looked at all the same.
            if let Ok(file) = open(path) {
                return Ok(DirectoryEntry::File(look_of(&file.metadata()?)));
            }
        }
        Ok(DirectoryEntry::File(look_of(&metadata)))
    }
}

/// Takes an entry: its path below the directory, how deep it lies, and the times just before and after it was looked at.
type Take<'f> = dyn FnMut(&Path, usize, DirectoryEntry, (Duration, Duration)) + 'f;

/// What takes entries, and says which directories are gone into.
pub(crate) struct FoundEntries<'f> {
    pub(crate) goes_into: &'f dyn Fn(&OsStr) -> bool,
    pub(crate) found: &'f mut Take<'f>,
    /// Takes the whole path of each directory that was gone into, whatever was in it.
    pub(crate) gone_into: &'f mut dyn FnMut(&Path),
}

impl FoundEntries<'_> {
    fn goes_into(&self, name: &OsStr) -> bool {
        (self.goes_into)(name)
    }

    fn found(&mut self, file: &Path, depth: usize, entry: DirectoryEntry, times: (Duration, Duration)) {
        (self.found)(file, depth, entry, times);
    }
}

fn is_its_own(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound)
}

/// What a file looks like by its metadata.
pub(crate) fn look_of(metadata: &Metadata) -> FileLook {
    FileLook {
        size: metadata.len(),
        modified: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        id: (metadata.dev(), metadata.ino()),
        owner: metadata.uid(),
    }
}

/// Opens a file for reading. The last part of its path is no link, and nothing waits for the other end of a pipe.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// How often is looked: a look that took long is followed by a longer pause, so that a worker with a full folder takes a twentieth
/// of a core at most. Looking itself gets less than that, as the worker does other things beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace;

/// Looks follow each other at this distance at least, however often the system tells of changes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// How much longer a pause is than the look before it.
const RELATION: u32 = 29;

impl Pace {
    /// The shortest pause after a look that took so long.
    pub(crate) fn shortest(took: Duration) -> Duration {
        (took * RELATION).max(SHORTEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_takes_a_thirtieth_of_the_time_at_most() {
        let millis = Duration::from_millis;
        assert_eq!(Pace::shortest(millis(1)), millis(100));
        assert_eq!(Pace::shortest(millis(500)), millis(14_500));
        assert_eq!(Pace::shortest(millis(5_000)), millis(145_000));
    }

    #[test]
    fn nothing_is_followed_and_no_deeper_gone_into_than_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let make = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "x").expect("written");
        };
        make("a.csv");
        make("contoso/b.csv");
        make("contoso/deeper/c.csv");
        make("@eaDir/d.csv");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.csv")).expect("linked");
        std::os::unix::fs::symlink("/etc", dir.path().join("elsewhere")).expect("linked");
        let place = DropPlace {
            inbox: dir.path().to_owned(),
            depth: 1,
            is_remote: false,
        };
        make("empty/x");
        fs::remove_file(dir.path().join("empty/x")).expect("removed");
        let (mut all, mut gone_into) = (Vec::new(), Vec::new());
        let mut found = FoundEntries {
            goes_into: &|name| name != "@eaDir",
            found: &mut |file, depth, entry, _| {
                let what = match entry {
                    DirectoryEntry::File(_) => "file",
                    DirectoryEntry::Directory => "directory",
                    DirectoryEntry::Special(_) => "special",
                };
                all.push((file.display().to_string(), depth, what));
            },
            gone_into: &mut |directory| gone_into.push(directory.to_owned()),
        };
        place.each(Instant::now(), &mut found).expect("looked");
        all.sort();
        gone_into.sort();
        assert_eq!(gone_into, ["contoso", "empty"].map(|name| dir.path().join(name)));
        let expected = [
            ("@eaDir", 0, "directory"),
            ("a.csv", 0, "file"),
            ("contoso/b.csv", 1, "file"),
            ("contoso/deeper", 1, "directory"),
            ("elsewhere", 0, "special"),
            ("link.csv", 0, "special"),
        ];
        assert_eq!(all, expected.map(|(file, depth, what)| (file.to_owned(), depth, what)));
    }
}
