//! `update-account`: changes the named fields of customers' profiles and leaves the others alone.

use std::borrow::Cow;

use crate::faults::Faults;
use crate::model::cell::{self, Wish};
use crate::model::{country, profile};
use crate::{
    Change, Column, CustomerField, CustomerPatch, Faulty, JobKind, Passwords, Policy, Request, RowCells, RunsIn, Undo,
    code, position,
};

/// The kind.
pub(crate) struct UpdateAccount;

const COLUMNS: &[Column] = &[
    Column::required("customer", "tenant GUID, domain or external id of the customer"),
    Column::optional(
        "company_name",
        "name of the company; at Partner Center the one on the bill",
    ),
    Column::optional("first_name", "first name of the contact, up to 50 characters"),
    Column::optional("last_name", "last name of the contact, up to 50 characters"),
    Column::optional("email", "e-mail address of the contact"),
    Column::optional("phone", "phone number; `<clear>` erases"),
    Column::optional("address_line1", "street and number, up to 200 characters"),
    Column::optional("address_line2", "more of the address; `<clear>` erases"),
    Column::optional("city", "city; `<clear>` erases"),
    Column::optional("state", "state or province; `<clear>` erases"),
    Column::optional("postal_code", "postal code; `<clear>` erases"),
    Column::optional("country", "ISO 3166-1 country code of two letters"),
    Column::optional("culture", "culture like `de-CH`"),
    Column::optional("language", "language of two letters"),
    Column::optional("tags", "all tags, separated by `;`; `<clear>` erases"),
    Column::optional("external_id", "your own key for the customer; `<clear>` erases"),
];

const CUSTOMER: usize = position(COLUMNS, "customer");
const COUNTRY: usize = position(COLUMNS, "country");
const EXTERNAL_ID: usize = position(COLUMNS, "external_id");

impl JobKind for UpdateAccount {
    fn kind(&self) -> &'static str {
        "update-account"
    }

    fn summary(&self) -> &'static str {
        "Change customers' company, contact and address; empty cells change nothing"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("update_account.csv")
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
        let customer = cell::customer(&mut faults, row, CUSTOMER);
        // State and postal code can be judged only when the row says for which country.
        let country = country::by_code(row.text(COUNTRY)).map(|country| country.code);
        let (mut fields, mut written) = (Vec::new(), Vec::new());
        for (column, field) in (CUSTOMER + 1..).zip(CustomerField::ALL) {
            match Wish::of(row.text(column)) {
                Wish::Leave => {}
                Wish::Erase if field.is_required() => {
                    faults.add(
                        column,
                        code::CANNOT_CLEAR,
                        row.text(column),
                        "a new value; the field cannot be empty",
                    );
                }
                Wish::Erase => fields.push((field, Cow::Borrowed(""))),
                Wish::Set(text) => {
                    let value = set(&mut faults, column, field, text, country);
                    if value != text {
                        written.push((field.name(), text));
                    }
                    fields.push((field, value));
                }
            }
        }
        let external_id = match Wish::of(row.text(EXTERNAL_ID)) {
            Wish::Leave => None,
            Wish::Erase => Some(""),
            Wish::Set(_) => Some(faults.line(row, EXTERNAL_ID, 256)),
        };
        let named = (CUSTOMER + 1..COLUMNS.len()).any(|column| !row.text(column).is_empty() || row.lacks(&[column]));
        // A list also has those who have nothing in its columns.
        if !named && !row.is_of_list() {
            faults.add_whole(
                code::NOTHING_TO_CHANGE,
                "a value in at least one column besides `customer`",
            );
        }
        faults.finish(Change::UpdateCustomer(CustomerPatch {
            customer,
            fields,
            external_id,
            written,
        }))
    }
}

fn set<'a>(
    faults: &mut Faults,
    column: usize,
    field: CustomerField,
    text: &'a str,
    country: Option<&str>,
) -> Cow<'a, str> {
    let before = faults.count();
    let value = profile::normal(faults, column, field, text);
    match (field, country) {
        (CustomerField::State, Some(country)) if faults.count() == before => {
            Cow::Borrowed(profile::state(faults, column, country, text))
        }
        (CustomerField::PostalCode, Some(country)) if faults.count() == before => {
            profile::postal_code(faults, column, country, text);
            value
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests;
