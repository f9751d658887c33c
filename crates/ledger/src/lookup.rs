//! Looking one job up by part of its id, as people have it; the audit record knows those that are gone. And the parts to show.
//!
//! Ids begin with a time and end in random digits. So an end of eight digits tells the newest jobs apart; no index is by the end,
//! so it is only looked for among these. An older job is known by a beginning, which an index finds among all jobs, however many
//! there are.

use std::collections::{HashMap, HashSet};

use tenantry_foundation::db::{DbError, Dialect, Tx, Value};
use tenantry_jobs::{clip, printable};

use super::job::{read_job, select, with_files};
use super::{Job, JobId, Ledger, audit};

/// Jobs that are looked through for an id that ends with something, since no index is by the end.
const BY_END: i64 = 10_000;
/// The fewest digits that a short id has.
const SHORTEST: usize = 8;

/// What looking a job up by part of its id came to.
#[derive(Debug)]
#[must_use]
pub enum JobLookup {
    /// The one job that is meant.
    Found(Box<Job>),
    /// The one that is meant was removed long after it had ended; the audit record still has it.
    Removed(JobId),
    /// None is meant, or several, as the text says.
    NotFound(String),
}

impl Ledger {
    /// The job whose id is `text`, or begins with it, or, of the newest 10,000, ends with it.
    pub async fn find_job(&self, text: &str) -> Result<JobLookup, DbError> {
        let wanted = text.trim().to_lowercase();
        if wanted.len() < 4 || !wanted.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            let why = format!("`{}` is no job id; `tenantry jobs` lists them", printable(&clip(text)));
            return Ok(JobLookup::NotFound(why));
        }
        let (wanted_text, now) = (wanted.clone(), self.clock.now_millis());
        let (found, removed) = self
            .db
            .read(move |tx| {
                let exactly = format!("{} WHERE j.id = $1", select("$2"));
                let mut found = tx.query(&exactly, &[wanted.as_str().into(), now.into()])?;
                if found.is_empty() {
                    found = tx.query(
                        &begins_with(tx.dialect()),
                        &[wanted.as_str().into(), after(&wanted).into(), now.into()],
                    )?;
                    // What one id begins with another may end with, and then it is not said which is meant.
                    let sql = format!(
                        "{} WHERE j.seq > $2 AND j.id LIKE $1 ORDER BY j.seq DESC LIMIT 5",
                        select("$3")
                    );
                    let oldest = oldest_by_end(tx)?;
                    found.extend(tx.query(&sql, &[format!("%{wanted}").into(), oldest.into(), now.into()])?);
                }
                let jobs = found.iter().map(|row| with_files(tx, read_job(row, now)?));
                let mut jobs = jobs.collect::<Result<Vec<_>, _>>()?;
                let mut known = HashSet::new();
                jobs.retain(|job| known.insert(job.id));
                let removed = if jobs.is_empty() {
                    audit::known_job(tx, &wanted)?
                } else {
                    None
                };
                Ok((jobs, removed))
            })
            .await?;
        if let Some(id) = removed {
            return Ok(JobLookup::Removed(id));
        }
        Ok(match <[Job; 1]>::try_from(found) {
            Ok([job]) => JobLookup::Found(Box::new(job)),
            Err(found) if found.is_empty() => {
                JobLookup::NotFound(format!("no job `{}`; `tenantry jobs` lists them", clip(&wanted_text)))
            }
            Err(found) => {
                let ids: Vec<String> = found.iter().map(|job| job.id.to_string()).collect();
                JobLookup::NotFound(format!("several jobs answer to `{wanted_text}`: {}", ids.join(", ")))
            }
        })
    }
}

impl Ledger {
    /// For each of these jobs the shortest text that [`find_job`](Self::find_job) knows it by: the end of its id if it is among the newest,
    /// and else a beginning of it. A job that was removed has its whole id.
    pub async fn short_ids(&self, ids: Vec<JobId>) -> Result<ShortIds, DbError> {
        let read = self.db.read(move |tx| {
            let oldest = oldest_by_end(tx)?;
            let named: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.to_string().into()]).collect();
            let found = tx.query_each("SELECT seq FROM jobs WHERE id = $1", &named)?;
            let (mut recent, mut older) = (Vec::new(), Vec::new());
            for (id, rows) in ids.iter().zip(&found) {
                match rows.first() {
                    Some(row) if row.int(0)? > oldest => recent.push(*id),
                    Some(_) => older.push(*id),
                    None => {}
                }
            }
            let mut short = by_end(recent);
            let named: Vec<Vec<Value>> = older.iter().map(|id| vec![id.to_string().into()]).collect();
            let before = tx.query_each(&neighbour(tx.dialect(), "<", "DESC"), &named)?;
            let after = tx.query_each(&neighbour(tx.dialect(), ">", "ASC"), &named)?;
            for (at, id) in older.into_iter().enumerate() {
                let neighbours = before[at].iter().chain(&after[at]);
                let neighbours = neighbours.map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
                short.insert(id, beginning(&id.to_string(), &neighbours));
            }
            Ok(short)
        });
        read.await.map(ShortIds)
    }
}

/// The texts by which commands know the jobs of a list.
#[derive(Debug, Clone, Default)]
pub struct ShortIds(HashMap<JobId, String>);

impl ShortIds {
    /// The short id of a job.
    pub fn of_job(&self, id: JobId) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    /// The short id of a job that there may be.
    pub fn of_some(&self, id: Option<JobId>) -> String {
        id.map_or_else(|| "-".to_owned(), |id| self.of_job(id))
    }
}

/// The number of the newest job that is too old to be found by the end of its id.
fn oldest_by_end(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let newest = tx.query_first("SELECT MAX(seq) FROM jobs", &[])?;
    let newest = newest.map(|row| row.opt_int(0)).transpose()?.flatten();
    Ok(newest.unwrap_or_default() - BY_END)
}

/// The id next to `$1` on one side, by the index.
fn neighbour(dialect: Dialect, side: &str, order: &str) -> String {
    let id = match dialect {
        Dialect::Sqlite => "id",
        Dialect::Postgres => "id COLLATE \"C\"",
    };
    format!("SELECT id FROM jobs WHERE {id} {side} $1 ORDER BY {id} {order} LIMIT 1")
}

fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

/// The ends of ids, as short as they tell them apart.
fn by_end(ids: Vec<JobId>) -> HashMap<JobId, String> {
    let mut written: Vec<(String, JobId)> = ids
        .into_iter()
        .map(|id| (id.to_string().chars().rev().collect(), id))
        .collect();
    written.sort_unstable();
    written.dedup();
    let beside = |at: usize| written.get(at).map(|(id, _)| id.as_str());
    let end = |at: usize| {
        let (reversed, id) = &written[at];
        let neighbours = at.checked_sub(1).and_then(beside).into_iter().chain(beside(at + 1));
        let shared = neighbours.map(|other| common(reversed, other)).max();
        let length = (shared.unwrap_or(0) + 1).max(SHORTEST).min(reversed.len());
        let whole = id.to_string();
        (*id, whole[whole.len() - length..].to_owned())
    };
    (0..written.len()).map(end).collect()
}

/// The beginning of an id that its neighbours among all ids do not have.
fn beginning(id: &str, neighbours: &[&str]) -> String {
    let shared = neighbours.iter().map(|other| common(id, other)).max();
    let mut length = (shared.unwrap_or(0) + 1).max(SHORTEST).min(id.len());
    if id[..length].ends_with('-') && length < id.len() {
        length += 1;
    }
    id[..length].to_owned()
}

/// Jobs whose id is from `$1` on and before `$2`, at the time `$3`, byte by byte, so that an index finds them.
fn begins_with(dialect: Dialect) -> String {
    let id = match dialect {
        Dialect::Sqlite => "j.id",
        Dialect::Postgres => "j.id COLLATE \"C\"",
    };
    format!(
        "{} WHERE {id} >= $1 AND {id} < $2 ORDER BY j.seq DESC LIMIT 5",
        select("$3")
    )
}

/// The first text after all that begin with `beginning`, which is hexadecimal digits and hyphens.
fn after(beginning: &str) -> String {
    format!("{beginning}~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_short_as_they_tell_jobs_apart() {
        let ids = [
            "01aad56e-0a4b-7aa0-8000-0000aaaa1111",
            "01aad56e-0a4b-7aa0-8000-0000bbbb1111",
            "01aad56e-0a4b-7aa0-8000-0001bbbb1111",
        ];
        let jobs = ids.map(|id| id.parse::<JobId>().expect("an id"));
        let short = ShortIds(by_end(jobs.to_vec()));
        assert_eq!(jobs.map(|id| short.of_job(id)), ["aaaa1111", "0bbbb1111", "1bbbb1111"]);
        assert_eq!(short.of_some(None), "-");
        assert_eq!(beginning(ids[0], &[]), "01aad56e");
        assert_eq!(
            beginning(ids[0], &["01aad56e-1a4b-7aa0-8000-0000aaaa1111"]),
            "01aad56e-0"
        );
        assert_eq!(beginning(ids[0], &["01aad56f-1a4b-7aa0-8000-0000aaaa1111"]), "01aad56e");
        assert_eq!(beginning(ids[0], &[ids[1], "01"]), "01aad56e-0a4b-7aa0-8000-0000a");
    }
}
