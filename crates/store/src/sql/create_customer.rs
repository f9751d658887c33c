//! `add-customer`: customers that should exist.

use tenantry_jobs::{CustomerField, NewCustomer, Problem, code};

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
}

enum Standing {
    Free,
    Same(String),
    Refused(Problem),
}

impl Standing {
    fn verdict(&self) -> Verdict {
        match self {
            Standing::Free => Verdict::Create,
            Standing::Same(_) => Verdict::Unchanged,
            Standing::Refused(problem) => Verdict::Reject(problem.clone()),
        }
    }
}

fn columns() -> impl Iterator<Item = &'static str> {
    CustomerField::ALL.iter().map(|field| field.name()).chain(EXTRA)
}

/// How each wanted customer stands to those the store has.
fn standings(tx: &mut dyn Tx, wanted: &[CreateCustomer]) -> Result<Vec<Standing>, DbError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let domains: Vec<Vec<Value>> = wanted.iter().map(|one| vec![one.domain.as_str().into()]).collect();
    let sql = format!(
        "SELECT c.tenant_id, c.domain, {} FROM domains d JOIN customers c ON c.id = d.customer WHERE d.domain = $1",
        columns().map(|name| format!("c.{name}")).collect::<Vec<_>>().join(", ")
    );
    let same_domain = tx.query_each(&sql, &domains)?;
    let external: Vec<Vec<Value>> = wanted
        .iter()
        .map(|one| vec![one.values[EXTERNAL_ID].to_lowercase().into()])
        .collect();
    let same_external = tx.query_each("SELECT domain FROM customers WHERE lower(external_id) = $1", &external)?;
    let mut standings = Vec::with_capacity(wanted.len());
    for ((one, domain), external) in wanted.iter().zip(same_domain).zip(same_external) {
        standings.push(match (domain.first(), external.first()) {
            (Some(found), _) => existing(one, found)?,
            (None, Some(other)) => Standing::Refused(Problem::new(
                code::EXTERNAL_ID_TAKEN,
                "external_id",
                &one.values[EXTERNAL_ID],
                format!("the customer `{}` has this external id", other.text(0)?),
            )),
            (None, None) => Standing::Free,
        });
    }
    Ok(standings)
}

fn existing(wanted: &CreateCustomer, found: &Row) -> Result<Standing, DbError> {
    if found.text(1)? != wanted.domain {
        return Ok(Standing::Refused(Problem::new(
            code::DOMAIN_TAKEN,
            "domain",
            &wanted.domain,
            format!("the customer `{}` has this domain", found.text(1)?),
        )));
    }
    let mut differing = Vec::new();
    for (at, name) in columns().enumerate() {
        let value = &wanted.values[at];
        if !value.is_empty() && value != found.text_or_empty(at + 2)? {
            differing.push(name);
        }
    }
    if differing.is_empty() {
        return Ok(Standing::Same(found.text(0)?.to_owned()));
    }
    Ok(Standing::Refused(Problem::new(
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
    expected: Option<&Expected>,
) -> Result<Vec<RowOutcome>, DbError> {
    let mut outcomes = Vec::new();
    let mut free = Vec::new();
    for (one, standing) in wanted.iter().zip(standings(tx, wanted)?) {
        let verdict = standing.verdict();
        if expected.is_some_and(|expected| !expected.meets(one.row, &verdict)) {
            outcomes.push(drifted(one.row, &verdict));
            continue;
        }
        match standing {
            Standing::Free => free.push(one),
            Standing::Same(tenant) => outcomes.push(unchanged(one.row, tenant)),
            Standing::Refused(problem) => outcomes.push(rejected(one.row, &problem)),
        }
    }
    if free.is_empty() {
        return Ok(outcomes);
    }
    let names: Vec<&str> = ["id", "tenant_id", "domain"].into_iter().chain(columns()).collect();
    let mut batch = Batch::new(names.len(), free.len());
    let mut domains = Vec::with_capacity(free.len());
    for one in &free {
        let id = record_id(job, one.row);
        batch.int(id);
        batch.text(&installation.guid(id).to_string());
        batch.text(&one.domain);
        for value in &one.values {
            batch.text(value);
        }
        domains.push(vec![one.domain.as_str().into(), id.into()]);
    }
    if !tx.insert_new("customers", &names, &batch)?.is_empty() {
        // Somebody else created it since `standings` looked; on the next attempt it will see them.
        return Err(DbError::Contended(
            "another job is creating the same customer".to_owned(),
        ));
    }
    tx.exec_each("INSERT INTO domains (domain, customer) VALUES ($1, $2)", &domains)?;
    Ok(outcomes)
}
