//! Headers of our own lists of customers, subscriptions and users, which people edit and hand in to any kind.
//!
//! Such a file names the customer by its Microsoft id, or by the primary domain where that column was taken out; where it has
//! both, they have to be one customer's. Columns
//! that the kind has under the same name are that; the others are read past, in these files alone: in any other they would
//! be somebody's wish.

use crate::Template;

/// What the templates are called.
pub(crate) const NAME: &str = "exported list";

/// The titles that name a customer once more, where another column names it and the kind has none of that name: they
/// have to be of the same one.
pub(crate) const AGAIN: [&str; 2] = ["Primary domain name", "External ID"];

/// By the Microsoft id first.
pub(crate) const TEMPLATES: &[Template] = &[
    Template {
        name: NAME,
        preamble: None,
        marker: Some("Microsoft ID"),
        opposite: None,
        columns: &named(Some("customer"), None),
    },
    Template {
        name: NAME,
        preamble: None,
        marker: Some("Primary domain name"),
        opposite: None,
        columns: &named(None, Some("customer")),
    },
];

/// Every title whose column a kind may lack, or has under another name.
const fn named(id: Option<&'static str>, domain: Option<&'static str>) -> [(&'static str, Option<&'static str>); 12] {
    [
        ("Microsoft ID", id),
        ("Primary domain name", domain),
        ("Sign-in blocked", Some("block_sign_in")),
        ("Reseller", None),
        ("Relationship", None),
        ("Subscription", None),
        ("Users", None),
        ("Auto-renew", Some("auto_renew")),
        ("Term ends", None),
        ("Cancellable until", None),
        ("Product type", Some("product_type")),
        ("Registration number", Some("registration_number")),
    ]
}
