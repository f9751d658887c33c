//! From bytes of a file to blocks of rows.

use std::io::Read;

use tenantry_foundation::input::{Block, Input, InputError, InputLimits};

mod blocks;
mod corpus;
mod duplicates;
mod files;
mod formats;
mod guard;
pub(crate) mod hostile;
mod oracle;
mod sheet;
mod short;
mod uneven;

/// Rows as plain data: the line each begins on, and its cells.
pub(crate) type Rows = Vec<(u64, Vec<String>)>;

/// Reads everything, a few rows at a time so that block borders are crossed.
pub(crate) fn rows(input: &mut Input) -> Result<Rows, InputError> {
    let mut all = Rows::new();
    while let Some(block) = input.read_block(3)? {
        assert_eq!(block.first_row(), all.len() as u64 + 1);
        all.extend(plain(&block));
    }
    Ok(all)
}

pub(crate) fn plain(block: &Block) -> Rows {
    block
        .rows()
        .map(|row| (row.line, row.cells().map(str::to_owned).collect()))
        .collect()
}

/// Opens bytes that arrive a few at a time.
pub(crate) fn trickle(bytes: &[u8], at_once: usize, limits: InputLimits) -> Result<Input, InputError> {
    let reader = Trickle {
        bytes: bytes.to_vec(),
        at: 0,
        at_once,
    };
    Input::from_reader("users.csv", Box::new(reader), limits)
}

struct Trickle {
    bytes: Vec<u8>,
    at: usize,
    at_once: usize,
}

impl Read for Trickle {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let room = into.len().min(self.at_once.max(1));
        let read = (&self.bytes[self.at..]).read(&mut into[..room])?;
        self.at += read;
        Ok(read)
    }
}
