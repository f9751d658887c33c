//! A customer as Partner Center describes it, in the columns' words.

use serde_json::Value;

use super::super::failure::find;
use super::super::text::text;

/// A customer, as lists show it and, if that was read, whole.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// The tenant's GUID, in lower case.
    pub(crate) id: String,
    pub(crate) domain: String,
    pub(crate) company_name: String,
    pub(crate) relationship: String,
    pub(super) whole: Option<Value>,
}

impl Listed {
    pub(super) fn of(value: &Value) -> Self {
        let profile = find(value, "companyProfile");
        let of_profile = |name: &str| profile.map_or("", |profile| text(profile, name)).to_owned();
        Self {
            id: text(value, "id").to_lowercase(),
            domain: of_profile("domain").to_lowercase(),
            company_name: of_profile("companyName"),
            relationship: text(value, "relationshipToPartner").to_lowercase(),
            whole: None,
        }
    }

    /// A customer of whom only the id is known.
    pub(crate) fn of_id(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            domain: id.to_owned(),
            company_name: String::new(),
            relationship: String::new(),
            whole: None,
        }
    }

    /// A field that only the whole customer has, by the column's name; empty where it was not read.
    pub(crate) fn detail(&self, column: &str) -> &str {
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
    pub(crate) fn domains(&self) -> Vec<String> {
        let custom = self.whole.as_ref().and_then(|whole| find(whole, "customDomains"));
        let custom = custom.and_then(Value::as_array).into_iter().flatten();
        let mut all: Vec<String> = custom.filter_map(Value::as_str).map(str::to_lowercase).collect();
        if !all.contains(&self.domain) {
            all.push(self.domain.clone());
        }
        all
    }
}
