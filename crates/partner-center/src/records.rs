//! Customers, users and SKUs, as much of them as rows need.

use serde_json::Value;

use super::text::{millis, text};
use tenantry_store::Touch;

/// A customer as rows need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) id: String,
    /// The primary domain.
    pub(super) domain: String,
    /// All of them; empty where the partner is not let see them.
    pub(super) domains: Vec<String>,
    /// What lists call it: the company profile's name, which no partner changes. Empty where it was not read.
    pub(super) listed_name: String,
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

    /// Users of it that a row touches, of those that it has.
    pub(super) fn touch(&self, users: u64, of: u64) -> Touch {
        Touch {
            customer: self.number(),
            domain: self.domain.clone(),
            users,
            of,
        }
    }
}

/// Where a user is found: under its customer, by its id.
#[derive(Clone, Copy)]
pub(super) struct UserPath<'u> {
    pub(super) customer: &'u Customer,
    pub(super) id: &'u str,
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
    pub(super) fn read(value: &Value) -> Self {
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
