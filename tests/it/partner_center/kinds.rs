//! Every kind that changes what is there already: applied once, then unchanged, and refused by name where it cannot be.

use std::process::Stdio;

use serde_json::json;

use super::killed::command;
use super::{LEGACY, Office, USERS};
use crate::place::{file, outcomes};

/// With a user of the first customer who has a licence of it, and one who has none.
pub(super) async fn with_users() -> (Office, String) {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 5).await;
    let users = format!(
        "{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,\n{alpha},two@alpha.onmicrosoft.com,Two,Due,,,\n"
    );
    office.applies("bulk-add-users", &users).await;
    (office, alpha)
}

/// The part numbers of a user's licences.
pub(super) async fn licenses(office: &Office, customer: &str, user: &str) -> Vec<String> {
    let users = office.users(customer).await;
    let named = |one: &&serde_json::Value| one["firstName"] == user;
    let id = users.iter().find(named).expect("the user")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/v1/customers/{customer}/users/{id}/licenses?licenseGroupIds=Group1&licenseGroupIds=Group2");
    let list = office.here.get(&path).await.json();
    let items = list["items"].as_array().expect("a list").iter();
    items
        .map(|one| one["productSku"]["skuPartNumber"].as_str().expect("a name").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_deleted_and_restored() {
    let (office, alpha) = with_users().await;
    let users = "customer,user_principal_name\nalpha.onmicrosoft.com,ONE@alpha.onmicrosoft.com\nalpha.onmicrosoft.com,two@alpha.onmicrosoft.com\n";
    assert_eq!(office.codes("restore-users", users).await, ["unchanged"; 2]);
    let job = office.applies("delete-users", users).await;
    assert!(office.message(&job, 1).await.contains("can be restored until"));
    assert!(office.users(&alpha).await.is_empty());
    assert_eq!(office.codes("delete-users", users).await, ["unchanged"; 2]);
    let missing = "customer,user_principal_name,assign\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com,SPB\nalpha.onmicrosoft.com,three@alpha.onmicrosoft.com,SPB\n";
    assert_eq!(
        office.codes("assign-licenses", missing).await,
        ["user-deleted", "unknown-user"]
    );
    office.applies("restore-users", users).await;
    assert_eq!(office.users(&alpha).await.len(), 2);
    let unknown = "customer,user_principal_name\nalpha.onmicrosoft.com,three@alpha.onmicrosoft.com\n";
    assert_eq!(office.codes("delete-users", unknown).await, ["unknown-user"]);
    assert_eq!(office.codes("restore-users", unknown).await, ["unknown-user"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_reset_once_a_day_unless_it_is_said_again() {
    let (office, _) = with_users().await;
    let of = |name: &str, again: &str| {
        format!("customer,user_principal_name,again\nalpha.onmicrosoft.com,{name}@alpha.onmicrosoft.com,{again}\n")
    };
    let first = office.applies("reset-passwords", &of("one", "")).await;
    assert_eq!(office.here.effects("reset-user-password").await, 1);
    let again = office.apply("reset-passwords", &of("one", "")).await;
    assert_eq!(again.counts.unchanged, 1);
    let message = office.message(&again, 1).await;
    assert!(
        message.starts_with(&format!("job {} gave this user a password", first.id)),
        "{message}"
    );
    office.applies("reset-passwords", &of("one", "yes")).await;
    office.applies("reset-passwords", &of("two", "")).await;
    assert_eq!(office.here.effects("reset-user-password").await, 3);
    assert_eq!(
        office.codes("reset-passwords", &of("three", "")).await,
        ["unknown-user"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn licences_are_given_and_taken() {
    let (office, alpha) = with_users().await;
    office
        .here
        .subscription_to("SBX000000003:0001:SBX00000000C", &alpha, 1)
        .await;
    let header = "customer,user_principal_name,assign,remove,usage_location\n";
    let row = |user: &str, rest: &str| format!("{alpha},{user}@alpha.onmicrosoft.com,{rest}\n");
    let needs = format!("{header}{}", row("two", "SPB,,"));
    assert_eq!(
        office.codes("assign-licenses", &needs).await,
        ["usage-location-required"]
    );
    let both = format!("{header}{}{}", row("one", "POWER_BI_PRO,SPB,"), row("two", "SPB,,GB"));
    office.applies("assign-licenses", &both).await;
    assert_eq!(licenses(&office, &alpha, "One").await, ["POWER_BI_PRO"]);
    assert_eq!(licenses(&office, &alpha, "Two").await, ["SPB"]);
    assert_eq!(office.codes("assign-licenses", &both).await, ["unchanged"; 2]);
    let full = format!("{header}{}", row("two", "POWER_BI_PRO,,"));
    assert_eq!(office.codes("assign-licenses", &full).await, ["no-free-seats"]);
    let unknown = format!("{header}{}", row("two", "SPE_E3,,"));
    assert_eq!(office.codes("assign-licenses", &unknown).await, ["unknown-sku"]);
    let all = format!("{header}{}", row("one", ",<all>,"));
    office.applies("assign-licenses", &all).await;
    assert!(licenses(&office, &alpha, "One").await.is_empty());
    assert_eq!(office.here.effects("update-licenses").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_subscription_keeps_everything_but_its_status() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let path = office.here.subscription(&alpha, 5).await;
    let id = path.rsplit('/').next().expect("an id");
    let of = |customer: &str, action: &str| format!("customer,subscription_id,action\n{customer},{id},{action}\n");
    let before = office.here.get(&path).await.json();
    office.applies("suspend-subscription", &of(&alpha, "")).await;
    let after = office.here.get(&path).await.json();
    assert_eq!(after["status"], "suspended");
    for kept in [
        "autoRenewEnabled",
        "quantity",
        "friendlyName",
        "partnerId",
        "billingCycle",
    ] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    assert_eq!(
        office.codes("suspend-subscription", &of(&alpha, "")).await,
        ["unchanged"]
    );
    assert_eq!(
        office.codes("suspend-subscription", &of(&beta, "")).await,
        ["unknown-subscription"]
    );
    // Accepted first, and carried out later.
    office.here.quirks(&["accepted-updates"]).await;
    office.applies("suspend-subscription", &of(&alpha, "reactivate")).await;
    assert_eq!(office.here.get(&path).await.json()["status"], "active");
    office.here.quirks(&[]).await;
    let mut cancelled = office.here.get(&path).await.json();
    cancelled["status"] = json!("deleted");
    office.here.patch(&path, &cancelled).await.is(200);
    assert_eq!(
        office.codes("suspend-subscription", &of(&alpha, "")).await,
        ["subscription-inactive"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relationship_ends_when_nothing_is_in_the_way() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    office.here.subscription_to(LEGACY, &alpha, 5).await;
    office.here.subscription_to(LEGACY, &alpha, 7).await;
    office.here.subscription(&beta, 1).await;
    let of = |customer: &str, suspend: &str| format!("customer,suspend_subscriptions\n{customer},{suspend}\n");
    let refused = office.apply("remove-relationship", &of(&alpha, "")).await;
    assert_eq!(outcomes(&office.ledger, &refused).await[0].2, "active-subscriptions");
    let message = office.message(&refused, 1).await;
    assert_eq!(
        message.matches("say `suspend_subscriptions`").count(),
        2,
        "all at once: {message}"
    );
    assert_eq!(
        office.codes("remove-relationship", &of(&beta, "yes")).await,
        ["not-cancellable"]
    );
    assert_eq!(office.here.effects("update-subscription").await, 0);
    let job = office
        .applies("remove-relationship", &of("alpha.onmicrosoft.com", "yes"))
        .await;
    assert_eq!(office.message(&job, 1).await, "2 subscriptions were suspended");
    assert_eq!(office.here.effects("update-subscription").await, 2);
    assert_eq!(office.here.effects("update-customer").await, 1);
    office.here.get(&format!("/v1/customers/{alpha}")).await.is(403);
    assert_eq!(
        office.codes("remove-relationship", &of(&alpha, "")).await,
        ["unknown-customer"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_plan_are_compared_before_anything_is_done() {
    let (office, alpha) = with_users().await;
    let csv = "customer,user_principal_name\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com\n";
    let job = office.approved("delete-users", csv).await;
    // Somebody gives the user another name to be known by.
    let user = office
        .users(&alpha)
        .await
        .into_iter()
        .find(|user| user["firstName"] == "One")
        .expect("there");
    let path = format!("/v1/customers/{alpha}/users/{}", user["id"].as_str().expect("an id"));
    office
        .here
        .patch(&path, &json!({ "displayName": "Somebody else" }))
        .await
        .is(200);
    let job = office.finish(&job).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "drifted");
    assert_eq!(office.here.effects("delete-user").await, 0);
    let job = office.approved("delete-users", csv).await;
    assert_eq!(office.finish(&job).await.counts.applied, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_customers_seats_are_its_own() {
    let (office, [alpha, beta]) = Office::with_customers().await;
    let mut users = USERS.to_owned();
    for (customer, domain, seats) in [(&alpha, "alpha", 2), (&beta, "beta", 3)] {
        office.here.subscription(customer, seats).await;
        for n in 0..3 {
            users.push_str(&format!(
                "{customer},user{n}@{domain}.onmicrosoft.com,User,N{n},GB,SPB,\n"
            ));
        }
    }
    let job = office.apply("bulk-add-users", &users).await;
    // One of alpha has no seat; each of beta has one.
    assert_eq!(
        outcomes(&office.ledger, &job).await,
        [(3, "rejected".to_owned(), "no-free-seats".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_changed_and_keep_id_and_licences() {
    const HEADER: &str = "customer,user_principal_name,display_name,last_name,usage_location,new_user_principal_name";
    let (office, alpha) = with_users().await;
    let before = office.users(&alpha).await;
    let one = before
        .iter()
        .find(|user| user["firstName"] == "One")
        .expect("the first");
    let of = |rows: &str| {
        format!(
            "{HEADER}\n{}",
            rows.replace("@,", "@alpha.onmicrosoft.com,")
                .replace("@\n", "@alpha.onmicrosoft.com\n")
        )
    };
    let change = of("alpha.onmicrosoft.com,one@,First,Prima,FR,first@\nalpha.onmicrosoft.com,two@,,,IT,\n");
    let job = office.applies("update-users", &change).await;
    assert_eq!(office.target(&job, 1).await, one["id"].as_str().expect("an id"));
    assert_eq!(licenses(&office, &alpha, "One").await, ["SPB"]);
    let after = office.users(&alpha).await;
    let one = after.iter().find(|user| user["id"] == one["id"]).expect("the same");
    assert_eq!(one["userPrincipalName"], "first@alpha.onmicrosoft.com");
    assert_eq!(
        (&one["displayName"], &one["firstName"], &one["usageLocation"]),
        (&json!("First"), &json!("One"), &json!("FR"))
    );
    assert_eq!(one["lastName"], "Prima", "{one}");
    assert_eq!(office.codes("update-users", &change).await, ["unchanged"; 2]);
    // A user who had no usage location stays where it was put.
    let undone = office.undo(&job).await;
    assert_eq!(
        outcomes(&office.ledger, &undone)
            .await
            .iter()
            .map(|(row, outcome, _)| (*row, outcome.as_str()))
            .collect::<Vec<_>>(),
        [(2, "rejected")]
    );
    assert_eq!(
        office.users(&alpha).await[0]["userPrincipalName"],
        before[0]["userPrincipalName"]
    );
    for (column, value) in [
        ("job_title", "Baker"),
        ("fax", "<clear>"),
        ("country", "GB"),
        ("block_sign_in", "no"),
    ] {
        let rows =
            format!("customer,user_principal_name,{column}\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com,{value}\n");
        assert_eq!(office.codes("update-users", &rows).await, ["not-kept"], "{column}");
    }
    // Nothing says that a name can be taken away there.
    for (column, besides) in [("first_name", ""), ("last_name", ""), ("last_name", "Uno")] {
        let rows = format!(
            "customer,user_principal_name,{column},display_name\n\
             alpha.onmicrosoft.com,one@alpha.onmicrosoft.com,<clear>,{besides}\n"
        );
        assert_eq!(office.codes("update-users", &rows).await, ["cannot-clear"], "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_companys_name_is_changed_on_the_bill_and_lists_go_on_as_they_are() {
    let (office, alpha) = with_users().await;
    let lists = async || {
        let row = "what,columns,format\ncustomers,microsoft_id;company_name;primary_domain_name;phone,csv\n";
        let job = office.applies("export-customers", row).await;
        String::from_utf8(file(&office.ledger, &job).await).expect("UTF-8")
    };
    let billing = format!("/v1/customers/{alpha}/profiles/billing");
    let listed = lists().await;
    let change = "customer,company_name\nalpha.onmicrosoft.com,Alpha Holding Ltd\n";
    let job = office.applies("update-account", change).await;
    let said = office.message(&job, 1).await;
    assert!(
        said.contains("the name on the bill") && said.contains("goes on calling the customer `"),
        "{said}"
    );
    let profile = office.here.get(&billing).await.json();
    assert_eq!(profile["companyName"], "Alpha Holding Ltd");
    assert_eq!(lists().await, listed);
    // The list that nobody edited wants nothing; what is edited in it does not bring the bill back.
    let codes = office.codes("update-account", &listed).await;
    assert!(codes.iter().all(|code| code == "unchanged"), "{codes:?}");
    let with_phone = listed.replacen("Phone\r\n", "Phone\n", 1);
    let line = with_phone
        .lines()
        .find(|line| line.contains(",alpha."))
        .expect("a line");
    let (head, _) = line.rsplit_once(',').expect("cells");
    let header = listed.lines().next().expect("a header");
    let edited = format!("{header}\n{head},+44 20 7946 0007\n");
    office.applies("update-account", &edited).await;
    let profile = office.here.get(&billing).await.json();
    assert_eq!(
        (&profile["companyName"], &profile["defaultAddress"]["phoneNumber"]),
        (&json!("Alpha Holding Ltd"), &json!("+44 20 7946 0007"))
    );
    // Who says so gets it, and the bill can have the listed name again.
    let name = line.split(',').nth(1).expect("a name");
    let back = format!("customer,company_name\nalpha.onmicrosoft.com,{name}\n");
    let job = office.applies("update-account", &back).await;
    assert_eq!(office.message(&job, 1).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_not_kept_are_left_out_as_configured_and_as_said() {
    let (office, alpha) = with_users().await;
    let rows = format!("customer,user_principal_name,display_name,job_title\n{alpha},one@{alpha},First,Baker\n");
    office.place.write(
        "users.csv",
        rows.replace(&format!("@{alpha}"), "@alpha.onmicrosoft.com"),
    );
    let tenantry = |args: &[&str], configured: &str| {
        let mut command = super::killed::command(&office, args);
        command
            .env("TENANTRY__PARTNER_CENTER__IGNORE_NOT_KEPT", configured)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        crate::place::Run::from(command.output().expect("tenantry starts"))
    };
    let plan = ["plan", "update-users", "users.csv"];
    let refused = tenantry(&plan, "false").ends(1);
    assert!(refused.out.contains("job_title"), "{refused:#?}");
    let no: &[&str] = &["--ignore-not-kept=false"];
    for (said, configured, fine) in [
        (&[][..], "false", false),
        (&[], "true", true),
        (no, "true", false),
        (&["--ignore-not-kept"], "false", true),
        (&["--ignore-not-kept=true"], "false", true),
    ] {
        let planned = tenantry(&[&plan, said].concat(), configured);
        assert_eq!(planned.code == 0, fine, "{said:?} {configured}: {planned:#?}");
        assert_eq!(
            planned.all().contains("left out, as "),
            fine,
            "{said:?} {configured}: {planned:#?}"
        );
        let run = ["run", "update-users", "users.csv"];
        let run = tenantry(&[&run, said].concat(), configured);
        assert_eq!(run.code == 0, fine, "{said:?} {configured}: {run:#?}");
    }
    // A plan is applied as it was made.
    let kept = ["plan", "update-users", "users.csv", "--out", "plan.json"];
    tenantry(&kept, "true").ends(0);
    let applied = tenantry(&["apply", "plan.json"], "false").ends(0);
    assert!(applied.out.contains("left out, as "), "{applied:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_user_edited_since_is_not_taken_back() {
    let (office, alpha) = with_users().await;
    let of = |name: &str, header: &str, value: &str| {
        format!("customer,user_principal_name,{header}\n{alpha},{name}@alpha.onmicrosoft.com,{value}\n")
    };
    let named = office
        .applies("update-users", &of("one", "display_name", "First"))
        .await;
    // Another field is nothing to it.
    office.applies("update-users", &of("one", "last_name", "Primo")).await;
    office
        .applies("update-users", &of("one", "display_name", "Somebody else"))
        .await;
    let kept = office.undo(&named).await;
    assert_eq!(outcomes(&office.ledger, &kept).await[0].2, "edited-since");
    // A name that has passed to another user does not come back.
    let renamed = office
        .applies(
            "update-users",
            &of("one", "new_user_principal_name", "uno@alpha.onmicrosoft.com"),
        )
        .await;
    office
        .applies(
            "update-users",
            &of("two", "new_user_principal_name", "one@alpha.onmicrosoft.com"),
        )
        .await;
    let kept = office.undo(&renamed).await;
    assert_eq!(outcomes(&office.ledger, &kept).await[0].2, "edited-since");
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_not_found_by_name_but_told_of() {
    let (office, _) = Office::with_customers().await;
    let of = |customer: &str| format!("customer,phone\n{customer},+49 30 1234567\n");
    for (written, code, text) in [
        ("Alpha Ltd", "unknown-customer", "did you mean `alpha.onmicrosoft.com`?"),
        ("alpha ltd", "unknown-customer", "did you mean `alpha.onmicrosoft.com`?"),
        ("Alpha", "unknown-customer", "Partner Center keeps no external ids"),
        ("CRM-1", "unknown-customer", "Partner Center keeps no external ids"),
    ] {
        let job = office.apply("update-account", &of(written)).await;
        assert_eq!(outcomes(&office.ledger, &job).await[0].2, code, "{written}");
        let message = office.message(&job, 1).await;
        assert!(message.contains(text), "{written}: {message}");
    }
    let more = super::PLAIN_CUSTOMERS
        .replace("alpha,", "gamma,")
        .replace("beta,Beta GmbH", "delta,Alpha Ltd.");
    office.applies("add-customer", &more).await;
    let job = office.apply("update-account", &of("Alpha Ltd ")).await;
    assert_eq!(outcomes(&office.ledger, &job).await[0].2, "ambiguous-customer");
    let message = office.message(&job, 1).await;
    assert!(
        message.contains("2 customers are called so: `alpha.onmicrosoft.com`, `gamma.onmicrosoft.com`;"),
        "{message}"
    );
    // Partner Center finds by their beginnings; only the whole name is one.
    let job = office.apply("update-account", &of("Beta")).await;
    let message = office.message(&job, 1).await;
    assert!(!message.contains("did you mean"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_files_that_it_takes() {
    let office = Office::new().await;
    let tenantry = |args: &[&str]| {
        let output = command(&office, args).stdout(Stdio::piped()).output();
        let output = output.expect("tenantry starts");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let unkept = ["tags", "external_id", "job_title", "street_address"];
    for job in tenantry_jobs::KINDS {
        let kind = job.kind();
        if ["set-seats", "set-subscriptions", "sync-customers"].contains(&kind) {
            continue;
        }
        let (code, sample) = tenantry(&["template", kind, "--sample"]);
        assert_eq!(code, Some(0), "{kind}");
        // The mark of letters beyond ASCII, for spreadsheets.
        let header = sample.trim_start_matches('\u{feff}').lines().next().expect("a header");
        assert_eq!(tenantry(&["template", kind]).1.trim(), header, "{kind}");
        if kind != "export-customers" {
            let has = header.split(',').find(|column| unkept.contains(column));
            assert_eq!(has, None, "{kind}");
        }
        assert!(kind == "add-customer" || !sample.contains("CRM-"), "{kind}: {sample}");
        office.place.write(&format!("{kind}.csv"), sample);
    }
    let run = ["run", "add-customer", "add-customer.csv", "--no-passwords"];
    let (code, told) = tenantry(&run);
    assert_eq!(code, Some(0), "{told}");
    let run = ["run", "update-account", "update-account.csv"];
    let (code, told) = tenantry(&run);
    assert_eq!(code, Some(0), "{told}");
    // Nobody has sold it licences, and it knows fewer roles; what is not about them is right.
    let (code, told) = tenantry(&["plan", "bulk-add-users", "bulk-add-users.csv", "--json"]);
    assert_eq!(code, Some(1), "{told}");
    let plan: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let codes = plan["error_codes"]
        .as_object()
        .expect("codes")
        .keys()
        .collect::<Vec<_>>();
    assert_eq!(codes, ["unknown-role", "unknown-sku"], "{told}");
}
