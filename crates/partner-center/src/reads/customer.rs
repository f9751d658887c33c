//! A customer as Partner Center describes it, in the columns' words.

use std::sync::Arc;

use serde_json::Value;

use super::super::failure::find;
use super::super::text::text;
use tenantry_store::reader::{CustomerHead, StoreRecord};

/// The fields that only the whole customer has.
const DETAILS: [&str; 14] = [
    "first_name",
    "last_name",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "postal_code",
    "country",
    "culture",
    "language",
    "registration_number",
    "associated_partner_id",
];

/// A customer, as lists show it.
pub(super) fn head_of(value: &Value) -> CustomerHead {
    let profile = find(value, "companyProfile");
    let of_profile = |name: &str| profile.map_or("", |profile| text(profile, name)).to_owned();
    CustomerHead {
        id: text(value, "id").to_lowercase(),
        domain: of_profile("domain").to_lowercase(),
        company_name: of_profile("companyName"),
        relationship: text(value, "relationshipToPartner").to_lowercase(),
        number: None,
    }
}

/// A customer, as lists show it and, if that was read, whole.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) head: Arc<CustomerHead>,
    whole: Option<Value>,
}

impl From<CustomerHead> for Listed {
    fn from(head: CustomerHead) -> Self {
        Self {
            head: Arc::new(head),
            whole: None,
        }
    }
}

impl Listed {
    /// A customer as it describes itself.
    pub(super) fn whole(value: Value) -> Self {
        Self {
            head: Arc::new(head_of(&value)),
            whole: Some(value),
        }
    }

    /// As a record, with this many users, if that is known.
    pub(super) fn record(&self, users: Option<u64>) -> StoreRecord {
        let head = &self.head;
        let mut fields = vec![
            ("company_name", head.company_name.clone()),
            ("relationship", head.relationship.clone()),
        ];
        if self.whole.is_some() {
            fields.extend(DETAILS.map(|name| (name, self.detail(name).to_owned())));
            fields.push(("domains", self.domains().join(";")));
        }
        fields.extend(users.map(|users| ("users", users.to_string())));
        StoreRecord::new(head.clone(), super::key(head, ""), fields)
    }

    /// A field that only the whole customer has, by the column's name; empty where it was not read.
    pub(super) fn detail(&self, column: &str) -> &str {
        let profile = |name: &str| self.whole.as_ref().and_then(|whole| find(whole, name));
        let billing = |name| profile("billingProfile").map_or("", |billing| text(billing, name));
        let address = |name| {
            let address = profile("billingProfile").and_then(|billing| find(billing, "defaultAddress"));
            address.map_or("", |address| text(address, name))
        };
        match column {
            "first_name" => billing("firstName"),
            "last_name" => billing("lastName"),
            "email" => billing("email"),
            "culture" => billing("culture"),
            "language" => billing("language"),
            "phone" => address("phoneNumber"),
            "address_line1" => address("addressLine1"),
            "address_line2" => address("addressLine2"),
            "city" => address("city"),
            "state" => address("state"),
            "postal_code" => address("postalCode"),
            "country" => address("country"),
            "registration_number" => {
                profile("companyProfile").map_or("", |company| text(company, "organizationRegistrationNumber"))
            }
            "associated_partner_id" => self
                .whole
                .as_ref()
                .map_or("", |whole| text(whole, "associatedPartnerId")),
            _ => "",
        }
    }

    /// All of its domains that are known, the primary one among them.
    fn domains(&self) -> Vec<String> {
        let custom = self.whole.as_ref().and_then(|whole| find(whole, "customDomains"));
        let custom = custom.and_then(Value::as_array).into_iter().flatten();
        let mut all: Vec<String> = custom.filter_map(Value::as_str).map(str::to_lowercase).collect();
        if !all.contains(&self.head.domain) {
            all.push(self.head.domain.clone());
        }
        all
    }
}
