#![doc = include_str!("../README.md")]
//!
//! A store answers two questions about a batch of rows: what would they do (`preview`), and do them
//! (`apply`). It decides per row; a row is never half applied. There are two sorts: [`sql`] is the store in SQLite or
//! PostgreSQL, in the same database as the ledger; [`remote`] is the seam to services that are asked row by row, and [`kit`]
//! is what those have in common. What either holds is read as one stream of records ([`reader`]), which lists and exports
//! ([`listing`]) and copies ([`sql::sync`]) are made of.

pub mod administrators;
pub mod company;
pub mod doubts;
mod error;
mod expected;
pub mod form;
pub mod kit;
pub mod listing;
mod names;
pub mod reader;
pub mod remote;
pub mod removal;
pub mod sign_in_name;
mod sources;
pub mod sql;
pub mod suspension;
pub mod transfers;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use tenantry_jobs::{JobKind, Passwords, Problem, Request, RunsIn};

pub use expected::{Expected, State, state, state_of};
pub use names::{Called, Names};
pub use sources::Sources;

use error::ApplyError;
use reader::RecordReader;
use remote::RemoteStore;
use sql::reader::SqlReader;
use tenantry_foundation::db::Db;
use tenantry_ledger::images::RowImage;
use tenantry_ledger::{Artifact, Outcome, PasswordJob, RowOutcome, RowWait};

/// The stores besides the ledger's own database.
#[derive(Clone, Default)]
pub struct Stores {
    /// Where rows are carried out, if that is not the ledger's database.
    pub remote: Option<Arc<dyn RemoteStore>>,
    /// What customers are copied from.
    pub sources: Sources,
}

impl Stores {
    /// Where rows of this kind are carried out, if that is not the ledger's database.
    pub fn of(&self, job: &dyn JobKind) -> Option<&Arc<dyn RemoteStore>> {
        let is_for_store = job.policy().runs_in == RunsIn::Store;
        self.remote.as_ref().filter(|_| is_for_store)
    }

    /// Whether jobs of this kind make passwords here.
    pub fn makes_passwords(&self, job: &dyn JobKind) -> bool {
        match job.policy().passwords {
            Passwords::No => false,
            Passwords::ForNewUsers | Passwords::Only => true,
            Passwords::ForNewCustomers => self
                .of(job)
                .is_some_and(|store| store.capabilities().makes_administrators),
        }
    }

    /// The store that jobs name so in their parameters.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn RemoteStore>> {
        self.remote.as_ref().filter(|store| store.name() == name)
    }

    /// What reads the store that rows are carried out in, where `here` is the ledger's database. That it cannot be read is
    /// [`StoreError::Rejected`](remote::StoreError::Rejected).
    pub fn reader(&self, here: &Db) -> Result<Arc<dyn RecordReader>, ApplyError> {
        match &self.remote {
            Some(store) => remote::readable(store.as_ref()),
            None => Ok(Arc::new(SqlReader::new(here.clone()))),
        }
    }

    /// The word for it.
    pub fn name_of(&self, job: &dyn JobKind) -> Option<String> {
        self.of(job).map(|store| store.name().to_owned())
    }

    /// Closes the databases among them.
    pub async fn close(&self) {
        self.sources.close().await;
    }
}

/// A row's number with what it asks for.
#[derive(Debug, Clone)]
pub struct RowRequest<'a> {
    /// Row number, from 1.
    pub row: u64,
    /// What the row asks for.
    pub request: Request<'a>,
}

/// What a change would do to the store as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Something that does not exist yet would be made.
    Create,
    /// These fields would change.
    Change(Vec<FieldChange>),
    /// Nothing: the store is so already.
    #[default]
    Unchanged,
    /// The store would refuse it.
    Reject(Problem),
}

impl Verdict {
    /// The word of plans.
    pub fn action(&self) -> &'static str {
        match self {
            Verdict::Create => "create",
            Verdict::Change(_) => "change",
            Verdict::Unchanged => "unchanged",
            Verdict::Reject(_) => "reject",
        }
    }
}

/// One field's old and new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The native column.
    pub field: &'static str,
    /// The value now; empty when there is none.
    pub old: String,
    /// The value after; empty when there is none.
    pub new: String,
}

impl FieldChange {
    /// The field of what stands for all that a copy changes. It is for the hash of a plan; people are not shown it.
    pub const FINGERPRINT: &str = "fingerprint";

    /// A change from one value to another.
    pub fn new(field: &'static str, old: impl Into<String>, new: impl Into<String>) -> Self {
        Self {
            field,
            old: old.into(),
            new: new.into(),
        }
    }
}

/// The preview of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Row number, from 1.
    pub row: u64,
    /// What would happen.
    pub verdict: Verdict,
    /// The existing users it would touch. Boxed, as most rows touch none and there are many.
    pub touch: Option<Box<Touch>>,
    /// Whether what it does is hard to live with if it was a mistake.
    pub destructive: bool,
    /// Something to know before it is done; empty for nothing.
    pub note: String,
}

impl Preview {
    /// A row that touches nobody.
    pub fn new(row: u64, verdict: Verdict) -> Self {
        Self {
            row,
            verdict,
            touch: None,
            destructive: false,
            note: String::new(),
        }
    }

    /// With something to know before it is done.
    #[must_use]
    pub fn noting(self, note: String) -> Self {
        Self { note, ..self }
    }
}

/// Existing users of a customer that a row changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The customer, and its primary domain for messages.
    pub customer: i64,
    /// Its primary domain.
    pub domain: String,
    /// Users touched by the row.
    pub users: u64,
    /// Users the customer has.
    pub of: u64,
}

/// A SKU a customer holds, for the running totals of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatsOf {
    /// The holder.
    pub customer: i64,
    /// The holder's primary domain, for messages.
    pub domain: String,
    /// The SKU's GUID.
    pub sku_id: String,
    /// The SKU's part number, for messages.
    pub part_number: String,
    /// Seats nobody had when the store was asked.
    pub free: i64,
}

/// A seat that a row of a batch needs, so that a plan can add them up over a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatNeed {
    /// The row that needs one seat.
    pub row: u64,
    /// The native column that asks for it.
    pub column: &'static str,
    /// Of what.
    pub of: Arc<SeatsOf>,
}

/// Who is handed out a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The customer's primary domain.
    pub customer: String,
    /// The user's sign-in name.
    pub user_principal_name: String,
}

/// The outcome of a batch.
#[derive(Debug, Default)]
pub struct Applied {
    /// Outcomes of the rows; a row without one, that does not wait either, was applied.
    pub outcomes: Vec<RowOutcome>,
    /// Rows that are not over.
    pub waits: Vec<RowWait>,
    /// Who gets a password.
    pub accounts: Vec<Account>,
    /// Files that rows made.
    pub artifacts: Vec<Artifact>,
    /// The before-images that rows have left.
    pub images: Vec<RowImage>,
    /// Existing users that rows touch, by customer.
    pub touched: BTreeMap<i64, Touch>,
}

impl Applied {
    /// Adds the users that a row touches.
    fn touch(&mut self, touch: &Touch) {
        match self.touched.get_mut(&touch.customer) {
            Some(all) => all.users += touch.users,
            None => drop(self.touched.insert(touch.customer, touch.clone())),
        }
    }

    /// Adds the outcome of other rows.
    fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.waits.extend(other.waits);
        self.accounts.extend(other.accounts);
        self.artifacts.extend(other.artifacts);
        self.images.extend(other.images);
        other.touched.values().for_each(|touch| self.touch(touch));
    }
}

/// A refusal as the outcome of a row.
pub fn rejected(row: u64, problem: &Problem) -> RowOutcome {
    RowOutcome {
        row,
        outcome: Outcome::Rejected,
        code: problem.code.clone(),
        message: problem.to_string(),
        target: String::new(),
        columns: at_fault(problem),
    }
}

/// A row that is refused, whatever a plan says of it.
fn refused(row: u64, problem: Problem, checks_drift: bool) -> RowOutcome {
    if checks_drift {
        drifted(row, &Verdict::Reject(problem))
    } else {
        rejected(row, &problem)
    }
}

/// The columns of the kind that a problem is with.
pub fn at_fault(problem: &Problem) -> Vec<String> {
    let column = Some(&problem.column).filter(|column| !column.is_empty());
    column.cloned().into_iter().collect()
}

/// "The store is so already" as the outcome of a row.
pub fn unchanged(row: u64, target: String) -> RowOutcome {
    RowOutcome {
        row,
        outcome: Outcome::Unchanged,
        code: String::new(),
        message: String::new(),
        target,
        columns: Vec::new(),
    }
}

/// What is said of a user who is given no new password, because one was set at that time, by that job if it is known.
pub fn password_just_set(at: i64, by: Option<&PasswordJob>) -> String {
    let (who, place) = match by {
        None => (
            "a job".to_owned(),
            "it is where that job handed it out: `tenantry jobs` lists jobs, and `tenantry reveal JOB` opens what one has \
             sealed"
                .to_owned(),
        ),
        Some(job) if !job.hands_out => (
            format!("job {}", job.id),
            "nobody was told it: that job handed no passwords out".to_owned(),
        ),
        Some(job) if job.in_the_clear => (
            format!("job {}", job.id),
            "it is in the file that this job was told to write passwords to, and nowhere else".to_owned(),
        ),
        Some(job) => (
            format!("job {}", job.id),
            format!("`tenantry reveal {} --identity KEY` opens what this job has sealed", job.id),
        ),
    };
    format!(
        "{who} gave this user a password at {} UTC, less than 24 hours ago, so it gets no other; {place}. `again` = `yes` in the \
         row makes a new one",
        tenantry_foundation::moment::second(at)
    )
}

/// The kinds that give passwords to users.
pub fn password_kinds() -> &'static [&'static str] {
    static KINDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let gives =
            |job: &&&'static dyn JobKind| matches!(job.policy().passwords, Passwords::ForNewUsers | Passwords::Only);
        tenantry_jobs::KINDS
            .iter()
            .filter(gives)
            .map(|job| job.kind())
            .collect()
    });
    &KINDS
}

/// A row whose state is no longer what its plan said.
pub fn drifted(row: u64, now: &Verdict) -> RowOutcome {
    let columns = match now {
        Verdict::Reject(problem) => at_fault(problem),
        Verdict::Create | Verdict::Unchanged | Verdict::Change(_) => Vec::new(),
    };
    let now = match now {
        Verdict::Create => "it would be created".to_owned(),
        Verdict::Unchanged => "it is so already".to_owned(),
        Verdict::Reject(problem) => format!("it is refused: {problem}"),
        Verdict::Change(changes) => {
            let changes: Vec<String> = changes
                .iter()
                .map(|change| format!("{} would go from `{}` to `{}`", change.field, change.old, change.new))
                .collect();
            changes.join(", ")
        }
    };
    RowOutcome {
        row,
        outcome: Outcome::Rejected,
        code: tenantry_jobs::code::DRIFTED.to_owned(),
        message: format!("the store has changed since the plan; now {now}"),
        target: String::new(),
        columns,
    }
}
