//! Audit records: every changing call that Microsoft has a word for leaves one, in its own transaction, with the
//! correlation id it came with.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::json;
use super::paging::ServedPage;
use super::record::Resource;
use super::reply::{ReplyResult, refuse};
use super::state::{millis, moment, next_id};
use tenantry_foundation::db::{DbError, Value};

const DAY: i64 = 24 * 3600 * 1000;
/// How far back one may ask.
const KEPT: i64 = 90 * DAY;
const USUAL: i64 = 30 * DAY;
const LARGEST_PAGE: i64 = 500;

/// What an operation goes by besides size and filter.
const GIVEN: &[&str] = &["startDate", "endDate"];

/// Writes the record of a call: of which resource and operation.
pub(super) fn leave(
    call: &mut Call<'_>,
    (resource, operation): (&'static str, &'static str),
    made: bool,
) -> Result<(), DbError> {
    let id = next_id(call.tx)?;
    let customer = call.note.customer.take();
    let data: Vec<Json> = call
        .note
        .data
        .drain(..)
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    let mut body = json!({
        "id": call.guid(id),
        "partnerId": call.caller.partner,
        "userPrincipalName": if call.caller.user { "admin@sandbox.example" } else { "" },
        "applicationId": call.caller.application,
        "resourceType": resource,
        "resourceNewValue": json::pascal(&json::redacted(&call.request.body)).to_string(),
        "operationType": operation,
        "operationDate": moment(call.now),
        "operationStatus": if made { "succeeded" } else { "failed" },
        "originalCorrelationId": call.request.correlation_id,
        "customizedData": data,
        "attributes": { "objectType": "AuditRecord" },
    });
    let guid = customer.map(|(guid, name)| {
        body["customerId"] = guid.clone().into();
        body["customerName"] = name.into();
        guid
    });
    call.tx
        .exec(
            "INSERT INTO sandbox_audit (id, at, partner, customer, resource, body) VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                id.into(),
                call.now.into(),
                call.caller.partner.to_string().into(),
                guid.into(),
                resource.into(),
                body.to_string().into(),
            ],
        )
        .map(drop)
}

/// `GET auditrecords`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let page = ServedPage::asked(call, LARGEST_PAGE, GIVEN)?;
    let date = |name: &str| match page.with(name) {
        None => Ok(None),
        Some(text) => match millis(text) {
            Some(at) => Ok(Some(at)),
            None => Err(refuse(400, 2000, format!("{name} is not a date.")).about([text])),
        },
    };
    let from = date("startDate")?.unwrap_or(call.now - USUAL);
    // A day alone means the whole of it.
    let to = date("endDate")?.map_or(call.now, |end| if end % DAY == 0 { end + DAY - 1 } else { end });
    if from < call.now - KEPT - DAY {
        return Err(refuse(400, 2000, "The start date is more than 90 days ago."));
    }
    let mut wheres = format!("{} AND at BETWEEN $1 AND $2 AND partner = $3", page.condition("id"));
    let mut params: Vec<Value> = vec![from.into(), to.into(), call.caller.partner.to_string().into()];
    if let Some(filter) = &page.filter {
        let (clause, value) = match filter.field.as_str() {
            "companyname" => (
                "instr(lower(json_extract(body, '$.customerName')), $4) > 0",
                filter.value.to_lowercase(),
            ),
            "customerid" => ("lower(customer) = $4", filter.value.to_lowercase()),
            "resourcetype" => (
                "replace(resource, '_', '') = $4",
                filter.value.to_lowercase().replace('_', ""),
            ),
            _ => {
                return Err(refuse(
                    400,
                    2000,
                    "Audit records are filtered by CompanyName, CustomerId or ResourceType.",
                ));
            }
        };
        wheres = format!("{wheres} AND {clause}");
        params.push(value.into());
    }
    let sql = format!("SELECT id, body FROM sandbox_audit WHERE {wheres} {}", page.order("id"));
    let rows = call.tx.query(&sql, &params)?;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        records.push(Resource {
            id: row.int(0)?,
            customer: 0,
            version: 1,
            body: serde_json::from_str(row.text(1)?).map_err(|error| DbError::Broken(error.to_string()))?,
        });
    }
    Ok(page.reply(call, "auditrecords", records, |record| record.body.clone()))
}
