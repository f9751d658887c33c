//! Passwords of new users: made here, and sealed so that only those who hand them out can read them.
//!
//! Rows are sealed chunk by chunk. The outcome of a chunk is a whole age file, small enough to be stored in the ledger
//! in the transaction that creates the users; at the end of the job it is delivered as it is, as `passwords.csv.age`,
//! or `passwords-1.csv.age` and so on when there are several. So a crash loses no password, no password is ever
//! kept in the clear, and the worker needs no secret key. `tenantry reveal` and `age -d` open either.

mod csv;
mod generate;
mod identity;
mod policy;
mod recipient;
mod seal;

pub use self::csv::{PasswordRow, PasswordRows};
pub use self::generate::{Password, generate};
pub use self::identity::{Identities, IdentityError, write_key_pair};
pub use self::policy::{Class, LENGTHS, PasswordPolicy};
pub use self::recipient::{Recipient, RecipientError, parse_recipients};
pub use self::seal::{OpenError, SealedCsv, Sealer, open};
