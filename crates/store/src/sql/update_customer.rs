//! `update-account`: fields of existing customers.

use tenantry_jobs::{CustomerPatch, Problem, code, key, postal_code_fault};

use super::create_customer::external_id_taken;
use super::lookup::Directory;
use super::record::{Key, Object};
use super::session::{Decision, Task, UnitOfWork};
use crate::FieldChange;
use tenantry_foundation::db::{DbError, Tx};

/// A patch, with values of its own.
pub(super) struct UpdateCustomer {
    row: u64,
    customer: i64,
    tenant_id: String,
    fields: Vec<(&'static str, String)>,
    /// [`CustomerPatch::written`].
    written: Vec<(&'static str, String)>,
}

impl UpdateCustomer {
    pub(super) fn new(row: u64, patch: &CustomerPatch<'_>, directory: &Directory) -> Result<Self, Problem> {
        let customer = directory.find(patch.customer)?;
        let fields = patch
            .fields
            .iter()
            .map(|(field, value)| (field.name(), value.clone().into_owned()));
        let external_id = patch.external_id.map(|value| ("external_id", value.to_owned()));
        Ok(Self {
            row,
            customer: customer.id,
            tenant_id: customer.tenant_id.clone(),
            fields: fields.chain(external_id).collect(),
            written: owned(&patch.written),
        })
    }
}

impl UpdateCustomer {
    /// What is wrong with a new postal code in the country that the customer is in. One that stands in the row was looked at with it.
    fn misshapen(&self, country: &str, changes: &[FieldChange]) -> Option<Problem> {
        const COLUMN: &str = "postal_code";
        if self.fields.iter().any(|(field, _)| *field == "country") {
            return None;
        }
        let change = changes
            .iter()
            .find(|change| change.field == COLUMN && !change.new.is_empty())?;
        let expected = postal_code_fault(country, &change.new)?;
        let expected = format!("{expected}, as the customer is in {country}");
        Some(Problem::stated(code::INVALID, COLUMN, &change.new, expected))
    }
}

impl Task for UpdateCustomer {
    fn row(&self) -> u64 {
        self.row
    }

    fn customer(&self) -> Option<i64> {
        Some(self.customer)
    }

    fn names(&self) -> bool {
        self.fields.iter().any(|(field, _)| *field == "external_id")
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn needs(&self, _session: &mut UnitOfWork<'_>) -> Result<Vec<Key>, DbError> {
        Ok(vec![Key::of(Object::Customer, self.customer)])
    }

    fn refused(&self) -> Problem {
        let id = self.fields.iter().find(|(field, _)| *field == "external_id");
        let expected = "another customer has this external id";
        Problem::stated(
            code::EXTERNAL_ID_TAKEN,
            "external_id",
            id.map_or("", |(_, id)| id),
            expected,
        )
    }

    fn decide(&self, session: &mut UnitOfWork<'_>) -> Result<Decision, DbError> {
        let external_id = self.fields.iter().find(|(field, _)| *field == "external_id");
        if let Some((_, id)) = external_id.filter(|(_, id)| !id.is_empty())
            && let Some(domain) = external_id_of(session.tx, id, self.customer)?
        {
            return Ok(Decision::reject(external_id_taken(id, &domain)));
        }
        let changes = session
            .customer(self.customer)?
            .changes_read(&self.fields, &self.written);
        if let Some(problem) = self.misshapen(session.customer(self.customer)?.get("country"), &changes) {
            return Ok(Decision::reject(problem));
        }
        let key = Key::of(Object::Customer, self.customer);
        Ok(Decision::edit(self.tenant_id.clone(), key, changes))
    }
}

/// Texts that a row says, kept without the row.
pub(super) fn owned(texts: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    texts.iter().map(|(field, text)| (*field, (*text).to_owned())).collect()
}

/// The domain of another customer who has this external id.
pub(super) fn external_id_of(tx: &mut dyn Tx, id: &str, besides: i64) -> Result<Option<String>, DbError> {
    let other = tx.query_first(
        "SELECT domain FROM customers WHERE external_key = $1 AND id <> $2",
        &[key::fold(id).as_ref().into(), besides.into()],
    )?;
    other.map(|row| row.text(0).map(str::to_owned)).transpose()
}
