//! Reads another store page by page. From a database come keys and versions of all records, and whole only those that have
//! another version than their copies.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::record::{self, Key, Object};
use super::known::{Copies, Link};
use super::page::{Content, Identity, Original, SyncPage};
use super::remote::Walk;
use super::{SourceKey, SyncProgress, SyncRequest, SyncStep};
use crate::Source;
use crate::remote::ApplyError;
use tenantry_foundation::db::{Db, DbError, Dialect, Row, Tx, Value};
use tenantry_ledger::Installation;

/// Records of a page.
const PAGE: usize = 4_000;

/// Another store, from which pages are read one after the other.
pub struct Originals {
    source: Source,
    /// The only customer, by its key there.
    owner: Option<String>,
    /// The list that is being read of a store that gives no pages by key.
    walk: Option<Walk>,
}

impl Originals {
    /// What this store has; of this customer alone, if one is given.
    pub fn of(source: Source, owner: Option<String>) -> Self {
        Self {
            source,
            owner,
            walk: None,
        }
    }

    /// What tells the store from every other.
    pub fn origin(&self) -> Installation {
        self.source.installation()
    }

    /// Whether they have to be asked for over a network, one by one.
    pub fn are_far(&self) -> bool {
        matches!(self.source, Source::Remote(_))
    }

    /// Reads the page that comes next; `None` when everything was settled.
    pub async fn next(
        &mut self,
        here: &Db,
        request: &SyncRequest,
        progress: &SyncProgress,
    ) -> Result<Option<SyncPage>, ApplyError> {
        let Some(step) = progress.step else { return Ok(None) };
        match &self.source {
            Source::Database { db, installation } => {
                let there = Database {
                    db,
                    installation: *installation,
                };
                Ok(Some(
                    there.page(here, request, step, self.owner.clone(), progress).await?,
                ))
            }
            Source::Remote(remote) => {
                let walk = match self.walk.take() {
                    Some(walk) if walk.is_at(step) => walk,
                    _ => Walk::begin(remote, step, self.owner.clone(), &progress.after),
                };
                self.walk.insert(walk).page(self.owner.clone()).await.map(Some)
            }
        }
    }
}

/// A database to read from.
struct Database<'s> {
    db: &'s Db,
    installation: Installation,
}

impl Database<'_> {
    async fn page(
        &self,
        here: &Db,
        request: &SyncRequest,
        step: SyncStep,
        owner: Option<String>,
        progress: &SyncProgress,
    ) -> Result<SyncPage, DbError> {
        let after = progress.after.clone();
        let (from, of) = (after.clone(), owner.as_deref().map(SourceKey::number));
        let heads = self.db.read(move |tx| heads(tx, step, of, &from));
        let heads = heads.await.map_err(|error| crate::of_store(&request.from, error))?;
        let until = (heads.len() == PAGE)
            .then(|| heads.last().map(|head| head.key.clone()))
            .flatten();
        let copies = Copies {
            origin: self.installation,
            step,
            owner: owner.clone(),
            after: after.clone(),
            until: until.clone(),
        };
        let known = if request.full {
            HashMap::new()
        } else {
            here.read(move |tx| copies.known(tx)).await?
        };
        let originals = self.db.read(move |tx| contents(tx, step, heads, &known));
        let originals = originals.await.map_err(|error| crate::of_store(&request.from, error))?;
        Ok(SyncPage {
            step,
            after,
            until,
            owner,
            originals,
            unread: Vec::new(),
            unkept: &[],
        })
    }
}

struct Head {
    key: SourceKey,
    /// Its id, or the customer's of seats.
    id: i64,
    owner: i64,
    version: i64,
}

fn heads(tx: &mut dyn Tx, step: SyncStep, owner: Option<i64>, after: &SourceKey) -> Result<Vec<Head>, DbError> {
    let table = step.object().table();
    let byte_order = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => " COLLATE \"C\"",
    };
    let (columns, of_owner, beyond, order) = match step {
        SyncStep::Seats => (
            "customer, sku_id, customer, version",
            "customer",
            format!("(customer > $1 OR (customer = $1 AND sku_id{byte_order} > $2))"),
            format!("customer, sku_id{byte_order}"),
        ),
        SyncStep::Customers => (
            "id, '', id, version",
            "id",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
        SyncStep::Users | SyncStep::Subscriptions => (
            "id, '', customer, version",
            "customer",
            "missing_since IS NULL AND id > $1 AND $2 = ''".to_owned(),
            "id".to_owned(),
        ),
    };
    let mut params: Vec<Value> = vec![SourceKey::number(&after.id).into(), after.part.as_str().into()];
    let mut sql = format!("SELECT {columns} FROM {table} WHERE {beyond}");
    if let Some(owner) = owner {
        params.push(owner.into());
        let _ = write!(sql, " AND {of_owner} = $3");
    }
    let _ = write!(sql, " ORDER BY {order} LIMIT {PAGE}");
    let head = |row: &Row| {
        let id = row.int(0)?;
        Ok(Head {
            key: SourceKey::new(&SourceKey::digits(id), row.text_or_empty(1)?),
            id,
            owner: row.int(2)?,
            version: row.int(3)?,
        })
    };
    tx.query(&sql, &params)?.iter().map(head).collect()
}

/// The records behind the heads. Those that have gone in between are left out, as the next run will find.
fn contents(
    tx: &mut dyn Tx,
    step: SyncStep,
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
        SyncStep::Customers => identities(tx, &keys)?.into_iter().map(Some).collect(),
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
            owner: SourceKey::digits(head.owner),
            content,
        })
    };
    Ok(heads.into_iter().filter_map(original).collect())
}

fn key(object: Object, head: &Head) -> Key {
    match object {
        Object::Seats => Key::seats(head.id, &head.key.part),
        _ => Key::of(object, head.id),
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
