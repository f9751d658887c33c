//! Rows that are destructive, of a chunk that nobody has approved, in a store that is no database.
//!
//! Such a store is asked what a row would do before it is done, where that may be destructive and the worker trusts nothing but signatures: it
//! costs as many calls as planning the row did.

use std::collections::HashSet;
use std::sync::Mutex;

use tenantry_jobs::{Change, Problem, Request, administrators_roles};

use super::super::gate::ChunkLeave;
use super::work::Work;
use crate::lock::lock;
use crate::store::Verdict;
use crate::store::administrators::{becomes_administrator, unapproved};
use crate::store::remote::{ApplyError, RemoteSession};

/// Those that a chunk may have.
pub(super) struct DestructiveRows {
    /// How many; `None` leaves all of them be.
    most: Option<u64>,
    had: Mutex<HashSet<u64>>,
}

impl DestructiveRows {
    pub(super) fn of(leave: ChunkLeave) -> Self {
        Self {
            most: (leave.is_strict && leave.may_destroy < u64::MAX).then_some(leave.may_destroy),
            had: Mutex::default(),
        }
    }

    /// Why a row is not carried out, if it is destructive and one too many.
    pub(super) async fn refuse(
        &self,
        session: &dyn RemoteSession,
        row: u64,
        work: &Work<'_>,
        has_begun: bool,
    ) -> Result<Option<Problem>, ApplyError> {
        let Some(most) = self.most else { return Ok(None) };
        let Some(what) = destroys(session, row, work, has_begun).await? else {
            return Ok(None);
        };
        let mut had = lock(&self.had);
        if had.contains(&row) {
            return Ok(None);
        }
        if had.len() as u64 >= most {
            return Ok(Some(unapproved(&what)));
        }
        had.insert(row);
        Ok(None)
    }
}

/// What a row would do, if that is destructive.
async fn destroys(
    session: &dyn RemoteSession,
    row: u64,
    work: &Work<'_>,
    has_begun: bool,
) -> Result<Option<String>, ApplyError> {
    let previewed = match work {
        Work::Undo(done) => session.preview_undo(done).await?,
        Work::Request(request) => match &**request {
            Request::Change(change @ Change::CreateUser(user)) => {
                match administrators_roles(user.roles.iter().copied()) {
                    None => return Ok(None),
                    // That it was this row that made the user, says nothing but what is noted of the row.
                    Some(roles) if has_begun => return Ok(Some(becomes_administrator(&roles))),
                    Some(_) => session.preview(row, change).await?,
                }
            }
            Request::Change(change @ (Change::ResetPassword(_) | Change::RestoreUser(_))) => {
                session.preview(row, change).await?
            }
            Request::Change(_) | Request::Export(_) | Request::Sync(_) => return Ok(None),
        },
    };
    let changes = matches!(previewed.verdict, Verdict::Create | Verdict::Change(_));
    Ok((previewed.destructive && changes).then_some(previewed.note))
}
