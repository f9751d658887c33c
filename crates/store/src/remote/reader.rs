//! What a remote store holds, as one stream of records by key.
//!
//! A database of ours is read without it: there a list is one snapshot that the database filters and sorts, and a copy
//! reads whole only the records of which it has another version.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tenantry_jobs::{CustomerRef, Export, Matching, SearchField, key};

use super::error::ApplyError;

/// The relationship of a customer with the partner who sells to it.
pub const RESELLER: &str = "reseller";

/// Reads what a store holds. Never more than a few pages are in memory.
pub trait RecordReader: Send + Sync {
    /// Whether we are let in to read, and if not, why.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;

    /// The id of the customer of that name. That there is none is [`StoreError::Rejected`](super::StoreError::Rejected).
    fn customer_id<'a>(&'a self, named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>>;

    /// The records that are asked for. What may not be read is left out and named; anything else that fails ends the
    /// stream.
    fn records(&self, query: Query) -> Records;
}

/// Records, or what of them could not be read.
pub type Records = BoxStream<'static, Result<Result<StoreRecord, Missed>, ApplyError>>;

/// The sorts of records. Besides its own fields any of them may be asked for `external_id`, its customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Customers. Fields: `company_name`, `relationship`, `domains` (all of them, separated by `;`), the columns of billing
    /// profiles, `registration_number`, `associated_partner_id`, `tags`, `users` (how many it has).
    Customer,
    /// Seats that a customer holds of a SKU, whose id is the record's. Fields: `part_number`, `seats`.
    Seats,
    /// Users. Fields: the columns of users, `licenses` (ids of SKUs, separated by `;`), `license_names` (the same by part
    /// number), `roles`, `status`, `block_sign_in` (`yes` or `no`), `flags` and `password_set_at` (copied as they are).
    User,
    /// Subscriptions. Fields: `subscription_id`, `product`, `product_type`, `quantity`, `status`, `suspension_reason`,
    /// `auto_renew` (`yes`, `no` or empty), `term_ends` and `cancellable_until` (milliseconds since the epoch, or empty),
    /// `partner_id_on_record`.
    Subscription,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// What records are of.
    pub kind: RecordKind,
    /// The id of the only customer.
    pub customer: Option<String>,
    /// Which of them, and in which order.
    pub select: Select,
    /// The fields that are wanted. Others may come too, where they cost nothing.
    pub fields: Vec<&'static str>,
}

impl Query {
    /// Whether a field is wanted.
    pub fn wants(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }
}

/// Which records, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// As the store lists them: those of the customers that the filter takes, or of all.
    Listed(Option<Filter>),
    /// By their keys, each once, and only those behind this one; the default key is before all others.
    After(RecordKey),
}

/// A record's key in its store. Keys are in the order of their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The customer's id.
    pub customer: String,
    /// The record's own id; empty for a customer.
    pub id: String,
}

/// A customer, as lists show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerHead {
    /// Its tenant's GUID, in lower case.
    pub id: String,
    /// Its primary domain, in lower case.
    pub domain: String,
    /// Its name.
    pub company_name: String,
    /// Its relationship with us, in lower case, as [`RESELLER`].
    pub relationship: String,
}

/// A record, with those of its fields that were asked for and kept.
#[derive(Debug, Clone)]
pub struct StoreRecord {
    /// The customer it is of, or is.
    pub customer: Arc<CustomerHead>,
    /// Its own id; empty for a customer.
    pub id: String,
    fields: Vec<(&'static str, String)>,
}

impl StoreRecord {
    /// A record with these fields. Those that are not named are empty.
    pub fn new(customer: Arc<CustomerHead>, id: impl Into<String>, fields: Vec<(&'static str, String)>) -> Self {
        Self {
            customer,
            id: id.into(),
            fields,
        }
    }

    /// Its key.
    pub fn key(&self) -> RecordKey {
        RecordKey {
            customer: self.customer.id.clone(),
            id: self.id.clone(),
        }
    }

    /// A field; empty for none.
    pub fn get(&self, field: &str) -> &str {
        let found = self.fields.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// Something that we may not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The customer's id.
    pub customer: String,
    /// The record's own id; `None` for all the records of that sort that the customer has.
    pub id: Option<String>,
    /// Of which customer, or what of it, for people.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Missed {
    /// Comes behind every id there is.
    pub const EVERY_ID: &str = "~";

    /// Where it is among keys: where all of a customer's are missed, behind the last of them.
    pub fn key(&self) -> RecordKey {
        RecordKey {
            customer: self.customer.clone(),
            id: self.id.clone().unwrap_or_else(|| Self::EVERY_ID.to_owned()),
        }
    }
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}

/// Which customers are asked for. Texts are compared by their [keys](key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// A text that they answer to, folded; empty for all.
    search: String,
    /// The same, as a domain has it.
    domain: String,
    /// Whether it was written in ASCII.
    is_ascii: bool,
    field: SearchField,
    matching: Matching,
    relationship: String,
    country: String,
    tag: String,
}

impl Filter {
    /// What the word of files for a customer's relationship with the partner who sells to it is.
    pub const CLOUD_RESELLER: &str = "Cloud Reseller";

    /// The filter of a list. Where it names no relationship, customers are those that the partner sells to.
    pub fn new(export: &Export<'_>) -> Self {
        Self {
            search: key::fold(export.search).into_owned(),
            domain: key::domain(export.search).into_owned(),
            is_ascii: export.search.is_ascii(),
            field: export.field,
            matching: export.matching,
            relationship: match export.relationship.to_lowercase() {
                own if own.is_empty() || own == Self::CLOUD_RESELLER.to_lowercase() => RESELLER.to_owned(),
                other => other,
            },
            country: export.country.to_uppercase(),
            tag: key::fold(export.tag).into_owned(),
        }
    }

    /// The beginning of a name or domain that is searched for, which many services can look for themselves: in ASCII, since
    /// every service folds other letters in its own way.
    pub fn beginning(&self) -> Option<(SearchField, &str)> {
        let is_one = matches!(self.field, SearchField::Name | SearchField::Domain)
            && self.matching == Matching::StartsWith
            && !self.search.is_empty()
            && self.is_ascii;
        is_one.then_some((self.field, &self.search))
    }

    /// Whether a customer is one of those, as far as lists say. `is_searched`: the service itself has looked for the
    /// [beginning](Self::beginning).
    pub fn takes(&self, customer: &CustomerHead, is_searched: bool) -> bool {
        let is_in = |text: &str, value: &str| match self.matching {
            Matching::StartsWith => value.starts_with(text),
            Matching::Contains => value.contains(text),
        };
        let has = |value: &str| is_in(&self.search, &key::fold(value));
        let has_domain = |value: &str| has(value) || is_in(&self.domain, &key::domain(value));
        let found = is_searched
            || self.search.is_empty()
            || match self.field {
                SearchField::Any => has(&customer.company_name) || has_domain(&customer.domain) || has(&customer.id),
                SearchField::Name => has(&customer.company_name),
                SearchField::Domain => has_domain(&customer.domain),
                SearchField::Id => has(&customer.id),
            };
        found && customer.relationship == self.relationship
    }

    /// The fields of customers, besides those that lists show, that it is about.
    pub fn fields(&self) -> Vec<&'static str> {
        let fields = [("country", &self.country), ("tags", &self.tag)];
        let named = fields.iter().filter(|(_, value)| !value.is_empty());
        named.map(|(field, _)| *field).collect()
    }

    /// Whether a customer with these values of [those fields](Self::fields) is one of those.
    pub fn takes_fields<'v>(&self, value: impl Fn(&str) -> &'v str) -> bool {
        let has_tag = || value("tags").split(';').any(|tag| key::fold(tag) == self.tag);
        (self.country.is_empty() || value("country").eq_ignore_ascii_case(&self.country))
            && (self.tag.is_empty() || has_tag())
    }
}
