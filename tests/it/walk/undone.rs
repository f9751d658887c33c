//! What `show` says of taking a job back is the outcome of taking it back.

use serde_json::Value;
use tenantry_ledger::Job;

use super::{sample, undo};
use crate::place::{On, Place, Run, apply, of_this_store, on_both};

/// What is said of taking a job back; empty for nothing.
fn said(place: &Place, job: &Job) -> String {
    let told = place.tenantry(&["show", &job.id.to_string(), "--json"]).ends(0).json();
    told["undo"].as_str().unwrap_or_default().to_owned()
}

/// What would become of the rows of a job that is taken back; `None` where it cannot be.
fn planned(place: &Place, job: &Job) -> Option<Vec<String>> {
    let plan = place
        .tenantry(&["undo", &job.id.to_string(), "--plan", "--json"])
        .json();
    let rows = plan["rows"].as_array().cloned();
    assert_eq!(rows.is_none(), plan["error"].is_string(), "{plan:#}");
    let action = |row: Value| row["action"].as_str().expect("an action").to_owned();
    rows.map(|rows| rows.into_iter().map(action).collect())
}

const TRANSFER: &str = "0b62aff1-f0a3-417a-aa8f-f4e9e1482dc5";
const PARTNER: &str = "047e2168-6e50-4ddc-ace8-8f9bcedc842f";

fn switch(direction: &str, action: &str) -> String {
    format!(
        "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow,action\n\
         CRM-1001,{TRANSFER},{direction},{PARTNER},Matterhorn,ada@alpha.example,new-commerce,{action}\n"
    )
}

on_both! {
    async fn show_agrees_with_the_plan_of_the_undo_for_every_kind(place: Place) {
        let ledger = place.ledger().await;
        for kind in of_this_store() {
            let job = apply(&ledger, kind.kind(), kind.sample()).await;
            let (said, planned) = (said(&place, &job), planned(&place, &job));
            let Some(rows) = planned.filter(|_| job.state.is_final()) else {
                assert_eq!(said, "", "{}", kind.kind());
                continue;
            };
            let goes = rows.iter().any(|action| action == "undo");
            assert_eq!(!said.is_empty() && !said.starts_with("not possible: "), goes, "{}: {said}, {rows:?}", kind.kind());
        }
    }

    async fn decided_transfers_cannot_be_undone(place: Place) {
        let ledger = place.ledger().await;
        for kind in ["add-customer", "set-subscriptions"] {
            apply(&ledger, kind, sample(kind)).await;
        }
        for (direction, action, answer) in [("in", "request", "accepted"), ("out", "reject", ""), ("out", "accept", "")] {
            if action != "request" {
                let requested = [
                    "transfer", "requested", "f5057fee-4c3e-4459-82dd-21250b729601", "--customer", "CRM-1001", "--flow", "new-commerce", "--partner", PARTNER,
                ];
                place.tenantry(&requested).ends(0);
            }
            let rows = match action {
                "request" => switch(direction, action),
                _ => switch(direction, action).replace(TRANSFER, "f5057fee-4c3e-4459-82dd-21250b729601"),
            };
            let mut job = apply(&ledger, "switch-subscription", &rows).await;
            if !answer.is_empty() {
                assert_eq!(said(&place, &job), "", "it is not over");
                place.tenantry(&["transfer", answer, TRANSFER]).ends(0);
                job = crate::place::Work::on(&ledger, &job).until_idle().await;
            }
            assert_eq!(job.counts.applied, 1, "{action}");
            assert_eq!(planned(&place, &job).expect("a plan"), ["irreversible"], "{action}");
            let said = said(&place, &job);
            assert!(said.starts_with("not possible: "), "{action}: {said}");
        }
    }

    async fn a_job_says_how_much_was_taken_back_and_how_much_is_left(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", sample("add-customer")).await;
        let rows = "customer,phone\nCRM-1001,+41 44 668 18 00\nCRM-1003,+1 206 555 0100\n";
        let (partly, wholly) = (apply(&ledger, "update-account", rows).await, "customer,city\nCRM-1002,Oslo\n");
        apply(&ledger, "update-account", "customer,phone\nCRM-1003,+1 206 555 0199\n").await;
        let wholly = apply(&ledger, "update-account", wholly).await;
        assert_eq!(said(&place, &partly), "as long as nobody else changes the same fields");
        let submit = ["undo", &wholly.id.to_string(), "--submit", "--json"];
        let waiting = place.tenantry(&submit).ends(0).json()["job"].as_str().expect("an id").to_owned();
        let is_to = format!("job {waiting} is to take it back, and is queued");
        assert!(said(&place, &wholly).starts_with(&is_to), "{}", said(&place, &wholly));
        place.tenantry(&["apply", &waiting]).ends(0);
        assert_eq!(said(&place, &wholly), format!("job {waiting} took it back"));
        let undone = undo(&ledger, &partly).await;
        assert_eq!((undone.counts.applied, undone.counts.rejected), (1, 1));
        let left = format!(
            "1 of its 2 applied rows are taken back, the last time by job {}; as long as nobody else changes the same fields",
            undone.id
        );
        assert_eq!(said(&place, &partly), left);
        // What was done again can be taken back again.
        let back = undo(&ledger, &ledger.job(waiting.parse().expect("an id")).await.expect("asked").expect("there")).await;
        assert_eq!(back.counts.applied, 1);
        assert!(said(&place, &wholly).ends_with("; as long as nobody else changes the same fields"), "{}", said(&place, &wholly));
        // Nothing is taken back without the rows, whatever a kind allows.
        let kinds = ["bulk-add-users", "delete-users"];
        let jobs = [apply(&ledger, kinds[0], "customer,user_principal_name\nCRM-1001,x@alpenblickhotels.onmicrosoft.com\n").await,
            apply(&ledger, kinds[1], "customer,user_principal_name\nCRM-1001,x@alpenblickhotels.onmicrosoft.com\n").await];
        assert!(said(&place, &jobs[1]).contains("after which the users are gone for good"));
        while ledger.prune_spool(-1000).await.expect("pruned").is_more {}
        for job in &jobs {
            let said = said(&place, job);
            assert!(said.starts_with("not possible any more: ") && said.contains("`spool.retention`"), "{said}");
            let refused: Run = place.tenantry(&["undo", &job.id.to_string(), "--plan"]).ends(2);
            assert!(refused.err.contains("no longer kept"), "{refused:?}");
        }
        assert!(said(&place, &wholly).contains("; not possible any more: "), "{}", said(&place, &wholly));
    }
}
