//! A few products to order, so that subscriptions bring seats. Any other offer can be ordered too, and brings none.

/// A product.
pub(super) struct Product {
    /// Product, SKU and availability.
    pub(super) offer: &'static str,
    pub(super) name: &'static str,
    pub(super) sku_id: &'static str,
    pub(super) part_number: &'static str,
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

#[rustfmt::skip]
pub(super) static PRODUCTS: &[Product] = &[
    Product { offer: "SBX000000001:0001:SBX00000000A", name: "Microsoft 365 Business Premium", sku_id: "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", part_number: "SPB" },
    Product { offer: "SBX000000002:0001:SBX00000000B", name: "Office 365 E3", sku_id: "6fd2c87f-b296-42f0-b197-1e91e994b900", part_number: "ENTERPRISEPACK" },
    Product { offer: "SBX000000003:0001:SBX00000000C", name: "Power BI Pro", sku_id: "f8a1db68-be16-40ed-86d5-cb42ce701560", part_number: "POWER_BI_PRO" },
    Product { offer: "SBX000000004:0001:SBX00000000D", name: "Exchange Online (Plan 1)", sku_id: "4b9405b0-7788-4568-add1-99614e613b69", part_number: "EXCHANGESTANDARD" },
    Product { offer: "SBX000000005:0001:SBX00000000E", name: "Enterprise Mobility + Security E3", sku_id: "efccb6f7-5641-4e0e-bd10-b4976e1bf68e", part_number: "EMS" },
    Product { offer: "SBX000000006:0001:SBX00000000F", name: "Minecraft Education Faculty", sku_id: "984df360-9a74-4647-8cf8-696749f6247a", part_number: "Minecraft_Faculty" },
];

/// The product of an offer.
pub(super) fn by_offer(offer: &str) -> Option<&'static Product> {
    PRODUCTS
        .iter()
        .find(|product| product.offer.eq_ignore_ascii_case(offer))
}

/// What a SKU is called.
pub(super) fn name_of_sku(sku_id: &str) -> Option<&'static str> {
    let product = PRODUCTS
        .iter()
        .find(|product| product.sku_id.eq_ignore_ascii_case(sku_id));
    product.map(|product| product.name)
}
