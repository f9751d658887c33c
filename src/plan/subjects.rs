//! Subjects and places of a recorded job's rows, from the spool.
//!
//! Customers and products are called as the ledger's own database calls them now. Those of another store are called as that
//! one did when rows about them were last planned: nobody waits for a service to read what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use tenantry_jobs::{JobKind, Mapping, Subject, SubjectColumns, key};
use uuid::Uuid;

use super::CustomerColumn;
use super::check::{CheckedBlock, subject};
use crate::db::DbError;
use crate::input::{Block, RowView};
use crate::ledger::{Job, Ledger, NameKey, StoreName, load_block};
use crate::store::sql::Customers;
use crate::store::{Called, Names};

/// Tells of the rows of one job.
#[derive(Clone)]
pub(crate) struct Subjects(Arc<SubjectSource>);

struct SubjectSource {
    ledger: Ledger,
    input: i64,
    job: &'static dyn JobKind,
    columns: SubjectColumns,
    mapping: Mapping,
    customer: Option<String>,
    /// The store whose customers they are; `None` for the ledger's own database.
    store: Option<String>,
}

/// Tells whom rows are about whose customers have been looked up.
pub(crate) struct About {
    of: Arc<SubjectSource>,
    names: Arc<dyn Names>,
}

/// What a store called those whom rows name.
#[derive(Default)]
struct KeptNames(BTreeMap<NameKey, StoreName>);

/// What rows name, each once.
#[derive(Default)]
struct NamedRecords {
    customers: BTreeSet<String>,
    subscriptions: BTreeSet<String>,
}

impl NamedRecords {
    async fn look_up(self, ledger: &Ledger) -> Result<Customers, DbError> {
        if self.customers.is_empty() {
            return Ok(Customers::default());
        }
        let read = ledger.db().read(move |tx| {
            let mut customers = Customers::default();
            customers.resolve_named(tx, self.customers.iter().map(String::as_str))?;
            customers.resolve_products(tx, self.subscriptions.iter().map(String::as_str))?;
            Ok(customers)
        });
        read.await
    }
}

/// Tells of the rows of one of its chunks.
pub(crate) struct ChunkSubjects {
    about: About,
    block: Block,
}

impl Subjects {
    /// Of a job; of one that takes another back, as the rows of that one. `None` for a job of a kind that is not known here.
    pub(crate) async fn of(ledger: &Ledger, job: &Job) -> Result<Option<Self>, DbError> {
        let mut first = job.clone();
        while let Some(undone) = first.undo_of_id {
            let Some(other) = ledger.job(undone).await? else {
                return Ok(None);
            };
            first = other;
        }
        let Ok(kind) = tenantry_jobs::find(&first.kind) else {
            return Ok(None);
        };
        let cells: Vec<&str> = first.header.iter().map(String::as_str).collect();
        let customer = first.parameters.customer.clone();
        // It was recognised when the job was submitted; a newer program may be stricter.
        let Ok(mapping) = CustomerColumn::of(&first.parameters).recognise(kind, &cells) else {
            return Ok(None);
        };
        Ok(Some(Self(Arc::new(SubjectSource {
            ledger: ledger.clone(),
            input: first.input,
            job: kind,
            columns: SubjectColumns::of(kind),
            mapping,
            customer,
            store: first.parameters.store,
        }))))
    }

    /// Looks up the customers and subscriptions of some rows.
    pub(crate) async fn about<'b>(&self, rows: impl Iterator<Item = RowView<'b>>) -> Result<About, DbError> {
        let of = self.0.clone();
        let names: Arc<dyn Names> = match &of.store {
            None => Arc::new(of.customers_named(rows).await?),
            Some(store) => {
                let keys: BTreeSet<NameKey> = rows.filter_map(|row| of.key(&row)).collect();
                let kept = of.ledger.kept_names(store, keys.into_iter().collect()).await?;
                Arc::new(KeptNames(kept))
            }
        };
        Ok(About { of, names })
    }

    /// Looks up the customers and subscriptions of all rows of some jobs of one ledger, those of its own database together.
    pub(crate) async fn about_all(ledger: &Ledger, all: &[(&Self, &Block)]) -> Result<Vec<About>, DbError> {
        let mut wanted = NamedRecords::default();
        for (subjects, block) in all.iter().filter(|(subjects, _)| subjects.0.store.is_none()) {
            subjects.0.note(block.rows(), &mut wanted);
        }
        let customers: Arc<dyn Names> = Arc::new(wanted.look_up(ledger).await?);
        let mut about = Vec::with_capacity(all.len());
        for (subjects, block) in all {
            about.push(if subjects.0.store.is_none() {
                About {
                    of: subjects.0.clone(),
                    names: customers.clone(),
                }
            } else {
                subjects.about(block.rows()).await?
            });
        }
        Ok(about)
    }

    /// The rows of a chunk, with the customers of those that are wanted. `None` once they are no longer kept.
    pub(crate) async fn chunk(&self, chunk: i64, wanted: Option<Vec<u64>>) -> Result<Option<ChunkSubjects>, DbError> {
        let input = self.0.input;
        let read = self.0.ledger.db().read(move |tx| load_block(tx, input, chunk)).await?;
        let Some(block) = read else { return Ok(None) };
        let is_wanted = |row: &RowView<'_>| wanted.as_ref().is_none_or(|wanted| wanted.contains(&row.number));
        let about = self.about(block.rows().filter(is_wanted)).await?;
        Ok(Some(ChunkSubjects { about, block }))
    }

    /// Where the file has these columns of the kind, those of them that it has.
    pub(crate) fn places(&self, columns: &[String]) -> Vec<usize> {
        columns.iter().filter_map(|column| self.0.column(column)).collect()
    }
}

impl Names for KeptNames {
    fn called(&self, customer: &str, subscription: Option<Uuid>) -> Option<Called> {
        let kept = self.0.get(&name_key(customer, subscription))?;
        Some(Called {
            domain: kept.domain.clone(),
            name: kept.name.clone(),
            product: kept.product.clone(),
        })
    }
}

/// What the store that a block was checked against calls those whom its rows name.
pub(crate) fn names_told(checked: &CheckedBlock) -> BTreeMap<NameKey, StoreName> {
    let mut told = BTreeMap::new();
    for row in checked.block.rows() {
        let Some(about) = checked.shared.subject(&row, &KeptNames::default()) else {
            continue;
        };
        let key = name_key(&about.customer, about.subscription());
        if !told.contains_key(&key)
            && let Some(called) = checked.names.called(&about.customer, about.subscription())
        {
            let Called { domain, name, product } = called;
            told.insert(key, StoreName { domain, name, product });
        }
    }
    told
}

fn name_key(customer: &str, subscription: Option<Uuid>) -> NameKey {
    let subscription = subscription.map(|id| id.to_string()).unwrap_or_default();
    (key::domain(customer.trim()).into_owned(), subscription)
}

/// Adds what a row has in a column.
fn note(row: &RowView<'_>, column: Option<usize>, noted: &mut BTreeSet<String>) {
    let cell = column.and_then(|column| row.cell(column)).unwrap_or_default().trim();
    if !cell.is_empty() && !noted.contains(cell) {
        noted.insert(cell.to_owned());
    }
}

impl SubjectSource {
    /// The customers of the ledger's own database that rows name, with the products of their subscriptions.
    async fn customers_named<'b>(&self, rows: impl Iterator<Item = RowView<'b>>) -> Result<Customers, DbError> {
        let mut wanted = NamedRecords::default();
        self.note(rows, &mut wanted);
        wanted.look_up(&self.ledger).await
    }

    /// Adds what rows name.
    fn note<'b>(&self, rows: impl Iterator<Item = RowView<'b>>, wanted: &mut NamedRecords) {
        wanted.customers.extend(self.customer.iter().cloned());
        let customer = self.column("customer").filter(|_| self.customer.is_none());
        let subscription = self.column("subscription_id");
        if customer.is_some() || subscription.is_some() {
            for row in rows {
                note(&row, customer, &mut wanted.customers);
                note(&row, subscription, &mut wanted.subscriptions);
            }
        }
    }

    /// Under what it is kept whom a row names.
    fn key(&self, row: &RowView<'_>) -> Option<NameKey> {
        let about = subject(
            self.job,
            &self.mapping,
            self.customer.as_deref(),
            row,
            &KeptNames::default(),
        )?;
        Some(name_key(&about.customer, about.subscription()))
    }

    /// Where the file has a native column.
    fn column(&self, native: &str) -> Option<usize> {
        let native = self.job.columns().iter().position(|column| column.name == native)?;
        self.mapping.columns.get(native).copied().flatten()
    }
}

/// Whom rows of one chunk are about, one after the other: most are of the customer of the row before.
pub(crate) struct SubjectLines<'a> {
    about: &'a About,
    /// The customer's own column, where the row does not say it.
    fixed: Option<usize>,
    last: Option<Last>,
}

/// What the customer and the subscription of the last row are called.
struct Last {
    customer: String,
    subscription: Option<Uuid>,
    called: Option<Called>,
}

impl SubjectLines<'_> {
    /// Appends whom or what a row is about, if it says it.
    pub(crate) fn write(&mut self, row: &RowView<'_>, out: &mut String) {
        let of = &self.about.of;
        let cell = |at: usize| match &of.customer {
            Some(customer) if self.fixed == Some(at) => Some(customer.as_str()),
            _ => row.cell(of.mapping.columns.get(at).copied().flatten()?),
        };
        let Some(subject) = of.columns.read(cell) else {
            return;
        };
        let (customer, subscription) = (subject.customer(), subject.subscription());
        let is_of = |last: &&Last| last.customer == customer && last.subscription == subscription;
        let last = match self.last.take_if(|last| is_of(&&*last)) {
            Some(last) => last,
            None => Last {
                customer: customer.to_owned(),
                subscription,
                called: self.about.names.called(customer, subscription),
            },
        };
        let last = self.last.insert(last);
        let _ = match &last.called {
            Some(Called { domain, name, product }) => {
                write!(out, "{}", subject.of_customer(domain, name).of_product(product))
            }
            None => write!(out, "{subject}"),
        };
    }
}

impl About {
    /// To tell of many rows.
    pub(crate) fn lines(&self) -> SubjectLines<'_> {
        let mut columns = self.of.job.columns().iter();
        SubjectLines {
            about: self,
            fixed: columns.position(|column| column.name == "customer"),
            last: None,
        }
    }

    /// Whom or what a row is about.
    pub(crate) fn subject(&self, row: &RowView<'_>) -> Option<Subject> {
        let customer = self.of.customer.as_deref();
        subject(self.of.job, &self.of.mapping, customer, row, self.names.as_ref())
    }
}

impl ChunkSubjects {
    /// Whom or what a row is about.
    pub(crate) fn subject(&self, row: u64) -> Option<Subject> {
        let view = self.block.row(row.checked_sub(self.block.first_row())? as usize)?;
        self.about.subject(&view)
    }

    /// Numbers of its first and last row.
    pub(crate) fn rows(&self) -> (u64, u64) {
        let first = self.block.first_row();
        (first, first + self.block.len() as u64 - 1)
    }

    /// The line that a row begins on.
    pub(crate) fn line(&self, row: u64) -> Option<u64> {
        let view = self.block.row(row.checked_sub(self.block.first_row())? as usize)?;
        Some(view.line)
    }
}
