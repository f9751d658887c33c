//! Lists of customers, subscriptions or users, row by row.

use std::io;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt, future};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenantry_jobs::{ExportColumn, ExportOf};
use tokio::sync::mpsc;

use super::request::{relationship, sort_key};
use super::{LeftOut, Listed, Listing, Read, Reader, Stream, UserOf, unsorted};
use crate::store::kit::sorter::Sorter;
use crate::store::partner_center::Halt;
use crate::store::partner_center::subscription::Subscription;

/// Rows on their way to a sorter.
const ON_THE_WAY: usize = 1_000;

/// What there is to say about a row.
enum Item {
    Customer {
        customer: Arc<Listed>,
        users: u64,
    },
    Subscription(Arc<Listed>, Subscription),
    User {
        user: UserOf,
        licenses: String,
        roles: String,
    },
}

impl Item {
    fn cell(&self, column: &str) -> String {
        let customer = match self {
            Item::Customer { customer, .. } | Item::Subscription(customer, _) => customer,
            Item::User { user, .. } => &user.customer,
        };
        match column {
            "microsoft_id" => return customer.id.clone(),
            "primary_domain_name" => return customer.domain.clone(),
            "company_name" => return customer.company_name.clone(),
            _ => {}
        }
        match self {
            Item::Customer { users, .. } => match column {
                "relationship" => relationship(&customer.relationship).to_owned(),
                "users" => users.to_string(),
                detail => customer.detail(detail).to_owned(),
            },
            Item::Subscription(_, subscription) => match column {
                "subscription_id" => subscription.id(),
                "subscription" => subscription.product().to_owned(),
                "quantity" => subscription.quantity().to_string(),
                "status" => subscription.status(),
                "reseller" => subscription.partner_id().to_owned(),
                "product_type" => subscription.product_type().as_str().to_owned(),
                "auto_renew" => subscription.auto_renew().to_owned(),
                "term_ends" => time(subscription.term_ends()),
                "cancellable_until" => time(subscription.cancellable_until()),
                _ => String::new(),
            },
            Item::User { user, licenses, roles } => match column {
                "user_principal_name" => user.text("userPrincipalName").to_owned(),
                "display_name" => user.text("displayName").to_owned(),
                "first_name" => user.text("firstName").to_owned(),
                "last_name" => user.text("lastName").to_owned(),
                "usage_location" => user.text("usageLocation").to_owned(),
                "status" => user.text("state").to_lowercase(),
                "licenses" => licenses.clone(),
                "roles" => roles.clone(),
                _ => String::new(),
            },
        }
    }
}

fn time(millis: Option<i64>) -> String {
    let time = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map_or(String::new(), |time| time.to_string())
}

/// A row of a list that is sorted: by key, then as the list had it.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Line {
    key: (i64, String),
    number: u64,
    descending: bool,
    cells: Vec<String>,
}

impl Ord for Line {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = self.key.cmp(&other.key);
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Line {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Reader {
    /// Sends the cells of every row, and tells what was left out. Ends early when nobody wants more rows.
    pub(crate) async fn list(&self, listing: &Listing, out: mpsc::Sender<Vec<String>>) -> Result<LeftOut, Halt> {
        let Some((by, descending)) = listing.sort else {
            return self
                .each(listing, |item| {
                    let (cells, out) = (cells(&item, &listing.columns), out.clone());
                    async move { out.send(cells).await.is_ok() }
                })
                .await;
        };
        let (send, lines) = mpsc::channel(ON_THE_WAY);
        let sorting = tokio::task::spawn_blocking(move || sort(lines, &out));
        let mut number = 0;
        let read = self
            .each(listing, |item| {
                number += 1;
                let line = Line {
                    key: sort_key(by, &item.cell(by)),
                    number,
                    descending,
                    cells: cells(&item, &listing.columns),
                };
                let send = send.clone();
                async move { send.send(Some(line)).await.is_ok() }
            })
            .await;
        if read.is_ok() {
            // Without it the sorter knows that there would have been more, and gives nothing away.
            let _ = send.send(None).await;
        }
        drop(send);
        let sorted = sorting.await.map_err(io::Error::other);
        let sorted = sorted.and_then(|sorted| sorted);
        sorted.map_err(|error| unsorted(&error))?;
        read
    }

    async fn each<F>(&self, listing: &Listing, mut take: impl FnMut(Item) -> F) -> Result<LeftOut, Halt>
    where
        F: Future<Output = bool>,
    {
        let mut left_out = LeftOut::default();
        let mut read_any = false;
        let mut found = self.found(listing);
        while let Some(item) = found.try_next().await? {
            match item {
                Ok(item) => {
                    read_any = true;
                    if !take(item).await {
                        return Ok(left_out);
                    }
                }
                Err(missed) => left_out.add(missed),
            }
        }
        match left_out.first() {
            // Nobody lets us read: that is about us.
            Some(missed) if !read_any => Err(Halt::Unauthorized(missed.why.clone())),
            _ => Ok(left_out),
        }
    }

    fn found(&self, listing: &Listing) -> Stream<Item> {
        let customers = self.selected(listing);
        match listing.what {
            ExportOf::Customers if listing.asks_for(|name| name == "users") => {
                let reader = self.clone();
                self.for_each(customers, move |customer| {
                    let reader = reader.clone();
                    async move { reader.count_users(customer).await }
                })
            }
            ExportOf::Customers => customers
                .map_ok(|customer| customer.map(|customer| Item::Customer { customer, users: 0 }))
                .boxed(),
            ExportOf::Subscriptions => {
                let reader = self.clone();
                let read = self.for_each(customers, move |customer| {
                    let reader = reader.clone();
                    async move {
                        let read = reader.subscriptions(&customer).await?;
                        Ok(read.map(|all| (customer, all)))
                    }
                });
                let rows = read.map_ok(|read| match read {
                    Ok((customer, all)) => stream::iter(
                        all.into_iter()
                            .map(move |one| Ok(Ok(Item::Subscription(customer.clone(), one)))),
                    )
                    .boxed(),
                    Err(missed) => stream::iter([Ok(Err(missed))]).boxed(),
                });
                rows.try_flatten().boxed()
            }
            ExportOf::Users => {
                let (licenses, roles) = (
                    listing.asks_for(|name| name == "licenses"),
                    listing.asks_for(|name| name == "roles"),
                );
                let reader = self.clone();
                self.for_each(self.users_of(customers), move |user| {
                    let reader = reader.clone();
                    async move { reader.user(user, licenses, roles).await }
                })
            }
        }
    }

    /// The customers that the filters select.
    fn selected(&self, listing: &Listing) -> Stream<Arc<Listed>> {
        if let Some(id) = listing.customer.clone() {
            let reader = self.clone();
            let only = async move { Ok(reader.customer(&id).await?.map(Arc::new)) };
            return stream::once(only).boxed();
        }
        let asked = listing.clone();
        let listed: Stream<Listed> = self
            .customers(listing.filter())
            .try_filter(move |customer| future::ready(asked.selects(customer)))
            .map_ok(Ok)
            .boxed();
        if !listing.needs_whole() {
            return listed.map_ok(|customer| customer.map(Arc::new)).boxed();
        }
        let (reader, asked) = (self.clone(), listing.clone());
        let whole = self.for_each(listed, move |customer| {
            let reader = reader.clone();
            async move { reader.whole(customer).await }
        });
        whole
            .try_filter_map(move |read| {
                let read = match read {
                    Ok(customer) => asked.selects_whole(&customer).then(|| Ok(Arc::new(customer))),
                    Err(missed) => Some(Err(missed)),
                };
                future::ready(Ok(read))
            })
            .boxed()
    }

    /// The users of customers, one customer after the other; the first page of the next ones is read meanwhile.
    fn users_of(&self, customers: Stream<Arc<Listed>>) -> Stream<UserOf> {
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
    fn for_each<T, U, F>(&self, all: Stream<T>, work: impl Fn(T) -> F + Send + 'static) -> BoxStream<'static, Read<U>>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Future<Output = Read<U>> + Send + 'static,
    {
        let begun = all.map_ok(move |one| match one {
            Ok(one) => future::Either::Left(work(one)),
            Err(missed) => future::Either::Right(future::ready(Ok(Err(missed)))),
        });
        begun.try_buffered(self.at_once).boxed()
    }

    async fn count_users(&self, customer: Arc<Listed>) -> Read<Item> {
        let mut all = self.users(&customer);
        let mut users = 0;
        while let Some(user) = all.try_next().await? {
            match user {
                Ok(_) => users += 1,
                Err(missed) => return Ok(Err(missed)),
            }
        }
        Ok(Ok(Item::Customer { customer, users }))
    }

    async fn user(&self, user: UserOf, licenses: bool, roles: bool) -> Read<Item> {
        let licenses = async {
            if licenses {
                self.licenses(&user).await
            } else {
                Ok(Ok(Vec::new()))
            }
        };
        let roles = async {
            if roles {
                self.roles(&user).await
            } else {
                Ok(Ok(Vec::new()))
            }
        };
        let (licenses, roles) = match future::try_join(licenses, roles).await? {
            (Ok(licenses), Ok(roles)) => (licenses, roles),
            (Err(missed), _) | (_, Err(missed)) => return Ok(Err(missed)),
        };
        let name = |license: &super::License| match license.part_number.as_str() {
            "" => license.sku_id.clone(),
            part_number => part_number.to_owned(),
        };
        let mut licenses: Vec<String> = licenses.iter().map(name).collect();
        licenses.sort_unstable();
        Ok(Ok(Item::User {
            user,
            licenses: licenses.join(";"),
            roles: roles.join(";"),
        }))
    }
}

fn cells(item: &Item, columns: &[&'static ExportColumn]) -> Vec<String> {
    columns.iter().map(|column| item.cell(column.name)).collect()
}

/// Passes lines on in order once all have come, which `None` says.
fn sort(mut lines: mpsc::Receiver<Option<Line>>, out: &mpsc::Sender<Vec<String>>) -> io::Result<()> {
    let mut sorter = Sorter::default();
    loop {
        match lines.blocking_recv() {
            Some(Some(line)) => sorter.push(line)?,
            Some(None) => break,
            None => return Ok(()),
        }
    }
    for line in sorter.sorted()? {
        if out.blocking_send(line?.cells).is_err() {
            break;
        }
    }
    Ok(())
}
