//! `update-users`: changes the named fields of existing users and leaves the others alone. A new sign-in name is such a
//! field too: the user stays the same one, with its id and its licences.

mod templates;

use crate::faults::Faults;
use crate::model::cell::{self, Wish};
use crate::model::person;
use crate::{
    Change, Column, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Template, Undo, UserField,
    UserPatch, code, position,
};

/// The kind.
pub(crate) struct UpdateUsers;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::required("user_principal_name", "sign-in name the user has so far"),
    Column::optional("display_name", "name shown to others"),
    Column::optional("first_name", "first name, up to 64 characters; `<clear>` erases"),
    Column::optional("last_name", "last name, up to 64 characters; `<clear>` erases"),
    Column::optional("usage_location", "country code of two letters"),
    Column::optional("job_title", "job title; `<clear>` erases"),
    Column::optional("department", "department; `<clear>` erases"),
    Column::optional("office", "office; `<clear>` erases"),
    Column::optional("office_phone", "phone number at work; `<clear>` erases"),
    Column::optional("mobile_phone", "mobile phone number; `<clear>` erases"),
    Column::optional("fax", "fax number; `<clear>` erases"),
    Column::optional("alternate_email", "another e-mail address; `<clear>` erases"),
    Column::optional(
        "street_address",
        "street address, may have several lines; `<clear>` erases",
    ),
    Column::optional("city", "city; `<clear>` erases"),
    Column::optional("state", "state or province; `<clear>` erases"),
    Column::optional("postal_code", "postal code; `<clear>` erases"),
    Column::optional("country", "country code of two letters, or a name; `<clear>` erases"),
    Column::optional(
        "new_user_principal_name",
        "sign-in name from now on, `name@domain` with a domain of the customer",
    ),
    Column::optional("block_sign_in", "`yes` or `no`"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const USER_PRINCIPAL_NAME: usize = position(COLUMNS, "user_principal_name");
const DISPLAY_NAME: usize = position(COLUMNS, "display_name");
const USAGE_LOCATION: usize = position(COLUMNS, "usage_location");
const COUNTRY: usize = position(COLUMNS, "country");
const NEW_USER_PRINCIPAL_NAME: usize = position(COLUMNS, "new_user_principal_name");
const BLOCK_SIGN_IN: usize = position(COLUMNS, "block_sign_in");
/// The columns of what can be changed begin here.
const FIELDS: usize = USER_PRINCIPAL_NAME + 1;

/// The column of each plain field, in the order of [`UserField::ALL`].
const PROFILE: [usize; UserField::ALL.len()] = UserField::columns(COLUMNS);

impl JobKind for UpdateUsers {
    fn kind(&self) -> &'static str {
        "update-users"
    }

    fn summary(&self) -> &'static str {
        "Change users' names, contact, address and sign-in; empty cells change nothing"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn one_of(&self) -> &'static [Column] {
        &COLUMNS[FIELDS..]
    }

    fn templates(&self) -> &'static [Template] {
        templates::TEMPLATES
    }

    fn sample(&self) -> &'static str {
        include_str!("update_users.csv")
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
        let mut fields = Vec::new();
        for field in UserField::ALL {
            let column = PROFILE[field as usize];
            match Wish::of(row.text(column)) {
                Wish::Leave => {}
                Wish::Erase => fields.push((field, "")),
                Wish::Set(_) => fields.push((field, person::field(&mut faults, row, column, field))),
            }
        }
        let patch = UserPatch {
            user,
            new_name: is_set(&mut faults, row, NEW_USER_PRINCIPAL_NAME, A_NAME)
                .then(|| cell::user_principal_name(&mut faults, row, NEW_USER_PRINCIPAL_NAME)),
            display_name: is_set(&mut faults, row, DISPLAY_NAME, A_NAME)
                .then(|| person::display_name(&mut faults, row, DISPLAY_NAME)),
            usage_location: is_set(&mut faults, row, USAGE_LOCATION, A_LOCATION)
                .then(|| cell::country_code(&mut faults, row, USAGE_LOCATION)),
            country: match Wish::of(row.text(COUNTRY)) {
                Wish::Leave => None,
                Wish::Erase => Some(""),
                Wish::Set(_) => Some(person::country(&mut faults, row, COUNTRY)),
            },
            fields,
            block_sign_in: is_set(&mut faults, row, BLOCK_SIGN_IN, YES_OR_NO)
                .then(|| cell::yes_or_no(&mut faults, row, BLOCK_SIGN_IN))
                .flatten(),
            written: Vec::new(),
        };
        let patch = UserPatch {
            written: written(row, &patch),
            ..patch
        };
        let is_empty = |column: usize| row.text(column).is_empty() && !row.lacks(&[column]);
        // A list also has those who have nothing in its columns.
        if !row.is_of_list() && (FIELDS..COLUMNS.len()).all(is_empty) {
            faults.add_whole(
                code::NOTHING_TO_CHANGE,
                "a value in at least one column besides `customer` and `user_principal_name`",
            );
        }
        faults.finish(Change::UpdateUser(patch))
    }
}

/// The cells whose values were brought into another form.
fn written<'a>(row: &RowCells<'a>, patch: &UserPatch<'a>) -> Vec<(&'static str, &'a str)> {
    let codes = [(USAGE_LOCATION, patch.usage_location), (COUNTRY, patch.country)];
    let brought = codes
        .into_iter()
        .filter(|(column, value)| value.is_some_and(|value| !value.is_empty() && value != row.text(*column)));
    brought
        .map(|(column, _)| (COLUMNS[column].name, row.text(column)))
        .collect()
}

const A_NAME: &str = "a new name; a user cannot be without one";
const A_LOCATION: &str = "a country code of two letters; it can be changed but not taken away";
const YES_OR_NO: &str = "`yes` or `no`; it is always one of the two";

/// Whether a cell says what a field is to be that cannot be empty; one that would erase it is a fault.
fn is_set(faults: &mut Faults, row: &RowCells<'_>, column: usize, expected: &str) -> bool {
    let wish = Wish::of(row.text(column));
    if wish == Wish::Erase {
        faults.add(column, code::CANNOT_CLEAR, row.text(column), expected);
    }
    matches!(wish, Wish::Set(_))
}

#[cfg(test)]
mod tests;
