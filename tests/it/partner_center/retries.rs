//! Rows that were begun by one job, or at one look, and are gone on with by another.

use serde_json::json;
use tenantry::testing::submit::Submitted;
use tenantry_ledger::{Job, JobState, Parameters, RetryRefused};

use super::killed::{killed_while, recipient};
use super::kinds::with_users;
use super::{LEGACY, Office, USERS};
use crate::place::{TestJob, Work, by, outcomes};
use crate::sandbox::OTHER_PARTNER;

const SWITCH: &str = "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow,action\n";

async fn retried(office: &Office, job: &Job) -> Job {
    let retry = office
        .ledger
        .retry(job, &by("tester"), 60_000)
        .await
        .expect("asked")
        .queued();
    let retry = office.ledger.job(retry.expect("a retry")).await.expect("asked");
    office.finish(&retry.expect("there")).await
}

/// A job that is cancelled after its worker died, and is tried again by another one.
async fn cancelled_and_retried(office: &Office, job: &Job) -> Job {
    office.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
    let job = office.finish(job).await;
    assert_eq!(job.state.as_str(), "cancelled", "{}", job.kind);
    retried(office, &job).await
}

/// Makes users whose passwords are handed out.
async fn made_with_passwords(office: &Office, users: &str) -> Job {
    let parameters = Parameters {
        seal_to: vec![recipient(office)],
        ..Parameters::default()
    };
    let submitted = TestJob::new(&office.ledger, "bulk-add-users", users)
        .stores(&office.stores)
        .parameters(parameters)
        .chunks(100)
        .submit()
        .await;
    let Submitted::Queued(id) = submitted else {
        panic!("not queued")
    };
    let job = office.ledger.job(id).await.expect("asked").expect("there");
    Work::on(&office.ledger, &job).stores(&office.stores).until_idle().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_user_gets_a_password_from_the_retry() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 5).await;
    let forbidden = json!({ "operation": "update-licenses", "fault": "forbidden", "times": 2 });
    office.here.fault(&forbidden).await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,\n");
    let job = made_with_passwords(&office, &users).await;
    assert_eq!(job.state.as_str(), "paused");
    // What was answered once is not sent under the same id again: it would be answered the same.
    office
        .ledger
        .resume(&job, &by("tester"))
        .await
        .expect("asked")
        .done()
        .expect("resumed");
    let job = office.finish_or_pause(&job).await;
    assert_eq!(job.state.as_str(), "paused");
    let resets = office.here.effects("reset-user-password").await;
    office.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
    let job = office.finish(&job).await;
    let message = office.message(&job, 1).await;
    assert!(message.contains("steps done: 2, perhaps done: 1"), "{message}");
    let retry = retried(&office, &job).await;
    assert_eq!(retry.counts.applied, 1, "{:?}", outcomes(&office.ledger, &retry).await);
    assert_eq!(office.here.effects("create-user").await, 1);
    assert_eq!(office.here.effects("reset-user-password").await - resets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_waits_for_the_service_goes_on_with_the_password_it_handed_out() {
    let (office, [alpha, _]) = Office::with_customers().await;
    office.here.subscription(&alpha, 5).await;
    let busy = json!({ "operation": "update-licenses", "fault": "busy", "times": 3 });
    office.here.fault(&busy).await;
    let users = format!("{USERS}{alpha},one@alpha.onmicrosoft.com,One,Uno,GB,SPB,\n");
    let job = made_with_passwords(&office, &users).await;
    assert_eq!(job.waiting, 1, "{:?}", outcomes(&office.ledger, &job).await);
    let job = office.finish(&job).await;
    assert_eq!(job.counts.applied, 1, "{:?}", outcomes(&office.ledger, &job).await);
    assert_eq!(office.here.effects("update-licenses").await, 1);
    assert_eq!(office.here.effects("reset-user-password").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrecorded_password_is_set_anew_by_the_retry() {
    let (office, _) = with_users().await;
    let csv = "customer,user_principal_name\nalpha.onmicrosoft.com,one@alpha.onmicrosoft.com\n";
    let job = killed_while(&office, "before-commit@1", "reset-passwords", csv).await;
    let retry = cancelled_and_retried(&office, &job).await;
    assert_eq!(retry.counts.applied, 1, "{:?}", outcomes(&office.ledger, &retry).await);
    assert_eq!(office.here.effects("reset-user-password").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_a_retry_finds_done_can_be_taken_back() {
    let (office, alpha) = with_users().await;
    let user = |header: &str, rest: &str| {
        format!("customer,user_principal_name{header}\n{alpha},one@alpha.onmicrosoft.com{rest}\n")
    };
    for (kind, csv) in [
        ("update-account", format!("customer,city\n{alpha},Leeds\n")),
        ("assign-licenses", user(",remove", ",SPB")),
        ("delete-users", user("", "")),
    ] {
        let before = super::undo::state(&office, &alpha).await;
        let job = killed_while(&office, "after-answer@1", kind, &csv).await;
        let retry = cancelled_and_retried(&office, &job).await;
        assert_eq!(
            retry.counts.applied,
            1,
            "{kind}: {:?}",
            outcomes(&office.ledger, &retry).await
        );
        let undo = office.undo(&retry).await;
        assert_eq!(
            undo.counts.applied,
            1,
            "{kind}: {:?}",
            outcomes(&office.ledger, &undo).await
        );
        assert_eq!(super::undo::state(&office, &alpha).await, before, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_shared_a_transfer_share_it_in_the_retry() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let rows: String = [
        office.here.subscription(&alpha, 2).await,
        office.here.subscription(&alpha, 3).await,
    ]
    .iter()
    .map(|path| {
        let id = path.rsplit('/').next().expect("an id");
        format!("{alpha},{id},in,{OTHER_PARTNER},Other,it@alpha.example,new-commerce,\n")
    })
    .collect();
    let job = office.approved("switch-subscription", &format!("{SWITCH}{rows}")).await;
    let job = Work::on(&office.ledger, &job).stores(&office.stores).until_idle().await;
    assert_eq!(job.waiting, 2);
    office.ledger.cancel(job.seq, &by("tester")).await.expect("asked");
    let job = office.finish(&job).await;
    // The request stays, and each row says so.
    let message = office.message(&job, 2).await;
    assert!(
        message.contains("no worker looks at it any more; when it was last looked at: pending"),
        "{message}"
    );
    let retry = office
        .ledger
        .retry(&job, &by("tester"), 60_000)
        .await
        .expect("asked")
        .queued();
    let retry = office
        .ledger
        .job(retry.expect("a retry"))
        .await
        .expect("asked")
        .expect("there");
    assert_eq!(retry.state, JobState::AwaitingApproval);
    office.approve(&retry).await;
    let retry = Work::on(&office.ledger, &retry)
        .stores(&office.stores)
        .until_idle()
        .await;
    assert_eq!(outcomes(&office.ledger, &retry).await, []);
    assert_eq!(retry.waiting, 2);
    assert_eq!(office.here.effects("create-transfer").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_the_other_partner_forestalled_is_none() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    let path = office.here.subscription_to(LEGACY, &alpha, 5).await;
    let id = path.rsplit('/').next().expect("an id");
    let body = json!({ "targetPartnerTenantId": OTHER_PARTNER, "lineItems": [{ "subscriptionId": id }] });
    let transfers = format!("/v1/customers/{alpha}/transfers");
    let made = office.here.post(&transfers, &body).await.is(201).json();
    let csv = format!("{SWITCH}{alpha},{id},out,{OTHER_PARTNER},Other,it@alpha.example,direct-to-indirect,cancel\n");
    let job = killed_while(&office, "after-intent@1", "switch-subscription", &csv).await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let accepted = format!("{transfers}/{}/accept", made["id"].as_str().expect("an id"));
    office.here.post(&accepted, &json!({})).await.is(200);
    let job = office.finish(&job).await;
    assert_eq!(
        outcomes(&office.ledger, &job).await,
        [(1, "rejected".to_owned(), "refused".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_tried_again_by_one_job_at_a_time() {
    let (office, alpha) = with_users().await;
    let refused = json!({ "operation": "update-licenses", "fault": "no-delegation", "times": 1 });
    office.here.fault(&refused).await;
    let users = format!("{USERS}{alpha},six@alpha.onmicrosoft.com,Six,Sei,GB,SPB,\n");
    let job = office.apply("bulk-add-users", &users).await;
    assert_eq!(job.counts.failed, 1, "{:?}", outcomes(&office.ledger, &job).await);
    let ask = async || {
        office
            .ledger
            .retry(&job, &by("tester"), 60_000)
            .await
            .expect("asked")
            .queued()
    };
    let first = ask().await.expect("a retry");
    assert_eq!(ask().await, Ok(first));
    let retry = office.ledger.job(first).await.expect("asked").expect("there");
    assert_eq!(office.finish(&retry).await.counts.applied, 1);
    assert_eq!(ask().await, Err(RetryRefused::Retried(first.to_string())));
}

/// A request stands when its job is cancelled; the command says how it is withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_is_withdrawn_by_undo_and_only_where_its_store_is_configured() {
    let (mut office, [alpha, _]) = Office::with_customers().await;
    office.here.as_partner(Some(OTHER_PARTNER)).await;
    let path = office.here.subscription(&alpha, 2).await;
    let id = path.rsplit('/').next().expect("an id");
    let row = format!("{alpha},{id},in,{OTHER_PARTNER},Other,it@alpha.example,new-commerce,\n");
    let job = office.approved("switch-subscription", &format!("{SWITCH}{row}")).await;
    // Where the store is not configured, nothing is tried.
    let elsewhere = office.place.tenantry(&["apply", &job.id.to_string()]).ends(2).err;
    assert!(
        elsewhere.contains("`partner-center`, which is not configured here"),
        "{elsewhere}"
    );
    let job = Work::on(&office.ledger, &job).stores(&office.stores).until_idle().await;
    assert_eq!(job.waiting, 1);
    let cancelled = office.place.tenantry(&["cancel", &job.id.to_string()]).ends(0);
    let told = format!("tenantry undo {}", job.id);
    assert!(cancelled.err.contains(&told), "{cancelled:?}");
    assert!(cancelled.all().contains("requests of cancelled rows"), "{cancelled:?}");
    let job = office.finish(&job).await;
    let message = office.message(&job, 1).await;
    assert!(
        message.contains("`undo` takes it back, `retry` goes on with it"),
        "{message}"
    );
    let undo = office.undo(&job).await;
    assert_eq!(undo.counts.applied, 1, "{:?}", outcomes(&office.ledger, &undo).await);
}
