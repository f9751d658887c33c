//! Records by their keys.
//!
//! Partner Center gives no keys to go on from, so its list of customers is sorted by their GUIDs on this side (on disk, if
//! it is long), as are the users of each. A reader that goes on behind a key reads the lists again, which takes few calls, and of
//! the records only those behind it.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt, future};

use super::{PartnerCenterReader, Stream, UserOf, subscription};
use crate::PartnerCenterError;
use crate::subscription::Subscription;
use tenantry_store::reader::{CustomerHead, Missed, Query, RecordKey, RecordKind, StoreRecord};

type CustomerStream = BoxStream<'static, Result<CustomerHead, PartnerCenterError>>;

/// What a customer has, its users still without what lists do not say of them.
enum Found {
    Read(Result<StoreRecord, Missed>),
    User(UserOf),
}

impl Found {
    fn key(&self) -> RecordKey {
        match self {
            Found::Read(Ok(record)) => record.key.clone(),
            Found::Read(Err(missed)) => missed.key(),
            Found::User(user) => super::key(&user.customer, &user.id),
        }
    }
}

impl PartnerCenterReader {
    pub(super) fn by_key(&self, query: Query, after: RecordKey) -> Stream<StoreRecord> {
        let (reader, asking) = (self.clone(), self.clone());
        let customers = async move {
            let customers: CustomerStream = match &query.customer {
                // The domain stands in messages, and is not known.
                Some(id) => stream::iter([Ok(CustomerHead {
                    id: id.clone(),
                    domain: id.clone(),
                    ..CustomerHead::default()
                })])
                .boxed(),
                None => asking.customers_by_id().await?,
            };
            Ok::<_, PartnerCenterError>(reader.behind(Arc::new(query), customers, after))
        };
        stream::once(customers).try_flatten().boxed()
    }

    /// The records behind `after`. Customers are asked about by themselves, several at a time, and so are users.
    fn behind(self, query: Arc<Query>, customers: CustomerStream, after: RecordKey) -> Stream<StoreRecord> {
        let (kind, at_once) = (query.kind, self.at_once);
        let last = after.id.clone();
        let customers = customers.try_filter(move |customer| {
            future::ready(match kind {
                RecordKind::Customer => customer.id > last,
                // Of the customer that the last key is of, more may follow.
                _ => customer.id >= last,
            })
        });
        let asking = self.clone();
        let found = customers.map_ok(move |customer| asking.clone().of_customer(kind, customer));
        let found = found.try_buffered(at_once).try_flatten();
        let found = found.try_filter(move |found| future::ready(found.key() > after));
        let records = found.map_ok(move |found| {
            let (reader, query) = (self.clone(), query.clone());
            async move {
                match found {
                    Found::Read(read) => Ok(read),
                    Found::User(user) => reader.user(user, query).await,
                }
            }
        });
        records.try_buffered(at_once).boxed()
    }

    async fn of_customer(
        self,
        kind: RecordKind,
        customer: CustomerHead,
    ) -> Result<BoxStream<'static, Result<Found, PartnerCenterError>>, PartnerCenterError> {
        let customer = Arc::new(customer);
        let read = match kind {
            RecordKind::Customer => {
                let whole = self.customer(&customer.id).await?;
                whole.map(|whole| vec![whole.record(None)])
            }
            RecordKind::Seats => self.seats(&customer).await?,
            RecordKind::Subscription => self.subscriptions(&customer).await?.map(|mut all| {
                all.sort_by_cached_key(Subscription::id);
                all.iter().map(|one| subscription(&customer, one)).collect()
            }),
            RecordKind::User => match self.users_by_id(customer).await? {
                Ok(users) => return Ok(users.map_ok(Found::User).boxed()),
                Err(missed) => Err(missed),
            },
        };
        let read = match read {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(missed) => vec![Err(missed)],
        };
        Ok(stream::iter(read.into_iter().map(|read| Ok(Found::Read(read)))).boxed())
    }
}
