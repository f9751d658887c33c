//! One call of an operation: its transaction, who calls, and whom it is about.

use serde_json::Value as Json;
use uuid::Uuid;

use super::oauth::Grant;
use super::record::{self, CUSTOMER, Resource};
use super::reply::{Refused, refuse};
use super::request::HttpRequest;
use super::{Shared, state};
use tenantry_foundation::db::{DbError, Tx};

/// What the audit record of a call says besides what every call has.
#[derive(Debug, Default)]
pub(super) struct Note {
    /// The type of the resource and of the operation, if they are not those in the table of operations.
    pub(super) of: Option<(&'static str, &'static str)>,
    /// GUID and name of the customer.
    pub(super) customer: Option<(String, String)>,
    pub(super) data: Vec<(&'static str, String)>,
    /// Whether an event was noted that is to be sent.
    pub(super) event: bool,
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) tx: &'a mut dyn Tx,
    pub(super) shared: &'a Shared,
    pub(super) request: &'a HttpRequest,
    /// What stands at the open places of the path.
    pub(super) places: &'a [String],
    pub(super) caller: &'a Grant,
    pub(super) now: i64,
    /// Whether every etag is to be called stale.
    pub(super) stale: bool,
    pub(super) note: Note,
}

impl Call<'_> {
    /// A fresh record id, and its GUID.
    pub(super) fn fresh(&mut self) -> Result<(i64, String), DbError> {
        let id = state::next_id(self.tx)?;
        Ok((id, self.shared.installation.guid(id).to_string()))
    }

    /// The GUID of a record.
    pub(super) fn guid(&self, id: i64) -> String {
        self.shared.installation.guid(id).to_string()
    }

    /// The record id that the open place `at` of the path names.
    pub(super) fn id_at(&self, at: usize) -> Option<i64> {
        self.id_named(self.places.get(at)?)
    }

    /// The record id that a GUID names.
    pub(super) fn id_named(&self, guid: &str) -> Option<i64> {
        let guid = Uuid::try_parse(guid.trim()).ok()?;
        state::id_of(self.shared.installation, guid)
    }

    /// The customer the path begins with.
    pub(super) fn customer(&mut self) -> Result<Resource, Refused> {
        let customer = self.any_customer()?;
        if customer.text("relationshipToPartner") == "none" {
            return Err(refuse(403, 20_002, "The caller has no business with this customer."));
        }
        Ok(customer)
    }

    /// The customer the path begins with, even if we have no business with him any more.
    pub(super) fn any_customer(&mut self) -> Result<Resource, Refused> {
        let named = self.places.first().map_or("", String::as_str);
        let guid = Uuid::try_parse(named.trim())
            .map_err(|_| refuse(400, 2000, "A customer's id is a GUID.").about([named]))?
            .to_string();
        let found = record::select(self.tx, &CUSTOMER, "WHERE t.tenant_id = $1", &[guid.into()])?;
        let customer = found
            .into_iter()
            .next()
            .ok_or_else(|| refuse(404, 60_003, "There is no such customer."))?;
        self.note.customer = Some((
            customer.text("id").to_owned(),
            customer.text("companyProfile.companyName").to_owned(),
        ));
        Ok(customer)
    }

    /// Says something about the call in its audit record.
    pub(super) fn remark(&mut self, key: &'static str, value: impl Into<String>) {
        self.note.data.push((key, value.into()));
    }

    /// The etag that a client goes by: of the header, or of the body.
    pub(super) fn etag_given(&self, body: &Json) -> Option<String> {
        let header = self
            .request
            .header("if-match")
            .map(|value| value.trim().trim_matches('"'));
        let member = super::json::text(body, "attributes.etag");
        header
            .or(Some(member))
            .filter(|etag| !etag.is_empty())
            .map(str::to_owned)
    }

    /// Refuses a change that was made to another version than the one there is.
    pub(super) fn check_etag(&self, given: Option<&str>, current: &str) -> Result<(), Refused> {
        if self.stale || given.is_some_and(|given| given != current) {
            return Err(self.stale_etag());
        }
        Ok(())
    }

    pub(super) fn stale_etag(&self) -> Refused {
        let status = if self.shared.has(super::Quirk::Etag412) {
            412
        } else {
            400
        };
        refuse(status, 2055, "The resource has changed since it was read.")
    }
}
