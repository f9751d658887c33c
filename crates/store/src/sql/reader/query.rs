//! The queries of lists: what is read, filtered by and sorted by, and the pages.

use tenantry_jobs::{Matching, SearchField};

use super::number;
use crate::reader::{Filter, Order, Query, RecordKind};
use tenantry_foundation::db::{DbError, Dialect, Row, Value};

/// Rows read at a time; sorted ones are more, since each page sorts anew.
const PAGE: u64 = 2_000;
const SORTED_PAGE: u64 = 20_000;

/// A customer's id, domain, name and relationship; a copied one may be missing where it was copied from.
pub(super) const HEAD: [&str; 4] = [
    "c.tenant_id",
    "c.domain",
    "c.company_name",
    "CASE WHEN c.missing_since IS NULL THEN c.relationship ELSE 'missing' END",
];
const RELATIONSHIP: &str = HEAD[3];

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnForm {
    Text,
    Number,
    LicenseNames,
    Blocked,
}

pub(super) struct ColumnSql {
    pub(super) field: &'static str,
    sql: String,
    pub(super) form: ColumnForm,
}

fn column(kind: RecordKind, field: &'static str, dialect: Dialect) -> ColumnSql {
    let (sql, form) = match (kind, field) {
        (_, "id") => ("c.tenant_id".to_owned(), ColumnForm::Text),
        (RecordKind::Customer, "relationship") => (RELATIONSHIP.to_owned(), ColumnForm::Text),
        (RecordKind::Customer, "users") => ("c.user_count".to_owned(), ColumnForm::Number),
        (RecordKind::Customer, "domains") => (domains(dialect), ColumnForm::Text),
        (_, "domain" | "company_name" | "external_id") | (RecordKind::Customer, _) => {
            (format!("c.{field}"), ColumnForm::Text)
        }
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

pub(super) struct PagedQuery {
    pub(super) columns: Vec<ColumnSql>,
    kind: RecordKind,
    from: &'static str,
    /// What tells rows from each other, in the order of which they come: a number, and of seats a text.
    id: &'static str,
    part: String,
    wheres: Vec<String>,
    params: Vec<Value>,
    /// What rows are sorted by before that.
    sort: Option<SortBy>,
    pub(super) page_rows: u64,
}

struct SortBy {
    sql: String,
    is_number: bool,
    descending: bool,
}

/// The last row of a page.
pub(super) struct PageEnd {
    sort: Option<Value>,
    id: i64,
    part: String,
}

impl PageEnd {
    pub(super) fn of(row: &Row, paged: &PagedQuery) -> Result<Self, DbError> {
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
pub(super) const ID: usize = 0;
pub(super) const PART_OF_ID: usize = 1;
const SORT: usize = 2;
pub(super) const CUSTOMER: usize = 3;
pub(super) const FIRST: usize = 4;

impl PagedQuery {
    pub(super) fn of(query: &Query, filter: Option<&Filter>, order: Option<Order>, dialect: Dialect) -> Self {
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
            SortBy {
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
            let place = paged.param(number(customer));
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
    pub(super) fn page(&self, after: Option<&PageEnd>, rows: u64) -> (String, Vec<Value>) {
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
}

/// A text in which nothing stands for anything else.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_text_stands_for_itself() {
        assert_eq!(escaped("100%_!"), "100!%!_!!");
    }
}
