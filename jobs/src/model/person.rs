//! The rules of a user's profile fields, the same for a new user and for a change.

use super::profile::is_decimal;
use super::{country, email};
use crate::faults::Faults;
use crate::{RowCells, UserField, code, text};

/// The longest name shown to others.
const MAX_DISPLAY_NAME: usize = 256;

/// The cell of a plain field, checked.
#[inline]
pub(crate) fn field<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize, field: UserField) -> &'a str {
    match field {
        UserField::StreetAddress => faults.lines(row, column, longest(field)),
        UserField::AlternateEmail => {
            let address = faults.line(row, column, longest(field));
            if !address.is_empty() && !text::has_control(address) && email::domain(address).is_none() {
                faults.add(column, code::INVALID, address, "an e-mail address");
            }
            address
        }
        UserField::OfficePhone | UserField::MobilePhone | UserField::Fax => {
            let before = faults.count();
            let number = faults.line(row, column, longest(field));
            let is_none = !number.chars().any(char::is_numeric) || is_decimal(number);
            if !number.is_empty() && faults.count() == before && is_none {
                faults.add(
                    column,
                    code::INVALID,
                    number,
                    "a phone number like `+49 89 1234567`; leave the cell empty if there is none",
                );
            }
            number
        }
        _ => faults.line(row, column, longest(field)),
    }
}

/// The name shown to others, as it is given.
#[inline]
pub(crate) fn display_name<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> &'a str {
    faults.line(row, column, MAX_DISPLAY_NAME)
}

/// A code where one is known. Directories take any text here, so an unknown name is no fault.
#[inline]
pub(crate) fn country<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> &'a str {
    let written = row.text(column);
    match country::by_code(written) {
        Some(country) => country.code,
        None if written.is_empty() => "",
        None => match country::by_name(written) {
            Some(country) => country.code,
            None => faults.line(row, column, 128),
        },
    }
}

/// Whether a country that a store holds is the one that was read, by its code or a name of it.
pub fn is_same_country(held: &str, read: &str) -> bool {
    text::is_as_read(held, read)
        || country::by_code(held)
            .or_else(|| country::by_name(held))
            .is_some_and(|country| country.code == read)
}

/// Greatest lengths. They are those of the directory (Microsoft Graph's user resource), not the shorter ones of some
/// upload forms.
const fn longest(field: UserField) -> usize {
    match field {
        UserField::PostalCode => 40,
        UserField::FirstName
        | UserField::LastName
        | UserField::Department
        | UserField::OfficePhone
        | UserField::MobilePhone
        | UserField::Fax => 64,
        UserField::JobTitle | UserField::Office | UserField::City | UserField::State => 128,
        UserField::AlternateEmail => email::MAX,
        UserField::StreetAddress => 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_the_same_by_its_code_and_its_names() {
        for held in ["DE", "de", "Germany", "germany", " DE"] {
            assert!(is_same_country(held, "DE"), "{held}");
        }
        for held in ["", "AT", "Atlantis"] {
            assert!(!is_same_country(held, "DE"), "{held}");
        }
        assert!(is_same_country("Atlantis", "Atlantis"));
    }
}
