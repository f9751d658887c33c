//! Drop folders: files that are put into `in/` become jobs, and the outcome of each lies in `done/` or `failed/`, each with its file.
//!
//! # The protocol
//!
//! A file is moved before it is read, and every move is recorded before it is done. A worker that takes a folder over finds in the
//! ledger what was about to happen, and decides by looking at the directories whether it did.
//!
//! ```text
//!  0  seen, settling            (memory only)
//!  1  recorded as `taking`      drops
//!  2  in/NAME → working/ID-FENCE/NAME
//!  3  recorded as `taken`       drops, of a file whose record does not say yet where it lies
//!  4  read, planned, spooled    a job that nobody sees
//!  5  job recorded and linked   one transaction: jobs, audit, drops          or  5' refused: reasons beside the file, then recorded
//!  6  waits for approval?       plan beside the file, recorded, → waiting/STEM--JOB
//!  7  the job ends              (the runner's)
//!  8  looked at once more       changed since it was read: a file of its own
//!  9  results, rejects, receipt beside the file
//! 10  recorded where it goes    drops
//! 11  one rename                → done/DATE/STEM--JOB or failed/DATE/STEM--JOB
//! 12  recorded as there         drops
//! ```
//!
//! One worker serves a folder at a time, by a lease in the ledger; correctness hangs on its fence, which every write checks, and
//! not on the lease. Of the file system it is asked that a rename within it is whole, and no more. Many files go through each step
//! together, so that a folder of small files costs a few transactions for hundreds of them. Which order is kept is said in
//! [`ledger::drops`](crate::ledger::drops).
//!
//! - `names`: which names are left alone, and how names are shown and ordered
//! - `scan`, `filesystem`, `doorbell`: looking through `in`, and what its system can be believed
//! - `settle`, `complete`: whether a file is all there
//! - `observe`, `watch`: all of these together, in step 0; `wait`, `explain`: why a file is not taken yet
//! - `sidecar`: what a file asks for
//! - `layout`: where things lie, and whose folder it is
//! - `disk`: what is asked of the file system
//! - `ready`, `claim`, `left`: steps 1 to 3, and how they are done where files stay where they are
//! - `unsettled`: files that turn out not to be whole after step 3
//! - `admit`, `reasons`, `corrects`: steps 4 to 5'
//! - `planned`: what a folder does in their place that only plans
//! - `ending`, `ended`, `together`, `waiting`, `redacted`: steps 6 to 9
//! - `publish`, `copy`: steps 10 to 12; `keep`: what lies in `done` for long enough is removed
//! - `recover`: what the next holder does
//! - `round`: all these beside each other, while a folder is held; `serve`: the loop around that

mod admit;
mod again;
mod claim;
pub(super) mod complete;
mod copy;
mod corrects;
mod disk;
mod doorbell;
mod ended;
mod ending;
mod explain;
pub(super) mod filesystem;
mod keep;
mod layout;
mod left;
pub(super) mod names;
mod not_done;
mod observe;
mod planned;
mod probe;
mod publish;
mod ready;
mod reasons;
mod recover;
mod redacted;
mod round;
mod rules;
pub(super) mod scan;
mod serve;
pub(super) mod settle;
mod sidecar;
mod together;
mod unsettled;
mod wait;
mod waiting;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::db::DbError;
use crate::ledger::drops::FolderHold;
use crate::service::Service;
use layout::FolderLayout;

pub(crate) use again::put_back;
pub(crate) use explain::{Explanation, explain};
pub(crate) use probe::{look, probe};
pub(crate) use rules::FolderRules;
pub(crate) use serve::Folders;

/// Why a folder cannot be served now.
#[derive(Debug, Error)]
pub(crate) enum FolderError {
    /// Its share is away.
    #[error("{0}")]
    Away(String),
    /// Something is wrong that somebody has to see to.
    #[error("{0}")]
    Trouble(String),
    /// Another worker serves it now.
    #[error("another worker has taken the folder over")]
    Lost,
    /// The ledger.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for FolderError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::LeaseLost => Self::Lost,
            error => Self::Db(error),
        }
    }
}

impl FolderError {
    #[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
    fn io(path: &Path, error: io::Error) -> Self {
        Self::away(path, &error)
    }

    /// A share that answers like this is away; anything else somebody has to see to.
    fn away(path: &Path, error: &io::Error) -> Self {
        let text = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::NotConnected
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::TimedOut => Self::Away(text),
            _ => Self::Trouble(text),
        }
    }
}

/// A folder in hand.
struct Desk {
    service: Service,
    rules: Arc<FolderRules>,
    layout: FolderLayout,
    hold: FolderHold,
}

/// Runs what waits for a disk, or for a server, beside what does not.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FolderError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| FolderError::Trouble(format!("a task of the folder broke: {error}")))
}

/// The end of an id, which every command takes for it.
fn last_of(id: &str) -> String {
    id[id.len().saturating_sub(8)..].to_owned()
}

/// What the directory of a file is called.
fn stem_and(name: &str, end: &str) -> String {
    format!("{}--{end}", names::stem(name))
}
