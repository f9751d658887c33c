//! Reasons for which a file is not taken yet, as text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complete::Incomplete;
use super::names::shown;

/// Why a file is not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It is not there, or not known.
    Unknown,
    /// It has looked the same for so long, of so long.
    Settling(Duration, Duration),
    /// The same, and its last line does not end.
    OpenLine(Duration, Duration),
    /// It is not all there.
    Incomplete(Incomplete),
    /// Something that has to lie beside it does not.
    NoCompanion(&'static str, PathBuf),
    /// What lies beside it has looked the same for so long, of so long.
    CompanionSettles(PathBuf, Duration, Duration),
    /// What lies beside it cannot be read.
    Unreadable(PathBuf, String),
    /// Its marker is not as it should be.
    Marker(PathBuf, String),
    /// It could not be moved.
    Stuck(String),
    /// It goes along with another file.
    Companion,
    /// It is none of the files that are taken, for so long, of so long.
    Stray(Duration, Duration),
    /// It is no file, for so long, of so long.
    NoFile(Duration, Duration),
}

impl Wait {
    /// A stable word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "not-there",
            Self::Settling(..) | Self::OpenLine(..) => "settling",
            Self::Incomplete(Incomplete::Empty) => "empty",
            Self::Incomplete(_) => "incomplete",
            Self::NoCompanion(..) | Self::CompanionSettles(..) | Self::Unreadable(..) => "waits-for-companion",
            Self::Marker(..) => "marker",
            Self::Stuck(_) => "cannot-be-moved",
            Self::Companion => "companion",
            Self::Stray(..) => "not-an-input",
            Self::NoFile(..) => "not-a-file",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |path: &Path| shown(path.file_name().unwrap_or_default());
        match self {
            Self::Unknown => f.write_str("it is not there"),
            Self::Settling(so_far, of) => {
                write!(
                    f,
                    "it is settling: unchanged for {} of {}",
                    seconds(*so_far),
                    seconds(*of)
                )
            }
            Self::OpenLine(so_far, of) => write!(
                f,
                "its last line does not end, so it settles for longer: unchanged for {} of {}",
                seconds(*so_far),
                seconds(*of)
            ),
            Self::Incomplete(why) => write!(f, "{why}"),
            Self::NoCompanion(what, path) => write!(f, "its {what} `{}` is not there", name(path)),
            Self::CompanionSettles(path, so_far, of) => write!(
                f,
                "`{}` beside it is settling: unchanged for {} of {}",
                name(path),
                seconds(*so_far),
                seconds(*of)
            ),
            Self::Unreadable(path, why) => write!(f, "`{}` beside it cannot be read: {why}", name(path)),
            Self::Marker(path, why) => write!(f, "its marker `{}`: {why}", name(path)),
            Self::Stuck(why) => f.write_str(why),
            Self::Companion => f.write_str("it goes along with the file that it is named after"),
            Self::Stray(so_far, of) => write!(
                f,
                "it is none of `files`; it goes to `failed` once it was there for {}, so far {}",
                seconds(*of),
                seconds(*so_far)
            ),
            Self::NoFile(so_far, of) => write!(
                f,
                "it is a link, a pipe, a socket or a device, none of which is followed or opened; it goes to `failed` once it was \
                 there for {}, so far {}",
                seconds(*of),
                seconds(*so_far)
            ),
        }
    }
}

/// A time in seconds, as people say it.
fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    match tenths % 10 {
        0 => format!("{} s", tenths / 10),
        part => format!("{}.{part} s", tenths / 10),
    }
}
