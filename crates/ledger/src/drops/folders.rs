//! The folders themselves: which there are, who serves each, and what is wrong with it.

use std::collections::HashMap;

use super::super::audit::{self, Action, AuditEntry};
use super::super::{Actor, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx};

/// A folder that is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderHold {
    /// The folder's id.
    pub folder: String,
    /// Who serves it.
    pub owner: String,
    /// Grows whenever another one does.
    pub fence: i64,
}

impl FolderHold {
    /// The folder's row is locked and the worker that has this hold still serves it, or [`DbError::LeaseLost`]. First in every
    /// transaction that changes files of a folder.
    pub(super) fn check(&self, tx: &mut dyn Tx) -> Result<(), DbError> {
        let sql = format!(
            "SELECT 1 FROM folders WHERE id = $1 AND fence = $2 AND lease_owner = $3{}",
            tx.dialect().for_update()
        );
        let params = [
            self.folder.as_str().into(),
            self.fence.into(),
            self.owner.as_str().into(),
        ];
        if tx.query(&sql, &params)?.is_empty() {
            Err(DbError::LeaseLost)
        } else {
            Ok(())
        }
    }
}

/// A folder as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRecord {
    /// Its id, which lies in it.
    pub id: String,
    /// Its name in the configuration.
    pub name: String,
    /// Where it was served last.
    pub path: String,
    /// Whether its id lies in it.
    pub set_up: bool,
    /// Who serves it, if anybody does now.
    pub served_by: Option<String>,
    /// Why nothing is taken until somebody releases it.
    pub held: Option<String>,
    /// What is wrong with it, as the worker that served it last has found.
    pub trouble: Option<String>,
    /// When it was last looked into.
    pub looked_at: Option<i64>,
    /// Files in `in/` that were not taken yet then.
    pub ready: u64,
    /// How the worker that served it last learned of new files.
    pub watched: Option<String>,
}

/// How a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderStatus {
    /// Somebody serves it.
    Served,
    /// Nobody serves it now.
    Idle,
    /// Nothing is taken until somebody releases it.
    Held,
    /// Something is wrong with it.
    Trouble,
}

impl FolderStatus {
    /// Every one.
    pub const ALL: [FolderStatus; 4] = [Self::Served, Self::Idle, Self::Held, Self::Trouble];

    /// The word on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            FolderStatus::Served => "served",
            FolderStatus::Idle => "idle",
            FolderStatus::Held => "held",
            FolderStatus::Trouble => "trouble",
        }
    }
}

/// How a folder is, and how many of its files are not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderGauge {
    /// The folder's name.
    pub name: String,
    /// How it is.
    pub status: FolderStatus,
    /// Files in `in/` that were not taken when it was last looked into.
    pub ready: u64,
    /// Files that were taken, and have not ended.
    pub at_work: u64,
    /// Files whose jobs wait for approval.
    pub waiting: u64,
}

/// What was found on looking into a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderLook {
    /// Files that were not taken.
    pub ready: u64,
    /// What is wrong, if anything is.
    pub trouble: Option<String>,
    /// How new files are learned of; as it was, where that is not known.
    pub watched: Option<String>,
}

/// How many files of a folder stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FolderCounts {
    /// Taken, and not ended.
    pub open: u64,
    /// Of those, such as wait for approval.
    pub waiting: u64,
    /// In `done/`.
    pub archived: u64,
    /// In `failed/`.
    pub quarantined: u64,
}

impl FolderRecord {
    /// How it is.
    pub fn status(&self) -> FolderStatus {
        if self.trouble.is_some() {
            FolderStatus::Trouble
        } else if self.held.is_some() {
            FolderStatus::Held
        } else if self.served_by.is_some() {
            FolderStatus::Served
        } else {
            FolderStatus::Idle
        }
    }
}

/// What the name of a folder is followed by that another one has taken the place of.
const BEFORE: &str = " (before ";
const RECORD: &str =
    "SELECT id, name, path, set_up, lease_owner, lease_until, held, trouble, looked_at, ready, watched FROM folders";

impl Ledger {
    /// The folder of that name.
    pub async fn folder_named(&self, name: &str) -> Result<Option<FolderRecord>, DbError> {
        let (name, now) = (name.to_owned(), self.clock.now_millis());
        self.db
            .read(move |tx| {
                let found = tx.query_first(&format!("{RECORD} WHERE name = $1"), &[name.into()])?;
                found.map(|row| record(&row, now)).transpose()
            })
            .await
    }

    /// Every folder that was ever served, by name.
    pub async fn folders(&self) -> Result<Vec<FolderRecord>, DbError> {
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                let found = tx.query(&format!("{RECORD} ORDER BY name"), &[])?;
                found.iter().map(|row| record(row, now)).collect()
            })
            .await
    }

    /// How the folders are that have their names still. Nothing is read of what has ended.
    pub async fn folder_gauges(&self) -> Result<Vec<FolderGauge>, DbError> {
        let now = self.clock.now_millis();
        self.db
            .read(move |tx| {
                let sql = "SELECT folder, CASE WHEN state = 'waiting' THEN 1 ELSE 0 END AS waits, COUNT(*) FROM drops
                     WHERE ended_at IS NULL GROUP BY folder, waits";
                let mut open: HashMap<(String, bool), u64> = HashMap::new();
                for row in tx.query(sql, &[])? {
                    open.insert((row.text(0)?.to_owned(), row.int(1)? != 0), row.int(2)? as u64);
                }
                let mut gauges = Vec::new();
                for row in tx.query(&format!("{RECORD} ORDER BY name"), &[])? {
                    let folder = record(&row, now)?;
                    let count = |waits| open.get(&(folder.id.clone(), waits)).copied().unwrap_or(0);
                    if !folder.name.contains(BEFORE) {
                        gauges.push(FolderGauge {
                            status: folder.status(),
                            ready: folder.ready,
                            at_work: count(false),
                            waiting: count(true),
                            name: folder.name,
                        });
                    }
                }
                Ok(gauges)
            })
            .await
    }

    /// Makes a folder known, unless one of that name is; the id that it has.
    pub async fn register_folder(&self, name: &str, path: &str) -> Result<String, DbError> {
        let (name, path) = (name.to_owned(), path.to_owned());
        let proposed = self.clock.fresh_id().to_string();
        self.db
            .write(move |tx| {
                tx.send(
                    "INSERT INTO folders (id, name, path, set_up, fence, lease_until, ready) VALUES ($1, $2, $3, 0, 0, 0, 0)
                     ON CONFLICT (name) DO NOTHING",
                    &[proposed.into(), name.as_str().into(), path.into()],
                )?;
                let found = tx.query_first("SELECT id FROM folders WHERE name = $1", &[name.into()])?;
                found.map_or_else(
                    || Err(DbError::Broken("a folder that was recorded is gone".to_owned())),
                    |row| Ok(row.text(0)?.to_owned()),
                )
            })
            .await
    }

    /// The folder's id lies in it now.
    pub async fn folder_set_up(&self, id: &str) -> Result<(), DbError> {
        let id = id.to_owned();
        let sql = "UPDATE folders SET set_up = 1 WHERE id = $1";
        self.db.write(move |tx| tx.exec(sql, &[id.into()]).map(drop)).await
    }

    /// Makes the folder of that id the one of that name from now on, as somebody has decided. Files of the one before stay with it.
    pub async fn adopt_folder(&self, name: &str, id: &str, path: &str, by: &Actor) -> Result<(), DbError> {
        let (name, id, path) = (name.to_owned(), id.to_owned(), path.to_owned());
        let (by, now) = (by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                tx.send(
                    "UPDATE folders SET name = name || CAST($3 AS TEXT) WHERE name = $1 AND id <> $2",
                    &[
                        name.as_str().into(),
                        id.as_str().into(),
                        format!("{BEFORE}{id})").into(),
                    ],
                )?;
                tx.send(
                    "INSERT INTO folders (id, name, path, set_up, fence, lease_until, ready) VALUES ($1, $2, $3, 1, 0, 0, 0)
                     ON CONFLICT (id) DO UPDATE SET name = excluded.name, path = excluded.path, set_up = 1, trouble = NULL",
                    &[id.into(), name.as_str().into(), path.as_str().into()],
                )?;
                let note = format!("folder {name}, {path}");
                audit::append(tx, now, &AuditEntry::own(Action::Adopted, note).by(&by))
            })
            .await
    }

    /// Takes a folder to be served, unless another worker serves it; or goes on with one. A worker that takes it over finds all of
    /// its open files under the new fence.
    pub async fn hold_folder(
        &self,
        id: &str,
        path: &str,
        owner: &str,
        lease_millis: i64,
    ) -> Result<Option<FolderHold>, DbError> {
        let (id, path, owner) = (id.to_owned(), path.to_owned(), owner.to_owned());
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                let sql = format!(
                    "SELECT fence, lease_owner, lease_until FROM folders WHERE id = $1{}",
                    tx.dialect().for_update()
                );
                let Some(row) = tx.query_first(&sql, &[id.as_str().into()])? else {
                    return Ok(None);
                };
                let (fence, holder, until) = (row.int(0)?, row.opt_text(1)?, row.int(2)?);
                // A lease that ends much later than any does was given by a clock that has been put back since.
                let is_free = holder.is_none() || until < now || until > now + 10 * lease_millis.max(1_000);
                if !is_free {
                    return Ok(None);
                }
                let fence = fence + 1;
                tx.send(
                    "UPDATE folders SET fence = $2, lease_owner = $3, lease_until = $4, path = $5 WHERE id = $1",
                    &[
                        id.as_str().into(),
                        fence.into(),
                        owner.as_str().into(),
                        (now + lease_millis).into(),
                        path.into(),
                    ],
                )?;
                tx.send(
                    "UPDATE drops SET fence = $2 WHERE folder = $1 AND ended_at IS NULL",
                    &[id.as_str().into(), fence.into()],
                )?;
                Ok(Some(FolderHold {
                    folder: id,
                    owner,
                    fence,
                }))
            })
            .await
    }

    /// Goes on serving a folder; `false` if somebody else does by now.
    pub async fn renew_hold(&self, hold: &FolderHold, lease_millis: i64) -> Result<bool, DbError> {
        let (hold, until) = (hold.clone(), self.clock.now_millis() + lease_millis);
        self.db
            .write_apart(move |tx| {
                let sql = "UPDATE folders SET lease_until = $4 WHERE id = $1 AND fence = $2 AND lease_owner = $3";
                let params = [hold.folder.into(), hold.fence.into(), hold.owner.into(), until.into()];
                Ok(tx.exec(sql, &params)? > 0)
            })
            .await
    }

    /// Serves a folder no longer.
    pub async fn let_go(&self, hold: &FolderHold) -> Result<(), DbError> {
        let hold = hold.clone();
        self.db
            .write_apart(move |tx| {
                let sql = "UPDATE folders SET lease_owner = NULL, lease_until = 0
                     WHERE id = $1 AND fence = $2 AND lease_owner = $3";
                tx.send(sql, &[hold.folder.into(), hold.fence.into(), hold.owner.into()])
            })
            .await
    }

    /// Records what was found on looking into a folder.
    pub async fn folder_looked_into(&self, id: &str, look: FolderLook) -> Result<(), DbError> {
        let (id, now) = (id.to_owned(), self.clock.now_millis());
        let sql =
            "UPDATE folders SET looked_at = $2, ready = $3, trouble = $4, watched = COALESCE(CAST($5 AS TEXT), watched)
             WHERE id = $1";
        let params = [
            id.into(),
            now.into(),
            look.ready.into(),
            look.trouble.into(),
            look.watched.into(),
        ];
        self.db.write(move |tx| tx.exec(sql, &params).map(drop)).await
    }

    /// No more files are taken from a folder until it is released; `why` says which one failed.
    pub async fn hold_back(&self, hold: &FolderHold, why: String) -> Result<(), DbError> {
        let hold = hold.clone();
        self.db
            .write(move |tx| {
                hold.check(tx)?;
                let sql = "UPDATE folders SET held = $2 WHERE id = $1";
                tx.send(sql, &[hold.folder.into(), why.into()])
            })
            .await
    }

    /// Lets a folder that holds at a failure go on; why it held, or `None` if it did not.
    pub async fn release_folder(&self, id: &str, by: &Actor) -> Result<Option<String>, DbError> {
        let (id, by, now) = (id.to_owned(), by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let sql = format!(
                    "SELECT name, held FROM folders WHERE id = $1{}",
                    tx.dialect().for_update()
                );
                let Some(row) = tx.query_first(&sql, &[id.as_str().into()])? else {
                    return Ok(None);
                };
                let Some(held) = row.opt_text(1)?.map(str::to_owned) else {
                    return Ok(None);
                };
                tx.send("UPDATE folders SET held = NULL WHERE id = $1", &[id.into()])?;
                let note = format!("folder {}, which held: {held}", row.text(0)?);
                audit::append(tx, now, &AuditEntry::own(Action::Released, note).by(&by))?;
                Ok(Some(held))
            })
            .await
    }

    /// Records that somebody put a failed file into its folder again.
    pub async fn drop_retried(&self, folder: &str, name: &str, by: &Actor) -> Result<(), DbError> {
        let note = format!("folder {folder}, {name}");
        let (entry, now) = (AuditEntry::own(Action::Retried, note).by(by), self.clock.now_millis());
        self.db.write(move |tx| audit::append(tx, now, &entry)).await
    }
}

fn record(row: &Row, now: i64) -> Result<FolderRecord, DbError> {
    let until = row.int(5)?;
    Ok(FolderRecord {
        id: row.text(0)?.to_owned(),
        name: row.text(1)?.to_owned(),
        path: row.text(2)?.to_owned(),
        set_up: row.int(3)? != 0,
        served_by: row.opt_text(4)?.filter(|_| until >= now).map(str::to_owned),
        held: row.opt_text(6)?.map(str::to_owned),
        trouble: row.opt_text(7)?.map(str::to_owned),
        looked_at: row.opt_int(8)?,
        ready: row.int(9)? as u64,
        watched: row.opt_text(10)?.map(str::to_owned),
    })
}
