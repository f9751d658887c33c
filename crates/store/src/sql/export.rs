//! `export-customers`: reads what a store holds, page after page, so that millions of rows take no more memory than
//! a few. Pages follow each other by the last row's key, all from one snapshot.

use std::collections::HashMap;

use tenantry_jobs::{
    CustomerRef, Export, ExportColumn, ExportFormat, ExportOf, Matching, Problem, SearchField, export_columns, key,
};

use super::lookup::Directory;
use super::record::RESELLER;
use tenantry_foundation::db::{DbError, Dialect, Row, Tx, Value};
use tenantry_foundation::moment::rfc3339;

/// Rows read at a time; sorted ones are more, since each page sorts anew.
const PAGE: u64 = 2_000;
const SORTED_PAGE: u64 = 20_000;
/// What Partner Center calls a customer's relationship with the partner who sells to it.
const CLOUD_RESELLER: &str = "Cloud Reseller";

/// A file to write, with values of its own.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// Number of the row that asks for it.
    pub row: u64,
    /// What is listed.
    pub what: ExportOf,
    /// How it is written.
    pub format: ExportFormat,
    /// Its name, with extension.
    pub name: String,
    columns: Vec<&'static str>,
    sort: Option<(&'static str, bool)>,
    filter: CustomerFilter,
}

#[derive(Debug, Clone)]
struct CustomerFilter {
    customer: Option<i64>,
    search: String,
    /// The same, as a domain has it.
    domain: String,
    field: SearchField,
    matching: Matching,
    relationship: String,
    country: String,
    tag: String,
}

impl ExportRequest {
    pub(super) fn new(row: u64, export: &Export<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer = match export.customer {
            Some(customer) => Some(directory.find_any(customer)?.id),
            None => None,
        };
        Ok(Self::of(row, export, customer))
    }

    /// A request whose customer is known.
    pub fn of(row: u64, export: &Export<'_>, customer: Option<i64>) -> Self {
        Self {
            row,
            what: export.what,
            format: export.format,
            name: format!("{}.{}", export.stem(), export.format.as_str()),
            columns: export.columns.clone(),
            sort: export.sort,
            filter: CustomerFilter {
                customer,
                search: key::fold(export.search).into_owned(),
                domain: key::domain(export.search).into_owned(),
                field: export.field,
                matching: export.matching,
                relationship: export.relationship.to_lowercase(),
                country: export.country.clone().into_owned(),
                tag: key::fold(export.tag).into_owned(),
            },
        }
    }

    /// The columns of the file, in order.
    pub fn columns(&self) -> Vec<&'static ExportColumn> {
        let all = export_columns(self.what);
        let column = |name: &&'static str| all.iter().find(|column| column.name == *name);
        self.columns.iter().filter_map(column).collect()
    }
}

/// The customer of that name.
pub fn customer(tx: &mut dyn Tx, named: CustomerRef<'_>) -> Result<Result<i64, Problem>, DbError> {
    let mut directory = Directory::default();
    directory.learn(tx, std::iter::once(named))?;
    Ok(directory.find_any(named).map(|customer| customer.id))
}

/// Calls `each` with the cells of every row; how many there were. Ends early when `each` answers `false`.
pub fn read(
    tx: &mut dyn Tx,
    request: &ExportRequest,
    each: &mut dyn FnMut(Vec<String>) -> bool,
) -> Result<u64, DbError> {
    let part_numbers = part_numbers(tx, request)?;
    let query = PagedQuery::of(request, tx.dialect());
    let mut rows = 0;
    let mut after: Option<(Value, i64)> = None;
    loop {
        let (sql, params) = query.page(after.as_ref());
        let page = tx.query(&sql, &params)?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = Some((key_of(last, query.sorts_numbers)?, last.int(0)?));
        let whole = page.len() as u64 == query.page_rows;
        for row in &page {
            let mut cells = Vec::with_capacity(query.columns.len());
            for (at, column) in query.columns.iter().enumerate() {
                cells.push(cell(row, at + 2, column, &part_numbers)?);
            }
            rows += 1;
            if !each(cells) {
                return Ok(rows);
            }
        }
        if !whole {
            return Ok(rows);
        }
    }
}

fn key_of(row: &Row, number: bool) -> Result<Value, DbError> {
    Ok(if number {
        row.int(1)?.into()
    } else {
        row.text_or_empty(1)?.into()
    })
}

/// SKU ids are for machines; files name the part number.
fn part_numbers(tx: &mut dyn Tx, request: &ExportRequest) -> Result<HashMap<String, String>, DbError> {
    if !request.columns.contains(&"licenses") {
        return Ok(HashMap::new());
    }
    let found = tx.query("SELECT DISTINCT sku_id, part_number FROM subscribed_skus", &[])?;
    found
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnForm {
    Text,
    Number,
    Time,
    Relationship,
    Licenses,
    Blocked,
}

struct ColumnSql {
    sql: String,
    form: ColumnForm,
}

fn cell(row: &Row, at: usize, column: &ColumnSql, part_numbers: &HashMap<String, String>) -> Result<String, DbError> {
    Ok(match column.form {
        ColumnForm::Text => row.text_or_empty(at)?.to_owned(),
        ColumnForm::Number => row.opt_int(at)?.map_or(String::new(), |number| number.to_string()),
        ColumnForm::Time => row.opt_int(at)?.map_or(String::new(), rfc3339),
        ColumnForm::Relationship => match row.text_or_empty(at)? {
            RESELLER => CLOUD_RESELLER.to_owned(),
            other => other.to_owned(),
        },
        ColumnForm::Licenses => {
            let ids = row.text_or_empty(at)?.split(';').filter(|id| !id.is_empty());
            let names: Vec<&str> = ids.map(|id| part_numbers.get(id).map_or(id, String::as_str)).collect();
            names.join(";")
        }
        ColumnForm::Blocked => if row.int(at)? & super::record::SIGN_IN_BLOCKED != 0 {
            "yes"
        } else {
            "no"
        }
        .to_owned(),
    })
}

fn column(what: ExportOf, name: &str) -> ColumnSql {
    let (sql, form) = match (what, name) {
        (_, "microsoft_id") => ("c.tenant_id".to_owned(), ColumnForm::Text),
        (_, "primary_domain_name") => ("c.domain".to_owned(), ColumnForm::Text),
        (_, "company_name") => ("c.company_name".to_owned(), ColumnForm::Text),
        (_, "external_id") => ("c.external_id".to_owned(), ColumnForm::Text),
        (ExportOf::Customers, "relationship") => (RELATIONSHIP.to_owned(), ColumnForm::Relationship),
        (ExportOf::Customers, "users") => ("c.user_count".to_owned(), ColumnForm::Number),
        (ExportOf::Customers, name) => (format!("c.{name}"), ColumnForm::Text),
        (ExportOf::Subscriptions, "subscription") => ("x.product".to_owned(), ColumnForm::Text),
        (ExportOf::Subscriptions, "reseller") => ("x.partner_id_on_record".to_owned(), ColumnForm::Text),
        (ExportOf::Subscriptions, "quantity") => ("x.quantity".to_owned(), ColumnForm::Number),
        (ExportOf::Subscriptions, name @ ("term_ends" | "cancellable_until")) => {
            (format!("x.{name}"), ColumnForm::Time)
        }
        (ExportOf::Users, "licenses") => ("x.licenses".to_owned(), ColumnForm::Licenses),
        (ExportOf::Users, "block_sign_in") => ("x.flags".to_owned(), ColumnForm::Blocked),
        (ExportOf::Users, "status") => (unless_missing("'active'"), ColumnForm::Text),
        (ExportOf::Subscriptions, "status") => (unless_missing("x.status"), ColumnForm::Text),
        (ExportOf::Subscriptions | ExportOf::Users, name) => (format!("x.{name}"), ColumnForm::Text),
    };
    ColumnSql { sql, form }
}

/// A customer's relationship; a copied one may be missing where it was copied from.
const RELATIONSHIP: &str = "CASE WHEN c.missing_since IS NULL THEN c.relationship ELSE 'missing' END";

fn unless_missing(status: &str) -> String {
    format!("CASE WHEN x.missing_since IS NULL THEN {status} ELSE 'missing' END")
}

/// What a list is ordered by for a column: its key, where it has one.
fn order(what: ExportOf, name: &str, column: &str, dialect: Dialect) -> String {
    let collation = match dialect {
        Dialect::Postgres => " COLLATE \"C\"",
        Dialect::Sqlite => "",
    };
    match (what, name) {
        (_, "company_name") => "COALESCE(c.name_key, '')".to_owned(),
        (_, "external_id") => "COALESCE(c.external_key, '')".to_owned(),
        (ExportOf::Customers, "tags") => "COALESCE(c.tags_key, '')".to_owned(),
        (ExportOf::Users, "user_principal_name") => "x.name_key".to_owned(),
        // Texts that name nothing; in which order they come with letters beyond ASCII is up to the database.
        _ => format!("(lower(COALESCE({column}, '')){collation})"),
    }
}

struct PagedQuery {
    columns: Vec<ColumnSql>,
    from: &'static str,
    id: &'static str,
    wheres: Vec<String>,
    params: Vec<Value>,
    is_sorted: bool,
    sort: String,
    sorts_numbers: bool,
    descending: bool,
    page_rows: u64,
}

impl PagedQuery {
    fn of(request: &ExportRequest, dialect: Dialect) -> Self {
        let (from, id) = match request.what {
            ExportOf::Customers => ("customers c", "c.id"),
            ExportOf::Subscriptions => ("subscriptions x JOIN customers c ON c.id = x.customer", "x.id"),
            ExportOf::Users => ("users x JOIN customers c ON c.id = x.customer", "x.id"),
        };
        let (sort, sorts_numbers, descending) = match request.sort {
            None => ("CAST(0 AS BIGINT)".to_owned(), true, false),
            Some((name, descending)) => {
                let by = column(request.what, name);
                match by.form {
                    ColumnForm::Number | ColumnForm::Time | ColumnForm::Blocked => {
                        (format!("COALESCE({}, 0)", by.sql), true, descending)
                    }
                    _ => (order(request.what, name, &by.sql, dialect), false, descending),
                }
            }
        };
        let mut query = Self {
            columns: request.columns.iter().map(|name| column(request.what, name)).collect(),
            from,
            id,
            wheres: Vec::new(),
            params: Vec::new(),
            is_sorted: request.sort.is_some(),
            sort,
            sorts_numbers,
            descending,
            page_rows: if request.sort.is_some() { SORTED_PAGE } else { PAGE },
        };
        query.filter(&request.filter);
        query
    }

    fn filter(&mut self, filter: &CustomerFilter) {
        if let Some(customer) = filter.customer {
            let place = self.param(customer);
            self.wheres.push(format!("c.id = {place}"));
        }
        let relationship = match filter.relationship.as_str() {
            // Who is no customer any more is not in the list of customers.
            "" if filter.customer.is_some() => None,
            "" | "cloud reseller" => Some(RESELLER.to_owned()),
            other => Some(other.to_owned()),
        };
        if let Some(relationship) = relationship {
            let place = self.param(relationship);
            self.wheres.push(format!("{RELATIONSHIP} = {place}"));
        }
        if !filter.country.is_empty() {
            let place = self.param(filter.country.as_str());
            self.wheres.push(format!("c.country = {place}"));
        }
        if !filter.tag.is_empty() {
            let place = self.param(format!("%;{};%", escaped(&filter.tag)));
            self.wheres.push(format!(
                "';' || COALESCE(c.tags_key, '') || ';' LIKE {place} ESCAPE '!'"
            ));
        }
        if !filter.search.is_empty() {
            let found = match filter.field {
                SearchField::Any => {
                    let (name, domain) = (self.name(filter), self.domain(filter));
                    format!("({name} OR {domain} OR {})", self.tenant(filter))
                }
                SearchField::Name => self.name(filter),
                SearchField::Domain => self.domain(filter),
                SearchField::Id => self.tenant(filter),
            };
            self.wheres.push(found);
        }
    }

    fn name(&mut self, filter: &CustomerFilter) -> String {
        self.like("COALESCE(c.name_key, '')", &filter.search, filter.matching)
    }

    fn tenant(&mut self, filter: &CustomerFilter) -> String {
        self.like("c.tenant_id", &filter.search, filter.matching)
    }

    fn domain(&mut self, filter: &CustomerFilter) -> String {
        let mut found = self.like("d.domain", &filter.search, filter.matching);
        if filter.domain != filter.search {
            let in_dns = self.like("d.domain_key", &filter.domain, filter.matching);
            found = format!("{found} OR {in_dns}");
        }
        format!("c.id IN (SELECT d.customer FROM domains d WHERE {found})")
    }

    fn like(&mut self, column: &str, text: &str, matching: Matching) -> String {
        let text = escaped(text);
        let place = self.param(match matching {
            Matching::StartsWith => format!("{text}%"),
            Matching::Contains => format!("%{text}%"),
        });
        format!("{column} LIKE {place} ESCAPE '!'")
    }

    fn param(&mut self, value: impl Into<Value>) -> String {
        self.params.push(value.into());
        format!("${}", self.params.len())
    }

    fn page(&self, after: Option<&(Value, i64)>) -> (String, Vec<Value>) {
        let mut params = self.params.clone();
        let mut wheres = self.wheres.clone();
        let (sort, id) = (&self.sort, self.id);
        if let Some((key, last)) = after {
            params.push(key.clone());
            params.push((*last).into());
            let (key, last) = (params.len() - 1, params.len());
            let beyond = if self.descending { "<" } else { ">" };
            wheres.push(if self.is_sorted {
                format!("({sort} {beyond} ${key} OR ({sort} = ${key} AND {id} > ${last}))")
            } else {
                params.remove(key - 1);
                format!("{id} > ${key}")
            });
        }
        let columns: Vec<&str> = self.columns.iter().map(|column| column.sql.as_str()).collect();
        let wheres = if wheres.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", wheres.join(" AND "))
        };
        let direction = if self.descending { " DESC" } else { "" };
        // Without a sort the order is that of the ids alone, which an index has.
        let order = if self.is_sorted {
            format!("{sort}{direction}, {id}")
        } else {
            id.to_owned()
        };
        let sql = format!(
            "SELECT {id}, {sort}, {} FROM {}{wheres} ORDER BY {order} LIMIT {}",
            columns.join(", "),
            self.from,
            self.page_rows
        );
        (sql, params)
    }
}

/// A text in which nothing stands for anything else.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_searched_for_stands_for_itself() {
        assert_eq!(escaped("100%_!"), "100!%!_!!");
    }
}
