//! Names of dropped files: which are left alone, how they are shown and ordered, and what the directories of their
//! results are called.
//!
//! A name on disk is bytes and stays so. It is shown with everything escaped that is no printable text, two names always
//! differently, so that what is shown names one file.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use crate::config::Globs;

/// Names beginning so are of files that are being written, or of what systems keep beside files.
const BEGINNINGS: [&str; 2] = [".", "~"];
/// Endings of files that are being written. Upper and lower case are the same.
const ENDINGS: [&str; 14] = [
    "~",
    "#",
    ".part",
    ".partial",
    ".filepart",
    ".tmp",
    ".temp",
    ".crdownload",
    ".download",
    ".upload",
    ".swp",
    ".lock",
    ".!ut",
    ".lck",
];
/// Names that systems put into directories.
const WHOLE: [&str; 6] = [
    "thumbs.db",
    "desktop.ini",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "__macosx",
];
/// Parts of the names of files that synchronising programs are writing.
const PARTS: [&str; 6] = [
    ".octransferid",
    ".nfs",
    ".smbdelete",
    ".syncthing.",
    "~syncthing~",
    ".sb-",
];

/// Why a name is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ignored {
    Begins(&'static str),
    Ends(&'static str),
    Contains(&'static str),
    Named(&'static str),
    /// One of the configuration's.
    Configured(String),
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins(with) => write!(f, "its name begins with `{with}`, as files do that are being written"),
            Self::Ends(with) => write!(f, "its name ends with `{with}`, as of files that are being written"),
            Self::Contains(part) => write!(f, "its name contains `{part}`, as of files that are being transferred"),
            Self::Named(name) => write!(f, "systems put files named `{name}` into directories"),
            Self::Configured(glob) => write!(f, "its name fits `{glob}` of `ignore`"),
        }
    }
}

/// Which rule says that a name is left alone, if one does.
pub(crate) fn ignored(name: &OsStr, configured: &Globs) -> Option<Ignored> {
    let folded = String::from_utf8_lossy(name.as_bytes()).to_lowercase();
    let is = |text: &&&'static str| folded == **text;
    let begins = |text: &&&'static str| folded.starts_with(**text);
    let ends = |text: &&&'static str| folded.ends_with(**text);
    let contains = |text: &&&'static str| folded.contains(**text);
    if let Some(name) = WHOLE.iter().find(is) {
        return Some(Ignored::Named(name));
    }
    if let Some(part) = PARTS.iter().find(contains) {
        return Some(Ignored::Contains(part));
    }
    if let Some(with) = BEGINNINGS.iter().find(begins) {
        return Some(Ignored::Begins(with));
    }
    if let Some(with) = ENDINGS.iter().find(ends) {
        return Some(Ignored::Ends(with));
    }
    configured
        .fitting(name)
        .map(|glob| Ignored::Configured(glob.to_owned()))
}

/// A name as people are shown it, in one line.
pub(crate) fn shown(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for one in chunk.valid().chars() {
            match one {
                '\\' => text.push_str("\\\\"),
                _ if is_plain(one) => text.push(one),
                _ => text.extend(one.escape_default()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whether a character can be seen, and changes nothing in how others are.
fn is_plain(one: char) -> bool {
    let turns = matches!(one, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !one.is_control() && !turns
}

/// What the directory of a file's results begins with: its name without endings, as every system can have it.
pub(crate) fn stem(name: &str) -> String {
    let packed =
        name.len() > 3 && name.is_char_boundary(name.len() - 3) && name[name.len() - 3..].eq_ignore_ascii_case(".gz");
    let name = if packed { &name[..name.len() - 3] } else { name };
    let name = match name.rfind('.') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    };
    let mut stem: String = name
        .chars()
        .map(|one| if is_reserved(one) || !is_plain(one) { '_' } else { one })
        .collect();
    let end = (0..=stem.len().min(LONGEST_STEM))
        .rev()
        .find(|end| stem.is_char_boundary(*end));
    stem.truncate(end.unwrap_or_default());
    stem.truncate(stem.trim_end_matches(['.', ' ']).len());
    // Neither `.` and `..` nor a hidden directory.
    if stem.is_empty() || stem.starts_with('.') {
        stem.insert(0, '_');
    }
    // Windows takes `con.x`, with whatever behind the dot, for the device.
    let device = stem
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_lowercase();
    let is_device = ["con", "prn", "aux", "nul"].contains(&device.as_str())
        || (device.len() == 4
            && ["com", "lpt"].iter().any(|port| device.starts_with(port))
            && device.ends_with(|last: char| last.is_ascii_digit()));
    if is_device {
        stem.insert(0, '_');
    }
    stem
}

/// Bytes of a stem.
const LONGEST_STEM: usize = 100;

fn is_reserved(one: char) -> bool {
    matches!(one, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// The order of people: numbers by their value, letters whatever their case. Names that differ are never equal.
pub(crate) fn natural(a: &OsStr, b: &OsStr) -> Ordering {
    let (whole_a, whole_b) = (a.as_bytes(), b.as_bytes());
    let (mut a, mut b) = (whole_a, whole_b);
    loop {
        match (a.first(), b.first()) {
            (None, None) => return whole_a.cmp(whole_b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ((number_a, rest_a), (number_b, rest_b)) = (number(a), number(b));
                // Without zeros before it, the longer number is the greater one.
                let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) => {
                let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (&a[1..], &b[1..]);
            }
        }
    }
}

/// The number that a text begins with, without zeros before it, and what follows.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests;
