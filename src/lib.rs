//! Tenantry, the batch worker for the customer accounts of cloud resellers.
//!
//! # The code, module by module
//!
//! What stands lower knows nothing of what stands above it (`tests/it/imports.rs`).
//!
//! ```text
//! testing      entry points for integration tests and benches beside the command line
//! cli          parses arguments, calls the service, prints its answers
//! worker       the runner over every job, and the tasks beside it
//! listen       health and metrics over HTTP, for supervisors and Prometheus
//! intake       other ways in: the Redis inbox, drop folders, schedules
//! app          the parts, put together as the configuration says
//! registry     the stores of the configuration, built
//! telemetry    the destination of logs
//! service      the calls of every surface: plan, submit, decide, run, wait, list
//!
//! runner       claim → prepare → apply → close; heartbeat, retry, sweep
//! report       a job's report for other people, as text or a page
//! undo         the job that reverts another one
//! submit       the only way to record a job: plan, spool, record, notify
//! summary      a job as every surface shows it
//! delivery     results, rejects and receipt of a job, from the ledger
//! policy       the ledger's policy, made stricter by the configuration
//! plan         a file checked against a kind and the store, without writing
//! notify       replies to submitters
//! config       every setting, from files and the environment
//!
//! export       the store's records as CSV, JSON or a workbook
//! receipt      the formats of results, rejects and receipt
//! table        CSV and workbooks as spreadsheets open them
//! queue        notifications: embedded, or Redis; apalis' worker around either
//! anchor       the newest audit record, anchored outside of the database
//! metrics      a process's counters
//! modes        permissions of written files
//! ```
//!
//! Below them are crates of their own. `crates/foundation` (databases, clock, input, passwords) knows no job.
//! `crates/ledger` (jobs, chunks, leases, outcomes, the audit record) is the truth and knows no store.
//! `crates/store` (customers, users, seats; the SQL store, and a kit for services over HTTP) knows no service.
//! `crates/partner-center` is one. `crates/sandbox` stands in for Partner Center, to rehearse jobs and to test clients.
//! `crates/timing` (due times of schedules) knows no job. `jobs/`, the catalogue of job kinds, can do no I/O.
//!
//! # Invariants
//!
//! 1. `jobs` does no I/O: its manifest has nothing to do it with (`tests/it/tidy.rs`).
//! 2. Nothing unparsed is recorded, nothing unrecorded is queued, and the queue carries ids only.
//! 3. Effects, row outcomes and chunk state of the SQL store commit in one transaction. A store that is no database is
//!    called only under an intent that was committed before; one without an outcome is settled by reading back
//!    ([`ledger::intents`]).
//! 4. Only the holder of a live lease writes results: no such transaction writes before
//!    [`ledger::fence::check`].
//! 5. A final row outcome never changes. Retrying writes new rows in a new job.
//! 6. Applying a row twice equals applying it once; running a whole file twice changes nothing.
//! 7. One door in (`submit`), one path through (`runner`), for every intake.
//! 8. Memory does not grow with the file: rows stream in blocks, keys and faults spill.
//! 9. Time and randomness enter through [`clock`], the environment through `config`. The keys and nonces of
//!    sealed passwords are drawn by the `age` crate, which lets nobody else do it, and those of the sandbox's certificate
//!    and tokens by the library that makes them.
//! 10. Passwords are redacted before anything of a row is stored, shown or logged. One that was made here, or that a service told, is
//!     stored sealed, and this program alone cannot open it.
//! 11. Nothing disappears silently: a submission ends recorded or refused with every reason.
//! 12. Retries are the ledger's decision, not the queue's.
//! 13. What is done to a job is recorded in the same transaction, last of all, and never changed
//!     ([`ledger::audit`]).
//! 14. What is approved is a plan's hash. A row that is no longer as its plan says is refused, not adapted.
//! 15. A row is taken back whole or not at all, and never over what somebody else has changed since (`undo`).
//! 16. Every change of the SQL store is conditional on the version it was decided on, under the lock of its customer; all
//!     transactions lock in one order ([`store::sql`]).
//! 17. What is wrong with the surroundings fails no row; what is wrong with a row fails that row alone
//!     ([`ledger::Trial`]).
//! 18. A row touches no other record than the one it names. What people type is compared by its key (`tenantry_jobs::key`),
//!     never by how a database folds letters.
//! 19. Nothing that is asked again and again reads what has ended.
//! 20. A cell is stored as the person meant it or refused with its place; it is never changed in silence. What was
//!     assumed to read a file (its encoding, its sheet, rows nobody sees) is said ([`input`]). What the store holds already is
//!     no change, whatever a file may say ([`store::doubts`]).
//! 21. What this program writes, this program reads back to the same.
//! 22. Jobs about the same customer take effect in the order of their claims, which is that in which they were accepted
//!     ([`ledger::batches`]); entries of the inbox are recorded in the order of the stream (`intake::inbox`).
//!
//! # Where this differs from a textbook
//!
//! - Ledger and SQL store are written once, as closures over [`db::Tx`], a synchronous view of one transaction;
//!   only bulk insertion and row locks know which database they talk to.
//! - A record's id is `job << 32 | row` ([`ledger::ids`]), so the record itself says which row made it and an
//!   applied row needs no record of its own.

pub(crate) use tenantry_foundation::{
    backoff, clock, db, failpoint, file, host, input, lock, machine, moment, passwords, secret, signature, small_file,
    tasks, tls,
};
pub(crate) use tenantry_ledger as ledger;
pub(crate) use tenantry_partner_center as partner_center;
pub(crate) use tenantry_store as store;
pub(crate) use tenantry_timing as timing;

mod anchor;
mod app;
mod cli;
mod config;
mod delivery;
mod export;
mod intake;
mod listen;
mod metrics;
mod modes;
mod notify;
mod plan;
mod policy;
mod queue;
mod receipt;
mod registry;
mod report;
mod runner;
mod service;
mod submit;
mod summary;
mod table;
mod telemetry;
#[doc(hidden)]
pub mod testing;
mod undo;
mod worker;

pub use cli::main;
