//! CSV, written by hand: the `csv` crate's writer takes about twice the processor time for the same cells, and a job of a
//! million rows waits for this at its end.

use std::io::{self, Write};

use super::BOM;
use crate::input::guard;

/// Bytes gathered before they are hashed and written.
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Csv<W: Write> {
    pub(super) out: W,
    buffer: Vec<u8>,
    /// Where the row begins in the buffer.
    row: usize,
    rows: u64,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W, header: &[&str], bom: bool) -> Self {
        let mut csv = Self {
            out,
            buffer: Vec::with_capacity(BUFFER + 4096),
            row: 0,
            rows: 0,
        };
        // Without the mark a reader would take this for a mark, or for UTF-16.
        let is_taken_for_one = header.first().is_some_and(|first| first.starts_with(BOM));
        if bom || is_taken_for_one || header.iter().any(|name| name.contains('\0')) {
            csv.buffer.extend_from_slice(BOM.as_bytes());
        }
        csv.row = csv.buffer.len();
        for name in header {
            // The delimiter is told by the first line, so other candidates for it are quoted there.
            if name.contains([';', '\t', '|']) {
                csv.quoted(name.as_bytes(), guard::is_needed(name.as_bytes()));
            } else {
                csv.cell(name);
            }
        }
        csv.end_line();
        csv
    }

    #[inline]
    pub(super) fn cell(&mut self, cell: &str) {
        let cell = cell.as_bytes();
        let guarded = guard::is_needed(cell);
        if plain(cell) {
            if guarded {
                self.buffer.push(b'\'');
            }
            self.buffer.extend_from_slice(cell);
            self.buffer.push(b',');
        } else {
            self.quoted(cell, guarded);
        }
    }

    #[cold]
    fn quoted(&mut self, mut cell: &[u8], guarded: bool) {
        self.buffer.push(b'"');
        if guarded {
            self.buffer.push(b'\'');
        }
        while let Some(quote) = memchr::memchr(b'"', cell) {
            self.buffer.extend_from_slice(&cell[..=quote]);
            self.buffer.push(b'"');
            cell = &cell[quote + 1..];
        }
        self.buffer.extend_from_slice(cell);
        self.buffer.extend_from_slice(b"\",");
    }

    fn end_line(&mut self) {
        self.buffer.pop();
        // A line with nothing on it is no row.
        if self.buffer.len() == self.row {
            self.buffer.extend_from_slice(b"\"\"");
        }
        self.buffer.push(b'\n');
        self.row = self.buffer.len();
    }

    pub(super) fn end_row(&mut self) -> io::Result<()> {
        self.end_line();
        self.rows += 1;
        if self.buffer.len() >= BUFFER {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.row = 0;
        Ok(())
    }

    /// Hands over what is still gathered.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        self.flush()?;
        Ok((self.out, self.rows))
    }
}

/// Whether a cell needs no quotes.
#[inline]
fn plain(cell: &[u8]) -> bool {
    // One pass without an early end: cells are short, and this way the compiler takes several bytes at a time.
    !cell.iter().fold(false, |special, byte| {
        special | matches!(byte, b',' | b'"' | b'\n' | b'\r')
    })
}
