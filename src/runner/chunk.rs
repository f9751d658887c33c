//! One claimed chunk: read its block, turn rows into requests, apply and close in one transaction.

use std::collections::{BTreeSet, HashSet};

use tenantry_jobs::header::Mapping;
use tenantry_jobs::{JobKind, header};
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::held::Hold;
use crate::clock::Clock;
use crate::db::{DbError, Dialect, Tx};
use crate::input::Block;
use crate::ledger::ids::record_id;
use crate::ledger::{Claim, Closing, Descent, Outcome, RowOutcome, artifacts, closing, fence, sealed};
use crate::passwords::{PasswordPolicy, PasswordRow, generate};
use crate::plan::Slice;
use crate::store::remote::{ApplyError, StoreError};
use crate::store::sql::sync::SyncProgress;
use crate::store::sql::{self, Context, Prepared};
use crate::store::{Account, Expected, RowRequest, rejected};

impl Runner {
    /// Works a chunk off. Whatever happens, the ledger knows: closed, given back, or held by a lease that runs out.
    pub(super) async fn work(&self, claim: Claim, hold: Hold, leaving: &CancellationToken) {
        if let Some(deaths) = claim.died {
            self.condemn(&claim, deaths, leaving).await;
            return;
        }
        let done = self.persist(&claim, leaving).await;
        match done {
            Ok(ended) => {
                tracing::debug!(job.id = %claim.job_id, chunk = claim.chunk, "chunk {} of job {} done", claim.chunk, claim.job_id);
                if let Some(state) = ended {
                    tracing::info!(job.id = %claim.job_id, state, "job {} ended: {state}", claim.job_id);
                    self.ended.notify_one();
                }
            }
            Err(ApplyError::Db(DbError::LeaseLost)) => {
                tracing::info!(job.id = %claim.job_id, chunk = claim.chunk, "chunk {} of job {} has passed to another worker", claim.chunk, claim.job_id);
            }
            Err(error) => self.came_to_nothing(&claim, &error, leaving).await,
        }
        // Held until what became of it is recorded, so that its lease does not run out meanwhile.
        drop(hold);
    }

    /// The job's state if this chunk ended it.
    pub(super) async fn apply(&self, claim: &Claim, leaving: &CancellationToken) -> Result<Option<String>, ApplyError> {
        if let Some(name) = &claim.parameters.store {
            let Some(store) = self.stores.named(name) else {
                let what = format!("the store `{name}` is not configured here");
                return Err(StoreError::Unavailable(what).into());
            };
            return self.apply_remotely(claim, store.as_ref(), leaving).await;
        }
        let expected = claim.expected.as_deref().map(Expected::decode).transpose()?;
        let PreparedChunk {
            prepared,
            refused,
            part,
        } = {
            let claim = claim.clone();
            let context = Context {
                job: claim.job,
                now: self.ledger.clock().now_millis(),
                installation: self.ledger.installation(),
                expected: expected.clone(),
                hands_out_passwords: !claim.parameters.seal_to.is_empty(),
            };
            self.ledger.db().read(move |tx| prepare(tx, &claim, context)).await?
        };
        let exported = self.export(claim, prepared.exports()).await?;
        let Some(synced) = self.sync(claim, prepared.syncs(), expected.as_ref(), leaving).await? else {
            return Ok(None);
        };
        let (claim, now) = (claim.clone(), self.ledger.clock().now_millis());
        let next_look = now + self.settings.look_again(&claim).as_millis() as i64;
        let (limit, installation) = (self.settings.errors, self.ledger.installation());
        let (policy, clock) = (self.settings.passwords.clone(), self.ledger.clock().clone());
        let customers = match self.ledger.db().dialect() {
            Dialect::Postgres => prepared.customers(),
            Dialect::Sqlite => Vec::new(),
        };
        let _turn = self.turns.take(&customers).await;
        let ended = self
            .ledger
            .db()
            .write(move |tx| {
                prepared.lock(tx)?;
                fence::check(tx, &claim)?;
                let mut applied = sql::apply(tx, &prepared)?;
                applied.outcomes.extend(refused);
                applied.outcomes.extend(exported);
                applied.outcomes.extend(synced);
                SyncProgress::forget(tx, claim.job, prepared.syncs())?;
                crate::failpoint::hit("before-finish");
                artifacts::keep(tx, claim.job, &applied.artifacts)?;
                hand_out(tx, &claim, applied.accounts, &policy, &clock)?;
                let mut closing = Closing {
                    outcomes: applied.outcomes,
                    waits: applied.waits,
                    next_look,
                };
                let ended = match part {
                    None => closing::close(tx, &claim, &closing, limit, now)?,
                    Some(part) => {
                        let target = |row| installation.guid(record_id(claim.job, row)).to_string();
                        name_applied(&mut closing, &part, target);
                        closing::close_part(tx, &claim, &closing, limit, now)?
                    }
                };
                crate::failpoint::hit("before-commit");
                Ok(ended)
            })
            .await?;
        crate::failpoint::hit("after-commit");
        Ok(ended)
    }
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
pub(super) fn spooled(tx: &mut dyn Tx, claim: &Claim) -> Result<(&'static dyn JobKind, Mapping, Block), DbError> {
    let job = tenantry_jobs::find(&claim.kind)
        .map_err(|_| DbError::Damaged(format!("this program knows no kind `{}`", claim.kind)))?;
    let names: Vec<&str> = claim.header.iter().map(String::as_str).collect();
    let fixed: &[&str] = if claim.parameters.customer.is_some() {
        &["customer"]
    } else {
        &[]
    };
    let mapping = header::recognise(job, &names, fixed).map_err(|_| {
        DbError::Damaged(format!(
            "the header of job {} fits `{}` no more",
            claim.job_id, claim.kind
        ))
    })?;
    match crate::ledger::load_block(tx, claim.input, claim.chunk)? {
        Some(block) => Ok((job, mapping, block)),
        None => Err(DbError::Damaged(format!(
            "block {} of the spool is missing",
            claim.chunk
        ))),
    }
}

/// What a chunk has to have done.
struct PreparedChunk {
    prepared: Prepared,
    refused: Vec<RowOutcome>,
    /// The rows that are tried now, where that is not all of them.
    part: Option<BTreeSet<u64>>,
}

/// The rows of the part of the chunk that is to be tried now; `None` if that is all of it.
pub(super) fn part_of(tx: &mut dyn Tx, claim: &Claim) -> Result<Option<BTreeSet<u64>>, DbError> {
    let Some(part) = claim.trial.part() else {
        return Ok(None);
    };
    let pending = fence::pending_rows(tx, claim)?;
    Ok(Some(pending.into_iter().take(part as usize).collect()))
}

/// Everything that needs no write lock. Rows with an outcome, rows of other jobs, and those not tried now are left out.
fn prepare(tx: &mut dyn Tx, claim: &Claim, context: Context) -> Result<PreparedChunk, DbError> {
    let part = part_of(tx, claim)?;
    let settled = if claim.pending == claim.rows {
        HashSet::new()
    } else {
        crate::ledger::recorded_rows(tx, claim.job, claim.first_row, claim.rows)?
    };
    let descent = Descent {
        retry_of: claim.retry_of,
        undo_of: claim.undo_of.as_ref().map(|(job, _)| *job),
    };
    let selected = crate::ledger::selected_rows(tx, descent, claim.chunk)?;
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
        let mut prepared = Prepared::new(context, rows.len());
        prepared.take_back(tx, *undone, kind, &rows)?;
        return Ok(PreparedChunk {
            prepared,
            refused: Vec::new(),
            part,
        });
    }
    let (job, mapping, block) = spooled(tx, claim)?;
    let customer = claim.parameters.customer.as_deref();
    let mut prepared = Prepared::new(context, block.len());
    let mut refused = Vec::new();
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
                // It was accepted when the file was read; a newer program may be stricter.
                Err(faulty) => refused.extend(faulty.problems.first().map(|problem| rejected(row, problem))),
            }
        }
        prepared.learn(tx, &requests)?;
        prepared.add(requests);
    }
    Ok(PreparedChunk {
        prepared,
        refused,
        part,
    })
}
