//! Chunks that were claimed together, mostly one large one or many small ones: read their blocks, turn rows into requests, apply
//! and close in one transaction.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use tenantry_jobs::JobKind;
use tenantry_jobs::header::Mapping;
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::failure::is_of_the_surroundings;
use super::gate::ChunkLeave;
use super::held::Hold;
use super::turns::Came;
use crate::clock::Clock;
use crate::db::{DbError, Tx};
use crate::input::Block;
use crate::ledger::closing::EndedJobs;
use crate::ledger::ids::record_id;
use crate::ledger::{
    Claim, Closing, Installation, Lineage, Outcome, RowOutcome, artifacts, closing, fence, sealed, takes_effect,
};
use crate::metrics::RowTally;
use crate::passwords::{PasswordPolicy, PasswordRow, generate};
use crate::plan::{CustomerColumn, Slice, customers_named};
use crate::store::remote::{ApplyError, StoreError};
use crate::store::sql::sync::SyncProgress;
use crate::store::sql::{self, Context, Customers, OnRefusal, Prepared};
use crate::store::{Account, Expected, RowRequest, rejected};

impl Runner {
    /// Works chunks off that were claimed together. Whatever happens, the ledger knows: closed, given back, or held by a lease
    /// that runs out. Where something is wrong with them, they are carried out in halves, down to the one that it is with.
    pub(super) async fn work(&self, claims: Vec<Claim>, hold: Hold, leaving: &CancellationToken) {
        let batch = claims
            .first()
            .and_then(|claim| Some((claim.turn?, claim.owner.clone())));
        let mut is_over = false;
        let mut left = vec![claims];
        while let Some(mut claims) = left.pop() {
            if let [claim] = claims.as_slice()
                && let Some(deaths) = claim.died
            {
                self.condemn(claim, deaths, leaving).await;
                continue;
            }
            let (began, mut back) = (Instant::now(), None);
            match self.persist(&claims, leaving).await {
                Ok(Some(ended)) => {
                    is_over = claims.iter().all(|claim| claim.together == claims.len());
                    self.say_done(&claims, &ended, began.elapsed());
                }
                Ok(None) => back = Some("they wait for what another worker left"),
                Err(ApplyError::Db(DbError::LeaseLost)) => {
                    let chunks = claims.len();
                    self.metrics.leases_lost(chunks);
                    if let Some(claim) = claims.first() {
                        tracing::info!(job.id = %claim.job_id, chunks, "a chunk has passed to another worker, as this one was slow; what it had in hand with it is given back");
                    }
                    back = Some("one of them has passed to another worker");
                }
                Err(ApplyError::Db(error)) if error.passes() && leaving.is_cancelled() => {
                    back = Some("this worker leaves");
                }
                Err(error) if claims.len() > 1 && !is_of_the_surroundings(&error) => {
                    tracing::debug!(chunks = claims.len(), %error, "chunks failed together and are tried in halves");
                    let second = claims.split_off(claims.len() / 2);
                    left.extend([second, std::mem::take(&mut claims)]);
                }
                Err(error) => {
                    for claim in &claims {
                        self.record_failure(claim, &error, leaving).await;
                    }
                }
            }
            // With all that comes after it in the batch, which would overtake it.
            if let Some(why) = back {
                claims.extend(left.drain(..).rev().flatten());
                self.give_back(&claims, why).await;
                is_over = true;
            }
        }
        if !is_over {
            self.turns.doubt();
        }
        if let (Some((turn, owner)), false) = (batch, is_over)
            && let Err(error) = self.ledger.leave_batch(turn, &owner).await
        {
            // Its lease runs out.
            tracing::debug!(%error, "that a batch is in hand no more could not be recorded");
        }
        // Held until its outcome is recorded, so that its lease does not run out meanwhile.
        drop(hold);
    }

    /// Gives chunks back, under their turn, that are not carried out here.
    async fn give_back(&self, claims: &[Claim], why: &'static str) {
        match self.ledger.give_back(claims).await {
            Ok(()) => tracing::debug!(chunks = claims.len(), why, "chunks are given back"),
            Err(error) => {
                tracing::debug!(%error, "chunks could not be given back; they go on when their leases run out");
            }
        }
        self.turns.doubt();
    }

    fn say_done(&self, claims: &[Claim], ended: &EndedJobs, took: Duration) {
        self.chunks_done(claims, took);
        for (job, how) in ended {
            if let Some(claim) = claims.iter().find(|claim| claim.job == *job) {
                self.job_ended(claim, how);
            }
        }
    }

    /// Carries out chunks that were claimed together, or some of them; `None` where they are to be given back.
    pub(super) async fn apply(
        &self,
        claims: &[Claim],
        leaving: &CancellationToken,
    ) -> Result<Option<EndedJobs>, ApplyError> {
        let Some(claim) = claims.first() else {
            return Ok(Some(Vec::new()));
        };
        let Some(name) = &claim.parameters.store else {
            return self.apply_here(claims, leaving).await;
        };
        let Some(store) = self.stores.named(name) else {
            let what = format!("the store `{name}` is not configured here");
            return Err(StoreError::Unavailable(what).into());
        };
        let ended = self.apply_remotely(claim, store.as_ref(), leaving).await?;
        Ok(Some(ended.into_iter().map(|how| (claim.job, how)).collect()))
    }

    async fn prepared(&self, claims: &[Claim]) -> Result<PreparedChunks, DbError> {
        let (now, installation) = (self.ledger.clock().now_millis(), self.ledger.installation());
        let (claims, gates) = (claims.to_vec(), self.gates());
        let read = self.ledger.db().read(move |tx| {
            let leaves = gates.check(tx, &claims)?;
            let forward: Vec<&Claim> = claims.iter().filter(|claim| claim.undo_of.is_none()).collect();
            let rows = spooled(tx, &forward)?;
            prepare_all(tx, (&claims, &leaves), rows, (now, true), installation)
        });
        read.await
    }

    async fn apply_here(&self, claims: &[Claim], leaving: &CancellationToken) -> Result<Option<EndedJobs>, ApplyError> {
        let installation = self.ledger.installation();
        let mut clear = None;
        let PreparedChunks { prepared, mut rest } = loop {
            let read = self.prepared(claims).await?;
            let places = sql::places_of(&read.prepared);
            match self.turn_comes(claims, places, &mut clear, leaving).await? {
                Came::AtOnce => break read,
                Came::Later => {}
                Came::Never => return Ok(None),
            }
        };
        // Rows that make files or copies are claimed alone.
        if let ([claim], [prepared], [rest]) = (claims, prepared.as_slice(), rest.as_mut_slice()) {
            rest.outcomes.extend(self.export(claim, prepared.exports()).await?);
            let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
            let Some(synced) = self.sync(claim, prepared.syncs(), expected.as_ref(), leaving).await? else {
                return Ok(Some(Vec::new()));
            };
            rest.outcomes.extend(synced);
        }
        let now = self.ledger.clock().now_millis();
        let next_looks: Vec<i64> = claims
            .iter()
            .map(|claim| now + self.settings.look_again(claim).as_millis() as i64)
            .collect();
        let (claims, limit) = (claims.to_vec(), self.settings.errors);
        let (policy, clock) = (self.settings.passwords.clone(), self.ledger.clock().clone());
        let (ended, rows) = self
            .ledger
            .db()
            .write(move |tx| {
                if let Some(turn) = claims.first().and_then(|claim| claim.turn) {
                    takes_effect(tx, turn)?;
                }
                sql::lock_all(tx, &prepared)?;
                fence::check_all(tx, &claims.iter().collect::<Vec<_>>())?;
                let before = rest
                    .iter_mut()
                    .map(|rest| (std::mem::take(&mut rest.outcomes), rest.leave));
                let mut closings = carry_out(
                    tx,
                    &claims,
                    (&prepared, OnRefusal::Isolate),
                    before.collect(),
                    (&policy, &clock),
                )?;
                for (closing, next_look) in closings.iter_mut().zip(next_looks) {
                    closing.next_look = next_look;
                }
                // A part is tried by itself.
                let ended = if let ([claim], [closing], [Rest { part: Some(part), .. }]) =
                    (claims.as_slice(), closings.as_mut_slice(), rest.as_slice())
                {
                    let target = |row| installation.guid(record_id(claim.job, row)).to_string();
                    name_applied(closing, part, target);
                    let ended = closing::close_part(tx, claim, closing, limit, now)?;
                    ended.into_iter().map(|how| (claim.job, how)).collect()
                } else {
                    let chunks: Vec<_> = claims.iter().zip(&closings).collect();
                    closing::close_all(tx, &chunks, limit, now)?
                };
                crate::failpoint::hit("before-commit");
                let is_part = rest.iter().any(|rest| rest.part.is_some());
                Ok((ended, RowTally::of_chunks(claims.iter().zip(&closings), is_part)))
            })
            .await?;
        crate::failpoint::hit("after-commit");
        self.metrics.rows(&rows);
        Ok(Some(ended))
    }
}

/// Has the store do what chunks are for, which are locked; how each ends. `before` are the outcomes that are known already, and what the
/// chunk may do. Passwords are made as `given` says.
pub(super) fn carry_out(
    tx: &mut dyn Tx,
    claims: &[Claim],
    (prepared, refusal): (&[Prepared], OnRefusal),
    before: Vec<(Vec<RowOutcome>, ChunkLeave)>,
    given: (&PasswordPolicy, &Clock),
) -> Result<Vec<Closing>, DbError> {
    let applied = sql::apply_all(tx, prepared, refusal)?;
    let mut closings = Vec::with_capacity(claims.len());
    for (((claim, prepared), applied), (before, leave)) in claims.iter().zip(prepared).zip(applied).zip(before) {
        leave.check(claim, applied.touched.values())?;
        let mut outcomes = applied.outcomes;
        outcomes.extend(before);
        SyncProgress::forget(tx, claim.job, prepared.syncs())?;
        crate::failpoint::hit("before-finish");
        artifacts::keep(tx, claim.job, &applied.artifacts)?;
        hand_out(tx, claim, applied.accounts, given.0, given.1)?;
        closings.push(Closing {
            outcomes,
            waits: applied.waits,
            next_look: 0,
            images: applied.images,
        });
    }
    Ok(closings)
}

/// Names the rows of a part of which nothing is said: they were applied, and made the record of their number.
fn name_applied(closing: &mut Closing, part: &BTreeSet<u64>, target: impl Fn(u64) -> String) {
    let outcomes = closing.outcomes.iter().map(|one| one.row);
    let named: HashSet<u64> = outcomes.chain(closing.waits.iter().map(|wait| wait.row)).collect();
    let applied = part.iter().filter(|row| !named.contains(row)).map(|row| RowOutcome {
        row: *row,
        outcome: Outcome::Applied,
        code: closing::IMPLIED.to_owned(),
        message: String::new(),
        target: target(*row),
        columns: Vec::new(),
    });
    closing.outcomes.extend(applied);
}

/// Makes a password for each account and keeps them sealed. They leave this function in no other form.
fn hand_out(
    tx: &mut dyn Tx,
    claim: &Claim,
    accounts: Vec<Account>,
    policy: &PasswordPolicy,
    clock: &Clock,
) -> Result<(), DbError> {
    let mut entropy = clock.entropy();
    let mut rows = Vec::with_capacity(accounts.len());
    for account in accounts {
        rows.push(PasswordRow {
            customer: account.customer,
            user_principal_name: account.user_principal_name,
            password: generate(policy, &mut entropy).map_err(|error| sealed::unsealed(&error))?,
        });
    }
    sealed::keep(tx, claim, &rows)
}

/// The rows of a chunk as they were spooled, and how to read them.
pub(super) struct SpooledRows {
    pub(super) job: &'static dyn JobKind,
    pub(super) mapping: Mapping,
    pub(super) block: Block,
}

/// Reads what was spooled of chunks.
pub(super) fn spooled(tx: &mut dyn Tx, claims: &[&Claim]) -> Result<Vec<SpooledRows>, DbError> {
    let places: Vec<(i64, i64)> = claims.iter().map(|claim| (claim.input, claim.chunk)).collect();
    let blocks = crate::ledger::load_blocks(tx, &places)?;
    claims
        .iter()
        .zip(blocks)
        .map(|(claim, block)| SpooledRows::of(claim, block))
        .collect()
}

impl SpooledRows {
    /// Whether the rows of two chunks are read in the same way.
    pub(super) fn are_alike(one: &Claim, other: &Claim) -> bool {
        let way = |claim: &Claim| (claim.parameters.customer.is_some(), claim.parameters.checks_customer);
        one.kind == other.kind && one.header == other.header && way(one) == way(other)
    }

    /// Rows that are read in the same way.
    pub(super) fn with(&self, block: Block) -> Self {
        Self {
            job: self.job,
            mapping: self.mapping.clone(),
            block,
        }
    }

    pub(super) fn of(claim: &Claim, block: Option<Block>) -> Result<Self, DbError> {
        let job = tenantry_jobs::find(&claim.kind)
            .map_err(|_| DbError::Damaged(format!("this program knows no kind `{}`", claim.kind)))?;
        let names: Vec<&str> = claim.header.iter().map(String::as_str).collect();
        let mapping = CustomerColumn::of(&claim.parameters)
            .recognise(job, &names)
            .map_err(|_| {
                DbError::Damaged(format!(
                    "the header of job {} fits `{}` no more",
                    claim.job_id, claim.kind
                ))
            })?;
        let missing = || DbError::Damaged(format!("block {} of the spool is missing", claim.chunk));
        Ok(Self {
            job,
            mapping,
            block: block.ok_or_else(missing)?,
        })
    }
}

/// What chunks have to have done.
pub(super) struct PreparedChunks {
    pub(super) prepared: Vec<Prepared>,
    /// What else belongs to each of them.
    pub(super) rest: Vec<Rest>,
}

/// The rows that are tried now, where that is not all of a chunk.
type RowsOfPart = Option<BTreeSet<u64>>;

/// What belongs to a chunk besides what the store is to do.
pub(super) struct Rest {
    /// Outcomes that are known before.
    pub(super) outcomes: Vec<RowOutcome>,
    part: RowsOfPart,
    /// What it may do.
    leave: ChunkLeave,
}

/// The rows of the part of the chunk that is to be tried now; `None` if that is all of it.
pub(super) fn part_of(tx: &mut dyn Tx, claim: &Claim) -> Result<Option<BTreeSet<u64>>, DbError> {
    let Some(part) = claim.trial.part() else {
        return Ok(None);
    };
    let pending = fence::pending_rows(tx, claim)?;
    Ok(Some(pending.into_iter().take(part as usize).collect()))
}

/// Everything that needs no write lock, with the rows of all chunks that are no undos, each by its leave. Customers are looked up together for all chunks.
pub(super) fn prepare_all(
    tx: &mut dyn Tx,
    (claims, leaves): (&[Claim], &[ChunkLeave]),
    rows: Vec<SpooledRows>,
    (now, writes_images): (i64, bool),
    installation: Installation,
) -> Result<PreparedChunks, DbError> {
    let mut all = PreparedChunks {
        prepared: Vec::with_capacity(claims.len()),
        rest: Vec::with_capacity(claims.len()),
    };
    let forward: Vec<&Claim> = claims.iter().filter(|claim| claim.undo_of.is_none()).collect();
    let mut customers = Customers::default();
    if forward.len() > 1 {
        let named = forward.iter().zip(&rows).flat_map(|(claim, rows)| {
            customers_named(
                rows.job,
                &rows.mapping,
                claim.parameters.customer.as_deref(),
                &rows.block,
            )
        });
        customers.resolve_named(tx, named)?;
    }
    let mut rows = rows.into_iter();
    for (claim, leave) in claims.iter().zip(leaves) {
        let context = Context {
            job: claim.job,
            kind: claim.kind.clone(),
            now,
            installation,
            expected: claim.expected.as_deref().map(Expected::decode).transpose()?,
            hands_out_passwords: !claim.parameters.seal_to.is_empty(),
            writes_images,
            may_destroy: leave.may_destroy,
        };
        let rows = if claim.undo_of.is_none() { rows.next() } else { None };
        let (mut prepared, outcomes, part) = prepare(tx, claim, rows, context, customers)?;
        customers = prepared.take_customers();
        all.prepared.push(prepared);
        all.rest.push(Rest {
            outcomes,
            part,
            leave: *leave,
        });
    }
    Ok(all)
}

/// Rows with an outcome, rows of other jobs, and those not tried now are left out.
fn prepare(
    tx: &mut dyn Tx,
    claim: &Claim,
    rows: Option<SpooledRows>,
    context: Context,
    customers: Customers,
) -> Result<(Prepared, Vec<RowOutcome>, RowsOfPart), DbError> {
    let part = part_of(tx, claim)?;
    let settled = if claim.pending == claim.rows {
        HashSet::new()
    } else {
        crate::ledger::recorded_rows(tx, claim.job, claim.first_row, claim.rows)?
    };
    let lineage = Lineage {
        retry_of: claim.retry_of,
        undo_of: claim.undo_of.as_ref().map(|(job, _)| *job),
    };
    let selected = crate::ledger::selected_rows(tx, lineage, claim.chunk)?;
    let is_due = |row: &u64| {
        !settled.contains(row)
            && selected.as_ref().is_none_or(|selected| selected.contains(row))
            && part.as_ref().is_none_or(|part| part.contains(row))
    };
    if let Some((undone, kind)) = &claim.undo_of {
        let rows: Vec<u64> = (claim.first_row..claim.first_row + claim.rows).filter(is_due).collect();
        for row in &rows {
            crate::failpoint::hit_row(*row);
        }
        let mut prepared = Prepared::knowing(customers, context, rows.len());
        prepared.take_back(tx, *undone, kind, &rows)?;
        return Ok((prepared, Vec::new(), part));
    }
    let lost = || DbError::Broken("the rows of a chunk were not read".to_owned());
    let SpooledRows { job, mapping, block } = rows.ok_or_else(lost)?;
    let customer = claim.parameters.customer.as_deref();
    let mut prepared = Prepared::knowing(customers, context, block.len());
    let mut outcomes = Vec::new();
    let mut rows = block.rows();
    while let Some(slice) = Slice::next(&mut rows, job, &mapping, customer) {
        let mut requests = Vec::new();
        for (view, cells) in slice.rows() {
            let row = view.number;
            if !is_due(&row) {
                continue;
            }
            crate::failpoint::hit_row(row);
            match job.request(&cells) {
                Ok(request) => requests.push(RowRequest { row, request }),
                Err(faulty) => match faulty.doubted() {
                    Ok((request, doubts)) => {
                        prepared.doubt(row, doubts);
                        requests.push(RowRequest { row, request });
                    }
                    // It was accepted when the file was read; a newer program may be stricter.
                    Err(first) => outcomes.extend(first.map(|problem| rejected(row, &problem))),
                },
            }
        }
        prepared.resolve(tx, &requests)?;
        prepared.add(&requests);
    }
    Ok((prepared, outcomes, part))
}
