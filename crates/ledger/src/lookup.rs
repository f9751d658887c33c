//! Looking one job up by part of its id, as people have it; the audit record knows those that are gone.

use tenantry_foundation::db::{DbError, Dialect};

use super::job::{read_job, select, with_files};
use super::{Job, JobId, Ledger, audit};

/// Jobs that are looked through for an id that ends with something, since no index is by the end.
const BY_END: i64 = 10_000;

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
            let why = format!("`{text}` is no job id; `tenantry jobs` lists them");
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
                }
                if found.is_empty() {
                    let sql = format!(
                        "{} WHERE j.seq > $2 AND j.id LIKE $1 ORDER BY j.seq DESC LIMIT 5",
                        select("$3")
                    );
                    let newest = tx.query_first("SELECT MAX(seq) FROM jobs", &[])?;
                    let newest = newest
                        .map(|row| row.opt_int(0))
                        .transpose()?
                        .flatten()
                        .unwrap_or_default();
                    found = tx.query(
                        &sql,
                        &[format!("%{wanted}").into(), (newest - BY_END).into(), now.into()],
                    )?;
                }
                let jobs = found.iter().map(|row| with_files(tx, read_job(row, now)?));
                let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
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
                JobLookup::NotFound(format!("no job `{wanted_text}`; `tenantry jobs` lists them"))
            }
            Err(found) => {
                let ids: Vec<String> = found.iter().map(|job| job.id.to_string()).collect();
                JobLookup::NotFound(format!("several jobs answer to `{wanted_text}`: {}", ids.join(", ")))
            }
        })
    }
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
