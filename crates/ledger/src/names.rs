//! Names that remote stores have for customers and subscriptions, kept as it was when rows about them were planned.
//! Nothing is decided by it: it says whom a recorded job is about.

use std::collections::BTreeMap;

use super::Ledger;
use tenantry_foundation::db::{DbError, Tx, Value};

/// A name is noted as seen again after this long.
const SEEN_AGAIN_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What a row names a customer by, as a key, and the subscription of it that it names; none is empty.
pub type NameKey = (String, String);

/// What a store calls a customer, and a subscription of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreName {
    /// The customer's primary domain.
    pub domain: String,
    /// The customer's name.
    pub name: String,
    /// The product of the subscription; empty where it is not known.
    pub product: String,
}

const NAMES: &str = "SELECT domain, name, product, seen_at FROM store_names
    WHERE store = $1 AND customer = $2 AND subscription = $3";

impl Ledger {
    /// Keeps what `store` calls customers and subscriptions.
    pub async fn keep_names(&self, store: &str, names: BTreeMap<NameKey, StoreName>) -> Result<(), DbError> {
        if names.is_empty() {
            return Ok(());
        }
        let (store, now) = (store.to_owned(), self.clock.now_millis());
        let keys: Vec<NameKey> = names.keys().cloned().collect();
        let known = self.kept_names_seen(&store, keys).await?;
        let is_fresh = |key: &NameKey, name: &StoreName| {
            let fresh = |(known, seen): &(StoreName, i64)| known == name && now - seen < SEEN_AGAIN_MILLIS;
            known.get(key).is_some_and(fresh)
        };
        let new = names.into_iter().filter(|(key, name)| !is_fresh(key, name));
        let rows: Vec<Vec<Value>> = new
            .map(|((customer, subscription), name)| {
                vec![
                    store.as_str().into(),
                    customer.into(),
                    subscription.into(),
                    name.domain.into(),
                    name.name.into(),
                    name.product.into(),
                    now.into(),
                ]
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO store_names (store, customer, subscription, domain, name, product, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (store, customer, subscription) DO UPDATE SET domain = excluded.domain, name = excluded.name,
               product = excluded.product, seen_at = excluded.seen_at";
        self.db.write(move |tx| tx.exec_each(sql, &rows).map(drop)).await
    }

    /// What `store` called these when rows about them were last planned, as far as it is kept.
    pub async fn kept_names(&self, store: &str, keys: Vec<NameKey>) -> Result<BTreeMap<NameKey, StoreName>, DbError> {
        let kept = self.kept_names_seen(store, keys).await?;
        Ok(kept.into_iter().map(|(key, (name, _))| (key, name)).collect())
    }

    async fn kept_names_seen(
        &self,
        store: &str,
        keys: Vec<NameKey>,
    ) -> Result<BTreeMap<NameKey, (StoreName, i64)>, DbError> {
        let sets: Vec<Vec<Value>> = keys
            .iter()
            .map(|(customer, subscription)| vec![store.into(), customer.as_str().into(), subscription.as_str().into()])
            .collect();
        let found = self.db.read(move |tx| tx.query_each(NAMES, &sets)).await?;
        let mut names = BTreeMap::new();
        for (key, rows) in keys.into_iter().zip(found) {
            let Some(row) = rows.first() else { continue };
            let name = StoreName {
                domain: row.text(0)?.to_owned(),
                name: row.text(1)?.to_owned(),
                product: row.text(2)?.to_owned(),
            };
            names.insert(key, (name, row.int(3)?));
        }
        Ok(names)
    }

    /// Lets go of names that no row has named for `keep_millis`.
    pub async fn forget_names(&self, keep_millis: i64) -> Result<(), DbError> {
        let before = self.past() - keep_millis - SEEN_AGAIN_MILLIS;
        let forget = move |tx: &mut dyn Tx| tx.exec("DELETE FROM store_names WHERE seen_at < $1", &[before.into()]);
        self.db.write(forget).await.map(drop)
    }
}
