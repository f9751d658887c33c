//! Jobs that are carried out as they come in: recorded, done and closed in one transaction, by the worker that takes them in.
//!
//! They take no place among the chunks in hand, but are something in hand: a chunk that is to be carried out alone is not begun
//! meanwhile, and they are not begun beside it. Its neighbours would answer for the death of their worker otherwise.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::chunk::{PreparedChunks, SpooledRows, carry_out, prepare_all};
use super::gate::ChunkLeave;
use super::{Runner, TOGETHER_ROWS};
use crate::db::{DbError, Tx};
use crate::input::Block;
use crate::ledger::{AtOnce, Claim, Closing, DoneAtOnce, WholeJob};
use crate::metrics::RowTally;
use crate::store::sql::{self, OnRefusal};
use crate::submit::{Hand, JOBS_TOGETHER};

impl Hand for Runner {
    fn takes(&self, job: &WholeJob) -> Option<u64> {
        let kind = job.new.kind.as_str();
        let rows = job.chunk.as_ref().map(|chunk| chunk.rows)?;
        (job.may_end_at_once() && self.together().kinds.contains(&kind) && rows < TOGETHER_ROWS).then_some(rows)
    }

    fn most(&self) -> (usize, u64) {
        (JOBS_TOGETHER, TOGETHER_ROWS)
    }

    fn begin(&self) -> BoxFuture<'_, Option<Box<dyn Send>>> {
        async move {
            let place = self.held.hold_beside().await?;
            Some(Box::new(place) as Box<dyn Send>)
        }
        .boxed()
    }

    fn worker(&self) -> Arc<dyn AtOnce> {
        Arc::new(self.clone())
    }

    fn done(&self, done: DoneAtOnce, since: Instant) {
        if done.claims.is_empty() {
            return;
        }
        crate::failpoint::hit("after-commit");
        let tally = RowTally::of_chunks(done.claims.iter().zip(&done.closings), false);
        self.metrics.rows(&tally);
        self.chunks_done(&done.claims, since.elapsed());
        for (claim, (_, how)) in done.claims.iter().zip(&done.ended) {
            self.say_ended(claim, how);
        }
        self.told.add(done.replies, done.jobs);
    }
}

impl AtOnce for Runner {
    fn owner(&self) -> &str {
        &self.owner
    }

    fn carry_out(&self, tx: &mut dyn Tx, claims: &[Claim], blocks: &[&[u8]]) -> Result<Vec<Closing>, DbError> {
        let damaged = |error| DbError::Damaged(format!("a block is damaged: {error}"));
        let mut rows: Vec<SpooledRows> = Vec::with_capacity(claims.len());
        for (at, (claim, block)) in claims.iter().zip(blocks).enumerate() {
            let block = Block::decode(block).map_err(damaged)?;
            let before = at.checked_sub(1).and_then(|before| claims.get(before).zip(rows.last()));
            rows.push(match before {
                Some((other, alike)) if SpooledRows::are_alike(claim, other) => alike.with(block),
                _ => SpooledRows::of(claim, Some(block))?,
            });
        }
        // The time of the records, so that either tells which worker was at work when.
        let now = claims.first().map_or(0, |claim| claim.started_at);
        // They were held to the limits just now, by the worker that took them in.
        let leaves = vec![ChunkLeave::ALL; claims.len()];
        let PreparedChunks { prepared, rest } =
            prepare_all(tx, (claims, &leaves), rows, (now, false), self.ledger.installation())?;
        sql::lock_all(tx, &prepared)?;
        let before = rest.into_iter().map(|rest| (rest.outcomes, ChunkLeave::ALL)).collect();
        let given = (&self.settings.passwords, self.ledger.clock());
        // What is refused has all of them queued, and who claims them finds it.
        let closings = carry_out(tx, claims, (&prepared, OnRefusal::FailAll), before, given)?;
        crate::failpoint::hit("before-commit");
        Ok(closings)
    }
}
