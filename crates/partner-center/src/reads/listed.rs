//! Records as Partner Center lists them.
//!
//! Text is searched for by the service where it can (the beginning of a name or of a domain), and else here, among what
//! lists show: the name, the primary domain, the id.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt, future};
use tenantry_jobs::SearchField;

use super::{Listed, OrMissed, PartnerCenterReader, Stream, UserOf, subscription};
use tenantry_store::reader::{CustomerHead, Filter, Query, RecordKind, StoreRecord};

/// Fields of customers that need not be read one customer at a time.
const IN_LISTS: [&str; 3] = ["company_name", "relationship", "users"];

impl PartnerCenterReader {
    pub(super) fn listed(&self, query: Query, filter: Option<Filter>) -> Stream<StoreRecord> {
        let customers = self.selected(&query, filter);
        let heads = |customers: Stream<Listed>| customers.map_ok(|read| read.map(|customer| customer.head)).boxed();
        let reader = self.clone();
        match query.kind {
            RecordKind::Customer if query.wants("users") => self.for_each(customers, move |customer| {
                let reader = reader.clone();
                async move { reader.count_users(customer).await }
            }),
            RecordKind::Customer => customers
                .map_ok(|read| read.map(|customer| customer.record(None)))
                .boxed(),
            RecordKind::Seats => flat(self.for_each(heads(customers), move |customer| {
                let reader = reader.clone();
                async move { reader.seats(&customer).await }
            })),
            RecordKind::Subscription => flat(self.for_each(heads(customers), move |customer| {
                let reader = reader.clone();
                async move {
                    let read = reader.subscriptions(&customer).await?;
                    Ok(read.map(|all| all.iter().map(|one| subscription(&customer, one)).collect()))
                }
            })),
            RecordKind::User => {
                let query = Arc::new(query);
                self.for_each(self.users_of(heads(customers)), move |user| {
                    let (reader, query) = (reader.clone(), query.clone());
                    async move { reader.user(user, query).await }
                })
            }
        }
    }

    /// The customers that are asked for, whole where that is needed.
    fn selected(&self, query: &Query, filter: Option<Filter>) -> Stream<Listed> {
        if let Some(id) = query.customer.clone() {
            let reader = self.clone();
            let only = async move { reader.customer(&id).await };
            return stream::once(only).boxed();
        }
        let beginning = filter.as_ref().and_then(Filter::beginning);
        let beginning = beginning.map(|(field, text)| match field {
            SearchField::Domain => ("Domain", text),
            _ => ("CompanyName", text),
        });
        let is_searched = beginning.is_some();
        let (asked, listed) = (filter.clone(), self.customers(beginning));
        let takes = move |customer: &CustomerHead| {
            let is_one = asked.as_ref().is_none_or(|filter| filter.takes(customer, is_searched));
            future::ready(is_one)
        };
        let listed: Stream<CustomerHead> = listed.try_filter(takes).map_ok(Ok).boxed();
        let of_customers = query.kind == RecordKind::Customer;
        let asks_for_more = of_customers && query.fields.iter().any(|field| !IN_LISTS.contains(field));
        let filters_more = filter.as_ref().is_some_and(|filter| !filter.fields().is_empty());
        if !asks_for_more && !filters_more {
            return listed.map_ok(|read| read.map(Listed::from)).boxed();
        }
        let reader = self.clone();
        let whole = self.for_each(listed, move |customer| {
            let reader = reader.clone();
            async move { reader.whole(customer).await }
        });
        whole
            .try_filter(move |read| {
                future::ready(match (read, &filter) {
                    (Ok(customer), Some(filter)) => filter.takes_fields(|field| customer.detail(field)),
                    _ => true,
                })
            })
            .boxed()
    }

    /// The users of customers, one customer after the other; the first page of the next ones is read meanwhile.
    fn users_of(&self, customers: Stream<Arc<CustomerHead>>) -> Stream<UserOf> {
        let reader = self.clone();
        let begun = self.for_each(customers, move |customer| {
            let mut users = reader.users(&customer).peekable();
            async move {
                std::pin::Pin::new(&mut users).peek().await;
                Ok(Ok(users))
            }
        });
        let users = begun.map_ok(|begun| match begun {
            Ok(users) => users.boxed(),
            Err(missed) => stream::iter([Ok(Err(missed))]).boxed(),
        });
        users.try_flatten().boxed()
    }

    /// Does something that takes a call for several at once; the order stays.
    fn for_each<T, U, F>(
        &self,
        all: Stream<T>,
        work: impl Fn(T) -> F + Send + 'static,
    ) -> BoxStream<'static, OrMissed<U>>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Future<Output = OrMissed<U>> + Send + 'static,
    {
        let begun = all.map_ok(move |one| match one {
            Ok(one) => future::Either::Left(work(one)),
            Err(missed) => future::Either::Right(future::ready(Ok(Err(missed)))),
        });
        begun.try_buffered(self.at_once).boxed()
    }

    async fn count_users(&self, customer: Listed) -> OrMissed<StoreRecord> {
        let mut all = self.users(&customer.head);
        let mut users = 0;
        while let Some(user) = all.try_next().await? {
            match user {
                Ok(_) => users += 1,
                Err(missed) => return Ok(Err(missed)),
            }
        }
        Ok(Ok(customer.record(Some(users))))
    }
}

/// One record after the other.
fn flat(read: Stream<Vec<StoreRecord>>) -> Stream<StoreRecord> {
    let records = read.map_ok(|read| match read {
        Ok(all) => stream::iter(all.into_iter().map(|one| Ok(Ok(one)))).boxed(),
        Err(missed) => stream::iter([Ok(Err(missed))]).boxed(),
    });
    records.try_flatten().boxed()
}
