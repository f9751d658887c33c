//! Records that the program has no table for: orders, carts, agreements, transfers and the like, as JSON under a name
//! that is unique for their kind and customer.

use super::record::Resource;
use tenantry_foundation::db::{DbError, Row, Tx};

/// All of a kind that a customer has, in the order they were made.
pub(super) fn all(tx: &mut dyn Tx, kind: &str, customer: i64) -> Result<Vec<Resource>, DbError> {
    let rows = tx.query(
        "SELECT id, customer, body FROM sandbox_documents WHERE kind = $1 AND customer = $2 ORDER BY id",
        &[kind.into(), customer.into()],
    )?;
    rows.iter().map(read).collect()
}

/// The one of that name; names do not differ by case.
pub(super) fn find(tx: &mut dyn Tx, kind: &str, customer: i64, name: &str) -> Result<Option<Resource>, DbError> {
    let row = tx.query_first(
        "SELECT id, customer, body FROM sandbox_documents WHERE kind = $1 AND customer = $2 AND name = $3",
        &[kind.into(), customer.into(), name.trim().to_ascii_lowercase().into()],
    )?;
    row.as_ref().map(read).transpose()
}

/// Writes one, new or changed, under that name.
pub(super) fn write(tx: &mut dyn Tx, kind: &str, name: &str, record: &Resource) -> Result<(), DbError> {
    tx.exec(
        "INSERT INTO sandbox_documents (id, kind, customer, name, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (kind, customer, name) DO UPDATE SET body = excluded.body",
        &[
            record.id.into(),
            kind.into(),
            record.customer.into(),
            name.to_ascii_lowercase().into(),
            record.body.to_string().into(),
        ],
    )
    .map(drop)
}

pub(super) fn remove(tx: &mut dyn Tx, id: i64) -> Result<(), DbError> {
    tx.exec("DELETE FROM sandbox_documents WHERE id = $1", &[id.into()])
        .map(drop)
}

fn read(row: &Row) -> Result<Resource, DbError> {
    let body = serde_json::from_str(row.text(2)?).map_err(|error| DbError::Broken(error.to_string()))?;
    Ok(Resource::new(row.int(0)?, row.int(1)?, body))
}
