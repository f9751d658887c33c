//! Reading what Partner Center holds: customers, and their subscriptions, users and SKUs, as streams of which never more
//! than a few pages are in memory.
//!
//! Lists say little of each customer, and less of each user. What else is wanted of it costs a call, or two; these are made
//! for several at once, and the order stays that of the list. A customer that does not let us read (no delegated
//! access, or the relationship has just ended) is left out and named; anything else that fails ends the reading.

mod customer;
mod left_out;
mod listing;
mod request;

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tenantry_jobs::{CustomerRef, Problem};
use tokio::task::JoinSet;

pub(crate) use customer::Listed;
pub(crate) use left_out::{LeftOut, Missed};
pub(crate) use request::Listing;

use super::auth::Speaker;
use super::client::{Answer, Call, CallError, Client, Operation};
use super::failure::find;
use super::paging::Pages;
use super::session::{FIND_CUSTOMER, GET_CUSTOMER, SUBSCRIBED_SKUS, Session, USER_LICENSES, USER_ROLES};
use super::subscription::Subscription;
use super::text::{items, number, segment, text};
use super::{Halt, PartnerCenter};
use crate::db::DbError;
use crate::ledger::{Installation, Ledger};
use crate::store::kit::sorter::Sorter;

const LIST_CUSTOMERS: Operation = Operation::new("list-customers", "GET", Speaker::App);
const LIST_SUBSCRIPTIONS: Operation = Operation::new("list-subscriptions", "GET", Speaker::App);
/// Customers of a page; the service gives no more.
const CUSTOMERS: &str = "500";

/// What a call was for, or what could not be read instead.
pub(crate) type Read<T> = Result<Result<T, Missed>, Halt>;
pub(crate) type Stream<T> = BoxStream<'static, Read<T>>;

/// A user, as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct UserOf {
    pub(crate) customer: Arc<Listed>,
    /// Its GUID, in lower case.
    pub(crate) id: String,
    value: Value,
}

impl UserOf {
    pub(crate) fn text(&self, name: &str) -> &str {
        text(&self.value, name)
    }
}

/// Seats a customer holds of a SKU.
#[derive(Debug, Clone)]
pub(crate) struct SeatsOf {
    pub(crate) sku_id: String,
    pub(crate) part_number: String,
    pub(crate) seats: i64,
}

/// A licence a user has.
#[derive(Debug, Clone)]
pub(crate) struct License {
    pub(crate) sku_id: String,
    pub(crate) part_number: String,
}

/// Reads lists; clones share connections, tokens and pace.
#[derive(Clone)]
pub(crate) struct Reader {
    client: Arc<Client>,
    at_once: usize,
}

impl PartnerCenter {
    /// What tells it, as this partner sees it, from every other store.
    pub(crate) fn origin(&self) -> Installation {
        self.origin
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader {
            client: self.client.clone(),
            at_once: self.concurrency,
        }
    }

    /// The list a row or a command asks for, or why there is none.
    pub(crate) async fn listing(
        &self,
        session: &Session,
        export: &tenantry_jobs::Export<'_>,
    ) -> Result<Result<Listing, Problem>, Halt> {
        let customer = match export.customer {
            None => None,
            Some(named) => match session.customer(named).await? {
                Ok(customer) => Some(customer.id.clone()),
                Err(problem) => return Ok(Err(problem)),
            },
        };
        Ok(Listing::new(export, customer))
    }

    /// The id of the customer of that name.
    pub(crate) async fn customer_id(
        &self,
        ledger: &Ledger,
        named: CustomerRef<'_>,
    ) -> Result<Result<String, Problem>, Halt> {
        let found = self.session(ledger, &[]).customer(named).await?;
        Ok(found.map(|customer| customer.id.clone()))
    }
}

impl Reader {
    /// Calls on their way at once.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    async fn ask(&self, call: Call) -> Result<Answer, CallError> {
        let client = self.client.clone();
        by_itself(async move { client.read(&call).await }).await?
    }

    fn items(&self, pages: Pages) -> BoxStream<'static, Result<Value, CallError>> {
        let client = self.client.clone();
        let read = move |mut pages: Pages| {
            let client = client.clone();
            async move {
                let read = async move { (pages.next(&client).await, pages) };
                let (page, pages) = by_itself(read).await?;
                Ok::<_, CallError>(page?.map(|items| (stream::iter(items.into_iter().map(Ok)), pages)))
            }
        };
        stream::try_unfold(pages, read).try_flatten().boxed()
    }

    /// The customers there are, or those that a filter of the service's own selects: its field and the beginning of the
    /// value.
    pub(crate) fn customers(&self, filter: Option<(&'static str, &str)>) -> BoxStream<'static, Result<Listed, Halt>> {
        let (operation, filter) = match filter {
            None => (LIST_CUSTOMERS, None),
            Some((field, value)) => {
                let filter = json!({ "Field": field, "Value": value, "Operator": "starts_with" });
                (FIND_CUSTOMER, Some(filter.to_string()))
            }
        };
        let mut first = Call::new(operation, "/customers").query("size", CUSTOMERS);
        if let Some(filter) = filter {
            first = first.query("filter", filter);
        }
        let pages = Pages::new(operation, first, "", "/customers");
        self.items(pages)
            .map(|item| item.map(|value| Listed::of(&value)).map_err(Halt::of))
            .boxed()
    }

    /// The customer of that id, whole.
    pub(crate) async fn customer(&self, id: &str) -> Read<Listed> {
        let call = Call::new(GET_CUSTOMER, format!("/customers/{}", segment(id))).of(id);
        match self.ask(call).await {
            Ok(answer) => Ok(Ok(Listed {
                whole: Some(answer.body.clone()),
                ..Listed::of(&answer.body)
            })),
            Err(error) => Missed::of(format!("customer {id}"), error).map(Err),
        }
    }

    /// All of a customer that was listed.
    pub(super) async fn whole(&self, listed: Listed) -> Read<Listed> {
        let name = format!("customer {}", listed.domain);
        let read = self.customer(&listed.id).await?;
        Ok(read.map_err(|missed| Missed { what: name, ..missed }))
    }

    /// A customer's users.
    pub(crate) fn users(&self, customer: &Arc<Listed>) -> Stream<UserOf> {
        let customer = customer.clone();
        let users = self.items(Session::user_pages(&customer.id, false));
        let read = move |item: Result<Value, CallError>| match item {
            Ok(value) => Ok(Ok(UserOf {
                customer: customer.clone(),
                id: text(&value, "id").to_lowercase(),
                value,
            })),
            Err(error) => Missed::of(format!("users of {}", customer.domain), error).map(Err),
        };
        users.map(read).boxed()
    }

    /// All customers by their ids, each once.
    pub(crate) async fn customers_by_id(&self) -> Result<BoxStream<'static, Result<Listed, Halt>>, Halt> {
        let mut sorter = Sorter::default();
        let mut listed = self.customers(None);
        while let Some(customer) = listed.try_next().await? {
            let Listed {
                id,
                domain,
                company_name,
                relationship,
                ..
            } = customer;
            sorter
                .push((id, domain, company_name, relationship))
                .map_err(|error| unsorted(&error))?;
        }
        let mut last = String::new();
        let each_once = sorter
            .sorted()
            .map_err(|error| unsorted(&error))?
            .filter(move |customer| {
                // A list that changes while it is read may show one twice.
                let Ok((id, ..)) = customer else { return true };
                let is_new = *id != last;
                last.clone_from(id);
                is_new
            });
        let listed = |(id, domain, company_name, relationship)| Listed {
            id,
            domain,
            company_name,
            relationship,
            whole: None,
        };
        Ok(stream::iter(each_once)
            .map_ok(listed)
            .map_err(|error| unsorted(&error))
            .boxed())
    }

    /// A customer's users by their ids.
    pub(crate) async fn users_by_id(&self, customer: Arc<Listed>) -> Read<BoxStream<'static, Result<UserOf, Halt>>> {
        let mut sorter = Sorter::default();
        let mut users = self.users(&customer);
        while let Some(user) = users.try_next().await? {
            match user {
                Ok(user) => sorter
                    .push((user.id, user.value.to_string()))
                    .map_err(|error| unsorted(&error))?,
                Err(missed) => return Ok(Err(missed)),
            }
        }
        let sorted = sorter.sorted().map_err(|error| unsorted(&error))?;
        let user = move |entry: std::io::Result<(String, String)>| {
            let (id, text) = entry?;
            Ok(UserOf {
                customer: customer.clone(),
                id,
                value: serde_json::from_str(&text)?,
            })
        };
        Ok(Ok(stream::iter(sorted.map(user))
            .map_err(|error| unsorted(&error))
            .boxed()))
    }

    /// A user's licences.
    pub(crate) async fn licenses(&self, user: &UserOf) -> Read<Vec<License>> {
        let customer = &user.customer.id;
        let path = format!("/customers/{}/users/{}/licenses", segment(customer), segment(&user.id));
        let call = both_groups(Call::new(USER_LICENSES, path)).of(customer);
        match self.ask(call).await {
            Ok(answer) => {
                let license = |value: &Value| {
                    let product = find(value, "productSku")?;
                    Some(License {
                        sku_id: text(product, "id").to_lowercase(),
                        part_number: text(product, "skuPartNumber").to_owned(),
                    })
                };
                Ok(Ok(items(answer.body).iter().filter_map(license).collect()))
            }
            Err(error) => Missed::of(format!("user {}", user.text("userPrincipalName")), error).map(Err),
        }
    }

    /// The names of a user's roles, in order.
    pub(crate) async fn roles(&self, user: &UserOf) -> Read<Vec<String>> {
        let customer = &user.customer.id;
        let path = format!(
            "/customers/{}/users/{}/directoryroles",
            segment(customer),
            segment(&user.id)
        );
        match self.ask(Call::new(USER_ROLES, path).of(customer)).await {
            Ok(answer) => {
                let roles = items(answer.body);
                let mut names: Vec<String> = roles.iter().map(|role| text(role, "name").to_owned()).collect();
                names.sort_unstable();
                Ok(Ok(names))
            }
            Err(error) => Missed::of(format!("user {}", user.text("userPrincipalName")), error).map(Err),
        }
    }

    /// What a customer has subscribed to. The service gives it whole: there are few.
    pub(crate) async fn subscriptions(&self, customer: &Arc<Listed>) -> Read<Vec<Subscription>> {
        let path = format!("/customers/{}/subscriptions", segment(&customer.id));
        let call = Call::new(LIST_SUBSCRIPTIONS, path).of(&customer.id);
        match self.ask(call).await {
            Ok(answer) => Ok(Ok(items(answer.body).into_iter().map(Subscription).collect())),
            Err(error) => Missed::of(format!("subscriptions of {}", customer.domain), error).map(Err),
        }
    }

    /// The SKUs a customer holds seats of.
    pub(crate) async fn seats(&self, customer: &Listed) -> Read<Vec<SeatsOf>> {
        let path = format!("/customers/{}/subscribedskus", segment(&customer.id));
        let call = both_groups(Call::new(SUBSCRIBED_SKUS, path)).of(&customer.id);
        match self.ask(call).await {
            Ok(answer) => {
                let seats = |value: &Value| {
                    let product = find(value, "productSku")?;
                    Some(SeatsOf {
                        sku_id: text(product, "id").to_lowercase(),
                        part_number: text(product, "skuPartNumber").to_owned(),
                        seats: number(value, "totalUnits"),
                    })
                };
                Ok(Ok(items(answer.body).iter().filter_map(seats).collect()))
            }
            Err(error) => Missed::of(format!("seats of {}", customer.domain), error).map(Err),
        }
    }
}

/// Has something done that goes on whether or not it is waited for: a stream is polled only by who wants more of it, and
/// a call that nobody polls would keep its place among the calls at once, which the others wait for.
async fn by_itself<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, CallError> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(done)) => Ok(done),
        Some(Err(error)) => Err(CallError::NotSent(error.to_string())),
        None => Err(CallError::NotSent("the call has gone".to_owned())),
    }
}

fn unsorted(error: &std::io::Error) -> Halt {
    Halt::Db(DbError::Elsewhere(format!("a list could not be sorted: {error}")))
}

/// SKUs come in two groups, of which the service shows only the first unless asked.
fn both_groups(call: Call) -> Call {
    call.query("licenseGroupIds", "Group1")
        .query("licenseGroupIds", "Group2")
}
