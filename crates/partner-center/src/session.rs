//! Facts that rows need of the store before anything is changed, read once for all rows of a chunk or a plan: customers
//! by whatever name, their users, SKUs and roles.

mod users;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenantry_jobs::{CustomerRef, OwnSubscription, Problem, code, key};
use tenantry_ledger::PasswordJob;
use tenantry_ledger::intents::DoneStep;
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::users::{Users, Whose};
use super::PartnerCenterError;
use super::address::{Judgement, Validator};
use super::auth::TokenKind;
use super::client::{Call, CallError, Client, Operation};
use super::failure::{FailureClass, find};
use super::image::Image;
use super::paging::ListPages;
use super::records::{Customer, Sku};
use super::steps::Step;
use super::subscription::Subscription;
use super::text::{items, number, segment, text};
use super::transfer::{self, Acceptance, Transfer};
use tenantry_foundation::lock::lock;
use tenantry_store::remote::{Steps, StoreEnv};
use tenantry_store::{Called, Names, company};

pub(super) const FIND_CUSTOMER: Operation = Operation::new("search-customers", "GET", TokenKind::App);
pub(super) const GET_CUSTOMER: Operation = Operation::new("get-customer", "GET", TokenKind::App);
pub(super) const USER_LICENSES: Operation = Operation::new("get-user-licenses", "GET", TokenKind::AppAndUser);
pub(super) const SUBSCRIBED_SKUS: Operation = Operation::new("subscribed-skus", "GET", TokenKind::AppAndUser);
const LIST_ROLES: Operation = Operation::new("list-roles", "GET", TokenKind::AppAndUser);
pub(super) const USER_ROLES: Operation = Operation::new("list-user-roles", "GET", TokenKind::AppAndUser);

/// The kind of job that makes customers, and the step in which it does.
const MADE: (&str, &str) = ("add-customer", "create");
/// How the end of a relationship is noted.
const ENDED: (&str, &str) = ("remove-relationship", "relationship");

/// Pages that are read to tell whose name a text is.
const MOST_PAGES: usize = 4;

type KnownOnce<T> = Arc<OnceCell<T>>;
/// What was found, or that there is no such thing, which is remembered too.
type Found<T> = Result<Arc<T>, Problem>;
/// For suggestions alone: what is done goes by how they are now.
type OwnSubscriptions = KnownOnce<Arc<Vec<OwnSubscription>>>;
/// Ids by name in lower case.
type Roles = Arc<HashMap<String, String>>;

/// What is known so far. Rows that need the same thing at the same time wait for one reading of it.
pub(super) struct Session {
    client: Arc<Client>,
    env: StoreEnv,
    customers: Mutex<HashMap<String, KnownOnce<Found<Customer>>>>,
    users: Mutex<Vec<(Whose, KnownOnce<Users>)>>,
    skus: Mutex<HashMap<String, KnownOnce<Arc<Vec<Sku>>>>>,
    subscriptions: Mutex<HashMap<String, OwnSubscriptions>>,
    /// Products of the subscriptions that were read, by customer and id.
    products: Mutex<HashMap<(String, String), String>>,
    roles: Mutex<HashMap<String, KnownOnce<Roles>>>,
    transfers: Mutex<HashMap<String, KnownOnce<Arc<Vec<Transfer>>>>>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    addresses: Validator,
    acceptances: Vec<Acceptance>,
}

impl Session {
    /// With what rows accept, which is answered together.
    pub(super) fn new(client: Arc<Client>, env: StoreEnv, addresses: Validator, acceptances: Vec<Acceptance>) -> Self {
        Self {
            acceptances,
            client,
            env,
            customers: Mutex::default(),
            users: Mutex::default(),
            skus: Mutex::default(),
            subscriptions: Mutex::default(),
            products: Mutex::default(),
            roles: Mutex::default(),
            transfers: Mutex::default(),
            turns: Mutex::default(),
            addresses,
        }
    }

    /// Whether an address is one.
    pub(super) async fn judge_address(&self, address: &Value) -> Result<Judgement, PartnerCenterError> {
        self.addresses.judge(&self.client, address).await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A step of a row.
    pub(super) fn step<'s>(&'s self, steps: Steps<'s>, name: &'s str) -> Step<'s> {
        Step::new(&self.client, steps, name)
    }

    /// Milliseconds since the epoch.
    pub(super) fn now(&self) -> i64 {
        self.env.now_millis()
    }

    /// When we last gave a user a password, if that was within a day. Partner Center does not say.
    pub(super) async fn password_set_at(&self, account: &str) -> Result<Option<i64>, PartnerCenterError> {
        Ok(self.env.password_set_at(account).await?)
    }

    /// The job that gave a user that password, if it can be told.
    pub(super) async fn password_job(&self, at: i64, user: &str) -> Result<Option<PasswordJob>, PartnerCenterError> {
        Ok(self.env.password_job(at, user).await?)
    }

    /// The customer a row names: by tenant GUID or by domain. Partner Center keeps no ids of ours.
    pub(super) async fn customer(&self, named: CustomerRef<'_>) -> Result<Arc<Customer>, PartnerCenterError> {
        let cell = cell_of(&self.customers, &key::domain(named.as_written()));
        let found = cell
            .get_or_try_init(|| async {
                match read_customer(&self.client, named.looked_up_by()).await? {
                    Err(_) if self.was_made_lately(named.as_written()).await? => {
                        Ok(Err(not_there_yet("customer", named.as_written())))
                    }
                    found => Ok::<_, PartnerCenterError>(found),
                }
            })
            .await?;
        Ok(confirmed(found.clone(), named)?)
    }

    /// Whether a customer of this id or domain was made from here within minutes, and not let go of since. Partner Center's
    /// lists take as long to show it.
    pub(super) async fn was_made_lately(&self, named: &str) -> Result<bool, PartnerCenterError> {
        if named.is_empty() {
            return Ok(false);
        }
        let key = key::domain(named);
        let is_of = |step: &DoneStep| {
            let is_its =
                |image: Image| image.customer.eq_ignore_ascii_case(named) || key::same_domain(&image.domain, named);
            step.result.eq_ignore_ascii_case(named) || Image::decode(&step.image).is_ok_and(is_its)
        };
        Ok(self.env.done_lately(MADE, &key).await?.iter().any(is_of)
            && !self.env.done_lately(ENDED, &key).await?.iter().any(is_of))
    }

    /// The id of the customer with exactly this domain.
    pub(super) async fn customer_of_domain(&self, domain: &str) -> Result<Option<String>, PartnerCenterError> {
        customer_of_domain(&self.client, domain).await
    }

    /// The SKUs a customer holds.
    pub(super) async fn skus(&self, customer: &str) -> Result<Arc<Vec<Sku>>, PartnerCenterError> {
        let cell = cell_of(&self.skus, customer);
        let read = async || {
            let call = Call::new(
                SUBSCRIBED_SKUS,
                format!("/customers/{}/subscribedskus", segment(customer)),
            )
            .query("licenseGroupIds", "Group1")
            .query("licenseGroupIds", "Group2");
            let answer = self
                .client
                .read(&call.of(customer))
                .await
                .map_err(PartnerCenterError::of)?;
            let sku = |value: &Value| {
                let product = find(value, "productSku")?;
                Some(Sku {
                    id: text(product, "id").to_lowercase(),
                    part_number: text(product, "skuPartNumber").to_owned(),
                    group: text(product, "licenseGroupId").to_lowercase(),
                    available: number(value, "availableUnits"),
                })
            };
            Ok::<_, PartnerCenterError>(Arc::new(items(answer.body).iter().filter_map(sku).collect::<Vec<_>>()))
        };
        let skus = cell.get_or_try_init(read).await?;
        Ok(skus.clone())
    }

    /// Remembers what a subscription is, to call it by its name.
    pub(super) fn note_product(&self, customer: &str, subscription: &Subscription) {
        let of = (customer.to_owned(), subscription.id());
        lock(&self.products).insert(of, subscription.product().to_owned());
    }

    /// Where the subscriptions of a customer are remembered.
    pub(super) fn own_subscriptions(&self, customer: &str) -> OwnSubscriptions {
        cell_of(&self.subscriptions, customer)
    }

    /// The directory roles of a customer: ids by name in lower case.
    pub(super) async fn roles(&self, customer: &str) -> Result<Roles, PartnerCenterError> {
        let cell = cell_of(&self.roles, customer);
        let read = async || {
            let call = Call::new(LIST_ROLES, format!("/customers/{}/directoryroles", segment(customer)));
            let answer = self
                .client
                .read(&call.of(customer))
                .await
                .map_err(PartnerCenterError::of)?;
            let roles = items(answer.body);
            let role = |value: &Value| {
                // Some still have the names they were made with.
                let name = text(value, "name");
                let name = tenantry_jobs::role(name).unwrap_or(name);
                (name.to_lowercase(), text(value, "id").to_owned())
            };
            Ok::<_, PartnerCenterError>(Arc::new(roles.iter().map(role).collect::<HashMap<_, _>>()))
        };
        let roles = cell.get_or_try_init(read).await?;
        Ok(roles.clone())
    }

    /// The open transfer of a customer that shows this subscription, as of when transfers were first asked for.
    pub(super) async fn open_transfer_with(
        &self,
        customer: &str,
        subscription: &str,
    ) -> Result<Option<Transfer>, PartnerCenterError> {
        let all = self.transfers(customer).await?;
        let found = all
            .iter()
            .find(|transfer| transfer.status().is_open() && transfer.line(subscription).is_some());
        Ok(found.cloned())
    }

    async fn transfers(&self, customer: &str) -> Result<Arc<Vec<Transfer>>, PartnerCenterError> {
        let cell = cell_of(&self.transfers, customer);
        let read = async || Ok::<_, PartnerCenterError>(Arc::new(transfer::all_now(&self.client, customer).await?));
        let transfers = cell.get_or_try_init(read).await?;
        Ok(transfers.clone())
    }

    /// Held by a row while it does something that concerns other rows of the same customer.
    pub(super) fn turn(&self, customer: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        turns.entry(customer.to_owned()).or_default().clone()
    }

    /// What the rows of the chunk accept.
    pub(super) fn acceptances(&self) -> &[Acceptance] {
        &self.acceptances
    }

    /// Our tenant's GUID, if it is configured as one.
    pub(super) fn own_tenant(&self) -> Option<&str> {
        self.client.own_tenant()
    }

    /// The ids of the SKUs a user has licences of.
    pub(super) async fn licenses_now(&self, customer: &str, user: &str) -> Result<Vec<String>, PartnerCenterError> {
        let path = format!("/customers/{}/users/{}/licenses", segment(customer), segment(user));
        let call = Call::new(USER_LICENSES, path)
            .query("licenseGroupIds", "Group1")
            .query("licenseGroupIds", "Group2");
        let answer = self
            .client
            .read(&call.of(customer))
            .await
            .map_err(PartnerCenterError::of)?;
        let sku = |value: &Value| Some(text(find(value, "productSku")?, "id").to_lowercase());
        Ok(items(answer.body).iter().filter_map(sku).collect())
    }

    /// The ids of the roles a user has.
    pub(super) async fn roles_now(&self, customer: &str, user: &str) -> Result<Vec<String>, PartnerCenterError> {
        let roles = self.roles_of(customer, user).await?;
        Ok(roles.iter().map(|role| text(role, "id").to_lowercase()).collect())
    }

    /// The names of the roles a user has.
    pub(super) async fn role_names_now(&self, customer: &str, user: &str) -> Result<Vec<String>, PartnerCenterError> {
        let roles = self.roles_of(customer, user).await?;
        Ok(roles.iter().map(|role| text(role, "name").to_owned()).collect())
    }

    async fn roles_of(&self, customer: &str, user: &str) -> Result<Vec<Value>, PartnerCenterError> {
        let path = format!(
            "/customers/{}/users/{}/directoryroles",
            segment(customer),
            segment(user)
        );
        let answer = self.client.read(&Call::new(USER_ROLES, path).of(customer)).await;
        Ok(items(answer.map_err(PartnerCenterError::of)?.body))
    }
}

impl Names for Session {
    fn called(&self, customer: &str, subscription: Option<Uuid>) -> Option<Called> {
        let cell = lock(&self.customers).get(key::domain(customer).as_ref()).cloned()?;
        let known = cell.get()?.as_ref().ok()?;
        let of = subscription.map(|id| (known.id.clone(), id.to_string()));
        let product = of.and_then(|of| lock(&self.products).get(&of).cloned());
        (!known.domain.is_empty()).then(|| Called {
            domain: known.domain.clone(),
            name: known.listed_name.clone(),
            product: product.unwrap_or_default(),
        })
    }
}

/// No customer of that name.
pub(super) fn unknown_customer(named: &str) -> Problem {
    of_company(named, Vec::new())
}

/// No customer of that name, though these domains have a company called so.
fn of_company(named: &str, domains: Vec<String>) -> Problem {
    let keys = "id or domain (Partner Center keeps no external ids)";
    company::unknown_customer(named, keys, domains, None)
}

/// A customer that was made from here minutes ago, and is not shown yet.
pub(super) fn not_there_yet(column: &'static str, named: &str) -> Problem {
    let expected = "this customer was made a few minutes ago and Partner Center does not show it yet; the row is right, \
                    so try again in a few minutes";
    Problem::stated(code::NOT_THERE_YET, column, named, expected)
}

/// The customer of that name, where all that names it is of one.
pub(super) async fn find_customer(
    client: &Client,
    named: CustomerRef<'_>,
) -> Result<Arc<Customer>, PartnerCenterError> {
    let found = read_customer(client, named.looked_up_by()).await?;
    Ok(confirmed(found, named)?)
}

/// External ids are not kept there, so that nothing can be said of one.
fn confirmed(found: Found<Customer>, named: CustomerRef<'_>) -> Found<Customer> {
    let customer = found?;
    let domains = std::iter::once(&customer.domain).chain(&customer.domains);
    named.confirm(domains.map(String::as_str), None)?;
    Ok(customer)
}

async fn read_customer(client: &Client, named: CustomerRef<'_>) -> Result<Found<Customer>, PartnerCenterError> {
    let unknown = || unknown_customer(named.as_written());
    let id = match named {
        CustomerRef::Id(id, _) => id.to_string(),
        CustomerRef::Name(name) | CustomerRef::Confirmed { text: name, .. } => {
            match customer_of_domain(client, name).await? {
                Some(id) => id,
                None => return Ok(Err(of_company(name, Box::pin(domains_of_company(client, name)).await?))),
            }
        }
    };
    let call = Call::new(GET_CUSTOMER, format!("/customers/{}", segment(&id))).of(&id);
    let body = match client.read(&call).await {
        Ok(answer) => answer.body,
        // Not found, or no relationship with it: no customer of ours.
        Err(CallError::Answered(failure, _)) if failure.class() == FailureClass::Refused => return Ok(Err(unknown())),
        Err(error) => return Err(PartnerCenterError::of(error)),
    };
    let of_profile = |name: &str| find(&body, "companyProfile").map_or("", |profile| text(profile, name));
    let domain = of_profile("domain").to_lowercase();
    let listed_name = of_profile("companyName").to_owned();
    let custom = find(&body, "customDomains").and_then(Value::as_array);
    let domains = custom.map_or(Vec::new(), |custom| {
        let mut all: Vec<String> = custom.iter().filter_map(Value::as_str).map(str::to_lowercase).collect();
        if !all.contains(&domain) {
            all.push(domain.clone());
        }
        all
    });
    Ok(Ok(Arc::new(Customer {
        id,
        domain,
        domains,
        listed_name,
    })))
}

/// The id of the customer with exactly this domain, however it is written: the service is asked for it as it is given, and
/// then as it stands in the DNS.
async fn customer_of_domain(client: &Client, domain: &str) -> Result<Option<String>, PartnerCenterError> {
    let found = customer_of_domain_as(client, domain).await?;
    let ascii = key::domain(domain);
    if found.is_some() || domain.is_ascii() || !ascii.is_ascii() {
        return Ok(found);
    }
    customer_of_domain_as(client, &ascii).await
}

async fn customer_of_domain_as(client: &Client, domain: &str) -> Result<Option<String>, PartnerCenterError> {
    let filter = json!({ "Field": "Domain", "Value": domain, "Operator": "starts_with" });
    let first = Call::new(FIND_CUSTOMER, "/customers")
        .query("size", "50")
        .query("filter", filter.to_string());
    let mut pages = ListPages::new(FIND_CUSTOMER, first, "", "/customers");
    while let Some(page) = pages.next(client).await.map_err(PartnerCenterError::of)? {
        let found = page.iter().find(|customer| {
            let profile = find(customer, "companyProfile");
            profile.is_some_and(|profile| key::same_domain(text(profile, "domain"), domain))
        });
        if let Some(found) = found {
            return Ok(Some(text(found, "id").to_lowercase()));
        }
    }
    Ok(None)
}

/// The domains of the customers whose company is called so; none where too many begin so to look at them all.
async fn domains_of_company(client: &Client, name: &str) -> Result<Vec<String>, PartnerCenterError> {
    let mut found = Vec::new();
    if name.is_empty() {
        return Ok(found);
    }
    let filter = json!({ "Field": "CompanyName", "Value": name, "Operator": "starts_with" });
    let first = Call::new(FIND_CUSTOMER, "/customers")
        .query("size", "500")
        .query("filter", filter.to_string());
    let mut pages = ListPages::new(FIND_CUSTOMER, first, "", "/customers");
    for _ in 0..MOST_PAGES {
        let Some(page) = pages.next(client).await.map_err(PartnerCenterError::of)? else {
            return Ok(found);
        };
        let profiles = page.iter().filter_map(|customer| find(customer, "companyProfile"));
        let named = profiles.filter(|profile| key::same(text(profile, "companyName"), name));
        found.extend(named.map(|profile| text(profile, "domain").to_lowercase()));
    }
    Ok(Vec::new())
}

fn cell_of<T>(cells: &Mutex<HashMap<String, KnownOnce<T>>>, key: &str) -> KnownOnce<T> {
    let mut cells = lock(cells);
    cells.entry(key.to_owned()).or_default().clone()
}
