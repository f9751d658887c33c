//! Replies about ended jobs: every document that asked for it, once, whichever of them the job was made of.
//!
//! What is still to be told is found by jobs, by an index that holds only ended jobs with somebody untold. A worker takes a
//! job on for a few seconds; its mark is the moment until which it has it. A document that asks in the meantime takes the mark
//! away, so that the job is not taken for told.

use super::{JobId, Ledger};
use std::collections::{BTreeMap, HashMap, HashSet};

use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// How long a worker has to tell submitters what it has taken on to tell, in milliseconds.
pub(super) const REPLY_WITHIN: i64 = 5_000;

/// A document whose sender wants to be told how its job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// Redis stream that is told.
    pub stream: String,
    /// The stream and the entry that the document came in as: `tenantry:inbox:1700000000000-0`.
    pub entry: String,
    /// The sender's own key.
    pub idempotency_key: Option<String>,
    /// Whether the rows that were not applied are told as well.
    pub with_rows: bool,
}

/// What is to be told of an ended job.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The job.
    pub job: JobId,
    /// Its number.
    pub seq: i64,
    /// To whom.
    pub to: ReplyTo,
}

/// Replies that one worker has taken on.
#[derive(Debug, Default)]
pub struct TakenReplies {
    /// What is to be told, by jobs.
    pub replies: Vec<Reply>,
    pub(super) jobs: Vec<i64>,
    pub(super) until: i64,
}

impl Ledger {
    /// Has the end of a job told to one more, at once where it has ended.
    pub async fn reply_too(&self, job: JobId, reply: ReplyTo) -> Result<(), DbError> {
        self.db.write(move |tx| ask(tx, job, &reply)).await
    }

    /// Takes on to tell how ended jobs ended, up to so many jobs, oldest first. Nobody else does so in the next seconds.
    pub async fn take_replies(&self, most: u64) -> Result<TakenReplies, DbError> {
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                // Most sweeps find nothing, and nothing is to be written for that.
                let sql = format!(
                    "SELECT seq, id FROM jobs WHERE reply_to IS NOT NULL AND replied_at IS NULL
                     AND finished_at IS NOT NULL AND (reply_until < $1 OR reply_until > $1 + 3 * $3)
                     ORDER BY seq LIMIT $2{}",
                    tx.dialect().for_update_skip_locked()
                );
                let rows = tx.query(&sql, &[now.into(), most.into(), REPLY_WITHIN.into()])?;
                let mut taken = TakenReplies {
                    until: now + REPLY_WITHIN,
                    ..TakenReplies::default()
                };
                let seqs: Vec<Vec<Value>> = rows.iter().map(|row| Ok(vec![row.int(0)?.into()])).collect::<Result<_, DbError>>()?;
                let untold = "SELECT entry, reply_to, idempotency_key, with_rows FROM replies WHERE job = $1 AND told_at IS NULL";
                for (job, asked) in rows.iter().zip(tx.query_each(untold, &seqs)?) {
                    let seq = job.int(0)?;
                    let id = JobId::read(job, 1)?;
                    for row in &asked {
                        taken.replies.push(Reply { job: id, seq, to: reply_to(row)? });
                    }
                    taken.jobs.push(seq);
                }
                let until: Vec<Vec<Value>> = taken.jobs.iter().map(|seq| vec![(*seq).into(), taken.until.into()]).collect();
                tx.send_all("UPDATE jobs SET reply_until = $2 WHERE seq = $1", until)?;
                Ok(taken)
            })
            .await
    }

    /// Whether any submitter is still to be told.
    pub async fn has_untold(&self) -> Result<bool, DbError> {
        self.db
            .read(|tx| {
                let sql = "SELECT 1 FROM jobs WHERE reply_to IS NOT NULL AND replied_at IS NULL
                     AND finished_at IS NOT NULL LIMIT 1";
                Ok(!tx.query(sql, &[])?.is_empty())
            })
            .await
    }

    /// Records which of these replies were told, by their places. Whether that brought any job on.
    pub async fn replied(&self, all: &[(TakenReplies, Vec<usize>)]) -> Result<bool, DbError> {
        let now = self.clock.now_millis();
        let (mut entries, mut ended) = (Vec::new(), Vec::new());
        for (taken, told) in all {
            let untold: HashSet<i64> = taken
                .replies
                .iter()
                .enumerate()
                .filter(|(at, _)| told.binary_search(at).is_err())
                .map(|(_, reply)| reply.seq)
                .collect();
            let of_told = told.iter().filter_map(|at| taken.replies.get(*at));
            entries.extend(of_told.map(|reply| vec![reply.seq.into(), reply.to.entry.as_str().into(), now.into()]));
            let jobs = taken.jobs.iter().filter(|seq| !untold.contains(*seq));
            ended.extend(jobs.map(|seq| vec![(*seq).into(), now.into(), taken.until.into()]));
        }
        if entries.is_empty() && ended.is_empty() {
            return Ok(false);
        }
        self.db
            .write(move |tx| {
                tx.send_all("UPDATE replies SET told_at = $3 WHERE job = $1 AND entry = $2", entries)?;
                let done = "UPDATE jobs SET replied_at = $2 WHERE seq = $1 AND reply_until = $3";
                tx.send_all(done, ended)
            })
            .await?;
        Ok(true)
    }
}

/// Records that a document wants to be told of a job. One that is handed in again, because its reader died, asks once.
pub(super) fn ask(tx: &mut dyn Tx, job: JobId, reply: &ReplyTo) -> Result<(), DbError> {
    ask_all(tx, &[(job, reply)])
}

/// As [`ask`] for several documents, each with the job that it wants to be told of.
pub(super) fn ask_all(tx: &mut dyn Tx, asked: &[(JobId, &ReplyTo)]) -> Result<(), DbError> {
    if asked.is_empty() {
        return Ok(());
    }
    // Several may ask of one job, and a statement over many changes each once.
    let by_job: BTreeMap<String, &ReplyTo> = asked
        .iter()
        .rev()
        .map(|(job, reply)| (job.to_string(), *reply))
        .collect();
    let jobs: Vec<Vec<Value>> = by_job
        .into_iter()
        .map(|(job, reply)| vec![job.into(), reply.stream.as_str().into()])
        .collect();
    let found = tx.exec_all_returning(
        "UPDATE jobs SET reply_to = COALESCE(reply_to, $2), replied_at = NULL, reply_until = 0 WHERE id = $1 RETURNING seq, id",
        &jobs,
    )?;
    let seqs: HashMap<&str, i64> = found
        .iter()
        .map(|row| Ok((row.text(1)?, row.int(0)?)))
        .collect::<Result<_, DbError>>()?;
    let asked: Vec<(i64, &ReplyTo)> = asked
        .iter()
        .filter_map(|(job, reply)| Some((*seqs.get(job.to_string().as_str())?, *reply)))
        .collect();
    insert(tx, &asked)
}

/// Inserts documents that want to be told, each with the number of its job.
pub(super) fn insert(tx: &mut dyn Tx, asked: &[(i64, &ReplyTo)]) -> Result<(), DbError> {
    let replies: Vec<Vec<Value>> = asked
        .iter()
        .map(|(seq, reply)| {
            vec![
                (*seq).into(),
                reply.entry.as_str().into(),
                reply.stream.as_str().into(),
                reply.idempotency_key.clone().into(),
                i64::from(reply.with_rows).into(),
            ]
        })
        .collect();
    tx.send_all(
        "INSERT INTO replies (job, entry, reply_to, idempotency_key, with_rows) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (job, entry) DO NOTHING",
        replies,
    )
}

fn reply_to(row: &Row) -> Result<ReplyTo, DbError> {
    Ok(ReplyTo {
        entry: row.text(0)?.to_owned(),
        stream: row.text(1)?.to_owned(),
        idempotency_key: row.opt_text(2)?.map(str::to_owned),
        with_rows: row.int(3)? != 0,
    })
}
