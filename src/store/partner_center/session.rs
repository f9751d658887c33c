//! What rows have to know of the store before anything is changed, read once for all rows of a chunk or a plan: customers
//! by whatever name, their users, SKUs and roles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tenantry_jobs::{CustomerRef, Problem, code};
use tokio::sync::OnceCell;

use super::Halt;
use super::address::{Judgement, Validator};
use super::auth::Speaker;
use super::client::{Call, CallError, Client, Operation};
use super::failure::{Class, find};
use super::paging::Pages;
use super::steps::{Journal, Step};
use super::text::{items, millis, number, segment, text};
use super::transfers::{Acceptance, Transfer};
use crate::ledger::Ledger;

pub(super) const FIND_CUSTOMER: Operation = Operation::new("search-customers", "GET", Speaker::App);
pub(super) const GET_CUSTOMER: Operation = Operation::new("get-customer", "GET", Speaker::App);
const LIST_USERS: Operation = Operation::new("list-users", "GET", Speaker::AppAndUser);
pub(super) const USER_LICENSES: Operation = Operation::new("get-user-licenses", "GET", Speaker::AppAndUser);
pub(super) const SUBSCRIBED_SKUS: Operation = Operation::new("subscribed-skus", "GET", Speaker::AppAndUser);
const LIST_ROLES: Operation = Operation::new("list-roles", "GET", Speaker::AppAndUser);
const GET_USER: Operation = Operation::new("get-user", "GET", Speaker::AppAndUser);
pub(super) const USER_ROLES: Operation = Operation::new("list-user-roles", "GET", Speaker::AppAndUser);
/// Users of a page; the service gives no more.
const USERS: &str = "100";
/// Directories that are kept whatever their size. Rows of no more customers than half of these take turns.
const DIRECTORIES: usize = 2 * super::CUSTOMERS_AT_ONCE;
/// More of them are kept as long as they have no more users than this together.
const USERS_KEPT: usize = 50_000;

/// A customer as rows need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) id: String,
    /// The primary domain.
    pub(super) domain: String,
    /// All of them; empty where the partner is not let see them.
    pub(super) domains: Vec<String>,
}

impl Customer {
    /// What plans tell it by; they count in numbers.
    pub(super) fn number(&self) -> i64 {
        let folded = |id: uuid::Uuid| {
            let (first, second) = id.as_u64_pair();
            (first ^ second) as i64
        };
        uuid::Uuid::try_parse(&self.id).map_or(0, folded)
    }
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
    /// When it was deleted, in milliseconds since the epoch.
    pub(super) deleted_at: Option<i64>,
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
            deleted_at: millis(value, "softDeletionTime"),
        }
    }

    /// What it was made with, by the names Partner Center has for it.
    pub(super) fn wire(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("userPrincipalName", self.sign_in_name.as_str()),
            ("displayName", self.display_name.as_str()),
            ("firstName", self.first_name.as_str()),
            ("lastName", self.last_name.as_str()),
            ("usageLocation", self.usage_location.as_str()),
        ]
        .into_iter()
    }

    /// A field by its native column; empty for one that is not kept.
    pub(super) fn field(&self, name: &str) -> &str {
        match name {
            "user_principal_name" => &self.sign_in_name,
            "display_name" => &self.display_name,
            "first_name" => &self.first_name,
            "last_name" => &self.last_name,
            "usage_location" => &self.usage_location,
            _ => "",
        }
    }

    /// What people know it by, by native column.
    pub(super) fn person(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("display_name", self.display_name.as_str()),
            ("first_name", self.first_name.as_str()),
            ("last_name", self.last_name.as_str()),
            ("usage_location", self.usage_location.as_str()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }
}

/// A SKU a customer holds seats of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sku {
    pub(super) id: String,
    pub(super) part_number: String,
    /// SKUs of different groups are not assigned in one call.
    pub(super) group: String,
    pub(super) available: i64,
}

type Cell<T> = Arc<OnceCell<T>>;
type Found<T> = Result<Arc<T>, Problem>;
/// By sign-in name in lower case, where there may be several of one name by id too.
type Users = Arc<HashMap<String, User>>;
/// A customer, and whether those of its users are meant that were deleted.
type Whose = (String, bool);
/// Ids by name in lower case.
type Roles = Arc<HashMap<String, String>>;

/// What is known so far. Rows that need the same thing at the same time wait for one reading of it.
pub struct Session {
    client: Arc<Client>,
    ledger: Ledger,
    customers: Mutex<HashMap<String, Cell<Found<Customer>>>>,
    users: Mutex<Vec<(Whose, Cell<Users>)>>,
    skus: Mutex<HashMap<String, Cell<Arc<Vec<Sku>>>>>,
    roles: Mutex<HashMap<String, Cell<Roles>>>,
    transfers: Mutex<HashMap<String, Cell<Arc<Vec<Transfer>>>>>,
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    addresses: Validator,
    acceptances: Vec<Acceptance>,
}

impl Session {
    /// With what rows accept, which is answered together.
    pub(super) fn new(client: Arc<Client>, ledger: Ledger, addresses: Validator, acceptances: Vec<Acceptance>) -> Self {
        Self {
            acceptances,
            client,
            ledger,
            customers: Mutex::default(),
            users: Mutex::default(),
            skus: Mutex::default(),
            roles: Mutex::default(),
            transfers: Mutex::default(),
            turns: Mutex::default(),
            addresses,
        }
    }

    /// Whether an address is one.
    pub(super) async fn judge_address(&self, address: &Value) -> Result<Judgement, Halt> {
        self.addresses.judge(&self.client, address).await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// A step of a row.
    pub(super) fn step<'s>(&'s self, journal: &'s Journal, row: u64, name: &'s str) -> Step<'s> {
        Step {
            client: &self.client,
            journal,
            row,
            name,
            is_unique: false,
        }
    }

    /// Milliseconds since the epoch.
    pub(super) fn now(&self) -> i64 {
        self.ledger.clock().now_millis()
    }

    /// When we last gave a user a password, if that was within a day. Partner Center does not say.
    pub(super) async fn password_set_at(&self, account: &str) -> Result<Option<i64>, Halt> {
        Ok(self.ledger.password_set_at(account).await?)
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
        self.users_of((customer.to_owned(), false)).await
    }

    /// Those of a customer's users that were deleted and can be restored yet, by id and by sign-in name in lower case. Of
    /// several of one name, the last one deleted has it.
    pub(super) async fn deleted_users(&self, customer: &str) -> Result<Users, Halt> {
        self.users_of((customer.to_owned(), true)).await
    }

    async fn users_of(&self, whose: Whose) -> Result<Users, Halt> {
        let cell = {
            let mut kept = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let known = kept.iter().position(|(of, _)| *of == whose);
            // Those that were needed last are at the end.
            let (_, cell) = known.map_or_else(|| (whose.clone(), Cell::default()), |at| kept.remove(at));
            let size = |(_, cell): &(Whose, Cell<Users>)| cell.get().map_or(0, |users| users.len());
            while kept.len() >= DIRECTORIES && kept.iter().map(size).sum::<usize>() > USERS_KEPT {
                kept.remove(0);
            }
            kept.push((whose.clone(), cell.clone()));
            cell
        };
        let users = cell.get_or_try_init(|| self.read_users(&whose)).await?;
        Ok(users.clone())
    }

    async fn read_users(&self, (customer, deleted): &Whose) -> Result<Users, Halt> {
        let mut users: HashMap<String, User> = HashMap::new();
        let mut pages = Self::user_pages(customer, *deleted);
        while let Some(page) = pages.next(&self.client).await.map_err(Halt::of)? {
            for user in page.iter().map(User::read) {
                let name = user.sign_in_name.to_lowercase();
                if *deleted {
                    users.insert(user.id.to_lowercase(), user.clone());
                }
                if users.get(&name).is_none_or(|other| other.deleted_at <= user.deleted_at) {
                    users.insert(name, user);
                }
            }
        }
        Ok(Arc::new(users))
    }

    pub(super) fn user_pages(customer: &str, deleted: bool) -> Pages {
        let path = format!("/customers/{}/users", segment(customer));
        let mut first = Call::new(LIST_USERS, path.clone()).query("size", USERS);
        if deleted {
            let filter = json!({ "Field": "UserState", "Value": "Inactive", "Operator": "equals" });
            first = first.query("filter", filter.to_string());
        }
        Pages::new(LIST_USERS, first, customer, &path)
    }

    /// The user of that id as the store has it now, if it is not deleted.
    pub(super) async fn user_of_id(&self, customer: &str, id: &str) -> Result<Option<User>, Halt> {
        let path = format!("/customers/{}/users/{}", segment(customer), segment(id));
        let answer = self.client.read(&Call::new(GET_USER, path).of(customer)).await;
        match answer {
            Ok(answer) => {
                let is_deleted = text(&answer.body, "state").eq_ignore_ascii_case("inactive");
                Ok((!is_deleted).then(|| User::read(&answer.body)))
            }
            Err(CallError::Answered(failure, _)) if failure.status == 404 => Ok(None),
            Err(error) => Err(Halt::of(error)),
        }
    }

    /// The user of that name as the store has it now.
    pub(super) async fn user_now(&self, customer: &str, name: &str) -> Result<Option<User>, Halt> {
        let mut pages = Self::user_pages(customer, false);
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
                    group: text(product, "licenseGroupId").to_lowercase(),
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
            let role = |value: &Value| {
                // Some still have the names they were made with.
                let name = text(value, "name");
                let name = tenantry_jobs::role(name).unwrap_or(name);
                (name.to_lowercase(), text(value, "id").to_owned())
            };
            Ok::<_, Halt>(Arc::new(roles.iter().map(role).collect::<HashMap<_, _>>()))
        };
        let roles = cell.get_or_try_init(read).await?;
        Ok(roles.clone())
    }

    /// A customer's transfers, as of when they were first asked for.
    pub(super) async fn transfers(&self, customer: &str) -> Result<Arc<Vec<Transfer>>, Halt> {
        let cell = cell_of(&self.transfers, customer);
        let transfers = cell
            .get_or_try_init(|| super::transfers::read_all(self, customer))
            .await?;
        Ok(transfers.clone())
    }

    /// Held by a row while it does something that concerns other rows of the same customer.
    pub(super) fn turn(&self, customer: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
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
