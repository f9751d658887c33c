//! Records as lists show them, page after page, so that millions of them take no more memory than a few. Pages follow each
//! other by the last row's key, all from one snapshot. The database filters, sorts, and ends a list that is to be short.

use std::collections::HashMap;
use std::sync::Arc;

use super::digits;
use super::query::{CUSTOMER, ColumnForm, FIRST, HEAD, ID, PART_OF_ID, PageEnd, PagedQuery};
use crate::reader::{CustomerHead, Filter, Order, Query, RecordKey, RecordKind, StoreRecord};
use crate::sql::record::SIGN_IN_BLOCKED;
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// Records passed on at a time.
const PART: usize = 1_000;
/// Customers whose names are kept for the users and subscriptions to come.
const CUSTOMERS: usize = 20_000;

/// Calls `each` with all records, some at a time, in order. Ends early when `each` answers `false`.
pub(super) fn read(
    tx: &mut dyn Tx,
    query: &Query,
    filter: Option<&Filter>,
    order: Option<Order>,
    each: &mut dyn FnMut(Vec<StoreRecord>) -> bool,
) -> Result<(), DbError> {
    let part_numbers = part_numbers(tx, query)?;
    let paged = PagedQuery::of(query, filter, order, tx.dialect());
    let mut customers = KnownCustomers::default();
    let mut after: Option<PageEnd> = None;
    let mut left = query.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let rows = left.min(paged.page_rows);
        let (sql, params) = paged.page(after.as_ref(), rows);
        let mut page = tx.query(&sql, &params)?;
        let Some(last) = page.last() else { break };
        after = Some(PageEnd::of(last, &paged)?);
        let is_last = (page.len() as u64) < rows;
        left -= page.len() as u64;
        customers.resolve(tx, query.kind, &page)?;
        for rows in page.chunks_mut(PART) {
            let record = |row| record(&paged, query.kind, row, &customers, &part_numbers);
            let records = rows.iter_mut().map(record).collect::<Result<Vec<_>, _>>()?;
            if !each(records) {
                return Ok(());
            }
        }
        if is_last {
            break;
        }
    }
    Ok(())
}

/// SKU ids are for machines; files name the part number.
fn part_numbers(tx: &mut dyn Tx, query: &Query) -> Result<HashMap<String, String>, DbError> {
    if !query.wants("license_names") {
        return Ok(HashMap::new());
    }
    let found = tx.query("SELECT DISTINCT sku_id, part_number FROM subscribed_skus", &[])?;
    found
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}

/// The customers that records are of, by number.
#[derive(Default)]
struct KnownCustomers(HashMap<i64, Arc<CustomerHead>>);

impl KnownCustomers {
    /// Looks up those of a page that it does not know. Customers themselves are told by their own rows.
    fn resolve(&mut self, tx: &mut dyn Tx, kind: RecordKind, page: &[Row]) -> Result<(), DbError> {
        if kind == RecordKind::Customer {
            return Ok(());
        }
        if self.0.len() > CUSTOMERS {
            self.0.clear();
        }
        let mut unknown = Vec::new();
        for row in page {
            let number = row.int(CUSTOMER)?;
            if !self.0.contains_key(&number) {
                unknown.push(number);
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        let keys: Vec<Vec<Value>> = unknown.iter().map(|number| vec![(*number).into()]).collect();
        let sql = format!("SELECT {} FROM customers c WHERE c.id = $1", HEAD.join(", "));
        for (number, mut rows) in unknown.into_iter().zip(tx.query_each(&sql, &keys)?) {
            if let Some(row) = rows.first_mut() {
                self.0.insert(number, head(number, row, 0)?);
            }
        }
        Ok(())
    }
}

/// The customer that the columns of [`HEAD`] say, from this one on.
fn head(number: i64, row: &mut Row, at: usize) -> Result<Arc<CustomerHead>, DbError> {
    Ok(Arc::new(CustomerHead {
        number: Some(digits(number)),
        id: row.take_text(at)?,
        domain: row.take_text(at + 1)?,
        company_name: row.take_text(at + 2)?,
        relationship: row.take_text(at + 3)?,
    }))
}

fn value(
    row: &mut Row,
    at: usize,
    form: ColumnForm,
    part_numbers: &HashMap<String, String>,
) -> Result<String, DbError> {
    Ok(match form {
        ColumnForm::Text => row.take_text(at)?,
        ColumnForm::Number => row.opt_int(at)?.map_or(String::new(), |number| number.to_string()),
        ColumnForm::LicenseNames => {
            let ids = row.text_or_empty(at)?.split(';').filter(|id| !id.is_empty());
            let names: Vec<&str> = ids.map(|id| part_numbers.get(id).map_or(id, String::as_str)).collect();
            names.join(";")
        }
        ColumnForm::Blocked if row.int(at)? & SIGN_IN_BLOCKED != 0 => "yes".to_owned(),
        ColumnForm::Blocked => "no".to_owned(),
    })
}

/// The record that a row says.
fn record(
    paged: &PagedQuery,
    kind: RecordKind,
    row: &mut Row,
    customers: &KnownCustomers,
    part_numbers: &HashMap<String, String>,
) -> Result<StoreRecord, DbError> {
    let number = row.int(CUSTOMER)?;
    let (customer, first) = match kind {
        RecordKind::Customer => (head(number, row, FIRST)?, FIRST + HEAD.len()),
        _ => (customers.0.get(&number).cloned().unwrap_or_default(), FIRST),
    };
    let mut fields = Vec::with_capacity(paged.columns.len());
    for (at, column) in (first..).zip(&paged.columns) {
        fields.push((column.field, value(row, at, column.form, part_numbers)?));
    }
    let key = RecordKey::new(digits(row.int(ID)?), row.take_text(PART_OF_ID)?);
    Ok(StoreRecord::new(customer, key, fields))
}
