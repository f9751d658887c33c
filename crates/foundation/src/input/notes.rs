//! Notes on a file that was read: nothing is wrong with it, and yet its rows may not be what somebody meant.

mod escaped;

use encoding_rs::{Encoding, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252};

use escaped::unescaped;

use super::block::Block;

/// Examples that a note gives.
const EXAMPLES: usize = 3;
/// Characters of an example that are shown.
const SHOWN: usize = 60;

/// Collects notes while blocks go by.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Values that depend on the encoding.
    encoded: Vec<String>,
    /// Cells that look like text that was read or written as something else: line or row, what stands there, what was meant.
    garbled: Vec<(u64, String, String)>,
    more_garbled: u64,
}

impl Notes {
    /// Looks at a block that is handed out, in which secrets are redacted.
    pub(super) fn look(&mut self, block: &Block, encoding: &str) {
        let text = &block.cells.text;
        let is_escaped = escaped::may_be(text);
        if text.is_ascii() && !is_escaped {
            return;
        }
        if self.encoded.len() < EXAMPLES && !is_unicode(encoding) {
            let cells = block.rows().flat_map(|row| row.cells());
            for cell in cells.filter(|cell| !cell.is_ascii()) {
                let example = example(cell);
                if !self.encoded.contains(&example) {
                    self.encoded.push(example);
                }
                if self.encoded.len() == EXAMPLES {
                    break;
                }
            }
        }
        if is_escaped || read_as(text).is_some() {
            for row in block.rows() {
                for cell in row.cells() {
                    let Some(meant) = ungarbled(cell) else { continue };
                    if self.garbled.len() < EXAMPLES {
                        self.garbled.push((row.line, example(cell), example(&meant)));
                    } else {
                        self.more_garbled += 1;
                    }
                }
            }
        }
    }

    /// The notes, a sentence each. `broken`: the lines of the text, and how many cells hold line ends; `rows`: those below the
    /// header; `place`: what the places of rows are, lines of a text or rows of a sheet.
    pub(super) fn told(&self, encoding: &str, broken: Option<(u64, u64)>, rows: u64, place: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((lines, cells)) = broken {
            let cells = match cells {
                1 => "1 cell contains line breaks".to_owned(),
                many => format!("{many} cells contain line breaks"),
            };
            let rows = match rows {
                1 => "1 row".to_owned(),
                many => format!("{many} rows"),
            };
            notes.push(format!("the file has {lines} lines for a header and {rows}: {cells}"));
        }
        if !is_unicode(encoding) {
            let examples = match self.encoded.as_slice() {
                [] => String::new(),
                some => format!(": {}", some.join(", ")),
            };
            notes.push(format!(
                "the file was read as {encoding}{examples}; if that is wrong, say --encoding"
            ));
        }
        for (line, read, meant) in &self.garbled {
            notes.push(format!(
                "{place} {line}: {read} looks like {meant}, garbled by another program before"
            ));
        }
        if self.more_garbled > 0 {
            notes.push(format!("… and {} more such cells", self.more_garbled));
        }
        notes
    }
}

/// What is said of rows that were completed.
pub(super) fn completed(rows: u64) -> Option<String> {
    match rows {
        0 => None,
        1 => Some("1 row ends before the header does; its last cells were taken as empty".to_owned()),
        many => Some(format!(
            "{many} rows end before the header does; their last cells were taken as empty"
        )),
    }
}

/// What is said of a text whose last row, on this line, has no line end, as the others have.
pub(super) fn unended(line: u64) -> String {
    format!(
        "line {line}, the last one, has no line end as the others have; if what wrote the file was stopped, the end of that line and \
         more rows are missing"
    )
}

fn is_unicode(encoding: &str) -> bool {
    [UTF_8, UTF_16LE, UTF_16BE]
        .iter()
        .any(|unicode| unicode.name() == encoding)
}

fn example(cell: &str) -> String {
    let cut = cell.char_indices().nth(SHOWN).map_or(cell, |(end, _)| &cell[..end]);
    format!("`{}`", cut.escape_debug())
}

/// What the text was read as before, where it has a letter that the first byte of a UTF-8 sequence becomes, and after it what
/// no such letter stands before. In the block of a file every byte is looked at, so most are told by what they are.
fn read_as(text: &str) -> Option<&'static Encoding> {
    let bytes = text.as_bytes();
    let latin = memchr::memchr3_iter(0xC3, 0xC4, 0xD0, bytes).filter_map(|at| {
        let next = *bytes.get(at + 2)?;
        match (bytes[at], *bytes.get(at + 1)?) {
            _ if next < 0x80 => None,
            (0xC3, 0x80..=0x96 | 0xA0..=0xAF) => Some(WINDOWS_1252),
            // Ă Đ Ĺ
            (0xC4, 0x82 | 0x90 | 0xB9) => Some(WINDOWS_1250),
            // А to Я, not before another Russian letter.
            (0xD0, 0x90..=0xAF) => {
                let is_russian = match next {
                    0xD0 => bytes.get(at + 3).is_some_and(|last| *last >= 0x90),
                    0xD1 => bytes.get(at + 3).is_some_and(|last| *last <= 0x8F),
                    _ => false,
                };
                (!is_russian).then_some(WINDOWS_1251)
            }
            _ => None,
        }
    });
    // √ ≈ ƒ
    let mac = memchr::memchr2_iter(0xE2, 0xC6, bytes).filter_map(|at| {
        let is_sign = [&b"\xE2\x88\x9A"[..], b"\xE2\x89\x88", b"\xC6\x92"]
            .iter()
            .any(|sign| bytes[at..].starts_with(sign));
        is_sign.then_some(MACINTOSH)
    });
    latin.chain(mac).next()
}

/// The text that was meant, if `text` is its UTF-8 read as something else, or what a page of the web writes for it.
fn ungarbled(text: &str) -> Option<String> {
    let decoded = read_as(text).and_then(|encoding| {
        let (bytes, _, lost) = encoding.encode(text);
        (!lost && !bytes.is_ascii())
            .then(|| String::from_utf8(bytes.into_owned()).ok())
            .flatten()
    });
    let meant = decoded.or_else(|| unescaped(text))?;
    // Twice is not rare.
    Some(ungarbled(&meant).unwrap_or(meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbled_text_is_repaired() {
        for meant in ["Müller", "José", "Łukasz Žák", "naïve – “quoted”", "Æsop"] {
            let (garbled, _) = WINDOWS_1252.decode_without_bom_handling(meant.as_bytes());
            assert_eq!(ungarbled(&garbled).as_deref(), Some(meant), "{garbled}");
            let (twice, _) = WINDOWS_1252.decode_without_bom_handling(garbled.as_bytes());
            assert_eq!(ungarbled(&twice).as_deref(), Some(meant), "{twice}");
        }
        for (encoding, meant) in [
            (WINDOWS_1250, "Müller"),
            (WINDOWS_1250, "Łódź"),
            (WINDOWS_1251, "Müller"),
            (WINDOWS_1251, "Пётр"),
            (MACINTOSH, "Müller"),
            (MACINTOSH, "Łukasz"),
        ] {
            let (garbled, _) = encoding.decode_without_bom_handling(meant.as_bytes());
            assert_eq!(ungarbled(&garbled).as_deref(), Some(meant), "{garbled}");
        }
        for (garbled, meant) in [
            ("M&uuml;ller", "Müller"),
            ("R&amp;D", "R&D"),
            ("O&#39;Brien &#x41;", "O'Brien A"),
            ("M\\u00fcller", "Müller"),
            ("M&Atilde;&frac14;ller &amp;", "M&Atilde;&frac14;ller &"),
            ("+AUE-ukasz M+APw-ller", "Łukasz Müller"),
            ("Jos+AOk", "José"),
            ("J=C3=B6rg", "Jörg"),
            ("M%C3%BCller", "Müller"),
            ("%c5%81%c3%b3d%c5%ba", "Łódź"),
        ] {
            assert_eq!(ungarbled(garbled).as_deref(), Some(meant), "{garbled}");
        }
        for fine in [
            "Müller",
            "São Paulo",
            "Ângela",
            "ÀÈÌ",
            "Ärzte",
            "Ã",
            "Äø",
            "Ăn Đỗ",
            "Рівне",
            "Сёмин «Рось»",
            "Їжак",
            "√2 ≈ 1,41",
            "R&D; Sales & Co; AT&T",
            "C:\\users\\u00x",
            "&nosuch; &; &#; &#x;",
            "+49 89 123",
            "+491-234",
            "A+B",
            "R+A-Team",
            "Foo+Bar-Baz",
            "C=C3=D",
            "100%C3",
            "https://example.com/?q=M%C3%BCller",
            "北京",
        ] {
            assert_eq!(ungarbled(fine), None, "{fine}");
        }
    }
}
