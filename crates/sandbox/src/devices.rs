//! Devices that are registered for a customer before they are unpacked: batches of them, what has become of an upload, and
//! the policies that they get. An upload is the one thing that is taken on now and done later. A device whose serial number
//! begins with `FAIL` fails, and the upload is finished all the same.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::paging::{ServedPage, collection, link};
use super::quirks::Quirk;
use super::record::Resource;
use super::reply::{HttpReply, Refused, ReplyResult, bad_member, refuse};
use super::state::moment;
use super::{documents, json};

/// What has become of an upload.
const UPLOAD: &str = "device_batch";
/// A batch, under the name that the partner gave it.
const BATCH: &str = "batch";
const DEVICE: &str = "device";
/// A policy that devices can have.
pub(super) const POLICY: &str = "policy";
const LARGEST_PAGE: i64 = 100;

fn missing() -> Refused {
    refuse(404, 1000, "Not found")
}

/// A time as devices have it: without a zone.
fn at(call: &Call<'_>) -> String {
    moment(call.now).trim_end_matches('Z').to_owned()
}

/// `GET customers/{id}/deviceBatches`.
pub(super) fn list(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let batches = documents::all(call.tx, BATCH, customer.id)?;
    let devices = documents::all(call.tx, DEVICE, customer.id)?;
    let status = upload_status(call);
    let items = batches.iter().map(|batch| {
        let name = batch.text("id");
        let count = devices.iter().filter(|device| is_in(device, name)).count();
        json!({
            "id": name,
            "status": status,
            "createdBy": batch.body["createdBy"],
            "creationDate": batch.body["creationDate"],
            "devicesCount": count,
            "devicesLink": link(&format!("/customers/{}/deviceBatches/{name}/devices", customer.text("id"))),
            "attributes": { "objectType": "DeviceBatch" },
        })
    });
    let items = items.collect();
    Ok(HttpReply::ok(collection(call, items)))
}

/// The status of every upload.
fn upload_status(call: &Call<'_>) -> &'static str {
    if call.shared.has(Quirk::StuckBatches) {
        "processing"
    } else {
        "finished"
    }
}

fn is_in(device: &Resource, batch: &str) -> bool {
    device.text("_batch").eq_ignore_ascii_case(batch)
}

/// `POST customers/{id}/deviceBatches`: 202, and where to ask.
pub(super) fn create(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let given = call.request.object()?.clone();
    let name = json::text(&given, "batchId").to_owned();
    if name.is_empty() {
        return Err(bad_member("batchId", "is missing"));
    }
    if documents::find(call.tx, BATCH, customer.id, &name)?.is_some() {
        return Err(bad_member(
            "batchId",
            "is the name of a batch already; devices can be added to it",
        ));
    }
    let batch = json!({ "id": name, "createdBy": call.caller.application, "creationDate": at(call) });
    let devices = given["devices"].as_array().cloned().unwrap_or_default();
    if devices.is_empty() {
        return Err(bad_member("devices", "is missing"));
    }
    let (id, _) = call.fresh()?;
    documents::write(call.tx, BATCH, &name, &Resource::new(id, customer.id, batch))?;
    upload(call, &customer, &name, &devices)
}

/// `POST customers/{id}/deviceBatches/{batch}/devices`.
pub(super) fn add(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = batch(call, &customer)?;
    let devices = call.request.body.as_array().cloned().unwrap_or_default();
    if devices.is_empty() {
        return Err(refuse(400, 800_002, "The body is no list of devices."));
    }
    upload(call, &customer, &name, &devices)
}

/// The batch that the path names.
fn batch(call: &mut Call<'_>, customer: &Resource) -> Result<String, Refused> {
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, BATCH, customer.id, &name)?.ok_or_else(missing)?;
    Ok(found.text("id").to_owned())
}

fn upload(call: &mut Call<'_>, customer: &Resource, batch: &str, devices: &[Json]) -> ReplyResult {
    let there = documents::all(call.tx, DEVICE, customer.id)?;
    let mut done = Vec::new();
    let mut serials: Vec<String> = there
        .iter()
        .map(|device| device.text("serialNumber").to_owned())
        .collect();
    for device in devices {
        let serial = json::text(device, "serialNumber").to_owned();
        let failure = if serial.starts_with("FAIL") {
            Some(("808", "ZtdDeviceAssignedToOtherTenant"))
        } else if !serial.is_empty() && serials.contains(&serial) {
            Some(("806", "ZtdDeviceAlreadyAssigned"))
        } else {
            None
        };
        let mut status = json!({
            "serialNumber": serial,
            "productKey": json::text(device, "productKey"),
            "status": "finished",
            "attributes": { "objectType": "DeviceUploadDetails" },
        });
        if let Some((code, text)) = failure {
            status["status"] = "finished_with_errors".into();
            status["errorCode"] = code.into();
            status["errorDescription"] = text.into();
        } else {
            status["deviceId"] = store(call, customer, batch, device)?.into();
            serials.push(serial);
        }
        done.push(status);
    }
    tracked(call, customer, &done)
}

/// Writes a device; its id.
fn store(call: &mut Call<'_>, customer: &Resource, batch: &str, given: &Json) -> Result<String, Refused> {
    let (id, guid) = call.fresh()?;
    let body = json!({
        "id": guid,
        "serialNumber": json::text(given, "serialNumber"),
        "productKey": json::text(given, "productKey"),
        "modelName": json::text(given, "modelName"),
        "oemManufacturerName": json::text(given, "oemManufacturerName"),
        "policies": given["policies"].as_array().cloned().unwrap_or_default(),
        "uploadedDate": at(call),
        "allowedOperations": ["delete"],
        "attributes": { "objectType": "Device" },
        "_batch": batch,
    });
    documents::write(call.tx, DEVICE, &guid, &Resource::new(id, customer.id, body))?;
    Ok(guid)
}

/// Notes the outcome of every device, and says where to ask.
fn tracked(call: &mut Call<'_>, customer: &Resource, done: &[Json]) -> ReplyResult {
    let (id, guid) = call.fresh()?;
    let at = at(call);
    let status = json!({
        "batchTrackingId": guid,
        "status": "finished",
        "startedTime": at,
        "completedTime": at,
        "devicesStatus": done,
        "attributes": { "objectType": "BatchUploadDetails" },
    });
    documents::write(call.tx, UPLOAD, &guid, &Resource::new(id, customer.id, status))?;
    Ok(HttpReply::empty(202).with(
        "Location",
        format!("/customers/{}/batchJobStatus/{guid}", customer.text("id")),
    ))
}

/// `GET customers/{id}/batchJobStatus/{id}`.
pub(super) fn status(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = call.places.get(1).cloned().unwrap_or_default();
    let found = documents::find(call.tx, UPLOAD, customer.id, &name)?;
    let mut upload = found.ok_or_else(missing)?;
    if call.shared.has(Quirk::StuckBatches) {
        upload.put("status", upload_status(call));
        upload.put("devicesStatus", json!([]));
        json::take(&mut upload.body, "completedTime");
    }
    Ok(HttpReply::ok(upload.body))
}

/// `GET customers/{id}/deviceBatches/{batch}/devices`.
pub(super) fn devices(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let name = batch(call, &customer)?;
    let page = ServedPage::asked(call, LARGEST_PAGE, &[])?;
    let mut all = documents::all(call.tx, DEVICE, customer.id)?;
    all.retain(|device| is_in(device, &name));
    let found = page.cut(all);
    let path = format!("customers/{}/deviceBatches/{name}/devices", customer.text("id"));
    Ok(page.reply(call, &path, found, |device| json::shown(&device.body)))
}

/// The device that the path names.
fn device(call: &mut Call<'_>) -> Result<Resource, Refused> {
    let customer = call.customer()?;
    let name = batch(call, &customer)?;
    let id = call.places.get(2).cloned().unwrap_or_default();
    let found = documents::find(call.tx, DEVICE, customer.id, &id)?;
    found.filter(|device| is_in(device, &name)).ok_or_else(missing)
}

fn save(call: &mut Call<'_>, device: &Resource) -> Result<(), Refused> {
    let id = device.text("id").to_owned();
    documents::write(call.tx, DEVICE, &id, device)?;
    call.remark("DeviceId", id);
    Ok(())
}

/// `PUT customers/{id}/deviceBatches/{batch}/devices/{id}`: changes its policies.
pub(super) fn put(call: &mut Call<'_>) -> ReplyResult {
    let given = call.request.object()?.clone();
    let mut device = device(call)?;
    let customer = device.customer;
    set_policies(call, customer, &mut device, &given)?;
    save(call, &device)?;
    Ok(HttpReply::ok(json::shown(&device.body)))
}

/// `DELETE customers/{id}/deviceBatches/{batch}/devices/{id}`.
pub(super) fn delete(call: &mut Call<'_>) -> ReplyResult {
    let device = device(call)?;
    documents::remove(call.tx, device.id)?;
    call.remark("DeviceId", device.text("id"));
    Ok(HttpReply::empty(204))
}

/// Gives a device the policies that are named; one without a value is taken away.
fn set_policies(call: &mut Call<'_>, customer: i64, device: &mut Resource, given: &Json) -> Result<(), Refused> {
    let mut policies = device.body["policies"].as_array().cloned().unwrap_or_default();
    for wanted in given["policies"].as_array().into_iter().flatten() {
        let (key, value) = (json::text(wanted, "key"), json::text(wanted, "value"));
        policies.retain(|policy| json::text(policy, "key") != key);
        if value.is_empty() {
            continue;
        }
        if documents::find(call.tx, POLICY, customer, value)?.is_none() {
            return Err(bad_member("policies", "names a policy that there is not"));
        }
        policies.push(json!({ "key": key, "value": value }));
    }
    device.put("policies", policies);
    Ok(())
}

/// `PATCH customers/{id}/DevicePolicyUpdates`: 202, and where to ask.
pub(super) fn update_policies(call: &mut Call<'_>) -> ReplyResult {
    let customer = call.customer()?;
    let wanted = call.request.object()?["devices"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if wanted.is_empty() {
        return Err(bad_member("devices", "is missing"));
    }
    let mut done = Vec::new();
    for given in &wanted {
        let id = json::text(given, "id");
        let found = documents::find(call.tx, DEVICE, customer.id, id)?;
        let mut status = json!({
            "deviceId": id,
            "serialNumber": json::text(given, "serialNumber"),
            "productKey": json::text(given, "productKey"),
            "status": "finished",
            "attributes": { "objectType": "DeviceUploadDetails" },
        });
        if let Some(mut device) = found {
            set_policies(call, customer.id, &mut device, given)?;
            save(call, &device)?;
            status["serialNumber"] = device.body["serialNumber"].clone();
            status["productKey"] = device.body["productKey"].clone();
        } else {
            status["status"] = "finished_with_errors".into();
            status["errorCode"] = "404".into();
            status["errorDescription"] = "DeviceNotFound".into();
        }
        done.push(status);
    }
    tracked(call, &customer, &done)
}

/// How many devices of a customer have a policy.
pub(super) fn with_policy(call: &mut Call<'_>, customer: i64, policy: &str) -> Result<usize, Refused> {
    let all = documents::all(call.tx, DEVICE, customer)?;
    let has = |device: &&Resource| {
        let policies = device.body["policies"].as_array().into_iter().flatten();
        policies
            .into_iter()
            .any(|one| json::text(one, "value").eq_ignore_ascii_case(policy))
    };
    Ok(all.iter().filter(has).count())
}
