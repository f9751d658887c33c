//! `delete-users`, `restore-users`, `reset-passwords`: users that exist, or did.

use tenantry_jobs::{PasswordReset, Problem, administrators_roles, code};

use super::lookup::Directory;
use super::named::Named;
use super::record::{Key, MUST_SET_PASSWORD, Object, Record};
use super::session::{ChangeStep, Decision, DeletedOf, Holds, Task, UnitOfWork};
use crate::administrators::{of_an_administrator, restores_administrator};
use crate::sign_in_name::{is_restorable, taken_since_deleted};
use crate::{Account, FieldChange, Verdict, password_just_set};
use tenantry_foundation::db::{DbError, Tx};
use tenantry_foundation::moment::{day, second};
use tenantry_jobs::rules::RESTORE_WITHIN_MILLIS;
use tenantry_ledger::Ledger;

/// A password given this recently, also a new user's first one, is not replaced unasked: its user may have it by now.
const RECENT_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What people know a user by. A name can pass to another user between a plan and its application, so the user that is
/// deleted or brought back is part of what the plan says.
fn person(user: &Record) -> impl Iterator<Item = (&'static str, &str)> {
    // The row says whose and which; licences are told by name; the rest is nothing that is shown.
    const NOT: [&str; 5] = [
        "customer",
        "user_principal_name",
        "licenses",
        "flags",
        "password_set_at",
    ];
    let shown = Object::User.names().into_iter().filter(|field| !NOT.contains(field));
    shown
        .map(|field| (field, user.get(field)))
        .filter(|(_, value)| !value.is_empty())
}

/// A user to delete.
pub(super) struct Delete(pub(super) Named);

impl Task for Delete {
    fn row(&self) -> u64 {
        self.0.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.0.customer)
    }

    fn user(&self) -> Option<(i64, String)> {
        Some(self.0.key())
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let Some((id, user)) = session.find_user(self.0.customer, &self.0.name)? else {
            let deleted = session.deleted_user(DeletedOf::Name(self.0.customer, &self.0.name))?;
            return Ok(match deleted {
                Some(deleted) => Decision::unchanged(session.guid(deleted.id)),
                None => Decision::reject(self.0.missing(session)?),
            });
        };
        let mut changes = vec![FieldChange::new("status", "active", "deleted")];
        if !user.get("licenses").is_empty() {
            let licenses = session.part_numbers(self.0.customer, user.get("licenses"))?;
            changes.push(FieldChange::new("licenses", licenses, ""));
        }
        changes.extend(person(&user).map(|(field, value)| FieldChange::new(field, value, "")));
        Ok(Decision {
            verdict: Verdict::Change(changes),
            target: session.guid(id),
            message: format!("can be restored until {}", day(session.now + RESTORE_WITHIN_MILLIS)),
            steps: vec![ChangeStep::DeleteUser { id, licenses: None }],
            touch: Some(self.0.touch()),
            destructive: true,
            ..Decision::default()
        })
    }
}

/// A user to bring back.
pub(super) struct Restore(pub(super) Named);

impl Restore {
    /// Who has the name is the one that is meant, unless another one was deleted under it.
    fn decide_for_present_user(&self, session: &mut UnitOfWork<'_>, id: i64) -> Result<Decision, DbError> {
        let deleted = session.deleted_user(DeletedOf::Name(self.0.customer, &self.0.name))?;
        let deleted_at = deleted.map(|deleted| deleted.deleted_at);
        if deleted_at.is_none_or(|at| !is_restorable(Some(at), session.now)) {
            return Ok(Decision::unchanged(session.guid(id)));
        }
        Ok(match session.named(id)? {
            Holds::Restored => Decision::unchanged(session.guid(id)),
            Holds::Since(since) => Decision::reject(taken_since_deleted(&self.0.name, since, deleted_at)),
        })
    }
}

impl Task for Restore {
    fn row(&self) -> u64 {
        self.0.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.0.customer)
    }

    fn user(&self) -> Option<(i64, String)> {
        Some(self.0.key())
    }

    fn restores(&self) -> bool {
        true
    }

    fn refused(&self) -> Problem {
        taken_since_deleted(&self.0.name, None, None)
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        if let Some((id, _)) = session.find_user(self.0.customer, &self.0.name)? {
            return self.decide_for_present_user(session, id);
        }
        let Some(deleted) = session.deleted_user(DeletedOf::Name(self.0.customer, &self.0.name))? else {
            return Ok(Decision::reject(Problem::stated(
                code::UNKNOWN_USER,
                "user_principal_name",
                &self.0.name,
                format!("no user of {} that was deleted has this name", self.0.domain),
            )));
        };
        let until = deleted.deleted_at + RESTORE_WITHIN_MILLIS;
        if session.now > until {
            return Ok(Decision::reject(Problem::stated(
                code::RESTORE_EXPIRED,
                "user_principal_name",
                &self.0.name,
                format!("this user could be restored until {}", day(until)),
            )));
        }
        let mut decision = restore(session, deleted.id, self.0.customer, deleted.user.get("licenses"))?;
        if let Verdict::Change(changes) = &mut decision.verdict {
            changes.extend(person(&deleted.user).map(|(field, value)| FieldChange::new(field, "", value)));
        }
        if let Some(roles) = administrators_roles(deleted.user.get("roles").split(';')) {
            (decision.destructive, decision.note) = (true, restores_administrator(&roles));
        }
        Ok(decision)
    }
}

/// Brings a deleted user back, with those of its licences that are still to be had.
pub(super) fn restore(session: &mut UnitOfWork<'_>, id: i64, customer: i64, had: &str) -> Result<Decision, DbError> {
    let (mut licenses, mut lost) = (Vec::new(), Vec::new());
    for sku in had.split(';').filter(|sku| !sku.is_empty()) {
        if session.free_seats(customer, sku)?.is_some_and(|free| free > 0) {
            licenses.push(sku.to_owned());
        } else {
            lost.push(sku);
        }
    }
    let mut changes = vec![FieldChange::new("status", "deleted", "active")];
    if !licenses.is_empty() {
        let shown = session.part_numbers(customer, &licenses.join(";"))?;
        changes.push(FieldChange::new("licenses", "", shown));
    }
    let message = if lost.is_empty() {
        String::new()
    } else {
        let lost = session.part_numbers(customer, &lost.join(";"))?;
        format!("without these licences, of which no seat is free: {lost}")
    };
    Ok(Decision {
        verdict: Verdict::Change(changes),
        target: session.guid(id),
        message,
        steps: vec![ChangeStep::RestoreUser { id, licenses }],
        ..Decision::default()
    })
}

/// A user who gets a new password.
pub(super) struct Reset {
    user: Named,
    force_change: bool,
    again: bool,
}

impl Reset {
    pub(super) fn new(row: u64, reset: &PasswordReset<'_>, directory: &Directory) -> Result<Self, Problem> {
        Ok(Self {
            user: Named::new(row, reset.user, directory)?,
            force_change: reset.force_change,
            again: reset.again,
        })
    }
}

impl Task for Reset {
    fn row(&self) -> u64 {
        self.user.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.user.customer)
    }

    fn user(&self) -> Option<(i64, String)> {
        Some(self.user.key())
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let Some((id, user)) = session.find_user(self.user.customer, &self.user.name)? else {
            return Ok(Decision::reject(self.user.missing(session)?));
        };
        let last = user.int("password_set_at");
        if !self.again && last > 0 && session.now - last < RECENT_MILLIS {
            let by = session.password_job(id, &user, last)?;
            return Ok(Decision {
                message: password_just_set(last, by.as_ref()),
                ..Decision::unchanged(session.guid(id))
            });
        }
        let flags = if self.force_change {
            user.int("flags") | MUST_SET_PASSWORD
        } else {
            user.int("flags") & !MUST_SET_PASSWORD
        };
        let wanted = [
            ("flags", flags.to_string()),
            ("password_set_at", session.now.to_string()),
        ];
        let before = match last {
            0 => String::new(),
            // To the second: one that was set since the plan, on the same day, is another one.
            last => format!("set at {}", second(last)),
        };
        let roles = administrators_roles(user.get("roles").split(';'));
        Ok(Decision {
            destructive: roles.is_some(),
            note: roles.map_or_else(String::new, |roles| of_an_administrator(&roles)),
            verdict: Verdict::Change(vec![FieldChange::new("password", before, "a new one")]),
            target: session.guid(id),
            steps: vec![ChangeStep::Edit {
                key: Key::of(Object::User, id),
                changes: user.changes(&wanted),
            }],
            touch: Some(self.user.touch()),
            account: Some(Account {
                customer: self.user.domain.clone(),
                user_principal_name: user.get("user_principal_name").to_owned(),
            }),
            ..Decision::default()
        })
    }
}

/// Lets go of users that were deleted too long ago to be restored. Returns how many there were.
pub async fn purge_deleted_users(ledger: &Ledger) -> Result<u64, DbError> {
    let before = ledger.past() - RESTORE_WITHIN_MILLIS;
    let purge = move |tx: &mut dyn Tx| tx.exec("DELETE FROM deleted_users WHERE deleted_at < $1", &[before.into()]);
    ledger.db().write(purge).await
}
