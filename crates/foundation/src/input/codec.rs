//! Blocks as bytes, for the spool: a version, a checksum, and the rows as variable-length integers and text,
//! compressed with LZ4.
//!
//! ```text
//! version 1 │ CRC-32 of what follows │ length of the body │ LZ4( body )
//! body: first row · rows · per row (line − line before, cells) · length of each cell · text
//! ```
//! Integers are LEB128 but for the checksum. The text keeps the character after each cell: without it, decoding
//! would copy cell by cell.

use super::block::{Block, Cells, RowBounds};
use crate::recycled::Recycled;

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
/// LZ4 cannot expand further than this, so a damaged length cannot make us reserve much more than we were given.
const MAX_EXPANSION: usize = 256;

/// Bytes that are not a block, or not one any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a block of rows: {0}")]
pub struct CorruptBlock(&'static str);

impl Block {
    /// The block as bytes, compressed.
    pub fn encode(&self) -> Vec<u8> {
        let room = self.cells.text.len() + self.cells.ends.len() + self.rows.len() * 3 + 32;
        let mut body = Recycled::<Vec<u8>>::with_room(room);
        put(&mut body, self.first_row);
        put(&mut body, self.rows.len() as u64);
        let (mut line, mut cells) = (0, 0);
        for row in &self.rows {
            put(&mut body, row.line.wrapping_sub(line));
            put(&mut body, u64::from(row.cells - cells));
            (line, cells) = (row.line, row.cells);
        }
        let mut start = 0;
        for end in self.cells.ends.iter() {
            put(&mut body, u64::from(end - start));
            start = end + 1;
        }
        body.extend_from_slice(self.cells.text.as_bytes());

        let most = lz4_flex::block::get_maximum_output_size(body.len());
        let mut out = Recycled::<Vec<u8>>::with_room(most + 1 + CHECKSUM + 10);
        out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
        put(&mut out, body.len() as u64);
        let head = out.len();
        out.resize(head + most, 0);
        let compressed = lz4_flex::block::compress_into(&body, &mut out[head..]).unwrap_or_default();
        out.truncate(head + compressed);
        let checksum = checksum(&out[1 + CHECKSUM..]);
        out[1..=CHECKSUM].copy_from_slice(&checksum);
        out.to_vec()
    }

    /// The block those bytes are.
    ///
    /// # Errors
    /// Of another version, damaged, or never a block.
    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptBlock> {
        let (&version, rest) = bytes.split_first().ok_or(CorruptBlock("no bytes"))?;
        if version != VERSION {
            return Err(CorruptBlock("unknown version"));
        }
        let (sum, mut rest) = rest.split_first_chunk::<CHECKSUM>().ok_or(CorruptBlock("cut short"))?;
        if *sum != checksum(rest) {
            return Err(CorruptBlock("checksum does not match"));
        }
        let len = take(&mut rest)? as usize;
        if len > rest.len().saturating_mul(MAX_EXPANSION) {
            return Err(CorruptBlock("impossible length"));
        }
        let mut body = Recycled::<Vec<u8>>::with_room(len);
        body.resize(len, 0);
        let read =
            lz4_flex::block::decompress_into(rest, &mut body).map_err(|_| CorruptBlock("does not decompress"))?;
        if read != len {
            return Err(CorruptBlock("wrong length"));
        }
        parse(&body)
    }
}

fn parse(body: &[u8]) -> Result<Block, CorruptBlock> {
    const IMPOSSIBLE: CorruptBlock = CorruptBlock("impossible count");
    let mut rest = body;
    let first_row = take(&mut rest)?;
    let count = take(&mut rest)? as usize;
    // Every row and every cell takes at least a byte, so counts beyond the bytes at hand reserve nothing.
    if count > rest.len() {
        return Err(IMPOSSIBLE);
    }
    let mut rows = Vec::with_capacity(count);
    let (mut line, mut cells) = (0_u64, 0_u64);
    for _ in 0..count {
        line = line.wrapping_add(take(&mut rest)?);
        cells = cells.checked_add(take(&mut rest)?).ok_or(IMPOSSIBLE)?;
        if cells > body.len() as u64 || cells > u64::from(u32::MAX) {
            return Err(IMPOSSIBLE);
        }
        rows.push(RowBounds {
            cells: cells as u32,
            line,
        });
    }
    if first_row.checked_add(count as u64).is_none() {
        return Err(IMPOSSIBLE);
    }
    let mut ends = Recycled::<Vec<u32>>::with_room(cells as usize * size_of::<u32>());
    let mut start = 0_u64;
    for _ in 0..cells {
        let end = start
            .checked_add(take(&mut rest)?)
            .filter(|end| *end < u64::from(u32::MAX));
        let end = end.ok_or(CorruptBlock("impossible cell"))?;
        ends.push(end as u32);
        start = end + 1;
    }
    let text = std::str::from_utf8(rest).map_err(|_| CorruptBlock("text is not UTF-8"))?;
    // An ASCII character after each cell is what makes every cell's bounds character bounds.
    let fits = text.len() as u64 == start && ends.iter().all(|end| rest[*end as usize].is_ascii());
    if !fits {
        return Err(CorruptBlock("cells do not fit the text"));
    }
    let mut kept = Recycled::<String>::with_room(text.len());
    kept.push_str(text);
    let cells = Cells { text: kept, ends };
    Ok(Block {
        first_row,
        cells,
        rows,
        errors: Vec::new(),
        uneven: Vec::new(),
    })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

#[inline]
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn take(bytes: &mut &[u8]) -> Result<u64, CorruptBlock> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            *bytes = &bytes[place + 1..];
            return Ok(value);
        }
    }
    Err(CorruptBlock("cut short"))
}
