//! Completeness of a file by its content, and by what its marker states.
//!
//! What can be seen at a file's end without knowing its rows: nothing in it, zeros that were reserved and not yet written, an
//! archive without its end. A text without a line feed at its end may be whole and may be cut, so it has to settle for longer.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tenantry_jobs::{did_you_mean, nearest};

use crate::input::{Input, InputError, InputLimits, StreamHasher, code};

/// Bytes at the end that are looked at.
const END: u64 = 16;
/// Packed files of up to so many bytes are unpacked to see whether they are whole; of larger ones that is seen when they are read.
const UNPACKED: u64 = 64 << 20;
/// The end record of an archive, without its comment, which may be as long as this.
const ZIP_END: (u64, u64) = (22, 65_535);
/// Bytes of a marker that are read.
const LONGEST_MARKER: u64 = 4_096;

/// What a file's content says of its being complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FileContent {
    /// It was not looked at since it changed.
    #[default]
    Unknown,
    /// Nothing speaks against it.
    Whole,
    /// Its last line does not end.
    OpenLine,
    /// It is not all there.
    Not(Incomplete),
}

/// Why a file is not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incomplete {
    Empty,
    Zeros,
    Packed,
    Workbook,
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Zeros => "it ends with zeros, as files do whose size was set before they were written",
            Self::Packed => "its gzip data ends too early",
            Self::Workbook => "it is a workbook without its end",
            Self::Unreadable(why) => return write!(f, "it cannot be read: {why}"),
        })
    }
}

/// What an open file's content says.
pub(crate) fn look_into(file: &mut File, name: &OsStr) -> io::Result<FileContent> {
    let size = file.metadata()?.len();
    content(file, size, name)
}

/// What the content of a file of that size and name says.
pub(crate) fn content(file: &mut (impl Read + Seek), size: u64, name: &OsStr) -> io::Result<FileContent> {
    if size == 0 {
        return Ok(FileContent::Not(Incomplete::Empty));
    }
    let end = last(file, size.min(END))?;
    if end.iter().all(|byte| *byte == 0) {
        return Ok(FileContent::Not(Incomplete::Zeros));
    }
    let has_ending = |ending: &str| {
        let name = name.as_bytes();
        name.len() > ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
    };
    if has_ending(".gz") {
        let is_cut = size <= UNPACKED && is_cut(file)?;
        return Ok(whole_or(is_cut.then_some(Incomplete::Packed)));
    }
    if has_ending(".xlsx") {
        let is_whole = has_end_record(file, size)?;
        return Ok(whole_or((!is_whole).then_some(Incomplete::Workbook)));
    }
    // Text of two bytes a character has its line feed in the last or the one before.
    let ends = end.iter().rev().take(2).any(|byte| matches!(byte, b'\n' | b'\r'));
    Ok(if ends {
        FileContent::Whole
    } else {
        FileContent::OpenLine
    })
}

/// Whether an error says that the file is not all there, rather than that it is wrong.
pub(crate) fn is_incomplete(error: &InputError) -> bool {
    error.code == code::FILE_CHANGED || (error.code == code::BAD_GZIP && error.message.ends_with("too early"))
}

fn whole_or(fault: Option<Incomplete>) -> FileContent {
    fault.map_or(FileContent::Whole, FileContent::Not)
}

fn last(file: &mut (impl Read + Seek), bytes: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::End(-(bytes as i64)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(end)
}

/// Whether gzip data ends before it is at its end. Data that is damaged is not cut.
fn is_cut(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut unpacked = MultiGzDecoder::new(io::BufReader::new(file));
    match io::copy(&mut unpacked, &mut io::sink()) {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(true),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether an archive's end record is where it has to be. What is no archive at all, such as a text with this ending, is whole:
/// what is wrong with it is told when it is read.
fn has_end_record(file: &mut (impl Read + Seek), size: u64) -> io::Result<bool> {
    let mut begin = [0; 4];
    file.seek(SeekFrom::Start(0))?;
    if size < 4 || file.read_exact(&mut begin).is_err() || &begin != b"PK\x03\x04" {
        return Ok(true);
    }
    let (record, comment) = ZIP_END;
    let end = last(file, size.min(record + comment))?;
    let record = record as usize;
    let found = (0..(end.len() + 1).saturating_sub(record)).rev().any(|at| {
        let comment = usize::from(end[at + 20]) | usize::from(end[at + 21]) << 8;
        end[at..].starts_with(b"PK\x05\x06") && end.len() - at - record == comment
    });
    Ok(found)
}

/// What a marker states of its file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Statement {
    sha256: Option<String>,
    size: Option<u64>,
    rows: Option<u64>,
}

impl Statement {
    /// Reads a marker. Free text states nothing; what looks like a statement and is none that is known is a fault.
    pub(crate) fn read(marker: &mut dyn Read) -> io::Result<Result<Self, String>> {
        let mut bytes = Vec::new();
        marker.take(LONGEST_MARKER).read_to_end(&mut bytes)?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut statement = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // As `sha256sum` writes it: the hash, then the file's name.
            let first = line.split_whitespace().next().unwrap_or_default();
            let is_hash = first.len() >= 32 && first.chars().all(|one| one.is_ascii_hexdigit());
            if let Some((key, value)) = line.split_once('=').filter(|_| !is_hash) {
                statement.state(key.trim(), value.trim())?;
            } else if is_hash {
                statement.state("sha256", first)?;
            }
        }
        Ok(statement)
    }

    fn state(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = || {
            value
                .parse()
                .map_err(|_| format!("`{key}={value}`: expected a whole number"))
        };
        match key.to_ascii_lowercase().as_str() {
            "sha256" | "sha-256" => {
                if value.len() != 64 || !value.chars().all(|one| one.is_ascii_hexdigit()) {
                    return Err(format!("`{value}`: expected the 64 hexadecimal digits of a SHA-256"));
                }
                self.sha256 = Some(value.to_ascii_lowercase());
            }
            "size" => self.size = Some(number()?),
            "rows" => self.rows = Some(number()?),
            other => {
                let near = did_you_mean(nearest(other, ["sha256", "size", "rows"]));
                return Err(format!("`{key}=`: expected `sha256=`, `size=` or `rows=`{near}"));
            }
        }
        Ok(())
    }

    /// Whether it states anything.
    pub(crate) fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// What of it is not true of the file, if anything is.
    pub(crate) fn contradicts(&self, path: &Path, file: &mut File) -> io::Result<Option<String>> {
        let size = file.metadata()?.len();
        if let Some(stated) = self.size.filter(|stated| *stated != size) {
            return Ok(Some(format!("it states {stated} bytes, and there are {size}")));
        }
        if let Some(stated) = &self.sha256 {
            let mut meter = StreamHasher::default();
            let mut bytes = vec![0; 64 << 10];
            file.seek(SeekFrom::Start(0))?;
            loop {
                match file.read(&mut bytes)? {
                    0 => break,
                    read => meter.pass(&bytes[..read]),
                }
            }
            let found = meter.sha256();
            if found.as_str() != stated {
                return Ok(Some(format!(
                    "it states the SHA-256 {stated}, and the file has {found}"
                )));
            }
        }
        if let Some(stated) = self.rows {
            return Ok(match rows(path) {
                Ok(found) if found == stated => None,
                Ok(found) => Some(format!("it states {stated} rows, and there are {found}")),
                Err(why) => Some(format!("it states {stated} rows, which cannot be counted: {why}")),
            });
        }
        Ok(None)
    }
}

fn rows(path: &Path) -> Result<u64, String> {
    const TOGETHER: usize = 5_000;
    let counted = Input::open(path, InputLimits::default()).and_then(|mut input| {
        while input.read_block(TOGETHER)?.is_some() {}
        input.finish()
    });
    counted.map(|digest| digest.rows).map_err(|error| error.message)
}

#[cfg(test)]
mod tests;
