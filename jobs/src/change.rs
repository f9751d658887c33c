//! What a row asks for: the desired state of one thing, with every value checked and normalised.
//!
//! Changes borrow from the row they were read from. An absent value is the empty string.

mod subscription;
mod user;

use std::borrow::Cow;
use uuid::Uuid;

pub use subscription::{
    Direction, Flow, ProductType, Removal, SubscriptionState, SubscriptionStatus, Suspension, Switch, TransferAction,
};
pub use user::{LicenseChange, PasswordReset, UserRef};

/// The desired state of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// A customer that should exist.
    CreateCustomer(NewCustomer<'a>),
    /// Fields of a customer that should have these values.
    UpdateCustomer(CustomerPatch<'a>),
    /// A user that should exist.
    CreateUser(NewUser<'a>),
    /// How many seats of a SKU a customer should hold.
    SetSeats(Seats<'a>),
    /// A user that should be deleted.
    DeleteUser(UserRef<'a>),
    /// A deleted user that should be there again.
    RestoreUser(UserRef<'a>),
    /// A user who should get a new password.
    ResetPassword(PasswordReset<'a>),
    /// A user who should have other licences.
    AssignLicenses(LicenseChange<'a>),
    /// A subscription that a customer should hold.
    SetSubscription(SubscriptionState<'a>),
    /// A subscription that should be suspended, or active again.
    SuspendSubscription(Suspension<'a>),
    /// A relationship that should end.
    RemoveRelationship(Removal<'a>),
    /// A subscription that should change partners.
    SwitchSubscription(Switch<'a>),
}

impl Change<'_> {
    /// Calls `key` with each (native column, value) that may stand only once in a file. Values
    /// compare without regard to ASCII case; empty ones are not passed. `name` gives a customer one name however
    /// the row names it; who cannot tell gives what is written.
    pub fn each_key(&self, name: &dyn Fn(CustomerRef<'_>) -> String, key: &mut dyn FnMut(&'static str, &[&str])) {
        match self {
            Change::CreateCustomer(c) => {
                key("domain", &[&c.domain]);
                if !c.external_id.is_empty() {
                    key("external_id", &[c.external_id]);
                }
            }
            Change::UpdateCustomer(c) => key("customer", &[&name(c.customer)]),
            Change::CreateUser(u) => key("user_principal_name", &[u.user_principal_name]),
            Change::SetSeats(s) => key("sku", &[&name(s.customer), &s.sku_id.to_string()]),
            Change::DeleteUser(u)
            | Change::RestoreUser(u)
            | Change::ResetPassword(PasswordReset { user: u, .. })
            | Change::AssignLicenses(LicenseChange { user: u, .. }) => {
                key("user_principal_name", &[&name(u.customer), u.user_principal_name]);
            }
            Change::SetSubscription(SubscriptionState {
                subscription_id: id, ..
            })
            | Change::SuspendSubscription(Suspension {
                subscription_id: id, ..
            })
            | Change::SwitchSubscription(Switch {
                subscription_id: id, ..
            }) => {
                key("subscription_id", &[&id.to_string()]);
            }
            Change::RemoveRelationship(r) => key("customer", &[&name(r.customer)]),
        }
    }

    /// The customer the row names, if it names an existing one.
    pub fn customer(&self) -> Option<CustomerRef<'_>> {
        match self {
            Change::CreateCustomer(_) => None,
            Change::UpdateCustomer(c) => Some(c.customer),
            Change::CreateUser(u) => Some(u.customer),
            Change::SetSeats(s) => Some(s.customer),
            Change::DeleteUser(u)
            | Change::RestoreUser(u)
            | Change::ResetPassword(PasswordReset { user: u, .. })
            | Change::AssignLicenses(LicenseChange { user: u, .. }) => Some(u.customer),
            Change::SetSubscription(s) => Some(s.customer),
            Change::SuspendSubscription(s) => Some(s.customer),
            Change::RemoveRelationship(r) => Some(r.customer),
            Change::SwitchSubscription(s) => Some(s.customer),
        }
    }
}

/// How a row names its customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerRef<'a> {
    /// The tenant GUID ("Microsoft ID"), with the text it was written as.
    Id(Uuid, &'a str),
    /// A domain or an external id; the store tries them in that order.
    Name(&'a str),
}

impl<'a> CustomerRef<'a> {
    /// Reads a reference; `text` is not empty.
    pub fn parse(text: &'a str) -> Self {
        match Uuid::try_parse(text) {
            Ok(id) => CustomerRef::Id(id, text),
            Err(_) => CustomerRef::Name(text),
        }
    }

    /// The text of the cell.
    pub fn as_written(&self) -> &'a str {
        match self {
            CustomerRef::Id(_, text) | CustomerRef::Name(text) => text,
        }
    }
}

/// A customer to create: tenant, billing profile, contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCustomer<'a> {
    /// Whole domain, lower case, `prefix.onmicrosoft.com`.
    pub domain: Cow<'a, str>,
    /// Every other field of the profile, in the order of [`CustomerField::ALL`], normalised.
    pub profile: [Cow<'a, str>; CustomerField::ALL.len()],
    /// Organisation registration number.
    pub registration_number: &'a str,
    /// The reseller's own key for the customer.
    pub external_id: &'a str,
    /// Indirect reseller the customer belongs to (indirect providers only).
    pub associated_partner_id: &'a str,
}

/// The fields of a customer's profile that `update-account` can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the column names")]
pub enum CustomerField {
    CompanyName,
    FirstName,
    LastName,
    Email,
    Phone,
    AddressLine1,
    AddressLine2,
    City,
    State,
    PostalCode,
    Country,
    Culture,
    Language,
    Tags,
}

impl CustomerField {
    /// Every field, in column order.
    pub const ALL: [CustomerField; 14] = [
        Self::CompanyName,
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Phone,
        Self::AddressLine1,
        Self::AddressLine2,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::Culture,
        Self::Language,
        Self::Tags,
    ];

    /// The native column, which is also the store's column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompanyName => "company_name",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::AddressLine1 => "address_line1",
            Self::AddressLine2 => "address_line2",
            Self::City => "city",
            Self::State => "state",
            Self::PostalCode => "postal_code",
            Self::Country => "country",
            Self::Culture => "culture",
            Self::Language => "language",
            Self::Tags => "tags",
        }
    }
}

/// Fields of an existing customer to change. What is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPatch<'a> {
    /// Whose profile.
    pub customer: CustomerRef<'a>,
    /// New values in column order; the empty string erases.
    pub fields: Vec<(CustomerField, Cow<'a, str>)>,
    /// New external id; the empty string erases, `None` leaves it alone.
    pub external_id: Option<&'a str>,
}

/// A user to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser<'a> {
    /// The customer whose directory the user belongs to.
    pub customer: CustomerRef<'a>,
    /// `name@domain`, ASCII, at most 113 characters, case kept as written.
    pub user_principal_name: &'a str,
    /// Shown name; made from the names, or the user name's local part, when the file gives none.
    pub display_name: Cow<'a, str>,
    /// Profile fields in the order of [`UserField::ALL`].
    pub profile: [&'a str; UserField::ALL.len()],
    /// ISO 3166-1 alpha-2, upper case; empty when not given.
    pub usage_location: Cow<'a, str>,
    /// ISO 3166-1 alpha-2, upper case, or the text as written when it is a name; empty when not given.
    pub country: Cow<'a, str>,
    /// SKU part numbers or ids, without duplicates, in the order written.
    pub licenses: Vec<&'a str>,
    /// Directory role names, without duplicates, in the order written.
    pub roles: Vec<&'a str>,
    /// The user may not sign in.
    pub block_sign_in: bool,
}

/// Plain text fields of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the column names")]
pub enum UserField {
    FirstName,
    LastName,
    JobTitle,
    Department,
    Office,
    OfficePhone,
    MobilePhone,
    Fax,
    AlternateEmail,
    StreetAddress,
    City,
    State,
    PostalCode,
}

impl UserField {
    /// Every field, in column order.
    pub const ALL: [UserField; 13] = [
        Self::FirstName,
        Self::LastName,
        Self::JobTitle,
        Self::Department,
        Self::Office,
        Self::OfficePhone,
        Self::MobilePhone,
        Self::Fax,
        Self::AlternateEmail,
        Self::StreetAddress,
        Self::City,
        Self::State,
        Self::PostalCode,
    ];

    /// The native column, which is also the store's column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::JobTitle => "job_title",
            Self::Department => "department",
            Self::Office => "office",
            Self::OfficePhone => "office_phone",
            Self::MobilePhone => "mobile_phone",
            Self::Fax => "fax",
            Self::AlternateEmail => "alternate_email",
            Self::StreetAddress => "street_address",
            Self::City => "city",
            Self::State => "state",
            Self::PostalCode => "postal_code",
        }
    }
}

/// How many seats of one SKU a customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats<'a> {
    /// The customer who holds them.
    pub customer: CustomerRef<'a>,
    /// The SKU's part number, upper case, e.g. `SPB`.
    pub part_number: &'a str,
    /// The SKU's GUID.
    pub sku_id: Uuid,
    /// Seats in all, assigned ones included.
    pub seats: u32,
}
