//! Records that exist already of a page: the copies that stand for its keys, and the records that have its records' identity.

use std::collections::HashMap;
use std::fmt::Write as _;

use tenantry_jobs::key;

use super::super::lookup::{USER_BY_KEY, user_key};
use super::super::record::{self, Key, Object, Record};
use super::SyncStep;
use super::page::Identity;
use crate::reader::RecordKey;
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_ledger::Installation;

/// The version of a copy that has to be read again, whatever version the original has.
pub(super) const STALE: i64 = 0;
/// The version of a copy whose original is there no more.
pub(super) const GONE: i64 = -1;

/// The copies that stand for the keys of one page.
pub(super) struct Copies {
    pub(super) origin: Installation,
    pub(super) step: SyncStep,
    pub(super) owner: Option<String>,
    pub(super) after: RecordKey,
    pub(super) until: Option<RecordKey>,
}

/// A copy: the record here, and the version the original had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) local: i64,
    pub(super) version: i64,
}

impl Copies {
    pub(super) fn known(&self, tx: &mut dyn Tx) -> Result<HashMap<RecordKey, Link>, DbError> {
        let mut sql = "SELECT source, part, local, version FROM copies
             WHERE origin = $1 AND object = $2 AND (source, part) > ($3, $4)"
            .to_owned();
        let mut params: Vec<Value> = vec![
            self.origin.number().into(),
            self.step.object().as_str().into(),
            self.after.id.as_str().into(),
            self.after.part.as_str().into(),
        ];
        if let Some(until) = &self.until {
            params.extend([until.id.as_str().into(), until.part.as_str().into()]);
            sql.push_str(" AND (source, part) <= ($5, $6)");
        }
        if let Some(owner) = &self.owner {
            params.push(owner.as_str().into());
            let _ = write!(sql, " AND owner = ${}", params.len());
        }
        let link = |row: &Row| {
            let key = RecordKey {
                id: row.text(0)?.to_owned(),
                part: row.text_or_empty(1)?.to_owned(),
            };
            let (local, version) = (row.int(2)?, row.int(3)?);
            Ok((key, Link { local, version }))
        };
        tx.query(&sql, &params)?.iter().map(link).collect()
    }
}

/// An original that may have to be copied.
pub(super) struct WantedCopy<'p> {
    pub(super) key: &'p RecordKey,
    /// The customer it belongs to, by its id there, and here; a customer belongs to none here.
    pub(super) owner: &'p str,
    pub(super) place: i64,
    /// As it should be here.
    pub(super) record: Record,
    pub(super) identity: Option<&'p Identity>,
    pub(super) link: Option<Link>,
}

impl WantedCopy<'_> {
    /// The record here of that id; seats are known by their holder.
    pub(super) fn here(&self, object: Object, id: i64) -> Key {
        match object {
            Object::Seats => Key::seats(self.place, &self.key.part),
            _ => Key::of(object, id),
        }
    }

    /// What no other record of its sort may have, folded.
    pub(super) fn keys(&self) -> Vec<String> {
        let field = |name| key::fold(self.record.get(name));
        let mut keys = Vec::new();
        let name = self.record.get("user_principal_name");
        if !name.is_empty() {
            keys.push(format!("user {} {}", self.place, key::user_name(name)));
        }
        if let Some(identity) = self.identity {
            keys.extend(
                identity
                    .domains
                    .iter()
                    .map(|domain| format!("domain {}", key::domain(domain))),
            );
            let external = field("external_id");
            if !external.is_empty() {
                keys.push(format!("external id {external}"));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What people know it by.
    pub(super) fn name(&self) -> String {
        if let Some(identity) = self.identity {
            return format!("customer {}", identity.domain);
        }
        let fields = ["user_principal_name", "subscription_id", "part_number"];
        let mut texts = fields.iter().map(|field| self.record.get(field));
        texts.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    }
}

/// What is here of a page.
pub(super) struct KnownRecords {
    /// By id; seats by their position in the page.
    pub(super) records: HashMap<i64, Record>,
    /// Who has the identity of each wanted record.
    pub(super) holders: Vec<Option<i64>>,
}

impl KnownRecords {
    /// The records here that the wanted ones are copied to, or that have their identity.
    pub(super) fn load(tx: &mut dyn Tx, object: Object, wanted: &[WantedCopy<'_>]) -> Result<Self, DbError> {
        // Seats have no id of their own: the record that holds the SKU is the copy.
        if object == Object::Seats {
            return Self::of_seats(tx, wanted);
        }
        let holders = holders(tx, object, wanted)?;
        let linked = wanted.iter().filter_map(|one| one.link).map(|link| link.local);
        let mut ids: Vec<i64> = linked.chain(holders.iter().copied().flatten()).collect();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<Key> = ids.iter().map(|id| Key::of(object, *id)).collect();
        let found = record::load(tx, object, &keys)?;
        let records = ids
            .into_iter()
            .zip(found)
            .filter_map(|(id, record)| Some((id, record?)));
        Ok(Self {
            records: records.collect(),
            holders,
        })
    }

    fn of_seats(tx: &mut dyn Tx, wanted: &[WantedCopy<'_>]) -> Result<Self, DbError> {
        let keys: Vec<Key> = wanted.iter().map(|one| one.here(Object::Seats, 0)).collect();
        let found = record::load(tx, Object::Seats, &keys)?;
        let holders = found
            .iter()
            .enumerate()
            .map(|(at, seats)| seats.as_ref().map(|_| at as i64));
        Ok(Self {
            holders: holders.collect(),
            records: (0..).zip(found).filter_map(|(at, seats)| Some((at, seats?))).collect(),
        })
    }
}

/// Who here has the identity of each wanted record, which are no seats.
fn holders(tx: &mut dyn Tx, object: Object, wanted: &[WantedCopy<'_>]) -> Result<Vec<Option<i64>>, DbError> {
    let holders = match object {
        Object::Customer => {
            let tenants = wanted
                .iter()
                .map(|one| one.identity.map_or("", |identity| &identity.tenant_id));
            let keys: Vec<Vec<Value>> = tenants.map(|tenant| vec![tenant.into()]).collect();
            tx.query_each("SELECT id FROM customers WHERE tenant_id = $1", &keys)?
        }
        Object::User => {
            let key = |one: &WantedCopy<'_>| {
                let (customer, name) = user_key(one.record.int("customer"), one.record.get("user_principal_name"));
                vec![customer.into(), name.into()]
            };
            let keys: Vec<Vec<Value>> = wanted.iter().map(key).collect();
            let sql = format!("SELECT id FROM users WHERE {USER_BY_KEY}");
            tx.query_each(&sql, &keys)?
        }
        Object::Seats | Object::Subscription | Object::Transfer => {
            let key = |one: &WantedCopy<'_>| vec![one.record.get("subscription_id").into()];
            let keys: Vec<Vec<Value>> = wanted.iter().map(key).collect();
            tx.query_each("SELECT id FROM subscriptions WHERE subscription_id = $1", &keys)?
        }
    };
    holders
        .iter()
        .map(|rows| rows.first().map(|row| row.int(0)).transpose())
        .collect()
}

/// Records that may have to make way and are of any customer: who has the identity or the external id of a wanted one.
/// None of them changes while names are locked.
pub(super) fn in_the_way(tx: &mut dyn Tx, object: Object, wanted: &[WantedCopy<'_>]) -> Result<Vec<Key>, DbError> {
    let mut ids: Vec<i64> = holders(tx, object, wanted)?.into_iter().flatten().collect();
    if object == Object::Customer {
        let externals = wanted.iter().map(|one| key::fold(one.record.get("external_id")));
        let keys: Vec<Vec<Value>> = externals
            .filter(|external| !external.is_empty())
            .map(|external| vec![external.as_ref().into()])
            .collect();
        for rows in tx.query_each(EXTERNAL_ID_HOLDER, &keys)? {
            for row in rows {
                ids.push(row.int(0)?);
            }
        }
    }
    Ok(ids.into_iter().map(|id| Key::of(object, id)).collect())
}

/// Which customers here have the external id of the key `$1`: one, but for those of old.
pub(super) const EXTERNAL_ID_HOLDER: &str = "SELECT id FROM customers WHERE external_key = $1 ORDER BY twin";
