//! A file that has its name only once it is complete, and on disk unless its caller sees to that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{ReceiptError, Written};
use crate::input::StreamHasher;

/// When a file is put on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Before it has its name.
    Now,
    /// By the caller, for many at once and before anybody relies on them.
    Later,
    /// The same, in a directory that nobody looks into before all of it is there: it has its name from the start.
    WithDirectory,
}

#[derive(Debug)]
pub(super) struct Partial {
    durable: Durable,
    file: File,
    /// Where it is being written.
    temporary: PathBuf,
    /// Where it belongs.
    path: PathBuf,
    is_named: bool,
    meter: StreamHasher,
}

impl Partial {
    /// Begins `name` in `dir`, as `name.partial` unless nobody sees it there. What an interrupted attempt left under that name is
    /// removed; opening it instead would follow a link somebody put there.
    pub(super) fn create(dir: &Path, name: &str, durable: Durable) -> Result<Self, ReceiptError> {
        Self::open(dir, name, durable, File::options())
    }

    /// The same for a file that only its owner can read, from its first byte on.
    pub(super) fn create_private(dir: &Path, name: &str) -> Result<Self, ReceiptError> {
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::open(dir, name, Durable::Now, options)
    }

    fn open(dir: &Path, name: &str, durable: Durable, mut options: OpenOptions) -> Result<Self, ReceiptError> {
        let path = dir.join(name);
        let temporary = match durable {
            Durable::WithDirectory => path.clone(),
            Durable::Now | Durable::Later => dir.join(format!("{name}.partial")),
        };
        let options = options.write(true).create_new(true);
        let file = match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove(&temporary).and_then(|()| options.open(&temporary))
            }
            opened => opened,
        };
        match file {
            Ok(file) => Ok(Self {
                durable,
                file,
                temporary,
                path,
                is_named: false,
                meter: StreamHasher::default(),
            }),
            Err(error) => Err(ReceiptError { path: temporary, error }),
        }
    }

    /// Puts it on disk, then gives it its name, then puts the name on disk, as far as that is asked for.
    pub(super) fn finish(mut self, rows: u64) -> Result<Written, ReceiptError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let named = match self.durable {
            Durable::Now => self
                .file
                .sync_all()
                .and_then(|()| fs::rename(&self.temporary, &self.path))
                .and_then(|()| sync_dir(dir)),
            Durable::Later => fs::rename(&self.temporary, &self.path),
            Durable::WithDirectory => Ok(()),
        };
        named.map_err(|err| self.fault(err))?;
        self.is_named = true;
        Ok(Written {
            path: self.path.clone(),
            sha256: self.meter.sha256(),
            bytes: self.meter.bytes,
            rows,
        })
    }

    /// Where it belongs.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fault(&self, error: io::Error) -> ReceiptError {
        ReceiptError {
            path: self.path.clone(),
            error,
        }
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.meter.pass(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // A file that stays here says so by its name, and the next attempt removes it.
        if !self.is_named {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes a file that need not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// A rename survives a power cut once its directory is synced. Only Unix can open one.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_replaces_the_leftover_of_an_attempt_and_follows_no_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("a.csv"), dir.path().join("other"));
        fs::write(&other, "another's").expect("written");
        std::os::unix::fs::symlink("other", &path).expect("linked");
        for text in ["half of", "all of it"] {
            let mut file = Partial::create(dir.path(), "a.csv", Durable::WithDirectory).expect("begun");
            file.write_all(text.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
            if text == "half of" {
                // As if its writer had died.
                file.is_named = true;
            } else {
                assert_eq!(file.finish(1).expect("whole").bytes, 9);
            }
        }
        assert!(fs::symlink_metadata(&path).expect("there").is_file());
        assert_eq!(fs::read_to_string(other).expect("there"), "another's");
        drop(Partial::create(dir.path(), "a.csv", Durable::WithDirectory).expect("begun"));
        assert!(!path.exists(), "nothing is left of one that was given up");
    }
}
