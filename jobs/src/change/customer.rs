//! Changes of customers: creating, updating, and ending the relationship with them.

use std::borrow::Cow;
use uuid::Uuid;

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

/// A reseller relationship to end. The customer's tenant stays; only a new invitation brings the relationship back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal<'a> {
    /// Whose relationship.
    pub customer: CustomerRef<'a>,
    /// Suspend what may be suspended and is still active. Without it, an active subscription stops the removal.
    pub suspend_subscriptions: bool,
    /// Noted in the record; empty when not given.
    pub reason: &'a str,
}
