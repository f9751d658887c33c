//! Ended jobs, as an old ledger has them, and what one-row jobs are here.

use super::office::{Office, ask};
use super::shared::mixture::World;
use super::shared::servers::connect;

pub(crate) const WORLD: World = World {
    customers: 50,
    names: 4,
};

/// Jobs of the history whose rows are kept.
const ROWS_KEPT: usize = 200_000;

/// As a server is long after it was filled, when it does not vacuum and write out what it was just given.
pub(crate) async fn settle(url: &str) {
    let client = connect(url).await.unwrap();
    for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(sql).await.unwrap();
    }
}

pub(crate) fn one_row(number: usize) -> String {
    format!(
        "customer,phone\nW-{},+49 30 {:07}\n",
        number % WORLD.customers,
        number % 9_999_999
    )
}

/// Ended jobs, as many, each like the last one there is but for its numbers. Few have rows that are still kept.
pub(crate) async fn remember(office: &Office, count: usize) {
    let ledger = &office.ledger;
    let job = ask(ledger, "SELECT MAX(seq) FROM jobs").await;
    let input = ask(ledger, "SELECT MAX(id) FROM inputs").await;
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let digits = "SUBSTR(CAST(1000000000000 + i AS TEXT), 2)";
    let of_each = |table: &str, rest: &str| {
        format!(
            "INSERT INTO {table} (job, {rest}) SELECT j.seq, {} FROM jobs j JOIN {table} t ON t.job = {job} WHERE j.seq > {job}",
            rest.split(", ")
                .map(|column| format!("t.{column}"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let copies = "kind, parameters, state, priority, submitted_by, created_at, planning_until, started_at, finished_at,
        claimed_at, chunks_left, total, applied, unchanged, rejected, plan_hash";
    for sql in [
        format!(
            "{numbers} INSERT INTO inputs (name, header, sha256, bytes, rows)
             SELECT t.name, t.header, t.sha256, t.bytes, t.rows FROM n CROSS JOIN inputs t WHERE t.id = {input}"
        ),
        format!(
            "INSERT INTO spool (input, block, data) SELECT i.id, t.block, t.data FROM inputs i
             JOIN spool t ON t.input = {input} WHERE i.id > {input} AND i.id <= {input} + {ROWS_KEPT}"
        ),
        format!(
            "{numbers} INSERT INTO jobs (id, fingerprint, input, spooled, {copies})
             SELECT '00000000-0000-7000-8000-' || {digits}, t.fingerprint || {digits}, {input} + i, CASE WHEN i <= {ROWS_KEPT} THEN 1 ELSE 0 END, {copies}
             FROM n CROSS JOIN jobs t WHERE t.seq = {job}"
        ),
        of_each(
            "chunks",
            "chunk, first_row, rows, pending, state, attempt, failures, not_before",
        ),
        of_each("row_outcomes", "row, outcome, code, message, target"),
        of_each("before_images", "row, step, object, target, part, before, after"),
    ] {
        office.change(sql).await;
    }
    assert_eq!(
        ask(ledger, "SELECT COUNT(*) FROM row_outcomes").await as usize,
        count + 1,
        "every job has its outcome"
    );
}
