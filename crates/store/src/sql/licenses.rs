//! `assign-licenses`: licences of existing users.

use std::sync::Arc;

use tenantry_jobs::{LicenseChange, Problem, code};

use super::lookup::{Directory, Sku, sku};
use super::named::Named;
use super::record::{Key, Object};
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use crate::{FieldChange, SeatNeed, SeatsOf, Verdict};
use tenantry_foundation::db::DbError;

/// Licences to give and to take.
pub(super) struct AssignLicensesTask {
    user: Named,
    assign: Vec<Sku>,
    remove: Vec<Sku>,
    remove_all: bool,
    usage_location: String,
    /// Everything the customer holds, for messages.
    held: Vec<Sku>,
}

impl AssignLicensesTask {
    pub(super) fn new(row: u64, change: &LicenseChange<'_>, directory: &Directory) -> Result<Self, Problem> {
        let held = directory.find(change.user.customer)?.skus().to_vec();
        let user = Named::new(row, change.user, directory)?;
        let resolve = |column: &'static str, names: &[&str]| {
            let found = names.iter().map(|name| sku(column, name, &held).cloned());
            found.collect::<Result<Vec<Sku>, Problem>>()
        };
        Ok(Self {
            user,
            assign: resolve("assign", &change.assign)?,
            remove: resolve("remove", &change.remove)?,
            remove_all: change.remove_all,
            usage_location: change.usage_location.clone().into_owned(),
            held,
        })
    }

    /// Ids as part numbers.
    fn shown(&self, licenses: &str) -> String {
        let name = |id: &str| {
            let sku = self.held.iter().find(|sku| sku.id == id);
            sku.map_or_else(|| id.to_owned(), |sku| sku.part_number.clone())
        };
        let names: Vec<String> = licenses.split(';').filter(|id| !id.is_empty()).map(name).collect();
        names.join(";")
    }
}

impl Task for AssignLicensesTask {
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
        let has: Vec<&str> = user.get("licenses").split(';').filter(|sku| !sku.is_empty()).collect();
        let keeps = |sku: &&str| !self.remove_all && !self.remove.iter().any(|gone| gone.id == *sku);
        let mut licenses: Vec<&str> = has.iter().copied().filter(keeps).collect();
        let mut seats = Vec::new();
        for sku in &self.assign {
            if licenses.contains(&sku.id.as_str()) {
                continue;
            }
            licenses.push(&sku.id);
            if !has.contains(&sku.id.as_str()) {
                seats.push(SeatNeed {
                    row: self.user.row,
                    column: "assign",
                    of: Arc::new(SeatsOf {
                        customer: self.user.customer,
                        domain: self.user.domain.clone(),
                        sku_id: sku.id.clone(),
                        part_number: sku.part_number.clone(),
                        free: sku.seats - sku.assigned,
                    }),
                });
            }
        }
        if self.usage_location.is_empty() && user.get("usage_location").is_empty() && !self.assign.is_empty() {
            return Ok(Decision::reject(Problem::new(
                code::USAGE_LOCATION_REQUIRED,
                "usage_location",
                "",
                "a country code of two letters, which licences depend on; the user has none yet",
            )));
        }
        let mut wanted = vec![("licenses", licenses.join(";"))];
        if !self.usage_location.is_empty() {
            wanted.push(("usage_location", self.usage_location.clone()));
        }
        let changes = user.changes(&wanted);
        if changes.is_empty() {
            return Ok(Decision::unchanged(session.guid(id)));
        }
        let shown = changes.iter().map(|change| match change.field {
            "licenses" => FieldChange::new("licenses", self.shown(&change.old), self.shown(&change.new)),
            _ => change.clone(),
        });
        Ok(Decision {
            verdict: Verdict::Change(shown.collect()),
            target: session.guid(id),
            steps: vec![ChangeStep::Edit {
                key: Key::of(Object::User, id),
                changes,
            }],
            seats,
            touch: Some(self.user.touch()),
            ..Decision::default()
        })
    }
}
