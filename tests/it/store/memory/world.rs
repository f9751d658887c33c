//! What the store in memory holds: records of a few sorts, each a customer's and made of texts.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use tenantry_jobs::{CustomerRef, Holdings, Naming, OwnSubscription, Problem, code};
use tenantry_store::remote::StoreError;
use uuid::Uuid;

use super::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sort {
    Customer,
    Sku,
    User,
    Subscription,
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(super) sort: Sort,
    pub(super) id: String,
    /// The id of the customer it belongs to, or its own.
    pub(super) customer: String,
    fields: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.get("user_state") == "deleted"
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.sort == Sort::User && self.get("user_principal_name").eq_ignore_ascii_case(name)
    }

    /// The entries of a list.
    pub(super) fn list(&self, field: &str) -> Vec<&str> {
        self.get(field).split(';').filter(|one| !one.is_empty()).collect()
    }
}

/// What a call is to do: fields of one record, from what they were to what they are to be. It is kept with the step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) sort: Sort,
    /// The record; the id it is to have, if it is new.
    pub(super) id: String,
    pub(super) customer: String,
    /// The customer's domain, and the user's name.
    pub(super) domain: String,
    pub(super) name: String,
    pub(super) is_new: bool,
    /// Field, old and new value. Where both are the same, the field has to be so for this to be taken back.
    pub(super) fields: Vec<(String, String, String)>,
}

impl Image {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("an image is plain data")
    }

    pub(super) fn sets(&self, field: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(name, ..)| name == field);
        found.map(|(_, _, new)| new.as_str())
    }

    pub(super) fn old(&self, field: &str) -> &str {
        let found = self.fields.iter().find(|(name, ..)| name == field);
        found.map_or("", |(_, old, _)| old.as_str())
    }

    pub(super) fn sets_password(&self) -> bool {
        self.sets("password").is_some() || (self.is_new && self.sort == Sort::User)
    }
}

/// Everything there is.
#[derive(Default)]
pub(crate) struct World {
    pub(super) records: Vec<Record>,
    /// What calls were answered, by their request ids.
    answered: HashMap<Uuid, String>,
    pub(super) faults: VecDeque<Fault>,
    /// Calls that had an effect.
    pub(crate) effects: u64,
    made: u128,
}

impl World {
    pub(super) fn fresh_id(&self) -> String {
        Uuid::from_u128(0x3e3e_3e3e_0000_4000_8000_0000_0000_0000 + self.made).to_string()
    }

    /// Makes a record; its id.
    pub(crate) fn add(&mut self, sort: Sort, customer: &str, fields: &[(&str, &str)]) -> String {
        let id = self.fresh_id();
        self.made += 1;
        self.records.push(Record {
            sort,
            id: id.clone(),
            customer: if customer.is_empty() {
                id.clone()
            } else {
                customer.to_owned()
            },
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        });
        id
    }

    /// Answers a call: does what it asks, unless that was done before, or it is to go wrong.
    pub(super) fn call(&mut self, id: Uuid, image: &Image) -> Result<String, StoreError> {
        let fault = self.faults.pop_front();
        if let Some(Fault::Before(error)) = fault {
            return Err(error);
        }
        let target = if let Some(target) = self.answered.get(&id) {
            target.clone()
        } else {
            let target = self.write(image);
            self.effects += 1;
            self.answered.insert(id, target.clone());
            target
        };
        match fault {
            Some(Fault::After(error)) => Err(error),
            _ => Ok(target),
        }
    }

    fn write(&mut self, image: &Image) -> String {
        if image.is_new {
            let fields: Vec<_> = image
                .fields
                .iter()
                .map(|(name, _, new)| (name.as_str(), new.as_str()))
                .collect();
            let customer = if image.sort == Sort::Customer {
                ""
            } else {
                &image.customer
            };
            return self.add(image.sort, customer, &fields);
        }
        self.made += 1;
        let stamp = self.made.to_string();
        let found = self.records.iter_mut().find(|record| record.id == image.id);
        let record = found.expect("nothing is ever taken away");
        for (name, _, new) in &image.fields {
            let new = if name == "password" { &stamp } else { new };
            record.fields.insert(name.clone(), new.clone());
        }
        image.id.clone()
    }

    pub(super) fn of(&self, sort: Sort) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.sort == sort)
    }

    pub(super) fn record(&self, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.id == id)
    }

    pub(super) fn customer(&self, named: CustomerRef<'_>) -> Result<&Record, Problem> {
        let text = named.as_written();
        let is_it = |one: &&Record| one.id.eq_ignore_ascii_case(text) || one.get("domain").eq_ignore_ascii_case(text);
        let unknown = || {
            Problem::new(
                code::UNKNOWN_CUSTOMER,
                "customer",
                text,
                "the id or domain of a customer",
            )
        };
        let found = self.of(Sort::Customer).find(is_it).ok_or_else(unknown)?;
        named.confirm([found.get("domain")], None)?;
        Ok(found)
    }

    /// The user of that name, or the deleted one.
    pub(super) fn holdings(&self, customer: CustomerRef<'_>, naming: Naming) -> Option<Holdings> {
        let customer = self.customer(customer).ok()?;
        let own = |sort| self.of(sort).filter(|one| one.customer == customer.id);
        let get = |one: &Record, field| one.get(field).to_owned();
        let subscription = |one: &Record| OwnSubscription {
            id: one.id.clone(),
            product: get(one, "product"),
            status: get(one, "status"),
        };
        let sku = |one: &Record| (get(one, "part_number"), get(one, "sku_id"));
        Some(match naming {
            Naming::Subscription => Holdings::Subscriptions(own(Sort::Subscription).map(subscription).collect()),
            Naming::Sku => Holdings::Skus(own(Sort::Sku).map(sku).collect()),
        })
    }

    pub(super) fn user(&self, customer: &Record, name: &str) -> Option<&Record> {
        let named = || {
            self.of(Sort::User)
                .filter(|one| one.customer == customer.id && one.is_named(name))
        };
        named().find(|one| !one.is_deleted()).or_else(|| named().next())
    }

    /// Users of the customer.
    pub(super) fn users(&self, customer: &Record) -> u64 {
        let own = self
            .of(Sort::User)
            .filter(|one| one.customer == customer.id && !one.is_deleted());
        own.count() as u64
    }

    /// The SKU of that name or id, which the customer holds.
    pub(super) fn sku(&self, customer: &str, name: &str) -> Option<&Record> {
        let own = |one: &&Record| one.customer == customer;
        let is_it = |one: &&Record| {
            one.get("part_number").eq_ignore_ascii_case(name) || one.get("sku_id").eq_ignore_ascii_case(name)
        };
        self.of(Sort::Sku).filter(own).find(is_it)
    }

    /// Seats that users of its customer have.
    pub(crate) fn assigned(&self, sku: &Record) -> usize {
        let has = |user: &&Record| {
            user.customer == sku.customer && !user.is_deleted() && user.list("licenses").contains(&sku.get("sku_id"))
        };
        self.of(Sort::User).filter(has).count()
    }

    pub(super) fn free(&self, sku: &Record) -> i64 {
        let seats: i64 = sku.get("seats").parse().unwrap_or_default();
        seats - self.assigned(sku) as i64
    }

    /// The names of SKUs for their ids.
    pub(super) fn license_names(&self, user: &Record) -> String {
        let name = |id| self.sku(&user.customer, id).map_or(id, |sku| sku.get("part_number"));
        user.list("licenses")
            .into_iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(";")
    }

    /// The id of the customer of this domain.
    pub(crate) fn customer_in(&self, domain: &str) -> String {
        let found = self.of(Sort::Customer).find(|one| one.get("domain") == domain);
        found.expect("the customer").id.clone()
    }

    /// Everything, a line for each record, as of every store under test.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |one: &Record| {
            let get = |field| one.get(field);
            let domain = self.record(&one.customer).map_or("", |customer| customer.get("domain"));
            match one.sort {
                Sort::Customer => format!(
                    "customer {}: {}, {} {}, {}, {}, {}, {}, {} {} {}, {}",
                    get("domain"),
                    get("company_name"),
                    get("first_name"),
                    get("last_name"),
                    get("email"),
                    get("phone"),
                    get("address_line1"),
                    get("address_line2"),
                    get("postal_code"),
                    get("city"),
                    get("country"),
                    get("relationship"),
                ),
                Sort::Sku => format!(
                    "seats {domain}: {} {} of {}",
                    get("part_number"),
                    self.assigned(one),
                    get("seats")
                ),
                Sort::User if one.is_deleted() => {
                    format!("deleted {}: {}", get("user_principal_name"), get("display_name"))
                }
                Sort::User => format!(
                    "user {}: {}, {} {}, {}, {}, {}",
                    get("user_principal_name"),
                    get("display_name"),
                    get("first_name"),
                    get("last_name"),
                    get("usage_location"),
                    self.license_names(one),
                    get("roles"),
                ),
                Sort::Subscription => format!(
                    "subscription {}: {domain}, {}, {}",
                    one.id,
                    get("quantity"),
                    get("status")
                ),
            }
        };
        self.records.iter().map(line).collect()
    }

    /// Users with what tells one password from the next.
    pub(crate) fn passwords(&self) -> Vec<String> {
        let line = |one: &Record| format!("{} {}", one.get("user_principal_name"), one.get("password"));
        self.of(Sort::User).map(line).collect()
    }
}
