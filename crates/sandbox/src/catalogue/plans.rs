//! The services that come with a SKU. Their ids are those of the directory, since clients look for them.

/// A service.
#[derive(Debug)]
pub(crate) struct ServicePlan {
    pub(crate) name: &'static str,
    pub(crate) service: &'static str,
    pub(crate) id: &'static str,
    /// Whether it is for the whole tenant, and not for a user.
    pub(crate) of_tenant: bool,
}

const fn plan(name: &'static str, service: &'static str, id: &'static str) -> ServicePlan {
    ServicePlan {
        name,
        service,
        id,
        of_tenant: false,
    }
}

const EXCHANGE_1: ServicePlan = plan(
    "Exchange Online (Plan 1)",
    "EXCHANGE_S_STANDARD",
    "9aaf7827-d63c-4b61-89c3-182f06f82e5c",
);
const EXCHANGE_2: ServicePlan = plan(
    "Exchange Online (Plan 2)",
    "EXCHANGE_S_ENTERPRISE",
    "efb87545-963c-4e0d-99df-69c6916d9eb0",
);
const FOUNDATION: ServicePlan = ServicePlan {
    of_tenant: true,
    ..plan(
        "Exchange Foundation",
        "EXCHANGE_S_FOUNDATION",
        "113feb6c-3fe4-4440-bddc-54d774bf0318",
    )
};
const SHAREPOINT_1: ServicePlan = plan(
    "SharePoint Online (Plan 1)",
    "SHAREPOINTSTANDARD",
    "c7699d2e-19aa-44de-8edf-1736da088ca1",
);
const SHAREPOINT_2: ServicePlan = plan(
    "SharePoint Online (Plan 2)",
    "SHAREPOINTENTERPRISE",
    "5dbe027f-2339-4123-9542-606e4d348a72",
);
const TEAMS: ServicePlan = plan("Microsoft Teams", "TEAMS1", "57ff2da0-773e-42df-b2af-ffb7a2317929");
const OFFICE: ServicePlan = plan(
    "Office 365 ProPlus",
    "OFFICESUBSCRIPTION",
    "43de0ff5-c92c-492b-9116-175376d08c38",
);
const OFFICE_BUSINESS: ServicePlan = plan(
    "Office 365 Business",
    "OFFICE_BUSINESS",
    "094e7854-93fc-4d55-b2c0-3ab5369ebdc1",
);
const INTUNE: ServicePlan = plan("Microsoft Intune", "INTUNE_A", "c1ec4a95-1f05-45b3-a911-aa3fa01094f5");
const DIRECTORY: ServicePlan = plan(
    "Azure Active Directory Premium P1",
    "AAD_PREMIUM",
    "41781fb2-bc02-4b7c-bd55-b576c07bb09d",
);
const FACTORS: ServicePlan = plan(
    "Microsoft Azure Multi-Factor Authentication",
    "MFA_PREMIUM",
    "8a256a2b-b617-496d-b51b-e76466e88db0",
);
const POWER_BI: ServicePlan = plan("Power BI Pro", "BI_AZURE_P2", "70d33638-9c74-4d01-bfd3-562de28bd4ba");
const MINECRAFT: ServicePlan = plan(
    "Minecraft Education Edition",
    "MINECRAFT_EDUCATION_EDITION",
    "4c246bbc-f513-4311-beff-eba54c353256",
);
const ARCHIVE: ServicePlan = plan(
    "Exchange Online Archiving",
    "EXCHANGE_S_ARCHIVE_ADDON",
    "176a09a6-7ec5-4039-ac02-b2791c6ba793",
);

/// Those of a SKU, by its part number.
pub(super) fn of(part_number: &str) -> &'static [ServicePlan] {
    match part_number {
        "SPB" => &[EXCHANGE_1, SHAREPOINT_1, TEAMS, OFFICE_BUSINESS, INTUNE],
        "ENTERPRISEPACK" => &[EXCHANGE_2, SHAREPOINT_2, TEAMS, OFFICE],
        "POWER_BI_PRO" => &[FOUNDATION, POWER_BI],
        "EXCHANGESTANDARD" => &[EXCHANGE_1],
        "EMS" => &[FOUNDATION, INTUNE, DIRECTORY, FACTORS],
        "Minecraft_Faculty" => &[FOUNDATION, MINECRAFT],
        "O365_BUSINESS_PREMIUM" => &[EXCHANGE_1, SHAREPOINT_1, TEAMS, OFFICE_BUSINESS],
        "EXCHANGEARCHIVE_ADDON" => &[ARCHIVE],
        _ => &[],
    }
}
