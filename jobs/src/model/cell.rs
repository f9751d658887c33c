//! Cells that several kinds have, read and checked in one way.
//!
//! Each reader notes what is wrong and gives something to go on with, so that the rest of the row is read too.

use uuid::Uuid;

use super::{date, list, profile, upn, yes_no};
use crate::choice::Choice;
use crate::faults::Faults;
use crate::{CustomerRef, RowCells, UserRef, code, nearest, text};

/// What a cell asks for of a field that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// That it stays.
    Leave,
    /// That it is empty.
    Erase,
    /// That it is this.
    Set(&'a str),
}

impl<'a> Wish<'a> {
    pub(crate) fn of(cell: &'a str) -> Self {
        match cell {
            "" => Wish::Leave,
            clear if clear.eq_ignore_ascii_case("<clear>") => Wish::Erase,
            text => Wish::Set(text),
        }
    }
}

/// The customer, who has to be named.
#[inline]
pub(crate) fn customer<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> CustomerRef<'a> {
    named(row, faults.required_line(row, column, 256))
}

/// The customer, if one is named.
pub(crate) fn optional_customer<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> Option<CustomerRef<'a>> {
    let written = faults.line(row, column, 256);
    (!written.is_empty()).then(|| named(row, written))
}

/// The customer of that name, which other cells of the row may name once more.
#[inline]
fn named<'a>(row: &RowCells<'a>, written: &'a str) -> CustomerRef<'a> {
    let [domain, external_id] = row.again();
    CustomerRef::parse(written).confirmed_by(domain, external_id)
}

/// A user, named by two cells.
pub(crate) fn user<'a>(faults: &mut Faults, row: &RowCells<'a>, customer: usize, name: usize) -> UserRef<'a> {
    UserRef {
        customer: self::customer(faults, row, customer),
        user_principal_name: user_principal_name(faults, row, name),
    }
}

/// The name by which a user signs in.
#[inline]
pub(crate) fn user_principal_name<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> &'a str {
    let name = row.text(column);
    if name.is_empty() {
        faults.add(column, code::REQUIRED, name, "a value");
    } else if !row.is_plain() && text::has_control(name) {
        faults.add(column, code::BAD_CHARACTER, name, upn::UpnFault::Character.expected());
    } else {
        upn::check(name, |fault| {
            let code = match fault {
                upn::UpnFault::TooLong => code::TOO_LONG,
                upn::UpnFault::Character => code::BAD_CHARACTER,
                upn::UpnFault::Form | upn::UpnFault::Dot | upn::UpnFault::Domain => code::INVALID,
            };
            faults.add(column, code, name, fault.expected());
        });
    }
    name
}

/// A GUID that has to be given. Partner Center's pages call the id of a tenant "16-digit"; it never was.
pub(crate) fn required_guid(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Uuid {
    if row.text(column).is_empty() {
        faults.add(column, code::REQUIRED, "", "a GUID");
    }
    guid(faults, row, column).unwrap_or_default()
}

/// What stands in a cell, if anything does and it is on one line.
fn written<'r>(faults: &mut Faults, row: &RowCells<'r>, column: usize) -> Option<&'r str> {
    let written = row.text(column);
    if written.is_empty() {
        return None;
    }
    if text::has_control(written) {
        faults.line(row, column, usize::MAX);
        return None;
    }
    Some(written)
}

/// A GUID, if there is one.
pub(crate) fn guid(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Option<Uuid> {
    let written = written(faults, row, column)?;
    match Uuid::try_parse(written) {
        Ok(id) if !id.is_nil() => Some(id),
        _ => {
            let expected = match written.len() {
                16 => "a GUID, which an id of \"16 digits\" is in truth: 32 hexadecimal digits in five groups",
                _ => "a GUID, 32 hexadecimal digits in five groups",
            };
            faults.add(column, code::INVALID, written, expected);
            None
        }
    }
}

/// Yes or no; `None` where the cell is empty or neither.
#[inline]
pub(crate) fn yes_or_no(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Option<bool> {
    let written = row.text(column);
    if written.is_empty() {
        return None;
    }
    if let Some(said) = yes_no::parse(written) {
        return Some(said);
    }
    let code = if text::has_control(written) {
        code::BAD_CHARACTER
    } else {
        code::INVALID
    };
    faults.add(column, code, written, "`yes` or `no`");
    None
}

/// A whole number of at least `least`; `None` where the cell is empty or something else. One with a sign is something else:
/// `+5` may be meant as so many more.
pub(crate) fn whole_number(faults: &mut Faults, row: &RowCells<'_>, column: usize, least: u32) -> Option<u32> {
    let written = faults.line(row, column, 256);
    if written.is_empty() {
        return None;
    }
    let is_plain = written.bytes().all(|byte| byte.is_ascii_digit());
    let number = written.parse().ok().filter(|number| is_plain && *number >= least);
    if number.is_none() {
        let expected = format!("a whole number from {least} to {}, without a sign", u32::MAX);
        faults.add(column, code::INVALID, written, expected);
    }
    number
}

/// One of a few words that has to be given; `None` where it is not.
pub(crate) fn required_choice<T: Choice>(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Option<T> {
    if row.text(column).is_empty() {
        faults.add(column, code::REQUIRED, "", one_of(T::WORDS));
    }
    choice(faults, row, column)
}

/// One of a few words; `None` where the cell is empty or another word.
pub(crate) fn choice<T: Choice>(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Option<T> {
    word_of(faults, row, column, T::WORDS)
}

/// As [`choice`], of these words.
pub(crate) fn word_of<T: Copy>(
    faults: &mut Faults,
    row: &RowCells<'_>,
    column: usize,
    words: &[(&str, T)],
) -> Option<T> {
    match row.text(column) {
        "" => None,
        written => word(faults, column, written, words),
    }
}

/// What the word stands for, which may be one of several in a cell.
pub(crate) fn word<T: Copy>(faults: &mut Faults, column: usize, written: &str, words: &[(&str, T)]) -> Option<T> {
    if let Some((_, choice)) = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(written)) {
        return Some(*choice);
    }
    if text::has_control(written) {
        faults.check_line(column, written, usize::MAX);
        return None;
    }
    let near = nearest(written, words.iter().map(|(known, _)| *known));
    faults.add_near(column, code::UNKNOWN_CHOICE, written, (one_of(words), near));
    None
}

/// `` `a`, `b` or `c` ``
fn one_of<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(known, _)| format!("`{known}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Part numbers or ids of SKUs, separated by `;`.
#[inline]
pub(crate) fn skus<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> Vec<&'a str> {
    let written = row.text(column);
    if written.contains('\n') && !written.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r')) {
        let near = list::normal(&written.replace(['\r', '\n'], ";")).into_owned();
        let expected = "one line, its entries separated by `;`";
        faults.add_near(column, code::BAD_CHARACTER, written, (expected, Some(&near)));
        return Vec::new();
    }
    let skus = list::distinct(faults.line(row, column, usize::MAX));
    for sku in skus.iter().filter(|sku| sku.len() > 128) {
        faults.add(column, code::TOO_LONG, sku, "a SKU's part number or GUID");
    }
    skus
}

/// The upper-case code of a country; empty where the cell is.
#[inline]
pub(crate) fn country_code<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> &'a str {
    match row.text(column) {
        "" => "",
        control if !row.is_plain() && text::has_control(control) => faults.line(row, column, usize::MAX),
        written => profile::country_code(faults, column, written),
    }
}

/// The reseller of record: a GUID or a partner number.
pub(crate) fn partner_id<'a>(faults: &mut Faults, row: &RowCells<'a>, column: usize) -> &'a str {
    let id = faults.line(row, column, 36);
    let number = id.bytes().all(|byte| byte.is_ascii_digit());
    if !number && Uuid::try_parse(id).is_err() {
        faults.add(column, code::INVALID, id, "the reseller's GUID or partner number");
    }
    id
}

/// The end of a day, or a point in time, in milliseconds since the Unix epoch.
pub(crate) fn deadline(faults: &mut Faults, row: &RowCells<'_>, column: usize) -> Option<i64> {
    let written = written(faults, row, column)?;
    match date::deadline(written) {
        Ok(moment) => Some(moment),
        Err(fault) => {
            faults.add_near(
                column,
                code::INVALID,
                written,
                (fault.expected(), fault.near(written).as_deref()),
            );
            None
        }
    }
}
