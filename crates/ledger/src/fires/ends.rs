//! The end of fires, and its effect on their schedules: failures in a row can pause one.

use super::super::audit::{self, Action, AuditEntry};
use super::super::schedules::{SchedulePause, locked, pause_note, set_pause};
use super::{FireOutcome, FireReason, FireState, HeldFire, Ledger};
use tenantry_foundation::db::{DbError, Tx};

/// How a fire ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FireEnd {
    /// The schedule it is of.
    pub schedule: String,
    /// The number of its record.
    pub seq: i64,
    /// The fence under which it is held; `None` of one whose job was recorded.
    pub fence: Option<i64>,
    /// What it is from now on.
    pub state: FireState,
    /// Why nothing was done.
    pub reason: Option<FireReason>,
    /// More about that.
    pub detail: Option<String>,
    /// What it says about the schedule.
    pub outcome: FireOutcome,
    /// Failures in a row that pause the schedule; 0 for never.
    pub pause_after: u64,
}

impl FireEnd {
    /// A fire in hand of which nothing comes.
    pub fn of(schedule: &str, held: HeldFire, state: FireState, reason: FireReason) -> Self {
        Self {
            schedule: schedule.to_owned(),
            seq: held.seq,
            fence: Some(held.fence),
            state,
            reason: Some(reason),
            detail: None,
            outcome: if state == FireState::Failed {
                FireOutcome::Bad
            } else {
                FireOutcome::Neither
            },
            pause_after: 0,
        }
    }

    /// The same, with more about why.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }
}

impl Ledger {
    /// Ends a fire, unless it has ended or somebody else has it by now. Whether it did, and whether its schedule is paused for it.
    pub async fn end_fire(&self, end: FireEnd) -> Result<(bool, bool), DbError> {
        let now = self.clock.now_millis();
        self.db.write(move |tx| ended(tx, &end, now)).await
    }
}

fn ended(tx: &mut dyn Tx, end: &FireEnd, now: i64) -> Result<(bool, bool), DbError> {
    let schedule = locked(tx, &end.schedule)?;
    let sql = "UPDATE fires SET state = $2, reason = $3, detail = COALESCE($4, detail), outcome = $5, ended_at = $6,
          lease_owner = NULL, lease_until = NULL
        WHERE seq = $1 AND ((CAST($7 AS BIGINT) IS NULL AND state = 'submitted')
          OR (fence = CAST($7 AS BIGINT) AND state IN ('due', 'waiting')))";
    let params = [
        end.seq.into(),
        end.state.as_str().into(),
        end.reason.map(FireReason::as_str).into(),
        end.detail.clone().into(),
        end.outcome.as_str().into(),
        now.into(),
        end.fence.into(),
    ];
    if tx.exec(sql, &params)? == 0 {
        return Ok((false, false));
    }
    let Some(schedule) = schedule else {
        return Ok((true, false));
    };
    let failures = match end.outcome {
        FireOutcome::Neither => return Ok((true, false)),
        FireOutcome::Good => 0,
        FireOutcome::Bad => schedule.failures + 1,
    };
    let succeeded_at = match end.outcome {
        FireOutcome::Good => Some(now),
        _ => schedule.succeeded_at,
    };
    tx.send(
        "UPDATE schedules SET failures = $2, succeeded_at = $3 WHERE name = $1",
        &[end.schedule.as_str().into(), failures.into(), succeeded_at.into()],
    )?;
    let pauses = end.pause_after > 0
        && failures >= end.pause_after
        && schedule.pause_at(now).is_none()
        && schedule.retired_at.is_none();
    if pauses {
        let pause = SchedulePause {
            at: now,
            by: "tenantry".to_owned(),
            because: format!("{failures} fires in a row failed"),
            until: None,
        };
        set_pause(tx, &end.schedule, &pause)?;
        audit::append(
            tx,
            now,
            &AuditEntry::own(Action::Paused, pause_note(&end.schedule, &pause)),
        )?;
    }
    Ok((true, pauses))
}
