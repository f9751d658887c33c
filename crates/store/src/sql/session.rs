//! The rows of a chunk, or of chunks of several jobs, decided one after the other, each seeing what the ones before it did, and
//! written together.
//!
//! A [`Task`] reads the records it needs and says what it would do; the session carries that out on the records
//! it holds, notes what they held before, and in the end writes everything in a few pipelined statements. A write that
//! meets a record somebody else has changed since it was read fails the whole chunk, which is then decided anew.

mod decision;
mod history;
mod seats;
mod users;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tenantry_jobs::{Problem, code};

use super::lookup::user_key;
use super::record::{self, Key, Object, Record};
use crate::FieldChange;
use tenantry_foundation::db::{DbError, Tx, Value};
use tenantry_ledger::Installation;
use tenantry_ledger::ids::record_id;
use tenantry_ledger::images::{self, RowImage};

pub(super) use decision::{ChangeStep, Decision, Task};
pub(super) use users::{DeletedOf, DeletedUser, Holds};

/// The records of a chunk.
pub(super) struct UnitOfWork<'t> {
    pub(super) tx: &'t mut dyn Tx,
    pub(super) job: i64,
    pub(super) now: i64,
    pub(super) installation: Installation,
    records: HashMap<Key, Option<Arc<Record>>>,
    names: HashMap<(i64, String), Option<i64>>,
    deleted: HashMap<i64, Option<DeletedUser>>,
    /// Who was deleted under a name, the last first; no more than two.
    deleted_names: HashMap<(i64, String), Vec<i64>>,
    /// How users came to have their names, as far as that was asked for.
    holders: HashMap<i64, Holds>,
    seats: seats::Counted,
    subscriptions: HashMap<String, Option<i64>>,
    user_counts: BTreeMap<i64, i64>,
    sizes: HashMap<i64, (String, u64)>,
    writes: BTreeMap<(WriteOrder, usize, String), Vec<Vec<Value>>>,
    /// How often a record is written in each order; one statement writes a record once.
    times: HashMap<(WriteOrder, Key), usize>,
    /// Each with its job.
    images: Vec<(i64, RowImage)>,
    /// What users were changed by, as far as an undo has had to know.
    histories: history::Histories,
    /// The statement that the last change was made with, and the fields that it is for.
    last_update: Option<(Object, Vec<&'static str>, String)>,
}

/// Statements are sent in this order, which is one that records can be moved in. Their customers are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum WriteOrder {
    Restore,
    Insert,
    Edit(Object),
    /// The time of a new name.
    Name,
    Remove,
    Delete,
    Forget,
}

impl<'t> UnitOfWork<'t> {
    pub(super) fn new(tx: &'t mut dyn Tx, job: i64, now: i64, installation: Installation) -> Self {
        Self {
            tx,
            job,
            now,
            installation,
            records: HashMap::new(),
            names: HashMap::new(),
            deleted: HashMap::new(),
            deleted_names: HashMap::new(),
            holders: HashMap::new(),
            seats: seats::Counted::default(),
            subscriptions: HashMap::new(),
            user_counts: BTreeMap::new(),
            sizes: HashMap::new(),
            writes: BTreeMap::new(),
            times: HashMap::new(),
            images: Vec::new(),
            histories: history::Histories::default(),
            last_update: None,
        }
    }

    /// The rows that follow are of this job.
    pub(super) fn enter(&mut self, job: i64) {
        self.job = job;
    }

    /// The GUID people see for a record made here.
    pub(super) fn guid(&self, id: i64) -> String {
        self.installation.guid(id).to_string()
    }

    /// The key of the record this row makes.
    pub(super) fn made(&self, object: Object, row: u64) -> Key {
        Key::of(object, record_id(self.job, row))
    }

    /// Reads many records at once; those it has are left alone.
    pub(super) fn load(&mut self, mut keys: Vec<Key>) -> Result<(), DbError> {
        keys.retain(|key| !self.records.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        for of_object in keys.chunk_by(|a, b| a.object == b.object) {
            let found = record::load(self.tx, of_object[0].object, of_object)?;
            let found = found.into_iter().map(|record| record.map(Arc::new));
            self.records.extend(of_object.iter().cloned().zip(found));
        }
        Ok(())
    }

    /// A record, or `None` if there is none.
    pub(super) fn record(&mut self, key: &Key) -> Result<Option<Arc<Record>>, DbError> {
        if !self.records.contains_key(key) {
            self.load(vec![key.clone()])?;
        }
        Ok(self.records.get(key).cloned().flatten())
    }

    /// A customer that rows have named, so that is there.
    pub(super) fn customer(&mut self, id: i64) -> Result<Arc<Record>, DbError> {
        self.record(&Key::of(Object::Customer, id))?
            .ok_or_else(|| DbError::Broken(format!("customer {id} was resolved and is gone")))
    }

    /// Looks up the subscriptions of these GUIDs together.
    pub(super) fn find_subscriptions(&mut self, mut guids: Vec<&str>) -> Result<(), DbError> {
        guids.retain(|guid| !self.subscriptions.contains_key(*guid));
        if guids.is_empty() {
            return Ok(());
        }
        let params: Vec<Vec<Value>> = guids.iter().map(|guid| vec![(*guid).into()]).collect();
        let sql = "SELECT id FROM subscriptions WHERE subscription_id = $1";
        for (guid, rows) in guids.into_iter().zip(self.tx.query_each(sql, &params)?) {
            let id = rows.first().map(|row| row.int(0)).transpose()?;
            self.subscriptions.insert(guid.to_owned(), id);
        }
        let found = self.subscriptions.values().flatten();
        self.load(found.map(|id| Key::of(Object::Subscription, *id)).collect())
    }

    /// The subscription of that GUID.
    pub(super) fn subscription(&mut self, guid: &str) -> Result<Option<(i64, Arc<Record>)>, DbError> {
        self.find_subscriptions(vec![guid])?;
        let found = self.subscriptions.get(guid).copied().flatten();
        // Or one that a row before made.
        let Some(id) = found.or_else(|| self.made_subscription(guid)) else {
            return Ok(None);
        };
        let record = self.record(&Key::of(Object::Subscription, id))?;
        Ok(record.map(|record| (id, record)))
    }

    fn made_subscription(&self, guid: &str) -> Option<i64> {
        self.records.iter().find_map(|(key, record)| {
            let made = key.object == Object::Subscription && record.as_ref()?.get("subscription_id") == guid;
            made.then_some(key.id)
        })
    }

    /// Carries a step of a row out, on the records here, and notes what there was before.
    pub(super) fn perform(&mut self, row: u64, number: i64, step: ChangeStep) -> Result<(), DbError> {
        match step {
            ChangeStep::Edit { key, changes } => self.edit(row, number, key, &changes),
            ChangeStep::Insert { key, values } => {
                let record = Record::new(key.object, values.iter().cloned())?;
                self.queue(
                    WriteOrder::Insert,
                    &key,
                    record::insert(key.object),
                    record.insert_params(&key, self.job)?,
                );
                let changes: Vec<FieldChange> = values
                    .into_iter()
                    .map(|(field, new)| FieldChange {
                        field,
                        old: String::new(),
                        new,
                    })
                    .collect();
                self.note((row, number), &key, None, Some(record::image(&changes, |one| &one.new)));
                self.records.insert(key, Some(Arc::new(record)));
                Ok(())
            }
            ChangeStep::Remove { key } => self.remove(row, number, key),
            ChangeStep::DeleteUser { id, licenses } => self.delete_user(row, number, id, licenses.as_deref()),
            ChangeStep::RestoreUser { id, licenses } => self.restore_user(row, number, id, &licenses),
        }
    }

    fn edit(&mut self, row: u64, number: i64, key: Key, changes: &[FieldChange]) -> Result<(), DbError> {
        let record = self.record(&key)?.ok_or_else(|| gone(&key))?;
        if key.object == Object::User
            && let Some(licenses) = changes.iter().find(|change| change.field == "licenses")
        {
            let customer = record.int("customer");
            self.take_seats(customer, &licenses.old, -1)?;
            self.take_seats(customer, &licenses.new, 1)?;
        }
        if key.object == Object::User
            && let Some(name) = changes.iter().find(|change| change.field == "user_principal_name")
        {
            let customer = record.int("customer");
            self.names.insert(user_key(customer, &name.old), None);
            self.names.insert(user_key(customer, &name.new), Some(key.id));
            self.queue(
                WriteOrder::Name,
                &key,
                "UPDATE users SET named_at = $2, restored = NULL WHERE id = $1".to_owned(),
                vec![key.id.into(), self.now.into()],
            );
        }
        self.records.remove(&key);
        let mut record = Arc::unwrap_or_clone(record);
        record.set(changes)?;
        record.changed_by = Some(self.job);
        let (sql, params) = match key.object {
            Object::Seats => (record::update(key.object), record.update_params(&key, self.job)?),
            _ => (
                self.update_of(key.object, changes),
                record.changed_params(&key, self.job, changes)?,
            ),
        };
        self.queue(WriteOrder::Edit(key.object), &key, sql, params);
        self.note(
            (row, number),
            &key,
            Some(record::image(changes, |one| &one.old)),
            Some(record::image(changes, |one| &one.new)),
        );
        self.records.insert(key, Some(Arc::new(record)));
        Ok(())
    }

    /// The statement that changes those fields. Rows that follow each other mostly change the same.
    fn update_of(&mut self, object: Object, changes: &[FieldChange]) -> String {
        let fields = changes.iter().map(|change| change.field);
        match &self.last_update {
            Some((of, same, sql)) if *of == object && fields.clone().eq(same.iter().copied()) => sql.clone(),
            _ => {
                let sql = record::update_fields(object, changes);
                self.last_update = Some((object, fields.collect(), sql.clone()));
                sql
            }
        }
    }

    fn remove(&mut self, row: u64, number: i64, key: Key) -> Result<(), DbError> {
        let record = self.record(&key)?.ok_or_else(|| gone(&key))?;
        let mut params = key.params();
        params.push(record.version.into());
        self.queue(WriteOrder::Remove, &key, record::remove(key.object), params);
        let all: Vec<FieldChange> = key
            .object
            .names()
            .into_iter()
            .map(|field| FieldChange {
                field,
                old: record.get(field).to_owned(),
                new: String::new(),
            })
            .collect();
        self.note((row, number), &key, Some(record::image(&all, |one| &one.old)), None);
        self.records.insert(key, None);
        Ok(())
    }

    fn queue(&mut self, order: WriteOrder, key: &Key, sql: String, params: Vec<Value>) {
        let times = self.times.entry((order, key.clone())).or_default();
        self.writes.entry((order, *times, sql)).or_default().push(params);
        *times += 1;
    }

    fn note(&mut self, (row, number): (u64, i64), key: &Key, before: Option<String>, after: Option<String>) {
        let image = RowImage {
            row: row as i64,
            step: number,
            object: key.object.as_str().into(),
            target: key.id,
            part: key.part.clone(),
            before,
            after,
        };
        self.images.push((self.job, image));
    }

    /// Writes what was carried out. The images that rows of each job have left are for the caller that closes it, and are written
    /// here unless that caller writes them.
    pub(super) fn write(self, writes_images: bool) -> Result<Vec<(i64, RowImage)>, DbError> {
        for ((order, _, sql), params) in self.writes {
            let otherwise = match order {
                // There is one of the same key, which a closer look may find.
                WriteOrder::Insert => || DbError::Conflict("a record of this key".to_owned()),
                // Somebody else changed the same record since it was read; the next attempt sees it.
                _ => || contended("changing the same records"),
            };
            self.tx.send_each(&sql, params, otherwise)?;
        }
        self.seats.write(self.tx)?;
        let counts = self.user_counts.iter().filter(|(_, count)| **count != 0);
        let counts: Vec<Vec<Value>> = counts.map(|(id, count)| vec![(*id).into(), (*count).into()]).collect();
        let sql = "UPDATE customers SET user_count = user_count + $2 WHERE id = $1";
        self.tx
            .send_each(sql, counts, || contended("changing the same customers"))?;
        if writes_images {
            images::insert(self.tx, self.images.iter().map(|(job, image)| (*job, image)))?;
        }
        Ok(self.images)
    }
}

fn contended(doing: &str) -> DbError {
    DbError::Contended(format!("another job is {doing}"))
}

fn gone(key: &Key) -> DbError {
    DbError::Broken(format!("{} {} was read and is gone", key.object.as_str(), key.id))
}

/// No seat of the SKU is free.
pub fn no_free_seats(column: &str, part_number: &str) -> Problem {
    Problem::stated(
        code::NO_FREE_SEATS,
        column,
        part_number,
        "no seat of this SKU is free; add seats first",
    )
}
