//! `update-users`: fields of existing users, the name they sign in with among them.

use tenantry_jobs::{Problem, UserPatch, code};

use super::lookup::{Directory, user_key};
use super::named::Named;
use super::record::{Key, Object, Record, SIGN_IN_BLOCKED};
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use super::update_customer::owned;
use crate::sign_in_name::{NEW_NAME, foreign_domain, not_renamed, taken};
use crate::{FieldChange, Verdict};
use tenantry_foundation::db::DbError;

/// A patch, with values of its own.
pub(super) struct UpdateUser {
    user: Named,
    new_name: Option<String>,
    texts: Vec<(&'static str, String)>,
    block_sign_in: Option<bool>,
    /// [`UserPatch::written`].
    written: Vec<(&'static str, String)>,
}

impl UpdateUser {
    pub(super) fn new(row: u64, patch: &UserPatch<'_>, directory: &Directory) -> Result<Self, Problem> {
        let user = Named::new(row, patch.user, directory)?;
        if let Some(name) = patch.new_name
            && let Some(problem) = foreign_domain(NEW_NAME, name, directory.find(patch.user.customer)?.domains())
        {
            return Err(problem);
        }
        Ok(Self {
            user,
            new_name: patch.new_name.map(str::to_owned),
            texts: patch.texts().map(|(field, text)| (field, text.to_owned())).collect(),
            block_sign_in: patch.block_sign_in,
            written: owned(&patch.written),
        })
    }

    fn changes(&self, user: &Record) -> Vec<FieldChange> {
        let flags = user.int("flags");
        let blocked = self.block_sign_in.map(|blocked| {
            let flags = if blocked {
                flags | SIGN_IN_BLOCKED
            } else {
                flags & !SIGN_IN_BLOCKED
            };
            ("flags", flags.to_string())
        });
        let mut changes = user.changes_read(&self.texts, &self.written);
        changes.extend(user.changes(blocked.as_slice()));
        changes
    }

    /// Who was renamed before is called by a name that it has no more, and is as the row asks for.
    fn renamed_before(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let missing = self.user.missing(session)?;
        let (Some(new), code::UNKNOWN_USER) = (&self.new_name, missing.code.as_str()) else {
            return Ok(Decision::reject(missing));
        };
        let Some((id, user)) = session.find_user(self.user.customer, new)? else {
            return Ok(Decision::reject(missing));
        };
        let differences = shown(self.changes(&user));
        Ok(if differences.is_empty() {
            Decision::unchanged(session.guid(id))
        } else {
            Decision::reject(not_renamed(&self.user.name, new, &differences))
        })
    }
}

impl Task for UpdateUser {
    fn row(&self) -> u64 {
        self.user.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.user.customer)
    }

    fn user(&self) -> Option<(i64, String)> {
        Some(self.user.key())
    }

    fn new_name(&self) -> Option<(i64, String)> {
        let name = self.new_name.as_ref()?;
        Some(user_key(self.user.customer, name))
    }

    fn refused(&self) -> Problem {
        taken(self.new_name.as_ref().unwrap_or(&self.user.name))
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let Some((id, user)) = session.find_user(self.user.customer, &self.user.name)? else {
            return self.renamed_before(session);
        };
        if let Some(name) = &self.new_name
            && let Some((other, _)) = session.find_user(self.user.customer, name)?
            && other != id
        {
            return Ok(Decision::reject(taken(name)));
        }
        let changes = self.changes(&user);
        if changes.is_empty() {
            return Ok(Decision::unchanged(session.guid(id)));
        }
        Ok(Decision {
            verdict: Verdict::Change(shown(changes.clone())),
            target: session.guid(id),
            steps: vec![ChangeStep::Edit {
                key: Key::of(Object::User, id),
                changes,
            }],
            touch: Some(self.user.touch()),
            ..Decision::default()
        })
    }
}

/// Changes of a user as people are told them: of the flags, whether the user may sign in.
pub(super) fn shown(changes: Vec<FieldChange>) -> Vec<FieldChange> {
    let is_blocked = |flags: &str| {
        let flags: i64 = flags.parse().unwrap_or(0);
        if flags & SIGN_IN_BLOCKED == 0 { "no" } else { "yes" }
    };
    let shown = |change: FieldChange| match change.field {
        "flags" => FieldChange::new("block_sign_in", is_blocked(&change.old), is_blocked(&change.new)),
        _ => change,
    };
    changes.into_iter().map(shown).collect()
}
