//! A filter of customers.

use tenantry_jobs::{Export, Matching, SearchField, key};

use super::{CustomerHead, RESELLER};

/// Which customers are asked for. Texts are compared by their [keys](key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// A text that they answer to, folded; empty for all.
    pub(crate) search: String,
    /// The same, as a domain has it.
    pub(crate) domain: String,
    /// Whether it was written in ASCII.
    is_ascii: bool,
    pub(crate) field: SearchField,
    pub(crate) matching: Matching,
    pub(crate) relationship: String,
    pub(crate) country: String,
    pub(crate) tag: String,
}

impl Filter {
    /// What the word of files for a customer's relationship with the partner who sells to it is.
    pub const CLOUD_RESELLER: &str = "Cloud Reseller";

    /// The filter of a list. Where it names no relationship, customers are those that the partner sells to.
    pub fn new(export: &Export<'_>) -> Self {
        Self {
            search: key::fold(export.search).into_owned(),
            domain: key::domain(export.search).into_owned(),
            is_ascii: export.search.is_ascii(),
            field: export.field,
            matching: export.matching,
            relationship: match export.relationship.to_lowercase() {
                own if own.is_empty() || own == Self::CLOUD_RESELLER.to_lowercase() => RESELLER.to_owned(),
                other => other,
            },
            country: export.country.to_uppercase(),
            tag: key::fold(export.tag).into_owned(),
        }
    }

    /// The beginning of a name or domain that is searched for, which many services can look for themselves: in ASCII, since
    /// every service folds other letters in its own way.
    pub fn beginning(&self) -> Option<(SearchField, &str)> {
        let is_one = matches!(self.field, SearchField::Name | SearchField::Domain)
            && self.matching == Matching::StartsWith
            && !self.search.is_empty()
            && self.is_ascii;
        is_one.then_some((self.field, &self.search))
    }

    /// Whether a customer is one of those, as far as lists say. `is_searched`: the service itself has looked for the
    /// [beginning](Self::beginning).
    pub fn takes(&self, customer: &CustomerHead, is_searched: bool) -> bool {
        let is_in = |text: &str, value: &str| match self.matching {
            Matching::StartsWith => value.starts_with(text),
            Matching::Contains => value.contains(text),
        };
        let has = |value: &str| is_in(&self.search, &key::fold(value));
        let has_domain = |value: &str| has(value) || is_in(&self.domain, &key::domain(value));
        let found = is_searched
            || self.search.is_empty()
            || match self.field {
                SearchField::Any => has(&customer.company_name) || has_domain(&customer.domain) || has(&customer.id),
                SearchField::Name => has(&customer.company_name),
                SearchField::Domain => has_domain(&customer.domain),
                SearchField::Id => has(&customer.id),
            };
        found && customer.relationship == self.relationship
    }

    /// The fields of customers, besides those that lists show, that it is about.
    pub fn fields(&self) -> Vec<&'static str> {
        let fields = [("country", &self.country), ("tags", &self.tag)];
        let named = fields.iter().filter(|(_, value)| !value.is_empty());
        named.map(|(field, _)| *field).collect()
    }

    /// Whether a customer with these values of [those fields](Self::fields) is one of those.
    pub fn takes_fields<'v>(&self, value: impl Fn(&str) -> &'v str) -> bool {
        let has_tag = || value("tags").split(';').any(|tag| key::fold(tag) == self.tag);
        (self.country.is_empty() || value("country").eq_ignore_ascii_case(&self.country))
            && (self.tag.is_empty() || has_tag())
    }
}
