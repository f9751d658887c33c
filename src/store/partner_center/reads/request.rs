//! A list that is asked for: its columns, filters and order, and what has to be read for them.
//!
//! Partner Center keeps no tags, no external ids, and of users nothing but name, location, licences and roles. A filter, an
//! order or a column that is asked for by name and that it does not keep is refused: an empty column would look like an
//! answer. The default columns are those of Partner Center's own files, whose readers count on them, so there such a
//! column stays and is empty.
//!
//! Text is searched for by the service where it can (the beginning of a name or of a domain), and else here, among what
//! lists show: the name, the primary domain, the id.

use jiff::Timestamp;
use tenantry_jobs::{
    Export, ExportColumn, ExportFormat, ExportOf, Matching, Problem, SearchField, code, export_columns,
};

use super::Listed;

/// What Partner Center calls a customer's relationship with the partner who sells to it, in files and in its API.
const CLOUD_RESELLER: &str = "Cloud Reseller";
const RESELLER: &str = "reseller";

/// A list to read, with values of its own.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) what: ExportOf,
    pub(crate) format: ExportFormat,
    /// The file's name, with extension.
    pub(crate) name: String,
    /// The columns, in order.
    pub(crate) columns: Vec<&'static ExportColumn>,
    /// By which column, and whether its last value comes first.
    pub(super) sort: Option<(&'static str, bool)>,
    /// The id of the only customer.
    pub(super) customer: Option<String>,
    search: String,
    field: SearchField,
    matching: Matching,
    relationship: String,
    country: String,
}

impl Listing {
    pub(super) fn new(export: &Export<'_>, customer: Option<String>) -> Result<Self, Problem> {
        if !export.tag.is_empty() {
            return Err(not_kept("tag", export.tag));
        }
        let named: &[&str] = if export.names_columns { &export.columns } else { &[] };
        let sorted = export.sort.map(|(column, _)| ("sort", column));
        let mut asked = named.iter().map(|column| ("columns", *column)).chain(sorted);
        if let Some((cell, column)) = asked.find(|(_, column)| !is_kept(export.what, column)) {
            return Err(not_kept(cell, column));
        }
        let all = export_columns(export.what);
        let column = |name: &&'static str| all.iter().find(|column| column.name == *name);
        Ok(Self {
            what: export.what,
            format: export.format,
            name: format!("{}.{}", export.stem(), export.format.as_str()),
            columns: export.columns.iter().filter_map(column).collect(),
            sort: export.sort,
            customer,
            search: export.search.to_lowercase(),
            field: export.field,
            matching: export.matching,
            relationship: match export.relationship.to_lowercase() {
                own if own == CLOUD_RESELLER.to_lowercase() => RESELLER.to_owned(),
                other => other,
            },
            country: export.country.to_uppercase(),
        })
    }

    /// The filter that the service itself can be asked for.
    pub(super) fn filter(&self) -> Option<(&'static str, &str)> {
        match (self.field, self.matching) {
            _ if self.search.is_empty() => None,
            (SearchField::Name, Matching::StartsWith) => Some(("CompanyName", &self.search)),
            (SearchField::Domain, Matching::StartsWith) => Some(("Domain", &self.search)),
            _ => None,
        }
    }

    /// Whether a customer is one of those, as far as lists say.
    pub(super) fn selects(&self, customer: &Listed) -> bool {
        if self.customer.is_some() {
            return true;
        }
        let relationship = match self.relationship.as_str() {
            "" => RESELLER,
            other => other,
        };
        let has = |value: &str| match self.matching {
            Matching::StartsWith => value.to_lowercase().starts_with(&self.search),
            Matching::Contains => value.to_lowercase().contains(&self.search),
        };
        let found = match self.field {
            // The service has looked, and it knows a customer's other domains, too.
            _ if self.filter().is_some() || self.search.is_empty() => true,
            SearchField::Any => has(&customer.company_name) || has(&customer.domain) || has(&customer.id),
            SearchField::Name => has(&customer.company_name),
            SearchField::Domain => has(&customer.domain),
            SearchField::Id => has(&customer.id),
        };
        found && customer.relationship == relationship
    }

    /// Whether a customer is one of those, once all of it is known.
    pub(super) fn selects_whole(&self, customer: &Listed) -> bool {
        self.country.is_empty() || customer.detail("country").eq_ignore_ascii_case(&self.country)
    }

    /// Whether customers have to be read one by one.
    pub(super) fn needs_whole(&self) -> bool {
        let in_lists = [
            "microsoft_id",
            "company_name",
            "primary_domain_name",
            "relationship",
            "users",
        ];
        !self.country.is_empty()
            || self.what == ExportOf::Customers
                && self.asks_for(|name| is_kept(self.what, name) && !in_lists.contains(&name))
    }

    /// Whether a column, or the order, needs what is so.
    pub(super) fn asks_for(&self, is_so: impl Fn(&'static str) -> bool) -> bool {
        let columns = self.columns.iter().map(|column| column.name);
        columns.chain(self.sort.map(|(name, _)| name)).any(is_so)
    }
}

/// Where a row comes in a sorted list: numbers and times by their value, texts without regard to case.
pub(super) fn sort_key(column: &str, cell: &str) -> (i64, String) {
    match column {
        "quantity" | "users" => (cell.parse().unwrap_or_default(), String::new()),
        "term_ends" | "cancellable_until" => {
            let time = cell.parse().map_or(0, |time: Timestamp| time.as_millisecond());
            (time, String::new())
        }
        _ => (0, cell.to_lowercase()),
    }
}

/// The word of files for a relationship.
pub(super) fn relationship(of: &str) -> &str {
    if of == RESELLER { CLOUD_RESELLER } else { of }
}

fn is_kept(what: ExportOf, column: &str) -> bool {
    match what {
        ExportOf::Customers => !["tags", "external_id"].contains(&column),
        ExportOf::Subscriptions => column != "external_id",
        ExportOf::Users => [
            "microsoft_id",
            "primary_domain_name",
            "user_principal_name",
            "display_name",
            "first_name",
            "last_name",
            "usage_location",
            "licenses",
            "roles",
            "status",
            "company_name",
        ]
        .contains(&column),
    }
}

fn not_kept(cell: &'static str, value: &str) -> Problem {
    let expected = "something that Partner Center keeps; it keeps no such thing";
    Problem::new(code::NOT_KEPT, cell, value, expected)
}
