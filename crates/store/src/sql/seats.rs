//! `set-seats`: how many seats of a SKU a customer holds.

use tenantry_jobs::{Problem, Seats, code, key};

use super::lookup::{Directory, Sku};
use super::record::Key;
use super::session::{ChangeStep, Decision, Task, UnitOfWork};
use crate::Verdict;
use tenantry_foundation::db::DbError;

/// Seats to set, with values of their own.
pub(super) struct SetSeatsTask {
    row: u64,
    tenant_id: String,
    key: Key,
    part_number: String,
    seats: i64,
}

impl SetSeatsTask {
    pub(super) fn new(row: u64, seats: &Seats<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer = directory.find(seats.customer)?;
        let id = seats.sku_id.to_string();
        let of_name = |sku: &&Sku| key::same(&sku.part_number, seats.part_number);
        let held = customer.skus().iter().find(of_name);
        if let Some(held) = held.filter(|held| !key::same(&held.id, &id)) {
            let sentence = format!("the customer holds `{}` under another id", held.part_number);
            let problem = Problem::stated(code::CONFLICTING, "sku_id", &id, sentence);
            return Err(problem.suggest(Some(held.id.as_str())));
        }
        Ok(Self {
            row,
            tenant_id: customer.tenant_id.clone(),
            key: Key::seats(customer.id, &id),
            part_number: seats.part_number.to_owned(),
            seats: i64::from(seats.seats),
        })
    }
}

impl Task for SetSeatsTask {
    fn row(&self) -> u64 {
        self.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.key.id)
    }

    fn needs(&self, _session: &mut UnitOfWork<'_>) -> Result<Vec<Key>, DbError> {
        Ok(vec![self.key.clone()])
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let seats = ("seats", self.seats.to_string());
        let Some(held) = session.record(&self.key)? else {
            return Ok(Decision {
                verdict: Verdict::Create,
                target: self.tenant_id.clone(),
                steps: vec![ChangeStep::Insert {
                    key: self.key.clone(),
                    values: vec![("part_number", self.part_number.clone()), seats],
                }],
                ..Decision::default()
            });
        };
        // Licences are found by the name that is held: seats of another one are somebody's mistake.
        let name = held.get("part_number");
        if !key::same(name, &self.part_number) {
            let sentence = "the customer holds the SKU of this row's id under another part number";
            let problem = Problem::stated(code::CONFLICTING, "sku", &self.part_number, sentence);
            return Ok(Decision::reject(problem.suggest(Some(name))));
        }
        let free = session.free_seats(self.key.id, &self.key.part)?.unwrap_or(0);
        let assigned = held.int("seats") - free;
        if self.seats < assigned {
            return Ok(Decision::reject(Problem::stated(
                code::SEATS_IN_USE,
                "seats",
                &self.seats.to_string(),
                format!("{assigned} seats of {} are assigned", self.part_number),
            )));
        }
        let changes = held.changes(&[seats]);
        Ok(Decision::edit(self.tenant_id.clone(), self.key.clone(), changes))
    }
}
