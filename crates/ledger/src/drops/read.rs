//! Dropped files as they are read back.

use std::path::Path;

use super::super::job::JobState;
use super::super::{JobId, Ledger};
use super::{DropState, DroppedFile, FileSeen, FolderCounts};
use tenantry_foundation::db::{DbError, Row};
use tenantry_foundation::file::{is_plain_name, leads_down};

/// What brought a job, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobOrigin {
    /// The drop folder's name.
    pub folder: String,
    /// The file's name.
    pub file: String,
    /// The id of the dropped file.
    pub drop: String,
    /// The name of its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The job whose rejected rows it brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
}

const DROP: &str =
    "SELECT d.seq, d.id, d.folder, d.name, d.file, d.state, d.fence, d.size, d.modified, d.file_id, d.owner,
    d.place, d.dest, d.reason, d.corrects, d.sha256, d.seen_at, d.ended_at, j.id
    FROM drops d LEFT JOIN jobs j ON j.seq = d.job";

impl Ledger {
    /// Files of a folder that are not ended, by their numbers after that one.
    pub async fn open_drops(&self, folder: &str, after: i64, limit: u64) -> Result<Vec<DroppedFile>, DbError> {
        let params = [folder.into(), after.into(), limit.into()];
        self.db
            .read(move |tx| {
                let sql =
                    format!("{DROP} WHERE d.folder = $1 AND d.ended_at IS NULL AND d.seq > $2 ORDER BY d.seq LIMIT $3");
                tx.query(&sql, &params)?.iter().map(read).collect()
            })
            .await
    }

    /// Files of a folder whose jobs have ended, or have come to wait for approval, by their numbers; none from the first to the last of
    /// those `besides` which they are asked for.
    pub async fn settled_drops(
        &self,
        folder: &str,
        besides: Option<(i64, i64)>,
        limit: u64,
    ) -> Result<Vec<DroppedFile>, DbError> {
        // Numbers begin at 1.
        let (first, last) = besides.unwrap_or((0, 0));
        let params = [folder.into(), first.into(), last.into(), limit.into()];
        self.db
            .read(move |tx| {
                let sql = format!(
                    "{DROP} WHERE d.folder = $1 AND d.ended_at IS NULL AND (d.seq < $2 OR d.seq > $3) AND (
                       (d.state IN ('submitted', 'waiting') AND j.finished_at IS NOT NULL)
                       OR (d.state = 'submitted' AND j.state = 'awaiting-approval'))
                     ORDER BY d.seq LIMIT $4"
                );
                tx.query(&sql, &params)?.iter().map(read).collect()
            })
            .await
    }

    /// Whether anything is to be done for a file of a folder without anybody's decision: how many there are.
    pub async fn drops_at_work(&self, folder: &str) -> Result<u64, DbError> {
        let params = [folder.into()];
        self.db
            .read(move |tx| {
                let sql = "SELECT COUNT(*) FROM drops d LEFT JOIN jobs j ON j.seq = d.job
                     WHERE d.folder = $1 AND d.ended_at IS NULL AND NOT (d.dest IS NULL AND j.finished_at IS NULL AND
                       ((d.state = 'waiting' AND j.state = 'awaiting-approval') OR (d.state IN ('submitted', 'waiting') AND (
                       j.state = 'paused' OR EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state = 'waiting')
                       AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.job = j.seq AND c.state IN ('queued', 'running'))))))";
                tx.query_first(sql, &params)?.map_or(Ok(0), |row| row.int(0).map(|count| count as u64))
            })
            .await
    }

    /// How many files of a folder are not ended.
    pub async fn open_count(&self, folder: &str) -> Result<u64, DbError> {
        let params = [folder.into()];
        self.db
            .read(move |tx| {
                let sql = "SELECT COUNT(*) FROM drops WHERE folder = $1 AND ended_at IS NULL";
                tx.query_first(sql, &params)?
                    .map_or(Ok(0), |row| row.int(0).map(|count| count as u64))
            })
            .await
    }

    /// The file of that id, or the one whose id alone, or whose job's, begins or ends so; of several, all.
    pub async fn find_drops(&self, text: &str) -> Result<Vec<DroppedFile>, DbError> {
        let wanted = text.trim().to_lowercase();
        if wanted.len() < 4 || !wanted.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            return Ok(Vec::new());
        }
        self.db
            .read(move |tx| {
                let sql = format!(
                    "{DROP} WHERE d.id LIKE $1 OR d.id LIKE $2 OR j.id LIKE $1 OR j.id LIKE $2 ORDER BY d.seq DESC LIMIT 5"
                );
                let like = [format!("{wanted}%").into(), format!("%{wanted}").into()];
                tx.query(&sql, &like)?.iter().map(read).collect()
            })
            .await
    }

    /// The newest files of a folder, newest first.
    pub async fn newest_drops(&self, folder: &str, limit: u64) -> Result<Vec<DroppedFile>, DbError> {
        let params = [folder.into(), limit.into()];
        self.db
            .read(move |tx| {
                let sql = format!("{DROP} WHERE d.folder = $1 ORDER BY d.seq DESC LIMIT $2");
                tx.query(&sql, &params)?.iter().map(read).collect()
            })
            .await
    }

    /// How many files of a folder stand where.
    pub async fn folder_counts(&self, folder: &str) -> Result<FolderCounts, DbError> {
        let params = [folder.into()];
        self.db
            .read(move |tx| {
                let sql = "SELECT state, COUNT(*) FROM drops WHERE folder = $1 GROUP BY state";
                let mut counts = FolderCounts::default();
                for row in tx.query(sql, &params)? {
                    let count = row.int(1)? as u64;
                    match DropState::parse(row.text(0)?)? {
                        DropState::Archived => counts.archived += count,
                        DropState::Quarantined => counts.quarantined += count,
                        DropState::Gone => {}
                        state => {
                            counts.open += count;
                            counts.waiting += if state == DropState::Waiting { count } else { 0 };
                        }
                    }
                }
                Ok(counts)
            })
            .await
    }

    /// The first file of a folder with that content that has a job, but for that one.
    pub async fn same_content(&self, folder: &str, sha256: &str, besides: i64) -> Result<Option<DroppedFile>, DbError> {
        let params = [folder.into(), sha256.into(), besides.into()];
        self.db
            .read(move |tx| {
                let sql = format!(
                    "{DROP} WHERE d.folder = $1 AND d.sha256 = $2 AND d.seq <> $3 AND d.job IS NOT NULL ORDER BY d.seq LIMIT 1"
                );
                tx.query_first(&sql, &params)?.map(|row| read(&row)).transpose()
            })
            .await
    }

    /// What brought a job, if that was a file of a drop folder.
    pub async fn origin_of(&self, job: i64) -> Result<Option<JobOrigin>, DbError> {
        self.db
            .read(move |tx| {
                let sql =
                    "SELECT f.name, d.name, d.id, d.owner, d.corrects FROM drops d JOIN folders f ON f.id = d.folder
                     WHERE d.job = $1 ORDER BY d.seq LIMIT 1";
                let Some(row) = tx.query_first(sql, &[job.into()])? else {
                    return Ok(None);
                };
                Ok(Some(JobOrigin {
                    folder: row.text(0)?.to_owned(),
                    file: row.text(1)?.to_owned(),
                    drop: row.text(2)?.to_owned(),
                    owner: row.opt_text(3)?.map(str::to_owned),
                    corrects: row.opt_text(4)?.map(str::to_owned),
                }))
            })
            .await
    }

    /// Which of these ids are of files that are not ended.
    pub async fn are_open(&self, ids: Vec<String>) -> Result<Vec<Option<DropState>>, DbError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.db
            .read(move |tx| {
                let wanted: Vec<_> = ids.into_iter().map(|id| vec![id.into()]).collect();
                let found = tx.query_each("SELECT state FROM drops WHERE id = $1", &wanted)?;
                found
                    .iter()
                    .map(|rows| rows.first().map(|row| DropState::parse(row.text(0)?)).transpose())
                    .collect()
            })
            .await
    }

    /// Where jobs stand, by their ids; `None` for one that is gone.
    pub async fn states_of(&self, jobs: Vec<JobId>) -> Result<Vec<Option<JobState>>, DbError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.db
            .read(move |tx| {
                let wanted: Vec<_> = jobs.into_iter().map(|id| vec![id.to_string().into()]).collect();
                let found = tx.query_each("SELECT state FROM jobs WHERE id = $1", &wanted)?;
                found
                    .iter()
                    .map(|rows| rows.first().map(|row| JobState::parse(row.text(0)?)).transpose())
                    .collect()
            })
            .await
    }
}

/// Whether files of a folder may lie there: never where they are dropped, nor in the folder itself.
fn is_place(place: &str) -> bool {
    let (first, rest) = place.split_once('/').unwrap_or((place, ""));
    ["working", "waiting", "done", "failed"].contains(&first) && !rest.is_empty() && leads_down(place)
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;

    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> &Path {
    Path::new(std::str::from_utf8(bytes).unwrap_or("/"))
}

fn read(row: &Row) -> Result<DroppedFile, DbError> {
    let damaged = |what: String| Err(DbError::Damaged(format!("the ledger has a dropped file {what}")));
    let is_open = row.opt_int(17)?.is_none();
    let place = row.text_or_empty(11)?;
    let was_nowhere = place.is_empty() && !is_open;
    for place in [Some(place), row.opt_text(12)?].into_iter().flatten() {
        if !is_place(place) && !was_nowhere {
            return damaged(format!("at {place:?}, which is in no folder"));
        }
    }
    // Both become parts of paths.
    let (id, file) = (row.text(1)?, row.opt_blob(4)?.unwrap_or_default());
    if !is_plain_name(id) {
        return damaged(format!("with the id {id:?}, which is none"));
    }
    if !leads_down(path_of(file)) {
        let file = String::from_utf8_lossy(file);
        return damaged(format!("called {file:?}, which is no name of one"));
    }
    Ok(DroppedFile {
        seq: row.int(0)?,
        id: id.to_owned(),
        folder: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        file: file.to_vec(),
        state: DropState::parse(row.text(5)?)?,
        fence: row.int(6)?,
        seen: FileSeen {
            size: row.opt_int(7)?.unwrap_or_default() as u64,
            modified: row.opt_int(8)?.unwrap_or_default(),
            file_id: row.opt_text(9)?.map(str::to_owned),
        },
        owner: row.opt_text(10)?.map(str::to_owned),
        place: place.to_owned(),
        dest: row.opt_text(12)?.map(str::to_owned),
        reason: row.opt_text(13)?.map(str::to_owned),
        corrects: row.opt_text(14)?.map(str::to_owned),
        sha256: row.opt_text(15)?.map(str::to_owned),
        seen_at: row.int(16)?,
        ended_at: row.opt_int(17)?,
        job: row.opt_text(18)?.map(|_| JobId::read(row, 18)).transpose()?,
    })
}
