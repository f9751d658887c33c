//! Partitions of fixed-size entries that are held in memory while they fit and else in one temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(super) type Word = u64;

/// Entries of `N` words, dealt into partitions.
#[derive(Debug)]
pub(super) struct Spill<const N: usize> {
    dir: Option<PathBuf>,
    /// None before there is an entry: of most of what is collected there is none, or nothing but a few.
    partitions: Vec<Partition>,
    count: usize,
    /// Bytes a partition holds before it is written out. All extents of the file have this size.
    extent: usize,
    file: Option<File>,
    extents: u32,
    entries: u64,
}

#[derive(Debug, Default)]
struct Partition {
    held: Vec<u8>,
    /// Which extents of the file are this partition's, in the order written.
    extents: Vec<u32>,
}

impl<const N: usize> Spill<N> {
    /// The size of an entry.
    pub(super) const ENTRY: usize = N * size_of::<Word>();

    pub(super) fn new(dir: Option<&Path>, partitions: usize, memory: usize) -> Self {
        let entries = (memory / partitions / Self::ENTRY).max(1);
        Self {
            dir: dir.map(Path::to_owned),
            partitions: Vec::new(),
            count: partitions,
            extent: entries * Self::ENTRY,
            file: None,
            extents: 0,
            entries: 0,
        }
    }

    pub(super) fn push(&mut self, partition: usize, entry: [Word; N]) -> io::Result<()> {
        if self.partitions.is_empty() {
            self.partitions.resize_with(self.count, Partition::default);
        }
        let held = &mut self.partitions[partition].held;
        for word in entry {
            held.extend_from_slice(&word.to_le_bytes());
        }
        self.entries += 1;
        if held.len() == self.extent {
            self.write(partition)
        } else {
            Ok(())
        }
    }

    /// Entries pushed in all.
    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// The size of a partition.
    pub(super) fn bytes(&self, partition: usize) -> u64 {
        let Some(partition) = self.partitions.get(partition) else {
            return 0;
        };
        partition.extents.len() as u64 * self.extent as u64 + partition.held.len() as u64
    }

    /// Shows a partition's entries in the order they were pushed.
    pub(super) fn each(&self, partition: usize, mut see: impl FnMut([Word; N]) -> io::Result<()>) -> io::Result<()> {
        let Some(partition) = self.partitions.get(partition) else {
            return Ok(());
        };
        let mut see_all = |bytes: &[u8]| {
            bytes.chunks_exact(Self::ENTRY).try_for_each(|entry| {
                let mut words = [0; N];
                for (word, bytes) in words.iter_mut().zip(entry.as_chunks().0) {
                    *word = Word::from_le_bytes(*bytes);
                }
                see(words)
            })
        };
        if let Some(mut file) = self.file.as_ref() {
            let mut bytes = vec![0; self.extent];
            for extent in &partition.extents {
                file.seek(SeekFrom::Start(u64::from(*extent) * self.extent as u64))?;
                file.read_exact(&mut bytes)?;
                see_all(&bytes)?;
            }
        }
        see_all(&partition.held)
    }

    /// Forgets a partition's entries.
    pub(super) fn free(&mut self, partition: usize) {
        if let Some(partition) = self.partitions.get_mut(partition) {
            *partition = Partition::default();
        }
    }

    /// Moves what a partition holds to the end of the file.
    fn write(&mut self, partition: usize) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(match &self.dir {
                Some(dir) => tempfile::tempfile_in(dir)?,
                None => tempfile::tempfile()?,
            }),
        };
        file.seek(SeekFrom::Start(u64::from(self.extents) * self.extent as u64))?;
        let partition = &mut self.partitions[partition];
        file.write_all(&partition.held)?;
        partition.held.clear();
        partition.extents.push(self.extents);
        self.extents += 1;
        Ok(())
    }
}
