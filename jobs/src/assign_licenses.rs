//! `assign-licenses`: licences of users who exist.

use std::borrow::Cow;

use crate::faults::Faults;
use crate::model::{list, profile, text, user_ref};
use crate::{Change, Column, Job, LicenseChange, Problem, Row, code, position};

/// The kind.
pub(crate) struct AssignLicenses;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
    Column::optional("assign", "SKU part numbers or ids to give, separated by `;`"),
    Column::optional(
        "remove",
        "SKU part numbers or ids to take, separated by `;`, or `<all>`",
    ),
    Column::optional("usage_location", "country code of two letters; licences depend on one"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const ASSIGN: usize = position(COLUMNS, "assign");
const REMOVE: usize = position(COLUMNS, "remove");
const USAGE_LOCATION: usize = position(COLUMNS, "usage_location");

impl Job for AssignLicenses {
    fn kind(&self) -> &'static str {
        "assign-licenses"
    }

    fn summary(&self) -> &'static str {
        "Give licences to users and take them"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("assign_licenses.csv")
    }

    fn change<'a>(&self, row: &Row<'a>) -> Result<Change<'a>, Vec<Problem>> {
        let mut faults = Faults::new(COLUMNS);
        let user = user_ref::read(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        let assign = skus(&mut faults, row, ASSIGN);
        let mut remove = skus(&mut faults, row, REMOVE);
        let remove_all = remove.iter().any(|sku| sku.eq_ignore_ascii_case(ALL));
        if remove_all && remove.len() > 1 {
            faults.add(REMOVE, code::CONFLICTING, row.text(REMOVE), "`<all>` alone, or SKUs");
        }
        remove.retain(|sku| !sku.eq_ignore_ascii_case(ALL));
        if let Some(both) = remove
            .iter()
            .find(|sku| assign.iter().any(|one| one.eq_ignore_ascii_case(sku)))
        {
            faults.add(REMOVE, code::CONFLICTING, both, "a SKU that is not in `assign` as well");
        }
        let usage_location = usage_location(&mut faults, row);
        if assign.is_empty() && remove.is_empty() && !remove_all && row.text(USAGE_LOCATION).is_empty() {
            let expected = "a value in `assign`, `remove` or `usage_location`";
            faults.add_whole(code::NOTHING_TO_CHANGE, expected);
        }
        faults.finish(Change::AssignLicenses(LicenseChange {
            user,
            assign,
            remove,
            remove_all,
            usage_location: Cow::Borrowed(usage_location),
        }))
    }
}

/// Stands for every licence a user has.
const ALL: &str = "<all>";

fn skus<'a>(faults: &mut Faults, row: &Row<'a>, column: usize) -> Vec<&'a str> {
    let skus = list::distinct(faults.line(row, column, usize::MAX));
    for sku in skus.iter().filter(|sku| sku.len() > 128) {
        faults.add(column, code::TOO_LONG, sku, "a SKU's part number or GUID");
    }
    skus
}

fn usage_location<'a>(faults: &mut Faults, row: &Row<'a>) -> &'a str {
    match row.text(USAGE_LOCATION) {
        "" => "",
        control if text::has_control(control) => faults.line(row, USAGE_LOCATION, usize::MAX),
        written => profile::country_code(faults, USAGE_LOCATION, written),
    }
}

#[cfg(test)]
mod tests;
