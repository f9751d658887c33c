//! The SKUs whose ids we know by their part numbers, so that a seats file can do without GUIDs.
//!
//! Source: Microsoft's list of product names and service plan identifiers. Far from complete on purpose:
//! any other SKU works too, with its id given in the file.

use uuid::{Uuid, uuid};

use crate::nearest;

/// The part number, as Microsoft spells it, and the id of a SKU. Case is ignored.
pub(crate) fn find(part_number: &str) -> Option<(&'static str, Uuid)> {
    KNOWN
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(part_number))
        .copied()
}

/// The part number of a known id.
pub(crate) fn by_id(id: Uuid) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(_, known)| *known == id)
        .map(|(part_number, _)| *part_number)
}

/// The known part number that was probably meant.
pub(crate) fn near(part_number: &str) -> Option<&'static str> {
    nearest(part_number, KNOWN.iter().map(|(known, _)| *known))
}

/// Part numbers and ids.
const KNOWN: &[(&str, Uuid)] = &[
    ("AAD_PREMIUM", uuid!("078d2b04-f1bd-4111-bbd4-b4b1b354cef4")),
    ("AAD_PREMIUM_P2", uuid!("84a661c4-e949-4bd2-a560-ed7766fcaf2b")),
    ("ATP_ENTERPRISE", uuid!("4ef96642-f096-40de-a3e9-d83fb2f90211")),
    ("DESKLESSPACK", uuid!("4b585984-651b-448a-9e53-3b10f069cf7f")),
    ("EMS", uuid!("efccb6f7-5641-4e0e-bd10-b4976e1bf68e")),
    ("EMSPREMIUM", uuid!("b05e124f-c7cc-45a0-a6aa-8cf78c946968")),
    ("ENTERPRISEPACK", uuid!("6fd2c87f-b296-42f0-b197-1e91e994b900")),
    ("ENTERPRISEPREMIUM", uuid!("c7df2760-2c81-4ef7-b578-5b5392b571df")),
    ("EXCHANGEDESKLESS", uuid!("80b2d799-d2ba-4d2a-8842-fb0d0f3a4b82")),
    ("EXCHANGEENTERPRISE", uuid!("19ec0d23-8335-4cbd-94ac-6050e30712fa")),
    ("EXCHANGESTANDARD", uuid!("4b9405b0-7788-4568-add1-99614e613b69")),
    ("FLOW_FREE", uuid!("f30db892-07e9-47e9-837c-80727f46fd3d")),
    ("INTUNE_A", uuid!("061f9ace-7d42-4136-88ac-31dc755f143f")),
    ("M365_F1", uuid!("44575883-256e-4a79-9da4-ebe9acabe2b2")),
    ("MCOEV", uuid!("e43b5b99-8dfb-405f-9987-dc307f34bcbd")),
    ("MCOMEETADV", uuid!("0c266dff-15dd-4b49-8397-2bb16070ed52")),
    ("O365_BUSINESS", uuid!("cdd28e44-67e3-425e-be4c-737fab2899d3")),
    (
        "O365_BUSINESS_ESSENTIALS",
        uuid!("3b555118-da6a-4418-894f-7df1e2096870"),
    ),
    ("O365_BUSINESS_PREMIUM", uuid!("f245ecc8-75af-4f8e-b61f-27d8114de5f3")),
    ("OFFICESUBSCRIPTION", uuid!("c2273bd0-dff7-4215-9ef5-2c7bcfb06425")),
    ("POWER_BI_PRO", uuid!("f8a1db68-be16-40ed-86d5-cb42ce701560")),
    ("POWER_BI_STANDARD", uuid!("a403ebcc-fae0-4ca2-8c8c-7a907fd6c235")),
    ("PROJECTPREMIUM", uuid!("09015f9f-377f-4538-bbb5-f75ceb09358a")),
    ("PROJECTPROFESSIONAL", uuid!("53818b1b-4a27-454b-8896-0dba576410e6")),
    ("RIGHTSMANAGEMENT", uuid!("c52ea49f-fe5d-4e95-93ba-1de91d380f89")),
    ("SHAREPOINTSTANDARD", uuid!("1fc08a02-8b3d-43b9-831e-f76859e04e1a")),
    ("SPB", uuid!("cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46")),
    ("SPE_E3", uuid!("05e9a617-0261-4cee-bb44-138d3ef5d965")),
    ("SPE_E5", uuid!("06ebc4ee-1bb5-47dd-8120-11324bc54e06")),
    ("SPE_F1", uuid!("66b55226-6b4f-492c-910c-a3b7a3c9d993")),
    ("STANDARDPACK", uuid!("18181a46-0d4e-45cd-891e-60aabd171b4e")),
    ("VISIOCLIENT", uuid!("c5928f49-12ba-48f7-ada3-0d743a3601d5")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_and_ids_are_each_unique() {
        for (part_number, id) in KNOWN {
            assert_eq!(find(&part_number.to_lowercase()), Some((*part_number, *id)));
            assert_eq!(by_id(*id), Some(*part_number));
        }
        assert_eq!(near("SPE_E4"), Some("SPE_E3"));
    }
}
