//! Reading the audit record back, a page at a time, so that memory does not grow with it.

use super::together::text_of;
use super::{Anchor, AuditRecord, ChainReport, Checker, start};
use crate::{JobId, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx};

/// Records read at a time, and about how much of what they say of several jobs, compressed.
const PAGE: u64 = 1000;
const PAGE_BYTES: i64 = 1 << 20;
/// Records of several jobs that are looked through at a time.
const SOME: u64 = 20;
/// How long after it got its id a job can have been recorded among others, and by how much clocks may differ, in milliseconds.
const RECORDED_WITHIN: i64 = 60 * 60 * 1000;
const CLOCKS: i64 = 60 * 1000;

const SELECT: &str =
    "SELECT seq, at, actor, action, job, kind, plan_hash, counts, note, via, prev, hash, jobs, digest FROM audit";

impl Ledger {
    /// The newest records, of one job or of all, newest first.
    pub async fn audit_log(&self, job: Option<JobId>, limit: u64) -> Result<Vec<AuditRecord>, DbError> {
        self.db
            .read(move |tx| {
                let Some(job) = job else {
                    let sql = format!("{SELECT} ORDER BY seq DESC LIMIT $1");
                    return tx.query(&sql, &[limit.into()])?.iter().map(record).collect();
                };
                let sql = format!("{SELECT} WHERE job = $1 ORDER BY seq DESC LIMIT $2");
                let own = tx.query(&sql, &[job.to_string().into(), limit.into()])?;
                let mut records = own.iter().map(record).collect::<Result<Vec<_>, _>>()?;
                // What happened to it later comes after.
                if (records.len() as u64) < limit {
                    records.extend(among_others(tx, job)?);
                    records.sort_by_key(|one| std::cmp::Reverse(one.seq));
                }
                Ok(records)
            })
            .await
    }

    /// The next records after number `after`, of one job or of all; none at the end.
    pub async fn audit_page(&self, job: Option<JobId>, after: i64) -> Result<Vec<AuditRecord>, DbError> {
        self.db
            .read(move |tx| {
                let Some(job) = job else {
                    return page(tx, after)?.0.iter().map(record).collect();
                };
                let sql = format!("{SELECT} WHERE job = $1 AND seq > $2 ORDER BY seq LIMIT $3");
                let own = tx.query(&sql, &[job.to_string().into(), after.into(), PAGE.into()])?;
                let mut records = own.iter().map(record).collect::<Result<Vec<_>, _>>()?;
                records.extend(among_others(tx, job)?.filter(|one| one.seq > after));
                records.sort_by_key(|one| one.seq);
                Ok(records)
            })
            .await
    }

    /// The number before the first record made at or after `millis`: where an export since then begins. It
    /// goes on without a gap from there, even where clocks ran apart.
    pub async fn audit_before(&self, millis: i64) -> Result<i64, DbError> {
        self.db
            .read(move |tx| {
                let sql =
                    "SELECT COALESCE((SELECT MIN(seq) - 1 FROM audit WHERE at >= $1), (SELECT MAX(seq) FROM audit), 0)";
                tx.query_first(sql, &[millis.into()])?.map_or(Ok(0), |row| row.int(0))
            })
            .await
    }

    /// The newest record, if there is any.
    pub async fn audit_anchor(&self) -> Result<Option<Anchor>, DbError> {
        self.db
            .read(|tx| {
                let head = tx.query_first("SELECT seq, hash FROM audit_head WHERE id = 1 AND seq > 0", &[])?;
                let anchor = |row: Row| {
                    Ok(Anchor {
                        seq: row.int(0)?,
                        hash: row.text(1)?.to_owned(),
                    })
                };
                head.map(anchor).transpose()
            })
            .await
    }

    /// Follows the whole chain and names what is wrong with it.
    pub async fn verify_audit(&self, anchors: impl IntoIterator<Item = Anchor> + Send) -> Result<ChainReport, DbError> {
        let mut walk = AuditWalk::from_the_start(self, anchors);
        loop {
            walk = match walk.on(self).await? {
                AuditStep::Goes(walk) => walk,
                AuditStep::Ends(report) => return Ok(report),
            };
        }
    }
}

/// The chain followed a page at a time, as far as it has come.
#[derive(Debug)]
pub struct AuditWalk {
    checker: Checker,
    after: i64,
}

/// What a page has come to.
#[derive(Debug)]
pub enum AuditStep {
    /// There are more.
    Goes(AuditWalk),
    /// That was the last one.
    Ends(ChainReport),
}

impl AuditWalk {
    /// Before the first record.
    pub fn from_the_start(ledger: &Ledger, anchors: impl IntoIterator<Item = Anchor>) -> Self {
        Self {
            checker: Checker::whole(start(ledger.installation.number()), anchors),
            after: i64::MIN,
        }
    }

    /// What was found wrong so far.
    pub fn fault_count(&self) -> u64 {
        self.checker.fault_count()
    }

    /// Follows it for one more page.
    pub async fn on(mut self, ledger: &Ledger) -> Result<AuditStep, DbError> {
        let after = self.after;
        // The head is read in the snapshot of the page: records may be added while we are reading.
        let ((rows, is_more), head) = ledger
            .db
            .read(move |tx| {
                let rows = page(tx, after)?;
                let head = tx.query_first("SELECT seq, hash FROM audit_head WHERE id = 1", &[])?;
                Ok((rows, head))
            })
            .await?;
        for row in &rows {
            self.after = row.int(0)?;
            match record(row) {
                Ok(record) => self.checker.take(&record),
                Err(error) => {
                    let place = format!("record {}", self.after);
                    self.checker.unreadable(place, Some(self.after), error.to_string());
                }
            }
        }
        if is_more {
            return Ok(AuditStep::Goes(self));
        }
        let head = head.and_then(|row| Some((row.int(0).ok()?, row.text(1).ok()?.to_owned())));
        Ok(AuditStep::Ends(self.checker.end_at(head)))
    }
}

/// The records after number `after`, as many as are read at a time, and whether there may be more.
fn page(tx: &mut dyn Tx, after: i64) -> Result<(Vec<Row>, bool), DbError> {
    let sizes = "SELECT COALESCE(LENGTH(jobs), 0) FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
    let sizes = tx.query(sizes, &[after.into(), PAGE.into()])?;
    let (mut count, mut room) = (0, PAGE_BYTES);
    for size in &sizes {
        if room < 0 {
            break;
        }
        count += 1;
        room -= size.int(0)?;
    }
    let sql = format!("{SELECT} WHERE seq > $1 ORDER BY seq LIMIT $2");
    let rows = tx.query(&sql, &[after.into(), count.into()])?;
    Ok((rows, count == PAGE || count < sizes.len() as u64))
}

/// The record of several jobs that the job is among, as the job sees it.
fn among_others(tx: &mut dyn Tx, job: JobId) -> Result<Option<AuditRecord>, DbError> {
    let ended = tx.query_first(
        "SELECT created_at, finished_at FROM jobs WHERE id = $1",
        &[job.to_string().into()],
    )?;
    let (from, to) = match ended {
        // It was recorded at the very moment.
        Some(row) if row.opt_int(1)? != Some(row.int(0)?) => return Ok(None),
        Some(row) => (row.int(0)?, row.int(0)?),
        None => {
            let Some(made) = job.made_at() else { return Ok(None) };
            (made - CLOCKS, made + RECORDED_WITHIN)
        }
    };
    let mut after = (from, i64::MIN);
    loop {
        let sql = format!(
            "{SELECT} WHERE jobs IS NOT NULL AND at >= $1 AND at <= $2 AND (at > $1 OR seq > $3) ORDER BY at, seq LIMIT $4"
        );
        let params = [after.0.into(), to.into(), after.1.into(), SOME.into()];
        let found = tx.query(&sql, &params)?;
        for row in &found {
            let one = record(row)?;
            if let Some(seen) = one.of_job_among(job) {
                return Ok(Some(seen));
            }
            after = (one.at, one.seq);
        }
        if (found.len() as u64) < SOME {
            return Ok(None);
        }
    }
}

/// The records of a job, oldest first.
pub(crate) fn of_one(tx: &mut dyn Tx, job: JobId) -> Result<Vec<AuditRecord>, DbError> {
    let sql = format!("{SELECT} WHERE job = $1 ORDER BY seq LIMIT $2");
    let own = tx.query(&sql, &[job.to_string().into(), PAGE.into()])?;
    let mut records = own.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    records.extend(among_others(tx, job)?);
    records.sort_by_key(|one| one.seq);
    Ok(records)
}

/// The id of a job that the audit record knows of.
pub(crate) fn known_job(tx: &mut dyn Tx, id: &str) -> Result<Option<JobId>, DbError> {
    let found = tx.query_first("SELECT job FROM audit WHERE job = $1 LIMIT 1", &[id.into()])?;
    if let Some(row) = found {
        return JobId::read(&row, 0).map(Some);
    }
    let Ok(job) = id.parse() else { return Ok(None) };
    Ok(among_others(tx, job)?.map(|_| job))
}

fn record(row: &Row) -> Result<AuditRecord, DbError> {
    let optional = |column: usize| row.opt_text(column).map(|text| text.map(str::to_owned));
    Ok(AuditRecord {
        seq: row.int(0)?,
        at: row.int(1)?,
        actor: row.text(2)?.to_owned(),
        action: row.text(3)?.to_owned(),
        job: optional(4)?,
        kind: optional(5)?,
        plan_hash: optional(6)?,
        counts: optional(7)?,
        note: optional(8)?,
        via: optional(9)?,
        jobs: row
            .opt_blob(12)?
            .map(|kept| text_of(kept).ok_or_else(|| DbError::Broken("what it says of its jobs is damaged".to_owned())))
            .transpose()?,
        digest: optional(13)?,
        prev: row.text(10)?.to_owned(),
        hash: row.text(11)?.to_owned(),
    })
}
