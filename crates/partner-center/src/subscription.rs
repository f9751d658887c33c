//! A subscription as Partner Center describes it, in the catalogue's words.

use serde_json::Value;
use tenantry_jobs::{ProductType, SubscriptionStatus};

use super::failure::find;
use super::text::{millis, number, text};
use tenantry_store::removal::{HeldSubscription, RemovalStanding};

/// A subscription, whole: it is changed by being sent back with all its members.
#[derive(Debug, Clone)]
pub(crate) struct Subscription(pub(super) Value);

impl Subscription {
    /// Its GUID, in lower case.
    pub(crate) fn id(&self) -> String {
        text(&self.0, "id").to_lowercase()
    }

    /// The product's name; what the partner calls the subscription where the offer has none.
    pub(crate) fn product(&self) -> &str {
        match text(&self.0, "offerName") {
            "" => text(&self.0, "friendlyName"),
            name => name,
        }
    }

    pub(crate) fn quantity(&self) -> i64 {
        number(&self.0, "quantity")
    }

    /// Where it stands. `none` is what the service says of one that is not set up yet.
    pub(crate) fn status(&self) -> String {
        match text(&self.0, "status").to_lowercase() {
            none if none == "none" => SubscriptionStatus::Pending.as_str().to_owned(),
            other => other,
        }
    }

    pub(crate) fn product_type(&self) -> ProductType {
        product_type(&self.0)
    }

    /// Whether it renews itself, where that is known.
    pub(crate) fn auto_renew(&self) -> &'static str {
        match find(&self.0, "autoRenewEnabled").and_then(Value::as_bool) {
            None => "",
            Some(true) => "yes",
            Some(false) => "no",
        }
    }

    pub(crate) fn partner_id(&self) -> &str {
        text(&self.0, "partnerId")
    }

    pub(crate) fn suspension_reason(&self) -> String {
        let reasons = find(&self.0, "suspensionReasons").and_then(Value::as_array);
        let reasons: Vec<&str> = reasons.into_iter().flatten().filter_map(Value::as_str).collect();
        reasons.join(", ")
    }

    /// When the term ends, in milliseconds.
    pub(crate) fn term_ends(&self) -> Option<i64> {
        millis(&self.0, "commitmentEndDate")
    }

    /// Until when it can be cancelled, in milliseconds.
    pub(crate) fn cancellable_until(&self) -> Option<i64> {
        millis(&self.0, "cancellationAllowedUntilDate")
    }

    /// The subscription of another partner that it was before it was transferred; empty for none.
    pub(super) fn came_from(&self) -> String {
        text(&self.0, "sourceSubscriptionId").to_lowercase()
    }

    /// How it stands to the end of the relationship.
    pub(super) fn standing(&self, now: i64) -> RemovalStanding {
        let held = HeldSubscription {
            product_type: self.product_type(),
            status: &self.status(),
            cancellable_until: self.cancellable_until().unwrap_or(0),
            term_ends: self.term_ends().unwrap_or(0),
            renews: self.auto_renew() != "no",
        };
        held.standing(now)
    }
}

/// What sort of product it is. Only new ones say so; others are told by how they are billed, and by their offer's id,
/// which under new commerce has three parts and under the legacy offers is a GUID or `MS-AZR-…`.
fn product_type(subscription: &Value) -> ProductType {
    let is_of_parts = text(subscription, "offerId").contains(':');
    let said = find(subscription, "productType").map_or("", |product| match product {
        Value::String(word) => word,
        product => text(product, "id"),
    });
    let said = said.to_lowercase();
    match said.as_str() {
        "onlineservicesnce" => ProductType::NewCommerceLicense,
        "azure" if is_of_parts => ProductType::AzurePlan,
        "azure" => ProductType::AzureLegacy,
        _ if text(subscription, "offerId")
            .to_ascii_uppercase()
            .starts_with("MS-AZR-") =>
        {
            ProductType::AzureLegacy
        }
        "software" if text(subscription, "termDuration").is_empty() => ProductType::SoftwarePerpetual,
        "software" => ProductType::SoftwareSubscription,
        said if said.contains("reserv") => ProductType::Reservation,
        said if said.contains("savingsplan") => ProductType::SavingsPlan,
        said if said.contains("saas") || said.contains("marketplace") => ProductType::Marketplace,
        _ if find(subscription, "isMicrosoftProduct").and_then(Value::as_bool) == Some(false) => {
            ProductType::Marketplace
        }
        _ => match (
            text(subscription, "billingType").eq_ignore_ascii_case("usage"),
            is_of_parts,
        ) {
            (true, true) => ProductType::AzurePlan,
            (true, false) => ProductType::AzureLegacy,
            (false, true) => ProductType::NewCommerceLicense,
            (false, false) => ProductType::LegacyLicense,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_sort_of_product_is_told() {
        for (subscription, expected) in [
            (
                json!({ "offerId": "A:0001:B", "productType": { "id": "OnlineServicesNCE" } }),
                "new-commerce-license",
            ),
            (
                json!({ "offerId": "A:0001:B", "billingType": "license" }),
                "new-commerce-license",
            ),
            (
                json!({ "offerId": "031c9e47-4802-4248-838e-778fb1d2cc05", "billingType": "license" }),
                "legacy-license",
            ),
            (
                json!({ "offerId": "MS-AZR-0145P", "billingType": "usage" }),
                "azure-legacy",
            ),
            (
                json!({ "offerId": "A:0001:B", "productType": { "id": "Azure" } }),
                "azure-plan",
            ),
            (json!({ "productType": "OnlineServicesNCE" }), "new-commerce-license"),
            (json!({ "productType": { "id": "AzureReservation" } }), "reservation"),
            (json!({ "productType": { "id": "AzureSavingsPlan" } }), "savings-plan"),
            (json!({ "offerId": "ms-azr-0145p" }), "azure-legacy"),
            (json!({ "productType": { "id": "Software" } }), "software-perpetual"),
            (
                json!({ "productType": { "id": "Software" }, "termDuration": "P3Y" }),
                "software-subscription",
            ),
            (
                json!({ "offerId": "A:0001:B", "isMicrosoftProduct": false }),
                "marketplace",
            ),
        ] {
            assert_eq!(product_type(&subscription).as_str(), expected, "{subscription}");
        }
    }
}
