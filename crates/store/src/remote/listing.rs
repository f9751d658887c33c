//! Lists of customers, subscriptions or users, row by row, as exports and commands show them, from the records of a store.
//!
//! A filter, an order or a column that is asked for by name and that the store does not keep is refused: an empty column
//! would look like an answer. The default columns are those of Partner Center's own files, whose readers count on them, so
//! there such a column stays and is empty.

use std::io;
use std::sync::Arc;

use futures::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenantry_jobs::{Export, ExportColumn, ExportFormat, ExportOf, Problem, code, export_columns, key};
use tokio::sync::mpsc;

use super::error::{ApplyError, StoreError};
use super::reader::{Filter, Missed, Query, RESELLER, RecordKind, RecordReader, Select, StoreRecord};
use super::{Capabilities, RemoteStore};
use crate::kit::sorter::Sorter;

/// Rows on their way to a sorter.
const ON_THE_WAY: usize = 1_000;
/// What was left out is named up to this often.
const MOST_NAMED: usize = 5;

/// A list to read, with values of its own.
pub struct Listing {
    /// What rows are.
    pub what: ExportOf,
    /// The form of the file.
    pub format: ExportFormat,
    /// The file's name, with extension.
    pub name: String,
    /// The columns, in order.
    pub columns: Vec<&'static ExportColumn>,
    /// By which column, and whether its last value comes first.
    sort: Option<(&'static str, bool)>,
    query: Query,
    reader: Arc<dyn RecordReader>,
    title: &'static str,
}

impl Listing {
    /// The list a row or a command asks for. One that is not to be had is [`StoreError::Rejected`].
    pub async fn open(store: &dyn RemoteStore, export: &Export<'_>) -> Result<Self, ApplyError> {
        let title = store.title();
        let Some(reader) = store.reader() else {
            let expected = format!("{title} cannot be read");
            return Err(Problem::stated(code::REFUSED, "", "", expected).into());
        };
        let customer = match export.customer {
            None => None,
            Some(named) => Some(reader.customer_id(named).await?),
        };
        let kept = store.capabilities();
        if let Some((cell, value)) = not_kept(export, kept) {
            let expected = format!("{title} keeps no such thing");
            return Err(Problem::stated(code::NOT_KEPT, cell, value, expected).into());
        }
        let shown = export.columns.iter().copied();
        let read = shown.chain(export.sort.map(|(column, _)| column));
        let of_columns = read.filter_map(|column| Some((column, field(export.what, column)?)));
        let fields = of_columns.filter(|(_, (kind, field))| kept.keeps(*kind, field));
        let fields = fields.map(|(_, (_, field))| field).collect();
        let all = export_columns(export.what);
        let column = |name: &&'static str| all.iter().find(|column| column.name == *name);
        let select = match customer {
            Some(_) => Select::Listed(None),
            None => Select::Listed(Some(Filter::new(export))),
        };
        Ok(Self {
            what: export.what,
            format: export.format,
            name: format!("{}.{}", export.stem(), export.format.as_str()),
            columns: export.columns.iter().filter_map(column).collect(),
            sort: export.sort,
            query: Query {
                kind: kind(export.what),
                customer,
                select,
                fields,
            },
            reader,
            title,
        })
    }

    /// Sends the cells of every row, and tells what was left out. Ends early when nobody wants more rows.
    pub async fn read(&self, out: mpsc::Sender<Vec<String>>) -> Result<LeftOut, ApplyError> {
        let Some((by, descending)) = self.sort else {
            return self
                .each(|record| {
                    let (cells, out) = (self.cells(&record), out.clone());
                    async move { out.send(cells).await.is_ok() }
                })
                .await;
        };
        let (send, lines) = mpsc::channel(ON_THE_WAY);
        let sorting = tokio::task::spawn_blocking(move || sort(lines, &out));
        let mut number = 0;
        let read = self
            .each(|record| {
                number += 1;
                let line = SortedLine {
                    key: sort_key(by, &cell(self.what, &record, by)),
                    number,
                    descending,
                    cells: self.cells(&record),
                };
                let send = send.clone();
                async move { send.send(Some(line)).await.is_ok() }
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

    async fn each<F>(&self, mut take: impl FnMut(StoreRecord) -> F) -> Result<LeftOut, ApplyError>
    where
        F: Future<Output = bool>,
    {
        let mut left_out = LeftOut::default();
        let mut read_any = false;
        let mut records = self.reader.records(self.query.clone());
        while let Some(found) = records.try_next().await? {
            match found {
                Ok(record) => {
                    read_any = true;
                    if !take(record).await {
                        return Ok(left_out);
                    }
                }
                Err(missed) => left_out.add(missed),
            }
        }
        match left_out.named.first() {
            // Nobody lets us read: that is about us.
            Some(missed) if !read_any => {
                let why = format!("{} does not let us: {}", self.title, missed.why);
                Err(StoreError::Unauthorized(why).into())
            }
            _ => Ok(left_out),
        }
    }

    fn cells(&self, record: &StoreRecord) -> Vec<String> {
        let columns = self.columns.iter();
        columns.map(|column| cell(self.what, record, column.name)).collect()
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
fn not_kept<'e>(export: &'e Export<'_>, kept: Capabilities) -> Option<(&'static str, &'e str)> {
    if !export.tag.is_empty() && !kept.keeps(RecordKind::Customer, "tags") {
        return Some(("tag", export.tag));
    }
    let named: &[&'static str] = if export.names_columns { &export.columns } else { &[] };
    let sorted = export.sort.map(|(column, _)| ("sort", column));
    let mut asked = named.iter().map(|column| ("columns", *column)).chain(sorted);
    let is_kept = |column| field(export.what, column).is_none_or(|(kind, field)| kept.keeps(kind, field));
    asked.find(|(_, column)| !is_kept(column))
}

fn cell(what: ExportOf, record: &StoreRecord, column: &'static str) -> String {
    let customer = &record.customer;
    match (column, field(what, column)) {
        ("microsoft_id", _) => customer.id.clone(),
        ("primary_domain_name", _) => customer.domain.clone(),
        ("company_name", _) => customer.company_name.clone(),
        ("relationship", _) => match customer.relationship.as_str() {
            RESELLER => Filter::CLOUD_RESELLER.to_owned(),
            other => other.to_owned(),
        },
        ("term_ends" | "cancellable_until", Some((_, field))) => time(record.get(field)),
        (_, Some((_, field))) => record.get(field).to_owned(),
        (_, None) => String::new(),
    }
}

/// Milliseconds since the epoch as files show a time.
fn time(millis: &str) -> String {
    let millis = millis.parse().ok();
    let time = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map_or(String::new(), |time| time.to_string())
}

/// A row of a list that is sorted: by key, then as the list had it.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct SortedLine {
    key: (i64, String),
    number: u64,
    descending: bool,
    cells: Vec<String>,
}

impl Ord for SortedLine {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_key = self.key.cmp(&other.key);
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for SortedLine {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a row comes in a sorted list: numbers and times by their value, texts without regard to case.
fn sort_key(column: &str, cell: &str) -> (i64, String) {
    match column {
        "quantity" | "users" => (cell.parse().unwrap_or_default(), String::new()),
        "term_ends" | "cancellable_until" => {
            let time = cell.parse().map_or(0, |time: Timestamp| time.as_millisecond());
            (time, String::new())
        }
        _ => (0, key::fold(cell).into_owned()),
    }
}

/// Passes lines on in order once all have come, which `None` says.
fn sort(mut lines: mpsc::Receiver<Option<SortedLine>>, out: &mpsc::Sender<Vec<String>>) -> io::Result<()> {
    let mut sorter = Sorter::default();
    loop {
        match lines.blocking_recv() {
            Some(Some(line)) => sorter.push(line)?,
            Some(None) => break,
            None => return Ok(()),
        }
    }
    for line in sorter.sorted()? {
        if out.blocking_send(line?.cells).is_err() {
            break;
        }
    }
    Ok(())
}
