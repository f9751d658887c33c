//! Rows carried out by a store that is no database: one by one, several at a time, each recorded when it has ended. What
//! makes their effects happen once lies with the store; here is who comes when, and what is recorded.
//!
//! Rows of different customers take turns, since each customer has a limit of its own: a customer that is throttled
//! leaves the others' turns alone. Outcomes are recorded a few at a time, together with the passwords of the
//! accounts they made. Between them the job can be paused or cancelled.

use std::collections::{HashMap, HashSet, VecDeque};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tenantry_jobs::{Change, Row};
use tokio::time::{Duration, Instant};

use super::Runner;
use super::chunk::{seal, spooled, unsealed};
use super::sync::is_to_stop;
use crate::db::{DbError, Tx};
use crate::ledger::{Claim, Closing, Descent, RowOutcome, lease};
use crate::passwords::{PasswordRow, generate};
use crate::plan::Slice;
use crate::store::partner_center::{Halt, Journal, PartnerCenter, Session};
use crate::store::{Expected, RowChange, drifted, rejected};

/// Outcomes recorded at once, and how long they may wait for each other.
const TOGETHER: usize = 200;
const PATIENCE: Duration = Duration::from_secs(2);
/// With passwords among them they wait longer, since each record is a file for somebody to open.
const PATIENCE_WITH_PASSWORDS: Duration = Duration::from_secs(30);

/// Rows that have ended and are still to be recorded.
#[derive(Default)]
struct Batch {
    outcomes: Vec<RowOutcome>,
    passwords: Vec<PasswordRow>,
    since: Option<Instant>,
}

impl Batch {
    fn add(&mut self, outcome: RowOutcome, password: Option<PasswordRow>) {
        self.since.get_or_insert_with(Instant::now);
        self.outcomes.push(outcome);
        self.passwords.extend(password);
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
    hands_out: bool,
}

/// Why no further row is begun.
enum Stop {
    /// The job was paused or cancelled.
    Asked,
    Halted(Halt),
}

type RowEnd = (u64, Result<(RowOutcome, Option<PasswordRow>), Halt>);

impl Runner {
    /// The job's state if this chunk ended it.
    pub(super) async fn apply_remotely(&self, claim: &Claim, store: &PartnerCenter) -> Result<Option<String>, DbError> {
        let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
        let mut claim = claim.clone();
        let (job, mapping, block, settled, selected) = {
            let claim = claim.clone();
            self.ledger.db().read(move |tx| load(tx, &claim)).await?
        };
        let customer = claim.parameters.customer.clone();
        let mut batch = Batch::default();
        let mut slices = Vec::new();
        let mut rows = block.rows();
        while let Some(slice) = Slice::next(&mut rows, job, &mapping, customer.as_deref()) {
            slices.push(slice);
        }
        let mut changes = Vec::new();
        for (view, cells) in slices.iter().flat_map(Slice::rows) {
            let row = view.number;
            if settled.contains(&row) || selected.as_ref().is_some_and(|selected| !selected.contains(&row)) {
                continue;
            }
            match job.change(&Row::new(cells)) {
                Ok(change) => changes.push(RowChange { row, change }),
                // It was accepted when the file was read; a newer program may be stricter.
                Err(problems) => {
                    if let Some(problem) = problems.first() {
                        batch.add(rejected(row, problem), None);
                    }
                }
            }
        }
        let journal = Journal::open(&self.ledger, &claim).await?;
        let session = store.session();
        let holding = claim.clone();
        let chunk = InHand {
            claim: &holding,
            store,
            session: &session,
            journal: &journal,
            expected: expected.as_ref(),
            hands_out: !claim.parameters.seal_to.is_empty(),
        };
        let mut waiting = take_turns(changes);
        let mut in_hand = FuturesUnordered::new();
        let mut stop: Option<Stop> = None;
        loop {
            while stop.is_none() && in_hand.len() < store.concurrency() {
                let Some(RowChange { row, change }) = waiting.pop_front() else {
                    break;
                };
                in_hand.push(self.carry_out(&chunk, row, change));
            }
            let Some((_, end)) = in_hand.next().await else { break };
            match end {
                Ok((outcome, password)) => batch.add(outcome, password),
                // What is on its way is waited for; nothing else is begun.
                Err(why) => stop = stop.or(Some(Stop::Halted(why))),
            }
            if batch.is_due() && !self.record(&mut claim, &mut batch).await? {
                stop = stop.or(Some(Stop::Asked));
            }
        }
        drop(in_hand);
        let Some(stop) = stop else {
            return self.close(&claim, batch).await;
        };
        if !batch.outcomes.is_empty() {
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

    async fn carry_out(&self, chunk: &InHand<'_>, row: u64, change: Change<'_>) -> RowEnd {
        let InHand {
            claim,
            store,
            session,
            journal,
            expected,
            hands_out,
        } = *chunk;
        let carried_out = async {
            // A row that has begun was compared when it began.
            if let Some(expected) = expected.filter(|_| !journal.has_begun(row)) {
                let now = store.preview(session, row, &change).await?.verdict;
                if !expected.meets(row, &now) {
                    return Ok((drifted(row, &now), None));
                }
            }
            if let Change::ExportCustomers(export) = &change {
                let listing = store.listing(session, export).await?;
                return Ok((self.export_list(claim, store, row, listing).await?, None));
            }
            let mut entropy = self.ledger.clock().entropy();
            let password = generate(&self.settings.passwords, &mut entropy).map_err(|error| unsealed(&error))?;
            let ended = store.apply(session, journal, row, &change, &password).await?;
            let handed_out = match (ended.account_of, &change) {
                (Some(customer), Change::CreateUser(user)) if hands_out => Some(PasswordRow {
                    customer,
                    user_principal_name: user.user_principal_name.to_owned(),
                    password,
                }),
                _ => None,
            };
            Ok((ended.outcome, handed_out))
        };
        (row, carried_out.await)
    }

    /// Records what has ended so far; `false` when the job is to stop.
    async fn record(&self, claim: &mut Claim, batch: &mut Batch) -> Result<bool, DbError> {
        let Batch {
            outcomes, passwords, ..
        } = std::mem::take(batch);
        let (mut held, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let recorded = self.ledger.db().write(move |tx| {
            lease::fence(tx, &held)?;
            seal(tx, &held, &passwords)?;
            lease::record(tx, &mut held, &outcomes, limit, now)?;
            Ok((held.pending, !is_to_stop(tx, held.job)?))
        });
        let (pending, goes_on) = recorded.await?;
        claim.pending = pending;
        crate::failpoint::hit("after-record-rows");
        Ok(goes_on)
    }

    async fn close(&self, claim: &Claim, batch: Batch) -> Result<Option<String>, DbError> {
        let (claim, now, limit) = (claim.clone(), self.ledger.clock().now_millis(), self.settings.errors);
        let ended = self.ledger.db().write(move |tx| {
            lease::fence(tx, &claim)?;
            seal(tx, &claim, &batch.passwords)?;
            let closing = Closing {
                outcomes: batch.outcomes,
                ..Closing::default()
            };
            crate::failpoint::hit("before-finish");
            let ended = lease::close(tx, &claim, &closing, limit, now)?;
            crate::failpoint::hit("before-commit");
            Ok(ended)
        });
        let ended = ended.await?;
        crate::failpoint::hit("after-commit");
        Ok(ended)
    }
}

type Loaded = (
    &'static dyn tenantry_jobs::Job,
    tenantry_jobs::header::Mapping,
    crate::input::Block,
    HashSet<u64>,
    Option<HashSet<u64>>,
);

fn load(tx: &mut dyn Tx, claim: &Claim) -> Result<Loaded, DbError> {
    let (job, mapping, block) = spooled(tx, claim)?;
    let settled = crate::ledger::recorded_rows(tx, claim.job, claim.first_row, claim.rows)?;
    let descent = Descent {
        retry_of: claim.retry_of,
        undo_of: None,
    };
    let selected = crate::ledger::selected_rows(tx, descent, claim.chunk)?;
    Ok((job, mapping, block, settled, selected))
}

/// Rows in the order of the file, but a row of each customer before the next one of the first.
fn take_turns(changes: Vec<RowChange<'_>>) -> VecDeque<RowChange<'_>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut customers: Vec<VecDeque<RowChange<'_>>> = Vec::new();
    let total = changes.len();
    for change in changes {
        let customer = change
            .change
            .customer()
            .map_or("", |customer| customer.as_written())
            .to_lowercase();
        let place = *places.entry(customer).or_insert_with(|| {
            customers.push(VecDeque::new());
            customers.len() - 1
        });
        customers[place].push_back(change);
    }
    let mut turns = VecDeque::with_capacity(total);
    while turns.len() < total {
        turns.extend(customers.iter_mut().filter_map(VecDeque::pop_front));
    }
    turns
}
