//! Reading ahead: the next block is read while the caller is busy with the last.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::{Block, Digest, Input, InputError, code};

/// Blocks of a file that is read on a thread of its own. Iterate, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct ReadAhead {
    blocks: Receiver<Result<Block, InputError>>,
    reader: Option<JoinHandle<Result<Digest, InputError>>>,
}

/// Starts reading blocks of up to `max_rows` rows, at most `depth` of them ahead of the caller.
///
/// Dropping what is returned ends the reading.
pub fn read_ahead(mut input: Input, max_rows: usize, depth: usize) -> ReadAhead {
    let (sender, blocks) = sync_channel(depth);
    let refused = sender.clone();
    let name = input.name().to_owned();
    let read = move || {
        loop {
            match input.read_block(max_rows) {
                Ok(Some(block)) => {
                    // Nobody listens any more: the rest of the file is of no interest.
                    if sender.send(Ok(block)).is_err() {
                        return Err(InputError::new(input.name(), code::UNREADABLE, "reading was given up"));
                    }
                }
                Ok(None) => return input.finish(),
                Err(err) => {
                    // The error is also the thread's result, so a lost message loses nothing.
                    let _ = sender.send(Err(err.clone()));
                    return Err(err);
                }
            }
        }
    };
    let reader = std::thread::Builder::new().name("read-ahead".to_owned()).spawn(read);
    if let Err(err) = &reader {
        let message = format!("no thread to read the file with ({err})");
        // With a depth of 0 nobody could receive it yet, and `finish` reports as much.
        let _ = refused.try_send(Err(InputError::new(&name, code::UNREADABLE, message)));
    }
    ReadAhead {
        blocks,
        reader: reader.ok(),
    }
}

impl ReadAhead {
    /// Reads what is left of the file, without looking at it, and says what the file was.
    ///
    /// # Errors
    /// That of the reading, also where the iterator has returned it already.
    pub fn finish(mut self) -> Result<Digest, InputError> {
        self.by_ref().try_for_each(|block| block.map(drop))?;
        let reader = self.reader.take();
        match reader.map(JoinHandle::join) {
            Some(Ok(digest)) => digest,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(InputError::new(
                "input",
                code::UNREADABLE,
                "no thread to read the file with",
            )),
        }
    }
}

impl Iterator for ReadAhead {
    type Item = Result<Block, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.blocks.recv().ok()
    }
}
