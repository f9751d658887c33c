//! `bulk-add-users`: users with their licences and roles, for any number of customers in one file.
//!
//! This is the kind that is run on millions of rows: on the way of a good row nothing is copied, and
//! nothing is allocated but the lists of licences and roles.

pub(crate) mod templates;

use std::borrow::Cow;

use crate::faults::Faults;
use crate::model::{cell, list, person, roles, upn};
use crate::{
    Change, Column, Creates, Faulty, JobKind, NewUser, Passwords, Policy, Request, RowCells, RunsIn, Template, Undo,
    UserField, code, position, text,
};

/// The kind.
pub(crate) struct BulkAddUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required(
        "user_principal_name",
        "sign-in name, `name@domain` with a domain of the customer",
    ),
    Column::optional("display_name", "name shown to others; made from the names when empty"),
    Column::optional("first_name", "first name, up to 64 characters"),
    Column::optional("last_name", "last name, up to 64 characters"),
    Column::optional("usage_location", "country code of two letters; required with licences"),
    Column::optional("job_title", "job title"),
    Column::optional("department", "department"),
    Column::optional("office", "office"),
    Column::optional("office_phone", "phone number at work"),
    Column::optional("mobile_phone", "mobile phone number"),
    Column::optional("fax", "fax number"),
    Column::optional("alternate_email", "another e-mail address"),
    Column::optional("street_address", "street address, may have several lines"),
    Column::optional("city", "city"),
    Column::optional("state", "state or province"),
    Column::optional("postal_code", "postal code"),
    Column::optional("country", "country code of two letters, or a name"),
    Column::optional("licenses", "SKU part numbers or ids, separated by `;`"),
    Column::optional("roles", "directory roles, separated by `;`"),
    Column::secret("password", "accepted so that templates fit; never kept"),
    Column::optional("block_sign_in", "`yes` or `no` (the default)"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const DISPLAY_NAME: usize = position(COLUMNS, "display_name");
const FIRST_NAME: usize = position(COLUMNS, "first_name");
const LAST_NAME: usize = position(COLUMNS, "last_name");
const USAGE_LOCATION: usize = position(COLUMNS, "usage_location");
const COUNTRY: usize = position(COLUMNS, "country");
const LICENSES: usize = position(COLUMNS, "licenses");
const ROLES: usize = position(COLUMNS, "roles");
const PASSWORD: usize = position(COLUMNS, "password");
const BLOCK_SIGN_IN: usize = position(COLUMNS, "block_sign_in");

/// The column of each plain field, in the order of [`UserField::ALL`].
const PROFILE: [usize; UserField::ALL.len()] = UserField::columns(COLUMNS);

impl JobKind for BulkAddUsers {
    fn kind(&self) -> &'static str {
        "bulk-add-users"
    }

    fn summary(&self) -> &'static str {
        "Create users with licences and roles, for many customers at once"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn templates(&self) -> &'static [Template] {
        templates::TEMPLATES
    }

    fn sample(&self) -> &'static str {
        include_str!("bulk_add_users.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::WhileUntouched,
            passwords: Passwords::ForNewUsers,
            creates: Some(Creates::User),
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let customer = cell::customer(&mut faults, row, CUSTOMER);
        let user_principal_name = cell::user_principal_name(&mut faults, row, USER_PRINCIPAL_NAME);
        let display_name = display_name(&mut faults, row, user_principal_name);
        let profile = UserField::ALL.map(|field| person::field(&mut faults, row, PROFILE[field as usize], field));
        let usage_location = cell::country_code(&mut faults, row, USAGE_LOCATION);
        let country = person::country(&mut faults, row, COUNTRY);
        let licenses = licenses(&mut faults, row);
        let roles = roles(&mut faults, row);
        // Looked at like any other cell, then forgotten.
        faults.line(row, PASSWORD, 256);
        let block_sign_in = cell::yes_or_no(&mut faults, row, BLOCK_SIGN_IN).unwrap_or(false);
        faults.finish(Change::CreateUser(NewUser {
            customer,
            user_principal_name,
            display_name,
            profile,
            usage_location: Cow::Borrowed(usage_location),
            country: Cow::Borrowed(country),
            licenses,
            roles,
            block_sign_in,
        }))
    }
}

fn display_name<'a>(faults: &mut Faults, row: &RowCells<'a>, user_principal_name: &'a str) -> Cow<'a, str> {
    let given = person::display_name(faults, row, DISPLAY_NAME);
    if given.is_empty() && row.lacks(&[DISPLAY_NAME, FIRST_NAME, LAST_NAME]) {
        return Cow::Borrowed("");
    }
    match (given, row.text(FIRST_NAME), row.text(LAST_NAME)) {
        ("", "", "") => Cow::Borrowed(upn::local(user_principal_name)),
        ("", only, "") | ("", "", only) => Cow::Borrowed(only),
        ("", first, last) => Cow::Owned([first, last].join(" ")),
        (given, _, _) => Cow::Borrowed(given),
    }
}

fn licenses<'a>(faults: &mut Faults, row: &RowCells<'a>) -> Vec<&'a str> {
    let licenses = cell::skus(faults, row, LICENSES);
    if !licenses.is_empty() && row.text(USAGE_LOCATION).is_empty() {
        let expected = "a country code of two letters, which licences depend on";
        faults.add(USAGE_LOCATION, code::USAGE_LOCATION_REQUIRED, "", expected);
    }
    licenses
}

fn roles<'a>(faults: &mut Faults, row: &RowCells<'a>) -> Vec<&'a str> {
    let cell = row.text(ROLES);
    if !row.is_plain() && text::has_control(cell) {
        faults.line(row, ROLES, usize::MAX);
        return Vec::new();
    }
    let mut found = list::distinct(cell);
    for role in &mut found {
        match roles::find(role) {
            Some(name) => *role = name,
            None => {
                faults.add_near(
                    ROLES,
                    code::UNKNOWN_ROLE,
                    role,
                    ("the name of a directory role", roles::near(role)),
                );
            }
        }
    }
    // Two names of one role are the same role.
    let mut index = 0;
    while index < found.len() {
        if found[..index].contains(&found[index]) {
            found.remove(index);
        } else {
            index += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests;
