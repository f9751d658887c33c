//! What is to be said of a file that was read: nothing is wrong with it, and yet its rows may not be what somebody meant.

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

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
    /// Cells that look like UTF-8 that was read as something else: line, what stands there, what was meant.
    garbled: Vec<(u64, String, String)>,
    more_garbled: u64,
}

impl Notes {
    /// Looks at a block that is handed out, in which secrets are redacted.
    pub(super) fn look(&mut self, block: &Block, encoding: &str) {
        if block.cells.text.is_ascii() {
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
        if may_be_garbled(&block.cells.text) {
            for row in block.rows() {
                for cell in row.cells().filter(|cell| may_be_garbled(cell)) {
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
    /// header.
    pub(super) fn told(&self, encoding: &str, broken: Option<(u64, u64)>, rows: u64) -> Vec<String> {
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
                "line {line}: {read} looks like {meant}, saved in a wrong encoding before"
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

/// Whether the text has a letter that the first byte of a UTF-8 sequence becomes, and something beyond ASCII after it.
fn may_be_garbled(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(0xC3, bytes).any(|at| {
        matches!(bytes.get(at + 1), Some(0x80..=0x96 | 0xA0..=0xAF))
            && bytes.get(at + 2).is_some_and(|next| *next >= 0x80)
    })
}

/// The text whose UTF-8 was read as Windows-1252 and gave `text`, if it was one.
fn ungarbled(text: &str) -> Option<String> {
    let (bytes, _, lost) = WINDOWS_1252.encode(text);
    if lost || bytes.is_ascii() {
        return None;
    }
    String::from_utf8(bytes.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbled_text_is_repaired() {
        for meant in ["Müller", "José", "Łukasz Žák", "naïve – “quoted”", "Æsop"] {
            let (garbled, _) = WINDOWS_1252.decode_without_bom_handling(meant.as_bytes());
            assert!(may_be_garbled(&garbled), "{garbled}");
            assert_eq!(ungarbled(&garbled).as_deref(), Some(meant));
        }
        for fine in ["Müller", "São Paulo", "Ângela", "ÀÈÌ", "Ärzte", "Ã", "Äø"] {
            assert!(!may_be_garbled(fine) || ungarbled(fine).is_none(), "{fine}");
        }
    }
}
