//! Pages of what a service holds, from its records by key. They have no versions: a record's version is a fingerprint of
//! what it holds.

use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::super::record::Record;
use super::page::{Content, Identity, Original, SyncPage};
use super::{SourceKey, SyncStep};
use crate::Remote;
use crate::remote::reader::{self, Query, Records, Select};
use crate::remote::{ApplyError, Capabilities};
use tenantry_foundation::db::DbError;

/// Records of a page: each may take a call or two, and nothing is settled before it is full.
const PAGE: usize = 200;

/// All records of one sort, in the order of their keys.
pub(super) struct Walk {
    step: SyncStep,
    after: SourceKey,
    /// What the service keeps.
    kept: Capabilities,
    records: Records,
}

impl Walk {
    /// The records behind `after`.
    pub(super) fn begin(remote: &Remote, step: SyncStep, owner: Option<String>, after: &SourceKey) -> Self {
        let kept = remote.capabilities();
        let mut wanted = fields(step, kept);
        if step == SyncStep::Customers {
            wanted.extend(["registration_number", "associated_partner_id", "domains"]);
        }
        let query = Query {
            kind: step.kind(),
            customer: owner,
            select: Select::After(after.record_key()),
            fields: wanted,
        };
        Self {
            step,
            after: after.clone(),
            kept,
            records: remote.reader.records(query),
        }
    }

    /// Whether it is the list of that sort of record.
    pub(super) fn is_at(&self, step: SyncStep) -> bool {
        self.step == step
    }

    /// The page that comes next.
    pub(super) async fn page(&mut self, owner: Option<String>) -> Result<SyncPage, ApplyError> {
        let mut page = SyncPage {
            step: self.step,
            after: self.after.clone(),
            until: None,
            owner,
            originals: Vec::new(),
            unread: Vec::new(),
            unkept: (self.kept.unkept)(self.step.kind()),
        };
        while let Some(read) = self.records.try_next().await? {
            let key = match read {
                Ok(record) => {
                    let key = SourceKey::from(record.key());
                    page.originals.push(self.original(&key, &record)?);
                    key
                }
                Err(missed) => {
                    let key = SourceKey::from(missed.key());
                    page.unread.push((key.clone(), missed.to_string()));
                    key
                }
            };
            if page.originals.len() + page.unread.len() == PAGE {
                self.after = key.clone();
                page.until = Some(key);
                break;
            }
        }
        Ok(page)
    }

    fn original(&self, key: &SourceKey, read: &reader::StoreRecord) -> Result<Original, DbError> {
        let of = |field: &'static str| (field, read.get(field).to_owned());
        let mut values: Vec<(&'static str, String)> = fields(self.step, self.kept).into_iter().map(of).collect();
        if self.step == SyncStep::Users && !self.kept.keeps(self.step.kind(), "flags") {
            // A user has to have some here.
            values.push(("flags", "0".to_owned()));
        }
        let mut record = Record::new(self.step.object(), &values)?;
        record.version = version(&values);
        let customer = &read.customer;
        let identity = (self.step == SyncStep::Customers).then(|| Identity {
            tenant_id: customer.id.clone(),
            domain: customer.domain.clone(),
            registration_number: read.get("registration_number").to_owned(),
            associated_partner_id: read.get("associated_partner_id").to_owned(),
            domains: read.get("domains").split(';').map(str::to_owned).collect(),
        });
        Ok(Original {
            owner: customer.id.clone(),
            key: key.clone(),
            content: Some(Content { record, identity }),
        })
    }
}

/// The fields of a record that are copied.
fn fields(step: SyncStep, kept: Capabilities) -> Vec<&'static str> {
    let names = step.object().names().into_iter();
    names
        .filter(|field| *field != "customer" && kept.keeps(step.kind(), field))
        .collect()
}

/// A number that is the same as long as the record is, and none that copies have a meaning for.
fn version(values: &[(&'static str, String)]) -> i64 {
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
