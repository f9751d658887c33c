//! Answers of the sandbox to every operation that there are samples of, by the operation's name. The samples are of all sorts of
//! customers and subscriptions, and so are the answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::coverage::furnished;
use super::super::{Here, OTHER_PARTNER, SPB, SPB_SKU, new_customer, new_user};
use crate::facts::Sample;

/// Answers by operation.
pub(super) type Answers = BTreeMap<String, Vec<Value>>;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Puts members into an object.
fn add(to: &mut Value, members: &Value) {
    for (name, value) in members.as_object().into_iter().flatten() {
        to[name] = value.clone();
    }
}

async fn listed(here: &Here, path: &str) -> Vec<Value> {
    let said = here.get(path).await;
    let items = (said.status == 200).then(|| said.json()["items"].clone());
    items.and_then(|items| items.as_array().cloned()).unwrap_or_default()
}

pub(super) async fn answers(here: &Here, index: &[Sample]) -> Answers {
    here.seed(12).await;
    let names = furnished(here).await;
    let mut all = writes(here).await;
    let customers = listed(here, "/v1/customers?size=0").await;
    for one in index.iter().filter(|one| one.method == "GET") {
        let mut answers = Vec::new();
        for customer in &customers {
            for path in addresses(here, &one.path, &text(&customer["id"]), &names).await {
                let said = here.get(&path).await;
                if said.status == 200 {
                    answers.push(said.json());
                }
            }
            if !one.path.contains("{customer-id}") {
                break;
            }
        }
        all.entry(one.operation.clone()).or_default().extend(answers);
    }
    all
}

/// The addresses that a path of the index stands for, of one customer.
async fn addresses(here: &Here, path: &str, customer: &str, names: &BTreeMap<&str, String>) -> Vec<String> {
    let whose = format!("/v1/customers/{customer}");
    let path = path
        .replace("{customer-id}", customer)
        .replace("?size={size}&filter={filter}", "?size=500")
        .replace("startDate={date}&endDate={date}&filter={filter}", "")
        .replace("mpnId={id}|tenantId={id}", "mpnId=5000101")
        .replace("?mpnId={id}", "");
    let path = match path.as_str() {
        path if path.contains("transferType") => path.replace("{type}", "NewCommerce"),
        path if path.contains("relationship_type") => path.replace("{type}", "IsIndirectCloudSolutionProviderOf"),
        path => path.replace("{type}", "*").replace("{size}", "500"),
    };
    let name = path.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let Some((name, _)) = name else { return vec![path] };
    let collection = match name {
        "user-id" => "users",
        "subscription-id" => "subscriptions",
        "order-id" => "orders",
        "transfer-id" => "transfers",
        "iso2" => return ["US", "PT", "DE"].map(|code| path.replace("{iso2}", code)).into(),
        "devicebatch-id" => return vec![path.replace("{devicebatch-id}", &names["batch"])],
        "batchtracking-id" => return vec![path.replace("{batchtracking-id}", &names["upload"])],
        other => panic!("what is {other}?"),
    };
    let said = here.get(&format!("{whose}/{collection}")).await;
    if said.status != 200 {
        return Vec::new();
    }
    let list = said.json();
    let items = list["items"]
        .as_array()
        .or_else(|| list.as_array())
        .cloned()
        .unwrap_or_default();
    let placed = |item: &Value| path.replace(&format!("{{{name}}}"), &text(&item["id"]));
    items.iter().map(placed).collect()
}

/// Answers to changing calls, and of what is there only for a while.
async fn writes(here: &Here) -> Answers {
    let mut all = Answers::new();
    let mut note = |operation: &str, answer: Value| all.entry(operation.to_owned()).or_default().push(answer);
    let ok = |said: super::super::Said| {
        assert!(said.status < 300, "{}", said.text);
        said.json()
    };
    let mut new = new_customer("beta");
    new["associatedPartnerId"] = "5000101".into();
    new["enableGDAPByDefault"] = false.into();
    let person = json!({ "firstName": "Ada", "lastName": "Berg", "phoneNumber": "4255550100" });
    add(&mut new["billingProfile"]["defaultAddress"], &person);
    let made = ok(here.post("/v1/customers", &new).await);
    let beta = format!("/v1/customers/{}", text(&made["id"]));
    note("create-customer", made);
    let domain = json!({
        "verifiedDomainName": "beta.example",
        "domain": { "authenticationType": "Managed", "capability": "Email", "isDefault": true, "isInitial": false, "name": "beta.example",
            "rootDomain": null, "status": "Verified", "verificationMethod": "DnsRecord" },
    });
    note(
        "add-verified-domain",
        ok(here.post(&format!("{beta}/verifieddomain"), &domain).await),
    );
    // Users.
    let mut user = new_user("ida@beta.onmicrosoft.com");
    user["firstName"] = "Ida".into();
    user["lastName"] = "Holm".into();
    user["immutableId"] = "77".into();
    let ida = ok(here.post(&format!("{beta}/users"), &user).await);
    let own = format!("{beta}/users/{}", text(&ida["id"]));
    note("create-user", ida.clone());
    let order = json!({
        "billingCycle": "monthly",
        "lineItems": [{ "offerId": SPB, "quantity": 9, "partnerIdOnRecord": "5000101", "promotionId": "39NFJQT1PFPQ:0001:39NFJQT1Q5KB" }],
    });
    let order = ok(here.post(&format!("{beta}/orders"), &order).await);
    let subscription = format!(
        "{beta}/subscriptions/{}",
        text(&order["lineItems"][0]["subscriptionId"])
    );
    note("create-order", order);
    let licences = json!({ "licensesToAssign": [{ "skuId": SPB_SKU }] });
    note(
        "assign-licenses",
        ok(here.post(&format!("{own}/licenseupdates"), &licences).await),
    );
    let role = text(&listed(here, &format!("{beta}/directoryroles")).await[0]["id"]);
    let member = json!({ "id": ida["id"], "displayName": "Ida", "userPrincipalName": "ida@beta.onmicrosoft.com" });
    note(
        "add-user-to-role",
        ok(here
            .post(&format!("{beta}/directoryroles/{role}/usermembers"), &member)
            .await),
    );
    let changed = json!({ "firstName": "Ida", "lastName": "Lund", "usageLocation": "US" });
    note("update-user", ok(here.patch(&own, &changed).await));
    let password = json!({ "password": "Another-word-78", "forceChangePassword": true });
    note(
        "reset-user-password",
        ok(here.patch(&own, &json!({ "passwordProfile": password })).await),
    );
    here.delete(&own).await.is(204);
    let deleted = super::super::filter("UserState", "Inactive", "equals");
    note(
        "list-deleted-users",
        ok(here.get(&format!("{beta}/users?size=500&{deleted}")).await),
    );
    note(
        "restore-user",
        ok(here.patch(&own, &json!({ "state": "active" })).await),
    );
    // Profile, address, agreement, qualification.
    let mut billing = ok(here.get(&format!("{beta}/profiles/billing")).await);
    add(&mut billing["defaultAddress"], &person);
    billing["defaultAddress"]["addressLine2"] = "Flat 2".into();
    note(
        "update-billing-profile",
        ok(here.call("PUT", &format!("{beta}/profiles/billing"), &billing).await),
    );
    for street in ["1 Main Street", "Main Street"] {
        let address =
            json!({ "addressLine1": street, "city": "Seattle", "state": "WA", "postalCode": "98101", "country": "US" });
        note(
            "validate-address",
            ok(here.post("/v1/validations/address", &address).await),
        );
    }
    let template =
        text(&listed(here, "/v1/agreements?agreementType=MicrosoftCustomerAgreement").await[0]["templateId"]);
    let agreement = json!({
        "primaryContact": { "firstName": "Ada", "lastName": "Berg", "email": "ada@example.com", "phoneNumber": "4255550100" },
        "templateId": template, "dateAgreed": "2026-01-01T00:00:00Z", "type": "MicrosoftCustomerAgreement",
        "userId": "ada@example.com",
    });
    note(
        "create-agreement",
        ok(here.post(&format!("{beta}/agreements"), &agreement).await),
    );
    let schools = [
        json!({ "qualification": "Education", "educationSegment": "K12", "website": "beta.example" }),
        json!({ "qualification": "GovernmentCommunityCloud", "validationCode": "123456" }),
    ];
    for school in schools {
        note(
            "update-qualifications",
            ok(here.post(&format!("{beta}/qualifications"), &school).await),
        );
    }
    // Carts, orders and subscriptions.
    let item = json!({
        "id": 0, "catalogItemId": SPB, "quantity": 2, "billingCycle": "monthly", "termDuration": "P1Y", "friendlyName": "two",
        "renewsTo": { "termDuration": "P1Y" }, "partnerIdOnRecord": "5000101", "participants": [{ "key": "transaction_reseller", "value": "5000101" }],
        "provisioningContext": { "subscriptionId": "x", "scope": "shared", "duration": "3Years" },
    });
    let cart = ok(here
        .post(&format!("{beta}/carts"), &json!({ "lineItems": [item] }))
        .await);
    let id = text(&cart["id"]);
    note("create-cart", cart);
    note(
        "checkout-cart",
        ok(here.post(&format!("{beta}/carts/{id}/checkout"), &json!({})).await),
    );
    let legacy = json!({ "lineItems": [{ "offerId": "031c9e47-4802-4248-838e-778fb1d2cc05", "quantity": 5, "partnerIdOnRecord": "5000101" }] });
    let legacy = ok(here.post(&format!("{beta}/orders"), &legacy).await);
    let parent = text(&legacy["lineItems"][0]["subscriptionId"]);
    let add_on = json!({ "lineItems": [{
        "offerId": "2828be95-46ba-4f91-b2fd-0bef192ecf60", "quantity": 1, "parentSubscriptionId": parent, "partnerIdOnRecord": "5000101",
    }] });
    note(
        "purchase-addon",
        ok(here
            .patch(&format!("{beta}/orders/{}", text(&legacy["id"])), &add_on)
            .await),
    );
    let azure = json!({ "lineItems": [{ "offerId": "MS-AZR-0145P", "quantity": 1 }] });
    let azure = ok(here.post(&format!("{beta}/orders"), &azure).await);
    let azure = format!(
        "{beta}/subscriptions/{}",
        text(&azure["lineItems"][0]["subscriptionId"])
    );
    let legacy = format!("{beta}/subscriptions/{parent}");
    let product = json!({
        "productId": "SBX000000001", "skuId": "0001", "availabilityId": "SBX00000000A", "billingCycle": "monthly",
        "termDuration": "P1Y", "promotionId": "39NFJQT1PFPQ:0001:39NFJQT1Q5KB",
    });
    let instructions = json!({ "product": product, "quantity": 3, "customTermEndDate": "2027-12-31T00:00:00Z" });
    for own in [&subscription, &legacy, &azure] {
        for (operation, change) in [
            ("rename-subscription", json!({ "friendlyName": "renamed" })),
            ("change-quantity", json!({ "quantity": 11 })),
            (
                "update-subscription",
                json!({ "friendlyName": "again", "partnerId": "5000101" }),
            ),
            (
                "schedule-changes",
                json!({ "scheduledNextTermInstructions": instructions, "autoRenewEnabled": true }),
            ),
            (
                "update-autorenew",
                json!({ "scheduledNextTermInstructions": null, "autoRenewEnabled": false }),
            ),
            (
                "schedule-changes",
                json!({ "customTermEndDate": "2027-12-31T00:00:00Z", "autoRenewEnabled": true }),
            ),
            ("suspend-subscription", json!({ "status": "suspended" })),
            ("reactivate-subscription", json!({ "status": "active" })),
        ] {
            let mut whole = ok(here.get(own).await);
            add(&mut whole, &change);
            note(operation, ok(here.patch(own, &whole).await));
        }
    }
    // Transfers, in both directions.
    let first = subscription.rsplit('/').next().expect("an id");
    let lines = [first, &parent].map(|id| json!({ "subscriptionId": id, "partnerIdOnRecord": "5000101" }));
    let transfer = json!({
        "targetPartnerTenantId": OTHER_PARTNER, "sourcePartnerName": "Here", "targetPartnerName": "There",
        "sourcePartnerContactEmail": "here@example.com", "targetPartnerEmailId": "there@example.com", "customerEmailId": "ada@example.com",
        "lineItems": lines,
    });
    let mut other = Here::new().await;
    // The last of several lines fails, so that failures are seen as well.
    here.quirks(&["partial-success"]).await;
    for operation in ["reject-transfer", "accept-transfer"] {
        let made = ok(here.post(&format!("{beta}/transfers"), &transfer).await);
        let own = format!("{beta}/transfers/{}", text(&made["id"]));
        note("create-transfer", made);
        other.base.clone_from(&here.base);
        other.as_partner(Some(OTHER_PARTNER)).await;
        let said = match operation {
            "accept-transfer" => other.post(&format!("{own}/accept"), &json!({})).await,
            _ => other.patch(&own, &json!({ "status": "Reject" })).await,
        };
        note(operation, ok(said));
        note("get-transfer", ok(here.get(&own).await));
    }
    let newer = json!({
        "sourcePartnerTenantId": OTHER_PARTNER, "sourcePartnerName": "There", "targetPartnerName": "Here",
        "customerEmailId": "ada@example.com", "customerName": "Beta", "targetPartnerEmailId": "here@example.com", "transferType": 3,
    });
    note(
        "create-transfer-nce",
        ok(here.post(&format!("{beta}/transfers"), &newer).await),
    );
    note("list-transfers", ok(here.get(&format!("{beta}/transfers")).await));
    // What is under review, and what was refused.
    for status in ["UnderReview", "Active", "VetoedAndDeactivated"] {
        let status = json!({ "status": status, "reason": "address" });
        let said = here
            .call(
                "PUT",
                &format!(
                    "/sandbox/customers/{}/validation",
                    beta.rsplit('/').next().unwrap_or_default()
                ),
                &status,
            )
            .await;
        said.is(204);
        let said = here.get(&format!("{beta}/validationStatus?type=account")).await;
        if said.status == 200 {
            note("account-validation-status", said.json());
        }
    }
    // Last of all the end of a customer.
    let gamma = ok(here.post("/v1/customers", &new_customer("gamma")).await);
    let gamma = format!("/v1/customers/{}", text(&gamma["id"]));
    let ended = here.patch(&gamma, &json!({ "relationshipToPartner": "none" })).await;
    note("remove-reseller-relationship", ok(ended));
    all
}
