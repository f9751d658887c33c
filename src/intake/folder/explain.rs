//! The reason for which a file is not taken, found by looking at it as a worker would, whether or not one is running.
//!
//! A worker's memory of how long a file has been unchanged is its own, so the file is looked at for as long as it takes to settle.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::FolderRules;
use super::filesystem::FileSystem;
use super::names;
use super::observe::Observer;
use super::wait::Wait;

/// Looks at a file follow each other at this distance at least.
const BETWEEN: Duration = Duration::from_millis(120);

/// How a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// The name of the folder, where the file lies in one.
    pub(crate) folder: Option<String>,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) says: String,
    /// How many files come before it, where it can be taken.
    pub(crate) before: usize,
}

/// How a file's name in the folder is, and everything else that can be told without knowing it.
enum Lies<'f> {
    In(&'f FolderRules, PathBuf),
    Elsewhere(&'f FolderRules, &'static str),
    Nowhere,
}

/// How the file at that path stands with these folders. Links on the way to a folder are followed, the file itself is not.
pub(crate) fn explain(folders: &[FolderRules], path: &Path) -> Explanation {
    let of = |folder: Option<&FolderRules>, code, says: String| Explanation {
        folder: folder.map(|folder| folder.name.clone()),
        code,
        says,
        before: 0,
    };
    match lies(folders, path) {
        Lies::Nowhere => {
            let all: Vec<String> = folders
                .iter()
                .map(|folder| folder.layout.inbox().display().to_string())
                .collect();
            let where_to = match all.as_slice() {
                [] => "the configuration has no folders; a section `[folders.NAME]` makes one".to_owned(),
                all => format!("files are taken from {}", all.join(", ")),
            };
            of(None, "no-folder", format!("it lies in no folder; {where_to}"))
        }
        Lies::Elsewhere(folder, says) => of(Some(folder), "not-in-in", says.to_owned()),
        Lies::In(folder, _) if !folder.config.enabled => {
            let says = format!("folder `{}` is not served: `enabled` is false", folder.name);
            of(Some(folder), "not-served", says)
        }
        Lies::In(folder, file) => {
            let (code, says, before) = in_folder(folder, &file);
            Explanation {
                before,
                ..of(Some(folder), code, says)
            }
        }
    }
}

fn lies<'f>(folders: &'f [FolderRules], path: &Path) -> Lies<'f> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Lies::Nowhere;
    };
    let path = real(parent).join(name);
    for folder in folders {
        let inbox = folder.layout.inbox();
        if let Ok(file) = path.strip_prefix(real(&inbox)) {
            return Lies::In(folder, file.to_owned());
        }
        let layout = &folder.layout;
        let places = [
            (layout.root.join("working"), "it was taken and is being worked on"),
            (
                layout.root.join("waiting"),
                "its job waits for approval; `plan.txt` beside it says how to approve it",
            ),
            (
                layout.done.clone(),
                "its job has ended; `receipt.json` beside it says how",
            ),
            (
                layout.failed.clone(),
                "it failed; `reasons.txt` or `receipt.json` beside it says why",
            ),
            (
                layout.root.clone(),
                "it lies beside the directories of the folder, where nothing is taken; files are dropped into `in`",
            ),
        ];
        for (place, says) in places {
            if path.starts_with(real(&place)) {
                return Lies::Elsewhere(folder, says);
            }
        }
    }
    Lies::Nowhere
}

/// A directory without the links on the way to it, as far as it is there.
fn real(directory: &Path) -> PathBuf {
    fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned())
}

fn in_folder(folder: &FolderRules, file: &Path) -> (&'static str, String, usize) {
    let inbox = folder.layout.inbox();
    let fixed = |code, says: &str| (code, says.to_owned(), 0);
    let depth = folder.config.path.below().len();
    for part in file {
        if let Some(why) = names::ignored(part, &folder.config.ignore) {
            return ("ignored", format!("it is left alone: {why}"), 0);
        }
    }
    let is_directory = match fs::symlink_metadata(inbox.join(file)) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return fixed(
                "not-there",
                "it is not there; if it was taken, `tenantry folders show` lists it",
            );
        }
        Err(error) => return ("unreadable", format!("it cannot be looked at: {error}"), 0),
    };
    let parts = file.components().count();
    if is_directory {
        let says = if parts <= depth {
            "it is a directory, and files in it are taken"
        } else {
            "it is a directory, and nothing in it is taken; files are dropped beside it"
        };
        return fixed("directory", says);
    }
    if parts > depth + 1 {
        return fixed("too-deep", "it lies deeper than files are taken from");
    }
    let needs = if folder.leaves {
        rustix::fs::Access::READ_OK
    } else {
        rustix::fs::Access::WRITE_OK
    };
    if let Err(error) = rustix::fs::access(inbox.join(file).parent().unwrap_or(&inbox), needs) {
        let error = std::io::Error::from(error);
        return (
            "cannot-be-moved",
            format!("who runs this command may not take it out of its directory: {error}"),
            0,
        );
    }
    watched(folder, file)
}

/// Watches a file until it is plain how it stands.
fn watched(folder: &FolderRules, file: &Path) -> (&'static str, String, usize) {
    let inbox = folder.layout.inbox();
    let file_system = match FileSystem::of(&inbox) {
        Ok(file_system) => file_system,
        Err(error) => return ("unreadable", format!("{}: {error}", inbox.display()), 0),
    };
    let mut observer = Observer::new(folder.config.clone(), inbox.clone(), file_system);
    let begun = Instant::now();
    loop {
        if let Err(error) = observer.look_anew() {
            return ("unreadable", format!("{}: {error}", inbox.display()), 0);
        }
        let before = observer.before(file);
        match observer.verdict(file) {
            Ok(_) if fs::symlink_metadata(inbox.join(file)).is_ok_and(|metadata| !metadata.is_file()) => {
                let says = "it is a link, a pipe, a socket or a device; it will be taken and go to `failed`, and what it leads to is not touched";
                return ("ready", says.to_owned(), before);
            }
            Ok(_) => {
                return match refused(folder, file) {
                    None => ("ready", "it can be taken".to_owned(), before),
                    Some(says) => ("refused", says, before),
                };
            }
            Err(Wait::Settling(so_far, of)) if begun.elapsed() <= of + Duration::from_secs(1) => {
                std::thread::sleep(of.saturating_sub(so_far).max(BETWEEN));
            }
            Err(Wait::CompanionSettles(_, so_far, of)) if begun.elapsed() <= of + Duration::from_secs(1) => {
                std::thread::sleep(of.saturating_sub(so_far).max(BETWEEN));
            }
            Err(Wait::Settling(..)) => {
                return (
                    "settling",
                    "it is still being changed: it was while it was looked at".to_owned(),
                    0,
                );
            }
            Err(wait) => return (wait.code(), wait.to_string(), 0),
        }
    }
}

/// What it will be refused for, once it is taken, as far as that follows from its name and what lies beside it.
fn refused(folder: &FolderRules, file: &Path) -> Option<String> {
    let inbox = folder.layout.inbox();
    let reasons = match folder.asked(file, &inbox.join(file), None) {
        Ok(asked) => asked.err()?,
        Err(error) => return Some(format!("what lies beside it cannot be read: {error}")),
    };
    let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    Some(format!("it will be taken and refused: {}", told.join("; ")))
}

#[cfg(test)]
mod tests;
