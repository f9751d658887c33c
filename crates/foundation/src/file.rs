//! Files that appear under their names when they are whole.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file being written, readable by its owner alone. Until it is [finished](Self::finish) whatever has its name stays as it is,
/// and if it never is, nothing of it is left.
#[derive(Debug)]
pub struct WholeFile {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins the file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            temporary: NamedTempFile::new_in(directory(path))?,
            path: path.to_owned(),
        })
    }

    /// Gives it its name, in the place of whatever had it, once all of it is on disk.
    pub fn finish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.path).map_err(|error| error.error)?;
        // A name survives a power cut once its directory is on disk. Only Unix can open one.
        if cfg!(unix) {
            File::open(directory(&self.path))?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
