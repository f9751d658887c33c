//! File names with the date of the run: `users-{date}.csv`.
//!
//! Dates and times are those of the nominal time in the schedule's zone, never of the clock: yesterday's run, caught up with
//! today, reads yesterday's file.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{date}` | `2026-11-29` |
//! | `{time}` | `0205` |
//! | `{month}` | `2026-11` |
//! | `{week}` | the ISO week, `2026-W48` |
//! | `{schedule}` | the schedule's name |
//!
//! The first four take a shift in days and a format, or either: `{date:-1d}`, `{date:%Y%m%d}`, `{date:-1d:%Y/%m}`.

use std::fmt;
use std::path::PathBuf;

use jiff::ToSpan;
use jiff::civil::DateTime;
use tenantry_jobs::{did_you_mean, nearest};

const NAMES: &[(&str, &str)] = &[
    ("date", "%Y-%m-%d"),
    ("time", "%H%M"),
    ("month", "%Y-%m"),
    ("week", "%G-W%V"),
    ("schedule", ""),
];
/// What a format may have after `%`: what makes a part of a file name, of fixed width where possible.
const DIRECTIVES: &str = "YymdjHMGVuab%";
/// The furthest shift, in days.
const FURTHEST: i32 = 3_660;
const SOME_TIME: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// A path with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Time { shift_days: i32, format: String },
    Schedule,
}

/// Where a file is to be found at a due time: one directory, and in it a name or a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlace {
    /// The directory.
    pub directory: PathBuf,
    /// The name in it, or a pattern.
    pub name: String,
    /// Whether that is a pattern: it has `*`, `?` or `[`.
    pub is_pattern: bool,
}

impl PathTemplate {
    /// Reads a path whose last part may be a pattern, or says everything that is wrong with it.
    pub fn of_file(text: &str) -> Result<Self, Vec<String>> {
        let template = Self::read(text)?;
        let mut faults = Vec::new();
        // The slash of a format divides directories as any other does.
        let shown = template.shown();
        let (directory, name) = shown.rsplit_once('/').unwrap_or(("", &shown));
        if is_pattern(directory) {
            faults.push("expected `*`, `?` and `[` in the file's name only, not in its directory".to_owned());
        }
        if name.is_empty() {
            faults.push("expected the name of a file after the last `/`".to_owned());
        }
        if faults.is_empty() { Ok(template) } else { Err(faults) }
    }

    /// Reads a path that is no pattern.
    pub fn of_directory(text: &str) -> Result<Self, Vec<String>> {
        let template = Self::read(text)?;
        if is_pattern(&template.shown()) {
            return Err(vec!["expected a path without `*`, `?` and `[`".to_owned()]);
        }
        Ok(template)
    }

    fn read(text: &str) -> Result<Self, Vec<String>> {
        let (mut pieces, mut faults) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            let inner = rest[at..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((placeholder, after)) = inner.filter(|(placeholder, _)| !placeholder.contains('{')) else {
                faults.push(
                    "expected each `{` to be closed by a `}`, with a placeholder such as `{date}` between them"
                        .to_owned(),
                );
                return Err(faults);
            };
            match piece(placeholder) {
                Ok(piece) => pieces.push(piece),
                Err(fault) => faults.push(format!("`{{{placeholder}}}`: {fault}")),
            }
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let written = text.to_owned();
        if faults.is_empty() {
            Ok(Self { written, pieces })
        } else {
            Err(faults)
        }
    }

    /// Whether it is another path on another day.
    pub fn depends_on_time(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Time { .. }))
    }

    /// The path at a nominal time.
    pub fn path(&self, local: DateTime, schedule: &str) -> PathBuf {
        PathBuf::from(self.text(local, schedule))
    }

    /// Directory and name of the file at a nominal time.
    pub fn place(&self, local: DateTime, schedule: &str) -> FilePlace {
        let text = self.text(local, schedule);
        let (directory, name) = match text.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(both) => both,
            None => (".", text.as_str()),
        };
        FilePlace {
            directory: directory.into(),
            name: name.to_owned(),
            is_pattern: is_pattern(name),
        }
    }

    fn text(&self, local: DateTime, schedule: &str) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Schedule => schedule.to_owned(),
            Piece::Time { shift_days, format } => local.saturating_add(shift_days.days()).strftime(format).to_string(),
        };
        self.pieces.iter().map(shown).collect()
    }

    /// Directory and name as they would be at some time.
    pub fn example(&self) -> FilePlace {
        self.place(SOME_TIME, "schedule")
    }

    fn shown(&self) -> String {
        self.text(SOME_TIME, "schedule")
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn piece(placeholder: &str) -> Result<Piece, String> {
    let (name, how) = match placeholder.split_once(':') {
        Some((name, how)) => (name, Some(how)),
        None => (placeholder, None),
    };
    let names = NAMES.iter().map(|(name, _)| *name);
    let Some((_, format)) = NAMES.iter().find(|(known, _)| *known == name) else {
        let all: Vec<String> = names.clone().map(|name| format!("`{{{name}}}`")).collect();
        return Err(format!(
            "expected one of {}{}",
            all.join(", "),
            did_you_mean(nearest(name, names))
        ));
    };
    let Some(how) = how else {
        return Ok(if format.is_empty() {
            Piece::Schedule
        } else {
            time(0, format)
        });
    };
    if format.is_empty() {
        return Err(format!("expected `{{{name}}}`, which takes neither shift nor format"));
    }
    let (shift, written) = match how.split_once(':') {
        Some((shift, written)) => (Some(shift), Some(written)),
        None if how.contains('%') => (None, Some(how)),
        None => (Some(how), None),
    };
    let shift_days = shift.map_or(Ok(0), days)?;
    if let Some(written) = written {
        checked_format(written)?;
    }
    Ok(time(shift_days, written.unwrap_or(format)))
}

fn time(shift_days: i32, format: &str) -> Piece {
    Piece::Time {
        shift_days,
        format: format.to_owned(),
    }
}

fn days(shift: &str) -> Result<i32, String> {
    let number = shift.strip_suffix('d').filter(|number| number.starts_with(['-', '+']));
    let number = number.and_then(|number| number.parse::<i32>().ok());
    number
        .filter(|number| number.abs() <= FURTHEST)
        .ok_or_else(|| format!("expected a shift in days such as `-1d`, or a format such as `%Y%m%d`; found `{shift}`"))
}

fn checked_format(format: &str) -> Result<(), String> {
    let mut letters = format.chars();
    let mut has_directive = false;
    while let Some(letter) = letters.next() {
        if letter == '%' {
            match letters.next() {
                Some(directive) if DIRECTIVES.contains(directive) => has_directive |= directive != '%',
                other => {
                    let found = other.map_or_else(|| "%".to_owned(), |other| format!("%{other}"));
                    let all: Vec<String> = DIRECTIVES.chars().map(|directive| format!("%{directive}")).collect();
                    return Err(format!("expected one of {}; found `{found}`", all.join(" ")));
                }
            }
        }
    }
    if has_directive {
        Ok(())
    } else {
        Err("expected a format such as `%Y%m%d`".to_owned())
    }
}

#[cfg(test)]
mod tests;
