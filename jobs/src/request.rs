//! The request of a row. Most rows ask for a [`Change`]; the others change nothing that is a customer's: they write a
//! file, or copy what another store holds.

mod export;

pub use export::{Export, ExportFormat, ExportOf, Matching, SearchField, Sync};

use crate::{Change, CustomerRef};

/// What a row asks for. Requests borrow from the row they were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all requests are changes, and a box for each of millions would cost more than the room of a few others"
)]
pub enum Request<'a> {
    /// One thing that should be so.
    Change(Change<'a>),
    /// A file that should be written.
    Export(Export<'a>),
    /// Customers that should be as another store has them.
    Sync(Sync<'a>),
}

impl Request<'_> {
    /// As [`Change::each_key`].
    pub fn each_key(&self, name: &dyn Fn(CustomerRef<'_>) -> String, key: &mut dyn FnMut(&'static str, &[&str])) {
        match self {
            Request::Change(change) => change.each_key(name, key),
            // Two files of one name, of which the second would replace the first.
            Request::Export(export) => key("name", &[export.stem(), export.format.as_str()]),
            Request::Sync(sync) => match sync.customer {
                Some(customer) => key("from", &[sync.from, &name(customer)]),
                None => key("from", &[sync.from]),
            },
        }
    }

    /// As [`Change::field_of`].
    pub(crate) fn field_of(&self, column: &str, written: &str) -> Option<&'static str> {
        match self {
            Request::Change(change) => change.field_of(column, written),
            Request::Export(_) | Request::Sync(_) => None,
        }
    }

    /// The customer the row names, if it names an existing one.
    pub fn customer(&self) -> Option<CustomerRef<'_>> {
        match self {
            Request::Change(change) => change.customer(),
            Request::Export(export) => export.customer,
            Request::Sync(sync) => sync.customer,
        }
    }
}

impl<'a> From<Change<'a>> for Request<'a> {
    fn from(change: Change<'a>) -> Self {
        Request::Change(change)
    }
}

impl<'a> From<Export<'a>> for Request<'a> {
    fn from(export: Export<'a>) -> Self {
        Request::Export(export)
    }
}

impl<'a> From<Sync<'a>> for Request<'a> {
    fn from(sync: Sync<'a>) -> Self {
        Request::Sync(sync)
    }
}
