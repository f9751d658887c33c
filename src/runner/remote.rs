//! Rows carried out by a store that is no database: one by one, several at a time, each recorded when it has ended. What
//! makes their effects happen once lies with the store; here is who comes when, and what is recorded.
//!
//! Rows of different customers take turns, since each customer has a limit of its own: a customer that is throttled
//! leaves the others' turns alone. Outcomes are recorded a few at a time, together with the passwords of the
//! accounts they made. Between rows the job can be paused or cancelled, and the worker stopped.

mod batch;
mod work;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::{Problem, Request, Row, code};
use tokio::time::{Duration, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use self::work::{Loaded, Work, load, take_turns};
use super::Runner;
use super::chunk::{part_of, seal, unsealed};
use crate::db::{DbError, Tx};
use crate::ledger::intents::hand_out;
use crate::ledger::{Claim, Closing, RowWait, artifacts, closing, fence, job};
use crate::passwords::generate;
use crate::plan::Slice;
use crate::store::partner_center::{Ended, Halt, Journal, PartnerCenter, Session};
use crate::store::{Expected, RowRequest, rejected};
use tracing::Instrument;

/// How often is looked whether the job was paused or cancelled.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a worker that is to stop waits for the rows in hand. What is on its way then is found again like after a crash.
const GRACE: Duration = Duration::from_secs(5);

/// What the rows of a chunk have in common.
struct InHand<'c> {
    claim: &'c Claim,
    store: &'c PartnerCenter,
    session: &'c Session,
    journal: &'c Journal,
    expected: Option<&'c Expected>,
}

/// Why no further row is begun.
enum Stop {
    /// The job was paused or cancelled, or the worker is to stop.
    Asked,
    Halted(Halt),
}

impl Runner {
    /// The job's state if this chunk ended it.
    pub(super) async fn apply_remotely(
        &self,
        claim: &Claim,
        store: &PartnerCenter,
        leaving: &CancellationToken,
    ) -> Result<Option<String>, DbError> {
        let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
        let mut claim = claim.clone();
        let (loaded, part) = {
            let claim = claim.clone();
            let load = move |tx: &mut dyn Tx| Ok((load(tx, &claim)?, part_of(tx, &claim)?));
            self.ledger.db().read(load).await?
        };
        let is_tried = |row: &u64| part.as_ref().is_none_or(|part| part.contains(row));
        let customer = claim.parameters.customer.clone();
        let mut batch = Batch::default();
        let mut slices = Vec::new();
        let (mut requests, mut undone) = (Vec::new(), Vec::new());
        match &loaded {
            Loaded::Undo(rows) => undone.extend(rows.iter().filter(|(row, _)| is_tried(row)).cloned()),
            Loaded::Rows(spooled) => {
                let mut rows = spooled.block.rows();
                while let Some(slice) = Slice::next(&mut rows, spooled.job, &spooled.mapping, customer.as_deref()) {
                    slices.push(slice);
                }
                for (view, cells) in slices.iter().flat_map(Slice::rows) {
                    let row = view.number;
                    if !spooled.is_due(row) || !is_tried(&row) {
                        continue;
                    }
                    match spooled.job.request(&Row::new(cells)) {
                        Ok(request) => requests.push(RowRequest { row, request }),
                        // It was accepted when the file was read; a newer program may be stricter.
                        Err(problems) => problems
                            .first()
                            .into_iter()
                            .for_each(|first| batch.add(rejected(row, first))),
                    }
                }
            }
        }
        let journal = Journal::open(&self.ledger, &claim).await?;
        let session = store.session(&self.ledger, &requests);
        let holding = claim.clone();
        let chunk = InHand {
            claim: &holding,
            store,
            session: &session,
            journal: &journal,
            expected: expected.as_ref(),
        };
        let hands_out = !claim.parameters.seal_to.is_empty();
        let requests = requests
            .into_iter()
            .map(|of| (of.row, Work::Request(Box::new(of.request))));
        let undone = undone.into_iter().map(|(row, steps)| (row, Work::Undo(steps)));
        // What was begun is finished first: rows that share something look what became of it.
        let all = requests.chain(undone);
        let (begun, fresh): (Vec<_>, Vec<_>) = all.partition(|(row, _)| journal.has_begun(*row));
        let mut begun = take_turns(begun);
        let mut fresh = take_turns(fresh);
        let mut waits = Vec::new();
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
                        Ok(ended) => waits.extend(batch.take(ended, hands_out)),
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
                    leave_by = Some(Instant::now() + GRACE);
                    stop = stop.or(Some(Stop::Asked));
                }
                () = is_over => break,
            }
            if batch.is_due() {
                self.record(&mut claim, &mut batch).await?;
            }
        }
        let is_done = in_hand.is_empty() && begun.is_empty() && fresh.is_empty();
        let stop = stop.filter(|stop| !is_done || matches!(stop, Stop::Halted(_)));
        drop(in_hand);
        let Some(stop) = stop else {
            waits.sort_unstable_by_key(|wait: &RowWait| wait.row);
            return self.close(&claim, batch, waits, part.is_some()).await;
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

    async fn carry_out(&self, chunk: &InHand<'_>, row: u64, work: Work<'_>) -> Result<Ended, Halt> {
        let InHand {
            claim,
            store,
            session,
            journal,
            expected,
        } = *chunk;
        crate::failpoint::hit_row(row);
        match work {
            Work::Request(request) => match &*request {
                Request::Change(change) => {
                    let draw = || {
                        let mut entropy = self.ledger.clock().entropy();
                        generate(&self.settings.passwords, &mut entropy).map_err(|error| unsealed(&error))
                    };
                    store.apply(session, journal, row, change, expected, &draw).await
                }
                Request::Export(export) => {
                    let made = async {
                        let listing = store.listing(session, export).await?;
                        self.export_list(claim, store, row, listing).await
                    };
                    match made.await {
                        Err(halt @ Halt::Refused(_)) => {
                            let problem = Problem::new(code::REFUSED, "", "", halt.to_string());
                            Ok(Ended::over(rejected(row, &problem)))
                        }
                        made => made.map(Ended::over),
                    }
                }
                // Such rows are for the ledger's own database.
                Request::Sync(_) => Ok(Ended::over(rejected(row, &PartnerCenter::not_taken()))),
            },
            Work::Undo(steps) => store.undo(session, journal, row, &steps, expected).await,
        }
    }

    /// Records what has ended so far.
    async fn record(&self, claim: &mut Claim, batch: &mut Batch) -> Result<(), DbError> {
        let Batch {
            outcomes,
            passwords,
            handed_out,
            artifacts,
            ..
        } = std::mem::take(batch);
        let (mut held, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let recorded = self.ledger.db().write(move |tx| {
            fence::check(tx, &held)?;
            seal(tx, &held, &passwords)?;
            hand_out(tx, held.job, &handed_out)?;
            artifacts::keep(tx, held.job, &artifacts)?;
            closing::record(tx, &mut held, &outcomes, limit, now)?;
            Ok(held)
        });
        *claim = recorded.await?;
        crate::failpoint::hit("after-record-rows");
        Ok(())
    }

    /// `in_part`: only some of the chunk's rows were tried.
    async fn close(
        &self,
        claim: &Claim,
        batch: Batch,
        waits: Vec<RowWait>,
        in_part: bool,
    ) -> Result<Option<String>, DbError> {
        let next_look = self.ledger.clock().now_millis() + self.settings.look_again(claim).as_millis() as i64;
        let (claim, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let named = (batch.outcomes.len() + waits.len()) as u64;
        if named != claim.pending && !in_part {
            let what = format!("{named} rows have come to an end, of {}", claim.pending);
            return Err(DbError::Broken(what));
        }
        let ended = self.ledger.db().write(move |tx| {
            fence::check(tx, &claim)?;
            seal(tx, &claim, &batch.passwords)?;
            hand_out(tx, claim.job, &batch.handed_out)?;
            artifacts::keep(tx, claim.job, &batch.artifacts)?;
            let closing = Closing {
                outcomes: batch.outcomes,
                waits,
                next_look,
            };
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
        crate::failpoint::hit("after-commit");
        Ok(ended)
    }
}
