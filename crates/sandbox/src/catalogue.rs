//! A few products to order, so that subscriptions bring seats. Any other offer can be ordered too, and brings none.
//!
//! Products of new commerce are named by product, SKU and availability; offers of the older sort by a GUID, or by
//! `MS-AZR-…` where they are billed by what is used.

mod plans;

use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(super) use plans::ServicePlan;

/// How a product is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProductSort {
    /// Licences of new commerce, for a term.
    License,
    /// Licences of the older sort, for a year.
    LegacyLicense,
    /// The Azure plan: billed by what is used.
    AzurePlan,
    /// Azure of the older sort: billed by what is used.
    AzureLegacy,
    /// Software for a term.
    Software,
}

use ProductSort::{AzureLegacy, AzurePlan, LegacyLicense, License, Software};

/// A product.
#[derive(Debug)]
pub(super) struct Product {
    /// What it is ordered by.
    pub(super) offer: &'static str,
    pub(super) name: &'static str,
    pub(super) sort: ProductSort,
    /// The SKU that licences are counted by; empty if it brings none.
    pub(super) sku_id: &'static str,
    pub(super) part_number: &'static str,
    /// A month of one licence, in cents.
    pub(super) price: i64,
    /// What it is an add-on to, if it is one.
    pub(super) add_on_to: Option<&'static str>,
}

impl Product {
    /// Its services.
    pub(super) fn plans(&self) -> &'static [ServicePlan] {
        plans::of(self.part_number)
    }

    /// Terms it is sold for, as ISO 8601 has them; none where there is no term.
    pub(super) fn terms(&self) -> &'static [&'static str] {
        match self.sort {
            License => &["P1M", "P1Y", "P3Y"],
            LegacyLicense => &["P1Y"],
            Software => &["P1Y", "P3Y"],
            AzurePlan | AzureLegacy => &[],
        }
    }
}

/// SKUs that are assigned apart from the others.
const SECOND_GROUP: [&str; 1] = ["984df360-9a74-4647-8cf8-696749f6247a"];

/// The group of a SKU.
pub(super) fn group_of_sku(sku_id: &str) -> &'static str {
    if SECOND_GROUP.contains(&sku_id) {
        "group2"
    } else {
        "group1"
    }
}

/// Products that are drawn from for the first subscription of a seeded customer; the others come after them.
pub(super) const LICENSES: usize = 6;
/// What everybody holds who has nothing of the first group.
pub(super) const EXCHANGE: usize = 3;

#[rustfmt::skip]
pub(super) static PRODUCTS: &[Product] = &[
    product("SBX000000001:0001:SBX00000000A", "Microsoft 365 Business Premium", License, ("cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", "SPB"), 2200),
    product("SBX000000002:0001:SBX00000000B", "Office 365 E3", License, ("6fd2c87f-b296-42f0-b197-1e91e994b900", "ENTERPRISEPACK"), 2300),
    product("SBX000000003:0001:SBX00000000C", "Power BI Pro", License, ("f8a1db68-be16-40ed-86d5-cb42ce701560", "POWER_BI_PRO"), 1000),
    product("SBX000000004:0001:SBX00000000D", "Exchange Online (Plan 1)", License, ("4b9405b0-7788-4568-add1-99614e613b69", "EXCHANGESTANDARD"), 400),
    product("SBX000000005:0001:SBX00000000E", "Enterprise Mobility + Security E3", License, ("efccb6f7-5641-4e0e-bd10-b4976e1bf68e", "EMS"), 1060),
    product("SBX000000006:0001:SBX00000000F", "Minecraft Education Faculty", License, ("984df360-9a74-4647-8cf8-696749f6247a", "Minecraft_Faculty"), 0),
    product("031c9e47-4802-4248-838e-778fb1d2cc05", "Office 365 Business Premium", LegacyLicense, ("f245ecc8-75af-4f8e-b61f-27d8114de5f3", "O365_BUSINESS_PREMIUM"), 1250),
    product("DZH318Z0BPS6:0001:DZH318Z0BMXB", "Azure plan", AzurePlan, ("", ""), 0),
    product("MS-AZR-0145P", "Microsoft Azure", AzureLegacy, ("", ""), 0),
    product("MS-AZR-0146P", "Microsoft Azure", AzureLegacy, ("", ""), 0),
    product("SBX000000007:0003:SBX00000000G", "SQL Server Standard - 2 Core License Pack - 1 year", Software, ("", ""), 12_800),
    Product { add_on_to: Some("031c9e47-4802-4248-838e-778fb1d2cc05"), ..product("2828be95-46ba-4f91-b2fd-0bef192ecf60", "Exchange Online Archiving for Exchange Online", LegacyLicense, ("ee02fd1b-340e-4a4b-b355-4a514e4c8943", "EXCHANGEARCHIVE_ADDON"), 300) },
];

const fn product(
    offer: &'static str,
    name: &'static str,
    sort: ProductSort,
    (sku_id, part_number): (&'static str, &'static str),
    price: i64,
) -> Product {
    Product {
        offer,
        name,
        sort,
        sku_id,
        part_number,
        price,
        add_on_to: None,
    }
}

/// The product of an offer.
pub(super) fn by_offer(offer: &str) -> Option<&'static Product> {
    PRODUCTS
        .iter()
        .find(|product| product.offer.eq_ignore_ascii_case(offer))
}

/// How an offer is sold, known or not: its name tells.
pub(super) fn sort_of(offer: &str) -> ProductSort {
    match by_offer(offer) {
        Some(product) => product.sort,
        None if offer.to_ascii_uppercase().starts_with("MS-AZR-") => AzureLegacy,
        None if offer.contains(':') => License,
        None => LegacyLicense,
    }
}

/// The product of a SKU.
pub(super) fn by_sku(sku_id: &str) -> Option<&'static Product> {
    let named = |product: &&Product| !sku_id.is_empty() && product.sku_id.eq_ignore_ascii_case(sku_id);
    PRODUCTS.iter().find(named)
}

/// Product, SKU and availability of an offer of new commerce.
pub(super) fn parts(offer: &str) -> Option<[&str; 3]> {
    let mut parts = offer.split(':');
    let all = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(all)
}

/// A GUID that is made from a text, the same one every time.
pub(super) fn guid_of(text: &str) -> Uuid {
    let hash = Sha256::digest(text.to_ascii_lowercase());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_tell_how_they_are_sold() {
        assert_eq!(sort_of("ms-azr-0999p"), AzureLegacy);
        assert_eq!(sort_of("A:0001:B"), License);
        assert_eq!(sort_of("84a03d81-6b37-4d66-8d4a-faea24541538"), LegacyLicense);
        assert_eq!(sort_of("dzh318z0bps6:0001:dzh318z0bmxb"), AzurePlan);
    }

    #[test]
    fn every_product_with_seats_has_services() {
        for product in PRODUCTS.iter().filter(|product| !product.sku_id.is_empty()) {
            assert!(!product.plans().is_empty(), "{}", product.name);
        }
    }
}
