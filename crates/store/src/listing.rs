//! Lists of customers, subscriptions or users, row by row, as exports and commands show them, from the records of a store.
//!
//! A filter, an order or a column that is asked for by name and that the store does not keep is refused: an empty column
//! would look like an answer. The default columns are those of Partner Center's own files, whose readers count on them, so
//! there such a column stays and is empty.

mod sort;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use futures::StreamExt;
use tenantry_jobs::{Export, ExportColumn, ExportFormat, ExportOf, Problem, code, export_columns, key};
use tokio::sync::mpsc;

use self::sort::{SortedLine, sort};
use super::error::{ApplyError, StoreError};
use super::reader::{
    CustomerHead, Filter, Missed, Order, Query, RESELLER, RecordKind, RecordReader, Select, StoreRecord,
};
use tenantry_foundation::moment::rfc3339;

/// Rows of a batch at most.
const BATCH: usize = 250;
/// Batches on their way to the consumer.
const ON_THE_WAY: usize = 4;
/// What was left out is named up to this often.
const MOST_NAMED: usize = 5;

/// Rows that are passed on together: that takes as long as passing on one.
pub type RowBatch = Vec<Vec<String>>;

/// What a list is [read](Listing::read) into, and where it comes out. Few rows are on their way.
pub fn channel() -> (mpsc::Sender<RowBatch>, mpsc::Receiver<RowBatch>) {
    mpsc::channel(ON_THE_WAY)
}

/// A list that is asked for, with values of its own.
#[derive(Debug, Clone)]
pub struct ListRequest {
    /// What rows are.
    pub what: ExportOf,
    /// The form of the file.
    pub format: ExportFormat,
    /// The file's name, with extension.
    pub name: String,
    /// The columns, in order.
    pub columns: Vec<&'static ExportColumn>,
    /// No more rows than this; `None` for all.
    pub limit: Option<u64>,
    /// By which column, and whether its last value comes first.
    sort: Option<(&'static str, bool)>,
    /// The key of the only customer.
    customer: Option<String>,
    filter: Option<Filter>,
}

impl ListRequest {
    /// What a row or a command asks for, whose customer has that key.
    pub fn new(export: &Export<'_>, customer: Option<String>) -> Self {
        let all = export_columns(export.what);
        let column = |name: &&'static str| all.iter().find(|column| column.name == *name);
        Self {
            what: export.what,
            format: export.format,
            name: format!("{}.{}", export.stem(), export.format.as_str()),
            columns: export.columns.iter().filter_map(column).collect(),
            limit: None,
            sort: export.sort,
            filter: customer.is_none().then(|| Filter::new(export)),
            customer,
        }
    }
}

/// A list to read.
pub struct Listing {
    /// What is asked for.
    pub request: ListRequest,
    query: Query,
    /// Where the field of each column is among those of a record.
    places: Vec<usize>,
    reader: Arc<dyn RecordReader>,
}

impl Listing {
    /// The list a row or a command asks for. One that is not to be had is [`StoreError::Rejected`].
    pub async fn open(reader: Arc<dyn RecordReader>, export: &Export<'_>) -> Result<Self, ApplyError> {
        let customer = match export.customer {
            None => None,
            Some(named) => Some(reader.customer_key(named).await?),
        };
        if let Some((cell, value)) = not_kept(export, reader.as_ref()) {
            let expected = format!("{} keeps no such thing", reader.title());
            return Err(Problem::stated(code::NOT_KEPT, cell, value, expected).into());
        }
        Ok(Self::new(reader, ListRequest::new(export, customer)))
    }

    /// The same list, of no more rows than these.
    #[must_use]
    pub fn limited(self, limit: Option<u64>) -> Self {
        let request = ListRequest { limit, ..self.request };
        Self::new(self.reader, request)
    }

    /// A list of a store that keeps everything that is asked for.
    pub fn new(reader: Arc<dyn RecordReader>, request: ListRequest) -> Self {
        let what = request.what;
        let of_column = |column: &'static str| {
            let (kind, field) = field(what, column)?;
            reader.keeps(kind, field).then_some(field)
        };
        let mut fields = Vec::new();
        let mut places = Vec::with_capacity(request.columns.len());
        for column in &request.columns {
            places.push(fields.len());
            fields.extend(of_column(column.name));
        }
        let order = request.sort.filter(|_| reader.sorts());
        if order.is_none() {
            // Then it is sorted here.
            let by = request.sort.and_then(|(column, _)| of_column(column));
            fields.extend(by.filter(|field| !fields.contains(field)));
        }
        let is_sorted_here = request.sort.is_some() && order.is_none();
        let query = Query {
            kind: kind(what),
            customer: request.customer.clone(),
            select: Select::Listed {
                filter: request.filter.clone(),
                order: order.map(|(column, descending)| Order {
                    field: order_field(what, column),
                    descending,
                }),
            },
            fields,
            limit: request.limit.filter(|_| !is_sorted_here),
        };
        Self {
            request,
            query,
            places,
            reader,
        }
    }

    /// Sends the cells of every row, in order, and tells what was left out. Ends early when nobody wants more rows.
    pub async fn read(&self, out: mpsc::Sender<RowBatch>) -> Result<LeftOut, ApplyError> {
        let Some((by, descending)) = self.request.sort.filter(|_| !self.reader.sorts()) else {
            return self
                .each(self.request.limit, |records| {
                    let rows = records.into_iter().map(|record| self.cells(record)).collect();
                    let out = &out;
                    async move { out.send(rows).await.is_ok() }
                })
                .await;
        };
        let (send, lines) = mpsc::channel(ON_THE_WAY);
        let limit = self.request.limit.unwrap_or(u64::MAX);
        let sorting = tokio::task::spawn_blocking(move || sort(lines, &out, limit));
        let mut number = 0;
        let read = self
            .each(None, |records| {
                let line = |record| {
                    number += 1;
                    SortedLine {
                        key: sort_key(self.request.what, &record, by),
                        number,
                        descending,
                        cells: self.cells(record),
                    }
                };
                let lines = records.into_iter().map(line).collect();
                let send = &send;
                async move { send.send(Some(lines)).await.is_ok() }
            })
            .await;
        if read.is_ok() {
            // Without it the sorter knows that there would have been more, and gives nothing away.
            let _ = send.send(None).await;
        }
        drop(send);
        let sorted = sorting.await.map_err(io::Error::other);
        let sorted = sorted.and_then(|sorted| sorted);
        sorted.map_err(|error| ApplyError::Io {
            what: "a list could not be sorted".to_owned(),
            error,
        })?;
        read
    }

    /// Has records taken, those together that are there at the same time.
    async fn each<F>(
        &self,
        limit: Option<u64>,
        mut take: impl FnMut(Vec<StoreRecord>) -> F,
    ) -> Result<LeftOut, ApplyError>
    where
        F: Future<Output = bool>,
    {
        let limit = limit.unwrap_or(u64::MAX);
        let mut left_out = LeftOut::default();
        let mut read = 0;
        let records = self.reader.records(self.query.clone());
        // Nothing is asked of a store beyond what is wanted.
        let mut batches = records.ready_chunks(limit.clamp(1, BATCH as u64) as usize);
        while read < limit
            && let Some(found) = batches.next().await
        {
            let mut records = Vec::with_capacity(found.len());
            let mut failed = None;
            for found in found {
                match found {
                    Ok(Ok(record)) => records.push(record),
                    Ok(Err(missed)) => left_out.add(missed),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            records.truncate(usize::try_from(limit - read).unwrap_or(usize::MAX));
            read += records.len() as u64;
            if !records.is_empty() && !take(records).await {
                return Ok(left_out);
            }
            if let Some(error) = failed.filter(|_| read < limit) {
                return Err(error);
            }
        }
        match left_out.named.first() {
            // Nobody lets us read: that is about us.
            Some(missed) if read == 0 => {
                let why = format!("{} denied access: {}", self.reader.title(), missed.why);
                Err(StoreError::Unauthorized(why).into())
            }
            _ => Ok(left_out),
        }
    }

    fn cells(&self, mut record: StoreRecord) -> Vec<String> {
        let columns = self.request.columns.iter().zip(&self.places);
        columns
            .map(|(column, at)| cell(self.request.what, &mut record, column.name, *at))
            .collect()
    }
}

/// What was left out of a list.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    number: u64,
    /// The first few.
    named: Vec<Missed>,
}

impl LeftOut {
    fn add(&mut self, missed: Missed) {
        self.number += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(missed);
        }
    }

    /// What to say of it, unless it is nothing.
    pub fn told(&self) -> Option<String> {
        if self.number == 0 {
            return None;
        }
        let named: Vec<String> = self.named.iter().map(ToString::to_string).collect();
        let more = self.number - named.len() as u64;
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        Some(format!("left out: {}{more}", named.join("; ")))
    }
}

fn kind(what: ExportOf) -> RecordKind {
    match what {
        ExportOf::Customers => RecordKind::Customer,
        ExportOf::Subscriptions => RecordKind::Subscription,
        ExportOf::Users => RecordKind::User,
    }
}

/// The field that a column shows, and of which sort of record; `None` for what every list shows of customers.
fn field(what: ExportOf, column: &'static str) -> Option<(RecordKind, &'static str)> {
    let field = match (what, column) {
        (_, "microsoft_id" | "primary_domain_name" | "company_name") => return None,
        (_, "external_id") => return Some((RecordKind::Customer, "external_id")),
        (ExportOf::Subscriptions, "subscription") => "product",
        (ExportOf::Subscriptions, "reseller") => "partner_id_on_record",
        (ExportOf::Users, "licenses") => "license_names",
        (_, column) => column,
    };
    Some((kind(what), field))
}

/// The cell of the row that asks for something that is not kept, and what it asks for.
fn not_kept<'e>(export: &'e Export<'_>, reader: &dyn RecordReader) -> Option<(&'static str, &'e str)> {
    if !export.tag.is_empty() && !reader.keeps(RecordKind::Customer, "tags") {
        return Some(("tag", export.tag));
    }
    let named: &[&'static str] = if export.names_columns { &export.columns } else { &[] };
    let sorted = export.sort.map(|(column, _)| ("sort", column));
    let mut asked = named.iter().map(|column| ("columns", *column)).chain(sorted);
    let is_kept = |column| field(export.what, column).is_none_or(|(kind, field)| reader.keeps(kind, field));
    asked.find(|(_, column)| !is_kept(column))
}

/// The field that a list is ordered by for a column.
fn order_field(what: ExportOf, column: &'static str) -> &'static str {
    match (column, field(what, column)) {
        ("microsoft_id", _) => "id",
        ("primary_domain_name", _) => "domain",
        (_, Some((_, field))) => field,
        (column, None) => column,
    }
}

/// What a row says in a column, whose field is at a position of the record's.
fn cell(what: ExportOf, record: &mut StoreRecord, column: &'static str, at: usize) -> String {
    let value = match (of_customer(&record.customer, column), field(what, column)) {
        (Some(value), _) => value.to_owned(),
        (None, Some((_, field))) => record.take(field, at),
        (None, None) => String::new(),
    };
    shown(column, value)
}

/// What every list shows of customers.
fn of_customer<'c>(customer: &'c CustomerHead, column: &str) -> Option<&'c str> {
    match column {
        "microsoft_id" => Some(&customer.id),
        "primary_domain_name" => Some(&customer.domain),
        "company_name" => Some(&customer.company_name),
        "relationship" => Some(&customer.relationship),
        _ => None,
    }
}

/// A value as files show it.
fn shown(column: &str, value: String) -> String {
    match column {
        "relationship" if value == RESELLER => Filter::CLOUD_RESELLER.to_owned(),
        "term_ends" | "cancellable_until" => value.parse().map_or(String::new(), rfc3339),
        _ => value,
    }
}

/// Where a row comes in a sorted list: numbers and times by their value, texts without regard to case.
fn sort_key(what: ExportOf, record: &StoreRecord, column: &'static str) -> (i64, String) {
    let of_record = || field(what, column).map_or("", |(_, field)| record.get(field));
    let value = of_customer(&record.customer, column).unwrap_or_else(of_record);
    match column {
        "quantity" | "users" | "term_ends" | "cancellable_until" => (value.parse().unwrap_or_default(), String::new()),
        _ => (0, key::fold(&shown(column, value.to_owned())).into_owned()),
    }
}
