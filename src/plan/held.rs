//! Findings about rows, held back until it is known which of them repeat another: that is so only at the end of the
//! file. Beyond a little it lies in a temporary file.

use std::io::{self, BufReader, Read, Write};

use tempfile::SpooledTempFile;

use super::scratch::Scratch;

/// Bytes in memory before the rest goes to a file.
const IN_MEMORY: usize = 256 * 1024;

/// Texts of rows, in row order, being written.
pub(crate) struct HeldRows {
    out: Scratch,
    count: u64,
}

/// Texts of rows, being read.
pub(crate) struct Released {
    held: BufReader<SpooledTempFile>,
    left: u64,
    next: Option<HeldRow>,
}

/// A row and what is to be said of it.
#[derive(Debug)]
pub(crate) struct HeldRow {
    /// Its number.
    pub row: u64,
    /// Whatever mark it was given.
    pub mark: u8,
    /// The text.
    pub text: String,
}

impl Default for HeldRows {
    fn default() -> Self {
        Self {
            out: Scratch::new(IN_MEMORY),
            count: 0,
        }
    }
}

impl HeldRows {
    /// How many texts there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds one; rows come in ascending order.
    pub(crate) fn push(&mut self, row: u64, mark: u8, text: &str) -> io::Result<()> {
        self.count += 1;
        self.out.write_all(&row.to_le_bytes())?;
        self.out.write_all(&[mark])?;
        self.out.write_all(&(text.len() as u64).to_le_bytes())?;
        self.out.write_all(text.as_bytes())
    }

    /// To be read from the first one on.
    pub(crate) fn release(self) -> io::Result<Released> {
        Ok(Released {
            held: self.out.into_reader()?,
            left: self.count,
            next: None,
        })
    }
}

impl Released {
    /// The next text, if it is of a row up to `last`.
    pub(crate) fn up_to(&mut self, last: u64) -> io::Result<Option<HeldRow>> {
        if self.next.is_none() && self.left > 0 {
            self.left -= 1;
            self.next = Some(self.read()?);
        }
        Ok(self.next.take_if(|next| next.row <= last))
    }

    fn read(&mut self) -> io::Result<HeldRow> {
        let (mut row, mut mark, mut length) = ([0; 8], [0; 1], [0; 8]);
        self.held.read_exact(&mut row)?;
        self.held.read_exact(&mut mark)?;
        self.held.read_exact(&mut length)?;
        let mut text = vec![0; u64::from_le_bytes(length) as usize];
        self.held.read_exact(&mut text)?;
        Ok(HeldRow {
            row: u64::from_le_bytes(row),
            mark: mark[0],
            text: String::from_utf8(text).map_err(io::Error::other)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_in_order_from_memory_and_from_a_file() {
        for rows in [0, 1, 20_000] {
            let mut held = HeldRows::default();
            for row in 0..rows {
                held.push(row * 2, (row % 3) as u8, &format!("row {row} é"))
                    .expect("held");
            }
            assert_eq!(held.count(), rows);
            let mut released = held.release().expect("held");
            for row in 0..rows {
                assert!(row == 0 || released.up_to(row * 2 - 1).expect("held").is_none());
                let back = released.up_to(row * 2).expect("held").expect("held");
                let told = (back.row, back.mark, back.text);
                assert_eq!(told, (row * 2, (row % 3) as u8, format!("row {row} é")));
            }
            assert!(released.up_to(u64::MAX).expect("held").is_none());
        }
    }
}
