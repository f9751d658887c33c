//! `add-customer`: customers that should exist.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tenantry_jobs::{CustomerField, NewCustomer, Problem, code, is_as_read, key};

use crate::doubts::Doubts;
use crate::{Expected, Preview, Verdict, drifted, rejected, unchanged};
use tenantry_foundation::db::{Batch, DbError, Row, Tx, Value};
use tenantry_ledger::ids::record_id;
use tenantry_ledger::{Installation, RowOutcome};

/// Text columns compared and written, in order; the profile comes first.
const EXTRA: [&str; 3] = ["registration_number", "external_id", "associated_partner_id"];
const EXTERNAL_ID: usize = CustomerField::ALL.len() + 1;

/// A customer to create, with values of its own.
pub(super) struct CreateCustomer {
    row: u64,
    domain: String,
    /// The profile in column order, then [`EXTRA`].
    values: Vec<String>,
}

impl CreateCustomer {
    pub(super) fn new(row: u64, new: &NewCustomer<'_>) -> Self {
        let extra = [new.registration_number, new.external_id, new.associated_partner_id];
        Self {
            row,
            domain: new.domain.clone().into_owned(),
            values: new
                .profile
                .iter()
                .map(ToString::to_string)
                .chain(extra.map(str::to_owned))
                .collect(),
        }
    }

    fn value(&self, field: CustomerField) -> &str {
        &self.values[field as usize]
    }

    fn external_key(&self) -> Cow<'_, str> {
        key::fold(&self.values[EXTERNAL_ID])
    }

    fn domain_taken(&self, by: &str) -> Problem {
        let expected = format!("the customer `{by}` has this domain");
        Problem::stated(code::DOMAIN_TAKEN, "domain", &self.domain, expected)
    }

    fn id_taken(&self, by: &str) -> Problem {
        external_id_taken(&self.values[EXTERNAL_ID], by)
    }

    /// The store has a record of a key of this one that no look at it shows.
    fn refused(&self) -> Problem {
        let expected = "the store refuses it, since something there has the same key already";
        Problem::stated(code::DOMAIN_TAKEN, "domain", &self.domain, expected)
    }
}

enum CustomerStanding {
    Free,
    Same(String),
    Refused(Problem),
}

impl CustomerStanding {
    fn verdict(&self) -> Verdict {
        match self {
            CustomerStanding::Free => Verdict::Create,
            CustomerStanding::Same(_) => Verdict::Unchanged,
            CustomerStanding::Refused(problem) => Verdict::Reject(problem.clone()),
        }
    }
}

fn columns() -> impl Iterator<Item = &'static str> {
    CustomerField::ALL.iter().map(|field| field.name()).chain(EXTRA)
}

/// How each wanted customer stands to those the store has.
fn standings(tx: &mut dyn Tx, wanted: &[CreateCustomer]) -> Result<Vec<CustomerStanding>, DbError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let domains: Vec<Vec<Value>> = wanted
        .iter()
        .map(|one| vec![key::domain(&one.domain).as_ref().into()])
        .collect();
    let sql = format!(
        "SELECT c.tenant_id, c.domain, {} FROM domains d JOIN customers c ON c.id = d.customer WHERE d.domain_key = $1",
        columns().map(|name| format!("c.{name}")).collect::<Vec<_>>().join(", ")
    );
    let same_domain = tx.query_each(&sql, &domains)?;
    let external: Vec<Vec<Value>> = wanted
        .iter()
        .map(|one| vec![one.external_key().as_ref().into()])
        .collect();
    let same_external = tx.query_each("SELECT domain FROM customers WHERE external_key = $1", &external)?;
    let mut standings = Vec::with_capacity(wanted.len());
    for ((one, domain), external) in wanted.iter().zip(same_domain).zip(same_external) {
        standings.push(match (domain.first(), external.first()) {
            (Some(found), _) => existing(one, found)?,
            (None, Some(other)) => CustomerStanding::Refused(one.id_taken(other.text(0)?)),
            (None, None) => CustomerStanding::Free,
        });
    }
    Ok(standings)
}

fn existing(wanted: &CreateCustomer, found: &Row) -> Result<CustomerStanding, DbError> {
    if !key::same_domain(found.text(1)?, &wanted.domain) {
        return Ok(CustomerStanding::Refused(wanted.domain_taken(found.text(1)?)));
    }
    let mut differing = Vec::new();
    for (at, name) in columns().enumerate() {
        let value = &wanted.values[at];
        if !value.is_empty() && !is_as_read(found.text_or_empty(at + 2)?, value) {
            differing.push(name);
        }
    }
    if differing.is_empty() {
        return Ok(CustomerStanding::Same(found.text(0)?.to_owned()));
    }
    Ok(CustomerStanding::Refused(Problem::stated(
        code::CUSTOMER_EXISTS,
        "domain",
        &wanted.domain,
        format!(
            "a customer of this domain exists and differs in {}; `update-account` changes it",
            differing.join(", ")
        ),
    )))
}

pub(super) fn preview(tx: &mut dyn Tx, wanted: &[CreateCustomer], previews: &mut Vec<Preview>) -> Result<(), DbError> {
    for (one, standing) in wanted.iter().zip(standings(tx, wanted)?) {
        previews.push(Preview::new(one.row, standing.verdict()));
    }
    Ok(())
}

pub(super) fn apply(
    tx: &mut dyn Tx,
    job: i64,
    installation: Installation,
    wanted: &[CreateCustomer],
    (expected, doubts): (Option<&Expected>, &Doubts),
) -> Result<Vec<RowOutcome>, DbError> {
    let mut outcomes = Vec::new();
    let mut free = Vec::new();
    for (one, mut standing) in wanted.iter().zip(standings(tx, wanted)?) {
        if let Some(problem) = doubts.refuse(one.row, &standing.verdict(), false) {
            standing = CustomerStanding::Refused(problem);
        }
        let verdict = standing.verdict();
        if expected.is_some_and(|expected| !expected.meets(one.row, &verdict)) {
            outcomes.push(drifted(one.row, &verdict));
            continue;
        }
        match standing {
            CustomerStanding::Free => free.push(one),
            CustomerStanding::Same(tenant) => outcomes.push(unchanged(one.row, tenant)),
            CustomerStanding::Refused(problem) => outcomes.push(rejected(one.row, &problem)),
        }
    }
    if free.is_empty() {
        return Ok(outcomes);
    }
    let keys = ["external_key", "name_key", "tags_key"];
    let names: Vec<&str> = ["id", "tenant_id", "domain"]
        .into_iter()
        .chain(columns())
        .chain(keys)
        .collect();
    let mut batch = Batch::new(names.len(), free.len());
    for one in &free {
        let id = record_id(job, one.row);
        batch.int(id);
        batch.text(&installation.guid(id).to_string());
        batch.text(&one.domain);
        for value in &one.values {
            batch.text(value);
        }
        batch.text(&one.external_key());
        batch.text(&key::fold(one.value(CustomerField::CompanyName)));
        batch.text(&key::fold(one.value(CustomerField::Tags)));
    }
    let mut refused: BTreeSet<usize> = tx.insert_new("customers", &names, &batch)?.into_iter().collect();
    let made: Vec<usize> = (0..free.len()).filter(|at| !refused.contains(at)).collect();
    let domains: Vec<Vec<Value>> = made
        .iter()
        .map(|at| {
            let (domain, id) = (free[*at].domain.as_str(), batch.id(*at));
            vec![domain.into(), id.into(), key::domain(domain).as_ref().into()]
        })
        .collect();
    let sql = "INSERT INTO domains (domain, customer, domain_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let written = tx.exec_each(sql, &domains)?;
    let without_domain: Vec<usize> = made
        .into_iter()
        .zip(written)
        .filter(|(_, written)| *written == 0)
        .map(|(at, _)| at)
        .collect();
    let ids: Vec<Vec<Value>> = without_domain.iter().map(|at| vec![batch.id(*at).into()]).collect();
    tx.exec_each("DELETE FROM customers WHERE id = $1", &ids)?;
    refused.extend(without_domain);
    // Somebody else has made something of these keys since `standings` looked.
    for at in refused {
        let one = free[at];
        let verdict = match standings(tx, std::slice::from_ref(one))?.pop() {
            Some(CustomerStanding::Same(tenant)) if expected.is_none() => {
                outcomes.push(unchanged(one.row, tenant));
                continue;
            }
            None | Some(CustomerStanding::Free) => Verdict::Reject(one.refused()),
            Some(standing) => standing.verdict(),
        };
        outcomes.push(match (&verdict, expected) {
            (Verdict::Reject(problem), None) => rejected(one.row, problem),
            _ => drifted(one.row, &verdict),
        });
    }
    Ok(outcomes)
}

/// Another customer has the external id.
pub(super) fn external_id_taken(id: &str, by: &str) -> Problem {
    let expected = format!("the customer `{by}` has this external id");
    Problem::stated(code::EXTERNAL_ID_TAKEN, "external_id", id, expected)
}
