//! The records that single rows touch, kept until it is known which of them repeat another and touch nothing after all. A few bytes a
//! row, in a temporary file beyond a little memory; rows that create something take none.

use std::io::{self, BufReader, Read, Write};

use tempfile::SpooledTempFile;

use super::scratch::Scratch;
use crate::store::Preview;

/// Bytes in memory before the rest goes to a file.
const IN_MEMORY: usize = 64 * 1024;
/// Stands for no customer.
const NOBODY: i64 = -1;

/// What a row touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Touched {
    row: u64,
    pub(super) destructive: bool,
    /// The customer whose existing users it touches, and how many.
    pub(super) users: Option<(i64, u64)>,
}

/// Rows being written, in ascending order.
pub(super) struct Touching {
    out: Scratch,
    count: u64,
}

/// Rows being read.
pub(super) struct TouchedRows {
    rows: BufReader<SpooledTempFile>,
    left: u64,
    next: Option<Touched>,
}

impl Default for Touching {
    fn default() -> Self {
        Self {
            out: Scratch::new(IN_MEMORY),
            count: 0,
        }
    }
}

impl Touching {
    pub(super) fn add(&mut self, previews: &[Preview]) -> io::Result<()> {
        for preview in previews {
            if !preview.destructive && preview.touch.is_none() {
                continue;
            }
            let users = preview.touch.as_ref().map(|touch| (touch.customer, touch.users));
            let (customer, users) = users.unwrap_or((NOBODY, 0));
            self.out.write_all(&preview.row.to_le_bytes())?;
            self.out.write_all(&customer.to_le_bytes())?;
            self.out.write_all(&users.to_le_bytes())?;
            self.out.write_all(&[u8::from(preview.destructive)])?;
            self.count += 1;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<TouchedRows> {
        Ok(TouchedRows {
            rows: self.out.into_reader()?,
            left: self.count,
            next: None,
        })
    }
}

impl TouchedRows {
    /// What a row touches, if anything; rows are asked for in ascending order.
    pub(super) fn of(&mut self, row: u64) -> io::Result<Option<Touched>> {
        while self.next.is_none_or(|next| next.row < row) {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            self.next = Some(self.read()?);
        }
        Ok(self.next.take_if(|next| next.row == row))
    }

    fn read(&mut self) -> io::Result<Touched> {
        let mut word = || {
            let mut word = [0; 8];
            self.rows.read_exact(&mut word).map(|()| word)
        };
        let (row, customer, users) = (word()?, word()?, word()?);
        let (customer, users) = (i64::from_le_bytes(customer), u64::from_le_bytes(users));
        let mut destructive = [0; 1];
        self.rows.read_exact(&mut destructive)?;
        Ok(Touched {
            row: u64::from_le_bytes(row),
            destructive: destructive != [0],
            users: (customer != NOBODY).then_some((customer, users)),
        })
    }
}
