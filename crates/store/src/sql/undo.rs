//! Undo: a row of an undo job takes back what the same row of an earlier job did, from the images that one left.
//!
//! A row is taken back whole or not at all. It is kept where somebody has changed the same fields since, and it is
//! irreversible where the world offers no way back; either way it says why.

mod way;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use tenantry_jobs::{Creates, Problem, administrators_roles, code};

use self::way::{Way, edited, inserted, removed, text, transfer};
use super::lifecycle::restore;
use super::lookup::user_key;
use super::record::{self, ENDED, Key, Object, Record};
use super::session::{ChangeStep, Decision, DeletedOf, Task, UnitOfWork};
use crate::{FieldChange, Touch, Verdict};
use tenantry_foundation::db::{DbError, Tx};
use tenantry_foundation::moment::day;
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_ledger::ids::record_id;
use tenantry_ledger::job;

/// What an earlier row did, step by step.
pub(super) struct TakeBack {
    row: u64,
    /// The earlier job: its sequence number, and what its rows make.
    job: i64,
    creates: Option<Creates>,
    images: Vec<BeforeImage>,
    /// Whose records these are.
    customer: Option<i64>,
}

struct BeforeImage {
    key: Key,
    before: Option<Map<String, Json>>,
    after: Option<Map<String, Json>>,
}

/// The rows of `job` to take back, with what they did.
pub(super) fn wanted(tx: &mut dyn Tx, job: i64, kind: &str, rows: &[u64]) -> Result<Vec<TakeBack>, DbError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Ok(Vec::new());
    };
    let found = tx.query(
        "SELECT row, object, target, part, before, after FROM every_image
         WHERE job = $1 AND row BETWEEN $2 AND $3 ORDER BY row, step",
        &[job.into(), (*first).into(), (*last).into()],
    )?;
    let mut images: BTreeMap<u64, Vec<BeforeImage>> = BTreeMap::new();
    for row in found {
        let json = |at: usize| -> Result<Option<Map<String, Json>>, DbError> {
            let read = row.opt_text(at)?.map(serde_json::from_str).transpose();
            read.map_err(|error| DbError::Broken(format!("a before-image is damaged: {error}")))
        };
        images.entry(row.int(0)? as u64).or_default().push(BeforeImage {
            key: Key {
                object: Object::parse(row.text(1)?)?,
                id: row.int(2)?,
                part: row.text_or_empty(3)?.to_owned(),
            },
            before: json(4)?,
            after: json(5)?,
        });
    }
    let creates = tenantry_jobs::find(kind).ok().and_then(|kind| kind.policy().creates);
    let mut wanted: Vec<TakeBack> = rows
        .iter()
        .map(|row| TakeBack {
            row: *row,
            job,
            creates,
            images: images.remove(row).unwrap_or_default(),
            customer: None,
        })
        .collect();
    // All records of a row are one customer's, for ever.
    let (with, keys): (Vec<usize>, Vec<Key>) = (0..wanted.len())
        .filter_map(|at| Some((at, wanted[at].first()?)))
        .unzip();
    for (at, owner) in with.into_iter().zip(record::owners(tx, &keys)?) {
        wanted[at].customer = owner.or_else(|| wanted[at].told_customer());
    }
    Ok(wanted)
}

impl TakeBack {
    /// The first record that the row changed; one that left no image made a record.
    fn first(&self) -> Option<Key> {
        match self.images.first() {
            Some(image) => Some(image.key.clone()),
            None => self.made(),
        }
    }

    /// The record that the row made without leaving an image.
    fn made(&self) -> Option<Key> {
        let object = match self.creates? {
            Creates::Customer => Object::Customer,
            Creates::User => Object::User,
        };
        Some(Key::of(object, record_id(self.job, self.row)))
    }

    /// The customer that an image names, where the record is gone.
    fn told_customer(&self) -> Option<i64> {
        let fields = self.images.iter().flat_map(|image| [&image.before, &image.after]);
        fields
            .flatten()
            .find_map(|fields| text(fields, "customer").parse().ok())
    }

    /// A user that a bulk kind made: it goes, unless somebody has used it since.
    fn made_user(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let id = record_id(self.job, self.row);
        let Some(user) = session.record(&Key::of(Object::User, id))? else {
            return Ok(Decision::unchanged(session.guid(id)));
        };
        if user.version > 1 && !session.is_as_left(id, &user, self.job)? {
            return kept(session, user.changed_by);
        }
        delete(session, id, &user)
    }

    fn way(&self, session: &mut UnitOfWork<'_>, image: &BeforeImage) -> Result<Way, DbError> {
        match (image.key.object, &image.before, &image.after) {
            (_, _, None) if image.before.is_none() => Ok(Way::Done),
            (Object::User, Some(before), Some(after)) if before.contains_key("state") => {
                self.user_state(session, &image.key, before, after)
            }
            (Object::User, _, Some(after)) if after.contains_key("password_set_at") => Ok(Way::Never(
                "a password that was handed out cannot be taken back; reset it again".to_owned(),
            )),
            (Object::Customer, _, Some(after)) if text(after, "relationship") == ENDED => Ok(Way::Never(
                "a relationship is renewed only by a request that the customer's administrator accepts".to_owned(),
            )),
            (Object::Transfer, _, Some(after)) => transfer(session, &image.key, after),
            (object, Some(before), Some(after)) => edited(session, object, &image.key, before, after),
            (object, None, Some(after)) => inserted(session, object, &image.key, after),
            (object, Some(before), None) => removed(session, object, &image.key, before),
            (_, None, None) => Ok(Way::Done),
        }
    }

    fn user_state(
        &self,
        session: &mut UnitOfWork<'_>,
        key: &Key,
        before: &Map<String, Json>,
        after: &Map<String, Json>,
    ) -> Result<Way, DbError> {
        let licenses = text(before, "licenses");
        let (before, after) = (text(before, "state"), text(after, "state"));
        let there = session.record(key)?;
        if after == "deleted" {
            if there.is_some() {
                return Ok(Way::Done);
            }
            let Some(deleted) = session.deleted_user(DeletedOf::Id(key.id))? else {
                return Ok(Way::Never(gone_for_good(session.tx, self.job)?));
            };
            let until = deleted.deleted_at + RESTORE_WITHIN_MILLIS;
            if session.now > until {
                return Ok(Way::Never(format!("the user could be restored until {}", day(until))));
            }
            let (customer, name) = (deleted.user.int("customer"), deleted.user.get("user_principal_name"));
            if let Some((other, record)) = session.find_user(customer, name)?
                && other != key.id
            {
                return Ok(Way::Kept(record.changed_by.or(Some(other >> 32))));
            }
            let decision = restore(session, key.id, customer, licenses)?;
            let Verdict::Change(changes) = decision.verdict else {
                return Ok(Way::Done);
            };
            return Ok(Way::Steps(decision.steps, changes));
        }
        let Some(user) = there.filter(|_| before == "deleted") else {
            return Ok(Way::Done);
        };
        if user.changed_by != Some(self.job) && !session.is_as_left(key.id, &user, self.job)? {
            return Ok(Way::Kept(user.changed_by));
        }
        let changes = vec![FieldChange::new("status", "active", "deleted")];
        // A restore leaves out what no seat was free for; the next one shall try again. Earlier versions kept no note.
        let licenses = Some(licenses).filter(|had| !had.is_empty()).map(str::to_owned);
        Ok(Way::Steps(
            vec![ChangeStep::DeleteUser { id: key.id, licenses }],
            changes,
        ))
    }
}

impl Task for TakeBack {
    fn row(&self) -> u64 {
        self.row
    }

    fn customer(&self) -> Option<i64> {
        self.customer
    }

    fn names(&self) -> bool {
        self.images.iter().any(|image| match image.key.object {
            Object::Customer => image
                .before
                .as_ref()
                .is_some_and(|before| before.contains_key("external_id")),
            Object::Subscription | Object::Transfer => true,
            Object::Seats | Object::User => false,
        })
    }

    fn new_name(&self) -> Option<(i64, String)> {
        let before = self.images.iter().filter_map(|image| image.before.as_ref());
        let name = before
            .map(|before| text(before, "user_principal_name"))
            .find(|name| !name.is_empty())?;
        Some(user_key(self.customer?, name))
    }

    fn deleted_users(&self) -> Vec<i64> {
        let deleted = self.images.iter().filter(|image| {
            let after = image.after.as_ref().map_or("", |after| text(after, "state"));
            image.key.object == Object::User && after == "deleted"
        });
        deleted.map(|image| image.key.id).collect()
    }

    fn needs(&self, _session: &mut UnitOfWork<'_>) -> Result<Vec<Key>, DbError> {
        if self.images.is_empty() {
            return Ok(self.made().into_iter().collect());
        }
        Ok(self.images.iter().map(|image| image.key.clone()).collect())
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        match (self.images.is_empty(), self.creates) {
            (true, Some(Creates::User)) => return self.made_user(session),
            (true, Some(Creates::Customer)) => {
                let why = "a tenant cannot be deleted; `remove-relationship` ends the relationship";
                return Ok(reject(code::IRREVERSIBLE, why.to_owned()));
            }
            (true, None) => return Ok(Decision::unchanged("")),
            (false, _) => {}
        }
        let (mut steps, mut changes) = (Vec::new(), Vec::new());
        for image in self.images.iter().rev() {
            match self.way(session, image)? {
                Way::Steps(more, shown) => {
                    steps.extend(more);
                    changes.extend(shown);
                }
                Way::Done => {}
                Way::Kept(by) => return kept(session, by),
                Way::Never(why) => return Ok(reject(code::IRREVERSIBLE, why)),
            }
        }
        let target = target(session, &self.images[0].key)?;
        if steps.is_empty() {
            return Ok(Decision::unchanged(target));
        }
        let mut destructive = false;
        for step in &steps {
            destructive |= match step {
                ChangeStep::DeleteUser { .. } | ChangeStep::Remove { .. } => true,
                ChangeStep::RestoreUser { id, .. } => session
                    .deleted_user(DeletedOf::Id(*id))?
                    .is_some_and(|deleted| administrators_roles(deleted.user.get("roles").split(';')).is_some()),
                _ => false,
            };
        }
        let touch = match self.images.iter().find(|image| image.key.object == Object::User) {
            Some(image) => touch(session, &image.key)?,
            None => None,
        };
        Ok(Decision {
            verdict: Verdict::Change(changes),
            target,
            code: "undone",
            steps,
            touch,
            destructive,
            ..Decision::default()
        })
    }
}

fn reject(code: &str, expected: String) -> Decision {
    Decision::reject(Problem::stated(code, "", "", expected))
}

fn kept(session: &mut UnitOfWork<'_>, by: Option<i64>) -> Result<Decision, DbError> {
    let by = match by {
        Some(job) => format!("job {}", job::shown_id(session.tx, job)?),
        None => "somebody else".to_owned(),
    };
    Ok(reject(
        code::EDITED_SINCE,
        format!("kept, because {by} has changed it since"),
    ))
}

fn delete(session: &mut UnitOfWork<'_>, id: i64, user: &Record) -> Result<Decision, DbError> {
    let key = Key::of(Object::User, id);
    let mut changes = vec![FieldChange::new("status", "active", "deleted")];
    if !user.get("licenses").is_empty() {
        let licenses = session.part_numbers(user.int("customer"), user.get("licenses"))?;
        changes.push(FieldChange::new("licenses", licenses, ""));
    }
    Ok(Decision {
        verdict: Verdict::Change(changes),
        target: session.guid(id),
        code: "undone",
        steps: vec![ChangeStep::DeleteUser { id, licenses: None }],
        touch: touch(session, &key)?,
        destructive: true,
        ..Decision::default()
    })
}

/// The id a row's results show.
fn target(session: &mut UnitOfWork<'_>, key: &Key) -> Result<String, DbError> {
    Ok(match key.object {
        Object::User | Object::Transfer => session.guid(key.id),
        Object::Customer | Object::Seats => super::lookup::tenant_of(session.tx, key.id)?,
        Object::Subscription => session
            .record(key)?
            .map(|record| record.get("subscription_id").to_owned())
            .unwrap_or_default(),
    })
}

fn touch(session: &mut UnitOfWork<'_>, key: &Key) -> Result<Option<Touch>, DbError> {
    let customer = match session.record(key)? {
        Some(user) => user.int("customer"),
        None => match session.deleted_user(DeletedOf::Id(key.id))? {
            Some(deleted) => deleted.user.int("customer"),
            None => return Ok(None),
        },
    };
    let (domain, of) = session.size_of(customer)?;
    Ok(Some(Touch {
        customer,
        domain,
        users: 1,
        of,
    }))
}

/// Said of users whom `job` deleted and whom the store has let go of since.
fn gone_for_good(tx: &mut dyn Tx, job: i64) -> Result<String, DbError> {
    Ok(match job::ended_at(tx, job)? {
        Some(ended) => format!(
            "the user is gone for good; it could be restored until {}",
            day(ended + RESTORE_WITHIN_MILLIS)
        ),
        None => "the user is gone for good".to_owned(),
    })
}
