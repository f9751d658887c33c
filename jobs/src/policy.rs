//! The policy of a kind, for every worker that runs the job: asked wherever a kind's name would have to be known otherwise.

/// What every kind has to decide. There are no defaults, so that a new kind decides all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Every job waits for approval by somebody other than the submitter.
    pub destructive: bool,
    /// How a job is taken back.
    pub undo: Undo,
    /// Whether jobs make passwords, which are handed out once and never kept in the clear.
    pub passwords: Passwords,
    /// The record that an applied row makes, with the row's own number as its id. Nothing more need be noted of such a
    /// row; a row of any other kind is recorded with the record it concerns.
    pub creates: Option<Creates>,
    /// Whose database carries rows out.
    pub runs_in: RunsIn,
}

/// How a job is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// For as long as directories keep deleted users ([`RESTORE_WITHIN_MILLIS`](crate::rules::RESTORE_WITHIN_MILLIS)).
    Within30Days,
    /// While nobody else edits the same fields.
    WhileUntouched,
    /// While the other partner has not answered.
    WhileUnanswered,
    /// Not at all, because of this.
    Never(&'static str),
    /// A job changes nothing that could be taken back.
    Nothing,
}

/// Whether jobs of a kind make passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// They do not.
    No,
    /// Users they create get one, besides all else.
    ForNewUsers,
    /// Stores that make an administrator with each customer give that one a password, and tell it once. Others do not.
    ForNewCustomers,
    /// That is all they do.
    Only,
}

/// A record that rows make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creates {
    /// A customer.
    Customer,
    /// A user.
    User,
}

/// Whose database carries rows out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsIn {
    /// The store, which may be another one than the ledger's own.
    Store,
    /// The ledger's own, whichever store other rows are carried out by.
    Ledger,
}
