//! Sorts more than memory holds: a run at a time is sorted in memory and appended to a temporary file, and the runs are
//! merged while they are read again, a little of each at a time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Entries held in memory.
const RUN: usize = 4_096;
/// Bytes read of a run at once.
const BLOCK: usize = 16 * 1024;

/// Takes entries in any order. What does not fit into memory is kept in a temporary file, as JSON.
pub struct Sorter<T> {
    held: Vec<T>,
    /// One run behind the other, an entry on each line.
    file: Option<File>,
    /// Where each run ends.
    ends: Vec<u64>,
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
            file: None,
            ends: Vec::new(),
            most_held,
        }
    }

    /// Takes an entry. Fails if the temporary file cannot be written.
    pub fn push(&mut self, entry: T) -> io::Result<()> {
        self.held.push(entry);
        if self.held.len() < self.most_held {
            return Ok(());
        }
        self.held.sort_unstable();
        let mut run = Vec::new();
        for entry in self.held.drain(..) {
            serde_json::to_writer(&mut run, &entry)?;
            run.push(b'\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.write_all(&run)?;
        let begin = self.ends.last().copied().unwrap_or_default();
        self.ends.push(begin + run.len() as u64);
        Ok(())
    }

    /// The entries in order, from the first. Each comes as an error if the temporary file cannot be read.
    pub fn sorted(mut self) -> io::Result<Sorted<T>> {
        self.held.sort_unstable();
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        let mut runs: Vec<Run<T>> = begins
            .zip(&self.ends)
            .map(|(next, end)| Run {
                next,
                end: *end,
                held: VecDeque::new(),
            })
            .collect();
        // The last one never left memory.
        runs.push(Run {
            next: 0,
            end: 0,
            held: self.held.into(),
        });
        let mut sorted = Sorted {
            file: self.file,
            runs,
            heads: BinaryHeap::new(),
        };
        for run in 0..sorted.runs.len() {
            sorted.pull(run)?;
        }
        Ok(sorted)
    }
}

/// What is left of a run: some entries, and where in the file the others are.
struct Run<T> {
    next: u64,
    end: u64,
    held: VecDeque<T>,
}

impl<T: DeserializeOwned> Run<T> {
    fn fill(&mut self, file: &mut File) -> io::Result<()> {
        file.seek(SeekFrom::Start(self.next))?;
        let mut rest = BufReader::with_capacity(BLOCK, file.take(self.end - self.next));
        let mut line = Vec::new();
        let mut taken = 0;
        while taken < BLOCK && rest.read_until(b'\n', &mut line)? > 0 {
            taken += line.len();
            self.held.push_back(serde_json::from_slice(&line)?);
            line.clear();
        }
        self.next += taken as u64;
        Ok(())
    }
}

/// Entries in order.
pub struct Sorted<T> {
    file: Option<File>,
    runs: Vec<Run<T>>,
    /// The first entry of each run that has one left, and which run it is.
    heads: BinaryHeap<Reverse<(T, usize)>>,
}

impl<T: Ord + DeserializeOwned> Sorted<T> {
    fn pull(&mut self, number: usize) -> io::Result<()> {
        let run = &mut self.runs[number];
        if run.held.is_empty()
            && let Some(file) = &mut self.file
        {
            run.fill(file)?;
        }
        let entry = run.held.pop_front();
        self.heads.extend(entry.map(|entry| Reverse((entry, number))));
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
