//! The records of a store, as one stream by key: exports, lists and copies are made of it, whichever store it is.
//!
//! A query says which records are wanted, in which order, and how many. A store that can have its database filter and sort
//! does so, and says it ([`RecordReader::sorts`]). The records of any other store are sorted by the caller ([`crate::listing`]).
//! A caller that copies says which versions it has ([`KnownVersions`]), so that a store that gives versions reads the others alone.

mod filter;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tenantry_foundation::db::DbError;
use tenantry_jobs::CustomerRef;
use tenantry_ledger::Installation;

pub use self::filter::Filter;
use super::error::ApplyError;

/// The relationship of a customer with the partner who sells to it.
pub const RESELLER: &str = "reseller";

/// Reads what a store holds. Never more than a few pages are in memory.
pub trait RecordReader: Send + Sync {
    /// What people call the store, as `Partner Center`.
    fn title(&self) -> &str;

    /// Fields of records that the store does not keep: they are not asked of it, and copies keep what they have.
    fn unkept(&self, _kind: RecordKind) -> &'static [&'static str] {
        &[]
    }

    /// Whether the store keeps such a field.
    fn keeps(&self, kind: RecordKind, field: &str) -> bool {
        !self.unkept(kind).contains(&field)
    }

    /// Whether listed records come in the [order](Select::Listed) that is asked for. Otherwise they come as the store has them.
    fn sorts(&self) -> bool {
        false
    }

    /// Whether records have to be asked for over a network, one by one.
    fn is_far(&self) -> bool {
        true
    }

    /// Whether we are let in to read, and if not, why.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;

    /// The key of the customer of that name. That there is none is [`StoreError::Rejected`](crate::remote::StoreError::Rejected).
    fn customer_key<'a>(&'a self, named: CustomerRef<'a>) -> BoxFuture<'a, Result<String, ApplyError>>;

    /// The records that are asked for. What may not be read is left out and named; anything else that fails ends the
    /// stream.
    fn records(&self, query: Query) -> Records;
}

/// A store to copy from.
#[derive(Clone)]
pub struct Source {
    /// What tells it from every other.
    pub installation: Installation,
    /// What it is read by.
    pub reader: Arc<dyn RecordReader>,
}

/// Records, or what of them could not be read.
pub type Records = BoxStream<'static, Result<ReadRecord, ApplyError>>;

/// A record, or why it could not be read.
pub type ReadRecord = Result<StoreRecord, Missed>;

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
#[derive(Clone)]
pub struct Query {
    /// What records are of.
    pub kind: RecordKind,
    /// The key of the only customer.
    pub customer: Option<String>,
    /// Which of them, and in which order.
    pub select: Select,
    /// The fields that are wanted. Others may come too, where they cost nothing.
    pub fields: Vec<&'static str>,
    /// No more records than this are wanted, though more may come; `None` for all.
    pub limit: Option<u64>,
}

impl Query {
    /// Whether a field is wanted.
    pub fn wants(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }
}

/// Which records, and in which order.
#[derive(Clone)]
pub enum Select {
    /// As lists show them, all as they were at one moment where the store can do that.
    Listed {
        /// Those of the customers that it takes; `None` for those of all.
        filter: Option<Filter>,
        /// The order; `None` leaves it to the store.
        order: Option<Order>,
    },
    /// By their keys, each once.
    After {
        /// Only those behind this one; the default key is before all others.
        key: RecordKey,
        /// What the caller has of them already; `None` for nothing.
        known: Option<Arc<dyn KnownVersions>>,
    },
}

/// An order of records: by a field, then as the store has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The field; `id` and `domain` are the customer's.
    pub field: &'static str,
    /// Whether the last value comes first.
    pub descending: bool,
}

/// Versions of records that the caller has already. Such a record need not be read again where the store gives versions.
pub trait KnownVersions: Send + Sync {
    /// Those of the records behind `after` and up to `until`, or to the end of all.
    fn between(
        &self,
        after: RecordKey,
        until: Option<RecordKey>,
    ) -> BoxFuture<'static, Result<HashMap<RecordKey, i64>, DbError>>;
}

/// A record's key in its store. Keys are in the order of their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// In a database the record's number, of seats their customer's; in a service the customer's id.
    pub id: String,
    /// In a database empty, of seats the SKU's id; in a service the record's own id, empty for a customer.
    pub part: String,
}

impl RecordKey {
    /// The key of these parts.
    pub fn new(id: impl Into<String>, part: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            part: part.into(),
        }
    }
}

/// A customer, as lists show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerHead {
    /// Its key in the store, where that is not its tenant's GUID.
    pub number: Option<String>,
    /// Its tenant's GUID, in lower case.
    pub id: String,
    /// Its primary domain, in lower case.
    pub domain: String,
    /// Its name.
    pub company_name: String,
    /// Its relationship with us, in lower case, as [`RESELLER`].
    pub relationship: String,
}

impl CustomerHead {
    /// Its key in the store, without a part.
    pub fn key(&self) -> &str {
        self.number.as_deref().unwrap_or(&self.id)
    }
}

/// A record, with those of its fields that were asked for and kept.
#[derive(Debug, Clone)]
pub struct StoreRecord {
    /// The customer it is of, or is. Of records by key it may have nothing but its key.
    pub customer: Arc<CustomerHead>,
    /// Its key.
    pub key: RecordKey,
    /// Its version, where the store gives versions: another one whenever it was changed.
    pub version: Option<i64>,
    /// Whether it was not read, because this version is [known](KnownVersions). It has no fields then.
    pub is_known: bool,
    fields: Vec<(&'static str, String)>,
}

impl StoreRecord {
    /// A record of that key with these fields. Those that are not named are empty.
    pub fn new(customer: Arc<CustomerHead>, key: RecordKey, fields: Vec<(&'static str, String)>) -> Self {
        Self {
            customer,
            key,
            version: None,
            is_known: false,
            fields,
        }
    }

    /// A field; empty for none.
    pub fn get(&self, field: &str) -> &str {
        let found = self.fields.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Takes a field out, which is looked for at a position first; empty for none.
    pub(crate) fn take(&mut self, field: &str, at: usize) -> String {
        let is_there = self.fields.get(at).is_some_and(|(name, _)| *name == field);
        let at = if is_there {
            Some(at)
        } else {
            self.fields.iter().position(|(name, _)| *name == field)
        };
        at.map_or_else(String::new, |at| std::mem::take(&mut self.fields[at].1))
    }
}

/// Something that we may not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The customer's key.
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
        RecordKey::new(&*self.customer, self.id.as_deref().unwrap_or(Self::EVERY_ID))
    }
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}
