//! Lists of stores that do not sort: all rows in order, once the last has come.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{BATCH, RowBatch};
use crate::kit::sorter::Sorter;

/// A row of a list that is sorted: by key, then as the list had it.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct SortedLine {
    pub(super) key: (i64, String),
    pub(super) number: u64,
    pub(super) descending: bool,
    pub(super) cells: Vec<String>,
}

impl Ord for SortedLine {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = self.key.cmp(&other.key);
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for SortedLine {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Passes lines on in order once all have come, which `None` says.
pub(super) fn sort(
    mut lines: mpsc::Receiver<Option<Vec<SortedLine>>>,
    out: &mpsc::Sender<RowBatch>,
    limit: u64,
) -> io::Result<()> {
    let mut sorter = Sorter::default();
    loop {
        match lines.blocking_recv() {
            Some(Some(lines)) => lines.into_iter().try_for_each(|line| sorter.push(line))?,
            Some(None) => break,
            None => return Ok(()),
        }
    }
    let mut rows = RowBatch::new();
    for (_, line) in (0..limit).zip(sorter.sorted()?) {
        rows.push(line?.cells);
        if rows.len() == BATCH && out.blocking_send(std::mem::take(&mut rows)).is_err() {
            return Ok(());
        }
    }
    if !rows.is_empty() {
        // A consumer that takes no more has what it wants.
        let _ = out.blocking_send(rows);
    }
    Ok(())
}
