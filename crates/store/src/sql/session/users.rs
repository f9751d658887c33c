//! Users in a session: those that are there, those that were deleted, and the way from one to the other.

use std::sync::Arc;

use super::{ChangeStep, UnitOfWork, WriteOrder, gone};
use crate::FieldChange;
use crate::sign_in_name::{is_restorable, was_deleted};
use crate::sql::lookup;
use crate::sql::record::{Key, Object, Record, stored};
use tenantry_foundation::db::{DbError, Value};
use tenantry_jobs::key::same_user_name;
use tenantry_ledger::ids::job_of;

/// A user that was deleted and can still be restored.
#[derive(Debug, Clone)]
pub(in crate::sql) struct DeletedUser {
    pub(in crate::sql) id: i64,
    pub(in crate::sql) deleted_at: i64,
    pub(in crate::sql) changed_by: Option<i64>,
    pub(in crate::sql) user: Record,
}

/// Which deleted user.
#[derive(Debug, Clone, Copy)]
pub(in crate::sql) enum DeletedOf<'a> {
    Id(i64),
    Name(i64, &'a str),
}

/// How a user came to have its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Holds {
    /// It was brought back under it.
    Restored,
    /// It was made or renamed then, in milliseconds since the epoch; for copies nobody knows.
    Since(Option<i64>),
}

impl UnitOfWork<'_> {
    /// How a user came to have its name.
    pub(in crate::sql) fn named(&mut self, id: i64) -> Result<Holds, DbError> {
        self.find_holders(vec![id])?;
        // One without a row was brought back by a row before.
        Ok(self.holders.get(&id).copied().unwrap_or(Holds::Restored))
    }

    /// Looks up together how users came to have their names.
    fn find_holders(&mut self, mut ids: Vec<i64>) -> Result<(), DbError> {
        ids.retain(|id| !self.holders.contains_key(id));
        if ids.is_empty() {
            return Ok(());
        }
        let sql = "SELECT u.restored, COALESCE(u.named_at, j.started_at)
            FROM users u LEFT JOIN jobs j ON j.seq = $2 WHERE u.id = $1";
        let params: Vec<Vec<Value>> = ids.iter().map(|id| vec![(*id).into(), job_of(*id).into()]).collect();
        let found = self.tx.query_each(sql, &params)?;
        for (id, rows) in ids.into_iter().zip(found) {
            let Some(row) = rows.first() else { continue };
            let holds = match row.opt_int(0)? {
                None => Holds::Since(row.opt_int(1)?),
                Some(_) => Holds::Restored,
            };
            self.holders.insert(id, holds);
        }
        Ok(())
    }

    /// Looks up together how those users came to have their names under which another one was deleted.
    pub(in crate::sql) fn find_holders_of(&mut self, names: &[(i64, String)]) -> Result<(), DbError> {
        let taken = names
            .iter()
            .filter(|name| self.deleted_names.get(*name).is_some_and(|deleted| !deleted.is_empty()));
        let ids = taken.filter_map(|name| self.known_user(name)).collect();
        self.find_holders(ids)
    }

    /// A customer's primary domain, and how many users it had when it was first asked for.
    pub(in crate::sql) fn size_of(&mut self, customer: i64) -> Result<(String, u64), DbError> {
        if let Some(known) = self.sizes.get(&customer) {
            return Ok(known.clone());
        }
        let sql = "SELECT domain, user_count FROM customers WHERE id = $1";
        let found = self.tx.query_first(sql, &[customer.into()])?;
        let size = match found {
            Some(row) => (row.text(0)?.to_owned(), row.int(1)? as u64),
            None => (String::new(), 0),
        };
        self.sizes.insert(customer, size.clone());
        Ok(size)
    }

    /// Looks up the users of (customer, key of a name) together.
    pub(in crate::sql) fn find_users(&mut self, mut wanted: Vec<(i64, String)>) -> Result<(), DbError> {
        wanted.retain(|name| !self.names.contains_key(name));
        if wanted.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT id FROM users WHERE {}", lookup::USER_BY_KEY);
        let params: Vec<Vec<Value>> = wanted
            .iter()
            .map(|(customer, name)| vec![(*customer).into(), name.as_str().into()])
            .collect();
        let found = self.tx.query_each(&sql, &params)?;
        for (name, rows) in wanted.into_iter().zip(found) {
            let id = rows.first().map(|row| row.int(0)).transpose()?;
            self.names.insert(name, id);
        }
        Ok(())
    }

    /// The id of a user that was looked up.
    pub(in crate::sql) fn known_user(&self, user: &(i64, String)) -> Option<i64> {
        self.names.get(user).copied().flatten()
    }

    /// The user of that name, however it is written.
    pub(in crate::sql) fn find_user(
        &mut self,
        customer: i64,
        name: &str,
    ) -> Result<Option<(i64, Arc<Record>)>, DbError> {
        let wanted = lookup::user_key(customer, name);
        self.find_users(vec![wanted.clone()])?;
        let Some(id) = self.names.get(&wanted).copied().flatten() else {
            return Ok(None);
        };
        let user = self.record(&Key::of(Object::User, id))?;
        Ok(user.map(|user| (id, user)))
    }

    /// The deleted user of that name who was deleted last, or the one of that id.
    pub(in crate::sql) fn deleted_user(&mut self, of: DeletedOf<'_>) -> Result<Option<DeletedUser>, DbError> {
        let id = match of {
            DeletedOf::Id(id) => id,
            DeletedOf::Name(customer, name) => {
                let name = lookup::user_key(customer, name);
                self.find_deleted(vec![name.clone()])?;
                match self.deleted_names.get(&name).and_then(|ids| ids.first()) {
                    Some(id) => *id,
                    None => return Ok(None),
                }
            }
        };
        self.load_deleted(vec![id])?;
        Ok(self.deleted.get(&id).cloned().flatten())
    }

    /// Looks up deleted users by (customer, key of a name) together.
    pub(in crate::sql) fn find_deleted(&mut self, mut wanted: Vec<(i64, String)>) -> Result<(), DbError> {
        wanted.retain(|name| !self.deleted_names.contains_key(name));
        if wanted.is_empty() {
            return Ok(());
        }
        let params: Vec<Vec<Value>> = wanted
            .iter()
            .map(|(customer, name)| vec![(*customer).into(), name.as_str().into()])
            .collect();
        let found = self.tx.query_each(
            &format!(
                "SELECT id FROM deleted_users WHERE {} ORDER BY deleted_at DESC, id DESC LIMIT 2",
                lookup::USER_BY_KEY
            ),
            &params,
        )?;
        for (name, rows) in wanted.into_iter().zip(found) {
            let ids = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
            self.deleted_names.insert(name, ids);
        }
        let ids = self.deleted_names.values().flatten().copied().collect();
        self.load_deleted(ids)
    }

    /// Looks up together who else was deleted under the names of deleted users of these ids.
    pub(in crate::sql) fn find_namesakes(&mut self, ids: &[i64]) -> Result<(), DbError> {
        let known = ids.iter().filter_map(|id| self.deleted.get(id)?.as_ref());
        let names = known.map(|deleted| key_of(&deleted.user)).collect();
        self.find_deleted(names)
    }

    /// What is to be known of the users to whom these steps give a name: that another one was deleted under it and can be restored.
    pub(in crate::sql) fn namesakes(&mut self, steps: &[ChangeStep]) -> Result<Option<String>, DbError> {
        for step in steps {
            let (id, name) = match step {
                ChangeStep::Edit { key, changes } if key.object == Object::User => {
                    // One that is only written in another way is the user's already.
                    let is_given = |change: &&FieldChange| {
                        change.field == "user_principal_name" && !same_user_name(&change.old, &change.new)
                    };
                    let given = changes.iter().find(is_given);
                    match (given, self.record(key)?) {
                        (Some(given), Some(user)) => (key.id, lookup::user_key(user.int("customer"), &given.new)),
                        _ => continue,
                    }
                }
                ChangeStep::RestoreUser { id, .. } => match self.deleted_user(DeletedOf::Id(*id))? {
                    Some(deleted) => (*id, key_of(&deleted.user)),
                    None => continue,
                },
                _ => continue,
            };
            self.find_deleted(vec![name.clone()])?;
            let found = self.deleted_names.get(&name).into_iter().flatten();
            let other = found
                .filter(|other| **other != id)
                .find_map(|other| self.deleted.get(other)?.as_ref());
            if let Some(at) = other.map(|other| other.deleted_at)
                && is_restorable(Some(at), self.now)
            {
                return Ok(Some(was_deleted(Some(at))));
            }
        }
        Ok(None)
    }

    /// Reads deleted users by id together, and whether their names are taken by now.
    pub(in crate::sql) fn load_deleted(&mut self, mut ids: Vec<i64>) -> Result<(), DbError> {
        ids.retain(|id| !self.deleted.contains_key(id));
        if ids.is_empty() {
            return Ok(());
        }
        let names = Object::User.names();
        let sql = format!(
            "SELECT version, changed_by, {}, deleted_at FROM deleted_users WHERE id = $1",
            names.join(", ")
        );
        let params: Vec<Vec<Value>> = ids.iter().map(|id| vec![(*id).into()]).collect();
        let found = self.tx.query_each(&sql, &params)?;
        let mut taken = Vec::new();
        for (id, rows) in ids.into_iter().zip(found) {
            let deleted = match rows.first() {
                Some(row) => {
                    let user = Record::read(Object::User, row)?;
                    taken.push(key_of(&user));
                    Some(DeletedUser {
                        id,
                        deleted_at: row.int(names.len() + 2)?,
                        changed_by: user.changed_by,
                        user,
                    })
                }
                None => None,
            };
            self.deleted.insert(id, deleted);
        }
        self.find_users(taken)
    }

    /// Deletes a user, which is remembered with `licenses`, or with those it has.
    pub(super) fn delete_user(
        &mut self,
        row: u64,
        number: i64,
        id: i64,
        licenses: Option<&str>,
    ) -> Result<(), DbError> {
        let key = Key::of(Object::User, id);
        let user = self.record(&key)?.ok_or_else(|| gone(&key))?;
        let customer = user.int("customer");
        self.take_seats(customer, user.get("licenses"), -1)?;
        *self.user_counts.entry(customer).or_default() -= 1;
        let sql = format!(
            "INSERT INTO deleted_users (id, version, changed_by, deleted_at, {})
             SELECT id, version + 1, $3, $4, {} FROM users WHERE id = $1 AND version = $2",
            Object::User.columns().join(", "),
            with_licenses("$5")
        );
        let remembered = licenses.unwrap_or_else(|| user.get("licenses"));
        let params = vec![
            id.into(),
            user.version.into(),
            self.job.into(),
            self.now.into(),
            stored(remembered),
        ];
        self.queue(WriteOrder::Delete, &key, sql, params);
        self.queue(
            WriteOrder::Forget,
            &key,
            "DELETE FROM users WHERE id = $1 AND version = $2".to_owned(),
            vec![id.into(), user.version.into()],
        );
        let (before, after) = (user_state(true, user.get("licenses")), user_state(false, ""));
        self.note((row, number), &key, Some(before), Some(after));
        self.names.insert(key_of(&user), None);
        self.records.insert(key, None);
        Ok(())
    }

    pub(super) fn restore_user(&mut self, row: u64, number: i64, id: i64, licenses: &[String]) -> Result<(), DbError> {
        let key = Key::of(Object::User, id);
        let deleted = self.deleted_user(DeletedOf::Id(id))?.ok_or_else(|| gone(&key))?;
        let customer = deleted.user.int("customer");
        let licenses = licenses.join(";");
        self.take_seats(customer, &licenses, 1)?;
        *self.user_counts.entry(customer).or_default() += 1;
        let sql = format!(
            "INSERT INTO users (id, version, changed_by, restored, named_at, {})
             SELECT id, version + 1, $3, 1, $5, {} FROM deleted_users WHERE id = $1 AND version = $2",
            Object::User.columns().join(", "),
            with_licenses("$4")
        );
        let params = vec![
            id.into(),
            deleted.user.version.into(),
            self.job.into(),
            stored(&licenses),
            self.now.into(),
        ];
        self.queue(WriteOrder::Restore, &key, sql, params);
        self.queue(
            WriteOrder::Forget,
            &key,
            "DELETE FROM deleted_users WHERE id = $1 AND version = $2".to_owned(),
            vec![id.into(), deleted.user.version.into()],
        );
        // Those that could not be had again belong to what was, too.
        let before = user_state(false, deleted.user.get("licenses"));
        let after = user_state(true, &licenses);
        self.note((row, number), &key, Some(before), Some(after));
        let mut user = deleted.user;
        user.version += 1;
        user.changed_by = Some(self.job);
        self.names.insert(key_of(&user), Some(id));
        self.records.insert(key, Some(Arc::new(user)));
        Ok(())
    }
}

/// A user's columns, of which the licences come from a parameter.
fn with_licenses(parameter: &str) -> String {
    let columns = Object::User.columns().into_iter();
    let columns: Vec<&str> = columns
        .map(|name| if name == "licenses" { parameter } else { name })
        .collect();
    columns.join(", ")
}

/// What a user is looked up by: its customer, and the key of its name.
fn key_of(user: &Record) -> (i64, String) {
    lookup::user_key(user.int("customer"), user.get("user_principal_name"))
}

/// The image of a user as there or deleted.
pub(in crate::sql) fn user_state(there: bool, licenses: &str) -> String {
    let state = if there { "active" } else { "deleted" };
    serde_json::json!({ "state": state, "licenses": licenses }).to_string()
}
