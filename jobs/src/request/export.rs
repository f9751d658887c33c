//! Exports of what a store holds, and copies from one store to another.

use std::borrow::Cow;

use crate::CustomerRef;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export<'a> {
    /// What its rows are.
    pub what: ExportOf,
    /// Only this customer.
    pub customer: Option<CustomerRef<'a>>,
    /// Only customers that answer to this text; empty for all.
    pub search: &'a str,
    /// Where [`search`](Self::search) is looked for.
    pub field: SearchField,
    /// How [`search`](Self::search) is compared.
    pub matching: Matching,
    /// Only customers with this relationship, e.g. `reseller`; empty for all.
    pub relationship: &'a str,
    /// Only customers in this country: ISO 3166-1 alpha-2, upper case; empty for all.
    pub country: Cow<'a, str>,
    /// Only customers with this tag; empty for all.
    pub tag: &'a str,
    /// Column to sort by, and whether descending; `None` leaves the order to the store.
    pub sort: Option<(&'static str, bool)>,
    /// Columns in the file's order, by [`ExportColumn::name`](crate::ExportColumn::name); never none.
    pub columns: Vec<&'static str>,
    /// Whether the row names the columns; if it does not, they are the default ones.
    pub names_columns: bool,
    /// Form of the file.
    pub format: ExportFormat,
    /// File name without extension; empty: see [`stem`](Self::stem).
    pub name: &'a str,
}

impl<'a> Export<'a> {
    /// The file name without extension: the one given, or what is exported.
    pub fn stem(&self) -> &'a str {
        match self.name {
            "" => self.what.as_str(),
            name => name,
        }
    }
}

choices! {
    /// What an export's rows are.
    ExportOf {
        /// One row per customer.
        Customers = "customers",
        /// One row per subscription.
        Subscriptions = "subscriptions",
        /// One row per user.
        Users = "users",
    }
}

choices! {
    /// Where an export's search text is looked for.
    SearchField {
        /// In every one of the other three.
        Any = "any",
        /// In the company name.
        Name = "name",
        /// In the domains.
        Domain = "domain",
        /// In the tenant GUID ("Microsoft ID").
        Id = "id",
    }
}

choices! {
    /// How a search text is compared. ASCII case is ignored either way.
    Matching {
        /// The value begins with the text.
        StartsWith = "starts-with",
        /// The text stands anywhere in the value.
        Contains = "contains",
    }
}

choices! {
    /// Form of an exported file; the word is its extension too.
    ExportFormat {
        /// Comma-separated values.
        Csv = "csv",
        /// An array of objects.
        Json = "json",
        /// A workbook.
        Xlsx = "xlsx",
    }
}

/// Customers to copy from another store. Customers themselves are always copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync<'a> {
    /// Name of a configured store.
    pub from: &'a str,
    /// Only this customer.
    pub customer: Option<CustomerRef<'a>>,
    /// Users too.
    pub users: bool,
    /// Subscriptions too.
    pub subscriptions: bool,
    /// Everything again, not only what has changed since the last time.
    pub full: bool,
}
