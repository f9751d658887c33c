//! Changes of users: creating, deleting, restoring, passwords and licences.

use std::borrow::Cow;

use super::CustomerRef;
use super::customer::says;
use crate::{Column, position};

/// How a row names an existing user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRef<'a> {
    /// The customer whose directory the user belongs to.
    pub customer: CustomerRef<'a>,
    /// `name@domain`, case kept as written.
    pub user_principal_name: &'a str,
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

    /// Where a kind has the fields, in the order of [`ALL`](Self::ALL). Meant for constants, like [`position`].
    pub(crate) const fn columns(columns: &[Column]) -> [usize; Self::ALL.len()] {
        let mut found = [0; Self::ALL.len()];
        let mut index = 0;
        while index < found.len() {
            found[index] = position(columns, Self::ALL[index].name());
            index += 1;
        }
        found
    }
}

/// A user who should get a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset<'a> {
    /// Whose password.
    pub user: UserRef<'a>,
    /// The user must choose another one at the next sign-in; the default.
    pub force_change: bool,
    /// Reset even if a password was handed out within the last 24 hours.
    pub again: bool,
}

/// Fields of an existing user to change. What is not named stays as it is, and so do id and licences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPatch<'a> {
    /// Whose profile.
    pub user: UserRef<'a>,
    /// The name to sign in with from now on; `None` leaves it.
    pub new_name: Option<&'a str>,
    /// Shown name; `None` leaves it.
    pub display_name: Option<&'a str>,
    /// ISO 3166-1 alpha-2, upper case; `None` leaves it.
    pub usage_location: Option<&'a str>,
    /// ISO 3166-1 alpha-2, upper case, or the text as written when it is a name. The empty string erases, `None` leaves it.
    pub country: Option<&'a str>,
    /// New values of plain fields, in column order; the empty string erases.
    pub fields: Vec<(UserField, &'a str)>,
    /// Whether the user may not sign in; `None` leaves it.
    pub block_sign_in: Option<bool>,
    /// What cells say whose values were brought into another form: a store that holds just that is left as it is.
    pub written: Vec<(&'static str, &'a str)>,
}

impl UserPatch<'_> {
    /// Whether the row says of a field what is held, to the letter.
    pub fn says(&self, field: &str, held: &str) -> bool {
        says(&self.written, field, held)
    }

    /// The texts that are to be so, under the names stores have for them; the empty string erases.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("user_principal_name", self.new_name),
            ("display_name", self.display_name),
            ("usage_location", self.usage_location),
            ("country", self.country),
        ];
        let plain = self.fields.iter().map(|(field, value)| (field.name(), *value));
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .chain(plain)
    }
}

/// Licences a user should have, and should have no longer. What is not named stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseChange<'a> {
    /// Whose licences.
    pub user: UserRef<'a>,
    /// SKU part numbers or ids to assign, without duplicates, in the order written.
    pub assign: Vec<&'a str>,
    /// SKU part numbers or ids to take away, likewise; empty with [`remove_all`](Self::remove_all).
    pub remove: Vec<&'a str>,
    /// Take away every licence that is not in [`assign`](Self::assign).
    pub remove_all: bool,
    /// ISO 3166-1 alpha-2, upper case; empty to leave it.
    pub usage_location: Cow<'a, str>,
}
