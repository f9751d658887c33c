//! What a store holds, as one stream of records: the same ones by key and as lists show them.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::{FutureExt, TryStreamExt};
use tenantry_foundation::db::DbError;
use tenantry_store::reader::{KnownVersions, Order, Query, RecordKey, RecordKind, RecordReader, Select, StoreRecord};

use super::{Store, StoreUnderTest, on_every_store};

/// Each sort of records with fields of it.
const KINDS: [(RecordKind, &[&str]); 4] = [
    (
        RecordKind::Customer,
        &[
            "company_name",
            "relationship",
            "domains",
            "first_name",
            "city",
            "country",
        ],
    ),
    (RecordKind::Seats, &["part_number", "seats"]),
    (
        RecordKind::User,
        &[
            "user_principal_name",
            "display_name",
            "usage_location",
            "licenses",
            "roles",
        ],
    ),
    (
        RecordKind::Subscription,
        &[
            "subscription_id",
            "product",
            "quantity",
            "status",
            "auto_renew",
            "term_ends",
        ],
    ),
];

const LISTED: Select = Select::Listed {
    filter: None,
    order: None,
};

fn by_key(after: RecordKey, known: Option<Arc<dyn KnownVersions>>) -> Select {
    Select::After { key: after, known }
}

fn query(kind: RecordKind, fields: &[&'static str], select: Select) -> Query {
    Query {
        kind,
        customer: None,
        select,
        fields: fields.to_vec(),
        limit: None,
    }
}

fn reader(env: &StoreUnderTest) -> Arc<dyn RecordReader> {
    env.stores.reader(env.ledger.db()).expect("a store that can be read")
}

async fn read(reader: &dyn RecordReader, query: Query) -> Vec<StoreRecord> {
    let read: Vec<_> = reader.records(query).try_collect().await.expect("read");
    read.into_iter().map(|one| one.expect("a record")).collect()
}

/// A record as text: its key, its customer's key, its fields.
fn text(record: &StoreRecord, fields: &[&str]) -> (RecordKey, String, Vec<String>) {
    let fields = fields.iter().map(|field| record.get(field).to_owned());
    (record.key.clone(), record.customer.key().to_owned(), fields.collect())
}

mod records {
    use super::*;

    async fn are_the_same_by_key_and_in_lists(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let reader = reader(&env);
        for (kind, fields) in KINDS {
            let text = |record: &StoreRecord| text(record, fields);
            let of_keys = read(&*reader, query(kind, fields, by_key(RecordKey::default(), None))).await;
            let of_keys: Vec<_> = of_keys.iter().map(text).collect();
            assert!(
                of_keys.is_sorted_by(|one, next| one.0 < next.0),
                "{kind:?}: {of_keys:?}"
            );
            let mut listed: Vec<_> = read(&*reader, query(kind, fields, LISTED))
                .await
                .iter()
                .map(text)
                .collect();
            listed.sort();
            assert_eq!(of_keys, listed, "{kind:?}");
            assert!(!listed.is_empty(), "{kind:?}");
            // Behind the first, and none behind the last.
            let first = of_keys[0].0.clone();
            let rest = read(&*reader, query(kind, fields, by_key(first, None))).await;
            assert_eq!(rest.iter().map(text).collect::<Vec<_>>(), of_keys[1..], "{kind:?}");
            let last = of_keys[of_keys.len() - 1].0.clone();
            let none = read(&*reader, query(kind, fields, by_key(last, None))).await;
            assert!(none.is_empty(), "{kind:?}: {none:?}");
        }
    }

    on_every_store!(are_the_same_by_key_and_in_lists);
}

mod one_customer {
    use super::*;

    async fn has_its_own_records(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let reader = reader(&env);
        let name = env.fill("{a}");
        let named = tenantry_jobs::CustomerRef::parse(&name);
        let key = reader.customer_key(named).await.expect("a customer");
        for (kind, fields) in KINDS {
            for select in [LISTED, by_key(RecordKey::default(), None)] {
                let all = read(&*reader, query(kind, fields, select.clone())).await;
                let own = Query {
                    customer: Some(key.clone()),
                    ..query(kind, fields, select)
                };
                let own: Vec<_> = read(&*reader, own).await.iter().map(|one| text(one, fields)).collect();
                let all = all.iter().filter(|one| one.customer.key() == key);
                assert_eq!(own, all.map(|one| text(one, fields)).collect::<Vec<_>>(), "{kind:?}");
                assert!(!own.is_empty(), "{kind:?}");
            }
        }
        let nobody = reader
            .customer_key(tenantry_jobs::CustomerRef::parse("nobody.example"))
            .await;
        let problem = nobody.expect_err("there is none").rejection().expect("a rejection");
        assert_eq!(problem.code, "unknown-customer");
    }

    on_every_store!(has_its_own_records);
}

mod order {
    use super::*;

    async fn and_number_are_kept_where_the_store_sorts(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let reader = reader(&env);
        if !reader.sorts() {
            return;
        }
        for (kind, field) in [
            (RecordKind::User, "user_principal_name"),
            (RecordKind::Customer, "company_name"),
            (RecordKind::Subscription, "quantity"),
            (RecordKind::Seats, "seats"),
        ] {
            let sorted = |descending| Select::Listed {
                filter: None,
                order: Some(Order { field, descending }),
            };
            let value = |record: &StoreRecord| {
                let text = record.get(field).to_owned();
                (text.parse::<i64>().unwrap_or_default(), text)
            };
            let rising = read(&*reader, query(kind, &[field], sorted(false))).await;
            assert!(rising.iter().map(value).is_sorted(), "{kind:?}");
            let falling = read(&*reader, query(kind, &[field], sorted(true))).await;
            assert!(falling.iter().map(value).rev().is_sorted(), "{kind:?}");
            assert_eq!(rising.len(), falling.len());
            for limit in [0, 1, 2] {
                let few = Query {
                    limit: Some(limit),
                    ..query(kind, &[field], sorted(false))
                };
                let few: Vec<_> = read(&*reader, few).await.iter().map(value).collect();
                let expected: Vec<_> = rising.iter().map(value).take(limit as usize).collect();
                assert_eq!(few, expected, "{kind:?}");
            }
        }
    }

    on_every_store!(and_number_are_kept_where_the_store_sorts);
}

mod versions {
    use super::*;

    /// What somebody has, whatever is asked about.
    struct Known(HashMap<RecordKey, i64>);

    impl KnownVersions for Known {
        fn between(
            &self,
            after: RecordKey,
            until: Option<RecordKey>,
        ) -> BoxFuture<'static, Result<HashMap<RecordKey, i64>, DbError>> {
            let is_between = |key: &RecordKey| *key > after && until.as_ref().is_none_or(|until| key <= until);
            let known = self.0.iter().filter(|(key, _)| is_between(key));
            ready(Ok(known.map(|(key, version)| (key.clone(), *version)).collect())).boxed()
        }
    }

    async fn that_are_known_are_not_read(store: Store) {
        let env = StoreUnderTest::new(store).await;
        let reader = reader(&env);
        for (kind, fields) in KINDS {
            let all = read(&*reader, query(kind, fields, by_key(RecordKey::default(), None))).await;
            assert!(all.iter().all(|record| !record.is_known), "{kind:?}");
            // The first one has another version by now.
            let versions = all.iter().enumerate().filter_map(|(at, record)| {
                let version = record.version? + i64::from(at == 0);
                Some((record.key.clone(), version))
            });
            let known: Arc<dyn KnownVersions> = Arc::new(Known(versions.collect()));
            let again = read(&*reader, query(kind, fields, by_key(RecordKey::default(), Some(known)))).await;
            assert_eq!(again.len(), all.len(), "{kind:?}");
            for (at, (one, before)) in again.iter().zip(&all).enumerate() {
                assert_eq!((&one.key, one.version), (&before.key, before.version), "{kind:?}");
                assert_eq!(one.is_known, at > 0 && before.version.is_some(), "{kind:?}");
                if !one.is_known {
                    assert_eq!(text(one, fields), text(before, fields), "{kind:?}");
                }
            }
        }
    }

    on_every_store!(that_are_known_are_not_read);
}
