//! The columns of exports: for each sort of row, its columns.
//!
//! The first ones of each table are those a file gets when nobody asks for others. For customers and
//! subscriptions these are Partner Center's own, in its order and under its headers, so that whatever reads its
//! files reads ours. Subscriptions begin with the customer's id, because our file is about many customers.

use crate::ExportOf;

/// A column of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportColumn {
    /// What rows of jobs call it, and the member's name in JSON.
    pub name: &'static str,
    /// The header in CSV and workbooks; Partner Center's where it has the column.
    pub title: &'static str,
}

/// Every column there is for that sort of row, the default ones first.
pub const fn export_columns(what: ExportOf) -> &'static [ExportColumn] {
    match what {
        ExportOf::Customers => CUSTOMERS,
        ExportOf::Subscriptions => SUBSCRIPTIONS,
        ExportOf::Users => USERS,
    }
}

/// The columns a file gets when nobody asks for others.
pub const fn default_export_columns(what: ExportOf) -> &'static [ExportColumn] {
    let defaults = match what {
        ExportOf::Customers => 5,
        ExportOf::Subscriptions => 6,
        ExportOf::Users => 10,
    };
    export_columns(what).split_at(defaults).0
}

const fn column(name: &'static str, title: &'static str) -> ExportColumn {
    ExportColumn { name, title }
}

const CUSTOMERS: &[ExportColumn] = &[
    column("microsoft_id", "Microsoft ID"),
    column("company_name", "Company name"),
    column("primary_domain_name", "Primary domain name"),
    column("relationship", "Relationship"),
    column("tags", "Tags"),
    column("external_id", "External ID"),
    column("first_name", "First name"),
    column("last_name", "Last name"),
    column("email", "Email"),
    column("phone", "Phone"),
    column("address_line1", "Address line 1"),
    column("address_line2", "Address line 2"),
    column("city", "City"),
    column("state", "State"),
    column("postal_code", "Postal code"),
    column("country", "Country"),
    column("culture", "Culture"),
    column("language", "Language"),
    column("registration_number", "Registration number"),
    column("associated_partner_id", "Associated partner ID"),
    column("users", "Users"),
];

const SUBSCRIPTIONS: &[ExportColumn] = &[
    column("microsoft_id", "Microsoft ID"),
    column("subscription_id", "Subscription ID"),
    column("subscription", "Subscription"),
    column("quantity", "Quantity"),
    column("status", "Status"),
    column("reseller", "Reseller"),
    column("company_name", "Company name"),
    column("primary_domain_name", "Primary domain name"),
    column("external_id", "External ID"),
    column("product_type", "Product type"),
    column("auto_renew", "Auto-renew"),
    column("term_ends", "Term ends"),
    column("cancellable_until", "Cancellable until"),
];

const USERS: &[ExportColumn] = &[
    column("microsoft_id", "Microsoft ID"),
    column("primary_domain_name", "Primary domain name"),
    column("user_principal_name", "User principal name"),
    column("display_name", "Display name"),
    column("first_name", "First name"),
    column("last_name", "Last name"),
    column("usage_location", "Usage location"),
    column("licenses", "Licenses"),
    column("roles", "Roles"),
    column("block_sign_in", "Sign-in blocked"),
    column("status", "Status"),
    column("company_name", "Company name"),
    column("external_id", "External ID"),
    column("job_title", "Job title"),
    column("department", "Department"),
    column("office", "Office"),
    column("office_phone", "Office phone"),
    column("mobile_phone", "Mobile phone"),
    column("fax", "Fax"),
    column("alternate_email", "Alternate email"),
    column("street_address", "Street address"),
    column("city", "City"),
    column("state", "State"),
    column("postal_code", "Postal code"),
    column("country", "Country"),
];
