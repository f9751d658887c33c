//! Bytes that can be read only once, such as those of a pipe, kept so that they can be read again.
//!
//! They lie in a temporary file that has no name, so that it is its owner's alone and is gone with the process, however
//! that ends.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::sync::Arc;

use super::error::{InputError, code};

/// What messages, jobs and receipts call standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// What was read from a pipe, whole. Clones share it.
#[derive(Debug, Clone)]
pub struct SpooledInput {
    name: Arc<str>,
    file: Arc<File>,
}

impl SpooledInput {
    /// Reads standard input to its end; more than `most` bytes are refused.
    pub fn standard_input(most: u64) -> Result<Self, InputError> {
        Self::of(STANDARD_INPUT, io::stdin().lock(), most)
    }

    /// Reads a named pipe, or one that a shell made, to its end. Waits for somebody to write to it. More than `most` bytes are
    /// refused.
    pub fn pipe(path: &Path, most: u64) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let unreadable = |error| InputError::new(&name, code::UNREADABLE, format!("the pipe cannot be read ({error})"));
        let pipe = File::open(path).map_err(unreadable)?;
        // It may have been replaced since somebody looked.
        if !pipe.metadata().map_err(unreadable)?.file_type().is_fifo() {
            return Err(InputError::new(&name, code::FILE_CHANGED, "this is no longer a pipe"));
        }
        Self::of(&name, pipe, most)
    }

    /// Reads all of `from`, which errors call `name`; more than `most` bytes are refused.
    pub fn of(name: &str, mut from: impl Read, most: u64) -> Result<Self, InputError> {
        let unkept = |error| {
            let message = format!("there is no room to keep what was read ({error}); write it to a file and name that");
            InputError::new(name, code::UNREADABLE, message)
        };
        let mut file = tempfile::tempfile().map_err(unkept)?;
        let mut buffer = vec![0; 128 << 10];
        let mut length = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let message = format!("it cannot be read ({error})");
                    return Err(InputError::new(name, code::UNREADABLE, message));
                }
            };
            length += read as u64;
            if length > most {
                let message = format!("it is larger than {} MiB; write it to a file and name that", most >> 20);
                return Err(InputError::new(name, code::TOO_LARGE, message));
            }
            file.write_all(&buffer[..read]).map_err(unkept)?;
        }
        if length == 0 {
            return Err(InputError::new(name, code::EMPTY_FILE, "nothing came in"));
        }
        Ok(Self {
            name: name.into(),
            file: Arc::new(file),
        })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it from its beginning.
    pub fn reader(&self) -> SpooledReader {
        SpooledReader {
            file: self.file.clone(),
            at: 0,
        }
    }
}

/// One reading of what was kept.
#[derive(Debug)]
pub struct SpooledReader {
    file: Arc<File>,
    at: u64,
}

impl Read for SpooledReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_often_as_wanted() {
        let spooled = SpooledInput::of("pipe", &b"a,b\n1,2\n"[..], 8).expect("eight bytes");
        let (mut first, mut second) = (spooled.reader(), spooled.clone().reader());
        let mut text = String::new();
        first.read_exact(&mut [0; 4]).expect("four bytes");
        second.read_to_string(&mut text).expect("a text");
        assert_eq!(text, "a,b\n1,2\n");
        text.clear();
        first.read_to_string(&mut text).expect("the rest");
        assert_eq!(text, "1,2\n");
    }

    #[test]
    fn too_much_and_nothing_are_refused() {
        let much = SpooledInput::of("pipe", io::repeat(b'a'), 3 << 20).expect_err("too much");
        assert_eq!(
            (much.code, much.to_string().as_str()),
            (
                code::TOO_LARGE,
                "pipe: it is larger than 3 MiB; write it to a file and name that"
            )
        );
        let none = SpooledInput::of("pipe", io::empty(), 3).expect_err("nothing");
        assert_eq!(
            (none.code, none.to_string().as_str()),
            (code::EMPTY_FILE, "pipe: nothing came in")
        );
    }
}
