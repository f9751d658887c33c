//! `add-customer`: a tenant with its billing profile and contact.

use std::borrow::Cow;

use crate::faults::Faults;
use crate::model::{cell, country, domain, postal, profile};
use crate::{
    Change, Column, Creates, CustomerField, Faulty, JobKind, NewCustomer, Passwords, Policy, Request, RowCells, RunsIn,
    Undo, code, position, text,
};

/// The kind.
pub(crate) struct AddCustomer;

const COLUMNS: &[Column] = &[
    Column::required(
        "domain",
        "initial domain: a prefix of 1 to 27 characters, or `prefix.onmicrosoft.com`",
    ),
    Column::required("company_name", "legal name of the company"),
    Column::required("first_name", "first name of the contact, up to 50 characters"),
    Column::required("last_name", "last name of the contact, up to 50 characters"),
    Column::required("email", "e-mail address of the contact"),
    Column::optional("phone", "phone number; required in some countries"),
    Column::required("address_line1", "street and number, up to 200 characters"),
    Column::optional("address_line2", "more of the address, up to 200 characters"),
    Column::optional("city", "city"),
    Column::optional("state", "state or province; a code or a name in the US and Canada"),
    Column::optional("postal_code", "postal code"),
    Column::required("country", "ISO 3166-1 country code of two letters"),
    Column::optional(
        "culture",
        "culture like `de-CH`; follows from the country where that is clear",
    ),
    Column::optional("language", "language of two letters; follows from the culture"),
    Column::optional(
        "registration_number",
        "organisation's registration number; required in some countries",
    ),
    Column::optional("external_id", "your own key for the customer"),
    Column::optional(
        "associated_partner_id",
        "indirect reseller of the customer, a GUID or a number",
    ),
    Column::optional("tags", "tags separated by `;`, up to 150 of 50 characters"),
];

const DOMAIN: usize = position(COLUMNS, "domain");
const PHONE: usize = position(COLUMNS, "phone");
const COUNTRY: usize = position(COLUMNS, "country");
const CULTURE: usize = position(COLUMNS, "culture");
const LANGUAGE: usize = position(COLUMNS, "language");
const CITY: usize = position(COLUMNS, "city");
const STATE: usize = position(COLUMNS, "state");
const POSTAL_CODE: usize = position(COLUMNS, "postal_code");
const REGISTRATION_NUMBER: usize = position(COLUMNS, "registration_number");
const EXTERNAL_ID: usize = position(COLUMNS, "external_id");
const ASSOCIATED_PARTNER_ID: usize = position(COLUMNS, "associated_partner_id");

/// Where each profile field stands.
const FIELDS: [usize; CustomerField::ALL.len()] = {
    let mut at = [0; CustomerField::ALL.len()];
    let mut index = 0;
    while index < at.len() {
        at[index] = position(COLUMNS, CustomerField::ALL[index].name());
        index += 1;
    }
    at
};

/// Countries whose companies need a registration number and a phone number.
///
/// Source: Partner Center's page on creating customers. Its error-code reference names only twelve of these,
/// a third table adds China and the US. The 24 are what the form and the customer API agree on, so asking for
/// less would let rows through that the service refuses, and asking for more would refuse rows it takes.
const REGISTERED: [&str; 24] = [
    "AE", "AM", "AZ", "BR", "BY", "HU", "IN", "IQ", "KG", "KZ", "MD", "MM", "PL", "RU", "SA", "SS", "TH", "TJ", "TR",
    "UA", "UZ", "VE", "VN", "ZA",
];

impl JobKind for AddCustomer {
    fn kind(&self) -> &'static str {
        "add-customer"
    }

    fn summary(&self) -> &'static str {
        "Create customers: tenant, billing profile and contact"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("add_customer.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::Never("a tenant cannot be deleted"),
            passwords: Passwords::ForNewCustomers,
            creates: Some(Creates::Customer),
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let domain = initial_domain(&mut faults, row);
        let mut fields = FIELDS.map(|column| Cow::Borrowed(row.text(column)));
        for ((field, column), value) in CustomerField::ALL.into_iter().zip(FIELDS).zip(&mut fields) {
            if let Cow::Borrowed(text) = *value
                && !text.is_empty()
            {
                *value = profile::normal(&mut faults, column, field, text);
            } else if COLUMNS[column].required {
                faults.add(column, code::REQUIRED, "", "a value");
            }
        }
        apply_country_rules(&mut faults, row, &mut fields);
        let customer = NewCustomer {
            domain,
            profile: fields,
            registration_number: faults.line(row, REGISTRATION_NUMBER, 100),
            external_id: faults.line(row, EXTERNAL_ID, 256),
            associated_partner_id: cell::partner_id(&mut faults, row, ASSOCIATED_PARTNER_ID),
        };
        faults.finish(Change::CreateCustomer(customer))
    }
}

fn initial_domain<'a>(faults: &mut Faults, row: &RowCells<'a>) -> Cow<'a, str> {
    let written = faults.required_line(row, DOMAIN, 253);
    if written.is_empty() || text::has_control(written) {
        return Cow::Borrowed(written);
    }
    domain::initial(written).unwrap_or_else(|found| {
        for fault in found {
            let code = match fault {
                domain::DomainFault::Suffix => code::INVALID,
                domain::DomainFault::Character => code::BAD_CHARACTER,
                domain::DomainFault::Length if written.starts_with('.') => code::INVALID,
                domain::DomainFault::Length => code::TOO_LONG,
            };
            faults.add(DOMAIN, code, written, fault.expected());
        }
        Cow::Borrowed(written)
    })
}

/// What depends on the country: state, postal code, registration, culture and language.
fn apply_country_rules<'a>(
    faults: &mut Faults,
    row: &RowCells<'a>,
    fields: &mut [Cow<'a, str>; CustomerField::ALL.len()],
) {
    let country = country::by_code(row.text(COUNTRY));
    if let Some(country) = country {
        match row.text(STATE) {
            "" if country.code == "US" => {
                faults.add(STATE, code::REQUIRED, "", "a state, which addresses in the US have");
            }
            "" => {}
            written if text::has_control(written) => {}
            written => {
                let state = profile::state(faults, STATE, country.code, written);
                fields[CustomerField::State as usize] = Cow::Borrowed(state);
            }
        }
        for column in [CITY, POSTAL_CODE] {
            if row.text(column).is_empty() && postal::wants_city_and_code(country.code) {
                faults.add(
                    column,
                    code::REQUIRED,
                    "",
                    format!("a value, for an address in {}", country.code),
                );
            }
        }
        if !row.text(POSTAL_CODE).is_empty() && !text::has_control(row.text(POSTAL_CODE)) {
            profile::postal_code(faults, POSTAL_CODE, country.code, row.text(POSTAL_CODE));
        }
        if REGISTERED.contains(&country.code) {
            if row.text(REGISTRATION_NUMBER).is_empty() {
                let expected = format!("the company's registration number, which {} requires", country.name);
                faults.add(REGISTRATION_NUMBER, code::REGISTRATION_NUMBER_REQUIRED, "", expected);
            }
            if row.text(PHONE).is_empty() {
                let expected = format!("a phone number, which {} requires", country.name);
                faults.add(PHONE, code::PHONE_REQUIRED, "", expected);
            }
        }
    }
    settle_culture(faults, row, country, fields);
}

/// Fills in culture and language where one follows from the other or from the country.
fn settle_culture<'a>(
    faults: &mut Faults,
    row: &RowCells<'a>,
    country: Option<&'static country::Country>,
    fields: &mut [Cow<'a, str>; CustomerField::ALL.len()],
) {
    if row.lacks(&[COUNTRY, CULTURE, LANGUAGE]) {
        return;
    }
    let [culture, language] = [CustomerField::Culture as usize, CustomerField::Language as usize];
    if fields[culture].is_empty() {
        // Nothing follows from a missing country or a bad language, and those are noted already.
        let Some(country) = country.filter(|_| matches!(row.text(LANGUAGE).len(), 0 | 2)) else {
            return;
        };
        match country::culture(country, row.text(LANGUAGE)) {
            Some(derived) => fields[culture] = Cow::Borrowed(derived),
            None if country.cultures.is_empty() => {
                let expected = format!(
                    "a culture like `xx-{}`; none follows from {} alone",
                    country.code, country.name
                );
                faults.add(CULTURE, code::REQUIRED, "", expected);
            }
            None => {
                let expected = format!("a culture, e.g. {}", country.cultures.join(" or "));
                faults.add(CULTURE, code::REQUIRED, "", expected);
            }
        }
    }
    if fields[language].is_empty() {
        let start = fields[culture].split('-').next().unwrap_or_default();
        fields[language] = match start.len() {
            2 => Cow::Owned(start.to_owned()),
            // Three letters have no two-letter form that we know; a bad culture has been noted already.
            3 => {
                faults.add(LANGUAGE, code::REQUIRED, "", "a language of two letters");
                return;
            }
            _ => return,
        };
    }
}

#[cfg(test)]
mod tests;
