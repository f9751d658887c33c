//! Headers of the upload forms that users' files are made for.

use crate::Template;
use crate::bulk_add_users::templates::{
    ADMIN_CENTRE, ADMIN_CENTRE_DE, ADMIN_CENTRE_ES, ADMIN_CENTRE_PT, ENTRA, PARTNER_CENTER,
};

/// The templates, none of which fits another's header.
pub(super) const TEMPLATES: &[Template] = &[
    PARTNER_CENTER,
    ADMIN_CENTRE,
    ADMIN_CENTRE_DE,
    ADMIN_CENTRE_ES,
    ADMIN_CENTRE_PT,
    ENTRA_WITHOUT_PASSWORDS,
];

/// A job that changes users gives none a password, so such a column is refused rather than read past.
const ENTRA_WITHOUT_PASSWORDS: Template = Template {
    columns: ENTRA.columns.split_at(1).1,
    ..ENTRA
};
