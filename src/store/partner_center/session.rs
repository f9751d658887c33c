//! What rows have to know of the store before anything is changed, read once for all rows of a chunk or a plan: customers
//! by whatever name, their users, SKUs and roles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tenantry_jobs::{CustomerRef, Problem, code};
use tokio::sync::OnceCell;

use super::Halt;
use super::auth::Speaker;
use super::client::{Call, CallError, Client, Operation};
use super::failure::{Class, find};
use super::paging::Pages;
use super::text::{items, number, segment, text};

pub(super) const FIND_CUSTOMER: Operation = Operation::new("search-customers", "GET", Speaker::App);
pub(super) const GET_CUSTOMER: Operation = Operation::new("get-customer", "GET", Speaker::App);
const LIST_USERS: Operation = Operation::new("list-users", "GET", Speaker::AppAndUser);
pub(super) const USER_LICENSES: Operation = Operation::new("get-user-licenses", "GET", Speaker::AppAndUser);
pub(super) const SUBSCRIBED_SKUS: Operation = Operation::new("subscribed-skus", "GET", Speaker::AppAndUser);
const LIST_ROLES: Operation = Operation::new("list-roles", "GET", Speaker::AppAndUser);
pub(super) const USER_ROLES: Operation = Operation::new("list-user-roles", "GET", Speaker::AppAndUser);
/// Users of a page; the service gives no more.
const USERS: &str = "100";
/// Customers whose users are kept at once.
const MOST_DIRECTORIES: usize = 8;

/// A customer as rows need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) id: String,
    /// The primary domain.
    pub(super) domain: String,
    /// All of them; empty where the partner is not let see them.
    pub(super) domains: Vec<String>,
}

/// A user as rows need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) sign_in_name: String,
    pub(super) display_name: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) usage_location: String,
}

impl User {
    fn read(value: &Value) -> Self {
        let owned = |name: &str| text(value, name).to_owned();
        Self {
            id: owned("id"),
            sign_in_name: owned("userPrincipalName"),
            display_name: owned("displayName"),
            first_name: owned("firstName"),
            last_name: owned("lastName"),
            usage_location: owned("usageLocation"),
        }
    }
}

/// A SKU a customer holds seats of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sku {
    pub(super) id: String,
    pub(super) part_number: String,
    pub(super) available: i64,
}

type Cell<T> = Arc<OnceCell<T>>;
type Found<T> = Result<Arc<T>, Problem>;
/// By sign-in name in lower case.
type Users = Arc<HashMap<String, User>>;
/// Ids by name in lower case.
type Roles = Arc<HashMap<String, String>>;

/// What is known so far. Rows that need the same thing at the same time wait for one reading of it.
pub struct Session {
    client: Arc<Client>,
    customers: Mutex<HashMap<String, Cell<Found<Customer>>>>,
    users: Mutex<Vec<(String, Cell<Users>)>>,
    skus: Mutex<HashMap<String, Cell<Arc<Vec<Sku>>>>>,
    roles: Mutex<HashMap<String, Cell<Roles>>>,
}

impl Session {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            customers: Mutex::default(),
            users: Mutex::default(),
            skus: Mutex::default(),
            roles: Mutex::default(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The customer a row names: by tenant GUID or by domain. Partner Center keeps no ids of ours.
    pub(super) async fn customer(&self, named: CustomerRef<'_>) -> Result<Found<Customer>, Halt> {
        let cell = cell_of(&self.customers, &named.as_written().to_lowercase());
        let found = cell.get_or_try_init(|| self.find_customer(named)).await?;
        Ok(found.clone())
    }

    async fn find_customer(&self, named: CustomerRef<'_>) -> Result<Found<Customer>, Halt> {
        let unknown = || {
            Problem::new(
                code::UNKNOWN_CUSTOMER,
                "customer",
                named.as_written(),
                "the tenant GUID or a domain of a customer of this partner",
            )
        };
        let id = match named {
            CustomerRef::Id(id, _) => id.to_string(),
            CustomerRef::Name(name) => match self.customer_of_domain(name).await? {
                Some(id) => id,
                None => return Ok(Err(unknown())),
            },
        };
        let call = Call::new(GET_CUSTOMER, format!("/customers/{}", segment(&id))).of(&id);
        let body = match self.client.read(&call).await {
            Ok(answer) => answer.body,
            // Not found, or no relationship with it: no customer of ours.
            Err(CallError::Answered(failure, _)) if failure.class() == Class::Refused => return Ok(Err(unknown())),
            Err(error) => return Err(Halt::of(error)),
        };
        let domain = find(&body, "companyProfile")
            .map_or("", |profile| text(profile, "domain"))
            .to_lowercase();
        let custom = find(&body, "customDomains").and_then(Value::as_array);
        let domains = custom.map_or(Vec::new(), |custom| {
            let mut all: Vec<String> = custom.iter().filter_map(Value::as_str).map(str::to_lowercase).collect();
            if !all.contains(&domain) {
                all.push(domain.clone());
            }
            all
        });
        Ok(Ok(Arc::new(Customer { id, domain, domains })))
    }

    /// The id of the customer with exactly this domain.
    pub(super) async fn customer_of_domain(&self, domain: &str) -> Result<Option<String>, Halt> {
        let filter = json!({ "Field": "Domain", "Value": domain, "Operator": "starts_with" });
        let first = Call::new(FIND_CUSTOMER, "/customers")
            .query("size", "50")
            .query("filter", filter.to_string());
        let mut pages = Pages::new(FIND_CUSTOMER, first, "", "/customers");
        while let Some(page) = pages.next(&self.client).await.map_err(Halt::of)? {
            let found = page.iter().find(|customer| {
                let profile = find(customer, "companyProfile");
                profile.is_some_and(|profile| text(profile, "domain").eq_ignore_ascii_case(domain))
            });
            if let Some(found) = found {
                return Ok(Some(text(found, "id").to_lowercase()));
            }
        }
        Ok(None)
    }

    /// A customer's users, by sign-in name in lower case.
    pub(super) async fn users(&self, customer: &str) -> Result<Users, Halt> {
        let cell = {
            let mut kept = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, cell)) = kept.iter().find(|(id, _)| id == customer) {
                cell.clone()
            } else {
                if kept.len() >= MOST_DIRECTORIES {
                    kept.remove(0);
                }
                let cell = Cell::default();
                kept.push((customer.to_owned(), cell.clone()));
                cell
            }
        };
        let users = cell.get_or_try_init(|| self.read_users(customer)).await?;
        Ok(users.clone())
    }

    async fn read_users(&self, customer: &str) -> Result<Users, Halt> {
        let mut users = HashMap::new();
        let mut pages = Self::user_pages(customer);
        while let Some(page) = pages.next(&self.client).await.map_err(Halt::of)? {
            for user in page.iter().map(User::read) {
                users.insert(user.sign_in_name.to_lowercase(), user);
            }
        }
        Ok(Arc::new(users))
    }

    pub(super) fn user_pages(customer: &str) -> Pages {
        let path = format!("/customers/{}/users", segment(customer));
        let first = Call::new(LIST_USERS, path.clone()).query("size", USERS);
        Pages::new(LIST_USERS, first, customer, &path)
    }

    /// The user of that name as the store has it now.
    pub(super) async fn user_now(&self, customer: &str, name: &str) -> Result<Option<User>, Halt> {
        let mut pages = Self::user_pages(customer);
        while let Some(page) = pages.next(&self.client).await.map_err(Halt::of)? {
            let named = |user: &&Value| text(user, "userPrincipalName").eq_ignore_ascii_case(name);
            if let Some(user) = page.iter().find(named) {
                return Ok(Some(User::read(user)));
            }
        }
        Ok(None)
    }

    /// The SKUs a customer holds.
    pub(super) async fn skus(&self, customer: &str) -> Result<Arc<Vec<Sku>>, Halt> {
        let cell = cell_of(&self.skus, customer);
        let read = async || {
            let call = Call::new(
                SUBSCRIBED_SKUS,
                format!("/customers/{}/subscribedskus", segment(customer)),
            )
            .query("licenseGroupIds", "Group1")
            .query("licenseGroupIds", "Group2");
            let answer = self.client.read(&call.of(customer)).await.map_err(Halt::of)?;
            let sku = |value: &Value| {
                let product = find(value, "productSku")?;
                Some(Sku {
                    id: text(product, "id").to_lowercase(),
                    part_number: text(product, "skuPartNumber").to_owned(),
                    available: number(value, "availableUnits"),
                })
            };
            Ok::<_, Halt>(Arc::new(items(answer.body).iter().filter_map(sku).collect::<Vec<_>>()))
        };
        let skus = cell.get_or_try_init(read).await?;
        Ok(skus.clone())
    }

    /// The directory roles of a customer: ids by name in lower case.
    pub(super) async fn roles(&self, customer: &str) -> Result<Roles, Halt> {
        let cell = cell_of(&self.roles, customer);
        let read = async || {
            let call = Call::new(LIST_ROLES, format!("/customers/{}/directoryroles", segment(customer)));
            let answer = self.client.read(&call.of(customer)).await.map_err(Halt::of)?;
            let roles = items(answer.body);
            let role = |value: &Value| (text(value, "name").to_lowercase(), text(value, "id").to_owned());
            Ok::<_, Halt>(Arc::new(roles.iter().map(role).collect::<HashMap<_, _>>()))
        };
        let roles = cell.get_or_try_init(read).await?;
        Ok(roles.clone())
    }

    /// The ids of the SKUs a user has licences of.
    pub(super) async fn licenses_now(&self, customer: &str, user: &str) -> Result<Vec<String>, Halt> {
        let path = format!("/customers/{}/users/{}/licenses", segment(customer), segment(user));
        let call = Call::new(USER_LICENSES, path)
            .query("licenseGroupIds", "Group1")
            .query("licenseGroupIds", "Group2");
        let answer = self.client.read(&call.of(customer)).await.map_err(Halt::of)?;
        let sku = |value: &Value| Some(text(find(value, "productSku")?, "id").to_lowercase());
        Ok(items(answer.body).iter().filter_map(sku).collect())
    }

    /// The ids of the roles a user has.
    pub(super) async fn roles_now(&self, customer: &str, user: &str) -> Result<Vec<String>, Halt> {
        let path = format!(
            "/customers/{}/users/{}/directoryroles",
            segment(customer),
            segment(user)
        );
        let answer = self.client.read(&Call::new(USER_ROLES, path).of(customer)).await;
        let roles = items(answer.map_err(Halt::of)?.body);
        Ok(roles.iter().map(|role| text(role, "id").to_lowercase()).collect())
    }
}

fn cell_of<T>(cells: &Mutex<HashMap<String, Cell<T>>>, key: &str) -> Cell<T> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    cells.entry(key.to_owned()).or_default().clone()
}
