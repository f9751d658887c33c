//! A transfer in the store: its status, and whether it stands in the way of something else.

use std::sync::Arc;

use tenantry_jobs::{Direction, Problem, code};

use super::record::{Key, Object, Record};
use super::session::{ChangeStep, UnitOfWork};
use tenantry_foundation::db::DbError;
use tenantry_foundation::moment::day;

/// Statuses of a transfer.
pub(super) mod status {
    /// Asked for, not answered.
    pub(crate) const PENDING: &str = "pending";
    /// Accepted; the subscriptions are on their way.
    pub(crate) const IN_PROGRESS: &str = "in-progress";
    /// Done.
    pub(crate) const COMPLETED: &str = "completed";
    /// Done, with something to look at.
    pub(crate) const COMPLETED_WITH_ERRORS: &str = "completed-with-errors";
    /// Done for some of it.
    pub(crate) const PARTIALLY_COMPLETE: &str = "partially-complete";
    /// Accepted, and it failed.
    pub(crate) const FAILED: &str = "failed";
    /// The other side said no.
    pub(crate) const DECLINED: &str = "declined";
    /// Withdrawn by who asked.
    pub(crate) const CANCELLED: &str = "cancelled";
    /// Not answered in time.
    pub(crate) const EXPIRED: &str = "expired";
    /// A legacy transfer goes on paper; this is all there is to it here.
    pub(crate) const ON_PAPER: &str = "on-paper";
}

/// A transfer in the store.
pub(super) struct Transfer {
    pub(super) id: i64,
    pub(super) record: Arc<Record>,
}

impl Transfer {
    pub(super) fn guid(&self, session: &UnitOfWork<'_>) -> String {
        session.guid(self.id)
    }

    /// Its status. A request that nobody answered in time is over, whether or not anybody has looked since: the job
    /// that made it may have been cancelled.
    pub(super) fn status(&self, now: i64) -> &str {
        match self.record.get("status") {
            status::PENDING if now > self.record.int("expires_at") => status::EXPIRED,
            status => status,
        }
    }

    pub(super) fn is_open(&self, now: i64) -> bool {
        !matches!(
            self.status(now),
            status::COMPLETED
                | status::COMPLETED_WITH_ERRORS
                | status::PARTIALLY_COMPLETE
                | status::FAILED
                | status::DECLINED
                | status::CANCELLED
                | status::EXPIRED
                | status::ON_PAPER
        )
    }

    /// Why nothing else can be done with its subscription.
    pub(super) fn in_the_way(&self, session: &UnitOfWork<'_>, guid: &str) -> Problem {
        let expected = format!(
            "the subscription is part of the transfer {} {} {}, {} since {}",
            self.guid(session),
            if self.record.get("direction") == Direction::In.as_str() {
                "from"
            } else {
                "to"
            },
            partner(&self.record),
            self.record.get("status"),
            day(self.record.int("created_at")),
        );
        Problem::stated(code::TRANSFER_OPEN, "subscription_id", guid, expected)
    }

    pub(super) fn step(&self, wanted: &[(&'static str, String)]) -> ChangeStep {
        ChangeStep::Edit {
            key: Key::of(Object::Transfer, self.id),
            changes: self.record.changes(wanted),
        }
    }
}

pub(super) fn partner(record: &Record) -> &str {
    match record.get("partner_name") {
        "" => record.get("partner_tenant_id"),
        name => name,
    }
}

/// Every transfer of a subscription, newest first.
pub(super) fn all(session: &mut UnitOfWork<'_>, guid: &str) -> Result<Vec<Transfer>, DbError> {
    let rows = session.tx.query(
        "SELECT id FROM transfers WHERE subscription_id = $1 ORDER BY created_at DESC, id DESC",
        &[guid.into()],
    )?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.int(0)?;
        let record = session.record(&Key::of(Object::Transfer, id))?;
        found.extend(record.map(|record| Transfer { id, record }));
    }
    Ok(found)
}

/// The transfer a subscription is part of now.
pub(super) fn open(session: &mut UnitOfWork<'_>, guid: &str) -> Result<Option<Transfer>, DbError> {
    let now = session.now;
    Ok(all(session, guid)?.into_iter().find(|transfer| transfer.is_open(now)))
}
