//! Customers to begin with: the same ones for the same seed value.

use serde_json::json;

use super::faults::Dice;
use super::orders::{self, ORDER};
use super::record::{self, CUSTOMER, Resource, SUBSCRIPTION, USER};
use super::state::{count, next_id};
use super::subscriptions::built::{self, NewSubscription, Terms};
use super::{PARTNER, Shared, catalogue, documents, seats, users};
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
    let mut seller = Seller {
        tx: &mut *tx,
        installation,
        customer: &record,
        now,
    };
    let quantity = people as i64 + seats;
    let product = dice.below(catalogue::LICENSES as u64) as usize;
    // Some can still be cancelled, most cannot.
    let began = dice.below(300) as i64;
    let renews = dice.below(4) > 0;
    let first = &catalogue::PRODUCTS[product];
    seller.sell(&Sale {
        offer: first.offer,
        quantity,
        days: began,
        terms: ("monthly", "P1Y"),
        renews,
    })?;
    let mut sku = first.sku_id.to_owned();
    if catalogue::group_of_sku(&sku) != "group1" {
        // Licences of the first group are what everybody asks about.
        let usual = &catalogue::PRODUCTS[catalogue::EXCHANGE];
        seller.sell(&Sale {
            offer: usual.offer,
            quantity,
            days: began,
            terms: ("monthly", "P1Y"),
            renews,
        })?;
        usual.sku_id.clone_into(&mut sku);
    }
    for sale in MORE[number as usize % MORE.len()] {
        if sale.offer != first.offer {
            seller.sell(sale)?;
        }
    }
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

/// Something that a customer bought.
struct Sale {
    offer: &'static str,
    quantity: i64,
    /// How many days ago.
    days: i64,
    /// Billing cycle and term.
    terms: (&'static str, &'static str),
    renews: bool,
}

const fn sale(offer: &'static str, quantity: i64, days: i64, terms: (&'static str, &'static str)) -> Sale {
    Sale {
        offer,
        quantity,
        days,
        terms,
        renews: true,
    }
}

/// What customers have besides their first subscription, in turn: every sort and term there is, and sometimes nothing.
const MORE: &[&[Sale]] = &[
    &[sale("SBX000000003:0001:SBX00000000C", 4, 12, ("monthly", "P1M"))],
    &[sale("DZH318Z0BPS6:0001:DZH318Z0BMXB", 1, 90, ("monthly", ""))],
    &[],
    &[
        sale("031c9e47-4802-4248-838e-778fb1d2cc05", 5, 200, ("monthly", "P1Y")),
        sale("MS-AZR-0145P", 1, 400, ("monthly", "")),
    ],
    &[
        sale("SBX000000005:0001:SBX00000000E", 6, 3, ("annual", "P1Y")),
        sale("SBX000000007:0003:SBX00000000G", 1, 40, ("annual", "P1Y")),
    ],
    &[],
];

/// Writes what a customer bought.
struct Seller<'a> {
    tx: &'a mut dyn Tx,
    installation: Installation,
    customer: &'a Resource,
    now: i64,
}

impl Seller<'_> {
    /// An order with one subscription, and the seats that come with it.
    fn sell(&mut self, sale: &Sale) -> Result<(), DbError> {
        let id = next_id(self.tx)?;
        let order_id = next_id(self.tx)?;
        let name = self.installation.guid(order_id).simple().to_string();
        let (cycle, term) = sale.terms;
        let partner = PARTNER.to_string();
        let begins = self.now - sale.days * DAY;
        let new = NewSubscription {
            offer: sale.offer,
            name: "",
            quantity: sale.quantity,
            order: &name,
            terms: Terms {
                cycle: cycle.to_owned(),
                term: term.to_owned(),
            },
            partner_id: "",
            promotion: "",
            parent: "",
            partner: &partner,
            begins,
        };
        let mut body = built::body(&new, &self.installation.guid(id).to_string());
        if !sale.renews {
            body["autoRenewEnabled"] = false.into();
        }
        let made = Resource::new(id, self.customer.id, body);
        record::insert(self.tx, &SUBSCRIPTION, &made)?;
        let sku = made.text("_skuId");
        if !sku.is_empty() {
            seats::add_seats(self.tx, self.customer.id, sku, made.text("_partNumber"), sale.quantity)?;
        }
        let order = orders::built::NewOrder {
            name: &name,
            cycle,
            currency: "",
            lines: vec![orders::built::line(self.customer, 0, &made)],
            partner: &partner,
            at: begins,
        };
        let order = Resource::new(order_id, self.customer.id, orders::built::body(self.customer, &order));
        documents::write(self.tx, ORDER, &name, &order)
    }
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
