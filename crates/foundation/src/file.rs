//! Files that appear under their names when they are whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Whether a text is the name of a file and no way anywhere: what was recorded elsewhere is not believed to be.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
}

/// Whether a text is a way down from some directory, and stays below it.
pub fn leads_down(path: impl AsRef<Path>) -> bool {
    use std::path::Component;

    let path = path.as_ref();
    !path.as_os_str().as_encoded_bytes().contains(&0)
        && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// As much of a file as is read to know it by.
const HEAD: u64 = 64 << 10;

/// A file being written, readable by its owner alone. Until it is [finished](Self::finish) whatever has its name stays as it is,
/// and if it never is, nothing of it is left.
#[derive(Debug)]
pub struct WholeFile {
    temporary: NamedTempFile,
    path: PathBuf,
    /// Whether nothing may have its name yet.
    is_new: bool,
}

impl WholeFile {
    /// Begins the file.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            temporary: NamedTempFile::new_in(directory(path))?,
            path: path.to_owned(),
            is_new: false,
        })
    }

    /// Begins a file that takes the place of nothing: who works on what has its name would lose that. It is held to that once more
    /// when it gets its name.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(_) => Err(there_already()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                is_new: true,
                ..Self::create(path)?
            }),
            Err(error) => Err(error),
        }
    }

    /// Begins the file, unless something has its name that `is_ours` does not know by how it begins, in up to 64 KiB. What is no file
    /// of ours may be the only one of its kind.
    pub fn create_over(path: &Path, is_ours: impl FnOnce(&[u8]) -> bool) -> io::Result<Self> {
        let refused = |what| Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return refused("what has that name is no ordinary file"),
            Ok(found) if found.len() > 0 => {
                let mut head = Vec::new();
                File::open(path)?.take(HEAD).read_to_end(&mut head)?;
                if !is_ours(&head) {
                    return refused("a file that this program did not write has that name; name another one");
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Self::create(path)
    }

    /// Gives it its name, in the place of whatever had it unless it is to be new, once all of it is on disk.
    pub fn finish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        if self.is_new {
            match self.temporary.persist_noclobber(&self.path) {
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(there_already()),
                named => named.map_err(|error| error.error)?,
            };
        } else {
            self.temporary.persist(&self.path).map_err(|error| error.error)?;
        }
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

fn there_already() -> io::Error {
    let what = "it is there already and is not overwritten; name another file";
    io::Error::new(io::ErrorKind::AlreadyExists, what)
}

fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_neither_a_name_nor_a_way_down() {
        for name in ["customers.csv", "Kunden 2026.xlsx", "a..b", "x"] {
            assert!(is_plain_name(name) && leads_down(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".bashrc",
            "a/b",
            "/etc/passwd",
            "..\\x",
            "a\nb",
            "a\0",
            &"x".repeat(256),
        ] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        for path in ["working/7-1", "done/2026-11-29/a.csv"] {
            assert!(leads_down(path), "{path}");
        }
        for path in ["/etc", "../x", "working/../../x", "a/\0"] {
            assert!(!leads_down(path), "{path:?}");
        }
    }

    #[test]
    fn nothing_is_written_over_that_is_not_ours() {
        let dir = tempfile::tempdir().expect("a directory");
        let is_ours = |head: &[u8]| head.starts_with(b"ours");
        let written = |name: &str| {
            let mut file = WholeFile::create_over(&dir.path().join(name), is_ours)?;
            file.write_all(b"new")?;
            file.finish()
        };
        for (name, before) in [("ours", "ours, of before"), ("empty", "")] {
            fs::write(dir.path().join(name), before).expect("written");
            written(name).expect("written over");
        }
        written("new").expect("written");
        fs::write(dir.path().join("theirs"), "theirs").expect("written");
        std::os::unix::fs::symlink("ours", dir.path().join("link")).expect("linked");
        std::os::unix::fs::symlink("nothing", dir.path().join("dangling")).expect("linked");
        fs::create_dir(dir.path().join("directory")).expect("made");
        for name in ["theirs", "link", "dangling", "directory"] {
            let error = written(name).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert_eq!(fs::read(dir.path().join("theirs")).expect("there"), b"theirs");
        assert!(
            fs::symlink_metadata(dir.path().join("link"))
                .expect("there")
                .is_symlink()
        );
    }

    #[test]
    fn a_new_file_takes_the_place_of_nothing_that_came_before_it_or_meanwhile() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new");
        let begun = || WholeFile::create_new(&path);
        let (mut first, second) = (begun().expect("begun"), begun().expect("begun"));
        first.write_all(b"first").expect("written");
        first.finish().expect("named");
        for error in [second.finish().expect_err("late"), begun().expect_err("there")] {
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert!(error.to_string().contains("is not overwritten"), "{error}");
        }
        assert_eq!(fs::read(&path).expect("there"), b"first");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing is left");
    }
}
