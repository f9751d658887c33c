//! Records as lists show them, page after page, so that millions of them take no more memory than a few. Pages follow each
//! other by the last row's key, all from one snapshot. The database filters, sorts, and ends a list that is to be short.

use std::collections::HashMap;
use std::sync::Arc;

use tenantry_jobs::{Matching, SearchField};

use super::digits;
use crate::reader::{CustomerHead, Filter, Order, Query, Record, RecordKey, RecordKind};
use crate::sql::record::SIGN_IN_BLOCKED;
use tenantry_foundation::db::{DbError, Dialect, Row, Tx, Value};

/// Rows read at a time; sorted ones are more, since each page sorts anew.
const PAGE: u64 = 2_000;
const SORTED_PAGE: u64 = 20_000;
/// Records passed on at a time.
const PART: usize = 1_000;
/// Customers whose names are kept for the users and subscriptions to come.
const CUSTOMERS: usize = 20_000;

/// Calls `each` with all records, some at a time, in order. Ends early when `each` answers `false`.
pub(super) fn read(
    tx: &mut dyn Tx,
    query: &Query,
    filter: Option<&Filter>,
    order: Option<Order>,
    each: &mut dyn FnMut(Vec<Record>) -> bool,
) -> Result<(), DbError> {
    let part_numbers = part_numbers(tx, query)?;
    let paged = PagedQuery::of(query, filter, order, tx.dialect());
    let mut customers = Customers::default();
    let mut after: Option<PageEnd> = None;
    let mut left = query.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let rows = left.min(paged.page_rows);
        let (sql, params) = paged.page(after.as_ref(), rows);
        let mut page = tx.query(&sql, &params)?;
        let Some(last) = page.last() else { break };
        after = Some(PageEnd::of(last, &paged)?);
        let is_last = (page.len() as u64) < rows;
        left -= page.len() as u64;
        customers.learn(tx, query.kind, &page)?;
        for rows in page.chunks_mut(PART) {
            let record = |row| paged.record(row, &customers, &part_numbers);
            let records = rows.iter_mut().map(record).collect::<Result<Vec<_>, _>>()?;
            if !each(records) {
                return Ok(());
            }
        }
        if is_last {
            break;
        }
    }
    Ok(())
}

/// SKU ids are for machines; files name the part number.
fn part_numbers(tx: &mut dyn Tx, query: &Query) -> Result<HashMap<String, String>, DbError> {
    if !query.wants("license_names") {
        return Ok(HashMap::new());
    }
    let found = tx.query("SELECT DISTINCT sku_id, part_number FROM subscribed_skus", &[])?;
    found
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}

/// The customers that records are of, by number.
#[derive(Default)]
struct Customers(HashMap<i64, Arc<CustomerHead>>);

impl Customers {
    /// Looks up those of a page that it does not know. Customers themselves are told by their own rows.
    fn learn(&mut self, tx: &mut dyn Tx, kind: RecordKind, page: &[Row]) -> Result<(), DbError> {
        if kind == RecordKind::Customer {
            return Ok(());
        }
        if self.0.len() > CUSTOMERS {
            self.0.clear();
        }
        let mut unknown = Vec::new();
        for row in page {
            let number = row.int(CUSTOMER)?;
            if !self.0.contains_key(&number) {
                unknown.push(number);
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        let keys: Vec<Vec<Value>> = unknown.iter().map(|number| vec![(*number).into()]).collect();
        let sql = format!("SELECT {} FROM customers c WHERE c.id = $1", HEAD.join(", "));
        for (number, mut rows) in unknown.into_iter().zip(tx.query_each(&sql, &keys)?) {
            if let Some(row) = rows.first_mut() {
                self.0.insert(number, head(number, row, 0)?);
            }
        }
        Ok(())
    }
}

/// A customer's id, domain, name and relationship; a copied one may be missing where it was copied from.
const HEAD: [&str; 4] = [
    "c.tenant_id",
    "c.domain",
    "c.company_name",
    "CASE WHEN c.missing_since IS NULL THEN c.relationship ELSE 'missing' END",
];
const RELATIONSHIP: &str = HEAD[3];

/// The customer that the columns of [`HEAD`] say, from this one on.
fn head(number: i64, row: &mut Row, at: usize) -> Result<Arc<CustomerHead>, DbError> {
    Ok(Arc::new(CustomerHead {
        number: Some(digits(number)),
        id: row.take_text(at)?,
        domain: row.take_text(at + 1)?,
        company_name: row.take_text(at + 2)?,
        relationship: row.take_text(at + 3)?,
    }))
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnForm {
    Text,
    Number,
    LicenseNames,
    Blocked,
}

struct ColumnSql {
    field: &'static str,
    sql: String,
    form: ColumnForm,
}

fn value(
    row: &mut Row,
    at: usize,
    form: ColumnForm,
    part_numbers: &HashMap<String, String>,
) -> Result<String, DbError> {
    Ok(match form {
        ColumnForm::Text => row.take_text(at)?,
        ColumnForm::Number => row.opt_int(at)?.map_or(String::new(), |number| number.to_string()),
        ColumnForm::LicenseNames => {
            let ids = row.text_or_empty(at)?.split(';').filter(|id| !id.is_empty());
            let names: Vec<&str> = ids.map(|id| part_numbers.get(id).map_or(id, String::as_str)).collect();
            names.join(";")
        }
        ColumnForm::Blocked if row.int(at)? & SIGN_IN_BLOCKED != 0 => "yes".to_owned(),
        ColumnForm::Blocked => "no".to_owned(),
    })
}

fn column(kind: RecordKind, field: &'static str, dialect: Dialect) -> ColumnSql {
    let (sql, form) = match (kind, field) {
        (_, "id") => ("c.tenant_id".to_owned(), ColumnForm::Text),
        (_, "domain" | "company_name" | "external_id") => (format!("c.{field}"), ColumnForm::Text),
        (RecordKind::Customer, "relationship") => (RELATIONSHIP.to_owned(), ColumnForm::Text),
        (RecordKind::Customer, "users") => ("c.user_count".to_owned(), ColumnForm::Number),
        (RecordKind::Customer, "domains") => (domains(dialect), ColumnForm::Text),
        (RecordKind::Customer, _) => (format!("c.{field}"), ColumnForm::Text),
        (RecordKind::Subscription, "quantity" | "term_ends" | "cancellable_until")
        | (RecordKind::User, "flags" | "password_set_at")
        | (RecordKind::Seats, "seats") => (format!("x.{field}"), ColumnForm::Number),
        (RecordKind::User, "license_names") => ("x.licenses".to_owned(), ColumnForm::LicenseNames),
        (RecordKind::User, "block_sign_in") => ("x.flags".to_owned(), ColumnForm::Blocked),
        (RecordKind::User, "status") => (unless_missing("'active'"), ColumnForm::Text),
        (RecordKind::Subscription, "status") => (unless_missing("x.status"), ColumnForm::Text),
        (RecordKind::Seats | RecordKind::Subscription | RecordKind::User, _) => {
            (format!("x.{field}"), ColumnForm::Text)
        }
    };
    ColumnSql { field, sql, form }
}

/// All domains of a customer, separated by `;`.
fn domains(dialect: Dialect) -> String {
    let joined = match dialect {
        Dialect::Postgres => "string_agg",
        Dialect::Sqlite => "group_concat",
    };
    format!("(SELECT {joined}(d.domain, ';') FROM domains d WHERE d.customer = c.id)")
}

fn unless_missing(status: &str) -> String {
    format!("CASE WHEN x.missing_since IS NULL THEN {status} ELSE 'missing' END")
}

/// Texts are compared byte by byte, in every database.
fn collation(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => " COLLATE \"C\"",
        Dialect::Sqlite => "",
    }
}

/// What a list is ordered by for a field: its key, where it has one.
fn order_by(kind: RecordKind, column: &ColumnSql, dialect: Dialect) -> String {
    match (kind, column.field) {
        (_, "company_name") => "COALESCE(c.name_key, '')".to_owned(),
        (_, "external_id") => "COALESCE(c.external_key, '')".to_owned(),
        (RecordKind::Customer, "tags") => "COALESCE(c.tags_key, '')".to_owned(),
        (RecordKind::User, "user_principal_name") => "x.name_key".to_owned(),
        // Texts that name nothing; in which order they come with letters beyond ASCII is up to the database.
        _ => format!("(lower(COALESCE({}, '')){})", column.sql, collation(dialect)),
    }
}

struct PagedQuery {
    columns: Vec<ColumnSql>,
    kind: RecordKind,
    from: &'static str,
    /// What tells rows from each other, in the order of which they come: a number, and of seats a text.
    id: &'static str,
    part: String,
    wheres: Vec<String>,
    params: Vec<Value>,
    /// What rows are sorted by before that.
    sort: Option<Sort>,
    page_rows: u64,
}

struct Sort {
    sql: String,
    is_number: bool,
    descending: bool,
}

/// The last row of a page.
struct PageEnd {
    sort: Option<Value>,
    id: i64,
    part: String,
}

impl PageEnd {
    fn of(row: &Row, paged: &PagedQuery) -> Result<Self, DbError> {
        let sort = match &paged.sort {
            None => None,
            Some(sort) if sort.is_number => Some(row.int(SORT)?.into()),
            Some(_) => Some(row.text_or_empty(SORT)?.into()),
        };
        Ok(Self {
            sort,
            id: row.int(ID)?,
            part: row.text_or_empty(PART_OF_ID)?.to_owned(),
        })
    }
}

/// The columns that every page has, before those of [`HEAD`] for customers, and the fields.
const ID: usize = 0;
const PART_OF_ID: usize = 1;
const SORT: usize = 2;
const CUSTOMER: usize = 3;
const FIRST: usize = 4;

impl PagedQuery {
    fn of(query: &Query, filter: Option<&Filter>, order: Option<Order>, dialect: Dialect) -> Self {
        let kind = query.kind;
        let (from, id) = match kind {
            RecordKind::Customer => ("customers c", "c.id"),
            RecordKind::Seats => ("subscribed_skus x JOIN customers c ON c.id = x.customer", "x.customer"),
            RecordKind::Subscription => ("subscriptions x JOIN customers c ON c.id = x.customer", "x.id"),
            RecordKind::User => ("users x JOIN customers c ON c.id = x.customer", "x.id"),
        };
        let part = match kind {
            RecordKind::Seats => format!("x.sku_id{}", collation(dialect)),
            _ => "''".to_owned(),
        };
        let sort = order.map(|Order { field, descending }| {
            let by = column(kind, field, dialect);
            let is_number = matches!(by.form, ColumnForm::Number | ColumnForm::Blocked);
            Sort {
                sql: if is_number {
                    format!("COALESCE({}, 0)", by.sql)
                } else {
                    order_by(kind, &by, dialect)
                },
                is_number,
                descending,
            }
        });
        let mut paged = Self {
            columns: query.fields.iter().map(|field| column(kind, field, dialect)).collect(),
            kind,
            from,
            id,
            part,
            wheres: Vec::new(),
            params: Vec::new(),
            page_rows: if sort.is_some() { SORTED_PAGE } else { PAGE },
            sort,
        };
        if let Some(customer) = &query.customer {
            let place = paged.param(super::number(customer));
            paged.wheres.push(format!("c.id = {place}"));
        }
        if let Some(filter) = filter {
            paged.filter(filter);
        }
        paged
    }

    fn filter(&mut self, filter: &Filter) {
        let place = self.param(filter.relationship.as_str());
        self.wheres.push(format!("{RELATIONSHIP} = {place}"));
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

    fn name(&mut self, filter: &Filter) -> String {
        self.like("COALESCE(c.name_key, '')", &filter.search, filter.matching)
    }

    fn tenant(&mut self, filter: &Filter) -> String {
        self.like("c.tenant_id", &filter.search, filter.matching)
    }

    fn domain(&mut self, filter: &Filter) -> String {
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

    /// The rows behind the last one, not more than these.
    fn page(&self, after: Option<&PageEnd>, rows: u64) -> (String, Vec<Value>) {
        let mut params = self.params.clone();
        let mut wheres = self.wheres.clone();
        let mut param = |value: Value| {
            params.push(value);
            format!("${}", params.len())
        };
        let (id, part) = (self.id, &self.part);
        // Only seats need more than a number to be told from each other.
        let has_part = self.kind == RecordKind::Seats;
        if let Some(end) = after {
            let number = param(end.id.into());
            let mut behind = format!("{id} > {number}");
            if has_part {
                let last = param(end.part.as_str().into());
                behind = format!("({behind} OR ({id} = {number} AND {part} > {last}))");
            }
            if let (Some(sort), Some(value)) = (&self.sort, &end.sort) {
                let (sql, value) = (&sort.sql, param(value.clone()));
                let beyond = if self.sort.as_ref().is_some_and(|sort| sort.descending) {
                    "<"
                } else {
                    ">"
                };
                behind = format!("({sql} {beyond} {value} OR ({sql} = {value} AND {behind}))");
            }
            wheres.push(behind);
        }
        let mut columns = vec![id, part];
        columns.push(self.sort.as_ref().map_or("''", |sort| &sort.sql));
        columns.push("c.id");
        if self.kind == RecordKind::Customer {
            columns.extend(HEAD);
        }
        columns.extend(self.columns.iter().map(|column| column.sql.as_str()));
        let wheres = if wheres.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", wheres.join(" AND "))
        };
        // Without a sort the order is that of the ids alone, which an index has.
        let mut order = Vec::new();
        if let Some(sort) = &self.sort {
            let direction = if sort.descending { " DESC" } else { "" };
            order.push(format!("{}{direction}", sort.sql));
        }
        order.push(id.to_owned());
        order.extend(has_part.then(|| part.clone()));
        let sql = format!(
            "SELECT {} FROM {}{wheres} ORDER BY {} LIMIT {rows}",
            columns.join(", "),
            self.from,
            order.join(", "),
        );
        (sql, params)
    }

    fn record(
        &self,
        row: &mut Row,
        customers: &Customers,
        part_numbers: &HashMap<String, String>,
    ) -> Result<Record, DbError> {
        let number = row.int(CUSTOMER)?;
        let (customer, first) = match self.kind {
            RecordKind::Customer => (head(number, row, FIRST)?, FIRST + HEAD.len()),
            _ => (customers.0.get(&number).cloned().unwrap_or_default(), FIRST),
        };
        let mut fields = Vec::with_capacity(self.columns.len());
        for (at, column) in (first..).zip(&self.columns) {
            fields.push((column.field, value(row, at, column.form, part_numbers)?));
        }
        let key = RecordKey::new(digits(row.int(ID)?), row.take_text(PART_OF_ID)?);
        Ok(Record::new(customer, key, fields))
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
