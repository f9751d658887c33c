//! The zip archive a workbook is: whether it holds a workbook, and whether its parts are of a size to be read.
//!
//! A few bytes can unzip to gigabytes, and what an archive says about sizes can be a lie. So every part is unzipped
//! once to be weighed, before anything is made of it: the reader of workbooks holds some parts whole, and of a
//! sheet a piece of text or a row.

use std::io::{BufRead, BufReader, Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::super::InputLimits;
use super::super::error::{InputError, code};
use super::hidden::{self, BySheet, Hidden};

/// XML takes more room than the text in it: a row may be this many times longer than the longest record.
const MARKUP: usize = 8;
/// The shortest element for a text that cells share, `<si/>`.
const SHORTEST: u64 = 5;
/// A workbook has some dozen parts, one with many pictures some thousand.
const MOST_PARTS: usize = 100_000;

/// Looks into the archive. Says what is hidden in each part that can be a sheet, by the part's name.
pub(super) fn check(archive: &mut (impl Read + Seek), file: &str, limits: InputLimits) -> Result<BySheet, InputError> {
    let mut sheets = BySheet::new();
    let mut zip = ZipArchive::new(archive).map_err(|error| damaged(file, &error.to_string()))?;
    if zip.len() > MOST_PARTS {
        return Err(too_large(file, &format!("more than {MOST_PARTS} parts")));
    }
    if let Some(message) = foreign(&mut zip) {
        return Err(InputError::new(file, code::NOT_A_WORKBOOK, message));
    }
    for index in 0..zip.len() {
        let part = match zip.by_index(index) {
            Ok(part) => part,
            Err(ZipError::UnsupportedArchive(what)) if what == ZipError::PASSWORD_REQUIRED => {
                let message = "the workbook is protected by a password; save it without one";
                return Err(InputError::new(file, code::PASSWORD_PROTECTED, message));
            }
            Err(error) => return Err(damaged(file, &error.to_string())),
        };
        let name = part.name().map(|name| name.to_lowercase()).unwrap_or_default();
        let weighed = match kind(&name) {
            Kind::Other => plain(part, limits.part_bytes),
            kind => {
                let mut hidden = Hidden::default();
                let weighed = xml(part, kind, limits, &mut hidden);
                if kind != Kind::Texts {
                    sheets.insert(hidden::normal(&name), hidden);
                }
                weighed
            }
        };
        match weighed {
            Ok(None) => {}
            Ok(Some(what)) => return Err(too_large(file, &format!("{what} in its part {name}"))),
            Err(error) => return Err(damaged(file, &format!("{name}: {error}"))),
        }
    }
    Ok(sheets)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sheet,
    Texts,
    Xml,
    /// Pictures and the like.
    Other,
}

fn kind(name: &str) -> Kind {
    let xml = [".xml", ".rels"].iter().any(|end| name.ends_with(end));
    if xml && name.contains("worksheets/") && !name.contains("_rels/") {
        Kind::Sheet
    } else if name.ends_with("sharedstrings.xml") {
        Kind::Texts
    } else if xml {
        Kind::Xml
    } else {
        Kind::Other
    }
}

/// What the archive is, if not a workbook.
fn foreign(zip: &mut ZipArchive<impl Read + Seek>) -> Option<&'static str> {
    let names: Vec<String> = zip
        .file_names_raw()
        .map(|name| String::from_utf8_lossy(name).to_lowercase().replace('\\', "/"))
        .collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let within = |dir: &str| names.iter().any(|name| name.starts_with(dir));
    if has("xl/workbook.bin") {
        return Some("this is a binary Excel workbook (.xlsb); save it as .xlsx or as CSV");
    }
    if has("[content_types].xml") && within("xl/") {
        return None;
    }
    Some(if has("mimetype") && has("content.xml") {
        "this is an OpenDocument file (.ods); save it as .xlsx or as CSV"
    } else if within("word/") || within("ppt/") {
        "this is an Office document, and no Excel workbook"
    } else {
        "this is a zip archive, and no Excel workbook; unzip it and name the files in it"
    })
}

/// Weighs a part of which nothing is known; tells what is too much.
fn plain(part: impl Read, limit: u64) -> std::io::Result<Option<String>> {
    let read = std::io::copy(&mut part.take(limit + 1), &mut std::io::sink())?;
    Ok((read > limit).then(|| format!("more than {limit} bytes")))
}

/// Weighs a part that is XML, from one `>` to the next.
fn xml(part: impl Read, kind: Kind, limits: InputLimits, hidden: &mut Hidden) -> std::io::Result<Option<String>> {
    let limit = match kind {
        Kind::Sheet => limits.sheet_bytes,
        _ => limits.part_bytes,
    };
    let mut part = BufReader::with_capacity(64 << 10, part.take(limit + 1));
    let count = memchr::memmem::Finder::new("uniqueCount");
    let (mut total, mut since_row, mut promised) = (0_u64, 0_usize, 0_u64);
    let mut in_rows = kind != Kind::Texts;
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let read = (&mut part)
            .take(limits.record_bytes as u64 + 1)
            .read_until(b'>', &mut piece)?;
        total += read as u64;
        if read == 0 || total > limit {
            break;
        }
        if read > limits.record_bytes {
            return Ok(Some(format!("a text longer than {} bytes", limits.record_bytes)));
        }
        if in_rows {
            since_row += read;
            let is_tag = hidden.look(&piece);
            match closed(&piece).filter(|_| is_tag) {
                Some(b"row") => since_row = 0,
                Some(b"sheetData") => in_rows = false,
                _ => {}
            }
            if kind == Kind::Sheet && since_row > limits.record_bytes.saturating_mul(MARKUP) {
                return Ok(Some(format!("a row longer than {} bytes", limits.record_bytes)));
            }
        } else if kind == Kind::Texts
            && let Some(at) = count.find(&piece)
        {
            promised = promised.max(number(&piece[at..]));
        }
    }
    if total > limit {
        return Ok(Some(format!("more than {limit} bytes")));
    }
    // Room is made for as many texts as are promised.
    Ok((promised > total / SHORTEST).then(|| format!("{promised} texts promised, and fewer given")))
}

/// The local name of the element that ends here, if one does.
fn closed(piece: &[u8]) -> Option<&[u8]> {
    let open = memchr::memrchr(b'<', piece)?;
    let name = piece[open + 1..].strip_prefix(b"/")?.strip_suffix(b">")?.trim_ascii();
    Some(name.rsplit(|byte| *byte == b':').next().unwrap_or(name))
}

/// The first number in a text.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().skip_while(|byte| !byte.is_ascii_digit());
    digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |number: u64, digit| {
            number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
        })
}

fn damaged(file: &str, why: &str) -> InputError {
    let message = format!("the workbook is damaged ({why}); open it in a spreadsheet program and save it again");
    InputError::new(file, code::BAD_WORKBOOK, message)
}

fn too_large(file: &str, what: &str) -> InputError {
    let message = format!("the workbook unzips to more than is read: {what}; split it, or save the sheet as CSV");
    InputError::new(file, code::TOO_LARGE, message)
}
