//! The check that a user is as a job left it, although others have changed it since: what was done and undone leaves nothing.
//!
//! Every change of a user raises its version by one and leaves an image, so the images tell its whole history, or it is
//! not known and the user counts as changed.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::UnitOfWork;
use crate::password_kinds;
use crate::sql::record::{Object, Record};
use tenantry_foundation::db::DbError;
use tenantry_ledger::PasswordJob;
use tenantry_ledger::ids::job_of;
use tenantry_ledger::sealed::jobs_at_work;

/// Users whose images are read together: as many rows of the job that made them.
const TOGETHER: i64 = 4096;

/// One change of a user.
#[derive(Debug, Clone)]
struct RecordChange {
    job: i64,
    before: Map<String, Json>,
    after: Map<String, Json>,
}

/// The changes of users, by user, of those read so far.
#[derive(Debug, Default)]
pub(super) struct Histories {
    /// By the first user of those that were read together.
    read: HashMap<i64, HashMap<i64, Vec<RecordChange>>>,
    /// The jobs that gave passwords at a time.
    at_work: HashMap<i64, Arc<[PasswordJob]>>,
}

impl UnitOfWork<'_> {
    /// The job that gave a user the password that was set at that time; `None` where it was not given here.
    pub(in crate::sql) fn password_job(
        &mut self,
        id: i64,
        user: &Record,
        at: i64,
    ) -> Result<Option<PasswordJob>, DbError> {
        let jobs = if let Some(jobs) = self.histories.at_work.get(&at) {
            jobs.clone()
        } else {
            let jobs: Arc<[PasswordJob]> = jobs_at_work(self.tx, password_kinds(), at)?.into();
            self.histories.at_work.insert(at, jobs.clone());
            jobs
        };
        let job = |seq: i64| jobs.iter().find(|job| job.seq == seq).cloned();
        // Mostly nothing has happened since.
        if let Some(last) = user.changed_by.and_then(job).or_else(|| job(job_of(id))) {
            return Ok(Some(last));
        }
        let sql = "SELECT 1 FROM every_image WHERE job = $1 AND object = $2 AND target = $3 LIMIT 1";
        for job in jobs.iter() {
            let params = [job.seq.into(), Object::User.as_str().into(), id.into()];
            if self.tx.query_first(sql, &params)?.is_some() {
                return Ok(Some(job.clone()));
            }
        }
        Ok(None)
    }

    /// Whether the user of that id is as `job` left it.
    pub(in crate::sql) fn is_as_left(&mut self, id: i64, user: &Record, job: i64) -> Result<bool, DbError> {
        let first = id - id % TOGETHER;
        if !self.histories.read.contains_key(&first) {
            let changes = read(self, first)?;
            self.histories.read.insert(first, changes);
        }
        let of_all = &self.histories.read[&first];
        let changes = of_all.get(&id).map_or(&[][..], Vec::as_slice);
        // What left no image, such as a copy from elsewhere, is no part of a known history.
        if changes.len() as i64 != user.version - 1 {
            return Ok(false);
        }
        let since: Vec<&RecordChange> = changes.iter().filter(|change| change.job > job).collect();
        Ok(cancel_out(&since, user))
    }
}

fn read(session: &mut UnitOfWork<'_>, first: i64) -> Result<HashMap<i64, Vec<RecordChange>>, DbError> {
    let rows = session.tx.query(
        "SELECT target, job, before, after FROM every_image
         WHERE job > $1 AND object = $2 AND target BETWEEN $3 AND $4 ORDER BY job, row, step",
        &[
            (first >> 32).into(),
            Object::User.as_str().into(),
            first.into(),
            (first + TOGETHER - 1).into(),
        ],
    )?;
    let mut changes: HashMap<i64, Vec<RecordChange>> = HashMap::new();
    for row in rows {
        let fields = |at: usize| -> Result<Map<String, Json>, DbError> {
            let read = row.opt_text(at)?.map(serde_json::from_str).transpose();
            let read = read.map_err(|error| DbError::Broken(format!("a before-image is damaged: {error}")))?;
            Ok(read.unwrap_or_default())
        };
        changes.entry(row.int(0)?).or_default().push(RecordChange {
            job: row.int(1)?,
            before: fields(2)?,
            after: fields(3)?,
        });
    }
    Ok(changes)
}

/// Whether these changes, one after the other, have led back to where they began. Where one does not begin with what the
/// one before it left, they are not in order, and that is not known.
fn cancel_out(changes: &[&RecordChange], user: &Record) -> bool {
    let mut first: HashMap<&str, &str> = HashMap::new();
    let mut last: HashMap<&str, &str> = HashMap::new();
    for change in changes {
        for (field, before) in &change.before {
            let before = before.as_str().unwrap_or("");
            first.entry(field).or_insert(before);
            // A deleted user keeps the licences that it had, although it has none.
            let is_kept = field == "licenses" && change.before.get("state").is_some_and(|state| state == "deleted");
            if !is_kept && last.get(field.as_str()).is_some_and(|left| *left != before) {
                return false;
            }
        }
        for (field, after) in &change.after {
            last.insert(field, after.as_str().unwrap_or(""));
        }
    }
    first.into_iter().all(|(field, before)| match field {
        "state" => before == "active",
        _ => user.get(field) == before,
    })
}
