//! `update-account`: fields of existing customers. What they held before is kept as an image per row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::json;
use tenantry_jobs::{CustomerField, CustomerPatch, Problem, code};

use super::lookup::Directory;
use crate::db::{DbError, Tx, Value};
use crate::ledger::RowOutcome;
use crate::store::{FieldChange, Preview, Verdict, rejected, unchanged};

const EXTERNAL_ID: usize = CustomerField::ALL.len();

/// A patch, with values of its own.
pub(super) struct Wanted {
    row: u64,
    customer: i64,
    /// (index of the column, new value).
    fields: Vec<(usize, String)>,
}

impl Wanted {
    pub(super) fn new(row: u64, patch: &CustomerPatch<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer = directory.find(patch.customer)?.id;
        let fields = patch
            .fields
            .iter()
            .map(|(field, value)| (*field as usize, value.clone().into_owned()));
        let external_id = patch.external_id.map(|value| (EXTERNAL_ID, value.to_owned()));
        Ok(Self {
            row,
            customer,
            fields: fields.chain(external_id).collect(),
        })
    }
}

/// A customer as it is, then as the rows before left it.
struct Current {
    tenant_id: String,
    version: i64,
    /// The profile in column order, then the external id.
    values: Vec<String>,
}

fn column(index: usize) -> &'static str {
    CustomerField::ALL
        .get(index)
        .map_or("external_id", |field| field.name())
}

fn columns() -> impl Iterator<Item = &'static str> {
    (0..=EXTERNAL_ID).map(column)
}

/// What one patch does: the changes, or why not.
fn decide(
    tx: &mut dyn Tx,
    known: &mut HashMap<i64, Current>,
    wanted: &Wanted,
) -> Result<Result<Vec<FieldChange>, Problem>, DbError> {
    let current = match known.entry(wanted.customer) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(load(tx, wanted.customer)?),
    };
    let mut changes = Vec::new();
    for (index, new) in &wanted.fields {
        let old = &current.values[*index];
        if old != new {
            changes.push(FieldChange {
                field: column(*index),
                old: old.clone(),
                new: new.clone(),
            });
        }
    }
    if let Some((_, id)) = wanted
        .fields
        .iter()
        .find(|(index, value)| *index == EXTERNAL_ID && !value.is_empty())
    {
        let other = tx.query(
            "SELECT domain FROM customers WHERE lower(external_id) = $1 AND id <> $2",
            &[id.to_lowercase().into(), wanted.customer.into()],
        )?;
        if let Some(other) = other.first() {
            let expected = format!("the customer `{}` has this external id", other.text(0)?);
            return Ok(Err(Problem::new(code::EXTERNAL_ID_TAKEN, "external_id", id, expected)));
        }
    }
    Ok(Ok(changes))
}

fn load(tx: &mut dyn Tx, customer: i64) -> Result<Current, DbError> {
    let sql = format!(
        "SELECT tenant_id, version, {} FROM customers WHERE id = $1",
        columns().collect::<Vec<_>>().join(", ")
    );
    let found = tx.query(&sql, &[customer.into()])?;
    let Some(row) = found.first() else {
        return Err(DbError::Broken(format!("customer {customer} was resolved and is gone")));
    };
    let values = (0..=EXTERNAL_ID).map(|at| row.text_or_empty(at + 2).map(str::to_owned));
    Ok(Current {
        tenant_id: row.text(0)?.to_owned(),
        version: row.int(1)?,
        values: values.collect::<Result<_, _>>()?,
    })
}

pub(super) fn preview(tx: &mut dyn Tx, wanted: &[Wanted], previews: &mut Vec<Preview>) -> Result<(), DbError> {
    let mut known = HashMap::new();
    for one in wanted {
        let verdict = match decide(tx, &mut known, one)? {
            Ok(changes) if changes.is_empty() => Verdict::Unchanged,
            Ok(changes) => Verdict::Change(changes),
            Err(problem) => Verdict::Reject(problem),
        };
        previews.push(Preview { row: one.row, verdict });
    }
    Ok(())
}

pub(super) fn apply(tx: &mut dyn Tx, job: i64, wanted: &[Wanted]) -> Result<Vec<RowOutcome>, DbError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut outcomes = Vec::new();
    let mut known = HashMap::new();
    let (mut updates, mut images) = (Vec::new(), Vec::new());
    for one in wanted {
        let decided = decide(tx, &mut known, one)?;
        let Some(current) = known.get_mut(&one.customer) else {
            continue;
        };
        let changes = match decided {
            Ok(changes) if changes.is_empty() => {
                outcomes.push(unchanged(one.row, current.tenant_id.clone()));
                continue;
            }
            Ok(changes) => changes,
            Err(problem) => {
                outcomes.push(rejected(one.row, &problem));
                continue;
            }
        };
        let old: serde_json::Map<_, _> = changes
            .iter()
            .map(|change| (change.field.to_owned(), json!(change.old)))
            .collect();
        let image = json!({ "version": current.version, "fields": old });
        images.push(vec![
            job.into(),
            one.row.into(),
            one.customer.into(),
            image.to_string().into(),
        ]);
        for (index, value) in &one.fields {
            current.values[*index].clone_from(value);
        }
        let mut params: Vec<Value> = vec![one.customer.into(), current.version.into()];
        params.extend(current.values.iter().map(|value| {
            if value.is_empty() {
                Value::Null
            } else {
                value.as_str().into()
            }
        }));
        updates.push(params);
        current.version += 1;
    }
    let sets: Vec<String> = columns()
        .enumerate()
        .map(|(at, name)| format!("{name} = ${}", at + 3))
        .collect();
    let sql = format!(
        "UPDATE customers SET {}, version = version + 1 WHERE id = $1 AND version = $2",
        sets.join(", ")
    );
    if tx.exec_each(&sql, &updates)?.contains(&0) {
        // Another job changed the customer since it was read here; the next attempt reads it anew.
        return Err(DbError::Unavailable(
            "another job is changing the same customer".to_owned(),
        ));
    }
    tx.exec_each(
        "INSERT INTO before_images (job, row, object, target, image) VALUES ($1, $2, 'customer', $3, $4)",
        &images,
    )?;
    Ok(outcomes)
}
