//! Batches of devices: the one thing that is taken on now and done later. A device whose serial number begins with
//! `FAIL` fails, and the batch is finished all the same.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::quirks::Quirk;
use super::record::Resource;
use super::reply::{HttpReply, ReplyResult, bad_member, refuse};
use super::state::moment;
use super::{documents, json};

const BATCH: &str = "device_batch";

/// `POST customers/{id}/deviceBatches`: 202, and where to ask.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?;
    if json::text(given, "batchId").is_empty() {
        return Err(bad_member("batchId", "is missing"));
    }
    let devices = given["devices"].as_array().cloned().unwrap_or_default();
    if devices.is_empty() {
        return Err(bad_member("devices", "is missing"));
    }
    let (id, guid) = call.fresh()?;
    let done: Vec<Json> = devices.iter().map(done).collect();
    // Its times have no zone; that is how they are.
    let at = moment(call.now).trim_end_matches('Z').to_owned();
    let status = json!({
        "batchTrackingId": guid,
        "status": "finished",
        "startedTime": at,
        "completedTime": at,
        "devicesStatus": done,
        "attributes": { "objectType": "BatchUploadDetails" },
    });
    documents::write(call.tx, BATCH, &guid, &Resource::new(id, customer.id, status))?;
    Ok(HttpReply::empty(202).with(
        "Location",
        format!("/customers/{}/batchJobStatus/{guid}", customer.text("id")),
    ))
}

fn done(device: &Json) -> Json {
    let serial = json::text(device, "serialNumber");
    let mut status = json!({
        "serialNumber": serial,
        "productKey": json::text(device, "productKey"),
        "status": "finished",
        "attributes": { "objectType": "DeviceUploadDetails" },
    });
    if serial.starts_with("FAIL") {
        status["status"] = "finished_with_errors".into();
        status["errorCode"] = "808".into();
        status["errorDescription"] = "ZtdDeviceAssignedToOtherTenant".into();
    }
    status
}

/// `GET customers/{id}/batchJobStatus/{id}`.
pub(super) fn status(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, BATCH, customer.id, &name)?;
    let mut batch = found.ok_or_else(|| refuse(404, 1000, "Not found"))?;
    if call.shared.has(Quirk::StuckBatches) {
        batch.put("status", "processing");
        batch.put("devicesStatus", json!([]));
        json::take(&mut batch.body, "completedTime");
    }
    Ok(HttpReply::ok(batch.body))
}
