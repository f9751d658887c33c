//! Drop folders and the files that were taken from them.
//!
//! A row is written before a file is moved. So a worker that takes a folder over knows what its predecessor was about to do, and
//! decides by looking whether that was done. One worker at a time serves a folder, by a lease with a fence ([`FolderHold`]). Every
//! write here checks the fence in its own transaction, and taking a folder over gives all of its open files the new one. So only the
//! holder links a job to a file ([`origin`](super::Origin)). Files are taken, changed and ended many at a time.
//!
//! # Order
//!
//! Jobs are recorded in the order of the numbers of their files. Files that are ready together are taken together, in the
//! folder's order, so the rows of two of them about the same record are carried out in that order. A file that is ready later
//! comes after those taken before it, whatever its name. A folder that holds at a failure (`on_failed = "hold"`) has one file at a
//! time: the next one is taken when the job before it has ended or waits for a person.

mod folders;
mod left;
mod read;

pub use folders::{FolderCounts, FolderGauge, FolderHold, FolderLook, FolderRecord, FolderStatus};
pub use left::LeftFile;
pub use read::JobOrigin;

use super::audit::{self, AuditEntry};
use super::{JobId, Ledger};
use tenantry_foundation::db::{DbError, Tx, Value};

/// Where a dropped file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropState {
    /// It is about to be moved out of `in/`, or lies where its row says already.
    Taking,
    /// It lies in a directory of its own, and what is known of it now was recorded.
    Taken,
    /// It has a job.
    Submitted,
    /// Its job waits for approval, and it lies in `waiting/`.
    Waiting,
    /// It was refused, and the reasons lie beside it.
    Refused,
    /// Its directory is on its way to `done/`.
    Archiving,
    /// Its directory is on its way to `failed/`.
    Quarantining,
    /// It lies in `done/`.
    Archived,
    /// It lies in `failed/`.
    Quarantined,
    /// Somebody took it back before it had a job.
    Gone,
}

impl DropState {
    /// Every state, in the order of a file's life.
    pub const ALL: [DropState; 10] = [
        Self::Taking,
        Self::Taken,
        Self::Submitted,
        Self::Waiting,
        Self::Refused,
        Self::Archiving,
        Self::Quarantining,
        Self::Archived,
        Self::Quarantined,
        Self::Gone,
    ];

    /// The word in the ledger and on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            DropState::Taking => "taking",
            DropState::Taken => "taken",
            DropState::Submitted => "submitted",
            DropState::Waiting => "waiting",
            DropState::Refused => "refused",
            DropState::Archiving => "archiving",
            DropState::Quarantining => "quarantining",
            DropState::Archived => "archived",
            DropState::Quarantined => "quarantined",
            DropState::Gone => "gone",
        }
    }

    /// Whether nothing more becomes of the file.
    pub fn is_final(self) -> bool {
        matches!(self, DropState::Archived | DropState::Quarantined | DropState::Gone)
    }

    fn parse(text: &str) -> Result<Self, DbError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| DbError::Broken(format!("`{text}` is no state of a dropped file")))
    }
}

/// A file as it was seen, by which it is known again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSeen {
    /// Its size in bytes.
    pub size: u64,
    /// When its content was changed, in nanoseconds since the epoch, as its file system says.
    pub modified: i64,
    /// Its number there, where that means something.
    pub file_id: Option<String>,
}

/// A file that is about to be taken, or was found where no row says that there is one.
#[derive(Debug, Clone)]
pub struct NewDrop {
    /// Its id, which its directory is named after.
    pub id: String,
    /// What people are shown.
    pub name: String,
    /// Its path below `in/`, byte for byte.
    pub file: Vec<u8>,
    /// As it was when it had settled.
    pub seen: FileSeen,
    /// The name of its owner, where the file system says so.
    pub owner: Option<String>,
    /// [`Taking`](DropState::Taking) or, of one that was found, [`Taken`](DropState::Taken).
    pub state: DropState,
    /// The directory that it is moved to, or lies in.
    pub place: String,
    /// What it is known by where it stays where it was dropped.
    pub stays: Option<String>,
}

/// A dropped file as the ledger knows it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct DroppedFile {
    pub seq: i64,
    pub id: String,
    pub folder: String,
    pub name: String,
    pub file: Vec<u8>,
    pub state: DropState,
    pub fence: i64,
    pub seen: FileSeen,
    pub owner: Option<String>,
    pub place: String,
    pub dest: Option<String>,
    pub reason: Option<String>,
    /// The job whose rejected rows it brings back.
    pub corrects: Option<String>,
    pub sha256: Option<String>,
    pub job: Option<JobId>,
    pub seen_at: i64,
    pub ended_at: Option<i64>,
}

/// What happens to a dropped file. What is `None` stays as it is, but for `dest`.
#[derive(Debug, Clone)]
pub struct DropChange {
    /// Its number.
    pub seq: i64,
    /// The state it has then.
    pub state: DropState,
    /// Where its directory lies then.
    pub place: Option<String>,
    /// Where its directory is to be moved to.
    pub dest: Option<String>,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// As it is then.
    pub seen: Option<FileSeen>,
    /// The hash of its content.
    pub sha256: Option<String>,
}

impl DropChange {
    /// That one's new state, and nothing else.
    pub fn to(seq: i64, state: DropState) -> Self {
        Self {
            seq,
            state,
            place: None,
            dest: None,
            reason: None,
            seen: None,
            sha256: None,
        }
    }
}

impl Ledger {
    /// Records files of a folder that are about to be taken, or were found, with what is to be said of that. Their numbers, in their order.
    pub async fn record_drops(
        &self,
        hold: &FolderHold,
        new: Vec<NewDrop>,
        entries: Vec<AuditEntry>,
    ) -> Result<Vec<i64>, DbError> {
        let (hold, now) = (hold.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                hold.check(tx)?;
                let seqs = tx.fresh_keys("drops", "seq", new.len())?;
                let rows: Vec<Vec<Value>> = new
                    .into_iter()
                    .zip(&seqs)
                    .map(|(drop, seq)| {
                        vec![
                            (*seq).into(),
                            drop.id.into(),
                            hold.folder.as_str().into(),
                            drop.name.into(),
                            drop.state.as_str().into(),
                            hold.fence.into(),
                            now.into(),
                            drop.file.into(),
                            drop.seen.size.into(),
                            drop.seen.modified.into(),
                            drop.seen.file_id.into(),
                            drop.owner.into(),
                            drop.place.into(),
                            drop.stays.into(),
                        ]
                    })
                    .collect();
                tx.exec_all(
                    "INSERT INTO drops (seq, id, folder, name, state, fence, seen_at, file, size, modified, file_id, owner, place,
                       stays)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                    &rows,
                )?;
                audit::append_all(tx, now, &entries)?;
                Ok(seqs)
            })
            .await
    }

    /// Records what happens to files of a folder, with what is to be said of that.
    pub async fn change_drops(
        &self,
        hold: &FolderHold,
        changes: Vec<DropChange>,
        entries: Vec<AuditEntry>,
    ) -> Result<(), DbError> {
        let (hold, now) = (hold.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                hold.check(tx)?;
                let fence = hold.fence;
                change(tx, fence, now, &changes)?;
                audit::append_all(tx, now, &entries)
            })
            .await
    }

    /// Records which job's rejected rows a file brings back.
    pub async fn drop_corrects(&self, hold: &FolderHold, seq: i64, job: String) -> Result<(), DbError> {
        let hold = hold.clone();
        self.db
            .write(move |tx| {
                hold.check(tx)?;
                let sql = "UPDATE drops SET corrects = $2 WHERE seq = $1";
                tx.send(sql, &[seq.into(), job.into()])
            })
            .await
    }
}

fn change(tx: &mut dyn Tx, fence: i64, now: i64, changes: &[DropChange]) -> Result<(), DbError> {
    let sets: Vec<Vec<Value>> = changes
        .iter()
        .map(|change| {
            let seen = change.seen.as_ref();
            vec![
                change.seq.into(),
                fence.into(),
                change.state.as_str().into(),
                change.place.clone().into(),
                change.dest.clone().into(),
                change.reason.clone().into(),
                change.state.is_final().then_some(now).into(),
                seen.map(|seen| seen.size).into(),
                seen.map(|seen| seen.modified).into(),
                seen.and_then(|seen| seen.file_id.clone()).into(),
                change.sha256.clone().into(),
            ]
        })
        .collect();
    // Asked for so that PostgreSQL goes by the numbers: by the index of open files it would go through all of them for each one.
    let changed = tx.exec_all(
        "UPDATE drops SET state = $3, place = COALESCE(CAST($4 AS TEXT), place), dest = $5,
           reason = COALESCE(CAST($6 AS TEXT), reason), ended_at = $7, size = COALESCE(CAST($8 AS BIGINT), size),
           modified = COALESCE(CAST($9 AS BIGINT), modified), file_id = COALESCE(CAST($10 AS TEXT), file_id),
           sha256 = COALESCE(CAST($11 AS TEXT), sha256)
         WHERE seq = $1 AND fence = $2 AND COALESCE(ended_at, 0) = 0",
        &sets,
    )?;
    if changed == changes.len() as u64 {
        Ok(())
    } else {
        Err(DbError::LeaseLost)
    }
}
