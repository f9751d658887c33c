//! Inputs of jobs: a record of its own and blocks in the spool, which several jobs may go by; or, of a small job that was
//! carried out as it came in, columns of the job itself.
//!
//! An input of its own has a number, and one that lies with a job is called by that job's number, negative. So a job that takes back
//! one of these goes by a number as any other does.

use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_foundation::input::Block;

/// The number of what lies with a job, or of its input.
pub(super) const NUMBER: &str = "COALESCE(j.input, -j.seq)";

/// Name, hash, bytes, rows, header, notes and sheet of a job's input, where it is [joined](JOIN).
pub(super) const NAME: &str = "COALESCE(i.name, k.input_name, k.idempotency_key)";
pub(super) const SHA256: &str = "COALESCE(i.sha256, k.input_sha256)";
pub(super) const BYTES: &str = "COALESCE(i.bytes, k.input_bytes)";
pub(super) const ROWS: &str = "COALESCE(i.rows, k.total)";
pub(super) const HEADER: &str = "COALESCE(i.header, k.input_header)";
pub(super) const NOTES: &str = "COALESCE(i.notes, k.input_notes)";
pub(super) const SHEET: &str = "COALESCE(i.sheet, k.input_sheet)";

/// Joins jobs `j` with their inputs: `i`, or the job `k` that has it.
pub(super) const JOIN: &str = "LEFT JOIN inputs i ON i.id = j.input
    LEFT JOIN jobs k ON k.seq = CASE WHEN j.input_header IS NOT NULL THEN j.seq WHEN j.input < 0 THEN -j.input END";

/// Reads one block.
pub fn load_block(tx: &mut dyn Tx, input: i64, block: i64) -> Result<Option<Block>, DbError> {
    Ok(load_blocks(tx, &[(input, block)])?.pop().flatten())
}

/// Reads blocks, by input and number, in that order; `None` for one that is not there.
pub fn load_blocks(tx: &mut dyn Tx, blocks: &[(i64, i64)]) -> Result<Vec<Option<Block>>, DbError> {
    let decode = |(_, block): (i64, i64), rows: Vec<Row>| {
        let Some(row) = rows.first() else { return Ok(None) };
        Block::decode(row.blob(0)?)
            .map(Some)
            .map_err(|error| DbError::Broken(format!("block {block} of the spool is damaged: {error}")))
    };
    let found = blocks_of(tx, blocks)?;
    blocks
        .iter()
        .zip(found)
        .map(|(place, rows)| decode(*place, rows))
        .collect()
}

/// One block as it is kept.
pub(super) fn raw_block(tx: &mut dyn Tx, input: i64, block: i64) -> Result<Option<Row>, DbError> {
    let found = blocks_of(tx, &[(input, block)])?;
    Ok(found.into_iter().flatten().next())
}

fn blocks_of(tx: &mut dyn Tx, blocks: &[(i64, i64)]) -> Result<Vec<Vec<Row>>, DbError> {
    let (mut spooled, mut with_jobs): (Vec<Vec<Value>>, Vec<Vec<Value>>) = (Vec::new(), Vec::new());
    for (input, block) in blocks {
        match input {
            ..0 => with_jobs.push(vec![(-input).into(), (*block).into()]),
            0.. => spooled.push(vec![(*input).into(), (*block).into()]),
        }
    }
    let mut both = [Vec::new().into_iter(), Vec::new().into_iter()];
    for (found, sql, params) in [
        (
            0,
            "SELECT data FROM every_block WHERE input = $1 AND block = $2",
            spooled,
        ),
        (
            1,
            "SELECT block FROM jobs WHERE seq = $1 AND $2 = 0 AND block IS NOT NULL",
            with_jobs,
        ),
    ] {
        if !params.is_empty() {
            both[found] = tx.query_each(sql, &params)?.into_iter();
        }
    }
    let next = |(input, _): &(i64, i64)| both[usize::from(*input < 0)].next().unwrap_or_default();
    Ok(blocks.iter().map(next).collect())
}

/// Whether blocks of an input are kept.
pub(super) fn is_kept(tx: &mut dyn Tx, input: i64) -> Result<bool, DbError> {
    let (sql, number) = match input {
        ..0 => ("SELECT 1 FROM jobs WHERE seq = $1 AND block IS NOT NULL", -input),
        0.. => ("SELECT 1 FROM every_block WHERE input = $1 LIMIT 1", input),
    };
    Ok(!tx.query(sql, &[number.into()])?.is_empty())
}

/// Headers of inputs, as they are kept.
pub(super) fn headers(tx: &mut dyn Tx, inputs: &[i64]) -> Result<Vec<String>, DbError> {
    let with_jobs = inputs.iter().any(|input| *input < 0);
    let sql = if with_jobs {
        "SELECT header FROM inputs WHERE id = $1 UNION ALL SELECT input_header FROM jobs WHERE seq = -$1"
    } else {
        "SELECT header FROM inputs WHERE id = $1"
    };
    let params: Vec<Vec<Value>> = inputs.iter().map(|input| vec![(*input).into()]).collect();
    let header = |rows: Vec<Row>| {
        rows.first()
            .map_or(Ok("[]".to_owned()), |row| row.text(0).map(str::to_owned))
    };
    tx.query_each(sql, &params)?.into_iter().map(header).collect()
}
