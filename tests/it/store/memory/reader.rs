//! Reads what is in memory.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::{FutureExt, StreamExt, stream};
use tenantry_jobs::CustomerRef;
use tenantry_store::reader::{CustomerHead, Query, RecordKey, RecordKind, RecordReader, Records, Select, StoreRecord};
use tenantry_store::remote::ApplyError;

use super::MemoryStore;
use super::world::{Record, Sort, World};

pub(super) struct Reader {
    pub(super) store: MemoryStore,
}

impl RecordReader for Reader {
    fn title(&self) -> &'static str {
        "Memory"
    }

    fn unkept(&self, kind: RecordKind) -> &'static [&'static str] {
        match kind {
            RecordKind::Customer => &["external_id"],
            RecordKind::User => &["flags", "password_set_at"],
            RecordKind::Seats | RecordKind::Subscription => &[],
        }
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }

    fn customer_key<'a>(&'a self, named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>> {
        let found = self.store.world().customer(named).map(|customer| customer.id.clone());
        ready(found.map_err(ApplyError::from)).boxed()
    }

    fn records(&self, query: Query) -> Records {
        let mut found = read(&self.store.world(), &query);
        if let Select::After { key, .. } = &query.select {
            found.sort_by_key(|record| record.key.clone());
            found.retain(|record| record.key > *key);
        }
        stream::iter(found.into_iter().map(|record| Ok(Ok(record)))).boxed()
    }
}

fn read(world: &World, query: &Query) -> Vec<StoreRecord> {
    let sort = match query.kind {
        RecordKind::Customer => Sort::Customer,
        RecordKind::Seats => Sort::Sku,
        RecordKind::User => Sort::User,
        RecordKind::Subscription => Sort::Subscription,
    };
    let mut found = Vec::new();
    for customer in world.of(Sort::Customer) {
        let head = Arc::new(CustomerHead {
            id: customer.id.clone(),
            domain: customer.get("domain").to_owned(),
            company_name: customer.get("company_name").to_owned(),
            relationship: customer.get("relationship").to_owned(),
            number: None,
        });
        let is_taken = match (&query.customer, &query.select) {
            (Some(id), _) => *id == customer.id,
            (
                None,
                Select::Listed {
                    filter: Some(filter), ..
                },
            ) => filter.takes(&head, false) && filter.takes_fields(|field| customer.get(field)),
            (None, _) => true,
        };
        let own = world
            .of(sort)
            .filter(|one| one.customer == customer.id && !one.is_deleted());
        for one in own.filter(|_| is_taken) {
            let fields = query
                .fields
                .iter()
                .map(|field| (*field, value(world, one, field)))
                .collect();
            let id = match sort {
                Sort::Customer => "",
                Sort::Sku => one.get("sku_id"),
                Sort::User | Sort::Subscription => &one.id,
            };
            found.push(StoreRecord::new(head.clone(), RecordKey::new(&*head.id, id), fields));
        }
    }
    found
}

fn value(world: &World, record: &Record, field: &str) -> String {
    match (record.sort, field) {
        (Sort::Customer, "domains") => record.get("domain").to_owned(),
        (Sort::Customer, "users") => world.users(record).to_string(),
        (Sort::User, "license_names") => world.license_names(record),
        (Sort::User, "status") => "active".to_owned(),
        (Sort::Subscription, "subscription_id") => record.id.clone(),
        _ => record.get(field).to_owned(),
    }
}
