//! What rows ask of users that exist, or did.

use std::borrow::Cow;

use crate::CustomerRef;

/// A user as a row names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRef<'a> {
    /// The customer whose directory the user belongs to.
    pub customer: CustomerRef<'a>,
    /// `name@domain`; case makes no difference.
    pub user_principal_name: &'a str,
}

/// A new password for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordReset<'a> {
    /// Whose.
    pub user: UserRef<'a>,
    /// The user has to choose another one at the next sign-in.
    pub force_change: bool,
    /// Even if one was handed out within the last 24 hours.
    pub again: bool,
}

/// Licences to give to a user and to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseChange<'a> {
    /// Whose.
    pub user: UserRef<'a>,
    /// SKU part numbers or ids to give, without duplicates.
    pub assign: Vec<&'a str>,
    /// SKU part numbers or ids to take.
    pub remove: Vec<&'a str>,
    /// Take every licence that is not to be given.
    pub remove_all: bool,
    /// ISO 3166-1 alpha-2, upper case; empty leaves it alone.
    pub usage_location: Cow<'a, str>,
}
