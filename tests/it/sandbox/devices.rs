//! Devices, their batches and their policies.

use serde_json::{Value, json};

use super::{Here, Said};

fn serials(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|one| one["serialNumber"].as_str()).collect()
}

/// The outcome of an upload, asked for as clients do it: the location behind the version and a slash.
async fn outcome(here: &Here, taken: Said) -> Value {
    let location = taken.is(202).header("location").to_owned();
    here.get(&format!("/v1/{location}")).await.is(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_listed_added_to_and_emptied() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let batches = format!("{path}/deviceBatches");
    assert_eq!(here.get(&batches).await.is(200).json()["totalCount"], 0);
    let device = |serial: &str| json!({ "SerialNumber": serial, "ProductKey": "00329", "HardwareHash": "hash", "Policies": null });
    let batch = json!({ "BatchId": "First batch", "Devices": [device("S1"), device("FAIL2")] });
    let done = outcome(&here, here.post(&batches, &batch).await).await;
    assert_eq!(done["devicesStatus"][1]["status"], "finished_with_errors");
    assert_eq!(here.post(&batches, &batch).await.refusal(), (400, 3000));
    let devices = format!("{batches}/first%20batch/devices");
    let more = json!([device("S3"), device("S1")]);
    let done = outcome(&here, here.post(&devices, &more).await).await;
    let states: Vec<_> = done["devicesStatus"]
        .as_array()
        .expect("devices")
        .iter()
        .map(|one| one["status"].clone())
        .collect();
    assert_eq!(states, ["finished", "finished_with_errors"]);
    let listed = here.get(&batches).await.json();
    assert_eq!(
        (&listed["items"][0]["id"], &listed["items"][0]["devicesCount"]),
        (&json!("First batch"), &json!(2))
    );
    let all = here.get(&devices).await.is(200).json();
    assert_eq!(serials(&all), ["S1", "S3"]);
    assert!(
        !all.to_string().contains("hash"),
        "what identifies the hardware is told to nobody"
    );
    let one = format!("{devices}/{}", all["items"][0]["id"].as_str().expect("an id"));
    here.delete(&one).await.is(204);
    assert_eq!(here.delete(&one).await.status, 404);
    assert_eq!(serials(&here.get(&devices).await.json()), ["S3"]);
    assert_eq!(here.get(&format!("{batches}/none/devices")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_given_to_devices_and_kept_while_devices_have_them() {
    let here = Here::new().await;
    let path = format!("/v1/customers/{}", here.customer("alpha").await);
    let policies = format!("{path}/policies");
    let policy =
        json!({ "Name": "Quiet", "Description": "d", "PolicySettings": ["SkipEula", "remove_oem_preinstalls"] });
    let made = here.post(&policies, &policy).await.is(201).json();
    assert_eq!(made["policySettings"], json!(["skip_eula", "remove_oem_preinstalls"]));
    assert_eq!(
        here.post(&policies, &json!({ "name": "x", "policySettings": ["dance"] }))
            .await
            .refusal(),
        (400, 3000)
    );
    let id = made["id"].as_str().expect("an id");
    let own = format!("{policies}/{id}");
    let batch = json!({ "batchId": "b", "devices": [{ "serialNumber": "S1" }] });
    here.post(&format!("{path}/deviceBatches"), &batch).await.is(202);
    let devices = format!("{path}/deviceBatches/b/devices");
    let device = here.get(&devices).await.json()["items"][0]["id"].clone();
    let update =
        |value: &str| json!({ "devices": [{ "id": device, "policies": [{ "key": "o_o_b_e", "value": value }] }] });
    let updates = format!("{path}/DevicePolicyUpdates");
    assert_eq!(
        here.patch(&updates, &update(&super::fresh_id())).await.refusal(),
        (400, 3000)
    );
    let done = outcome(&here, here.patch(&updates, &update(id)).await).await;
    assert_eq!(done["devicesStatus"][0]["status"], "finished");
    assert_eq!(here.get(&devices).await.json()["items"][0]["policies"][0]["value"], id);
    assert_eq!(here.get(&own).await.json()["devicesAssignedCount"], 1);
    assert_eq!(here.delete(&own).await.refusal(), (400, 3000));
    let one = format!("{devices}/{}", device.as_str().expect("an id"));
    let without = json!({ "policies": [{ "key": "o_o_b_e", "value": null }] });
    assert_eq!(
        here.call("PUT", &one, &without).await.is(200).json()["policies"],
        json!([])
    );
    let renamed = json!({ "name": "Loud", "policySettings": [] });
    assert_eq!(here.call("PUT", &own, &renamed).await.is(200).json()["name"], "Loud");
    here.delete(&own).await.is(204);
    assert_eq!(here.get(&policies).await.json()["totalCount"], 0);
}
