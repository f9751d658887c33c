//! Discovery of the configuration file when none is named.
//!
//! `tenantry.toml` of the current directory, or of the nearest directory above it; else that of the user
//! (`$XDG_CONFIG_HOME/tenantry` or `~/.config/tenantry`); else that of the system (`/etc/tenantry`, or the directory that
//! `TENANTRY_SYSTEM_CONFIG` names). One file is read, never several.
//!
//! A configuration says which ledger and which store a command changes, and may name commands that approve or hand over passwords.
//! So its author acts with the rights of the user who runs the program. A file that the user did not name is read only if no other user
//! could have put it there: it and its directory belong to the user or to root, no other user may write to them, and no directory above
//! lets others replace them. Any other file is passed over, which `doctor` says, and so does every message about a setting that is missing.
//! A file that is named, by `--config` or `TENANTRY_CONFIG`, is read no matter which user owns it.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Config, ConfigError};

/// The name that is looked for.
pub(crate) const USUAL_FILE: &str = "tenantry.toml";
/// The directory of users, below their configuration.
const DIRECTORY: &str = "tenantry";
/// The directory of the system's configuration.
const SYSTEM: &str = "/etc/tenantry";
/// The variable that names another one.
const SYSTEM_VARIABLE: &str = "TENANTRY_SYSTEM_CONFIG";

/// Write permission of the group and of everybody.
const OTHERS_WRITE: u32 = 0o022;
/// Only owners rename and delete what is in the directory.
const STICKY: u32 = 0o1000;
const ROOT: u32 = 0;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// The file to read.
    pub(super) file: Option<PathBuf>,
    /// Files that are there and not read, each with the reason.
    pub(super) passed_over: Vec<String>,
}

/// Where to look.
#[derive(Debug)]
pub(super) struct SearchPaths {
    /// The current directory.
    pub(super) current: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub(super) user: Option<PathBuf>,
    /// `/etc/tenantry`, or what stands for it.
    pub(super) system: PathBuf,
}

impl SearchPaths {
    /// Those of this process, in an environment.
    pub(super) fn of_process<'e>(environment: impl Iterator<Item = (&'e str, &'e str)>) -> Self {
        let (mut configuration, mut home, mut system) = (None, None, None);
        for (name, value) in environment.filter(|(_, value)| Path::new(value).is_absolute()) {
            match name {
                "XDG_CONFIG_HOME" => configuration = Some(PathBuf::from(value)),
                "HOME" => home = Some(Path::new(value).join(".config")),
                SYSTEM_VARIABLE => system = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        Self {
            current: std::env::current_dir().ok(),
            user: configuration.or(home),
            system: system.unwrap_or_else(|| SYSTEM.into()),
        }
    }

    /// The first file there that may be read.
    pub(super) fn search(&self) -> Discovered {
        let current = self.current.iter().flat_map(|current| current.ancestors());
        let user = self.user.iter().map(|directory| directory.join(DIRECTORY));
        let files = current.map(|directory| directory.join(USUAL_FILE)).chain(
            user.chain([self.system.clone()])
                .map(|directory| directory.join(USUAL_FILE)),
        );
        let mut found = Discovered::default();
        for file in files {
            // What is not there, and what cannot be looked at, is none.
            if !file.is_file() {
                continue;
            }
            match untrusted(&file) {
                None => {
                    found.file = Some(file);
                    return found;
                }
                Some(why) => found.passed_over.push(format!("{} is not read: {why}", file.display())),
            }
        }
        found
    }
}

impl Config {
    /// Loads the configuration of this process: from the file that is named, or else from the one that is found.
    pub fn load(file: Option<&Path>, flags: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os();
        let environment: Vec<(String, String)> = variables
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        let found = if let Some(named) = file {
            Discovered {
                file: Some(named.to_owned()),
                passed_over: Vec::new(),
            }
        } else {
            let variables = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            SearchPaths::of_process(variables).search()
        };
        Ok(Self {
            passed_over: found.passed_over,
            ..Self::from_layers(found.file.as_deref(), environment, flags)?
        })
    }

    /// The file that a command in that directory finds.
    pub fn discovered_in(directory: &Path) -> Option<PathBuf> {
        let places = SearchPaths {
            current: Some(directory.to_owned()),
            ..SearchPaths::of_process(std::iter::empty())
        };
        places.search().file
    }

    /// Which file was read, for people who miss something that stands in one.
    pub fn read_from(&self) -> String {
        let read = match &self.file {
            Some(file) => format!("{} was read", file.display()),
            None => "no configuration file was read; `--config FILE` or TENANTRY_CONFIG names one".to_owned(),
        };
        std::iter::once(read)
            .chain(self.passed_over.iter().cloned())
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Why a file may have been put there by somebody else.
fn untrusted(file: &Path) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    let Ok(real) = file.canonicalize() else {
        return Some("it cannot be looked at".to_owned());
    };
    // A link is as good as the directory that it is in.
    let beside = file.parent().and_then(|directory| directory.canonicalize().ok());
    let directories = real.ancestors().skip(1).map(Path::to_owned);
    let above_link = beside
        .iter()
        .flat_map(|directory| directory.ancestors())
        .map(Path::to_owned);
    let direct = [real.parent().map(Path::to_owned), beside.clone()];
    for path in std::iter::once(real.clone()).chain(directories).chain(above_link) {
        let Ok(metadata) = path.metadata() else {
            return Some(format!("{} cannot be looked at", path.display()));
        };
        let may_be_sticky = path != real && !direct.contains(&Some(path.clone()));
        if let Some(why) = untrusted_entry(&metadata, user, may_be_sticky) {
            return Some(format!("{} {why}", path.display()));
        }
    }
    None
}

fn untrusted_entry(metadata: &Metadata, user: u32, may_be_sticky: bool) -> Option<String> {
    let mode = metadata.permissions().mode();
    let owner = metadata.uid();
    if owner != user && owner != ROOT {
        return Some(format!("belongs to another account (uid {owner})"));
    }
    if mode & OTHERS_WRITE != 0 && !(may_be_sticky && mode & STICKY != 0) {
        return Some("can be written by other accounts".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir_all, set_permissions, write};

    struct Surroundings {
        dir: tempfile::TempDir,
    }

    impl Surroundings {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().expect("a directory"),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn file(&self, name: &str) -> PathBuf {
            let path = self.path(name);
            create_dir_all(path.parent().expect("a directory")).expect("made");
            write(&path, "").expect("written");
            self.mode(name, 0o644);
            path
        }

        fn mode(&self, name: &str, mode: u32) {
            set_permissions(self.path(name), Permissions::from_mode(mode)).expect("set");
        }

        fn search(&self, from: &str) -> Discovered {
            create_dir_all(self.path(from)).expect("made");
            let places = SearchPaths {
                current: Some(self.path(from)),
                user: Some(self.path("user")),
                system: self.path("system"),
            };
            places.search()
        }
    }

    #[test]
    fn the_nearest_file_is_read() {
        let here = Surroundings::new();
        assert_eq!(here.search("a/b").file, None);
        let system = here.file("system/tenantry.toml");
        assert_eq!(here.search("a/b").file, Some(system));
        let user = here.file("user/tenantry/tenantry.toml");
        assert_eq!(here.search("a/b").file, Some(user));
        let above = here.file("a/tenantry.toml");
        assert_eq!(here.search("a/b").file, Some(above));
        let own = here.file("a/b/tenantry.toml");
        assert_eq!(here.search("a/b").file, Some(own));
    }

    #[test]
    fn a_file_that_others_can_write_is_passed_over() {
        let here = Surroundings::new();
        let user = here.file("user/tenantry/tenantry.toml");
        here.file("a/tenantry.toml");
        here.mode("a/tenantry.toml", 0o664);
        let found = here.search("a");
        assert_eq!(found.file.as_ref(), Some(&user));
        assert!(
            found.passed_over[0].ends_with("can be written by other accounts"),
            "{found:?}"
        );
        here.mode("a/tenantry.toml", 0o644);
        for mode in [0o777, 0o775, 0o1777] {
            here.mode("a", mode);
            assert_eq!(here.search("a").file.as_ref(), Some(&user), "{mode:o}");
        }
        here.mode("a", 0o755);
        assert_eq!(here.search("a").file, Some(here.path("a/tenantry.toml")));
    }

    #[test]
    fn a_link_is_as_good_as_its_directory_and_its_target() {
        let here = Surroundings::new();
        here.file("elsewhere/shared.toml");
        create_dir_all(here.path("a")).expect("made");
        std::os::unix::fs::symlink(here.path("elsewhere/shared.toml"), here.path("a/tenantry.toml")).expect("a link");
        assert_eq!(here.search("a").file, Some(here.path("a/tenantry.toml")));
        here.mode("elsewhere", 0o777);
        assert_eq!(here.search("a").file, None);
        here.mode("elsewhere", 0o755);
        here.mode("a", 0o777);
        assert_eq!(here.search("a").file, None);
    }

    #[test]
    fn places_come_from_the_environment() {
        let of =
            |environment: &[(&'static str, &'static str)]| SearchPaths::of_process(environment.iter().copied()).user;
        assert_eq!(of(&[("HOME", "/home/anna")]), Some("/home/anna/.config".into()));
        assert_eq!(
            of(&[("HOME", "/home/anna"), ("XDG_CONFIG_HOME", "/srv/anna")]),
            Some("/srv/anna".into())
        );
        assert_eq!(of(&[("HOME", "anna")]), None);
        let system =
            |environment: Option<(&'static str, &'static str)>| SearchPaths::of_process(environment.into_iter()).system;
        assert_eq!(system(None), PathBuf::from("/etc/tenantry"));
        assert_eq!(system(Some((SYSTEM_VARIABLE, "/srv/etc"))), PathBuf::from("/srv/etc"));
    }
}
