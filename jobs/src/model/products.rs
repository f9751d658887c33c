//! SKUs by what people call them: product names, what `MSOnline` calls an account SKU, and ids in other dresses.
//!
//! Names are Microsoft's, of today and of before. They are suggestions only: what a name stands for has changed over the years.

use uuid::Uuid;

use super::skus;
use crate::{Problem, code, key, nearest};

/// A SKU that a customer holds: its part number and its id.
pub type Held<'h> = (&'h str, &'h str);

/// How long an id is as stores write it.
const HYPHENATED: usize = 36;

/// What people separate SKUs with that is not `;`. No part number contains any of it.
const SEPARATORS: [char; 6] = [',', '|', '+', '\n', '\r', '\t'];

/// What was probably meant by a cell's entry that is no SKU of the customer's, as it would have to be written; of several,
/// however they are separated, all of them. Never one that the customer does not hold.
pub fn held_sku(written: &str, held: &[Held<'_>]) -> Option<String> {
    let written = written.trim();
    // One product has a separator in its name.
    if !written.contains(SEPARATORS) || is_known(written) {
        return one(written, held).map(str::to_owned);
    }
    let entries = written
        .split(SEPARATORS)
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let meant: Option<Vec<&str>> = entries.map(|entry| one(entry, held)).collect();
    meant.filter(|meant| !meant.is_empty()).map(|meant| meant.join(";"))
}

fn one<'h>(written: &str, held: &[Held<'h>]) -> Option<&'h str> {
    let called = |name: &str| {
        let is_it = |(part_number, _): &&Held<'h>| key::same(part_number, name);
        held.iter().find(is_it).map(|(part_number, _)| *part_number)
    };
    if let Ok(id) = Uuid::try_parse(written) {
        let id = id.to_string();
        return held.iter().find(|(_, own)| key::same(own, &id)).map(|(part, _)| *part);
    }
    let after = after_tenant(written);
    if let Some(exact) = called(after) {
        return Some(exact);
    }
    if is_known(after) {
        return only(part_numbers(after).filter_map(called));
    }
    // A product's name is near to another product's, and a part number to another's, so that only a word that is neither is
    // worth a guess.
    let is_word = !after.contains(char::is_whitespace) && skus::find(after).is_none();
    let near = is_word.then(|| nearest(after, held.iter().map(|(part_number, _)| *part_number)));
    near.flatten()
}

/// The part number that was probably meant where any known one may stand; `None` where none can be told.
pub(crate) fn known_sku(written: &str) -> Option<&'static str> {
    if let Ok(id) = Uuid::try_parse(written) {
        return skus::by_id(id);
    }
    let after = after_tenant(written);
    if let Some((part_number, _)) = skus::find(after) {
        return Some(part_number);
    }
    if is_known(after) {
        return only(part_numbers(after));
    }
    let is_word = !after.contains(char::is_whitespace) && !written.contains(SEPARATORS);
    is_word.then(|| skus::near(after)).flatten()
}

/// Whether a product is the one that is written: by its name, its part number, or the id of that.
pub(crate) fn is_called(product: &str, written: &str) -> bool {
    let after = after_tenant(written);
    if plain(after).is_empty() {
        return false;
    }
    let by_id = Uuid::try_parse(written.trim()).ok().and_then(skus::by_id);
    let by_name = skus::find(after).map(|(part_number, _)| part_number);
    let is_meant = |part_number: &str| {
        by_id.into_iter().chain(by_name).any(|one| one == part_number)
            || part_numbers(after).any(|one| one == part_number)
    };
    plain(product) == plain(after) || part_numbers(product).any(is_meant)
}

/// Whether it is an id that is none of a known SKU, so that it says nothing of the product.
pub(crate) fn names_none(written: &str) -> bool {
    Uuid::try_parse(written.trim()).is_ok_and(|id| skus::by_id(id).is_none())
}

/// Whether it is what a SKU that we know is called, or its id, and not only near to that.
pub(crate) fn is_exact(written: &str) -> bool {
    let after = after_tenant(written);
    let is_id = Uuid::try_parse(written.trim()).is_ok_and(|id| skus::by_id(id).is_some());
    is_id || skus::find(after).is_some() || is_known(after)
}

/// Why a cell's entry is the SKU of no customer at all; `None` where some customer may hold it.
pub(crate) fn impossible_sku(column: &str, written: &str) -> Option<Problem> {
    let is_one = is_part_number(written) && (Uuid::try_parse(written).is_err() || written.len() == HYPHENATED);
    let sentence = "no SKU is called so; name each by its part number or its GUID, separated by `;`";
    (!is_one).then(|| Problem::stated(code::UNKNOWN_SKU, column, written, sentence).suggest(known_sku(written)))
}

/// What stands after the tenant in what `MSOnline` calls an account SKU; all of it otherwise.
fn after_tenant(written: &str) -> &str {
    written.rsplit_once(':').map_or(written, |(_, after)| after).trim()
}

/// Whether it has the form of a part number, so that it may be one that we do not know.
pub(crate) fn is_part_number(written: &str) -> bool {
    !written.contains(|c: char| c.is_whitespace() || matches!(c, ':' | ';') || SEPARATORS.contains(&c))
}

/// What all of them are; `None` where they differ, so that which one is meant cannot be told.
fn only<'p>(mut all: impl Iterator<Item = &'p str>) -> Option<&'p str> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

fn is_known(name: &str) -> bool {
    part_numbers(name).next().is_some()
}

/// The part numbers that go by the name, with its brand or without. Letters and digits count alone, and brands may be short.
fn part_numbers(name: &str) -> impl Iterator<Item = &'static str> {
    let wanted = plain(name);
    let is_called = move |product: &str| {
        let product = plain(product);
        !wanted.is_empty()
            && (product == wanted || BRANDS.iter().any(|brand| product.strip_prefix(brand) == Some(&wanted)))
    };
    PRODUCTS
        .iter()
        .filter(move |(product, _)| is_called(product))
        .map(|(_, part_number)| *part_number)
}

/// What people leave out of a product's name, as [`plain`] has it.
const BRANDS: [&str; 3] = ["microsoft365", "office365", "microsoft"];

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    let plain: String = letters.flat_map(char::to_lowercase).collect();
    let brands = [
        ("m365", "microsoft365"),
        ("o365", "office365"),
        ("ms365", "microsoft365"),
    ];
    for (short, long) in brands {
        if let Some(rest) = plain.strip_prefix(short) {
            return format!("{long}{rest}");
        }
    }
    plain
}

/// Names and part numbers; a name that stands twice is told by what the customer holds.
const PRODUCTS: &[(&str, &str)] = &[
    ("Audio Conferencing", "MCOMEETADV"),
    ("Azure Active Directory Premium P1", "AAD_PREMIUM"),
    ("Azure Active Directory Premium P2", "AAD_PREMIUM_P2"),
    ("Azure Information Protection Plan 1", "RIGHTSMANAGEMENT"),
    ("Enterprise Mobility + Security E3", "EMS"),
    ("Enterprise Mobility + Security E5", "EMSPREMIUM"),
    ("Exchange Online (Plan 1)", "EXCHANGESTANDARD"),
    ("Exchange Online (Plan 2)", "EXCHANGEENTERPRISE"),
    ("Exchange Online Kiosk", "EXCHANGEDESKLESS"),
    ("Intune", "INTUNE_A"),
    ("Microsoft 365 Apps for business", "O365_BUSINESS"),
    ("Microsoft 365 Apps for enterprise", "OFFICESUBSCRIPTION"),
    ("Microsoft 365 Audio Conferencing", "MCOMEETADV"),
    ("Microsoft 365 Business", "SPB"),
    ("Microsoft 365 Business Basic", "O365_BUSINESS_ESSENTIALS"),
    ("Microsoft 365 Business Premium", "SPB"),
    ("Microsoft 365 Business Standard", "O365_BUSINESS_PREMIUM"),
    ("Microsoft 365 E3", "SPE_E3"),
    ("Microsoft 365 E5", "SPE_E5"),
    ("Microsoft 365 F1", "M365_F1"),
    ("Microsoft 365 F1", "SPE_F1"),
    ("Microsoft 365 F3", "SPE_F1"),
    ("Microsoft 365 Phone System", "MCOEV"),
    ("Microsoft Defender for Office 365 (Plan 1)", "ATP_ENTERPRISE"),
    ("Microsoft Entra ID P1", "AAD_PREMIUM"),
    ("Microsoft Entra ID P2", "AAD_PREMIUM_P2"),
    ("Microsoft Fabric (Free)", "POWER_BI_STANDARD"),
    ("Microsoft Flow Free", "FLOW_FREE"),
    ("Microsoft Intune", "INTUNE_A"),
    ("Microsoft Intune Plan 1", "INTUNE_A"),
    ("Microsoft Power Automate Free", "FLOW_FREE"),
    ("Microsoft Teams Phone Standard", "MCOEV"),
    ("Office 365 Advanced Threat Protection (Plan 1)", "ATP_ENTERPRISE"),
    ("Office 365 Business", "O365_BUSINESS"),
    ("Office 365 Business Essentials", "O365_BUSINESS_ESSENTIALS"),
    ("Office 365 Business Premium", "O365_BUSINESS_PREMIUM"),
    ("Office 365 E1", "STANDARDPACK"),
    ("Office 365 E3", "ENTERPRISEPACK"),
    ("Office 365 E5", "ENTERPRISEPREMIUM"),
    ("Office 365 F1", "DESKLESSPACK"),
    ("Office 365 F3", "DESKLESSPACK"),
    ("Office 365 ProPlus", "OFFICESUBSCRIPTION"),
    ("Planner and Project Plan 3", "PROJECTPROFESSIONAL"),
    ("Planner and Project Plan 5", "PROJECTPREMIUM"),
    ("Power BI (free)", "POWER_BI_STANDARD"),
    ("Power BI Pro", "POWER_BI_PRO"),
    ("Project Online Premium", "PROJECTPREMIUM"),
    ("Project Online Professional", "PROJECTPROFESSIONAL"),
    ("Project Plan 3", "PROJECTPROFESSIONAL"),
    ("Project Plan 5", "PROJECTPREMIUM"),
    ("SharePoint Online (Plan 1)", "SHAREPOINTSTANDARD"),
    ("Visio Online Plan 2", "VISIOCLIENT"),
    ("Visio Plan 2", "VISIOCLIENT"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &[Held<'_>] = &[
        ("SPE_E3", "05e9a617-0261-4cee-bb44-138d3ef5d965"),
        ("SPB", "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"),
        ("SPE_F1", "66b55226-6b4f-492c-910c-a3b7a3c9d993"),
        ("ACME_BACKUP", "0f3a7a52-9f3e-4d53-8a8e-5b1f5d2c7e11"),
    ];

    #[test]
    fn every_product_has_a_part_number_that_we_know() {
        for (name, part_number) in PRODUCTS {
            assert!(skus::find(part_number).is_some(), "{name}");
            assert!(known_sku(name).is_none_or(|known| known == *part_number), "{name}");
        }
    }

    #[test]
    fn common_names_of_a_sku_are_known_if_the_customer_holds_it() {
        for (written, meant) in [
            ("Microsoft 365 Business Premium", Some("SPB")),
            ("microsoft 365 business premium", Some("SPB")),
            ("M365 E3", Some("SPE_E3")),
            ("Microsoft 365 F1", Some("SPE_F1")),
            ("Microsoft 365 E5", None),
            ("Microsoft 365 E4", None),
            ("Office 365 E3", None),
            ("alpen:SPB", Some("SPB")),
            ("reseller-account: spe_e3", Some("SPE_E3")),
            ("alpen:Microsoft 365 E3", Some("SPE_E3")),
            ("alpen:", None),
            ("SPB,SPE_E3", Some("SPB;SPE_E3")),
            ("SPB, Microsoft 365 E3,", Some("SPB;SPE_E3")),
            ("SPB,SPE_E5X", Some("SPB;SPE_E3")),
            ("SPB,Visio Plan 2", None),
            ("SPB|SPE_E3", Some("SPB;SPE_E3")),
            ("SPB + SPE_E3", Some("SPB;SPE_E3")),
            ("SPB\r\nMicrosoft 365 E3\n", Some("SPB;SPE_E3")),
            ("alpen:SPB|alpen:SPE_E3", Some("SPB;SPE_E3")),
            ("SPB+NOTHING_LIKE_IT", None),
            ("Business Premium", Some("SPB")),
            ("business-premium", Some("SPB")),
            ("alpen:Business Premium", Some("SPB")),
            ("Business Premium|E3", Some("SPB;SPE_E3")),
            ("E3", Some("SPE_E3")),
            ("Business Basic", None),
            ("Premium", None),
            ("Microsoft", None),
            ("365", None),
            (",", None),
            ("cbdc14abd96c4c30b9f46ada7cdc1d46", Some("SPB")),
            ("{CBDC14AB-D96C-4C30-B9F4-6ADA7CDC1D46}", Some("SPB")),
            ("0f3a7a529f3e4d538a8e5b1f5d2c7e11", Some("ACME_BACKUP")),
            ("c5928f4912ba48f7ada30d743a3601d5", None),
            ("SPE-E3", Some("SPE_E3")),
            // Another product, which the customer does not hold.
            ("SPE_E5", None),
            ("alpen:SPE_E5", None),
        ] {
            assert_eq!(held_sku(written, HELD).as_deref(), meant, "{written}");
        }
        assert_eq!(held_sku("Microsoft 365 E3", &[]), None);
        let ems = [("EMS", "efccb6f7-5641-4e0e-bd10-b4976e1bf68e"), HELD[1]];
        assert_eq!(
            held_sku("Enterprise Mobility + Security E3", &ems).as_deref(),
            Some("EMS")
        );
        assert_eq!(held_sku("SPB+EMS", &ems).as_deref(), Some("SPB;EMS"));
        // Two that go by the name.
        let both = [
            HELD[1],
            ("O365_BUSINESS_PREMIUM", "f245ecc8-75af-4f8e-b61f-27d8114de5f3"),
        ];
        assert_eq!(held_sku("Business Premium", &both), None);
        assert_eq!(
            held_sku("Office 365 Business Premium", &both).as_deref(),
            Some("O365_BUSINESS_PREMIUM")
        );
        let e3 = [HELD[0], ("ENTERPRISEPACK", "6fd2c87f-b296-42f0-b197-1e91e994b900")];
        assert_eq!(held_sku("E3", &e3), None);
    }
}
