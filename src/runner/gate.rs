//! The check that a claimed chunk may be carried out: a job that had to be approved, only as it was approved, and one that nobody has approved,
//! only as far as the policy lets it.
//!
//! Asked in the transaction that reads a chunk's rows, once for each chunk. Of a job that needs no approval nothing is asked of the ledger, unless
//! the worker trusts nothing but signatures: then the audit record has to know it as such. What its rows do is held to the limits
//! where it is decided on, in the store: which of them are destructive, and, by a worker that trusts nothing but signatures, how many users they
//! touch. So whatever a ledger says of a job, it does no more than it could have been submitted for.

use std::sync::Arc;

use super::Runner;
use crate::db::{DbError, Tx};
use crate::ledger::{Claim, seal};
use crate::plan::{DailyUsage, Impact, Limits, Totals};
use crate::policy::LedgerPolicy;
use crate::store::Touch;

/// What a worker holds jobs to.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// Whether the ledger's policy says what has to be approved.
    pub policy_holds: bool,
    /// What is held to besides: by the configuration.
    pub limits: Limits,
    /// Public keys whose signatures alone count here, no matter which other keys are enrolled; none leaves that to the ledger.
    pub keys: Arc<[String]>,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            policy_holds: false,
            limits: Limits::NONE,
            keys: Arc::default(),
        }
    }
}

/// What has to be approved now.
#[derive(Debug, Clone)]
pub(super) struct Gates {
    limits: Limits,
    /// Who may be handed out passwords, where that is not left to the submitter.
    policy: Option<Arc<LedgerPolicy>>,
    keys: Arc<[String]>,
}

/// What a chunk may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkLeave {
    /// How many rows may be destructive.
    pub(super) may_destroy: u64,
    /// Limits on the users that it touches; `None` where none hold.
    limits: Option<Limits>,
    /// Whether nothing but signatures is trusted.
    pub(super) is_strict: bool,
}

impl ChunkLeave {
    /// To do anything.
    pub(super) const ALL: Self = Self {
        may_destroy: u64::MAX,
        limits: None,
        is_strict: false,
    };

    /// Checks how many users of customers a chunk touches.
    ///
    /// # Errors
    /// [`DbError::Damaged`] if they are more than may be without approval.
    pub(super) fn check<'t>(&self, claim: &Claim, touched: impl IntoIterator<Item = &'t Touch>) -> Result<(), DbError> {
        match self.beyond(touched) {
            Some(why) => Err(unapproved(claim, &why)),
            None => Ok(()),
        }
    }

    /// Why these users, each customer's together, are more than may be touched.
    pub(super) fn beyond<'t>(&self, touched: impl IntoIterator<Item = &'t Touch>) -> Option<String> {
        let limits = self.limits.as_ref()?;
        let impact = Impact::touching(touched);
        let totals = Totals {
            change: 1,
            ..Totals::default()
        };
        let gate = limits.gate(None, (&totals, &impact), &DailyUsage::default())?;
        Some(gate.reasons.join("; "))
    }

    /// Whether so many rows, each about a user, may be too many.
    pub(super) fn may_touch_too_many(&self, rows: u64) -> bool {
        let limits = self.limits.as_ref();
        limits.is_some_and(|limits| limits.user_share < 1.0 && rows >= limits.user_share_min_users)
    }
}

fn unapproved(claim: &Claim, why: &str) -> DbError {
    DbError::Damaged(format!(
        "job {} is not as it was approved: it needs approval ({why}), and nobody has approved it; nothing of it is done",
        claim.job_id
    ))
}

impl Runner {
    pub(super) fn gates(&self) -> Gates {
        let GateSettings {
            policy_holds,
            limits,
            keys,
        } = &self.settings.gates;
        let policy = policy_holds.then(|| Arc::new(LedgerPolicy::of(&self.ledger.policy())));
        Gates {
            keys: keys.clone(),
            limits: policy.as_ref().map_or(*limits, |policy| policy.limits(*limits)),
            policy,
        }
    }
}

impl Gates {
    /// Checks chunks before they are carried out; what each may do.
    ///
    /// # Errors
    /// [`DbError::Damaged`] if one of them may not be.
    pub(super) fn check<'c>(
        &self,
        tx: &mut dyn Tx,
        claims: impl IntoIterator<Item = &'c Claim>,
    ) -> Result<Vec<ChunkLeave>, DbError> {
        let (mut leaves, mut unsealed) = (Vec::new(), Vec::new());
        for claim in claims {
            self.check_recipients(claim)?;
            let leave = if self.asks_of(claim) {
                seal::check(tx, claim, &self.keys)?;
                ChunkLeave::ALL
            } else {
                unsealed.push(claim);
                self.leave_of(tx, claim)?
            };
            leaves.push(leave);
        }
        if !self.keys.is_empty() && !unsealed.is_empty() {
            seal::check_unsealed(tx, &unsealed)?;
        }
        Ok(leaves)
    }

    fn asks_of(&self, claim: &Claim) -> bool {
        let is_destructive = || tenantry_jobs::find(&claim.kind).is_ok_and(|kind| kind.policy().destructive);
        claim.approved_at.is_some() || (self.limits.approval && is_destructive())
    }

    /// What a chunk that nobody has approved may do.
    fn leave_of(&self, tx: &mut dyn Tx, claim: &Claim) -> Result<ChunkLeave, DbError> {
        if !self.limits.approval {
            return Ok(ChunkLeave::ALL);
        }
        let is_strict = !self.keys.is_empty();
        let last = claim.first_row + claim.rows.max(1) - 1;
        if is_strict && last > self.limits.rows {
            let why = format!("{last} rows, more than {}", self.limits.rows);
            return Err(unapproved(claim, &why));
        }
        let mut may_destroy = self.limits.destructive_rows;
        let own_within = i64::try_from(self.limits.own_undo_within.as_millis()).unwrap_or(i64::MAX);
        if claim.undo_of.is_some() && own_within > 0 && seal::is_own_undo(tx, claim, own_within)? {
            may_destroy = u64::MAX;
        }
        Ok(ChunkLeave {
            may_destroy,
            limits: is_strict.then_some(self.limits),
            is_strict,
        })
    }

    fn check_recipients(&self, claim: &Claim) -> Result<(), DbError> {
        let Some(policy) = &self.policy else { return Ok(()) };
        match policy.stranger(&claim.parameters.seal_to) {
            Some(stranger) => Err(DbError::Damaged(format!(
                "passwords of job {} would be sealed to `{stranger}`, who may not read any by the policy of the ledger \
                 (`passwords.recipients`); nothing of it is done",
                claim.job_id
            ))),
            None => Ok(()),
        }
    }
}
