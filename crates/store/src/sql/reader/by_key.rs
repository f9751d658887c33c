//! Records by key: of a page first keys and versions, then what is not known in its version.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{SqlReader, digits, number};
use crate::error::ApplyError;
use crate::reader::{CustomerHead, KnownVersions, Query, RecordKey, RecordKind, StoreRecord};
use crate::sql::record::{self, Key, Object};
use tenantry_foundation::db::{DbError, Dialect, Row, Tx, Value};

/// Records of a page.
const PAGE: u64 = 4_000;

/// Records of one sort in the order of their keys. They have all the fields that are copied, whichever are asked for, and
/// customers their identity; of the customers they are of, the key alone is known.
pub(super) struct KeyedPages {
    pub(super) reader: SqlReader,
    pub(super) query: Query,
    pub(super) known: Option<Arc<dyn KnownVersions>>,
}

impl KeyedPages {
    /// The page behind a key, and its last key; none if there are no more pages.
    pub(super) async fn next(&self, after: RecordKey) -> Result<(Vec<StoreRecord>, Option<RecordKey>), ApplyError> {
        let (kind, rows) = (self.query.kind, self.query.limit.unwrap_or(PAGE).min(PAGE));
        let (from, owner) = (after.clone(), self.query.customer.as_deref().map(number));
        let heads = self.reader.db.read(move |tx| heads(tx, kind, owner, &from, rows));
        let heads = heads.await.map_err(|error| self.reader.of_store(error))?;
        let until = (heads.len() as u64 == rows)
            .then(|| heads.last().map(|head| head.key.clone()))
            .flatten();
        let known = match &self.known {
            Some(known) => known.between(after, until.clone()).await?,
            None => HashMap::new(),
        };
        let records = self.reader.db.read(move |tx| records(tx, kind, heads, &known));
        let records = records.await.map_err(|error| self.reader.of_store(error))?;
        Ok((records, until))
    }
}

fn object(kind: RecordKind) -> Object {
    match kind {
        RecordKind::Customer => Object::Customer,
        RecordKind::Seats => Object::Seats,
        RecordKind::Subscription => Object::Subscription,
        RecordKind::User => Object::User,
    }
}

struct KeyedHead {
    key: RecordKey,
    /// Its id, or the customer's of seats.
    id: i64,
    owner: i64,
    version: i64,
}

fn heads(
    tx: &mut dyn Tx,
    kind: RecordKind,
    owner: Option<i64>,
    after: &RecordKey,
    rows: u64,
) -> Result<Vec<KeyedHead>, DbError> {
    let table = object(kind).table();
    let byte_order = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " COLLATE \"C\"",
    };
    let (columns, of_owner, beyond, order) = match kind {
        RecordKind::Seats => (
            "customer, sku_id, customer, version",
            "customer",
            format!("(customer > $1 OR (customer = $1 AND sku_id{byte_order} > $2))"),
            format!("customer, sku_id{byte_order}"),
        ),
        RecordKind::Customer => (
            "id, '', id, version",
            "id",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
        RecordKind::User | RecordKind::Subscription => (
            "id, '', customer, version",
            "customer",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
    };
    let mut params: Vec<Value> = vec![number(&after.id).into(), after.part.as_str().into()];
    let mut sql = format!("SELECT {columns} FROM {table} WHERE {beyond}");
    if let Some(owner) = owner {
        params.push(owner.into());
        let _ = write!(sql, " AND {of_owner} = $3");
    }
    let _ = write!(sql, " ORDER BY {order} LIMIT {rows}");
    let head = |row: &Row| {
        let id = row.int(0)?;
        Ok(KeyedHead {
            key: RecordKey::new(digits(id), row.text_or_empty(1)?),
            id,
            owner: row.int(2)?,
            version: row.int(3)?,
        })
    };
    tx.query(&sql, &params)?.iter().map(head).collect()
}

/// The records behind the heads. Those that have gone in between are left out, as the next run will find.
fn records(
    tx: &mut dyn Tx,
    kind: RecordKind,
    heads: Vec<KeyedHead>,
    known: &HashMap<RecordKey, i64>,
) -> Result<Vec<StoreRecord>, DbError> {
    let object = object(kind);
    let is_known = |head: &KeyedHead| known.get(&head.key) == Some(&head.version);
    let keys: Vec<Key> = heads
        .iter()
        .filter(|head| !is_known(head))
        .map(|head| key(object, head))
        .collect();
    let mut read = record::load(tx, object, &keys)?.into_iter();
    let mut identities = match kind {
        RecordKind::Customer => identities(tx, &keys)?.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let mut records = Vec::with_capacity(heads.len());
    for head in heads {
        let mut customer = CustomerHead {
            number: Some(digits(head.owner)),
            ..CustomerHead::default()
        };
        if is_known(&head) {
            let mut record = StoreRecord::new(Arc::new(customer), head.key, Vec::new());
            (record.version, record.is_known) = (Some(head.version), true);
            records.push(record);
            continue;
        }
        let identity = identities.next().flatten();
        let Some(stored) = read.next().flatten() else { continue };
        let version = stored.version;
        let mut fields = stored.into_fields();
        if let Some(identity) = identity {
            (customer.id, customer.domain) = (identity.id, identity.domain);
            fields.extend(identity.fields);
        }
        let mut record = StoreRecord::new(Arc::new(customer), head.key, fields);
        record.version = Some(version);
        records.push(record);
    }
    Ok(records)
}

/// What a customer has that never changes.
struct StoredIdentity {
    id: String,
    domain: String,
    fields: Vec<(&'static str, String)>,
}

fn key(object: Object, head: &KeyedHead) -> Key {
    match object {
        Object::Seats => Key::seats(head.id, &head.key.part),
        _ => Key::of(object, head.id),
    }
}

/// The identities of customers, in the order of the keys.
fn identities(tx: &mut dyn Tx, keys: &[Key]) -> Result<Vec<Option<StoredIdentity>>, DbError> {
    let ids: Vec<Vec<Value>> = keys.iter().map(|key| vec![key.id.into()]).collect();
    let found = tx.query_each(
        "SELECT tenant_id, domain, registration_number, associated_partner_id FROM customers WHERE id = $1",
        &ids,
    )?;
    let domains = tx.query_each("SELECT domain FROM domains WHERE customer = $1", &ids)?;
    let each = |(mut rows, domains): (Vec<Row>, Vec<Row>)| {
        let Some(row) = rows.first_mut() else { return Ok(None) };
        let domains: Vec<&str> = domains.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?;
        Ok(Some(StoredIdentity {
            id: row.take_text(0)?,
            domain: row.take_text(1)?,
            fields: vec![
                ("registration_number", row.take_text(2)?),
                ("associated_partner_id", row.take_text(3)?),
                ("domains", domains.join(";")),
            ],
        }))
    };
    found.into_iter().zip(domains).map(each).collect()
}
