//! What rows of a chunk that nobody has approved may do, in a store that is no database.
//!
//! Such a store is asked what a row would do before it is done, where that may be destructive or may touch more users of a customer than the limits
//! let it, and the worker trusts nothing but signatures: it costs as many calls as planning the row did. Rows up to the limits are carried out, as they could have been
//! submitted; the others are rejected.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use tenantry_jobs::{Change, Problem, Request, administrators_roles};

use super::super::gate::ChunkLeave;
use super::work::Work;
use crate::lock::lock;
use crate::store::administrators::{becomes_administrator, unapproved};
use crate::store::remote::{ApplyError, RemoteSession, RowPreview};
use crate::store::{Touch, Verdict};

/// Rows of a chunk, as far as its leave goes.
pub(super) struct UnapprovedRows {
    leave: ChunkLeave,
    /// Whether so few rows may touch too many users.
    may_touch_too_many: bool,
    done: Mutex<DoneByRows>,
}

/// What rows have been let do so far.
#[derive(Default)]
struct DoneByRows {
    destructive: HashSet<u64>,
    /// Rows that touch users.
    touching: HashSet<u64>,
    touched: HashMap<i64, Touch>,
}

/// What is asked of a row.
enum Question {
    /// Nothing: it can do no such thing.
    None,
    /// Whether it is destructive, which this says it is without being asked.
    Destroys(String),
    Preview,
}

impl UnapprovedRows {
    /// Those of a chunk with so many rows.
    pub(super) fn of(leave: ChunkLeave, rows: u64) -> Self {
        Self {
            leave,
            may_touch_too_many: leave.may_touch_too_many(rows),
            done: Mutex::default(),
        }
    }

    /// Why a row is not carried out, if it does what it may not.
    pub(super) async fn refuse(
        &self,
        session: &dyn RemoteSession,
        row: u64,
        work: &Work<'_>,
        has_begun: bool,
    ) -> Result<Option<Problem>, ApplyError> {
        let may_destroy = self.leave.may_destroy;
        if !self.leave.is_strict || (may_destroy == u64::MAX && !self.may_touch_too_many) {
            return Ok(None);
        }
        let previewed = match self.question(work, has_begun) {
            Question::None => return Ok(None),
            Question::Destroys(note) => RowPreview::from(Verdict::Create).noting(note).destructive(),
            Question::Preview => match work {
                Work::Undo(done) => session.preview_undo(done).await?,
                Work::Request(request) => match &**request {
                    Request::Change(change) => session.preview(row, change).await?,
                    Request::Export(_) | Request::Sync(_) => return Ok(None),
                },
            },
        };
        if !matches!(previewed.verdict, Verdict::Create | Verdict::Change(_)) {
            return Ok(None);
        }
        let mut done = lock(&self.done);
        let destroys = previewed.destructive && !done.destructive.contains(&row);
        if destroys && done.destructive.len() as u64 >= may_destroy {
            return Ok(Some(unapproved(&previewed.note)));
        }
        if let Some(touch) = previewed.touch.filter(|_| !done.touching.contains(&row)) {
            let before = done.touched.get(&touch.customer).map_or(0, |before| before.users);
            let users = before + touch.users;
            let touched = Touch { users, ..touch };
            if let Some(why) = self.leave.beyond([&touched]) {
                return Ok(Some(unapproved(&format!("with the rows before it, it touches {why}"))));
            }
            done.touching.insert(row);
            done.touched.insert(touched.customer, touched);
        }
        if destroys {
            done.destructive.insert(row);
        }
        Ok(None)
    }

    fn question(&self, work: &Work<'_>, has_begun: bool) -> Question {
        let Work::Request(request) = work else {
            return Question::Preview;
        };
        match &**request {
            Request::Change(Change::CreateUser(user)) => match administrators_roles(user.roles.iter().copied()) {
                None => Question::None,
                // That it was this row that made the user, says nothing but what is noted of the row.
                Some(roles) if has_begun => Question::Destroys(becomes_administrator(&roles)),
                Some(_) => Question::Preview,
            },
            Request::Change(Change::ResetPassword(_) | Change::RestoreUser(_)) => Question::Preview,
            Request::Change(Change::UpdateUser(_) | Change::AssignLicenses(_)) if self.may_touch_too_many => {
                Question::Preview
            }
            Request::Change(_) | Request::Export(_) | Request::Sync(_) => Question::None,
        }
    }
}
