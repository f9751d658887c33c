//! A submission that needs no approval by itself, and does if a limit of the day leaves too little for it: that is known in the transaction
//! that records it, which then records nothing; it is recorded after that, to wait.

use tenantry_jobs::JobKind;

use super::SubmitError;
use crate::db::DbError;
use crate::ledger::{Commit, Committed, Draft, Ledger, TakenToday, WholeJob};
use crate::plan::{DailyUsage, Impact, Keeping, KeptHead, Limits, Totals};

/// What it takes to have a submission wait.
pub(super) struct IfOverLimit {
    pub(super) kind: &'static dyn JobKind,
    pub(super) limits: Limits,
    pub(super) totals: Totals,
    pub(super) impact: Impact,
    pub(super) usage: DailyUsage,
    /// The plan, for the approver.
    pub(super) keeping: Keeping,
    pub(super) head: KeptHead,
}

impl IfOverLimit {
    /// Records a job of which nothing is recorded, to wait for approval. Its draft, and how that ended.
    pub(super) async fn record_whole(
        self,
        ledger: &Ledger,
        job: WholeJob,
        taken: TakenToday,
    ) -> Result<(Draft, Committed), SubmitError> {
        let WholeJob {
            new,
            commit,
            chunk,
            rejects,
            ..
        } = job;
        let draft = ledger.begin(new).await?;
        if let Some(chunk) = chunk
            && let Err(error) = ledger.append(draft, chunk, rejects).await
        {
            let _ = ledger.discard(draft).await;
            return Err(error.into());
        }
        Ok((draft, self.record(ledger, draft, commit, taken).await?))
    }

    /// Records a job whose rows are in the spool, to wait for approval.
    pub(super) async fn record(
        self,
        ledger: &Ledger,
        draft: Draft,
        mut commit: Commit,
        taken: TakenToday,
    ) -> Result<Committed, SubmitError> {
        let usage = DailyUsage { taken, ..self.usage };
        let gate = self.limits.gate(Some(self.kind), (&self.totals, &self.impact), &usage);
        let gate = gate.unwrap_or_else(|| {
            self.limits
                .gate_for(vec!["limits of the day leave too little".to_owned()])
        });
        let reasons = gate.reasons.join("; ");
        commit.gate = Some(gate);
        commit.takings.clear();
        let recorded = async {
            self.keeping.keep(ledger, draft, &self.head).await?;
            Ok::<_, SubmitError>(ledger.commit(draft, commit).await?)
        };
        match recorded.await {
            Ok(Committed::OverLimit(_)) => {
                Err(DbError::Broken("a job that waits was held to limits".to_owned()).into())
            }
            Err(error) => {
                // The sweep removes it too, in time; the error at hand is the one to tell.
                let _ = ledger.discard(draft).await;
                Err(error)
            }
            recorded => {
                if let Ok(Committed::AwaitingApproval) = &recorded {
                    tracing::info!("job {} of {} waits for approval: {reasons}", draft.id, usage.way);
                }
                recorded
            }
        }
    }
}
