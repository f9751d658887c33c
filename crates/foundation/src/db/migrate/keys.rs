//! Fills in the keys of records that are older than keys. Nothing is lost or merged: what was told apart stays apart.

use std::borrow::Cow;

use tenantry_jobs::key;

use super::super::{DbError, Row, Tx, Value};

/// Records read at a time.
const PAGE: usize = 5_000;

type Fold = for<'t> fn(&'t str) -> Cow<'t, str>;

/// A column of keys.
struct KeyColumn {
    table: &'static str,
    /// The column that tells records apart.
    id: &'static str,
    column: &'static str,
    /// The column that keys are made of.
    text: &'static str,
}

/// Fills in every key, and tells apart the customers that have one.
pub(super) fn fill(tx: &mut dyn Tx) -> Result<(), DbError> {
    for (table, column, text, fold) in [
        ("customers", "external_key", "external_id", key::fold as Fold),
        ("customers", "name_key", "company_name", key::fold),
        ("customers", "tags_key", "tags", key::fold),
        ("users", "name_key", "user_principal_name", key::user_name),
        ("deleted_users", "name_key", "user_principal_name", key::user_name),
    ] {
        let of = KeyColumn {
            table,
            id: "id",
            column,
            text,
        };
        fill_column(tx, &of, fold)?;
    }
    let domains = KeyColumn {
        table: "domains",
        id: "domain",
        column: "domain_key",
        text: "domain",
    };
    fill_column(tx, &domains, key::domain)?;
    let external_ids = KeyColumn {
        table: "customers",
        id: "id",
        column: "external_key",
        text: "external_id",
    };
    number_twins(tx, &external_ids, "external id")?;
    number_twins(tx, &domains, "domain")?;
    refuse_users_of_one_name(tx)
}

/// Most texts are their own keys, so that only the others have to be written one by one.
fn fill_column(tx: &mut dyn Tx, of: &KeyColumn, fold: Fold) -> Result<(), DbError> {
    let KeyColumn {
        table,
        id,
        column,
        text,
    } = of;
    tx.exec(
        &format!("UPDATE {table} SET {column} = {text} WHERE {text} IS NOT NULL"),
        &[],
    )?;
    let update = format!("UPDATE {table} SET {column} = $2 WHERE {id} = $1");
    let mut after: Option<Value> = None;
    loop {
        let beyond = if after.is_some() {
            format!("AND {id} > $1")
        } else {
            String::new()
        };
        let page =
            format!("SELECT {id}, {text} FROM {table} WHERE {text} IS NOT NULL {beyond} ORDER BY {id} LIMIT {PAGE}");
        let rows = tx.query(&page, after.as_slice())?;
        let mut differing = Vec::new();
        for row in &rows {
            let text = row.text(1)?;
            let key = fold(text);
            if key != text {
                differing.push(vec![id_of(row)?, key.as_ref().into()]);
            }
        }
        tx.exec_each(&update, &differing)?;
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = Some(id_of(last)?),
            _ => return Ok(()),
        }
    }
}

/// The first column, which is a number or a text.
fn id_of(row: &Row) -> Result<Value, DbError> {
    match row.int(0) {
        Ok(number) => Ok(number.into()),
        Err(_) => row.text(0).map(Value::from),
    }
}

/// Numbers the records that have the key of an earlier one.
fn number_twins(tx: &mut dyn Tx, of: &KeyColumn, what: &str) -> Result<(), DbError> {
    let KeyColumn {
        table,
        id,
        column,
        text,
    } = of;
    let found = tx.query(
        &format!(
            "SELECT {id}, {column}, {text} FROM {table} WHERE {column} IN
               (SELECT {column} FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} HAVING count(*) > 1)
             ORDER BY {column}, {id}"
        ),
        &[],
    )?;
    let mut numbers = Vec::new();
    for of_one_key in found.chunk_by(|one, other| one.text(1).ok() == other.text(1).ok()) {
        let texts = of_one_key
            .iter()
            .map(|row| row.text(2))
            .collect::<Result<Vec<_>, _>>()?;
        tracing::warn!(
            "{} are one {what} by now; both are kept, and their customers have to be named otherwise",
            texts.join(" and ")
        );
        for (number, row) in of_one_key.iter().enumerate().skip(1) {
            numbers.push(vec![id_of(row)?, (number as u64).into()]);
        }
    }
    let sql = format!("UPDATE {table} SET twin = $2 WHERE {id} = $1");
    tx.exec_each(&sql, &numbers).map(drop)
}

/// Names with letters beyond ASCII come from other stores alone, which have no two users of one name either. Should there be
/// two all the same, only people can tell which of them is to be called otherwise.
fn refuse_users_of_one_name(tx: &mut dyn Tx) -> Result<(), DbError> {
    let Some(twins) = tx.query_first(
        "SELECT customer, name_key FROM users GROUP BY customer, name_key HAVING count(*) > 1 LIMIT 1",
        &[],
    )?
    else {
        return Ok(());
    };
    let (customer, name) = (twins.int(0)?, twins.text(1)?);
    let found = tx.query(
        "SELECT u.user_principal_name, c.domain FROM users u JOIN customers c ON c.id = u.customer
         WHERE u.customer = $1 AND u.name_key = $2 ORDER BY u.id",
        &[customer.into(), name.into()],
    )?;
    let names = found
        .iter()
        .map(|row| Ok(format!("`{}`", row.text(0)?)))
        .collect::<Result<Vec<_>, DbError>>()?;
    let domain = found.first().map_or(Ok(""), |row| row.text(1))?;
    Err(DbError::Unfit(format!(
        "the users {} of the customer {domain} have one name, since letters are the same in either case and form; \
         nothing was changed; rename or delete all but one of them with the version of tenantry that this database is of",
        names.join(" and ")
    )))
}
