//! Reading what Partner Center holds: customers, and their subscriptions, users and SKUs, as streams of which never more
//! than a few pages are in memory.
//!
//! Lists say little of each customer, and less of each user. What else is wanted of it costs a call, or two; these are made
//! for several at once, and the order stays that of the list. A customer that does not let us read (no delegated
//! access, or the relationship has just ended) is left out and named; anything else that fails ends the reading.

mod by_key;
mod customer;
mod listed;

use std::sync::Arc;

use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenantry_jobs::CustomerRef;
use tokio::task::JoinSet;

use self::customer::{Listed, head_of};
use super::auth::TokenKind;
use super::client::{Answer, Call, CallError, Client, Operation};
use super::failure::{FailureClass, find};
use super::paging::ListPages;
use super::session::{FIND_CUSTOMER, GET_CUSTOMER, SUBSCRIBED_SKUS, Session, USER_LICENSES, USER_ROLES, find_customer};
use super::subscription::Subscription;
use super::text::{items, number, segment, text};
use super::{PartnerCenter, PartnerCenterError, TITLE, kinds};
use tenantry_store::kit::sorter::Sorter;
use tenantry_store::reader::{
    CustomerHead, Missed, Query, RecordKey, RecordKind, RecordReader, Records, Select, StoreRecord,
};
use tenantry_store::remote::ApplyError;

const LIST_CUSTOMERS: Operation = Operation::new("list-customers", "GET", TokenKind::App);
const LIST_SUBSCRIPTIONS: Operation = Operation::new("list-subscriptions", "GET", TokenKind::App);
/// Customers of a page; the service gives no more.
const CUSTOMERS: &str = "500";

/// What a call was for, or what could not be read instead.
type OrMissed<T> = Result<Result<T, Missed>, PartnerCenterError>;
type Stream<T> = BoxStream<'static, OrMissed<T>>;

/// A user, as lists show it.
#[derive(Debug, Clone)]
struct UserOf {
    customer: Arc<CustomerHead>,
    /// Its GUID, in lower case.
    id: String,
    shown: ShownUser,
}

/// What a list shows of a user, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct ShownUser {
    name: String,
    display_name: String,
    first_name: String,
    last_name: String,
    usage_location: String,
    state: String,
}

impl ShownUser {
    fn read(value: &Value) -> Self {
        let text = |name: &str| text(value, name).to_owned();
        Self {
            name: text("userPrincipalName"),
            display_name: text("displayName"),
            first_name: text("firstName"),
            last_name: text("lastName"),
            usage_location: text("usageLocation"),
            state: text("state").to_lowercase(),
        }
    }
}

impl UserOf {
    /// It cannot be read.
    fn missed(&self, error: CallError) -> Result<Missed, PartnerCenterError> {
        let what = format!("user {}", self.shown.name);
        missed(&self.customer, Some(&self.id), what, error)
    }
}

/// A licence a user has.
#[derive(Debug, Clone)]
struct License {
    sku_id: String,
    part_number: String,
}

impl License {
    /// What people call it.
    fn name(&self) -> &str {
        match self.part_number.as_str() {
            "" => &self.sku_id,
            part_number => part_number,
        }
    }
}

/// Reads lists; clones share connections, tokens and pace.
#[derive(Clone)]
pub(super) struct PartnerCenterReader {
    client: Arc<Client>,
    at_once: usize,
}

impl PartnerCenter {
    pub(super) fn records(&self) -> PartnerCenterReader {
        PartnerCenterReader {
            client: self.client.clone(),
            at_once: self.concurrency,
        }
    }
}

impl RecordReader for PartnerCenterReader {
    fn title(&self) -> &str {
        TITLE
    }

    fn unkept(&self, kind: RecordKind) -> &'static [&'static str] {
        kinds::unkept(kind)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            for token_kind in [TokenKind::App, TokenKind::AppAndUser] {
                let checked = self.client.check(token_kind).await;
                checked.map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        .boxed()
    }

    fn customer_key<'a>(&'a self, named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>> {
        async move {
            let found = find_customer(&self.client, named).await?;
            Ok(found.id.clone())
        }
        .boxed()
    }

    fn records(&self, query: Query) -> Records {
        let records = match query.select.clone() {
            // The service sorts nothing.
            Select::Listed { filter, .. } => self.listed(query, filter),
            // It knows of no versions.
            Select::After { key, .. } => self.by_key(query, key),
        };
        records.map_err(ApplyError::from).boxed()
    }
}

impl PartnerCenterReader {
    async fn ask(&self, call: Call) -> Result<Answer, CallError> {
        let client = self.client.clone();
        by_itself(async move { client.read(&call).await }).await?
    }

    fn items(&self, pages: ListPages) -> BoxStream<'static, Result<Value, CallError>> {
        let client = self.client.clone();
        let read = move |mut pages: ListPages| {
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
    fn customers(
        &self,
        filter: Option<(&'static str, &str)>,
    ) -> BoxStream<'static, Result<CustomerHead, PartnerCenterError>> {
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
        let pages = ListPages::new(operation, first, "", "/customers");
        self.items(pages)
            .map(|item| item.map(|value| head_of(&value)).map_err(PartnerCenterError::of))
            .boxed()
    }

    /// The customer of that id, whole.
    async fn customer(&self, id: &str) -> OrMissed<Listed> {
        let call = Call::new(GET_CUSTOMER, format!("/customers/{}", segment(id))).of(id);
        match self.ask(call).await {
            Ok(answer) => Ok(Ok(Listed::whole(answer.body))),
            Err(error) => {
                let head = CustomerHead {
                    id: id.to_owned(),
                    ..CustomerHead::default()
                };
                missed(&head, Some(""), format!("customer {id}"), error).map(Err)
            }
        }
    }

    /// All of a customer that was listed.
    async fn whole(&self, listed: CustomerHead) -> OrMissed<Listed> {
        let what = format!("customer {}", listed.domain);
        let read = self.customer(&listed.id).await?;
        Ok(read.map_err(|missed| Missed { what, ..missed }))
    }

    /// A customer's users.
    fn users(&self, customer: &Arc<CustomerHead>) -> Stream<UserOf> {
        let customer = customer.clone();
        let users = self.items(Session::user_pages(&customer.id, false));
        let read = move |item: Result<Value, CallError>| match item {
            Ok(value) => Ok(Ok(UserOf {
                customer: customer.clone(),
                id: text(&value, "id").to_lowercase(),
                shown: ShownUser::read(&value),
            })),
            Err(error) => missed(&customer, None, format!("users of {}", customer.domain), error).map(Err),
        };
        users.map(read).boxed()
    }

    /// All customers by their ids, each once.
    async fn customers_by_id(
        &self,
    ) -> Result<BoxStream<'static, Result<CustomerHead, PartnerCenterError>>, PartnerCenterError> {
        let mut sorter = Sorter::default();
        let mut listed = self.customers(None);
        while let Some(customer) = listed.try_next().await? {
            let CustomerHead {
                id,
                domain,
                company_name,
                relationship,
                ..
            } = customer;
            sorter
                .push((id, domain, company_name, relationship))
                .map_err(PartnerCenterError::Unsorted)?;
        }
        let mut last = String::new();
        let each_once = sorter
            .sorted()
            .map_err(PartnerCenterError::Unsorted)?
            .filter(move |customer| {
                // A list that changes while it is read may show one twice.
                let Ok((id, ..)) = customer else { return true };
                let is_new = *id != last;
                last.clone_from(id);
                is_new
            });
        let listed = |(id, domain, company_name, relationship)| CustomerHead {
            id,
            domain,
            company_name,
            relationship,
            number: None,
        };
        Ok(stream::iter(each_once)
            .map_ok(listed)
            .map_err(PartnerCenterError::Unsorted)
            .boxed())
    }

    /// A customer's users by their ids.
    async fn users_by_id(
        &self,
        customer: Arc<CustomerHead>,
    ) -> OrMissed<BoxStream<'static, Result<UserOf, PartnerCenterError>>> {
        let mut sorter = Sorter::default();
        let mut users = self.users(&customer);
        while let Some(user) = users.try_next().await? {
            match user {
                Ok(user) => sorter
                    .push((user.id, user.shown))
                    .map_err(PartnerCenterError::Unsorted)?,
                Err(missed) => return Ok(Err(missed)),
            }
        }
        let sorted = sorter.sorted().map_err(PartnerCenterError::Unsorted)?;
        let user = move |entry: std::io::Result<(String, ShownUser)>| {
            let (id, shown) = entry?;
            Ok(UserOf {
                customer: customer.clone(),
                id,
                shown,
            })
        };
        Ok(Ok(stream::iter(sorted.map(user))
            .map_err(PartnerCenterError::Unsorted)
            .boxed()))
    }

    /// A user's licences.
    async fn licenses(&self, user: &UserOf) -> OrMissed<Vec<License>> {
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
            Err(error) => user.missed(error).map(Err),
        }
    }

    /// The names of a user's roles, in order.
    async fn roles(&self, user: &UserOf) -> OrMissed<Vec<String>> {
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
            Err(error) => user.missed(error).map(Err),
        }
    }

    /// A user as a record, with its licences and roles if they are asked for.
    async fn user(&self, user: UserOf, query: Arc<Query>) -> OrMissed<StoreRecord> {
        let licenses = async {
            if query.wants("licenses") || query.wants("license_names") {
                self.licenses(&user).await
            } else {
                Ok(Ok(Vec::new()))
            }
        };
        let roles = async {
            if query.wants("roles") {
                self.roles(&user).await
            } else {
                Ok(Ok(Vec::new()))
            }
        };
        let (licenses, roles) = match future::try_join(licenses, roles).await? {
            (Ok(licenses), Ok(roles)) => (licenses, roles),
            (Err(missed), _) | (_, Err(missed)) => return Ok(Err(missed)),
        };
        let sorted = |mut names: Vec<&str>| {
            names.sort_unstable();
            names.join(";")
        };
        let shown = user.shown;
        let fields = vec![
            ("user_principal_name", shown.name),
            ("display_name", shown.display_name),
            ("first_name", shown.first_name),
            ("last_name", shown.last_name),
            ("usage_location", shown.usage_location),
            ("status", shown.state),
            (
                "licenses",
                sorted(licenses.iter().map(|one| one.sku_id.as_str()).collect()),
            ),
            ("license_names", sorted(licenses.iter().map(License::name).collect())),
            ("roles", roles.join(";")),
        ];
        Ok(Ok(StoreRecord::new(
            user.customer.clone(),
            key(&user.customer, &user.id),
            fields,
        )))
    }

    /// What a customer has subscribed to. The service gives it whole: there are few.
    async fn subscriptions(&self, customer: &Arc<CustomerHead>) -> OrMissed<Vec<Subscription>> {
        let path = format!("/customers/{}/subscriptions", segment(&customer.id));
        let call = Call::new(LIST_SUBSCRIPTIONS, path).of(&customer.id);
        match self.ask(call).await {
            Ok(answer) => Ok(Ok(items(answer.body).into_iter().map(Subscription).collect())),
            Err(error) => missed(customer, None, format!("subscriptions of {}", customer.domain), error).map(Err),
        }
    }

    /// The SKUs a customer holds seats of, by their ids.
    async fn seats(&self, customer: &Arc<CustomerHead>) -> OrMissed<Vec<StoreRecord>> {
        let path = format!("/customers/{}/subscribedskus", segment(&customer.id));
        let call = both_groups(Call::new(SUBSCRIBED_SKUS, path)).of(&customer.id);
        match self.ask(call).await {
            Ok(answer) => {
                let seats = |value: &Value| {
                    let product = find(value, "productSku")?;
                    let fields = vec![
                        ("part_number", text(product, "skuPartNumber").to_owned()),
                        ("seats", number(value, "totalUnits").to_string()),
                    ];
                    let key = key(customer, &text(product, "id").to_lowercase());
                    Some(StoreRecord::new(customer.clone(), key, fields))
                };
                let mut all: Vec<StoreRecord> = items(answer.body).iter().filter_map(seats).collect();
                all.sort_by(|one, other| one.key.cmp(&other.key));
                Ok(Ok(all))
            }
            Err(error) => missed(customer, None, format!("seats of {}", customer.domain), error).map(Err),
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

/// Only what is refused is left out: anything else is not the customer's doing.
fn missed(
    customer: &CustomerHead,
    id: Option<&str>,
    what: String,
    error: CallError,
) -> Result<Missed, PartnerCenterError> {
    match error {
        CallError::Answered(failure, _)
            if matches!(failure.class(), FailureClass::Refused | FailureClass::Forbidden) =>
        {
            Ok(Missed {
                customer: customer.id.clone(),
                id: id.map(str::to_owned),
                what,
                why: failure.to_string(),
            })
        }
        error => Err(PartnerCenterError::of(error)),
    }
}

/// The key of a customer's record of that id.
fn key(customer: &CustomerHead, id: &str) -> RecordKey {
    RecordKey::new(&*customer.id, id)
}

/// A subscription as a record.
fn subscription(customer: &Arc<CustomerHead>, one: &Subscription) -> StoreRecord {
    let time = |time: Option<i64>| time.map_or(String::new(), |millis| millis.to_string());
    let fields = vec![
        ("subscription_id", one.id()),
        ("product", one.product().to_owned()),
        ("product_type", one.product_type().as_str().to_owned()),
        ("quantity", one.quantity().to_string()),
        ("status", one.status()),
        ("suspension_reason", one.suspension_reason()),
        ("auto_renew", one.auto_renew().to_owned()),
        ("term_ends", time(one.term_ends())),
        ("cancellable_until", time(one.cancellable_until())),
        ("partner_id_on_record", one.partner_id().to_owned()),
    ];
    StoreRecord::new(customer.clone(), key(customer, &one.id()), fields)
}

/// SKUs come in two groups, of which the service shows only the first unless asked.
fn both_groups(call: Call) -> Call {
    call.query("licenseGroupIds", "Group1")
        .query("licenseGroupIds", "Group2")
}
