//! Whether what was claimed may be carried out: a job that had to be approved, only as it was approved.
//!
//! Asked in the transaction that reads a chunk's rows, once for each chunk of such a job, and of no other job.

use std::sync::Arc;

use super::Runner;
use crate::db::{DbError, Tx};
use crate::ledger::{Claim, seal};
use crate::policy::LedgerPolicy;

/// What a worker holds jobs to.
#[derive(Debug, Clone, Default)]
pub struct GateSettings {
    /// Whether the ledger's policy says what has to be approved.
    pub policy_holds: bool,
    /// Whether all has to that does by the usual policy, whatever the ledger's says.
    pub required: bool,
    /// Public keys whose signatures alone count here, whoever else is enrolled; none leaves that to the ledger.
    pub keys: Arc<[String]>,
}

/// What has to be approved now.
#[derive(Debug, Clone)]
pub(super) struct Gates {
    /// Whether kinds that are destructive as such are carried out only if they were approved, whatever the ledger says of a job.
    required: bool,
    keys: Arc<[String]>,
}

impl Runner {
    pub(super) fn gates(&self) -> Gates {
        let GateSettings {
            policy_holds,
            required,
            keys,
        } = &self.settings.gates;
        Gates {
            keys: keys.clone(),
            required: *required || (*policy_holds && LedgerPolicy::of(&self.ledger.policy()).requires_approval()),
        }
    }
}

impl Gates {
    /// Checks chunks before they are carried out.
    ///
    /// # Errors
    /// [`DbError::Damaged`] if one of them may not be.
    pub(super) fn check<'c>(
        &self,
        tx: &mut dyn Tx,
        claims: impl IntoIterator<Item = &'c Claim>,
    ) -> Result<(), DbError> {
        claims
            .into_iter()
            .filter(|claim| self.asks_of(claim))
            .try_for_each(|claim| seal::check(tx, claim, &self.keys))
    }

    fn asks_of(&self, claim: &Claim) -> bool {
        let is_destructive = || tenantry_jobs::find(&claim.kind).is_ok_and(|kind| kind.policy().destructive);
        claim.approved_at.is_some() || (self.required && is_destructive())
    }
}
