//! Writes what a settled page changes, in a few statements.

use std::collections::{BTreeMap, HashSet};

use tenantry_jobs::key;

use super::super::derived;
use super::super::record::{self, Key, Object, Record};
use super::known::{GONE, Link, STALE, WantedCopy};
use crate::FieldChange;
use crate::reader::RecordKey;
use tenantry_foundation::db::{Batch, DbError, Tx, Value};
use tenantry_ledger::Installation;

/// Ids of copies end where those of jobs' records begin.
const MOST_COPIES: i64 = (1 << 32) - 1;

/// The changes of one page.
pub(super) struct Changes {
    origin: Installation,
    object: Object,
    created: Vec<Created>,
    edits: Vec<(Key, Record)>,
    lost: Vec<(RecordKey, Link)>,
    /// Records here whose name is somebody else's now, and what they are copies of.
    displaced: Vec<(i64, RecordKey)>,
    /// Copies that stand for something else now.
    unlinked: Vec<RecordKey>,
    /// Which original (its key, its customer there) has which version and copy.
    links: Vec<(RecordKey, String, i64, i64)>,
    /// By customer and SKU.
    seats: BTreeMap<(i64, String), i64>,
}

struct Created {
    key: RecordKey,
    owner: String,
    place: i64,
    record: Record,
    /// Tenant GUID, primary domain, registration number, associated partner; then every domain.
    identity: Option<([String; 4], Vec<String>)>,
}

impl Changes {
    pub(super) fn new(origin: Installation, object: Object) -> Self {
        Self {
            origin,
            object,
            created: Vec::new(),
            edits: Vec::new(),
            lost: Vec::new(),
            displaced: Vec::new(),
            unlinked: Vec::new(),
            links: Vec::new(),
            seats: BTreeMap::new(),
        }
    }

    /// A record that is not here yet.
    pub(super) fn create(&mut self, wanted: &WantedCopy<'_>) {
        self.take_seats(wanted.place, "", wanted.record.get("licenses"));
        let identity = wanted.identity.map(|of| {
            let texts = [
                &of.tenant_id,
                &of.domain,
                &of.registration_number,
                &of.associated_partner_id,
            ];
            (texts.map(Clone::clone), of.domains.clone())
        });
        self.created.push(Created {
            key: wanted.key.clone(),
            owner: wanted.owner.to_owned(),
            place: wanted.place,
            record: wanted.record.clone(),
            identity,
        });
    }

    /// A record that becomes as its original is.
    pub(super) fn edit(&mut self, key: Key, mut record: Record, differing: &[FieldChange]) -> Result<(), DbError> {
        if let Some(licenses) = differing.iter().find(|change| change.field == "licenses") {
            self.take_seats(record.int("customer"), &licenses.old, &licenses.new);
        }
        record.set(differing)?;
        self.edits.push((key, record));
        Ok(())
    }

    /// The record `id` here is the copy.
    pub(super) fn link(&mut self, wanted: &WantedCopy<'_>, id: i64) {
        let local = match self.object {
            Object::Seats => wanted.place,
            _ => id,
        };
        self.links.push((
            wanted.key.clone(),
            wanted.owner.to_owned(),
            local,
            wanted.record.version,
        ));
    }

    /// The original is there no more.
    pub(super) fn lose(&mut self, key: RecordKey, link: Link) {
        self.lost.push((key, link));
    }

    /// The record gives up its name; it gets its original's when that is read again.
    pub(super) fn displace(&mut self, id: i64, key: RecordKey) {
        self.displaced.push((id, key));
    }

    /// The copy of this original becomes another's.
    pub(super) fn unlink(&mut self, key: RecordKey) {
        self.unlinked.push(key);
    }

    fn take_seats(&mut self, customer: i64, before: &str, after: &str) {
        for (licenses, number) in [(before, -1), (after, 1)] {
            for sku in licenses.split(';').filter(|sku| !sku.is_empty()) {
                *self.seats.entry((customer, sku.to_owned())).or_default() += number;
            }
        }
    }

    pub(super) fn write(mut self, tx: &mut dyn Tx, job: i64, now: i64) -> Result<(), DbError> {
        self.make_way(tx)?;
        self.insert(tx, job)?;
        self.update(tx, job)?;
        self.mark(tx, job, now)?;
        let seats: Vec<Vec<Value>> = std::mem::take(&mut self.seats)
            .into_iter()
            .filter(|(_, number)| *number != 0)
            .map(|((customer, sku), number)| vec![customer.into(), sku.into(), number.into()])
            .collect();
        // Of a SKU that is not here yet nothing is counted; when it comes, its users are.
        tx.exec_each(
            "UPDATE subscribed_skus SET assigned = assigned + $3 WHERE customer = $1 AND sku_id = $2",
            &seats,
        )?;
        self.record_links(tx)
    }

    fn make_way(&self, tx: &mut dyn Tx) -> Result<(), DbError> {
        let sql = match self.object {
            Object::User => {
                "UPDATE users SET user_principal_name = $2 || user_principal_name, name_key = $2 || name_key WHERE id = $1"
            }
            _ => "UPDATE customers SET external_id = NULL, external_key = NULL, twin = 0 WHERE id = $1 AND $2 <> ''",
        };
        let params: Vec<Vec<Value>> = self
            .displaced
            .iter()
            .map(|(id, _)| vec![(*id).into(), format!("displaced-{id}-").into()])
            .collect();
        all_written(&tx.exec_each(sql, &params)?)?;
        let stale: Vec<Vec<Value>> = self
            .displaced
            .iter()
            .map(|(_, key)| self.key_params(key, STALE))
            .collect();
        Self::set_versions(tx, &stale)?;
        let unlinked: Vec<Vec<Value>> = self.unlinked.iter().map(|key| self.key_params(key, 0)).collect();
        tx.exec_each(
            "DELETE FROM copies WHERE origin = $1 AND object = $2 AND source = $3 AND part = $4 AND $5 = 0",
            &unlinked,
        )
        .map(drop)
    }

    fn key_params(&self, key: &RecordKey, version: i64) -> Vec<Value> {
        vec![
            self.origin.number().into(),
            self.object.as_str().into(),
            key.id.as_str().into(),
            key.part.as_str().into(),
            version.into(),
        ]
    }

    fn set_versions(tx: &mut dyn Tx, params: &[Vec<Value>]) -> Result<(), DbError> {
        tx.exec_each(
            "UPDATE copies SET version = $5 WHERE origin = $1 AND object = $2 AND source = $3 AND part = $4",
            params,
        )
        .map(drop)
    }

    fn insert(&mut self, tx: &mut dyn Tx, job: i64) -> Result<(), DbError> {
        if self.created.is_empty() {
            return Ok(());
        }
        let created = std::mem::take(&mut self.created);
        if self.object == Object::Seats {
            let params = created
                .iter()
                .map(|one| one.record.insert_params(&Key::seats(one.place, &one.key.part), job))
                .collect::<Result<Vec<_>, _>>()?;
            all_written(&tx.exec_each(&record::insert(Object::Seats), &params)?)?;
            let skus: Vec<(i64, String)> = created.iter().map(|one| (one.place, one.key.part.clone())).collect();
            derived::count_assigned(tx, &skus)?;
        } else {
            self.insert_batch(tx, job, &created)?;
        }
        Ok(())
    }

    fn insert_batch(&mut self, tx: &mut dyn Tx, job: i64, created: &[Created]) -> Result<(), DbError> {
        let identity = ["tenant_id", "domain", "registration_number", "associated_partner_id"];
        let extra: &[&str] = if self.object == Object::Customer {
            &identity
        } else {
            &[]
        };
        let mut columns = vec!["id", "changed_by"];
        columns.extend(extra);
        columns.extend(self.object.columns());
        let mut batch = Batch::new(columns.len(), created.len());
        let mut domains: Vec<Vec<Value>> = Vec::new();
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        let first = take_ids(tx, created.len())?;
        for (id, one) in (first..).zip(created) {
            batch.int(id);
            batch.int(job);
            if let Some((texts, of)) = &one.identity {
                for text in texts {
                    batch.text(text);
                }
                let mut keys = HashSet::new();
                for domain in of {
                    let key = key::domain(domain);
                    if keys.insert(key.clone()) {
                        domains.push(vec![domain.as_str().into(), id.into(), key.as_ref().into()]);
                    }
                }
            }
            one.record.lay_out(&mut batch)?;
            *counts.entry(one.place).or_default() += 1;
            self.links
                .push((one.key.clone(), one.owner.clone(), id, one.record.version));
        }
        tx.insert(self.object.table(), &columns, &batch)?;
        tx.exec_each(
            "INSERT INTO domains (domain, customer, domain_key) VALUES ($1, $2, $3)",
            &domains,
        )?;
        if self.object == Object::User {
            let counts: Vec<Vec<Value>> = counts
                .into_iter()
                .map(|(customer, number)| vec![customer.into(), number.into()])
                .collect();
            let sql = "UPDATE customers SET user_count = user_count + $2 WHERE id = $1";
            all_written(&tx.exec_each(sql, &counts)?)?;
        }
        Ok(())
    }

    fn update(&self, tx: &mut dyn Tx, job: i64) -> Result<(), DbError> {
        let params = self
            .edits
            .iter()
            .map(|(key, record)| record.update_params(key, job))
            .collect::<Result<Vec<_>, _>>()?;
        // Whether all seats are assigned that should be shows when users have been copied, too.
        all_written(&tx.exec_each(&record::update_freely(self.object), &params)?)?;
        if self.object == Object::Seats {
            return Ok(());
        }
        let ids: Vec<Vec<Value>> = self.edits.iter().map(|(key, _)| vec![key.id.into()]).collect();
        let sql = format!(
            "UPDATE {} SET missing_since = NULL WHERE id = $1 AND missing_since IS NOT NULL",
            self.object.table()
        );
        tx.exec_each(&sql, &ids).map(drop)
    }

    /// Marks what is missing. Licences of users that are gone are free again, as they are there.
    fn mark(&mut self, tx: &mut dyn Tx, job: i64, now: i64) -> Result<(), DbError> {
        let lost = std::mem::take(&mut self.lost);
        if lost.is_empty() {
            return Ok(());
        }
        let key = |(key, link): &(RecordKey, Link)| match self.object {
            Object::Seats => Key::seats(link.local, &key.part),
            object => Key::of(object, link.local),
        };
        let keys: Vec<Key> = lost.iter().map(key).collect();
        let mut params: Vec<Vec<Value>> = Vec::with_capacity(keys.len());
        // Those that somebody has deleted here are only let go.
        for (key, record) in keys.iter().zip(record::load(tx, self.object, &keys)?) {
            let Some(record) = record else { continue };
            if self.object == Object::User {
                self.take_seats(record.int("customer"), record.get("licenses"), "");
            }
            let mut of_one = key.params();
            of_one.extend([record.version.into(), job.into()]);
            if self.object != Object::Seats {
                of_one.push(now.into());
            }
            params.push(of_one);
        }
        let set = match self.object {
            Object::Seats => "seats = 0",
            Object::User => "missing_since = $5, licenses = NULL",
            Object::Customer | Object::Subscription | Object::Transfer => "missing_since = $5",
        };
        let sql = format!(
            "UPDATE {} SET {set}, changed_by = $4, version = version + 1 WHERE {} AND version = $3",
            self.object.table(),
            self.object.clause()
        );
        all_written(&tx.exec_each(&sql, &params)?)?;
        let gone: Vec<Vec<Value>> = lost.iter().map(|(key, _)| self.key_params(key, GONE)).collect();
        Self::set_versions(tx, &gone)
    }

    fn record_links(&self, tx: &mut dyn Tx) -> Result<(), DbError> {
        let params: Vec<Vec<Value>> = self
            .links
            .iter()
            .map(|(key, owner, local, version)| {
                let mut params = self.key_params(key, *version);
                params.extend([owner.as_str().into(), (*local).into()]);
                params
            })
            .collect();
        tx.exec_each(
            "INSERT INTO copies (origin, object, source, part, version, owner, local) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (origin, object, source, part) DO UPDATE
             SET version = excluded.version, owner = excluded.owner, local = excluded.local",
            &params,
        )
        .map(drop)
    }
}

/// Each statement wrote its record. They are locked, so that this fails only if somebody writes past the locks.
fn all_written(written: &[u64]) -> Result<(), DbError> {
    if written.iter().all(|number| *number == 1) {
        Ok(())
    } else {
        Err(DbError::Contended(
            "somebody else changed a record that is being copied".to_owned(),
        ))
    }
}

/// The first of that many ids for copies, which no job's record has.
fn take_ids(tx: &mut dyn Tx, number: usize) -> Result<i64, DbError> {
    let taken = tx.query_first(
        "INSERT INTO meta (key, value) VALUES ('copies', $1) ON CONFLICT (key) DO UPDATE
         SET value = CAST(CAST(meta.value AS BIGINT) + CAST(excluded.value AS BIGINT) AS TEXT) RETURNING value",
        &[number.to_string().into()],
    )?;
    let last = taken.map_or(Ok(0), |row| {
        row.text(0)?
            .parse::<i64>()
            .map_err(|error| DbError::Broken(error.to_string()))
    })?;
    if last > MOST_COPIES {
        return Err(DbError::Broken("there are no more ids for copied records".to_owned()));
    }
    Ok(last - number as i64 + 1)
}
