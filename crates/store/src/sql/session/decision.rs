//! A row within a session: a task that decides, the decision, and the steps it is carried out in.

use tenantry_jobs::{Problem, code};

use super::UnitOfWork;
use crate::sql::record::{Key, Object};
use crate::{Account, FieldChange, SeatNeed, Touch, Verdict};
use tenantry_foundation::db::DbError;
use tenantry_ledger::Artifact;

/// A row of a kind that is decided record by record.
pub(in crate::sql) trait Task: Send + Sync {
    /// The row's number.
    fn row(&self) -> u64;

    /// The customer it changes something of, if any.
    fn customer(&self) -> Option<i64>;

    /// Whether it may give a record a name that is unique over all customers.
    fn names(&self) -> bool {
        false
    }

    /// The user it is about, by customer and key of the name, so that a chunk's can be looked up together.
    fn user(&self) -> Option<(i64, String)> {
        None
    }

    /// Whether it is about a deleted user of that name, even if another one has it now.
    fn restores(&self) -> bool {
        false
    }

    /// The name this user is to get, by customer and key, likewise.
    fn new_name(&self) -> Option<(i64, String)> {
        None
    }

    /// Whether rows of several jobs about one and the same record can be decided in one session. Files name a record once, so
    /// rows of one job never are.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Deleted users it is about, by id, likewise.
    fn deleted_users(&self) -> Vec<i64> {
        Vec::new()
    }

    /// The subscription it is about, by GUID, likewise.
    fn subscription(&self) -> Option<&str> {
        None
    }

    /// The records it will certainly ask for, so that a chunk's can be read together.
    fn needs(&self, session: &mut UnitOfWork<'_>) -> Result<Vec<Key>, DbError> {
        // Who is not there under its name may have been given the new one before.
        let names = [self.user(), self.new_name()];
        let known = names.into_iter().flatten().find_map(|name| session.known_user(&name));
        Ok(known.map(|id| Key::of(Object::User, id)).into_iter().collect())
    }

    /// What is said of the row if a unique key refuses it although [`decide`](Self::decide) sees nothing in its way.
    fn refused(&self) -> Problem {
        let expected = "the store refuses it, since something there has the same key already";
        Problem::stated(code::REFUSED, "", "", expected)
    }

    /// What it would do to the store as it is.
    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError>;
}

/// What a row would do, and how.
#[derive(Debug)]
pub(in crate::sql) struct Decision {
    pub(in crate::sql) verdict: Verdict,
    /// GUID of the record concerned.
    pub(in crate::sql) target: String,
    /// Said of an applied row.
    pub(in crate::sql) code: &'static str,
    pub(in crate::sql) message: String,
    /// Done even for a row that is refused: what was found out about it.
    pub(in crate::sql) steps: Vec<ChangeStep>,
    /// Whether this is the row's first turn, and which step is its next.
    pub(in crate::sql) begins: bool,
    pub(in crate::sql) first_step: i64,
    /// Seats it would take.
    pub(in crate::sql) seats: Vec<SeatNeed>,
    pub(in crate::sql) touch: Option<Touch>,
    pub(in crate::sql) destructive: bool,
    /// Something to know before it is done; empty for nothing.
    pub(in crate::sql) note: String,
    /// Why the row is not over once its steps are done.
    pub(in crate::sql) waits: Option<String>,
    /// Who is handed out a password.
    pub(in crate::sql) account: Option<Account>,
    /// A file that it makes.
    pub(in crate::sql) artifact: Option<Artifact>,
}

impl Default for Decision {
    fn default() -> Self {
        Self {
            verdict: Verdict::Unchanged,
            target: String::new(),
            code: "",
            message: String::new(),
            steps: Vec::new(),
            begins: true,
            first_step: 0,
            seats: Vec::new(),
            touch: None,
            destructive: false,
            note: String::new(),
            waits: None,
            account: None,
            artifact: None,
        }
    }
}

impl Decision {
    /// The store cannot take the row.
    pub(in crate::sql) fn reject(problem: Problem) -> Self {
        Self {
            verdict: Verdict::Reject(problem),
            ..Self::default()
        }
    }

    /// The store is so already.
    pub(in crate::sql) fn unchanged(target: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unchanged,
            target: target.into(),
            ..Self::default()
        }
    }

    /// One record's fields change; nothing does if there are none.
    pub(in crate::sql) fn edit(target: impl Into<String>, key: Key, changes: Vec<FieldChange>) -> Self {
        if changes.is_empty() {
            return Self::unchanged(target);
        }
        Self {
            verdict: Verdict::Change(changes.clone()),
            target: target.into(),
            steps: vec![ChangeStep::Edit { key, changes }],
            ..Self::default()
        }
    }
}

/// One thing done to one record.
#[derive(Debug, Clone)]
pub(in crate::sql) enum ChangeStep {
    /// Fields get other values.
    Edit { key: Key, changes: Vec<FieldChange> },
    /// A record comes to be.
    Insert {
        key: Key,
        values: Vec<(&'static str, String)>,
    },
    /// A record that a row made is taken away again.
    Remove { key: Key },
    /// A user is moved to the deleted ones, which keep its licences, or these instead; its seats are free again.
    DeleteUser { id: i64, licenses: Option<String> },
    /// A deleted user comes back with these licences.
    RestoreUser { id: i64, licenses: Vec<String> },
}
