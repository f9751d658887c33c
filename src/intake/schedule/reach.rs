//! Directories in which a worker reads, moves and removes files of schedules.
//!
//! What a schedule says stands in the ledger, where commands define schedules for all workers. Who can write there is not believed to say which
//! files on this machine are read, or where they are moved to: only those of which the worker's own configuration names the directory,
//! for one of its schedules or for all (`schedules.roots`).

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::delivery::{NotBelow, Roots};

/// Such directories.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach(Roots);

impl Reach {
    /// Those, and what is below them.
    pub(super) fn of(roots: Roots) -> Self {
        Self(roots)
    }

    /// Whether what lies in a directory may be read, and moved from there and to there.
    pub(super) fn check(&self, directory: &Path) -> Result<(), String> {
        let directory = really(directory);
        self.0.check(&directory).map_err(|not| match not {
            NotBelow::Outside(outside) => format!(
                "{} is below none of the directories that this worker reads schedules' files in; `schedules.roots` of its configuration \
                 names further ones",
                outside.display()
            ),
            link @ NotBelow::Link(_) => link.to_string(),
        })
    }
}

/// Where a directory really lies, which need not be there yet.
fn really(directory: &Path) -> PathBuf {
    let whole = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut rest: Vec<Component<'_>> = Vec::new();
    let mut parts = whole.components();
    loop {
        if let Ok(real) = fs::canonicalize(parts.as_path()) {
            return real.join(rest.iter().rev().collect::<PathBuf>());
        }
        match parts.next_back() {
            Some(part) => rest.push(part),
            None => return whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_below_a_root_are_reached_wherever_links_lead() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, other) = (dir.path().join("root"), dir.path().join("other"));
        for made in [root.join("below"), other.clone()] {
            fs::create_dir_all(made).expect("made");
        }
        std::os::unix::fs::symlink(&other, root.join("out")).expect("a link");
        std::os::unix::fs::symlink(root.join("below"), dir.path().join("in")).expect("a link");
        let reach = Reach(Roots::new([root.clone()]));
        let fine = [
            root.clone(),
            root.join("below"),
            root.join("not/there/yet"),
            dir.path().join("in"),
            other.join("../root/below"),
        ];
        for directory in fine {
            reach.check(&directory).expect("below");
        }
        let elsewhere = [
            other.clone(),
            dir.path().to_owned(),
            root.join(".."),
            root.join("not/../../other"),
            root.join("out"),
            root.join("out/not/there"),
            PathBuf::from("/etc"),
            PathBuf::new(),
        ];
        for directory in elsewhere {
            assert!(reach.check(&directory).is_err(), "{}", directory.display());
        }
        assert!(Reach::default().check(&root).is_err());
    }
}
