//! Headers of the upload forms that users' files are made for, and of our own lists of users.

use crate::Template;
use crate::bulk_add_users::templates::{ADMIN_CENTRE, ENTRA, PARTNER_CENTER};

/// The templates, none of which fits another's header.
pub(super) const TEMPLATES: &[Template] = &[PARTNER_CENTER, ADMIN_CENTRE, ENTRA_WITHOUT_PASSWORDS, USERS];

/// Whoever changes users gives none a password, so such a column is refused rather than read past.
const ENTRA_WITHOUT_PASSWORDS: Template = Template {
    columns: ENTRA.columns.split_at(1).1,
    ..ENTRA
};

/// What `export-customers` and `customers --what users` list. What this kind cannot change is read past there, and there
/// alone: in any other file it would be somebody's wish.
const USERS: Template = Template {
    name: "list of users",
    preamble: None,
    marker: Some("Microsoft ID"),
    columns: &[
        ("Microsoft ID", Some("customer")),
        ("Primary domain name", None),
        ("Licenses", None),
        ("Roles", None),
        ("Sign-in blocked", Some("block_sign_in")),
        ("Status", None),
        ("Company name", None),
        ("External ID", None),
    ],
};
