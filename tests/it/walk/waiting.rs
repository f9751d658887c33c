//! Rows that wait for another partner, as the command line shows them and goes on with them.

use serde_json::Value;

use crate::counterpart::{self, Answer};
use crate::place::{On, Place, Run, on_both, tables};

const SUBSCRIPTION: &str = "0b62aff1-f0a3-417a-aa8f-f4e9e1482dc5";

fn unapproved(place: &Place, args: &[&str]) -> Run {
    place.needs_no_approval();
    place.tenantry(args)
}

/// A place with a job whose one row waits; the job's id.
async fn with_a_request() -> (Place, String) {
    let place = Place::with_customer().await;
    let id = asked(&place);
    (place, id)
}

/// Makes a customer of this place and a job whose one row waits; its id.
async fn asked_for(place: &Place) -> String {
    crate::place::apply(&place.ledger().await, "add-customer", crate::place::CUSTOMERS).await;
    asked(place)
}

fn asked(place: &Place) -> String {
    let rows = format!(
        "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow\n\
         A-1,{SUBSCRIPTION},in,047e2168-6e50-4ddc-ace8-8f9bcedc842f,Matterhorn Cloud,ada@alpha.example,new-commerce\n"
    );
    place.write("switch.csv", rows);
    let asked = unapproved(place, &["run", "switch-subscription", "switch.csv", "--json"]).ends(2);
    asked.json()["job"].as_str().expect("an id").to_owned()
}

async fn answered(place: &Place, answer: Answer) {
    let ledger = place.ledger().await;
    let now = ledger.clock().now_millis();
    let answered = ledger
        .db()
        .write(move |tx| counterpart::answer(tx, SUBSCRIPTION, answer, now));
    assert_eq!(answered.await.expect("answered"), 1);
}

async fn due(place: &Place) {
    tables::make_due(&place.ledger().await).await;
}

fn shown(place: &Place, id: &str) -> Value {
    place.tenantry(&["show", id, "--json"]).ends(0).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn are_looked_at_by_apply_when_they_are_due() {
    let (place, id) = with_a_request().await;
    answered(&place, Answer::Accept).await;
    // Another look is not due, and it is said when it is.
    let early = place.tenantry(&["apply", &id]).ends(2);
    assert!(early.out.contains("1 waiting"), "{}", early.out);
    assert!(early.out.contains("waits     pending: "), "{}", early.out);
    assert!(early.out.contains(&format!("`tenantry apply {id}`")), "{}", early.out);
    let before = shown(&place, &id);
    assert!(
        before["next_look"].is_string() && before["waits_for"].is_string(),
        "{before}"
    );
    due(&place).await;
    let late = place.tenantry(&["apply", &id]).ends(0);
    assert!(late.out.contains("1 applied of 1\n"), "{}", late.out);
    let after = shown(&place, &id);
    assert_eq!(after["state"], "completed");
    assert_eq!(
        (&after["waiting"], &after["next_look"]),
        (&0.into(), &Value::Null),
        "{after}"
    );
    let rows = (&after["waits_for"], &after["counts"]["applied"]);
    assert_eq!(rows, (&Value::Null, &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn are_looked_at_as_often_as_apply_is_asked() {
    let (place, id) = with_a_request().await;
    due(&place).await;
    let looked = place.tenantry(&["apply", &id]).ends(2);
    assert!(looked.out.contains("1 waiting"), "{}", looked.out);
    let next = shown(&place, &id)["next_look"].as_str().expect("a time").to_owned();
    assert!(!next.starts_with("1970"), "{next}");
    answered(&place, Answer::Decline).await;
    due(&place).await;
    let late = place.tenantry(&["apply", &id]).ends(1);
    assert!(late.out.contains("1 rejected of 1\n"), "{}", late.out);
}

/// What is recorded of what somebody did, newest first.
fn audited(place: &Place) -> Vec<(String, String)> {
    let audit = place.tenantry(&["audit", "--json"]).ends(0).out;
    let records = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |record: &Value, field: &str| record[field].as_str().unwrap_or_default().to_owned();
    records.map(|one| (text(&one, "action"), text(&one, "note"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn end_as_the_other_partner_is_said_to_have_answered() {
    for (answer, code, counts) in [("accepted", 0, "1 applied of 1"), ("declined", 1, "1 rejected of 1")] {
        let (place, id) = with_a_request().await;
        let recorded = place
            .tenantry(&["transfer", answer, SUBSCRIPTION, "--by", "ada"])
            .ends(0);
        assert!(
            recorded.out.contains(&format!("tenantry apply {id}")),
            "{}",
            recorded.out
        );
        let note = audited(&place).into_iter().find(|(action, _)| action == "recorded");
        let note = note.expect("it is recorded").1;
        assert!(
            note.contains("Matterhorn Cloud") && note.contains(SUBSCRIPTION),
            "{note}"
        );
        // It is due at once.
        let ended = place.tenantry(&["apply", &id]).ends(code);
        assert!(ended.out.contains(counts), "{answer}: {}", ended.out);
        let again = place.tenantry(&["transfer", answer, SUBSCRIPTION]).ends(2);
        assert!(again.err.contains("nothing was recorded"), "{}", again.err);
        let subscriptions = place.tenantry(&["subscriptions", "--json"]).ends(0).out;
        assert_eq!(
            subscriptions.contains(SUBSCRIPTION),
            answer == "accepted",
            "{subscriptions}"
        );
        place.tenantry(&["audit", "verify"]).ends(0);
    }
}

/// The direction in which the other partner asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_the_other_partner_is_recorded_and_then_ours_to_answer() {
    for (action, status) in [("accept", "deleted"), ("reject", "active")] {
        let place = Place::with_customer().await;
        let held = format!(
            "customer,subscription_id,product,product_type,quantity,status\n\
             A-1,{SUBSCRIPTION},Azure plan,azure-plan,1,active\n"
        );
        place.write("held.csv", held);
        unapproved(&place, &["run", "set-subscriptions", "held.csv"]).ends(0);
        let partner = "047e2168-6e50-4ddc-ace8-8f9bcedc842f";
        let request = |customer: &str, flow: &str| {
            let of = [
                "transfer",
                "requested",
                SUBSCRIPTION,
                "--customer",
                customer,
                "--flow",
                flow,
            ];
            place.tenantry(&[&of[..], &["--partner", partner, "--partner-name", "Matterhorn Cloud"]].concat())
        };
        request("nobody", "azure-plan").ends(2);
        let wrong = request("A-1", "legacy-azure").ends(2);
        assert!(wrong.err.contains("nothing was recorded"), "{}", wrong.err);
        request("A-1", "azure-plan").ends(0);
        let twice = request("A-1", "azure-plan").ends(2);
        assert!(twice.err.contains("is part of a transfer"), "{}", twice.err);
        // Whose request it is nobody confuses, and a mistake is taken back.
        place.tenantry(&["transfer", "accepted", SUBSCRIPTION]).ends(2);
        place.tenantry(&["transfer", "withdrawn", SUBSCRIPTION]).ends(0);
        request("A-1", "azure-plan").ends(0);
        let rows = format!(
            "customer,subscription_id,direction,partner_tenant_id,flow,action\n\
             A-1,{SUBSCRIPTION},out,{partner},azure-plan,{action}\n"
        );
        place.write("answer.csv", rows);
        let ended = unapproved(&place, &["run", "switch-subscription", "answer.csv"]).ends(0);
        assert!(ended.out.contains("1 applied of 1"), "{}", ended.out);
        let is = "SELECT status FROM subscriptions";
        assert_eq!(crate::place::column(place.ledger().await.db(), is).await, [status]);
    }
}

/// Another job has withdrawn the request: nothing goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn are_not_said_to_go_on_after_they_were_withdrawn() {
    let (place, id) = with_a_request().await;
    let rows = format!(
        "customer,subscription_id,direction,partner_tenant_id,flow,action\n\
         A-1,{SUBSCRIPTION},in,047e2168-6e50-4ddc-ace8-8f9bcedc842f,new-commerce,cancel\n"
    );
    place.write("withdraw.csv", rows);
    unapproved(&place, &["run", "switch-subscription", "withdraw.csv"]).ends(0);
    place.tenantry(&["cancel", &id]).ends(0);
    let rows = place.tenantry(&["rows", &id]).ends(0).out;
    assert!(rows.contains("when it was last looked at: pending"), "{rows}");
    assert!(rows.contains("its request is cancelled by now"), "{rows}");
    assert!(!rows.contains("goes on"), "{rows}");
    assert_eq!(shown(&place, &id)["waiting"], 0);
}

fn requests(place: &Place) -> Vec<String> {
    let told = place.tenantry(&["doctor"]).out;
    let lines = told.lines().filter(|line| line.contains("transfers"));
    lines.map(str::to_owned).collect()
}

on_both! {
    /// Nobody would look at the request any more.
    async fn withdraw_their_request_when_the_job_is_cancelled(place: Place) {
        let id = asked_for(&place).await;
        place.tenantry(&["cancel", &id]).ends(0);
        let statuses = async || crate::place::column(place.ledger().await.db(), "SELECT status FROM transfers ORDER BY id").await;
        assert_eq!(statuses().await, ["cancelled"]);
        let rows = place.tenantry(&["rows", &id]).ends(0).out;
        assert!(rows.contains("its request was withdrawn with the job"), "{rows}");
        let audit = place.tenantry(&["audit", "--json"]).ends(0).out;
        assert!(audit.contains("withdrew 1 transfer request"), "{audit}");
        assert!(requests(&place).is_empty());
        // The other partner has nothing to answer, and what was cancelled can be asked for again.
        place.tenantry(&["transfer", "accepted", SUBSCRIPTION]).ends(2);
        let again = asked_for(&place).await;
        assert_ne!(again, id);
        assert_eq!((statuses().await, shown(&place, &again)["waiting"].clone()), (vec!["cancelled".to_owned(), "pending".to_owned()], 1.into()));
        place.tenantry(&["cancel", &again]).ends(0);
        place.tenantry(&["retry", &id]).ends(0);
        unapproved(&place, &["worker", "--drain"]);
        assert_eq!(statuses().await, ["cancelled", "cancelled", "pending"]);
    }

    /// As versions before this one have left them.
    async fn requests_of_a_cancelled_job_are_found_by_the_doctor(place: Place) {
        let id = asked_for(&place).await;
        assert!(requests(&place).is_empty(), "a row waits for it");
        let ledger = place.ledger().await;
        let job = ledger.job(id.parse().expect("an id")).await.expect("asked").expect("there");
        ledger.cancel(job.seq, &crate::place::by("tester")).await.expect("cancelled");
        let told = requests(&place);
        assert!(told.len() == 1 && told[0].contains(SUBSCRIPTION) && told[0].contains(&id), "{told:?}");
        let fixed = place.tenantry(&["doctor", "--repair"]).out;
        assert!(fixed.contains("withdrawn: 1"), "{fixed}");
        assert!(requests(&place).is_empty());
        assert_eq!(crate::place::column(ledger.db(), "SELECT status FROM transfers").await, ["cancelled"]);
        place.tenantry(&["audit", "verify"]).ends(0);
    }
}
