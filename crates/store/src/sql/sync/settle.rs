//! Settles a page: finds the copy of each original, says what is new, changed or missing, and has it written.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::halves;
use super::super::record::{self, Key, Object, Record};
use super::decision::{CopyDecision, Deciding};
use super::known::{Copies, GONE, KnownRecords, Link, WantedCopy, in_the_way};
use super::page::SyncPage;
use super::write::Changes;
use super::{SyncProgress, SyncRequest, SyncStep};
use crate::FieldChange;
use crate::reader::RecordKey;
use tenantry_foundation::db::{Alone, DbError, Tx, Value};
use tenantry_ledger::Installation;

/// How far the settling of a page has come.
#[derive(Clone)]
struct PageState {
    progress: SyncProgress,
    /// Copies whose originals are there no more.
    gone: BTreeMap<RecordKey, Link>,
    /// What records of the page have that no other may have.
    claimed: HashSet<String>,
}

/// Settles the pages of a row.
pub struct Settling {
    origin: Installation,
    /// The job and the time to write as; a plan writes nothing.
    writes_as: Option<(i64, i64)>,
    /// Customers, by their ids there, that a plan would create.
    coming: HashSet<String>,
}

impl Settling {
    /// Only finds out what would be done.
    pub fn planning(origin: Installation) -> Self {
        Self {
            origin,
            writes_as: None,
            coming: HashSet::new(),
        }
    }

    /// Does it, as `job`, at `now`.
    pub fn writing(origin: Installation, job: i64, now: i64) -> Self {
        Self {
            writes_as: Some((job, now)),
            ..Self::planning(origin)
        }
    }

    /// Settles a page and moves the progress behind it.
    pub fn settle(
        &mut self,
        tx: &mut dyn Tx,
        page: &SyncPage,
        request: &SyncRequest,
        progress: &mut SyncProgress,
    ) -> Result<(), DbError> {
        let (step, object) = (page.step, page.step.object());
        let has_unique_names = matches!(step, SyncStep::Customers | SyncStep::Subscriptions);
        if self.writes_as.is_some() {
            tx.alone_with(Alone::Copies)?;
            if has_unique_names {
                tx.alone_with(Alone::Names)?;
            }
        }
        let copies = Copies {
            origin: self.origin,
            step,
            owner: page.owner.clone(),
            after: page.after.clone(),
            until: page.until.clone(),
        };
        let links = copies.known(tx)?;
        let present: HashSet<&RecordKey> = page.originals.iter().map(|original| &original.key).collect();
        let gone: BTreeMap<RecordKey, Link> = links
            .iter()
            .filter(|(key, link)| link.version != GONE && !present.contains(key) && !page.is_unread(key))
            .map(|(key, link)| (key.clone(), *link))
            .collect();
        let changed = changed(page, request.full, &links);
        let wanted = self.placed(tx, page.step, changed, progress)?;
        if self.writes_as.is_some() {
            let linked = wanted.iter().filter_map(|one| one.link).chain(gone.values().copied());
            let mut keys: Vec<Key> = linked.map(|link| Key::of(object, link.local)).collect();
            let places = wanted.iter().map(|one| one.place).filter(|place| *place != 0);
            keys.extend(places.map(|place| Key::of(Object::Customer, place)));
            if has_unique_names {
                keys.extend(in_the_way(tx, object, &wanted)?);
            }
            let mut customers: Vec<i64> = record::owners(tx, &keys)?.into_iter().flatten().collect();
            customers.sort_unstable();
            customers.dedup();
            tx.lock("customers", &customers)?;
        }
        let mut state = PageState {
            progress: progress.clone(),
            gone,
            claimed: HashSet::new(),
        };
        if let Some((job, now)) = self.writes_as {
            let replace = |state: &mut PageState, next| *state = next;
            let refused = halves::write(tx, &wanted, &mut state, replace, &mut |tx, wanted, state| {
                let mut next = state.clone();
                self.decide(tx, page, wanted, &mut next)?.write(tx, job, now)?;
                Ok(next)
            })?;
            for one in refused {
                let why = "another record here has the same name";
                state.progress.leave_out(format!("{} ({why})", one.name()));
            }
        } else {
            self.decide(tx, page, &wanted, &mut state)?;
        }
        let PageState {
            progress: settled,
            gone,
            ..
        } = state;
        *progress = settled;
        for (_, missed) in &page.unread {
            progress.leave_out(missed.clone());
        }
        let mut changes = Changes::new(self.origin, object);
        let is_any_gone = !gone.is_empty();
        for (key, link) in gone {
            progress.count(step).missing += 1;
            progress.note(&[step.plural(), &key.id, &key.part, "missing"]);
            changes.lose(key, link);
        }
        if let Some((job, now)) = self.writes_as.filter(|_| is_any_gone) {
            changes.write(tx, job, now)?;
        }
        progress.pass(page, request);
        Ok(())
    }

    /// What is done about originals of a page.
    fn decide(
        &mut self,
        tx: &mut dyn Tx,
        page: &SyncPage,
        wanted: &[WantedCopy<'_>],
        state: &mut PageState,
    ) -> Result<Changes, DbError> {
        let (step, object) = (page.step, page.step.object());
        let mut here = KnownRecords::load(tx, object, wanted)?;
        let mut changes = Changes::new(self.origin, object);
        for (at, wanted) in wanted.iter().enumerate() {
            let mut deciding = Deciding {
                origin: self.origin,
                step,
                here: &here,
                gone: &mut state.gone,
                changes: &mut changes,
                claimed: &mut state.claimed,
            };
            let progress = &mut state.progress;
            match deciding.decision(tx, wanted, at)? {
                CopyDecision::LeaveOut(why) => progress.leave_out(format!("{} ({why})", wanted.name())),
                CopyDecision::Create => {
                    progress.count(step).new += 1;
                    progress.note_new(step, wanted.key, &wanted.record);
                    let is_to_come = self.writes_as.is_none() && step == SyncStep::Customers;
                    self.coming.extend(is_to_come.then(|| wanted.key.id.clone()));
                    changes.create(wanted);
                }
                CopyDecision::Update(id) => {
                    let Some(now) = here.records.remove(&id) else { continue };
                    let differing = differing(&now, &wanted.record, page.unkept);
                    let returned = wanted.link.is_some_and(|link| link.version == GONE);
                    if returned || !differing.is_empty() {
                        progress.count(step).changed += 1;
                        progress.note(&[step.plural(), &wanted.key.id, &wanted.key.part, "changed"]);
                        for one in &differing {
                            progress.note(&[one.field, &one.old, &one.new]);
                        }
                        changes.edit(wanted.here(object, id), now, &differing)?;
                    }
                    changes.link(wanted, id);
                }
            }
        }
        Ok(changes)
    }

    /// With the customers here that they belong to; without those whose customer is not here.
    fn placed<'p>(
        &self,
        tx: &mut dyn Tx,
        step: SyncStep,
        wanted: Vec<WantedCopy<'p>>,
        progress: &mut SyncProgress,
    ) -> Result<Vec<WantedCopy<'p>>, DbError> {
        if step == SyncStep::Customers {
            return Ok(wanted);
        }
        let owners = self.owners(tx, &wanted)?;
        let mut placed = Vec::with_capacity(wanted.len());
        for mut one in wanted {
            match owners.get(one.owner) {
                Some(owner) => {
                    one.place = *owner;
                    if step != SyncStep::Seats {
                        one.record.put("customer", owner.to_string())?;
                    }
                    placed.push(one);
                }
                // Its customer comes with the same run, so nothing can be in its way.
                None if self.coming.contains(one.owner) => {
                    progress.count(step).new += 1;
                    progress.note_new(step, one.key, &one.record);
                }
                // Its customer was left out, or is newer than this run.
                None => {}
            }
        }
        Ok(placed)
    }

    /// The customers here that stand for the owners.
    fn owners<'p>(&self, tx: &mut dyn Tx, wanted: &[WantedCopy<'p>]) -> Result<HashMap<&'p str, i64>, DbError> {
        let mut owners: Vec<&str> = wanted.iter().map(|one| one.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let origin = self.origin.number();
        let keys: Vec<Vec<Value>> = owners.iter().map(|id| vec![origin.into(), (*id).into()]).collect();
        let found = tx.query_each(
            "SELECT local FROM copies WHERE origin = $1 AND object = 'customer' AND source = $2 AND part = ''",
            &keys,
        )?;
        let mut here = HashMap::new();
        for (owner, rows) in owners.into_iter().zip(found) {
            if let Some(row) = rows.first() {
                here.insert(owner, row.int(0)?);
            }
        }
        Ok(here)
    }
}

/// The originals of a page that are not as their copies were; `full`: all of them.
fn changed<'p>(page: &'p SyncPage, full: bool, links: &HashMap<RecordKey, Link>) -> Vec<WantedCopy<'p>> {
    let mut wanted = Vec::new();
    for original in &page.originals {
        let Some(content) = &original.content else { continue };
        let link = links.get(&original.key).copied();
        if full || link.is_none_or(|link| link.version != content.record.version) {
            wanted.push(WantedCopy {
                key: &original.key,
                owner: &original.owner,
                place: 0,
                record: content.record.clone(),
                identity: content.identity.as_ref(),
                link,
            });
        }
    }
    wanted
}

/// What has to change for `now` to be as `wanted`, but for fields that the other store does not keep.
fn differing(now: &Record, wanted: &Record, unkept: &[&str]) -> Vec<FieldChange> {
    let fields = now.fields().zip(wanted.fields());
    fields
        .filter(|((field, old), (_, new))| old != new && !unkept.contains(field))
        .map(|((field, old), (_, new))| FieldChange::new(field, old, new))
        .collect()
}
