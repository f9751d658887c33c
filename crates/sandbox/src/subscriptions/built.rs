//! A subscription as it is made, by an order or by the seed: what it is of, for which term, and what follows from that.

use serde_json::{Value as Json, json};

use crate::catalogue::{self, Product, ProductSort, guid_of};
use crate::reply::{Refused, refuse};
use crate::state::{after_term, millis, moment};

const DAY: i64 = 24 * 3600 * 1000;
/// How long licences for a term can be cancelled or reduced.
pub(crate) const CANCEL_WITHIN: i64 = 7 * DAY;
/// When what has no term ends.
const NEVER: &str = "9999-12-10T00:00:00Z";

/// What a new subscription is of.
pub(crate) struct NewSubscription<'a> {
    pub(crate) offer: &'a str,
    /// What the customer calls it; empty for the product's name.
    pub(crate) name: &'a str,
    pub(crate) quantity: i64,
    pub(crate) order: &'a str,
    pub(crate) terms: Terms,
    pub(crate) partner_id: &'a str,
    pub(crate) promotion: &'a str,
    /// The subscription it is an add-on to, or empty.
    pub(crate) parent: &'a str,
    pub(crate) partner: &'a str,
    pub(crate) begins: i64,
}

/// For how long, and how it is billed meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) cycle: String,
    pub(crate) term: String,
}

/// Billing cycles, and the shortest term that each fits into, in months.
const CYCLES: &[(&str, u32)] = &[
    ("monthly", 1),
    ("annual", 12),
    ("triennial", 36),
    ("one_time", 0),
    ("none", 0),
];

/// A billing cycle as it is answered, however it was written.
pub(crate) fn cycle_of(text: &str) -> Option<&'static str> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let found = CYCLES.iter().find(|(cycle, _)| plain(cycle) == plain(text));
    found.map(|(cycle, _)| *cycle)
}

fn months(term: &str) -> u32 {
    match term {
        "P1M" => 1,
        "P1Y" => 12,
        _ => 36,
    }
}

impl Terms {
    /// As ordered, of an offer; empty texts mean what is usual.
    pub(crate) fn ordered(offer: &str, cycle: &str, term: &str) -> Result<Self, Refused> {
        let sort = catalogue::sort_of(offer);
        let known = catalogue::by_offer(offer).map(Product::terms);
        let terms = known.unwrap_or(match sort {
            ProductSort::License => &["P1M", "P1Y", "P3Y"],
            _ => &["P1Y"],
        });
        let cycle = match cycle {
            "" => "monthly",
            given => {
                cycle_of(given).ok_or_else(|| refuse(400, 900_269, "The billing cycle is invalid.").about([given]))?
            }
        };
        let term = term.to_ascii_uppercase();
        let term = match (sort, term.as_str()) {
            (ProductSort::AzurePlan | ProductSort::AzureLegacy, _) => String::new(),
            (_, "") => "P1Y".to_owned(),
            (ProductSort::License | ProductSort::Software, given) if !terms.contains(&given) => {
                return Err(refuse(400, 800_121, "The term duration provided is invalid.").about([given]));
            }
            (_, given) => given.to_owned(),
        };
        let least = CYCLES
            .iter()
            .find(|(known, _)| *known == cycle)
            .map_or(0, |(_, least)| *least);
        if sort == ProductSort::License && least > months(&term) {
            return Err(refuse(
                400,
                900_270,
                "The billing cycle cannot be longer than the term.",
            ));
        }
        Ok(Self {
            cycle: cycle.to_owned(),
            term,
        })
    }
}

/// The last day of a term, and its last second.
fn ends(new: &NewSubscription<'_>) -> (String, String) {
    if new.terms.term.is_empty() {
        return (NEVER.to_owned(), NEVER.to_owned());
    }
    let end = after_term(new.begins, &new.terms.term).unwrap_or(new.begins);
    let day = end - end.rem_euclid(DAY);
    (moment(day), moment(day + DAY - 1000))
}

/// How many seats can be given back until when: a note of our own.
pub(crate) const REFUNDS: &str = "_refunds";

/// The subscription of that GUID.
pub(crate) fn body(new: &NewSubscription<'_>, guid: &str) -> Json {
    let product = catalogue::by_offer(new.offer);
    let sort = catalogue::sort_of(new.offer);
    let first = |texts: &[&str]| (*texts.iter().find(|text| !text.is_empty()).unwrap_or(&"")).to_owned();
    // Whatever is billed as Azure is called that.
    let unnamed = if sort == ProductSort::AzureLegacy {
        "Microsoft Azure"
    } else {
        ""
    };
    let name = product.map_or(unnamed, |product| product.name);
    let (day, second) = ends(new);
    let by_use = new.terms.term.is_empty();
    let mut body = json!({
        "id": guid,
        "offerId": new.offer,
        "offerName": first(&[name, new.name, new.offer]),
        "friendlyName": first(&[new.name, name, new.offer]),
        "quantity": if by_use { 1 } else { new.quantity },
        "unitType": if by_use { "Usage-based" } else { "Licenses" },
        "hasPurchasableAddons": catalogue::PRODUCTS.iter().any(|one| one.add_on_to.is_some_and(|to| to.eq_ignore_ascii_case(new.offer))),
        "creationDate": moment(new.begins),
        "effectiveStartDate": moment(new.begins),
        "commitmentEndDate": day,
        "commitmentEndDateTime": second,
        "status": "active",
        "autoRenewEnabled": !by_use,
        "isTrial": false,
        "billingType": if by_use { "usage" } else { "license" },
        "billingCycle": new.terms.cycle,
        "isMicrosoftProduct": true,
        "partnerId": new.partner_id,
        "attentionNeeded": false,
        "actionTaken": false,
        "contractType": "subscription",
        "publisherName": "Microsoft Corporation",
        "orderId": new.order,
        "_partner": new.partner,
        "_skuId": product.map_or("", |product| product.sku_id),
        "_partNumber": product.map_or("", |product| product.part_number),
    });
    let mut put = |name: &str, value: Json| body[name] = value;
    for (name, text) in [("parentSubscriptionId", new.parent), ("promotionId", new.promotion)] {
        if !text.is_empty() {
            put(name, text.into());
        }
    }
    let until = new.begins + CANCEL_WITHIN;
    let (kind, product_type) = match sort {
        ProductSort::License => ("new-commerce-license", Some("OnlineServicesNCE")),
        ProductSort::Software => ("software-subscription", Some("Software")),
        ProductSort::AzurePlan => ("azure-plan", Some("Azure")),
        ProductSort::AzureLegacy => ("azure-legacy", None),
        ProductSort::LegacyLicense => ("legacy-license", None),
    };
    put("_productType", kind.into());
    if let Some(id) = product_type {
        put("productType", json!({ "id": id, "displayName": id }));
        put("termDuration", new.terms.term.as_str().into());
        put("renewalTermDuration", "".into());
    }
    if matches!(sort, ProductSort::License | ProductSort::Software) {
        put("cancellationAllowedUntilDate", moment(until).into());
        put(
            REFUNDS,
            json!([{ "quantity": new.quantity, "allowedUntilDateTime": moment(until) }]),
        );
    }
    if sort == ProductSort::AzureLegacy {
        put(
            "entitlementId",
            guid_of(&format!("entitlement {guid}")).to_string().into(),
        );
    }
    body
}

/// Seats that can still be given back, the oldest first.
pub(crate) fn refunds(body: &Json, now: i64) -> Vec<(i64, String)> {
    let all = body[REFUNDS].as_array().into_iter().flatten();
    let open = all.filter_map(|one| {
        let until = one["allowedUntilDateTime"].as_str()?;
        (millis(until)? >= now).then(|| (one["quantity"].as_i64().unwrap_or(0), until.to_owned()))
    });
    open.filter(|(quantity, _)| *quantity > 0).collect()
}
