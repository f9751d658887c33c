//! The tokeniser: one record at a time out of a window of text.
//!
//! RFC 4180, with what files do to it: LF, CRLF and CR all end a record; a quote inside an unquoted cell is
//! a character like any other; blanks around a quoted cell are no part of it. Anything else after a closing quote means that
//! a quote is missing or one too many, and then nobody knows where the cell ends.
//!
//! It keeps no state between calls. A record that does not end within the window is scanned again once the
//! window has grown, which is cheap because the window at least doubles.

use super::block::Cells;
use super::error::line_breaks;

pub(super) enum Scanned {
    /// A record up to `end`, within which `breaks` lines end (in quoted cells).
    Record { end: usize, breaks: u64 },
    /// The window ends before the record does; `quote` is where a quoted cell was opened, if it is in one.
    Cut { quote: Option<usize> },
    /// Text follows the quote at `quote`, which closes the cell opened at `opened`.
    Stray { opened: usize, quote: usize },
    /// There is no further record.
    End,
}

/// Appends the cells of the record at `from`. `last` says that nothing follows the window.
///
/// Unless a record is returned, what was appended is for the caller to take back.
pub(super) fn record(window: &str, from: usize, last: bool, delimiter: u8, cells: &mut Cells) -> Scanned {
    let bytes = window.as_bytes();
    if from == bytes.len() {
        return if last {
            Scanned::End
        } else {
            Scanned::Cut { quote: None }
        };
    }
    let needles = Needles::new(delimiter);
    let mut breaks = 0;
    // Text of the window before `copied` is in `cells` already. An unquoted record is copied in one piece.
    let mut copied = from;
    let mut at = from;
    loop {
        let opened = past_blanks(bytes, at, delimiter);
        match bytes.get(opened) {
            Some(b'"') => {
                cells.text.push_str(&window[copied..at]);
                let Some(closed) = quoted(window, opened, last, cells) else {
                    return Scanned::Cut { quote: Some(opened) };
                };
                breaks += line_breaks(&bytes[opened..closed]);
                at = past_blanks(bytes, closed, delimiter);
                copied = at;
                match bytes.get(at) {
                    None if !last => return Scanned::Cut { quote: Some(opened) },
                    None | Some(b'\r' | b'\n') => {}
                    Some(next) if *next == delimiter => {}
                    Some(_) => {
                        return Scanned::Stray {
                            opened,
                            quote: closed - 1,
                        };
                    }
                }
            }
            None if !last => return Scanned::Cut { quote: None },
            _ => {}
        }
        let base = (cells.text.len() as u32).wrapping_sub(copied as u32);
        let Some(end) = unquoted(bytes, at, needles, base, &mut cells.ends) else {
            if !last {
                return Scanned::Cut { quote: None };
            }
            cells.text.push_str(&window[copied..]);
            cells.end();
            return Scanned::Record {
                end: bytes.len(),
                breaks,
            };
        };
        match bytes[end] {
            b'\n' => {
                cells.text.push_str(&window[copied..=end]);
                return Scanned::Record { end: end + 1, breaks };
            }
            b'\r' => {
                let next = bytes.get(end + 1);
                if next.is_none() && !last {
                    return Scanned::Cut { quote: None };
                }
                cells.text.push_str(&window[copied..=end]);
                let end = if next == Some(&b'\n') { end + 2 } else { end + 1 };
                return Scanned::Record { end, breaks };
            }
            _ => at = end + 1,
        }
    }
}

/// Where the first byte at or after `from` stands that is neither a space nor, unless it delimits, a tab.
#[inline]
fn past_blanks(bytes: &[u8], from: usize, delimiter: u8) -> usize {
    let mut at = from;
    while matches!(bytes.get(at), Some(b' ' | b'\t') if bytes[at] != delimiter) {
        at += 1;
    }
    at
}

/// Appends the text between the quote at `opened` and the one that closes it; returns where that ends.
fn quoted(window: &str, opened: usize, last: bool, cells: &mut Cells) -> Option<usize> {
    let bytes = window.as_bytes();
    let mut at = opened + 1;
    loop {
        let quote = at + memchr::memchr(b'"', &bytes[at..])?;
        match bytes.get(quote + 1) {
            Some(b'"') => {
                cells.text.push_str(&window[at..=quote]);
                at = quote + 2;
            }
            None if !last => return None,
            _ => {
                cells.text.push_str(&window[at..quote]);
                return Some(quote + 1);
            }
        }
    }
}

/// Ends cells until the record ends or a quoted cell may begin, and returns where: at the line end, or at the
/// delimiter before the quote or the blanks that may stand before one. `base` turns a place in the window into one in the cells' text, by wrapping
/// addition since it may be the earlier of the two.
fn unquoted(bytes: &[u8], from: usize, needles: Needles, base: u32, ends: &mut Vec<u32>) -> Option<usize> {
    let mut at = from;
    while let Some(word) = bytes[at..].first_chunk::<8>() {
        let mut hits = needles.find(u64::from_le_bytes(*word));
        while hits != 0 {
            let hit = at + (hits.trailing_zeros() / 8) as usize;
            hits &= hits - 1;
            ends.push(base.wrapping_add(hit as u32));
            if bytes[hit] != needles.delimiter || matches!(bytes.get(hit + 1), Some(b'"' | b' ' | b'\t')) {
                return Some(hit);
            }
        }
        at += 8;
    }
    for (offset, byte) in bytes[at..].iter().enumerate() {
        let hit = at + offset;
        if *byte == needles.delimiter || *byte == b'\n' || *byte == b'\r' {
            ends.push(base.wrapping_add(hit as u32));
            if *byte != needles.delimiter || matches!(bytes.get(hit + 1), Some(b'"' | b' ' | b'\t')) {
                return Some(hit);
            }
        }
    }
    None
}

/// Finds the bytes that end a cell, eight at a time within a word. Cells are too short, some nine bytes on
/// average, for a call into a vectorised search to pay for itself.
#[derive(Clone, Copy)]
struct Needles {
    delimiter: u8,
    delimiters: u64,
}

impl Needles {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            delimiters: Self::EACH * u64::from(delimiter),
        }
    }

    /// The high bit of every byte that is a delimiter, CR or LF.
    #[inline]
    fn find(self, word: u64) -> u64 {
        // A byte plus 0x7f carries into its high bit unless the byte is zero; the carry never leaves the byte.
        let not_zero = |x: u64| ((x & Self::LOW) + Self::LOW) | x;
        let cr = const { Self::EACH * b'\r' as u64 };
        let lf = const { Self::EACH * b'\n' as u64 };
        !(not_zero(word ^ self.delimiters) & not_zero(word ^ cr) & not_zero(word ^ lf)) & !Self::LOW
    }
}

/// What can delimit cells.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the first line is, if it only precedes the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preface {
    /// Spreadsheets' own `sep=;`, which names the delimiter; quoted, padded or with blanks, as other programs save it.
    Delimiter(u8),
    /// `#TYPE …`, which Windows PowerShell puts first.
    Type,
}

/// Whether the first line only precedes the header.
pub(super) fn preface(window: &str) -> Option<Preface> {
    let end = window.find(['\r', '\n']).unwrap_or(window.len());
    let line = window[..end].trim_start_matches([' ', '"']);
    if line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("#type ")) {
        return Some(Preface::Type);
    }
    let rest = line
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("sep"))
        .map(|_| &line[3..])?;
    let rest = rest
        .trim_start_matches(' ')
        .strip_prefix('=')?
        .trim_start_matches([' ', '"']);
    let delimiter = *rest.as_bytes().first().filter(|first| CANDIDATES.contains(first))?;
    let is_padding = |byte: u8| byte == delimiter || matches!(byte, b' ' | b'"');
    rest.bytes().all(is_padding).then_some(Preface::Delimiter(delimiter))
}

/// The delimiter of a file, told by its header: the one that stands there most often outside quotes.
pub(super) fn sniff(window: &str) -> u8 {
    let bytes = window.as_bytes();
    let mut counts = [0_u32; CANDIDATES.len()];
    let mut inside = false;
    for byte in bytes {
        match byte {
            b'"' => inside = !inside,
            b'\r' | b'\n' if !inside => break,
            byte if !inside => {
                if let Some(which) = CANDIDATES.iter().position(|candidate| candidate == byte) {
                    counts[which] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let first = counts.iter().position(|count| *count == most).unwrap_or_default();
    CANDIDATES[first]
}

#[cfg(test)]
mod tests {
    use super::{Needles, Preface, preface, sniff};

    #[test]
    fn needles_are_found_exactly() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut word = [b'x'; 8];
                word[place] = byte;
                let expected = if matches!(byte, b',' | b'\r' | b'\n') {
                    0x80_u64 << (8 * place)
                } else {
                    0
                };
                assert_eq!(
                    Needles::new(b',').find(u64::from_le_bytes(word)),
                    expected,
                    "{byte} at {place}"
                );
            }
        }
        assert_eq!(
            Needles::new(b',').find(u64::from_le_bytes(*b",,\r\n,,\n-")),
            0x0080_8080_8080_8080
        );
    }

    #[test]
    fn delimiters_are_told_by_the_header() {
        for (text, expected) in [
            ("a,b;c\n;;;;", b','),
            ("a;b;c,d", b';'),
            ("a\tb", b'\t'),
            ("a|b", b'|'),
            ("\"a;b;c\",d", b','),
            ("\"a\n;;;\"\tb", b'\t'),
            ("only\n;;", b','),
            ("", b','),
        ] {
            assert_eq!(sniff(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_that_precede_the_header_are_known() {
        let delimiter = |delimiter| Some(Preface::Delimiter(delimiter));
        for (text, expected) in [
            ("sep=;\r\na,b;c,d,e", delimiter(b';')),
            ("SEP=,", delimiter(b',')),
            ("\"sep=;\"\n", delimiter(b';')),
            ("\"sep=\t\"\n", delimiter(b'\t')),
            ("sep=;;;\n", delimiter(b';')),
            ("sep =|\n", delimiter(b'|')),
            ("sep=\";\"\n", delimiter(b';')),
            ("#TYPE Selected.System.String\n", Some(Preface::Type)),
            ("\"#TYPE x\"\n", Some(Preface::Type)),
            ("sep=x\n", None),
            ("sep=;x\n", None),
            ("separator;b\n", None),
            ("#typed\n", None),
            ("sep", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(preface(text), expected, "{text:?}");
        }
    }
}
