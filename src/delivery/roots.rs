//! Directories that a worker writes results to by itself. Where a job's results are to lie stands in the ledger, and who can write there is not
//! believed to say where on this machine files appear: only below what its own configuration names, and through no link.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Why nothing is written to a directory.
#[derive(Debug, Error)]
pub enum NotBelow {
    /// It is somewhere else.
    #[error(
        "{0} is below none of the directories that a worker writes to by itself (`results.dir`, `results.roots`, where schedules \
         write to), so --out has to say where its results are to be written"
    )]
    Outside(PathBuf),
    /// A link leads there.
    #[error("{0} is a link, and nothing is written through one")]
    Link(PathBuf),
}

/// Such directories.
#[derive(Debug, Clone, Default)]
pub struct Roots(Arc<[PathBuf]>);

impl Roots {
    /// Those, and what is below them.
    pub fn new(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        let whole = |root: PathBuf| std::path::absolute(&root).unwrap_or(root);
        Self(roots.into_iter().map(whole).collect())
    }

    /// Whether a directory is one of them or below one.
    pub(crate) fn check(&self, dir: &Path) -> Result<(), NotBelow> {
        let outside = || NotBelow::Outside(dir.to_owned());
        if !dir.is_absolute() || dir.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(outside());
        }
        // Results are recorded by where they really lie, and a root may be a link of the operator who configured it.
        let real = |root: &PathBuf| fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        let below = |root: &PathBuf| {
            let rest = dir.strip_prefix(root).map(|rest| (root.clone(), rest));
            rest.or_else(|_| dir.strip_prefix(real(root)).map(|rest| (real(root), rest)))
        };
        let (mut path, rest) = self.0.iter().find_map(|root| below(root).ok()).ok_or_else(outside)?;
        for part in rest.components() {
            path.push(part);
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
                return Err(NotBelow::Link(path));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_below_a_root_and_through_no_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (root, outside) = (dir.path().join("results"), dir.path().join("outside"));
        fs::create_dir_all(root.join("a")).expect("made");
        fs::create_dir_all(&outside).expect("made");
        std::os::unix::fs::symlink(&outside, root.join("link")).expect("made");
        std::os::unix::fs::symlink(&root, dir.path().join("alias")).expect("made");
        let roots = Roots::new([root.clone()]);
        for fine in [root.clone(), root.join("a"), root.join("new/er")] {
            roots.check(&fine).expect("below");
        }
        for elsewhere in [
            outside.clone(),
            dir.path().to_owned(),
            root.join("../outside"),
            "results".into(),
            "/".into(),
        ] {
            assert!(
                matches!(roots.check(&elsewhere), Err(NotBelow::Outside(_))),
                "{}",
                elsewhere.display()
            );
        }
        for through in [root.join("link"), root.join("link/a")] {
            assert!(
                matches!(roots.check(&through), Err(NotBelow::Link(_))),
                "{}",
                through.display()
            );
        }
        // A root that is a link itself is where it leads to.
        let alias = Roots::new([dir.path().join("alias")]);
        alias.check(&root.join("a")).expect("below");
        alias.check(&dir.path().join("alias/a")).expect("below");
        assert!(matches!(alias.check(&root.join("link")), Err(NotBelow::Link(_))));
        assert!(Roots::default().check(&root).is_err());
    }
}
