//! The two columns that name an existing user.

use super::{text, upn};
use crate::faults::Faults;
use crate::{CustomerRef, Row, UserRef, code};

/// Reads the columns at `customer` and `name`.
pub(crate) fn read<'a>(faults: &mut Faults, row: &Row<'a>, customer: usize, name: usize) -> UserRef<'a> {
    let customer = faults.required_line(row, customer, 256);
    UserRef {
        customer: CustomerRef::parse(customer),
        user_principal_name: user_principal_name(faults, row, name),
    }
}

/// A sign-in name.
pub(crate) fn user_principal_name<'a>(faults: &mut Faults, row: &Row<'a>, column: usize) -> &'a str {
    let name = row.text(column);
    if name.is_empty() {
        faults.add(column, code::REQUIRED, name, "a value");
    } else if text::has_control(name) {
        faults.add(column, code::BAD_CHARACTER, name, upn::Fault::Character.expected());
    } else {
        upn::check(name, |fault| {
            let code = match fault {
                upn::Fault::TooLong => code::TOO_LONG,
                upn::Fault::Character => code::BAD_CHARACTER,
                upn::Fault::Form | upn::Fault::Dot | upn::Fault::Domain => code::INVALID,
            };
            faults.add(column, code, name, fault.expected());
        });
    }
    name
}
