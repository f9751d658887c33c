//! Rows carried out by a store that is no database: one by one, several at a time, each recorded when it has ended. What
//! makes their effects happen once lies with the store; here is who comes when, and what is recorded.
//!
//! Rows of different customers take turns, since each customer has a limit of its own: a customer that is throttled
//! leaves the others' turns alone. Outcomes are recorded a few at a time, together with the passwords of the
//! accounts they made. Between them the job can be paused or cancelled.

use std::collections::{HashMap, HashSet, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::header::Mapping;
use tenantry_jobs::{Change, Job, Problem, Row, code};
use tokio::time::{Duration, Instant};

use super::Runner;
use super::chunk::{seal, spooled, unsealed};
use super::sync::is_to_stop;
use crate::db::{DbError, Tx};
use crate::input::Block;
use crate::ledger::intents::{DoneStep, done_steps, hand_out};
use crate::ledger::{Claim, Closing, Descent, RowOutcome, artifacts, closing, lease};
use crate::passwords::{PasswordRow, generate};
use crate::plan::Slice;
use crate::store::partner_center::{CUSTOMERS_AT_ONCE, Ended, Fate, Halt, Journal, PartnerCenter, Session};
use crate::store::{Artifact, Expected, RowChange, RowWait, rejected};

/// Outcomes recorded at once, and how long they may wait for each other.
const TOGETHER: usize = 200;
const PATIENCE: Duration = Duration::from_secs(2);
/// With passwords among them they wait longer, since each record is a file for somebody to open.
const PATIENCE_WITH_PASSWORDS: Duration = Duration::from_secs(30);

/// What a row is to have done.
enum Work<'a> {
    Change(Box<Change<'a>>),
    /// The steps that an earlier job did for it, taken back.
    Undo(Vec<DoneStep>),
}

impl Work<'_> {
    /// Rows of different customers take turns.
    fn customer(&self) -> String {
        match self {
            Work::Change(change) => {
                let named = change.customer();
                named.map_or("", |customer| customer.as_written()).to_lowercase()
            }
            Work::Undo(steps) => PartnerCenter::customer_of(steps),
        }
    }
}

/// Rows that have ended and are still to be recorded.
#[derive(Default)]
struct Batch {
    outcomes: Vec<RowOutcome>,
    passwords: Vec<PasswordRow>,
    /// Rows that have not ended well, and yet have a password among these.
    handed_out: Vec<u64>,
    artifacts: Vec<Artifact>,
    since: Option<Instant>,
}

impl Batch {
    fn add(&mut self, outcome: RowOutcome) {
        self.since.get_or_insert_with(Instant::now);
        self.outcomes.push(outcome);
    }

    /// The row's wait, if it has not ended. Its password is kept if the job hands any out.
    fn take(&mut self, ended: Ended, hands_out: bool) -> Option<RowWait> {
        if ended.password.is_some() {
            self.handed_out.extend(ended.fate.row_to_go_on_with());
        }
        self.passwords.extend(ended.password.filter(|_| hands_out));
        self.artifacts.extend(ended.artifact);
        match ended.fate {
            Fate::Over(outcome) => {
                self.add(outcome);
                None
            }
            Fate::Waits(wait) => Some(wait),
        }
    }

    fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.handed_out.is_empty()
    }

    fn is_due(&self) -> bool {
        let patience = if self.passwords.is_empty() {
            PATIENCE
        } else {
            PATIENCE_WITH_PASSWORDS
        };
        self.outcomes.len() >= TOGETHER || self.since.is_some_and(|since| since.elapsed() >= patience)
    }
}

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
    /// The job was paused or cancelled.
    Asked,
    Halted(Halt),
}

impl Runner {
    /// The job's state if this chunk ended it.
    pub(super) async fn apply_remotely(&self, claim: &Claim, store: &PartnerCenter) -> Result<Option<String>, DbError> {
        let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
        let mut claim = claim.clone();
        let loaded = {
            let claim = claim.clone();
            self.ledger.db().read(move |tx| load(tx, &claim)).await?
        };
        let customer = claim.parameters.customer.clone();
        let mut batch = Batch::default();
        let mut slices = Vec::new();
        let (mut changes, mut undone) = (Vec::new(), Vec::new());
        match &loaded {
            Loaded::Undo(rows) => undone.clone_from(rows),
            Loaded::Rows(spooled) => {
                let mut rows = spooled.block.rows();
                while let Some(slice) = Slice::next(&mut rows, spooled.job, &spooled.mapping, customer.as_deref()) {
                    slices.push(slice);
                }
                for (view, cells) in slices.iter().flat_map(Slice::rows) {
                    let row = view.number;
                    if !spooled.is_due(row) {
                        continue;
                    }
                    match spooled.job.change(&Row::new(cells)) {
                        Ok(change) => changes.push(RowChange { row, change }),
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
        let session = store.session(&self.ledger, &changes);
        let holding = claim.clone();
        let chunk = InHand {
            claim: &holding,
            store,
            session: &session,
            journal: &journal,
            expected: expected.as_ref(),
        };
        let hands_out = !claim.parameters.seal_to.is_empty();
        let changes = changes
            .into_iter()
            .map(|of| (of.row, Work::Change(Box::new(of.change))));
        let undone = undone.into_iter().map(|(row, steps)| (row, Work::Undo(steps)));
        // What was begun is finished first: rows that share something look what became of it.
        let all = changes.chain(undone);
        let (begun, fresh): (Vec<_>, Vec<_>) = all.partition(|(row, _)| journal.has_begun(*row));
        let mut begun = take_turns(begun);
        let mut fresh = take_turns(fresh);
        let mut waits = Vec::new();
        let mut in_hand = FuturesUnordered::new();
        let mut stop: Option<Stop> = None;
        let mut finishing = 0_usize;
        loop {
            while stop.is_none() && in_hand.len() < store.concurrency() {
                let next = match begun.pop_front() {
                    None if finishing == 0 => fresh.pop_front().map(|work| (work, false)),
                    begun => begun.map(|work| (work, true)),
                };
                let Some(((row, work), is_begun)) = next else { break };
                finishing += usize::from(is_begun);
                let carried_out = self.carry_out(&chunk, row, work);
                in_hand.push(async move { (carried_out.await, is_begun) });
            }
            let Some((end, was_begun)) = in_hand.next().await else {
                break;
            };
            finishing -= usize::from(was_begun);
            match end {
                Ok(ended) => waits.extend(batch.take(ended, hands_out)),
                // What is on its way is waited for; nothing else is begun.
                Err(why) => stop = stop.or(Some(Stop::Halted(why))),
            }
            if batch.is_due() && !self.record(&mut claim, &mut batch).await? {
                stop = stop.or(Some(Stop::Asked));
            }
        }
        drop(in_hand);
        let Some(stop) = stop else {
            waits.sort_unstable_by_key(|wait: &RowWait| wait.row);
            return self.close(&claim, batch, waits).await;
        };
        if !batch.is_empty() {
            self.record(&mut claim, &mut batch).await?;
        }
        match stop {
            Stop::Asked => {
                let now = self.ledger.clock().now_millis();
                self.ledger.release(&claim, now, None).await?;
            }
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
        match work {
            Work::Change(change) => {
                if let Change::ExportCustomers(export) = &*change {
                    let made = async {
                        let listing = store.listing(session, export).await?;
                        self.export_list(claim, store, row, listing).await
                    };
                    return match made.await {
                        Err(halt @ Halt::Refused(_)) => {
                            let problem = Problem::new(code::REFUSED, "", "", halt.to_string());
                            Ok(Ended::over(rejected(row, &problem)))
                        }
                        made => made.map(Ended::over),
                    };
                }
                let draw = || {
                    let mut entropy = self.ledger.clock().entropy();
                    generate(&self.settings.passwords, &mut entropy).map_err(|error| unsealed(&error))
                };
                store.apply(session, journal, row, &change, expected, &draw).await
            }
            Work::Undo(steps) => store.undo(session, journal, row, &steps, expected).await,
        }
    }

    /// Records what has ended so far; `false` when the job is to stop.
    async fn record(&self, claim: &mut Claim, batch: &mut Batch) -> Result<bool, DbError> {
        let Batch {
            outcomes,
            passwords,
            handed_out,
            artifacts,
            ..
        } = std::mem::take(batch);
        let (mut held, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let recorded = self.ledger.db().write(move |tx| {
            lease::fence(tx, &held)?;
            seal(tx, &held, &passwords)?;
            hand_out(tx, held.job, &handed_out)?;
            artifacts::keep(tx, held.job, &artifacts)?;
            closing::record(tx, &mut held, &outcomes, limit, now)?;
            Ok((held.pending, !is_to_stop(tx, held.job)?))
        });
        let (pending, goes_on) = recorded.await?;
        claim.pending = pending;
        crate::failpoint::hit("after-record-rows");
        Ok(goes_on)
    }

    async fn close(&self, claim: &Claim, batch: Batch, waits: Vec<RowWait>) -> Result<Option<String>, DbError> {
        let next_look = self.ledger.clock().now_millis() + self.settings.look_again(claim).as_millis() as i64;
        let (claim, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let ended = self.ledger.db().write(move |tx| {
            lease::fence(tx, &claim)?;
            seal(tx, &claim, &batch.passwords)?;
            hand_out(tx, claim.job, &batch.handed_out)?;
            artifacts::keep(tx, claim.job, &batch.artifacts)?;
            let closing = Closing {
                outcomes: batch.outcomes,
                waits,
                next_look,
            };
            crate::failpoint::hit("before-finish");
            let ended = closing::close(tx, &claim, &closing, limit, now)?;
            crate::failpoint::hit("before-commit");
            Ok(ended)
        });
        let ended = ended.await?;
        crate::failpoint::hit("after-commit");
        Ok(ended)
    }
}

/// What a chunk has to have done.
enum Loaded {
    Rows(Box<Spooled>),
    /// Rows of an earlier job with the steps they did.
    Undo(Vec<(u64, Vec<DoneStep>)>),
}

/// The rows of a chunk as they were spooled.
struct Spooled {
    job: &'static dyn Job,
    mapping: Mapping,
    block: Block,
    settled: HashSet<u64>,
    selected: Option<HashSet<u64>>,
}

impl Spooled {
    fn is_due(&self, row: u64) -> bool {
        !self.settled.contains(&row) && self.selected.as_ref().is_none_or(|selected| selected.contains(&row))
    }
}

fn load(tx: &mut dyn Tx, claim: &Claim) -> Result<Loaded, DbError> {
    let settled = crate::ledger::recorded_rows(tx, claim.job, claim.first_row, claim.rows)?;
    let undone = claim.undo_of.as_ref().map(|(job, _)| *job);
    let descent = Descent {
        retry_of: claim.retry_of,
        undo_of: undone,
    };
    let selected = crate::ledger::selected_rows(tx, descent, claim.chunk)?;
    if let Some(undone) = undone {
        let mut steps = done_steps(tx, undone, claim.first_row, claim.first_row + claim.rows - 1)?;
        let mut rows: Vec<u64> = selected.unwrap_or_default().into_iter().collect();
        rows.retain(|row| !settled.contains(row));
        rows.sort_unstable();
        let of = |row| (row, steps.remove(&row).unwrap_or_default());
        return Ok(Loaded::Undo(rows.into_iter().map(of).collect()));
    }
    let (job, mapping, block) = spooled(tx, claim)?;
    Ok(Loaded::Rows(Box::new(Spooled {
        job,
        mapping,
        block,
        settled,
        selected,
    })))
}

/// Rows in the order of the file, but a row of each of some customers before the next one of the first; who has no more
/// makes room for another.
fn take_turns(work: Vec<(u64, Work<'_>)>) -> VecDeque<(u64, Work<'_>)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut customers: VecDeque<VecDeque<(u64, Work<'_>)>> = VecDeque::new();
    let mut turns = VecDeque::with_capacity(work.len());
    for one in work {
        let place = *places.entry(one.1.customer()).or_insert_with(|| {
            customers.push_back(VecDeque::new());
            customers.len() - 1
        });
        customers[place].push_back(one);
    }
    let mut at_work: VecDeque<VecDeque<(u64, Work<'_>)>> = VecDeque::new();
    loop {
        while at_work.len() < CUSTOMERS_AT_ONCE
            && let Some(next) = customers.pop_front()
        {
            at_work.push_back(next);
        }
        let Some(mut first) = at_work.pop_front() else {
            return turns;
        };
        turns.extend(first.pop_front());
        if !first.is_empty() {
            at_work.push_back(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_few_customers_take_turns_and_none_is_lost() {
        let step = |customer: usize| DoneStep {
            step: "create".to_owned(),
            result: String::new(),
            image: format!(
                r#"{{"object":"user","customer":"{customer}","domain":"","id":"","before":{{}},"after":{{}}}}"#
            ),
        };
        // Three rows of each of ten customers, customer by customer.
        let work = (0..30)
            .map(|row| (row as u64, Work::Undo(vec![step(row / 3)])))
            .collect();
        let order: Vec<u64> = take_turns(work).into_iter().map(|(row, _)| row).collect();
        assert_eq!(order[..9], [0, 3, 6, 9, 12, 15, 18, 21, 1]);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..30).collect::<Vec<u64>>());
        let last_of_the_first = order.iter().position(|row| *row == 2);
        let first_of_the_last = order.iter().position(|row| *row == 27);
        assert!(last_of_the_first < first_of_the_last, "{order:?}");
    }
}
