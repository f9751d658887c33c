//! A plan's temporary data, read again once: in memory while it is little, and then in a temporary file.
//!
//! Most plans are of a row or two and write nothing, so one that is not written to takes no memory.

use std::io::{self, BufReader, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

/// Bytes written to the file at a time.
const AT_ONCE: usize = 8 * 1024;

/// Being written.
pub(super) struct Scratch {
    held: Vec<u8>,
    file: SpooledTempFile,
}

impl Scratch {
    /// One that keeps so many bytes in memory.
    pub(super) fn new(in_memory: usize) -> Self {
        Self {
            held: Vec::new(),
            file: SpooledTempFile::new(in_memory),
        }
    }

    /// To be read from its beginning.
    pub(super) fn into_reader(mut self) -> io::Result<BufReader<SpooledTempFile>> {
        self.flush()?;
        self.file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(self.file))
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= AT_ONCE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn written_bytes_are_read_again_from_memory_and_from_a_file() {
        for count in [0_u32, 3, 5_000] {
            let mut scratch = Scratch::new(1_000);
            for number in 0..count {
                scratch.write_all(&number.to_le_bytes()).expect("room");
            }
            let mut read = Vec::new();
            let mut reader = scratch.into_reader().expect("readable");
            reader.read_to_end(&mut read).expect("readable");
            let written: Vec<u8> = (0..count).flat_map(u32::to_le_bytes).collect();
            assert_eq!((read == written, reader.get_ref().is_rolled()), (true, count > 1_000));
        }
    }
}
