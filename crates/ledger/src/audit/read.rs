//! Reading the audit record back, a page at a time, so that memory does not grow with it.

use super::{Anchor, AuditRecord, ChainReport, Checker, start};
use crate::{JobId, Ledger};
use tenantry_foundation::db::{DbError, Row, Value};

/// Records read at a time.
const PAGE: u64 = 1000;

const SELECT: &str = "SELECT seq, at, actor, action, job, kind, plan_hash, counts, note, via, prev, hash FROM audit";

impl Ledger {
    /// The newest records, of one job or of all, newest first.
    pub async fn audit_log(&self, job: Option<JobId>, limit: u64) -> Result<Vec<AuditRecord>, DbError> {
        self.db
            .read(move |tx| {
                let (of, mut params) = of_job(job);
                params.push(limit.into());
                let at = params.len();
                let sql = format!("{SELECT} WHERE 1 = 1{of} ORDER BY seq DESC LIMIT ${at}");
                tx.query(&sql, &params)?.iter().map(record).collect()
            })
            .await
    }

    /// The next records after number `after`, of one job or of all; none at the end.
    pub async fn audit_page(&self, job: Option<JobId>, after: i64) -> Result<Vec<AuditRecord>, DbError> {
        self.db
            .read(move |tx| {
                let (of, mut params) = of_job(job);
                params.extend([after.into(), PAGE.into()]);
                let at = params.len();
                let sql = format!("{SELECT} WHERE seq > ${}{of} ORDER BY seq LIMIT ${at}", at - 1);
                tx.query(&sql, &params)?.iter().map(record).collect()
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

    /// Follows the whole chain and names what is wrong with it.
    pub async fn verify_audit(&self, anchor: Option<Anchor>) -> Result<ChainReport, DbError> {
        let mut walk = AuditWalk::from_the_start(self, anchor);
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
    pub fn from_the_start(ledger: &Ledger, anchor: Option<Anchor>) -> Self {
        Self {
            checker: Checker::whole(start(ledger.installation.number()), anchor),
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
        let (rows, head) = ledger
            .db
            .read(move |tx| {
                let sql = format!("{SELECT} WHERE seq > $1 ORDER BY seq LIMIT $2");
                let rows = tx.query(&sql, &[after.into(), PAGE.into()])?;
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
        if rows.len() as u64 == PAGE {
            return Ok(AuditStep::Goes(self));
        }
        let head = head.and_then(|row| Some((row.int(0).ok()?, row.text(1).ok()?.to_owned())));
        Ok(AuditStep::Ends(self.checker.end_at(head)))
    }
}

fn of_job(job: Option<JobId>) -> (&'static str, Vec<Value>) {
    match job {
        Some(job) => (" AND job = $1", vec![job.to_string().into()]),
        None => ("", Vec::new()),
    }
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
        prev: row.text(10)?.to_owned(),
        hash: row.text(11)?.to_owned(),
    })
}
