//! `set-seats`: how many seats of a SKU a customer holds.

use serde_json::json;
use tenantry_jobs::{Problem, Seats, code};

use super::lookup::Directory;
use crate::db::{DbError, Row, Tx, Value};
use crate::ledger::RowOutcome;
use crate::store::{FieldChange, Preview, Verdict, rejected, unchanged};

/// Seats to set, with values of their own.
pub(super) struct Wanted {
    row: u64,
    customer: i64,
    sku_id: String,
    part_number: String,
    seats: i64,
}

impl Wanted {
    pub(super) fn new(row: u64, seats: &Seats<'_>, directory: &Directory) -> Result<Self, Problem> {
        Ok(Self {
            row,
            customer: directory.find(seats.customer)?.id,
            sku_id: seats.sku_id.to_string(),
            part_number: seats.part_number.to_owned(),
            seats: i64::from(seats.seats),
        })
    }

    fn verdict(&self, held: Option<&Row>) -> Result<Verdict, DbError> {
        let Some(held) = held else { return Ok(Verdict::Create) };
        let (seats, assigned) = (held.int(0)?, held.int(1)?);
        Ok(if seats == self.seats {
            Verdict::Unchanged
        } else if self.seats < assigned {
            Verdict::Reject(Problem::new(
                code::SEATS_IN_USE,
                "seats",
                &self.seats.to_string(),
                format!("{assigned} seats of {} are assigned", self.part_number),
            ))
        } else {
            let change = FieldChange {
                field: "seats",
                old: seats.to_string(),
                new: self.seats.to_string(),
            };
            Verdict::Change(vec![change])
        })
    }
}

fn held(tx: &mut dyn Tx, wanted: &Wanted) -> Result<Option<Row>, DbError> {
    let sql = format!(
        "SELECT seats, assigned FROM subscribed_skus WHERE customer = $1 AND sku_id = $2{}",
        tx.dialect().for_update()
    );
    let params: [Value; 2] = [wanted.customer.into(), wanted.sku_id.as_str().into()];
    tx.query_first(&sql, &params)
}

pub(super) fn preview(tx: &mut dyn Tx, wanted: &[Wanted], previews: &mut Vec<Preview>) -> Result<(), DbError> {
    let keys: Vec<Vec<Value>> = wanted
        .iter()
        .map(|one| vec![one.customer.into(), one.sku_id.as_str().into()])
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let found = tx.query_each(
        "SELECT seats, assigned FROM subscribed_skus WHERE customer = $1 AND sku_id = $2",
        &keys,
    )?;
    for (one, held) in wanted.iter().zip(found) {
        previews.push(Preview {
            row: one.row,
            verdict: one.verdict(held.first())?,
        });
    }
    Ok(())
}

pub(super) fn apply(tx: &mut dyn Tx, job: i64, wanted: &[Wanted]) -> Result<Vec<RowOutcome>, DbError> {
    let mut outcomes = Vec::new();
    // By key, so that two chunks never wait for each other.
    let mut order: Vec<&Wanted> = wanted.iter().collect();
    order.sort_by(|a, b| (a.customer, &a.sku_id).cmp(&(b.customer, &b.sku_id)));
    for one in order {
        let held = held(tx, one)?;
        match one.verdict(held.as_ref())? {
            Verdict::Reject(problem) => {
                outcomes.push(rejected(one.row, &problem));
                continue;
            }
            Verdict::Unchanged => {
                let tenant = tx.query("SELECT tenant_id FROM customers WHERE id = $1", &[one.customer.into()])?;
                let tenant = tenant.first().map_or(Ok(""), |row| row.text(0))?;
                outcomes.push(unchanged(one.row, tenant.to_owned()));
                continue;
            }
            Verdict::Create | Verdict::Change(_) => {}
        }
        let before = held.as_ref().map(|row| row.int(0)).transpose()?;
        tx.exec(
            "INSERT INTO subscribed_skus (customer, sku_id, part_number, seats) VALUES ($1, $2, $3, $4)
             ON CONFLICT (customer, sku_id) DO UPDATE
             SET seats = excluded.seats, part_number = excluded.part_number, version = subscribed_skus.version + 1",
            &[
                one.customer.into(),
                one.sku_id.as_str().into(),
                one.part_number.as_str().into(),
                one.seats.into(),
            ],
        )?;
        tx.exec(
            "INSERT INTO before_images (job, row, object, target, image) VALUES ($1, $2, 'seats', $3, $4)",
            &[
                job.into(),
                one.row.into(),
                one.customer.into(),
                json!({ "sku_id": one.sku_id, "seats": before }).to_string().into(),
            ],
        )?;
    }
    Ok(outcomes)
}
