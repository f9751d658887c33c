//! The first blocks of several plannings, checked in one go: what is asked of the database for one is asked for all.

use std::sync::Arc;

use super::reader::Reader;
use super::{Checking, Planning, advice, check, preview_syncs};
use crate::db::DbError;
use crate::input::Block;
use crate::ledger::Ledger;

impl Planning {
    /// The first block, if it is to be had at once and is looked up in the database.
    fn take_first(&mut self) -> Option<(Arc<check::BlockChecks>, Block)> {
        let is_here = self.reader.as_ref().is_some_and(Reader::is_here);
        if !is_here || self.store.is_none() || self.remote().is_some() || !self.first_rows.is_empty() {
            return None;
        }
        match self.reader.as_mut()?.next()? {
            Ok(block) => {
                self.first_rows.push(block.first_row());
                Some((self.shared.clone(), block))
            }
            Err(error) => {
                self.broken = Some(error.into());
                None
            }
        }
    }
}

/// Checks the first blocks of several plannings of one ledger together, of those that have few rows and look them up there. The
/// others check theirs as they go, and so do all if one of them cannot be checked.
pub(crate) async fn check_first(ledger: &Ledger, plannings: &mut [&mut Planning]) -> Result<(), DbError> {
    let mut whose = Vec::new();
    let mut blocks = Vec::new();
    for (at, planning) in plannings.iter_mut().enumerate() {
        if let Some(first) = planning.take_first() {
            whose.push(at);
            blocks.push(first);
        }
    }
    if blocks.is_empty() {
        return Ok(());
    }
    let keep = plannings.iter().any(|planning| planning.keep_blocks);
    let checked = match advice::check_all(ledger, blocks.clone(), keep).await {
        Ok(checked) => checked,
        Err(error) if error.passes() => return Err(error),
        Err(_) => {
            for (at, (_, block)) in whose.into_iter().zip(blocks) {
                let planning = &mut *plannings[at];
                let checking = planning.check(block);
                planning.in_flight.push_back(Checking::Beside(checking));
            }
            return Ok(());
        }
    };
    for (at, mut checked) in whose.into_iter().zip(checked) {
        let planning = &mut *plannings[at];
        if let Some(against) = &planning.store
            && let Err(error) = preview_syncs(against, &planning.shared, &mut checked).await
        {
            planning.broken = Some(error);
            continue;
        }
        planning.in_flight.push_back(Checking::Done(Box::new(checked)));
    }
    Ok(())
}
