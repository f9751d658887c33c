//! Reads another store page by page, as its records by key. Of a store that gives versions only what has another version than
//! its copy here is read whole.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::super::record::Record;
use super::known::Copies;
use super::page::{Content, Identity, Original, SyncPage};
use super::{SyncProgress, SyncRequest, SyncStep};
use crate::error::ApplyError;
use crate::reader::{self, KnownVersions, Query, RecordKey, RecordReader, Records, Select, Source};
use tenantry_foundation::db::{Db, DbError};
use tenantry_ledger::Installation;

/// Records of a page.
const PAGE: usize = 4_000;
/// The same of a store that is far: each may take a call or two, and nothing is settled before it is full.
const FAR_PAGE: usize = 200;

/// Another store, from which pages are read one after the other.
pub struct Originals {
    source: Source,
    /// The only customer, by its key there.
    owner: Option<String>,
    /// The list that is being read.
    walk: Option<Walk>,
}

impl Originals {
    /// What this store has; of this customer alone, if one is given.
    pub fn of(source: Source, owner: Option<String>) -> Self {
        Self {
            source,
            owner,
            walk: None,
        }
    }

    /// What tells the store from every other.
    pub fn origin(&self) -> Installation {
        self.source.installation
    }

    /// Whether they have to be asked for over a network, one by one.
    pub fn are_far(&self) -> bool {
        self.source.reader.is_far()
    }

    /// Reads the page that comes next; `None` when everything was settled.
    pub async fn next(
        &mut self,
        here: &Db,
        request: &SyncRequest,
        progress: &SyncProgress,
    ) -> Result<Option<SyncPage>, ApplyError> {
        let Some(step) = progress.step else { return Ok(None) };
        let walk = match self.walk.take() {
            Some(walk) if walk.is_at(step, &progress.after) => walk,
            _ => {
                let known = CopiesHere {
                    here: here.clone(),
                    origin: self.source.installation,
                    step,
                    owner: self.owner.clone(),
                };
                let known: Option<Arc<dyn KnownVersions>> = (!request.full).then(|| Arc::new(known) as _);
                let reader = self.source.reader.clone();
                Walk::begin(reader, step, self.owner.clone(), &progress.after, known)
            }
        };
        self.walk.insert(walk).page(self.owner.clone()).await.map(Some)
    }
}

/// The versions that copies here have.
struct CopiesHere {
    here: Db,
    origin: Installation,
    step: SyncStep,
    owner: Option<String>,
}

impl KnownVersions for CopiesHere {
    fn between(
        &self,
        after: RecordKey,
        until: Option<RecordKey>,
    ) -> BoxFuture<'static, Result<HashMap<RecordKey, i64>, DbError>> {
        let here = self.here.clone();
        let copies = Copies {
            origin: self.origin,
            step: self.step,
            owner: self.owner.clone(),
            after,
            until,
        };
        async move {
            let known = here.read(move |tx| copies.known(tx)).await?;
            Ok(known.into_iter().map(|(key, link)| (key, link.version)).collect())
        }
        .boxed()
    }
}

/// All records of one sort, in the order of their keys.
struct Walk {
    reader: Arc<dyn RecordReader>,
    step: SyncStep,
    after: RecordKey,
    records: Records,
}

impl Walk {
    /// The records behind `after`.
    fn begin(
        reader: Arc<dyn RecordReader>,
        step: SyncStep,
        owner: Option<String>,
        after: &RecordKey,
        known: Option<Arc<dyn KnownVersions>>,
    ) -> Self {
        let mut wanted = fields(step, reader.as_ref());
        if step == SyncStep::Customers {
            wanted.extend(["registration_number", "associated_partner_id", "domains"]);
        }
        let query = Query {
            kind: step.kind(),
            customer: owner,
            select: Select::After {
                key: after.clone(),
                known,
            },
            fields: wanted,
            limit: None,
        };
        Self {
            records: reader.records(query),
            reader,
            step,
            after: after.clone(),
        }
    }

    /// Whether it is the list of that sort of record, and goes on there.
    fn is_at(&self, step: SyncStep, after: &RecordKey) -> bool {
        self.step == step && self.after == *after
    }

    /// The page that comes next.
    async fn page(&mut self, owner: Option<String>) -> Result<SyncPage, ApplyError> {
        let most = if self.reader.is_far() { FAR_PAGE } else { PAGE };
        let mut page = SyncPage {
            step: self.step,
            after: self.after.clone(),
            until: None,
            owner,
            originals: Vec::new(),
            unread: Vec::new(),
            unkept: self.reader.unkept(self.step.kind()),
        };
        while let Some(read) = self.records.try_next().await? {
            let key = match read {
                Ok(record) => {
                    let key = record.key.clone();
                    page.originals.push(self.original(record)?);
                    key
                }
                Err(missed) => {
                    let key = missed.key();
                    page.unread.push((key.clone(), missed.to_string()));
                    key
                }
            };
            if page.originals.len() + page.unread.len() == most {
                self.after = key.clone();
                page.until = Some(key);
                break;
            }
        }
        Ok(page)
    }

    fn original(&self, mut read: reader::StoreRecord) -> Result<Original, DbError> {
        let content = if read.is_known {
            None
        } else {
            Some(self.content(&mut read)?)
        };
        Ok(Original {
            owner: read.customer.key().to_owned(),
            key: read.key,
            content,
        })
    }

    /// Takes the fields out of what was read.
    fn content(&self, read: &mut reader::StoreRecord) -> Result<Content, DbError> {
        let fields = fields(self.step, self.reader.as_ref()).into_iter().enumerate();
        let mut values: Vec<(&'static str, String)> = fields.map(|(at, field)| (field, read.take(field, at))).collect();
        if self.step == SyncStep::Users && !self.reader.keeps(self.step.kind(), "flags") {
            // A user has to have some here.
            values.push(("flags", "0".to_owned()));
        }
        let version = read.version.unwrap_or_else(|| fingerprint(&values));
        let mut record = Record::new(self.step.object(), values)?;
        record.version = version;
        let customer = read.customer.clone();
        let identity = (self.step == SyncStep::Customers).then(|| Identity {
            tenant_id: customer.id.clone(),
            domain: customer.domain.clone(),
            registration_number: read.take("registration_number", 0),
            associated_partner_id: read.take("associated_partner_id", 0),
            domains: read.get("domains").split(';').map(str::to_owned).collect(),
        });
        Ok(Content { record, identity })
    }
}

/// The fields of a record that are copied.
fn fields(step: SyncStep, reader: &dyn RecordReader) -> Vec<&'static str> {
    let names = step.object().names().into_iter();
    names
        .filter(|field| *field != "customer" && reader.keeps(step.kind(), field))
        .collect()
}

/// A number that is the same as long as the record is, and none that copies have a meaning for.
fn fingerprint(values: &[(&'static str, String)]) -> i64 {
    let mut hasher = Sha256::new();
    for (name, value) in values {
        for part in [*name, value] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize()[..8]);
    i64::from_le_bytes(bytes) >> 1 & i64::MAX | 1
}
