//! `assign-licenses`: licences given to users and taken from them.

use std::borrow::Cow;

use uuid::Uuid;

use crate::faults::Faults;
use crate::model::{cell, skus};
use crate::{
    Change, Column, Faulty, JobKind, LicenseChange, Passwords, Policy, Request, RowCells, RunsIn, Undo, code, position,
};

/// The kind.
pub(crate) struct AssignLicenses;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name of the user"),
    Column::optional("assign", "SKU part numbers or ids, separated by `;`"),
    Column::optional("remove", "SKU part numbers or ids, separated by `;`, or `<all>` others"),
    Column::optional(
        "usage_location",
        "country code of two letters; a user needs one for licences",
    ),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const ASSIGN: usize = position(COLUMNS, "assign");
const REMOVE: usize = position(COLUMNS, "remove");
const USAGE_LOCATION: usize = position(COLUMNS, "usage_location");

impl JobKind for AssignLicenses {
    fn kind(&self) -> &'static str {
        "assign-licenses"
    }

    fn summary(&self) -> &'static str {
        "Assign licences to users and take them away"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("assign_licenses.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::WhileUntouched,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let user = cell::user(&mut faults, row, CUSTOMER, USER_PRINCIPAL_NAME);
        let assign = distinct(cell::skus(&mut faults, row, ASSIGN));
        let (remove, remove_all) = remove(&mut faults, row, &assign);
        let usage_location = cell::country_code(&mut faults, row, USAGE_LOCATION);
        if assign.is_empty() && remove.is_empty() && !remove_all && usage_location.is_empty() {
            faults.add_whole(
                code::NOTHING_TO_CHANGE,
                "a value in `assign`, `remove` or `usage_location`",
            );
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

fn remove<'a>(faults: &mut Faults, row: &RowCells<'a>, assign: &[&str]) -> (Vec<&'a str>, bool) {
    let mut remove = distinct(cell::skus(faults, row, REMOVE));
    let named = remove.len();
    remove.retain(|sku| !sku.eq_ignore_ascii_case("<all>"));
    let remove_all = remove.len() < named;
    for sku in &remove {
        if remove_all {
            faults.tell(
                REMOVE,
                code::CONFLICTING,
                sku,
                "`<all>` stands alone; leave out it or the SKUs",
            );
        } else if assign.iter().any(|assigned| is_same(assigned, sku)) {
            let expected = "this SKU is in `assign` too; leave out one of the two";
            faults.tell(REMOVE, code::CONFLICTING, sku, expected);
        }
    }
    (remove, remove_all)
}

/// Each SKU once, under the name it has first.
fn distinct(skus: Vec<&str>) -> Vec<&str> {
    let mut kept: Vec<&str> = Vec::with_capacity(skus.len());
    for sku in skus {
        if !kept.iter().any(|known| is_same(known, sku)) {
            kept.push(sku);
        }
    }
    kept
}

/// Whether two texts are one SKU, of which one may be the id.
fn is_same(one: &str, other: &str) -> bool {
    let id = |sku| skus::find(sku).map(|(_, id)| id).or_else(|| Uuid::try_parse(sku).ok());
    one.eq_ignore_ascii_case(other) || id(one).is_some_and(|one| id(other) == Some(one))
}

#[cfg(test)]
mod tests;
