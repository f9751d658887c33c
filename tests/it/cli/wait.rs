//! `tenantry wait`: how it ends says how the jobs have ended.

use crate::place::Place;

use super::{GOOD, MIXED};

fn submitted(place: &Place, file: &str, text: &str, more: &[&str]) -> String {
    place.write(file, text);
    let args = [&["submit", "bulk-add-users", file, "--no-passwords"], more].concat();
    place.tenantry(&args).ends(0).out.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_end_of_the_jobs_is_its_own() {
    let place = Place::with_customer().await;
    let good = submitted(&place, "good.csv", GOOD, &[]);
    let mixed = submitted(&place, "mixed.csv", MIXED, &["--skip-invalid"]);
    // Nobody works on them yet.
    let late = place.tenantry(&["wait", &good, "--timeout", "1s"]).ends(2);
    assert!(late.err.contains("no longer waiting"), "{}", late.err);
    place.tenantry(&["worker", "--drain"]).ends(0);
    place.tenantry(&["wait", &good]).ends(0);
    let both = place.tenantry(&["wait", &good, &mixed, "--json"]).ends(1);
    let states: Vec<serde_json::Value> = both
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["state"].clone())
        .collect();
    assert_eq!(states, ["completed", "completed"]);
    let unknown = place.tenantry(&["wait", &good, "ffffffff"]).ends(2);
    assert!(unknown.err.contains("ffffffff"), "{}", unknown.err);
    let malformed = place.tenantry(&["wait", &good, "--timeout", "soon"]).ends(2);
    assert!(malformed.err.contains("30s"), "{}", malformed.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_needs_a_decision_is_waited_for_no_longer() {
    let place = Place::with_customer().await;
    place.write("users.csv", GOOD);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    place.write(
        "leavers.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    let job = place.tenantry(&["submit", "delete-users", "leavers.csv"]).ends(0);
    let waited = place.tenantry(&["wait", job.out.trim()]).ends(2);
    assert!(waited.out.contains("awaiting-approval"), "{}", waited.out);
}
