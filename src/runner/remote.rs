//! Rows carried out by a store that is no database: one by one, several at a time, each recorded when it has ended. What
//! makes their effects happen once lies with the store; here is who comes when, and what is recorded.
//!
//! Rows of different customers take turns, since each customer has a limit of its own: a customer that is throttled
//! leaves the others' turns alone. Outcomes are recorded a few at a time, together with the passwords of the
//! accounts they made. Between rows the job can be paused or cancelled, and the worker stopped.

mod batch;
mod unapproved;
mod work;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::Request;
use tokio::time::{Duration, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::batch::EndedRows;
use self::unapproved::UnapprovedRows;
use self::work::{ChunkWork, Work, interleave_by_customer, load};
use super::Runner;
use super::chunk::part_of;
use crate::db::{DbError, Tx};
use crate::ledger::intents::hand_out;
use crate::ledger::sealed::{self, unsealed};
use crate::ledger::{Claim, Closing, EndedJob, Outcome, RowWait, artifacts, closing, fence, job};
use crate::metrics::RowTally;
use crate::passwords::generate;
use crate::plan::Slice;
use crate::store::doubts::Doubts;
use crate::store::listing::Listing;
use crate::store::remote::{
    ApplyError, Journal, LONGEST_PAUSE, RemoteSession, RemoteStore, RowEnd, StoreEnv, StoreError, not_taken,
    partially_applied, readable,
};
use crate::store::{Expected, RowRequest, rejected};
use tracing::Instrument;

/// How often is looked whether the job was paused or cancelled: a person waits for that, and a row takes about as long.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Rows that the store is to decide are left alone at least this long.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What the rows of a chunk have in common.
struct InHand<'c> {
    claim: &'c Claim,
    store: &'c dyn RemoteStore,
    session: &'c dyn RemoteSession,
    journal: &'c Journal,
    expected: Option<&'c Expected>,
    doubts: &'c Doubts,
    unapproved: UnapprovedRows,
    /// No row waits any longer: none is begun either.
    stopping: CancellationToken,
}

/// What an attempt at a row came to.
enum Attempt {
    Ended(RowEnd),
    /// The store is to decide: the row, and when to look at it again, in milliseconds since the epoch.
    Deferred(RowWait, i64),
    /// It was to wait, and the chunk is given back.
    Interrupted,
}

/// Why no further row is begun.
enum Stop {
    /// The job was paused or cancelled, or the worker is to stop.
    Asked,
    Halted(ApplyError),
}

impl Runner {
    /// How the job ended, if this chunk ended it.
    pub(super) async fn apply_remotely(
        &self,
        claim: &Claim,
        store: &dyn RemoteStore,
        leaving: &CancellationToken,
    ) -> Result<Option<EndedJob>, ApplyError> {
        let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
        let mut claim = claim.clone();
        let (mut loaded, part, leave) = {
            let (claim, gates) = (claim.clone(), self.gates());
            let load = move |tx: &mut dyn Tx| {
                let lost = || DbError::Broken("it was not found out what a chunk may do".to_owned());
                let leave = gates.check(tx, [&claim])?.pop().ok_or_else(lost)?;
                Ok((load(tx, &claim)?, part_of(tx, &claim)?, leave))
            };
            self.ledger.db().read(load).await?
        };
        let is_tried = |row: &u64| part.as_ref().is_none_or(|part| part.contains(row));
        if let (ChunkWork::Rows(spooled), true) = (&mut loaded, claim.parameters.ignore_not_kept) {
            let unkept = (store.capabilities().unkept_columns)(spooled.job.kind());
            spooled.mapping.leave_out(spooled.job, unkept);
        }
        let customer = claim.parameters.customer.clone();
        let mut batch = EndedRows::default();
        let mut slices = Vec::new();
        let mut doubts = Doubts::default();
        let (mut requests, mut undone) = (Vec::new(), Vec::new());
        match &loaded {
            ChunkWork::Undo(rows) => undone.extend(rows.iter().filter(|(row, _)| is_tried(row)).cloned()),
            ChunkWork::Rows(spooled) => {
                let mut rows = spooled.block.rows();
                while let Some(slice) = Slice::next(&mut rows, spooled.job, &spooled.mapping, customer.as_deref()) {
                    slices.push(slice);
                }
                for (view, cells) in slices.iter().flat_map(Slice::rows) {
                    let row = view.number;
                    if !spooled.is_due(row) || !is_tried(&row) {
                        continue;
                    }
                    match spooled.job.request(&cells) {
                        Ok(request) => requests.push(RowRequest { row, request }),
                        Err(faulty) => match faulty.doubted() {
                            Ok((request, of_row)) => {
                                doubts.add(row, of_row);
                                requests.push(RowRequest { row, request });
                            }
                            // It was accepted when the file was read; a newer program may be stricter.
                            Err(first) => first.into_iter().for_each(|first| batch.add(rejected(row, &first))),
                        },
                    }
                }
            }
        }
        let journal = Journal::open(&self.ledger, &claim).await?;
        let session = store.open(StoreEnv::new(&self.ledger), &requests);
        let holding = claim.clone();
        let chunk = InHand {
            claim: &holding,
            store,
            session: session.as_ref(),
            journal: &journal,
            expected: expected.as_ref(),
            doubts: &doubts,
            unapproved: UnapprovedRows::of(leave, claim.rows),
            stopping: CancellationToken::new(),
        };
        let hands_out = !claim.parameters.seal_to.is_empty();
        let requests = requests
            .into_iter()
            .map(|of| (of.row, Work::Request(Box::new(of.request))));
        let undone = undone.into_iter().map(|(row, steps)| (row, Work::Undo(steps)));
        // What was begun is finished first: rows that share something look up its outcome.
        let all = requests.chain(undone);
        let (begun, fresh): (Vec<_>, Vec<_>) = all.partition(|(row, _)| journal.steps(*row).has_begun());
        let turns = |rows| interleave_by_customer(rows, store.customers_at_once(), |work| work.customer(store));
        let (mut begun, mut fresh) = (turns(begun), turns(fresh));
        let mut waits = Vec::new();
        let mut deferred: Vec<(RowWait, i64)> = Vec::new();
        let mut is_interrupted = false;
        let mut in_hand = FuturesUnordered::new();
        let mut stop: Option<Stop> = None;
        let mut finishing = 0_usize;
        let mut looking = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leave_by: Option<Instant> = None;
        loop {
            while stop.is_none() && in_hand.len() < store.concurrency() {
                let next = match begun.pop_front() {
                    None if finishing == 0 => fresh.pop_front().map(|work| (work, false)),
                    begun => begun.map(|work| (work, true)),
                };
                let Some(((row, work), is_begun)) = next else { break };
                finishing += usize::from(is_begun);
                let span = tracing::debug_span!("row", row);
                let carried_out = self.carry_out(&chunk, row, work).instrument(span);
                in_hand.push(async move { (carried_out.await, is_begun) });
            }
            let is_over = async {
                match leave_by {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = in_hand.next() => {
                    let Some((end, was_begun)) = ended else { break };
                    finishing -= usize::from(was_begun);
                    match end {
                        Ok(Attempt::Ended(ended)) => waits.extend(batch.take(ended, hands_out)),
                        Ok(Attempt::Deferred(wait, until)) => deferred.push((wait, until)),
                        Ok(Attempt::Interrupted) => is_interrupted = true,
                        // What is on its way is waited for; nothing else is begun.
                        Err(why) => match stop {
                            Some(Stop::Halted(_)) => {}
                            _ => stop = Some(Stop::Halted(why)),
                        },
                    }
                }
                _ = looking.tick(), if stop.is_none() => {
                    let job = claim.job;
                    if self.ledger.db().read(move |tx| job::is_to_stop(tx, job)).await? {
                        stop = Some(Stop::Asked);
                    }
                }
                () = leaving.cancelled(), if leave_by.is_none() => {
                    // What is on its way then is found again like after a crash; the other half is for recording the rest.
                    leave_by = Some(Instant::now() + self.settings.leave_within / 2);
                    stop = stop.or(Some(Stop::Asked));
                }
                () = is_over => break,
            }
            if stop.is_some() {
                chunk.stopping.cancel();
            }
            if batch.is_due() {
                self.record(&mut claim, &mut batch).await?;
            }
        }
        let is_done = in_hand.is_empty() && begun.is_empty() && fresh.is_empty() && !is_interrupted;
        let stop = stop.filter(|stop| !is_done || matches!(stop, Stop::Halted(_)));
        drop(in_hand);
        let Some(stop) = stop else {
            let look = self.next_look(&claim, waits.is_empty(), &deferred);
            waits.extend(deferred.into_iter().map(|(wait, _)| wait));
            waits.sort_unstable_by_key(|wait: &RowWait| wait.row);
            let closing = Closing {
                outcomes: std::mem::take(&mut batch.outcomes),
                waits,
                next_look: look,
                images: Vec::new(),
            };
            return Ok(self.close(&claim, batch, closing, part.is_some()).await?);
        };
        if !batch.is_empty() {
            self.record(&mut claim, &mut batch).await?;
        }
        match stop {
            Stop::Asked => self.ledger.release(&claim).await?,
            Stop::Halted(why) => self.halt(&claim, why).await?,
        }
        Ok(None)
    }

    /// Has a row carried out. One that the store is asked about too often waits here, and is tried again.
    async fn carry_out(&self, chunk: &InHand<'_>, row: u64, work: Work<'_>) -> Result<Attempt, ApplyError> {
        crate::failpoint::hit_row(row);
        loop {
            let error = match self.attempt(chunk, row, &work).await {
                Ok(ended) => return Ok(Attempt::Ended(ended)),
                Err(ApplyError::Store(error)) => error,
                Err(error) => return Err(error),
            };
            let now = self.ledger.clock().now_millis();
            let until = match error {
                // Longer ones wait with the other rows that wait.
                StoreError::Throttled(pause) if pause <= LONGEST_PAUSE => {
                    let slept = chunk.stopping.run_until_cancelled(tokio::time::sleep(pause));
                    if slept.await.is_none() {
                        return Ok(Attempt::Interrupted);
                    }
                    continue;
                }
                StoreError::Throttled(pause) => now + pause.as_millis() as i64,
                StoreError::Deferred(until) => until.max(now + SHORTEST_PAUSE.as_millis() as i64),
                StoreError::Rejected(problem) => {
                    let mut outcome = rejected(row, &problem);
                    if let Some(done) = partially_applied(chunk.journal.steps(row).count("")) {
                        outcome.outcome = Outcome::Failed;
                        outcome.message = format!("{done}; {}", outcome.message);
                    }
                    return Ok(Attempt::Ended(RowEnd::over(outcome)));
                }
                error => return Err(error.into()),
            };
            let wait = RowWait {
                row,
                message: format!("{}: {error}", chunk.store.title()),
                target: String::new(),
            };
            return Ok(Attempt::Deferred(wait, until));
        }
    }

    async fn attempt(&self, chunk: &InHand<'_>, row: u64, work: &Work<'_>) -> Result<RowEnd, ApplyError> {
        let (store, steps) = (chunk.store, chunk.journal.steps(row));
        if let Some(problem) = chunk
            .unapproved
            .refuse(chunk.session, row, work, steps.has_begun())
            .await?
        {
            return Ok(RowEnd::over(rejected(row, &problem)));
        }
        match work {
            Work::Request(request) => match &**request {
                Request::Change(change) => {
                    let draw = || {
                        let mut entropy = self.ledger.clock().entropy();
                        generate(&self.settings.passwords, &mut entropy).map_err(|error| unsealed(&error))
                    };
                    // A row that has begun was looked at then.
                    if chunk.doubts.are_of(row) && !steps.has_begun() {
                        let preview = chunk.session.preview(row, change).await?;
                        if let Some(problem) = chunk.doubts.refuse(row, &preview.verdict, preview.destructive) {
                            return Ok(RowEnd::over(rejected(row, &problem)));
                        }
                    }
                    chunk.session.apply(steps, change, chunk.expected, &draw).await
                }
                Request::Export(export) => {
                    let listing = Listing::open(readable(store)?, export).await?;
                    let outcome = self.export_list(chunk.claim, row, &listing).await?;
                    Ok(RowEnd::over(outcome))
                }
                // Such rows are for the ledger's own database.
                Request::Sync(_) => Ok(RowEnd::over(rejected(row, &not_taken(store.title())))),
            },
            Work::Undo(done) => chunk.session.undo(steps, done, chunk.expected).await,
        }
    }

    /// When rows that wait are looked at again: the first of the times that the store has said, or in a while.
    fn next_look(&self, claim: &Claim, all_are_deferred: bool, deferred: &[(RowWait, i64)]) -> i64 {
        let in_a_while = self.ledger.clock().now_millis() + self.settings.look_again(claim).as_millis() as i64;
        let said = deferred.iter().map(|(_, until)| *until).min();
        match said {
            Some(said) if all_are_deferred => said,
            Some(said) => said.min(in_a_while),
            None => in_a_while,
        }
    }

    /// Records what has ended so far.
    async fn record(&self, claim: &mut Claim, batch: &mut EndedRows) -> Result<(), DbError> {
        let EndedRows {
            outcomes,
            passwords,
            sealed_alone,
            handed_out,
            artifacts,
            ..
        } = std::mem::take(batch);
        let rows = RowTally::of_rows(claim, &outcomes);
        let (mut held, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let recorded = self.ledger.db().write(move |tx| {
            fence::check(tx, &held)?;
            sealed::drop_alone(tx, &held, &sealed_alone)?;
            sealed::keep(tx, &held, &passwords)?;
            hand_out(tx, held.job, &handed_out)?;
            artifacts::keep(tx, held.job, &artifacts)?;
            closing::record(tx, &mut held, &outcomes, limit, now)?;
            Ok(held)
        });
        *claim = recorded.await?;
        self.metrics.rows(&rows);
        crate::failpoint::hit("after-record-rows");
        Ok(())
    }

    /// `batch` is what comes with the outcomes; `in_part`: only some of the chunk's rows were tried.
    async fn close(
        &self,
        claim: &Claim,
        batch: EndedRows,
        closing: Closing,
        in_part: bool,
    ) -> Result<Option<EndedJob>, DbError> {
        let rows = RowTally::of_rows(claim, &closing.outcomes);
        let (claim, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let named = (closing.outcomes.len() + closing.waits.len()) as u64;
        if named != claim.pending && !in_part {
            let what = format!("{named} rows have come to an end, of {}", claim.pending);
            return Err(DbError::Broken(what));
        }
        let ended = self.ledger.db().write(move |tx| {
            fence::check(tx, &claim)?;
            sealed::drop_alone(tx, &claim, &batch.sealed_alone)?;
            sealed::keep(tx, &claim, &batch.passwords)?;
            hand_out(tx, claim.job, &batch.handed_out)?;
            artifacts::keep(tx, claim.job, &batch.artifacts)?;
            crate::failpoint::hit("before-finish");
            let ended = if in_part {
                closing::close_part(tx, &claim, &closing, limit, now)?
            } else {
                closing::close(tx, &claim, &closing, limit, now)?
            };
            crate::failpoint::hit("before-commit");
            Ok(ended)
        });
        let ended = ended.await?;
        self.metrics.rows(&rows);
        crate::failpoint::hit("after-commit");
        Ok(ended)
    }
}
