//! Reads a page from the other store: keys and versions of all its records, and whole only those that have another
//! version than their copies.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::record::{self, Key, Object, Record};
use super::known::{Copies, Link};
use super::{Progress, Request, SourceKey, Step};
use crate::db::{Db, DbError, Dialect, Row, Tx, Value};
use crate::store::Source;

/// Records of a page.
const PAGE: usize = 4_000;

/// Consecutive records of one sort in the other store.
pub(crate) struct Page {
    pub(super) step: Step,
    /// The key before the first.
    pub(super) after: SourceKey,
    /// The last key; `None` on the last page, which goes to the end of all keys.
    pub(super) until: Option<SourceKey>,
    /// The customer, by its id there, that all of it belongs to.
    pub(super) owner: Option<i64>,
    pub(super) originals: Vec<Original>,
}

/// A record as the other store has it.
pub(super) struct Original {
    pub(super) key: SourceKey,
    /// The customer it belongs to, by its id there.
    pub(super) owner: i64,
    /// What it holds; nothing if its copy has the same version.
    pub(super) content: Option<Content>,
}

pub(super) struct Content {
    pub(super) record: Record,
    /// Of a customer only.
    pub(super) identity: Option<Identity>,
}

/// What a customer has that never changes.
pub(super) struct Identity {
    pub(super) tenant_id: String,
    /// The primary one.
    pub(super) domain: String,
    pub(super) registration_number: String,
    pub(super) associated_partner_id: String,
    pub(super) domains: Vec<String>,
}

/// Reads the page that comes next.
pub(crate) async fn read(
    source: &Source,
    here: &Db,
    request: &Request,
    owner: Option<i64>,
    progress: &Progress,
) -> Result<Option<Page>, DbError> {
    let Some(step) = progress.step else { return Ok(None) };
    let after = progress.after.clone();
    let from = after.clone();
    let heads = source.db.read(move |tx| heads(tx, step, owner, &from));
    let heads = heads
        .await
        .map_err(|error| crate::store::of_store(&request.from, error))?;
    let until = (heads.len() == PAGE)
        .then(|| heads.last().map(|head| head.key.clone()))
        .flatten();
    let copies = Copies {
        origin: source.installation,
        step,
        owner,
        after: after.clone(),
        until: until.clone(),
    };
    let known = if request.full {
        HashMap::new()
    } else {
        here.read(move |tx| copies.known(tx)).await?
    };
    let originals = source.db.read(move |tx| contents(tx, step, heads, &known));
    let originals = originals
        .await
        .map_err(|error| crate::store::of_store(&request.from, error))?;
    Ok(Some(Page {
        step,
        after,
        until,
        owner,
        originals,
    }))
}

struct Head {
    key: SourceKey,
    owner: i64,
    version: i64,
}

fn heads(tx: &mut dyn Tx, step: Step, owner: Option<i64>, after: &SourceKey) -> Result<Vec<Head>, DbError> {
    let table = step.object().table();
    let byte_order = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " COLLATE \"C\"",
    };
    let (columns, of_owner, beyond, order) = match step {
        Step::Seats => (
            "customer, sku_id, customer, version",
            "customer",
            format!("(customer > $1 OR (customer = $1 AND sku_id{byte_order} > $2))"),
            format!("customer, sku_id{byte_order}"),
        ),
        Step::Customers => (
            "id, '', id, version",
            "id",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
        Step::Users | Step::Subscriptions => (
            "id, '', customer, version",
            "customer",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
    };
    let mut params: Vec<Value> = vec![after.id.into(), after.part.as_str().into()];
    let mut sql = format!("SELECT {columns} FROM {table} WHERE {beyond}");
    if let Some(owner) = owner {
        params.push(owner.into());
        let _ = write!(sql, " AND {of_owner} = $3");
    }
    let _ = write!(sql, " ORDER BY {order} LIMIT {PAGE}");
    let head = |row: &Row| {
        Ok(Head {
            key: SourceKey {
                id: row.int(0)?,
                part: row.text_or_empty(1)?.to_owned(),
            },
            owner: row.int(2)?,
            version: row.int(3)?,
        })
    };
    tx.query(&sql, &params)?.iter().map(head).collect()
}

/// The records behind the heads. Those that have gone in between are left out, as the next run will find.
fn contents(
    tx: &mut dyn Tx,
    step: Step,
    heads: Vec<Head>,
    known: &HashMap<SourceKey, Link>,
) -> Result<Vec<Original>, DbError> {
    let object = step.object();
    let is_new = |head: &Head| known.get(&head.key).is_none_or(|link| link.version != head.version);
    let keys: Vec<Key> = heads
        .iter()
        .filter(|head| is_new(head))
        .map(|head| key(object, head))
        .collect();
    let records = record::load(tx, object, &keys)?;
    let identities = match step {
        Step::Customers => identities(tx, &keys)?.into_iter().map(Some).collect(),
        _ => keys.iter().map(|_| None).collect::<Vec<_>>(),
    };
    let mut contents = records.into_iter().zip(identities);
    let original = |head: Head| {
        let content = if is_new(&head) {
            let (record, identity) = contents.next()?;
            Some(Content {
                record: record?,
                identity,
            })
        } else {
            None
        };
        Some(Original {
            key: head.key,
            owner: head.owner,
            content,
        })
    };
    Ok(heads.into_iter().filter_map(original).collect())
}

fn key(object: Object, head: &Head) -> Key {
    match object {
        Object::Seats => Key::seats(head.key.id, &head.key.part),
        _ => Key::of(object, head.key.id),
    }
}

fn identities(tx: &mut dyn Tx, keys: &[Key]) -> Result<Vec<Identity>, DbError> {
    let ids: Vec<Vec<Value>> = keys.iter().map(|key| vec![key.id.into()]).collect();
    let found = tx.query_each(
        "SELECT tenant_id, domain, registration_number, associated_partner_id FROM customers WHERE id = $1",
        &ids,
    )?;
    let domains = tx.query_each("SELECT domain FROM domains WHERE customer = $1", &ids)?;
    let text = |rows: &[Row], at: usize| match rows.first() {
        Some(row) => row.text_or_empty(at).map(str::to_owned),
        None => Ok(String::new()),
    };
    let each = |(rows, domains): (Vec<Row>, Vec<Row>)| {
        Ok(Identity {
            tenant_id: text(&rows, 0)?,
            domain: text(&rows, 1)?,
            registration_number: text(&rows, 2)?,
            associated_partner_id: text(&rows, 3)?,
            domains: domains
                .iter()
                .map(|row| row.text(0).map(str::to_owned))
                .collect::<Result<_, _>>()?,
        })
    };
    found.into_iter().zip(domains).map(each).collect()
}
