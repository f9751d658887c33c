//! Customers to begin with: the same ones for the same seed value.

use serde_json::json;

use super::faults::Dice;
use super::record::{self, CUSTOMER, Resource, SUBSCRIPTION, USER};
use super::state::{count, moment, next_id};
use super::subscriptions::CANCEL_WITHIN;
use super::{PARTNER, Shared, catalogue, seats, users};
use tenantry_foundation::db::{DbError, Tx};
use tenantry_foundation::installation::Installation;

#[rustfmt::skip]
const NAMES: &[&str] = &["Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Juniper", "Larch", "Maple", "Oak", "Pine", "Rowan", "Spruce", "Willow", "Yew"];
const TRADES: &[&str] = &[
    "Bakery",
    "Bikes",
    "Books",
    "Dental",
    "Logistics",
    "Robotics",
    "Schools",
    "Travel",
    "Works",
];
const FIRST: &[&str] = &[
    "Ada",
    "Alan",
    "Barbara",
    "Edsger",
    "Grace",
    "Hedy",
    "Ken",
    "Katherine",
    "Linus",
    "Radia",
];
const LAST: &[&str] = &[
    "Berg", "Costa", "Dupont", "Evans", "Fischer", "Garcia", "Haas", "Ivanova", "Jensen", "Kumar",
];
/// Country, culture, language, state, city and postal code.
const PLACES: &[[&str; 6]] = &[
    ["US", "en-US", "en", "WA", "Seattle", "98101"],
    ["DE", "de-DE", "de", "", "Hamburg", "20095"],
    ["GB", "en-GB", "en", "", "Leeds", "LS1 4AP"],
    ["PT", "pt-PT", "pt-PT", "", "Porto", "4000-001"],
    ["FR", "fr-FR", "fr", "", "Lyon", "69001"],
];
const DAY: i64 = 24 * 3600 * 1000;
/// Customers made in one transaction.
const AT_ONCE: u32 = 100;

/// Makes the customers, unless there are some already.
pub(super) async fn plant(shared: &Shared, customers: u32) -> Result<u32, DbError> {
    let there = shared
        .db
        .read(|tx| count(tx, "SELECT count(*) FROM customers", &[]))
        .await?;
    if there > 0 {
        return Ok(0);
    }
    let mut dice = Dice::new(shared.options.seed_value);
    let (installation, now) = (shared.installation, shared.clock.now_millis());
    let seats = i64::from(shared.options.seats);
    for first in (0..customers).step_by(AT_ONCE as usize) {
        let end = customers.min(first + AT_ONCE);
        dice = shared
            .db
            .write(move |tx| {
                for number in first..end {
                    customer(tx, installation, now, &mut dice, (number, seats))?;
                }
                Ok(dice)
            })
            .await?;
    }
    Ok(customers)
}

fn one_of<'a, T: ?Sized>(dice: &mut Dice, all: &[&'a T]) -> &'a T {
    all[dice.below(all.len() as u64) as usize]
}

fn customer(
    tx: &mut dyn Tx,
    installation: Installation,
    now: i64,
    dice: &mut Dice,
    (number, seats): (u32, i64),
) -> Result<(), DbError> {
    let id = next_id(tx)?;
    let (name, trade) = (one_of(dice, NAMES), one_of(dice, TRADES));
    let domain = format!(
        "{}{}{number}.onmicrosoft.com",
        name.to_lowercase(),
        trade.to_lowercase()
    );
    let company = format!("{name} {trade} {number}");
    let [country, culture, language, state, city, postal_code] = PLACES[dice.below(PLACES.len() as u64) as usize];
    let (first, last) = (one_of(dice, FIRST), one_of(dice, LAST));
    let record = Resource {
        id,
        customer: id,
        version: 1,
        body: json!({
            "id": installation.guid(id),
            "commerceId": installation.guid(next_id(tx)?),
            "companyProfile": { "domain": domain, "companyName": company },
            "billingProfile": {
                "id": installation.guid(next_id(tx)?),
                "firstName": first,
                "lastName": last,
                "email": format!("{}@{domain}", first.to_lowercase()),
                "culture": culture,
                "language": language,
                "companyName": company,
                "defaultAddress": {
                    "country": country, "city": city, "state": state, "postalCode": postal_code,
                    "addressLine1": format!("{} Main Street", 1 + dice.below(200)),
                    "firstName": first, "lastName": last, "phoneNumber": "4255550100",
                },
            },
            "relationshipToPartner": "reseller",
            "allowDelegatedAccess": true,
        }),
    };
    record::insert(tx, &CUSTOMER, &record)?;
    record::add_domain(tx, id, &domain)?;
    let people = 2 + dice.below(6);
    let seats = (id, people as i64 + seats);
    let sku = subscription(tx, installation, now, dice, seats)?;
    for person in 0..people {
        let tenant = Tenant {
            customer: id,
            domain: &domain,
            country,
            sku: &sku,
        };
        user(tx, dice, &tenant, person)?;
    }
    seats::recount(tx, id)?;
    users::count_in(tx, id, people as i64)
}

/// One subscription of a known product, with that many seats; its SKU.
fn subscription(
    tx: &mut dyn Tx,
    installation: Installation,
    now: i64,
    dice: &mut Dice,
    (customer, quantity): (i64, i64),
) -> Result<String, DbError> {
    let product = &catalogue::PRODUCTS[dice.below(catalogue::PRODUCTS.len() as u64) as usize];
    let id = next_id(tx)?;
    let order = next_id(tx)?;
    // Some can still be cancelled, most cannot.
    let began = now - dice.below(300) as i64 * DAY;
    let record = Resource {
        id,
        customer,
        version: 1,
        body: json!({
            "id": installation.guid(id),
            "offerId": product.offer,
            "offerName": product.name,
            "friendlyName": product.name,
            "productType": { "id": "OnlineServicesNCE", "displayName": "OnlineServicesNCE" },
            "quantity": quantity,
            "unitType": "Licenses",
            "creationDate": moment(began),
            "effectiveStartDate": moment(began),
            "commitmentEndDate": moment(began + 365 * DAY),
            "cancellationAllowedUntilDate": moment(began + CANCEL_WITHIN),
            "status": "active",
            "autoRenewEnabled": dice.below(4) > 0,
            "isTrial": false,
            "billingType": "license",
            "billingCycle": "monthly",
            "termDuration": "P1Y",
            "partnerId": "",
            "contractType": "subscription",
            "orderId": installation.guid(order).simple().to_string(),
            "_productType": "new-commerce-license",
            "_partner": PARTNER,
            "_skuId": product.sku_id,
            "_partNumber": product.part_number,
        }),
    };
    record::insert(tx, &SUBSCRIPTION, &record)?;
    seats::add_seats(tx, customer, product.sku_id, product.part_number, quantity)?;
    Ok(product.sku_id.to_owned())
}

/// What the users of a customer share.
struct Tenant<'t> {
    customer: i64,
    domain: &'t str,
    country: &'t str,
    /// What most of them have a licence for.
    sku: &'t str,
}

fn user(tx: &mut dyn Tx, dice: &mut Dice, tenant: &Tenant<'_>, number: u64) -> Result<(), DbError> {
    let id = next_id(tx)?;
    let (first, last) = (one_of(dice, FIRST), one_of(dice, LAST));
    let licensed = dice.below(3) > 0;
    let record = Resource {
        id,
        customer: tenant.customer,
        version: 1,
        body: json!({
            "userPrincipalName": format!("{}.{}{number}@{}", first.to_lowercase(), last.to_lowercase(), tenant.domain),
            "displayName": format!("{first} {last}"),
            "firstName": first,
            "lastName": last,
            "usageLocation": tenant.country,
            "_licenses": if licensed { tenant.sku } else { "" },
            "_roles": if number == 0 { "Global Administrator" } else { "" },
            "_flags": 0,
        }),
    };
    record::insert(tx, &USER, &record)
}
