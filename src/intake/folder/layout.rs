//! The layout of a folder, and its owner.
//!
//! `.tenantry` in the folder names the folder and the ledger that it belongs to. It is written once, when a folder is served for
//! the first time. From then on a folder without it is an empty mount point, and nothing is made in it; one that names another
//! ledger belongs to another installation, and nothing is taken from it.
//!
//! What the ledger records of places is relative: `working/ID-FENCE`, `waiting/STEM--JOB`, `done/DATE/STEM--JOB` and
//! `failed/DATE/STEM--JOB`, so that any worker finds them wherever the folder is mounted on its machine.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FolderError;
use super::scan::look_of;
use super::settle::FileLook;
use crate::file::WholeFile;
use crate::ledger::Ledger;
use crate::ledger::drops::{DroppedFile, FileSeen};
use crate::modes::{make_directory, of_directory};

/// The file that says whose folder it is.
const MARKER: &str = ".tenantry";
/// Files that are moved are where they are dropped until then.
pub(super) const IN: &str = "in";
pub(super) const WORKING: &str = "working";
pub(super) const WAITING: &str = "waiting";
pub(super) const DONE: &str = "done";
pub(super) const FAILED: &str = "failed";
/// The version of all that lies in a folder.
const VERSION: u32 = 1;

/// What `.tenantry` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FolderMarker {
    /// The folder's id.
    pub(crate) folder: String,
    /// The number of the installation whose ledger it belongs to.
    pub(crate) ledger: String,
    version: u32,
}

/// The directories of one folder on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FolderLayout {
    /// The folder.
    pub(crate) root: PathBuf,
    /// Where what is done lies.
    pub(crate) done: PathBuf,
    /// Where what failed lies.
    pub(crate) failed: PathBuf,
    /// The mode of files that are written there.
    pub(crate) mode: u32,
}

impl FolderLayout {
    /// Where files are dropped.
    pub(crate) fn inbox(&self) -> PathBuf {
        self.root.join(IN)
    }

    /// The path here of a place that the ledger has recorded.
    pub(crate) fn path(&self, place: &str) -> PathBuf {
        match place.split_once('/') {
            Some((DONE, rest)) => self.done.join(rest),
            Some((FAILED, rest)) => self.failed.join(rest),
            _ => self.root.join(place),
        }
    }

    /// Makes sure that this is the folder of that name and of that ledger, and sets it up if it was never served. Its id.
    pub(crate) async fn open(&self, ledger: &Ledger, name: &str) -> Result<String, FolderError> {
        let ours = ledger.installation().number().to_string();
        let known = ledger.folder_named(name).await?;
        if let Some(marker) = self.marker()? {
            if marker.ledger != ours {
                return Err(FolderError::Trouble(format!(
                    "{} belongs to the ledger of installation {}, and this is {ours}; where that one is no longer used, \
                     `tenantry folders adopt {name}` makes the folder this one's",
                    self.root.display(),
                    marker.ledger
                )));
            }
            return match known {
                Some(known) if known.id == marker.folder => {
                    if !known.set_up {
                        ledger.folder_set_up(&known.id).await?;
                    }
                    self.make_directories()?;
                    Ok(known.id)
                }
                // Another folder of this ledger lies here, or the ledger has forgotten it.
                _ => Err(FolderError::Trouble(format!(
                    "{} is another folder than the one that was served as `{name}`; `tenantry folders adopt {name}` serves this one",
                    self.root.display()
                ))),
            };
        }
        if known.is_some_and(|known| known.set_up) {
            return Err(FolderError::Away(format!(
                "{} has no {MARKER}, so its share is not mounted, or it was emptied; once all is there again it goes on, and \
                 `tenantry folders adopt {name}` sets it up anew",
                self.root.display()
            )));
        }
        if !self.root.is_dir() {
            return Err(FolderError::Away(format!(
                "there is no directory {}; make it",
                self.root.display()
            )));
        }
        let id = ledger.register_folder(name, &self.root.display().to_string()).await?;
        self.set_up(&id, &ours)?;
        ledger.folder_set_up(&id).await?;
        Ok(id)
    }

    /// Makes the folder the one of that id and of that installation.
    pub(crate) fn set_up(&self, id: &str, installation: &str) -> Result<(), FolderError> {
        self.make_directories()?;
        let marker = FolderMarker {
            folder: id.to_owned(),
            ledger: installation.to_owned(),
            version: VERSION,
        };
        let path = self.root.join(MARKER);
        let written = WholeFile::create(&path).and_then(|mut file| {
            let text = serde_json::to_string_pretty(&marker).map_err(io::Error::from)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.finish()
        });
        written.map_err(|error| FolderError::io(&path, error))?;
        // Another installation may have done so at the same moment; the last one has it.
        match self.marker()? {
            Some(found) if found == marker => Ok(()),
            _ => Err(FolderError::Trouble(format!(
                "{} was taken by another installation at the same moment",
                self.root.display()
            ))),
        }
    }

    /// Whose folder it is, if it is anybody's.
    pub(crate) fn marker(&self) -> Result<Option<FolderMarker>, FolderError> {
        let path = self.root.join(MARKER);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FolderError::away(&path, &error)),
        };
        let marker: FolderMarker = serde_json::from_str(&text).map_err(|error| {
            FolderError::Trouble(format!("{} is not what this program writes: {error}", path.display()))
        })?;
        if marker.version > VERSION {
            return Err(FolderError::Trouble(format!(
                "{} is of version {}, this program knows up to {VERSION}; use a newer tenantry",
                path.display(),
                marker.version
            )));
        }
        Ok(Some(marker))
    }

    fn make_directories(&self) -> Result<(), FolderError> {
        let (working, mode) = (self.root.join(WORKING), of_directory(self.mode));
        let all = [
            make_dir(&self.inbox(), mode),
            make_dir(&working, 0o700),
            make_dir(&self.root.join(WAITING), mode),
            make_dir(&self.done, mode),
            make_dir(&self.failed, mode),
        ];
        all.into_iter().collect()
    }
}

/// Makes a directory that need not be new.
fn make_dir(path: &Path, mode: u32) -> Result<(), FolderError> {
    make_directory(path, mode).map_err(|error| FolderError::io(path, error))
}

/// Names in a directory survive a power cut from here on.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What a file is known by.
pub(super) fn seen(metadata: &fs::Metadata) -> FileSeen {
    seen_as(&look_of(metadata))
}

/// What a file that looks like that is known by.
pub(super) fn seen_as(look: &FileLook) -> FileSeen {
    FileSeen {
        size: look.size,
        modified: look.modified,
        file_id: Some(format!("{}:{}", look.id.0, look.id.1)),
    }
}

/// The file of a row where it lies now.
pub(super) fn file_at(layout: &FolderLayout, drop: &DroppedFile) -> PathBuf {
    let name = Path::new(OsStr::from_bytes(&drop.file)).file_name().unwrap_or_default();
    layout.path(&drop.place).join(name)
}

/// Whether others than this program may look into a directory that lies there.
pub(super) fn is_seen(place: &str) -> bool {
    !Path::new(place).starts_with(WORKING)
}

/// Whether a file looks as it did. Numbers of files are compared where both are known to be of one file system.
pub(super) fn is_same(a: &FileSeen, b: &FileSeen) -> bool {
    a.size == b.size && a.modified == b.modified
}

/// The name of the owner of that number, as this machine knows it.
pub(super) fn owner(number: u32) -> String {
    let uid = number.to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid:{uid}"))
}
