//! Paths of folders, and patterns of the names of their files.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use tenantry_jobs::{did_you_mean, nearest};

/// What a directory below `in` says of the files in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// Its name is the customer of all rows.
    Customer,
    /// Its name is the kind of job.
    Kind,
}

impl Placeholder {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Customer => "{customer}",
            Self::Kind => "{kind}",
        }
    }
}

/// Where a folder lies, and how many directories with a meaning lie below its `in`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FolderPath {
    root: PathBuf,
    below: Vec<Placeholder>,
}

impl FolderPath {
    /// The directory that has `in`, `done` and the others.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the directories below `in` say, from the first to the one with the files. Without any, the files lie in `in`.
    pub fn below(&self) -> &[Placeholder] {
        &self.below
    }

    /// Whether the directories say this.
    pub fn says(&self, what: Placeholder) -> bool {
        self.below.contains(&what)
    }
}

impl TryFrom<String> for FolderPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self {
                root: PathBuf::new(),
                below: Vec::new(),
            });
        }
        let mut root: Vec<&str> = Vec::new();
        let mut below = Vec::new();
        for part in text.split('/') {
            match part {
                "{customer}" if !below.contains(&Placeholder::Customer) => below.push(Placeholder::Customer),
                "{kind}" if !below.contains(&Placeholder::Kind) => below.push(Placeholder::Kind),
                "{customer}" | "{kind}" => return Err(format!("expected `{part}` once, found twice")),
                "" if !below.is_empty() => {}
                _ if part.contains(['{', '}']) => {
                    let near = did_you_mean(nearest(part, ["{customer}", "{kind}"]));
                    return Err(format!(
                        "expected `{{customer}}` or `{{kind}}` as the name of a directory, found `{part}`{near}"
                    ));
                }
                _ if !below.is_empty() => {
                    return Err(format!(
                        "expected `{{customer}}` and `{{kind}}` at the end, found `{part}` after them"
                    ));
                }
                _ => root.push(part),
            }
        }
        Ok(Self {
            root: absolute(&root.join("/"))?,
            below,
        })
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())?;
        self.below.iter().try_for_each(|one| write!(f, "/{}", one.text()))
    }
}

/// A path from the root on, without what could lead elsewhere than it says.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let is_plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let has_names = path.components().count() > 1;
    if path.is_absolute() && is_plain && has_names {
        // Without slashes at the end and twice in a row.
        Ok(path.components().collect())
    } else {
        Err("expected a path from the root on, without `..`, such as `/srv/drop/users`".to_owned())
    }
}

/// Names of files with * and ?. Upper and lower case are the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "GlobList")]
pub struct Globs {
    written: Vec<String>,
    compiled: GlobSet,
}

/// As lists are written.
#[derive(Deserialize)]
struct GlobList(#[serde(with = "crate::config::list")] Vec<String>);

impl Globs {
    /// The one of them that a name fits, as it is written.
    pub fn fitting(&self, name: &OsStr) -> Option<&str> {
        let found = self.compiled.matches(Path::new(name));
        found.first().map(|at| self.written[*at].as_str())
    }

    /// All of them, as they are written.
    pub fn written(&self) -> &[String] {
        &self.written
    }
}

impl TryFrom<GlobList> for Globs {
    type Error = String;

    fn try_from(GlobList(written): GlobList) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for text in &written {
            if text.contains('/') {
                return Err(format!(
                    "expected names without directories, such as `*.csv`, found `{text}`"
                ));
            }
            let glob = GlobBuilder::new(text).case_insensitive(true).build();
            set.add(glob.map_err(|error| format!("expected names with * and ?: {error}"))?);
        }
        let compiled = set.build().map_err(|error| error.to_string())?;
        Ok(Self { written, compiled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<FolderPath, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn placeholders_stand_at_the_end_each_once() {
        let read = path("/srv//drop/{customer}/{kind}/").expect("a path");
        assert_eq!(read.root(), Path::new("/srv/drop"));
        assert_eq!(read.below(), [Placeholder::Customer, Placeholder::Kind]);
        assert_eq!(read.to_string(), "/srv/drop/{customer}/{kind}");
        for (faulty, told) in [
            ("drop", "from the root on"),
            ("/srv/../etc", "without `..`"),
            ("/", "such as"),
            ("/srv/{custmer}", "did you mean `{customer}`?"),
            ("/srv/x-{kind}", "did you mean `{kind}`?"),
            ("/srv/{kind}/{kind}", "once"),
            ("/srv/{kind}/in", "found `in` after them"),
            ("{kind}", "from the root on"),
        ] {
            let fault = path(faulty).expect_err(faulty);
            assert!(fault.contains(told), "{faulty}: {fault}");
        }
    }

    #[test]
    fn names_fit_in_any_case() {
        let globs = Globs::try_from(GlobList(vec!["*.csv".into(), "Users?.XLSX".into()])).expect("globs");
        assert_eq!(globs.fitting("USERS.CSV".as_ref()), Some("*.csv"));
        assert_eq!(globs.fitting("users1.xlsx".as_ref()), Some("Users?.XLSX"));
        assert_eq!(globs.fitting("users.xlsx".as_ref()), None);
        assert!(Globs::try_from(GlobList(vec!["a/*.csv".into()])).is_err());
        assert!(Globs::try_from(GlobList(vec!["[a".into()])).is_err());
    }
}
