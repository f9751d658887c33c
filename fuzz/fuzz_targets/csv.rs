//! Any bytes as a file of rows: read to its end or refused, in bounded memory, and the same from small pieces as from one.
#![no_main]

use std::io::{Cursor, Read};

use libfuzzer_sys::fuzz_target;
use tenantry_foundation::input::{Input, InputLimits};

/// Hands out a few bytes at a time.
struct Pieces(Cursor<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(7);
        self.0.read(&mut into[..most])
    }
}

fn read(reader: Box<dyn Read + Send>) -> Result<(u64, String), String> {
    let limits = InputLimits {
        record_bytes: 4 << 10,
        block_bytes: 16 << 10,
        unzipped_bytes: 1 << 20,
        ..InputLimits::default()
    };
    let told = |error: tenantry_foundation::input::InputError| error.to_string();
    let mut input = Input::from_reader("rows.csv", reader, limits).map_err(told)?;
    let mut seen = String::new();
    while let Some(block) = input.read_block(3).map_err(told)? {
        seen.push_str(&format!("{block:?}"));
    }
    input.finish().map(|digest| (digest.rows, seen)).map_err(told)
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(Box::new(Cursor::new(bytes.to_vec())));
    let pieces = read(Box::new(Pieces(Cursor::new(bytes.to_vec()))));
    assert_eq!(whole, pieces);
});
