//! `export-customers`: files of customers, subscriptions or users.
//!
//! A row is a file. The filters choose customers whatever the file's rows are, so that the users of all
//! customers with a tag are one row too; a row that names its customer has chosen already. Every cell may be
//! empty, though a file's row needs one that is not, since blank rows are passed over.

mod columns;

use std::borrow::Cow;

use crate::faults::Faults;
use crate::model::{cell, list};
use crate::{
    Column, Export, ExportFormat, ExportOf, Faulty, JobKind, Matching, Passwords, Policy, Request, RowCells, RunsIn,
    SearchField, Undo, code, nearest, position, text,
};

pub use columns::{ExportColumn, default_export_columns, export_columns};

/// The kind.
pub(crate) struct ExportCustomers;

const COLUMNS: &[Column] = &[
    Column::optional(
        "what",
        "rows of the file: `customers` (the default), `subscriptions` or `users`",
    ),
    Column::optional(
        "customer",
        "tenant GUID, domain or external id; only this customer, and no filters",
    ),
    Column::optional("search", "only customers that answer to this text"),
    Column::optional(
        "field",
        "where to search: `any` (the default), `name`, `domain` or `id`",
    ),
    Column::optional("match", "how to search: `starts-with` (the default) or `contains`"),
    Column::optional("relationship", "only customers with this relationship, e.g. `reseller`"),
    Column::optional("country", "only customers in this country, a code of two letters"),
    Column::optional("tag", "only customers with this tag"),
    Column::optional("sort", "column to sort by; `-` in front to begin with the last"),
    Column::optional("columns", "columns of the file, separated by `;`"),
    Column::optional("format", "`csv` (the default), `json` or `xlsx`"),
    Column::optional("name", "file name without extension: letters, digits, `-`, `_`, `.`"),
];

const WHAT: usize = position(COLUMNS, "what");
const CUSTOMER: usize = position(COLUMNS, "customer");
const SEARCH: usize = position(COLUMNS, "search");
const FIELD: usize = position(COLUMNS, "field");
const MATCH: usize = position(COLUMNS, "match");
const RELATIONSHIP: usize = position(COLUMNS, "relationship");
const COUNTRY: usize = position(COLUMNS, "country");
const TAG: usize = position(COLUMNS, "tag");
const SORT: usize = position(COLUMNS, "sort");
const COLUMN_NAMES: usize = position(COLUMNS, "columns");
const FORMAT: usize = position(COLUMNS, "format");
const NAME: usize = position(COLUMNS, "name");

/// Longest file name, so that there is room for an extension and a number everywhere.
const MAX_NAME: usize = 100;

impl JobKind for ExportCustomers {
    fn kind(&self) -> &'static str {
        "export-customers"
    }

    fn summary(&self) -> &'static str {
        "Export customers, subscriptions or users to CSV, JSON or Excel files"
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn sample(&self) -> &'static str {
        include_str!("export_customers.csv")
    }

    fn policy(&self) -> Policy {
        Policy {
            destructive: false,
            undo: Undo::Nothing,
            passwords: Passwords::No,
            creates: None,
            runs_in: RunsIn::Store,
        }
    }

    fn request<'a>(&self, row: &RowCells<'a>) -> Result<Request<'a>, Faulty<'a>> {
        let mut faults = Faults::new(COLUMNS);
        let what = match cell::choice(&mut faults, row, WHAT) {
            None if row.text(WHAT).is_empty() => Some(ExportOf::Customers),
            written => written,
        };
        let customer = cell::optional_customer(&mut faults, row, CUSTOMER);
        let search = faults.line(row, SEARCH, 256);
        let field = cell::choice(&mut faults, row, FIELD).unwrap_or(SearchField::Any);
        let matching = cell::choice(&mut faults, row, MATCH).unwrap_or(Matching::StartsWith);
        let relationship = faults.line(row, RELATIONSHIP, 64);
        let country = cell::country_code(&mut faults, row, COUNTRY);
        let tag = faults.line(row, TAG, 50);
        check_filters(&mut faults, row, field);
        let format = cell::choice(&mut faults, row, FORMAT).unwrap_or(ExportFormat::Csv);
        let export = Export {
            what: what.unwrap_or(ExportOf::Customers),
            customer,
            search,
            field,
            matching,
            relationship,
            country: Cow::Borrowed(country),
            tag,
            // Which columns there are depends on what is exported.
            sort: what.and_then(|what| sort(&mut faults, row, what)),
            columns: what.map_or(Vec::new(), |what| columns(&mut faults, row, what)),
            names_columns: list::entries(row.text(COLUMN_NAMES)).next().is_some(),
            format,
            name: name(&mut faults, row, format),
        };
        faults.finish(export)
    }
}

/// Notes filters that cannot have any effect.
fn check_filters(faults: &mut Faults, row: &RowCells<'_>, field: SearchField) {
    if !row.text(CUSTOMER).is_empty() {
        for filter in [SEARCH, RELATIONSHIP, COUNTRY, TAG] {
            let written = row.text(filter);
            if !written.is_empty() {
                let expected =
                    "this says nothing, because `customer` names the only customer; leave out one of the two";
                faults.tell(filter, code::CONFLICTING, written, expected);
            }
        }
    }
    let search = row.text(SEARCH);
    if search.is_empty() {
        for how in [FIELD, MATCH] {
            let written = row.text(how);
            if !written.is_empty() {
                let expected = "this says nothing, because there is nothing in `search`";
                faults.tell(how, code::CONFLICTING, written, expected);
            }
        }
    }
    let in_guids = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    if field == SearchField::Id && !text::has_control(search) && !search.bytes().all(in_guids) {
        faults.add(
            SEARCH,
            code::INVALID,
            search,
            "part of a GUID, which `field` says it is",
        );
    }
}

fn sort(faults: &mut Faults, row: &RowCells<'_>, what: ExportOf) -> Option<(&'static str, bool)> {
    let written = faults.line(row, SORT, usize::MAX);
    if written.is_empty() || text::has_control(written) {
        return None;
    }
    let (name, descending) = match written.strip_prefix('-') {
        Some(name) => (name.trim(), true),
        None => (written, false),
    };
    column(faults, SORT, name, what).map(|name| (name, descending))
}

fn columns(faults: &mut Faults, row: &RowCells<'_>, what: ExportOf) -> Vec<&'static str> {
    let written = faults.line(row, COLUMN_NAMES, usize::MAX);
    if text::has_control(written) {
        return Vec::new();
    }
    let mut columns = Vec::new();
    let mut named = false;
    for name in list::entries(written) {
        named = true;
        if let Some(column) = column(faults, COLUMN_NAMES, name, what)
            && !columns.contains(&column)
        {
            columns.push(column);
        }
    }
    if !named {
        columns.extend(default_export_columns(what).iter().map(|column| column.name));
    }
    columns
}

/// The column called that, by its name or its title.
fn column(faults: &mut Faults, at: usize, written: &str, what: ExportOf) -> Option<&'static str> {
    let all = export_columns(what);
    let called = |column: &&ExportColumn, text: &str| {
        [column.name, column.title]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(text))
    };
    if let Some(column) = all.iter().find(|column| called(column, written)) {
        return Some(column.name);
    }
    let near = nearest(written, all.iter().flat_map(|column| [column.name, column.title]))
        .and_then(|near| all.iter().find(|column| called(column, near)))
        .map(|column| column.name);
    let names: Vec<&str> = all.iter().map(|column| column.name).collect();
    let expected = format!("a column of {}: {}", what.as_str(), names.join(", "));
    faults.add_near(at, code::UNKNOWN_CHOICE, written, (expected, near));
    None
}

fn name<'a>(faults: &mut Faults, row: &RowCells<'a>, format: ExportFormat) -> &'a str {
    let before = faults.count();
    let name = faults.line(row, NAME, MAX_NAME);
    if faults.count() > before || name.is_empty() {
        return name;
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(allowed) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.ends_with('.') {
        let expected = "a file name of letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
        faults.add(NAME, code::INVALID, name, expected);
    } else if let Some((stem, extension)) = name.rsplit_once('.')
        && extension.eq_ignore_ascii_case(format.as_str())
    {
        faults.add_near(
            NAME,
            code::INVALID,
            name,
            ("a file name without its extension", Some(stem)),
        );
    }
    name
}

#[cfg(test)]
mod tests;
