//! Sorts more than memory holds: a run at a time is sorted in memory and written to a temporary file, and the runs are
//! merged while they are read again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Lines, Seek, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Entries held in memory.
const RUN: usize = 8_192;

/// Takes entries in any order.
pub(crate) struct Sorter<T> {
    held: Vec<T>,
    /// Sorted ones, an entry on each line.
    runs: Vec<File>,
    most_held: usize,
}

impl<T: Ord + Serialize + DeserializeOwned> Default for Sorter<T> {
    fn default() -> Self {
        Self::holding(RUN)
    }
}

impl<T: Ord + Serialize + DeserializeOwned> Sorter<T> {
    fn holding(most_held: usize) -> Self {
        Self {
            held: Vec::new(),
            runs: Vec::new(),
            most_held,
        }
    }

    pub(crate) fn push(&mut self, entry: T) -> io::Result<()> {
        self.held.push(entry);
        if self.held.len() < self.most_held {
            return Ok(());
        }
        self.held.sort_unstable();
        let mut out = BufWriter::new(tempfile::tempfile()?);
        for entry in self.held.drain(..) {
            serde_json::to_writer(&mut out, &entry)?;
            out.write_all(b"\n")?;
        }
        let mut run = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        Ok(())
    }

    /// The entries in order, from the first.
    pub(crate) fn sorted(mut self) -> io::Result<Sorted<T>> {
        self.held.sort_unstable_by(|one, other| other.cmp(one));
        let mut sorted = Sorted {
            held: self.held,
            runs: self.runs.into_iter().map(|run| BufReader::new(run).lines()).collect(),
            heads: BinaryHeap::new(),
        };
        for run in 0..=sorted.runs.len() {
            sorted.pull(run)?;
        }
        Ok(sorted)
    }
}

/// Entries in order.
pub(crate) struct Sorted<T> {
    /// The run that stayed in memory, its first entry last.
    held: Vec<T>,
    runs: Vec<Lines<BufReader<File>>>,
    /// The first entry of each run that has one left, and which run it is.
    heads: BinaryHeap<Reverse<(T, usize)>>,
}

impl<T: Ord + DeserializeOwned> Sorted<T> {
    fn pull(&mut self, run: usize) -> io::Result<()> {
        let entry = match self.runs.get_mut(run) {
            None => self.held.pop(),
            Some(lines) => match lines.next() {
                None => None,
                Some(line) => serde_json::from_str(&line?)?,
            },
        };
        self.heads.extend(entry.map(|entry| Reverse((entry, run))));
        Ok(())
    }
}

impl<T: Ord + DeserializeOwned> Iterator for Sorted<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<io::Result<T>> {
        let Reverse((entry, run)) = self.heads.pop()?;
        Some(self.pull(run).map(|()| entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn however_much_fits_into_memory_the_order_is_the_same(numbers: Vec<u16>, most_held in 1_usize..9) {
            let mut sorter = Sorter::holding(most_held);
            for number in &numbers {
                sorter.push(*number).expect("taken");
            }
            let sorted: Vec<u16> = sorter.sorted().expect("sorted").map(|one| one.expect("read")).collect();
            let mut expected = numbers;
            expected.sort_unstable();
            prop_assert_eq!(sorted, expected);
        }
    }
}
