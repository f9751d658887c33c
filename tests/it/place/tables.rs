//! The ledger's tables, for what no function of the ledger shows or does. Tests ask here, so that a change of the schema
//! has one place to be followed in; only tests about the tables themselves (invariants, upgrades, what tampers with the audit
//! record) have statements of their own.

use tenantry_foundation::db::{Db, DbError, Tx, Value};
use tenantry_ledger::{Job, JobFilter, Ledger};

use super::{On, column};

/// What selects chunks that a worker has before it, in the terms of any client of the database.
pub(crate) const OPEN_CHUNKS: &str = "SELECT COUNT(*) FROM chunks WHERE state IN ('queued', 'running')";

/// A hundred thousand jobs that have ended, and 4,000 with a chunk each that nobody has begun; for PostgreSQL.
pub(crate) const HISTORY: [&str; 7] = [
    "ALTER TABLE jobs SET (autovacuum_enabled = off)",
    "INSERT INTO inputs (id, name, header) SELECT n, 'x', '[]' FROM generate_series(1, 100000) AS s(n)",
    "INSERT INTO jobs (id, fingerprint, kind, parameters, state, input, submitted_by, created_at, finished_at, spooled)
       SELECT gen_random_uuid(), 'done ' || n, 'update-account', '{}', 'completed', n, 'x', 0, 1, 0
       FROM generate_series(1, 100000) AS s(n)",
    "INSERT INTO chunks (job, chunk, first_row, rows, pending, state)
       SELECT n, 0, 1, 1, 0, 'done' FROM generate_series(1, 100000) AS s(n)",
    "ANALYZE",
    "INSERT INTO jobs (id, fingerprint, kind, parameters, state, input, submitted_by, created_at, chunks_left)
       SELECT gen_random_uuid(), 'work ' || n, 'update-account', '{}', 'queued', n, 'x', 0, 1 FROM generate_series(1, 4000) AS s(n)",
    "INSERT INTO chunks (job, chunk, first_row, rows, pending, state)
       SELECT 100000 + n, 0, 1, 1, 1, 'queued' FROM generate_series(1, 4000) AS s(n)",
];

/// Has one statement carried out; of how many rows.
async fn exec(db: &Db, sql: &'static str, params: Vec<Value>) -> u64 {
    let done = db.write(move |tx| tx.exec(sql, &params)).await;
    done.expect("a statement")
}

async fn number(db: &Db, sql: &'static str) -> i64 {
    db.read(move |tx| tx.query(sql, &[])?[0].int(0))
        .await
        .expect("a number")
}

/// Every job, the newest first.
pub(crate) async fn jobs(ledger: &Ledger) -> Vec<Job> {
    let all = JobFilter {
        limit: 1_000_000,
        ..JobFilter::default()
    };
    ledger.jobs(all).await.expect("jobs")
}

/// How often workers have claimed something, as far as that was not within the same millisecond.
pub(crate) async fn claims(ledger: &Ledger) -> usize {
    number(ledger.db(), "SELECT COUNT(DISTINCT claimed_at) FROM jobs").await as usize
}

/// How often each chunk was claimed.
pub(crate) async fn attempts(ledger: &Ledger) -> Vec<i64> {
    let attempts = ledger.db().read(|tx| {
        let rows = tx.query("SELECT attempt FROM chunks ORDER BY job, chunk", &[])?;
        rows.iter().map(|row| row.int(0)).collect()
    });
    attempts.await.expect("attempts")
}

/// How many audit records there are of an action.
pub(crate) async fn actions(ledger: &Ledger, action: &'static str) -> i64 {
    let counted = ledger
        .db()
        .read(move |tx| tx.query("SELECT COUNT(*) FROM audit WHERE action = $1", &[action.into()])?[0].int(0));
    counted.await.expect("a number")
}

/// The newest job.
pub(crate) async fn newest(ledger: &Ledger) -> Job {
    jobs(ledger).await.into_iter().next().expect("a job")
}

/// (row, outcome, code, message) of every row of a job that has an outcome of its own.
pub(crate) async fn recorded(ledger: &Ledger, job: &Job) -> Vec<(i64, String, String, String)> {
    let seq = job.seq;
    let recorded = ledger.db().read(move |tx| {
        let sql = "SELECT row, outcome, COALESCE(code, ''), COALESCE(message, '') FROM every_outcome WHERE job = $1 ORDER BY row";
        let rows = tx.query(sql, &[seq.into()])?;
        let text = |row: &tenantry_foundation::db::Row, at| row.text(at).map(str::to_owned);
        rows.iter()
            .map(|row| Ok((row.int(0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?)))
            .collect()
    });
    recorded.await.expect("outcomes")
}

/// The messages of rows of any job with this outcome.
pub(crate) async fn messages(ledger: &Ledger, outcome: &'static str) -> Vec<String> {
    let found = ledger.db().read(move |tx| {
        let rows = tx.query(
            "SELECT message FROM every_outcome WHERE outcome = $1 ORDER BY job, row",
            &[outcome.into()],
        )?;
        rows.iter().map(|row| Ok(row.text_or_empty(0)?.to_owned())).collect()
    });
    found.await.expect("messages")
}

/// What records held before rows changed them, in the order of the rows.
pub(crate) async fn images_before(ledger: &Ledger) -> Vec<String> {
    column(ledger.db(), "SELECT before FROM every_image ORDER BY row").await
}

/// Has every chunk due that waits for its time.
pub(crate) async fn make_due(ledger: &Ledger) {
    exec(
        ledger.db(),
        "UPDATE chunks SET not_before = 0 WHERE not_before > 0",
        Vec::new(),
    )
    .await;
}

/// Has the lease of a chunk run out, if this worker has it.
pub(crate) async fn expire_lease(ledger: &Ledger, chunk: i64, owner: &str) {
    for sql in [
        "UPDATE batches SET lease_until = 0 WHERE turn IN (SELECT turn FROM chunks WHERE chunk = $1 AND lease_owner = $2)",
        "UPDATE chunks SET lease_until = 0 WHERE chunk = $1 AND lease_owner = $2",
    ] {
        exec(ledger.db(), sql, vec![chunk.into(), owner.into()]).await;
    }
}

/// Has every lease run out.
pub(crate) async fn expire_leases(ledger: &Ledger) {
    for sql in [
        "UPDATE batches SET lease_until = 0",
        "UPDATE chunks SET lease_until = 0 WHERE state = 'running'",
    ] {
        exec(ledger.db(), sql, Vec::new()).await;
    }
}

/// How many chunks somebody holds.
pub(crate) async fn held_chunks(ledger: &Ledger) -> i64 {
    number(ledger.db(), "SELECT COUNT(*) FROM chunks WHERE state = 'running'").await
}

/// Everybody who holds a chunk or held it last.
pub(crate) async fn claimants(ledger: &Ledger) -> Vec<String> {
    let sql = "SELECT DISTINCT lease_owner FROM chunks WHERE lease_owner IS NOT NULL";
    column(ledger.db(), sql).await
}

/// How often chunks of jobs after the first have failed, chunk by chunk.
pub(crate) async fn setbacks(ledger: &Ledger) -> Vec<String> {
    let sql = "SELECT CAST(failures + setbacks AS TEXT) FROM chunks WHERE job > 1";
    column(ledger.db(), sql).await
}

/// Rows of the newest job in chunks that are not done, as a transaction sees them.
pub(crate) fn open_rows(tx: &mut dyn Tx) -> Result<i64, DbError> {
    let sql = "SELECT coalesce(sum(rows), 0) FROM chunks WHERE state <> 'done' AND job = (SELECT max(seq) FROM jobs)";
    tx.query(sql, &[])?[0].int(0)
}

/// Has the spool lose a block; of how many.
pub(crate) async fn lose_block(ledger: &Ledger, input: i64, block: i64) -> u64 {
    let sql = "DELETE FROM spool WHERE input = $1 AND block = $2";
    exec(ledger.db(), sql, vec![input.into(), block.into()]).await
}

/// How many blocks the spool has.
pub(crate) async fn spooled_blocks(ledger: &Ledger) -> i64 {
    number(ledger.db(), "SELECT COUNT(*) FROM spool").await
}

/// How many parts of plans are kept.
pub(crate) async fn plan_parts(ledger: &Ledger) -> i64 {
    number(ledger.db(), "SELECT COUNT(*) FROM plan_parts").await
}

/// Puts `to` for the first `from` in the first part of a job's kept plan.
pub(crate) async fn edit_plan(ledger: &Ledger, job: String, from: &'static str, to: &'static str) {
    let edited = ledger.db().write(move |tx| {
        let found = tx
            .query_first(
                "SELECT p.job, p.data FROM plan_parts p JOIN jobs j ON j.seq = p.job WHERE j.id = $1",
                &[job.as_str().into()],
            )?
            .expect("a part");
        let text = lz4_flex::decompress_size_prepended(found.blob(1)?).expect("text");
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains(from), "{text}");
        let data = lz4_flex::compress_prepend_size(text.replacen(from, to, 1).as_bytes());
        tx.exec(
            "UPDATE plan_parts SET data = $2 WHERE job = $1",
            &[found.int(0)?.into(), Value::from(data)],
        )
    });
    edited.await.expect("edited");
}

/// Moves the end of all jobs of a kind an hour into the past; of how many.
pub(crate) async fn ended_an_hour_earlier(ledger: &Ledger, kind: &'static str) -> u64 {
    let sql = "UPDATE jobs SET finished_at = finished_at - 3600000 WHERE kind = $1";
    exec(ledger.db(), sql, vec![kind.into()]).await
}

/// Moves the deletion of one of the deleted users a year into the past.
pub(crate) async fn delete_one_a_year_earlier(ledger: &Ledger) {
    let sql = "UPDATE deleted_users SET deleted_at = deleted_at - 31536000000
        WHERE id = (SELECT MIN(id) FROM deleted_users)";
    exec(ledger.db(), sql, Vec::new()).await;
}

/// Marks every third subscription as missing where it was copied from.
pub(crate) async fn mark_missing(ledger: &Ledger) {
    let sql = "UPDATE subscriptions SET missing_since = 1 WHERE id % 3 = 0";
    exec(ledger.db(), sql, Vec::new()).await;
}

/// How many jobs there are whose submitters asked to be told and were.
pub(crate) async fn told(ledger: &Ledger) -> i64 {
    let sql = "SELECT COUNT(*) FROM jobs WHERE reply_to IS NOT NULL AND replied_at IS NOT NULL";
    number(ledger.db(), sql).await
}

/// Who has repaired the counts, and what was noted of it.
pub(crate) async fn repairs(ledger: &Ledger) -> Vec<String> {
    let sql = "SELECT actor || ': ' || note FROM audit WHERE action = 'repaired' ORDER BY seq";
    column(ledger.db(), sql).await
}

/// What the ledger notes of itself under a key.
pub(crate) async fn meta(db: &Db, key: &'static str) -> Option<String> {
    let found = db.read(move |tx| {
        let rows = tx.query("SELECT value FROM meta WHERE key = $1", &[key.into()])?;
        rows.first()
            .map(|row| row.text_or_empty(0).map(str::to_owned))
            .transpose()
    });
    found.await.expect("a note")
}

/// Notes something else under a key that is there.
pub(crate) async fn set_meta(db: &Db, key: &'static str, value: &'static str) {
    let sql = "UPDATE meta SET value = $2 WHERE key = $1";
    assert_eq!(exec(db, sql, vec![key.into(), value.into()]).await, 1);
}

/// Notes something under a new key.
pub(crate) fn add_meta(tx: &mut dyn Tx, key: &str, value: &str) -> Result<u64, DbError> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2)";
    tx.exec(sql, &[key.into(), value.into()])
}

/// How many keys have nothing noted under them.
pub(crate) async fn empty_meta(db: &Db) -> Result<i64, DbError> {
    let sql = "SELECT count(*) FROM meta WHERE value = ''";
    db.read(move |tx| tx.query(sql, &[])?[0].int(0)).await
}

/// Where rows that copy are, of jobs that have not ended.
pub(crate) async fn copying(ledger: &Ledger) -> Vec<String> {
    column(ledger.db(), "SELECT progress FROM copying").await
}

/// What happens to a job behind its worker's back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Disturbance {
    Paused,
    Cancelled,
}

/// Has the first page of the next copy do something to its job; in SQLite.
pub(crate) async fn disturb_copy(ledger: &Ledger, how: Disturbance) {
    let sql = match how {
        Disturbance::Paused => {
            "CREATE TRIGGER disturbed AFTER INSERT ON copying BEGIN UPDATE jobs SET state = 'paused'; END"
        }
        Disturbance::Cancelled => {
            "CREATE TRIGGER disturbed AFTER INSERT ON copying BEGIN UPDATE jobs SET cancel_requested = 1; END"
        }
    };
    exec(ledger.db(), sql, Vec::new()).await;
}

/// Lets copies be.
pub(crate) async fn calm_copies(ledger: &Ledger) {
    exec(ledger.db(), "DROP TRIGGER disturbed", Vec::new()).await;
}

/// Has the database refuse a new note in `meta`, as a full disk does.
pub(crate) async fn refuse_meta(ledger: &Ledger, on_sqlite: bool) {
    if on_sqlite {
        let refuse = "CREATE TRIGGER no_room BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        exec(ledger.db(), refuse, Vec::new()).await;
    } else {
        let raise =
            "CREATE FUNCTION refuse() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''disk full''; END' LANGUAGE plpgsql";
        exec(ledger.db(), raise, Vec::new()).await;
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON meta FOR EACH ROW EXECUTE FUNCTION refuse()";
        exec(ledger.db(), refuse, Vec::new()).await;
    }
}

/// Leaves out so many numbers of jobs, as if there had been as many.
pub(crate) async fn skip_job_numbers(ledger: &Ledger, on: On, count: i64) {
    let (sqlite, postgres) = (
        "UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = 'jobs'",
        "SELECT setval('jobs_seq_seq', (SELECT last_value FROM jobs_seq_seq) + $1)",
    );
    let skipped = ledger.db().write(move |tx| match on {
        On::Sqlite => tx.exec(sqlite, &[count.into()]).map(drop),
        On::Postgres => tx.query(postgres, &[count.into()]).map(drop),
    });
    skipped.await.expect("skipped");
}
