//! Directory roles a user can be given, by their display names.
//!
//! Source: the list of Microsoft Entra built-in roles, January 2026. Custom roles have no place here:
//! they cannot be assigned through the reseller's interfaces.

use crate::nearest;

/// The role of that name, spelt as the directory spells it. Case is ignored, and names the directory
/// has dropped find their successors.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    let same = |known: &&str| known.eq_ignore_ascii_case(name);
    BUILT_IN.iter().find(|role| same(role)).copied().or_else(|| {
        RENAMED
            .iter()
            .find(|(former, _)| former.eq_ignore_ascii_case(name))
            .map(|(_, role)| *role)
    })
}

/// Whether who has the role decides over others or over how the directory is set up. What administrators may differs, but none of it should be
/// given to anybody unnoticed.
pub(crate) fn is_administrators(role: &str) -> bool {
    /// Those of them that are not called so.
    const OTHERS: [&str; 7] = [
        "Application Developer",
        "Customer LockBox Access Approver",
        "Directory Synchronization Accounts",
        "Directory Writers",
        "Partner Tier1 Support",
        "Partner Tier2 Support",
        "Security Operator",
    ];
    let role = find(role).unwrap_or(role);
    role.to_lowercase().ends_with("administrator") || OTHERS.contains(&role)
}

/// The role that was probably meant.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    // People write "admin" for "administrator", which is too many edits to be near.
    let spelt_out = name
        .to_lowercase()
        .split_whitespace()
        .map(|word| if word == "admin" { "administrator" } else { word })
        .collect::<Vec<_>>()
        .join(" ");
    nearest(&spelt_out, BUILT_IN.iter().copied())
}

/// Former names and today's.
const RENAMED: &[(&str, &str)] = &[
    (
        "Azure AD Joined Device Local Administrator",
        "Microsoft Entra Joined Device Local Administrator",
    ),
    ("Company Administrator", "Global Administrator"),
    ("CRM Service Administrator", "Dynamics 365 Administrator"),
    ("Exchange Service Administrator", "Exchange Administrator"),
    ("Intune Service Administrator", "Intune Administrator"),
    ("Lync Service Administrator", "Skype for Business Administrator"),
    ("Power BI Administrator", "Fabric Administrator"),
    ("Power BI Service Administrator", "Fabric Administrator"),
    ("SharePoint Service Administrator", "SharePoint Administrator"),
    ("Teams Service Administrator", "Teams Administrator"),
    ("User Account Administrator", "User Administrator"),
];

/// The built-in roles.
const BUILT_IN: &[&str] = &[
    "Agent ID Administrator",
    "Agent ID Developer",
    "Agent Registry Administrator",
    "AI Administrator",
    "Application Administrator",
    "Application Developer",
    "Attack Payload Author",
    "Attack Simulation Administrator",
    "Attribute Assignment Administrator",
    "Attribute Assignment Reader",
    "Attribute Definition Administrator",
    "Attribute Definition Reader",
    "Attribute Log Administrator",
    "Attribute Log Reader",
    "Attribute Provisioning Administrator",
    "Attribute Provisioning Reader",
    "Authentication Administrator",
    "Authentication Extensibility Administrator",
    "Authentication Policy Administrator",
    "Azure DevOps Administrator",
    "Azure Information Protection Administrator",
    "B2C IEF Keyset Administrator",
    "B2C IEF Policy Administrator",
    "Billing Administrator",
    "Cloud App Security Administrator",
    "Cloud Application Administrator",
    "Cloud Device Administrator",
    "Compliance Administrator",
    "Compliance Data Administrator",
    "Conditional Access Administrator",
    "Customer LockBox Access Approver",
    "Desktop Analytics Administrator",
    "Directory Readers",
    "Directory Synchronization Accounts",
    "Directory Writers",
    "Domain Name Administrator",
    "Dragon Administrator",
    "Dynamics 365 Administrator",
    "Dynamics 365 Business Central Administrator",
    "Edge Administrator",
    "Exchange Administrator",
    "Exchange Backup Administrator",
    "Exchange Recipient Administrator",
    "Extended Directory User Administrator",
    "External ID User Flow Administrator",
    "External ID User Flow Attribute Administrator",
    "External Identity Provider Administrator",
    "Fabric Administrator",
    "Global Administrator",
    "Global Reader",
    "Global Secure Access Administrator",
    "Global Secure Access Log Reader",
    "Groups Administrator",
    "Guest Inviter",
    "Helpdesk Administrator",
    "Hybrid Identity Administrator",
    "Identity Governance Administrator",
    "Insights Administrator",
    "Insights Analyst",
    "Insights Business Leader",
    "Intune Administrator",
    "IoT Device Administrator",
    "Kaizala Administrator",
    "Knowledge Administrator",
    "Knowledge Manager",
    "License Administrator",
    "Lifecycle Workflows Administrator",
    "Message Center Privacy Reader",
    "Message Center Reader",
    "Microsoft 365 Backup Administrator",
    "Microsoft 365 Migration Administrator",
    "Microsoft 365 Support Engineer",
    "Microsoft Entra Joined Device Local Administrator",
    "Microsoft Graph Data Connect Administrator",
    "Microsoft Hardware Warranty Administrator",
    "Microsoft Hardware Warranty Specialist",
    "Network Administrator",
    "Office Apps Administrator",
    "Organizational Branding Administrator",
    "Organizational Data Source Administrator",
    "Organizational Messages Approver",
    "Organizational Messages Writer",
    "Partner Tier1 Support",
    "Partner Tier2 Support",
    "Password Administrator",
    "People Administrator",
    "Permissions Management Administrator",
    "Places Administrator",
    "Power Platform Administrator",
    "Printer Administrator",
    "Printer Technician",
    "Privileged Authentication Administrator",
    "Privileged Role Administrator",
    "Reports Reader",
    "Search Administrator",
    "Search Editor",
    "Security Administrator",
    "Security Operator",
    "Security Reader",
    "Service Support Administrator",
    "SharePoint Administrator",
    "SharePoint Advanced Management Administrator",
    "SharePoint Backup Administrator",
    "SharePoint Embedded Administrator",
    "Skype for Business Administrator",
    "Teams Administrator",
    "Teams Communications Administrator",
    "Teams Communications Support Engineer",
    "Teams Communications Support Specialist",
    "Teams Devices Administrator",
    "Teams Reader",
    "Teams Telephony Administrator",
    "Tenant Creator",
    "Usage Summary Reports Reader",
    "User Administrator",
    "User Experience Success Manager",
    "Virtual Visits Administrator",
    "Viva Glint Tenant Administrator",
    "Viva Goals Administrator",
    "Viva Pulse Administrator",
    "Windows 365 Administrator",
    "Windows Update Deployment Administrator",
    "Yammer Administrator",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_roles_by_current_and_former_names() {
        assert_eq!(find("helpdesk administrator"), Some("Helpdesk Administrator"));
        assert_eq!(find("Company Administrator"), Some("Global Administrator"));
        assert_eq!(find("Helpdesk"), None);
        assert!(RENAMED.iter().all(|(_, today)| find(today) == Some(today)));
    }

    #[test]
    fn administrators_are_told_from_readers() {
        for role in [
            "Global Administrator",
            "company administrator",
            "Directory Writers",
            "Chief administrator",
        ] {
            assert!(is_administrators(role), "{role}");
        }
        for role in ["Global Reader", "Message Center Reader", "Insights Analyst", ""] {
            assert!(!is_administrators(role), "{role}");
        }
    }

    #[test]
    fn the_nearest_role_is_suggested() {
        assert_eq!(near("Helpdesk Admin"), Some("Helpdesk Administrator"));
        assert_eq!(near("Globl Reader"), Some("Global Reader"));
        assert_eq!(near("Chief Wizard"), None);
    }
}
