//! The blocks of a source, one after the other: read ahead on a thread, or where they are asked for if there is little to read.

use crate::input::{self, Block, Digest, Input, InputError, ReadAhead};

/// Blocks read ahead of those that are being checked.
const AHEAD: usize = 2;

/// The blocks that are still to be read.
pub(super) enum Reader {
    Ahead(ReadAhead),
    Here { input: Box<Input>, rows: usize },
}

impl Reader {
    /// Blocks of up to so many rows, read ahead.
    pub(super) fn ahead(input: Input, rows: usize) -> Self {
        Self::Ahead(input::read_ahead(input, rows, AHEAD))
    }

    /// Blocks of up to so many rows, read when they are asked for.
    pub(super) fn here(input: Input, rows: usize) -> Self {
        Self::Here {
            input: Box::new(input),
            rows,
        }
    }

    /// Whether asking for a block keeps nobody waiting.
    pub(super) fn is_here(&self) -> bool {
        matches!(self, Self::Here { .. })
    }

    pub(super) fn next(&mut self) -> Option<Result<Block, InputError>> {
        match self {
            Self::Ahead(ahead) => ahead.next(),
            Self::Here { input, rows } => input.read_block(*rows).transpose(),
        }
    }

    /// Reads what is left, and says what the source was.
    pub(super) fn finish(self) -> Result<Digest, InputError> {
        match self {
            Self::Ahead(ahead) => ahead.finish(),
            Self::Here { input, .. } => input.finish(),
        }
    }
}
