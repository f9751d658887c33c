//! The catalogue as clients look it up before they order: products with their SKUs and availabilities, and offers of the
//! older sort. The same is told under a customer's address.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::catalogue::{PRODUCTS, Product, ProductSort, parts};
use super::orders;
use super::paging::{collection, link};
use super::reply::{HttpReply, Refused, ReplyResult, refuse};

/// What is shown of a product in lists of this view.
fn is_in_view(product: &Product, view: &str) -> bool {
    match view.to_ascii_lowercase().as_str() {
        "" => true,
        "azure" | "azureplan" => product.sort == ProductSort::AzurePlan,
        "software" | "softwaresubscriptions" | "softwareperpetual" => product.sort == ProductSort::Software,
        "onlineservices" | "onlineservicesnce" | "microsoft365" => product.sort == ProductSort::License,
        _ => false,
    }
}

/// Products of new commerce, and what each is called.
fn products() -> impl Iterator<Item = (&'static Product, [&'static str; 3])> {
    PRODUCTS
        .iter()
        .filter_map(|product| Some((product, parts(product.offer)?)))
}

/// What is asked for: places of the path, those of a customer's address without the customer.
struct CatalogView {
    names: Vec<String>,
    /// What addresses of the answer begin with.
    prefix: String,
    country: String,
    currency: (&'static str, &'static str),
}

fn looked(call: &mut Call<'_>) -> Result<CatalogView, Refused> {
    let own = call.request.own.to_ascii_lowercase();
    if own.starts_with("/customers/") {
        let customer = call.customer()?;
        let country = customer.text("billingProfile.defaultAddress.country").to_owned();
        return Ok(CatalogView {
            names: call.places.iter().skip(1).cloned().collect(),
            prefix: format!("/customers/{}", customer.text("id")),
            currency: orders::built::currency(&customer),
            country,
        });
    }
    let country = call.request.query("country").unwrap_or("US").to_ascii_uppercase();
    if country.len() != 2 {
        return Err(refuse(400, 2000, "The country is a code of two letters.").about([country]));
    }
    Ok(CatalogView {
        names: call.places.to_vec(),
        prefix: String::new(),
        currency: ("USD", "$"),
        country,
    })
}

impl CatalogView {
    fn name(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    fn link(&self, path: &str) -> Json {
        match self.prefix.as_str() {
            "" => link(&format!("/{path}?country={}", self.country)),
            prefix => link(&format!("{prefix}/{path}")),
        }
    }

    fn product(&self) -> Result<(&'static Product, [&'static str; 3]), Refused> {
        let found = products().find(|(_, [id, ..])| id.eq_ignore_ascii_case(self.name(0)));
        found.ok_or_else(|| refuse(404, 400_013, "There is no such product.").about([self.name(0)]))
    }

    fn sku(&self) -> Result<(&'static Product, [&'static str; 3]), Refused> {
        let found = self.product()?;
        if found.1[1].eq_ignore_ascii_case(self.name(1)) {
            return Ok(found);
        }
        Err(refuse(404, 400_018, "There is no such SKU.").about([self.name(1)]))
    }

    fn product_shown(&self, product: &Product, id: &str) -> Json {
        let kind = match product.sort {
            ProductSort::License => "OnlineServicesNCE",
            ProductSort::Software => "Software",
            _ => "Azure",
        };
        json!({
            "id": id,
            "title": product.name,
            "description": product.name,
            "productType": { "id": kind, "displayName": kind },
            "isMicrosoftProduct": true,
            "publisherName": "Microsoft Corporation",
            "links": { "skus": self.link(&format!("products/{id}/skus")), "self": self.link(&format!("products/{id}")) },
            "attributes": { "objectType": "Product" },
        })
    }

    fn sku_shown(&self, product: &Product, [id, sku, _]: [&str; 3]) -> Json {
        let by_use = product.terms().is_empty();
        let own = format!("products/{id}/skus/{sku}");
        json!({
            "id": sku,
            "productId": id,
            "title": product.name,
            "description": product.name,
            "minimumQuantity": 1,
            "maximumQuantity": if by_use { 1 } else { 10_000 },
            "isTrial": false,
            "supportedBillingCycles": if by_use { vec!["monthly"] } else { vec!["monthly", "annual", "triennial"] },
            "purchasePrerequisites": ["MicrosoftCustomerAgreement"],
            "inventoryVariables": [],
            "provisioningVariables": [],
            "dynamicAttributes": { "isMicrosoftProduct": true, "provisioningId": product.sku_id },
            "links": { "availabilities": self.link(&format!("{own}/availabilities")), "self": self.link(&own) },
            "attributes": { "objectType": "Sku" },
        })
    }

    fn availability_shown(&self, product: &Product, [id, sku, availability]: [&str; 3]) -> Json {
        let (code, symbol) = self.currency;
        let terms = product
            .terms()
            .iter()
            .map(|term| json!({ "duration": term, "description": term }));
        json!({
            "id": availability,
            "productId": id,
            "skuId": sku,
            "catalogItemId": product.offer,
            "defaultCurrency": { "code": code, "symbol": symbol },
            "segment": "commercial",
            "country": self.country,
            "isPurchasable": true,
            "isRenewable": !product.terms().is_empty(),
            "renewalInstructions": [],
            "terms": terms.collect::<Json>(),
            "product": self.product_shown(product, id),
            "sku": self.sku_shown(product, [id, sku, availability]),
            "links": { "self": self.link(&format!("products/{id}/skus/{sku}/availabilities/{availability}")) },
            "attributes": { "objectType": "Availability" },
        })
    }
}

/// `GET products?country=&targetView=`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let view = call.request.query("targetView").unwrap_or_default();
    let shown = products().filter(|(product, _)| is_in_view(product, view));
    let items = shown
        .map(|(product, [id, ..])| looked.product_shown(product, id))
        .collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET products/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let (product, [id, ..]) = looked.product()?;
    Ok(HttpReply::ok(looked.product_shown(product, id)))
}

/// `GET products/{id}/skus`.
pub(super) fn skus(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let (product, names) = looked.product()?;
    Ok(HttpReply::ok(collection(call, vec![looked.sku_shown(product, names)])))
}

/// `GET products/{id}/skus/{id}`.
pub(super) fn sku(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let (product, names) = looked.sku()?;
    Ok(HttpReply::ok(looked.sku_shown(product, names)))
}

/// `GET products/{id}/skus/{id}/availabilities`.
pub(super) fn availabilities(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let (product, names) = looked.sku()?;
    Ok(HttpReply::ok(collection(
        call,
        vec![looked.availability_shown(product, names)],
    )))
}

/// `GET products/{id}/skus/{id}/availabilities/{id}`.
pub(super) fn availability(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let (product, names) = looked.sku()?;
    if !names[2].eq_ignore_ascii_case(looked.name(2)) {
        return Err(refuse(404, 400_019, "There is no such availability.").about([looked.name(2)]));
    }
    Ok(HttpReply::ok(looked.availability_shown(product, names)))
}

/// The categories that offers are in.
const CATEGORIES: [(&str, &str); 2] = [("licenses", "Online services"), ("azure", "Azure")];

fn category_of(product: &Product) -> (&'static str, &'static str) {
    CATEGORIES[usize::from(product.sort == ProductSort::AzureLegacy)]
}

fn category((id, name): (&str, &str), country: &str) -> Json {
    json!({
        "id": id, "name": name, "rank": 1, "locale": "en-US", "country": country,
        "attributes": { "objectType": "OfferCategory" },
    })
}

/// Offers of the older sort.
fn offers() -> impl Iterator<Item = &'static Product> {
    PRODUCTS.iter().filter(|product| parts(product.offer).is_none())
}

fn offer(looked: &CatalogView, product: &Product) -> Json {
    let by_use = product.sort == ProductSort::AzureLegacy;
    let id = product.offer;
    let has_add_ons = offers().any(|one| one.add_on_to == Some(id));
    json!({
        "id": id,
        "name": product.name,
        "description": product.name,
        "minimumQuantity": 1,
        "maximumQuantity": if by_use { 1 } else { 10_000 },
        "rank": 1,
        "uri": format!("/3c95518e/offers/{id}"),
        "locale": "en-US",
        "country": looked.country,
        "category": category(category_of(product), &looked.country),
        "prerequisiteOffers": product.add_on_to.into_iter().collect::<Vec<_>>(),
        "isAddOn": product.add_on_to.is_some(),
        "hasAddOns": has_add_ons,
        "isAvailableForPurchase": true,
        "billing": if by_use { "usage" } else { "license" },
        "supportedBillingCycles": if by_use { vec!["monthly"] } else { vec!["monthly", "annual"] },
        "isAutoRenewable": !by_use,
        "isInternal": false,
        "isTrial": false,
        "partnerQualifications": [],
        "reselleeQualifications": [],
        "salesGroupId": if by_use { "Azure" } else { "online_services" },
        "unitType": if by_use { "Usage-based" } else { "Licenses" },
        "product": { "id": product.sku_id, "name": product.name, "unit": "Licenses" },
        "links": {
            "addOns": looked.link(&format!("offers/{id}/addons")),
            "self": looked.link(&format!("offers/{id}")),
        },
        "attributes": { "objectType": "Offer" },
    })
}

/// `GET offers?country=`.
pub(super) fn offer_list(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let wanted = call.request.query("offer_category_id");
    let shown = offers().filter(|one| wanted.is_none_or(|id| category_of(one).0.eq_ignore_ascii_case(id)));
    let items = shown.map(|one| offer(&looked, one)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

fn named_offer(looked: &CatalogView) -> Result<&'static Product, Refused> {
    let name = looked.name(0);
    if parts(name).is_some() {
        return Err(refuse(400, 2100, "Such items are among the products.").about([name]));
    }
    let found = offers().find(|one| one.offer.eq_ignore_ascii_case(name));
    found.ok_or_else(|| refuse(404, 800_004, "There is no such offer.").about([name]))
}

/// `GET offers/{id}`.
pub(super) fn get_offer(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let found = named_offer(&looked)?;
    Ok(HttpReply::ok(offer(&looked, found)))
}

/// `GET offers/{id}/addons`.
pub(super) fn add_ons(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let found = named_offer(&looked)?;
    let own = offers().filter(|one| one.add_on_to == Some(found.offer));
    let items = own.map(|one| offer(&looked, one)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// `GET offercategories?country=`.
pub(super) fn categories(call: &mut Call<'_>) -> ReplyResult {
    let looked = looked(call)?;
    let items = CATEGORIES.iter().map(|one| category(*one, &looked.country)).collect();
    Ok(HttpReply::ok(collection(call, items)))
}
