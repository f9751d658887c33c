//! Repeated keys within a file, in memory that does not grow with the file.
//!
//! Keys are hashed to 128 bits with a random key, so that two different ones never meet, in practice or by
//! design of the file's author. The hashes are dealt into partitions that spill to an unlinked temporary
//! file. At the end each partition fits in memory, or is gone over several times for a share of its
//! hashes each, and what repeats is dealt out again by row to come back in file order.
//!
//! A row that is rejected has its keys in vain: another may have them. That it repeats one itself is found all the same.
//!
//! Compared with sorting and merging runs this touches each key fewer times, has no long pauses while rows
//! arrive, and a file that is one key a million times over is no special case.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use siphasher::sip128::SipHasher13;
use tenantry_jobs::key;

mod spill;

use crate::clock::Entropy;
use spill::{Spill, Word};

const PARTITIONS: usize = 128;
/// The greatest mark.
const MARKS: u8 = 3;
/// What the keys of rejected rows are marked with.
pub const REJECTED: u8 = 0;

/// A key that stands in an earlier row already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// The column the key is of, as given to [`Keys::add`].
    pub column: &'static str,
    /// The row that repeats the key.
    pub row: u64,
    /// The line of that row.
    pub line: u64,
    /// The row that has the key first.
    pub first_row: u64,
    /// The line of that row.
    pub first_line: u64,
    /// What the repeating key was marked with.
    pub mark: u8,
}

/// A key, hashed, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct RowKey {
    column: &'static str,
    hash: (Word, Word),
    row: u64,
    line: u64,
    mark: u8,
}

impl RowKey {
    /// The row the key is of.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// With a number below 4 that comes back if the key repeats. [`REJECTED`] is what no row repeats unless it is rejected too.
    #[must_use]
    pub fn marked(self, mark: u8) -> Self {
        Self {
            mark: mark & MARKS,
            ..self
        }
    }
}

/// Hashes the keys of one file; clones give the same hashes, on any thread.
#[derive(Debug, Clone)]
pub struct KeyHasher {
    hasher: SipHasher13,
    scratch: Vec<u8>,
}

impl KeyHasher {
    /// The key of a row, as [`key::fold`] has it; several parts make one key.
    pub fn key(&mut self, column: &'static str, parts: &[&str], row: u64, line: u64) -> RowKey {
        self.scratch.clear();
        for part in std::iter::once(&column).chain(parts) {
            let from = self.scratch.len();
            if part.is_ascii() {
                self.scratch.extend_from_slice(part.as_bytes());
                self.scratch[from..].make_ascii_lowercase();
            } else {
                self.scratch.extend_from_slice(key::fold(part).as_bytes());
            }
            let length = (self.scratch.len() - from) as u32;
            self.scratch.extend_from_slice(&length.to_le_bytes());
        }
        let hash = self.hasher.hash(&self.scratch);
        RowKey {
            column,
            hash: (hash.h1, hash.h2),
            row,
            line,
            mark: REJECTED,
        }
    }
}

/// Collects the keys of a file.
#[derive(Debug)]
pub struct Keys {
    hasher: KeyHasher,
    columns: Vec<&'static str>,
    /// hash · row, mark and column · line
    entries: Spill<4>,
    dir: Option<PathBuf>,
    memory: usize,
    last_row: u64,
}

impl Keys {
    /// A collector that holds about `memory_bytes` and spills the rest to `dir`, or to the system's directory for
    /// temporary files. Nothing is written before it has to be. Fails when there is no entropy.
    pub fn new(dir: Option<&Path>, memory_bytes: usize, mut entropy: Entropy) -> io::Result<Self> {
        // Half is for what is being collected, half for what is made of it at the end.
        let memory = (memory_bytes / 2).max(64 << 10);
        let mut key = [0; 16];
        entropy.fill(&mut key)?;
        Ok(Self {
            hasher: KeyHasher {
                hasher: SipHasher13::new_with_key(&key),
                scratch: Vec::new(),
            },
            columns: Vec::new(),
            entries: Spill::new(dir, PARTITIONS, memory),
            dir: dir.map(Path::to_owned),
            memory,
            last_row: 0,
        })
    }

    /// What hashes keys for this collector.
    pub fn hasher(&self) -> KeyHasher {
        self.hasher.clone()
    }

    /// Adds a key. Keys come in file order, and the first row to have one is the one that is right.
    pub fn add(&mut self, key: RowKey) -> io::Result<()> {
        let RowKey {
            column,
            hash: (h1, h2),
            row,
            line,
            mark,
        } = key;
        let known = self
            .columns
            .iter()
            .position(|known| std::ptr::eq(*known, column) || *known == column);
        let index = known.unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        });
        self.last_row = self.last_row.max(row);
        let partition = (h1 >> 32) as usize % PARTITIONS;
        self.entries.push(partition, [h1, h2, tag(row, mark, index), line])
    }

    /// The keys that repeat, in row order; the first occurrence of each is not among them.
    pub fn finish(mut self) -> io::Result<Duplicates> {
        let buckets = PARTITIONS as u64;
        let width = self.last_row / buckets + 1;
        let mut found = Spill::new(self.dir.as_deref(), PARTITIONS, self.memory);
        for partition in 0..PARTITIONS {
            if self.entries.bytes(partition) == 0 {
                continue;
            }
            let passes = self.passes(partition)?;
            for pass in 0..passes {
                let mut table = KeyTable::default();
                self.entries.each(partition, |[h1, h2, tag, line]| {
                    if h2 % passes != pass {
                        return Ok(());
                    }
                    let Some((first_tag, first_line)) = table.first((h1, h2), (tag, line)) else {
                        return Ok(());
                    };
                    let bucket = (row_of(tag) / width) as usize;
                    found.push(bucket, [tag, line, row_of(first_tag), first_line])
                })?;
            }
            self.entries.free(partition);
        }
        Ok(Duplicates {
            columns: self.columns,
            found,
            ready: VecDeque::new(),
            width,
            pass: 0,
            bucket: 0,
            memory: self.memory,
        })
    }

    /// Over how many shares of its hashes a partition is gone, so that the table of each stays within memory.
    fn passes(&self, partition: usize) -> io::Result<u64> {
        // A table has up to four slots a key, and half as many again while it grows.
        let room = self.memory as u64 / (size_of::<KeySlot>() as u64 * 6);
        let most = self.entries.bytes(partition) / Spill::<4>::ENTRY as u64 / room + 1;
        if most == 1 {
            return Ok(1);
        }
        // So many if no key repeats. Where most do, a share tells how few are really different.
        let mut sample = KeyTable::default();
        self.entries.each(partition, |[h1, h2, tag, line]| {
            if h2 % most == 0 {
                sample.first((h1, h2), (tag, line));
            }
            Ok(())
        })?;
        Ok((sample.used as u64 * most / room + 1).min(most))
    }
}

/// Row, mark and column in one word.
fn tag(row: u64, mark: u8, column: usize) -> Word {
    row << 8 | Word::from(mark) << 6 | column as u64
}

fn row_of(tag: Word) -> u64 {
    tag >> 8
}

fn mark_of(tag: Word) -> u8 {
    (tag >> 6) as u8 & MARKS
}

/// The first occurrence of each hash. Open addressing on the hash's own bits, which are random already.
#[derive(Default)]
struct KeyTable {
    slots: Vec<KeySlot>,
    used: usize,
}

#[derive(Clone, Copy, Default)]
struct KeySlot {
    hash: (Word, Word),
    /// 0 where the slot is free: a tag is of a row from 1.
    tag: Word,
    line: Word,
}

impl KeyTable {
    /// The first occurrence of `hash` if there was one, else this becomes it.
    fn first(&mut self, hash: (Word, Word), (tag, line): (Word, Word)) -> Option<(Word, Word)> {
        if self.used * 2 >= self.slots.len() {
            let larger = vec![KeySlot::default(); (self.slots.len() * 2).max(16)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.tag != 0 {
                    let free = self.find(slot.hash);
                    self.slots[free] = slot;
                }
            }
        }
        let at = self.find(hash);
        let slot = &mut self.slots[at];
        if slot.tag != 0 && mark_of(slot.tag) == REJECTED && mark_of(tag) != REJECTED {
            (slot.tag, slot.line) = (tag, line);
            return None;
        }
        if slot.tag != 0 {
            return Some((slot.tag, slot.line));
        }
        *slot = KeySlot { hash, tag, line };
        self.used += 1;
        None
    }

    /// The slot that has `hash`, or the free one where it belongs.
    fn find(&self, hash: (Word, Word)) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash.1 as usize >> 16 & mask;
        while self.slots[at].tag != 0 && self.slots[at].hash != hash {
            at = (at + 1) & mask;
        }
        at
    }
}

/// The repeated keys of a file, in row order.
#[derive(Debug)]
pub struct Duplicates {
    columns: Vec<&'static str>,
    /// row, mark and column · line · first row · first line; partition by ranges of rows
    found: Spill<4>,
    ready: VecDeque<Duplicate>,
    width: u64,
    bucket: usize,
    pass: u64,
    memory: usize,
}

impl Duplicates {
    /// How many there are.
    pub fn count_all(&self) -> u64 {
        self.found.len()
    }

    /// Sorts the next share of rows into `ready`.
    fn load(&mut self) -> io::Result<()> {
        let passes = self.found.bytes(self.bucket) / (self.memory as u64 / 4) + 1;
        let share = self.width / passes + 1;
        let from = self.bucket as u64 * self.width + self.pass * share;
        let mut rows = Vec::new();
        self.found.each(self.bucket, |entry| {
            if (from..from + share).contains(&row_of(entry[0])) {
                rows.push(entry);
            }
            Ok(())
        })?;
        rows.sort_unstable();
        let columns = &self.columns;
        self.ready
            .extend(rows.into_iter().map(|[tag, line, first_row, first_line]| Duplicate {
                column: columns[(tag & 0x3f) as usize],
                mark: mark_of(tag),
                row: row_of(tag),
                line,
                first_row,
                first_line,
            }));
        self.pass += 1;
        if self.pass >= passes {
            self.found.free(self.bucket);
            self.pass = 0;
            self.bucket += 1;
        }
        Ok(())
    }
}

impl Iterator for Duplicates {
    type Item = io::Result<Duplicate>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.found.len() > 0 && self.bucket < PARTITIONS {
            if let Err(err) = self.load() {
                // A second attempt would not be the same rows again.
                self.bucket = PARTITIONS;
                return Some(Err(err));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
