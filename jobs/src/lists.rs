//! Headers of our own lists of customers, subscriptions and users, which people edit and hand in to any kind.
//!
//! Such a file names the customer by its Microsoft id, or by the primary domain where that column was taken out; where it has
//! both, they have to be one customer's. Partner Center's own list of a customer's subscriptions names none. Columns
//! that the kind has under the same name are that; the others are read past, in these files alone: in any other they would
//! be somebody's wish.

use crate::{JobKind, Template};

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
        markers: &["Microsoft ID"],
        opposite: None,
        columns: &named(Some("customer"), None),
    },
    Template {
        name: NAME,
        preamble: None,
        markers: &["Primary domain name"],
        opposite: None,
        columns: &named(None, Some("customer")),
    },
    Template {
        name: NAME,
        preamble: None,
        markers: &["Subscription ID", "Subscription"],
        opposite: None,
        columns: &named(None, None),
    },
];

/// What else a title stands for in a kind: the kind, the title and the kind's column.
const INSTEAD: &[(&str, &str, &str)] = &[
    ("set-seats", "Subscription", "sku"),
    ("set-seats", "Quantity", "seats"),
    ("set-subscriptions", "Subscription", "product"),
    ("set-subscriptions", "Reseller", "partner_id_on_record"),
    ("suspend-subscription", "Status", "action"),
];

/// The title of a list, and the kind's column that it stands for, by which the kind is told what to do: all of a list is not
/// meant where neither says so.
pub(crate) fn deciding(job: &dyn JobKind) -> Option<(&'static str, &'static str)> {
    instead(job).find(|(_, native)| *native == "action")
}

/// Titles that stand for columns of the kind that are called otherwise, where the file does not have these as well.
pub(crate) fn instead(job: &dyn JobKind) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_kind = INSTEAD.iter().filter(move |(kind, ..)| *kind == job.kind());
    of_kind.map(|(_, title, native)| (*title, *native))
}

/// Every title whose column a kind may lack, or has under another name.
const fn named(id: Option<&'static str>, domain: Option<&'static str>) -> [(&'static str, Option<&'static str>); 10] {
    [
        ("Microsoft ID", id),
        ("Primary domain name", domain),
        ("Sign-in blocked", Some("block_sign_in")),
        ("Reseller", None),
        ("Relationship", None),
        ("Subscription", None),
        ("Users", None),
        ("Auto-renew", Some("auto_renew")),
        ("Product type", Some("product_type")),
        ("Registration number", Some("registration_number")),
    ]
}
