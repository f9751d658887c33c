//! Changes of customers: creating, updating, and ending the relationship with them.

use std::borrow::Cow;
use uuid::Uuid;

use crate::{Problem, code, is_as_read, key};

/// How a row names its customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerRef<'a> {
    /// The tenant GUID ("Microsoft ID"), with the text it was written as.
    Id(Uuid, &'a str),
    /// A domain or an external id; the store tries them in that order.
    Name(&'a str),
    /// By one of these, and once more by other cells of the row, which have to be of the same customer.
    Confirmed {
        /// The cell that names it.
        text: &'a str,
        /// One of its domains; empty where the row does not say.
        domain: &'a str,
        /// Our own key for it; empty where the row does not say.
        external_id: &'a str,
    },
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
            CustomerRef::Id(_, text) | CustomerRef::Name(text) | CustomerRef::Confirmed { text, .. } => text,
        }
    }

    /// With what other cells of the row say of it; empty ones say nothing.
    #[must_use]
    pub fn confirmed_by(self, domain: &'a str, external_id: &'a str) -> Self {
        if domain.is_empty() && external_id.is_empty() {
            return self;
        }
        CustomerRef::Confirmed {
            text: self.as_written(),
            domain,
            external_id,
        }
    }

    /// Without what other cells say: what the customer is looked up by.
    #[must_use]
    pub fn looked_up_by(self) -> Self {
        match self {
            CustomerRef::Confirmed { text, .. } => Self::parse(text),
            other => other,
        }
    }

    /// Whether the other cells of the row are of the customer that was found. It has these domains, the primary one first,
    /// and this external id; `None` where the store keeps none, which can deny nothing.
    ///
    /// # Errors
    /// [`code::CONFLICTING`], with both values, where they are another customer's.
    pub fn confirm<'d>(
        &self,
        domains: impl IntoIterator<Item = &'d str>,
        external_id: Option<&str>,
    ) -> Result<(), Problem> {
        let CustomerRef::Confirmed {
            text,
            domain,
            external_id: said,
        } = *self
        else {
            return Ok(());
        };
        let mut domains = domains.into_iter();
        let primary = domains.next().unwrap_or_default();
        let conflict = |what: &str, value: &str| {
            let sentence = format!(
                "this is the customer `{primary}`, and the row's {what} `{value}` is not that customer's; correct whichever is wrong"
            );
            Err(Problem::stated(code::CONFLICTING, "customer", text, sentence))
        };
        let is_its = |one: &str| key::same_domain(one, domain) || is_as_read(one, domain);
        if !domain.is_empty() && !is_its(primary) && !domains.any(is_its) {
            return conflict("primary domain name", domain);
        }
        match external_id {
            Some(kept) if !said.is_empty() && !key::same(kept, said) && !is_as_read(kept, said) => {
                conflict("external id", said)
            }
            _ => Ok(()),
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

    /// Whether Partner Center refuses a profile without it, so that it cannot be erased.
    pub const fn is_required(self) -> bool {
        matches!(
            self,
            Self::CompanyName
                | Self::FirstName
                | Self::LastName
                | Self::Email
                | Self::AddressLine1
                | Self::Country
                | Self::Culture
                | Self::Language
        )
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
    /// What cells say whose values were brought into another form: a store that holds just that is left as it is.
    pub written: Vec<(&'static str, &'a str)>,
}

impl CustomerPatch<'_> {
    /// Whether the row says of a field what is held, to the letter.
    pub fn says(&self, field: &str, held: &str) -> bool {
        says(&self.written, field, held)
    }
}

/// Whether that is written of a field.
pub(super) fn says(written: &[(&'static str, &str)], field: &str, held: &str) -> bool {
    written.iter().any(|(of, text)| *of == field && is_as_read(held, text))
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
