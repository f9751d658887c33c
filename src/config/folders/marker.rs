//! The names of markers, which say that the files they belong to are complete.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::Deserialize;
use tenantry_jobs::{did_you_mean, nearest};

/// How the name of a file's marker follows from its own: `{name}.done` or `{stem}.trg`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MarkerName {
    before: String,
    of_stem: bool,
    after: String,
}

impl MarkerName {
    /// The name of the marker of a file.
    pub fn of(&self, file: &OsStr) -> OsString {
        let of = if self.of_stem { stem(file) } else { file.as_bytes() };
        let mut name = self.before.clone().into_bytes();
        name.extend_from_slice(of);
        name.extend_from_slice(self.after.as_bytes());
        OsString::from_vec(name)
    }

    /// Whether a name can be that of a marker, of whatever file.
    pub fn fits(&self, name: &OsStr) -> bool {
        let name = name.as_bytes();
        let (before, after) = (self.before.as_bytes(), self.after.as_bytes());
        name.len() > before.len() + after.len()
            && name[..before.len()].eq_ignore_ascii_case(before)
            && name[name.len() - after.len()..].eq_ignore_ascii_case(after)
    }
}

impl TryFrom<String> for MarkerName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let split = |placeholder| text.split_once(placeholder);
        let found = match (split("{name}"), split("{stem}")) {
            (Some(around), None) => Some((around, false)),
            (None, Some(around)) => Some((around, true)),
            _ => None,
        };
        let plain = |text: &str| !text.contains(['{', '}', '/', '\0']);
        match found {
            Some(((before, after), of_stem))
                if plain(before) && plain(after) && !(before.is_empty() && after.is_empty()) =>
            {
                Ok(Self {
                    before: before.to_owned(),
                    of_stem,
                    after: after.to_owned(),
                })
            }
            _ => {
                let near = did_you_mean(nearest(&text, ["{name}.done", "{stem}.trg", "{stem}.done"]));
                Err(format!(
                    "expected a name with `{{name}}` or `{{stem}}` and something around it, such as `{{name}}.done`{near}"
                ))
            }
        }
    }
}

/// A file's name without its endings: one, and `.gz` before that.
pub(super) fn stem(name: &OsStr) -> &[u8] {
    let name = name.as_bytes();
    let packed = name.len() > 3 && name[name.len() - 3..].eq_ignore_ascii_case(b".gz");
    let name = if packed { &name[..name.len() - 3] } else { name };
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_named_after_their_files() {
        let marker = |text: &str| MarkerName::try_from(text.to_owned());
        let of_name = marker("{name}.done").expect("a name");
        assert_eq!(of_name.of("users.csv".as_ref()), "users.csv.done");
        assert!(of_name.fits("USERS.CSV.DONE".as_ref()) && !of_name.fits(".done".as_ref()));
        let of_stem = marker("{stem}.trg").expect("a name");
        assert_eq!(of_stem.of("users.csv.gz".as_ref()), "users.trg");
        for faulty in ["done", "{name}", "{name}{stem}", "{nme}.done", "x/{name}"] {
            assert!(marker(faulty).is_err(), "{faulty}");
        }
    }
}
