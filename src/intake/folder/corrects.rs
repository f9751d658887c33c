//! The origin of a file by its content: rejected rows say which job rejected them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::input::{Input, InputLimits, InputOptions, StreamHasher};
use crate::receipt::JOB_COLUMN;

/// How much of a text is looked through for the name of the column before all of the header is read.
const HEAD: u64 = 64 << 10;

/// The job that has rejected the rows of a file, if it is a file of rejected rows. `text` is all of it, where it was read.
pub(super) fn job_of(path: &Path, name: &str, text: Option<&[u8]>) -> Option<String> {
    match text {
        Some(text) if !may_name_one(text) => return None,
        None if name.to_lowercase().ends_with(".csv") => {
            let mut head = Vec::new();
            File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
            if !may_name_one(&head) {
                return None;
            }
        }
        _ => {}
    }
    let mut input = Input::open_no_link(path, name, InputLimits::default(), &InputOptions::default()).ok()?;
    let column = input.header().iter().position(|cell| cell.trim() == JOB_COLUMN)?;
    let block = input.read_block(100).ok()??;
    let said = block.rows().filter_map(|row| {
        let cell = row.cell(column).unwrap_or_default().trim();
        (!cell.is_empty()).then(|| cell.to_owned())
    });
    said.last()
}

/// Whether a text that begins so may have the column.
fn may_name_one(head: &[u8]) -> bool {
    let is_in = |text: &[u8]| memchr::memmem::find(text, JOB_COLUMN.as_bytes()).is_some();
    // A header in UTF-16 has a NUL beside each letter.
    is_in(head) || (head.contains(&0) && is_in(&head.iter().copied().filter(|byte| *byte != 0).collect::<Vec<_>>()))
}

/// The hash of a file's bytes, as the ledger has it.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut meter) = (File::open(path)?, StreamHasher::default());
    let mut bytes = vec![0; 128 << 10];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Ok(meter.sha256().to_string()),
            Ok(read) => meter.pass(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
