//! A row has one fate, and everything that a plan shows says the same of it: a row that repeats another is rejected in the
//! list, in the counts, in the plan's file and in what is to be approved.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::place::{Place, read};

const USERS: &str = "\
customer,user_principal_name,display_name
A-1,ida@alpha.onmicrosoft.com,Ida Ek
A-1,IDA@alpha.onmicrosoft.com,Ida Two
A-9,kim@alpha.onmicrosoft.com,Kim Ek
alpha.onmicrosoft.com, ida@Alpha.onmicrosoft.com ,Ida Three
A-1,bo@alpha.onmicrosoft.com,Bo Ek
";

async fn with_users() -> Place {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let run = ["run", "bulk-add-users", "users.csv", "--skip-invalid", "--no-passwords"];
    place.tenantry(&run).ends(1);
    place
}

fn fates(plan: &Value) -> Vec<Value> {
    let rows = plan["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| json!([row["line"], row["action"], row["subject"]["key"]]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_repeats_another_is_nowhere_called_created() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    let plan = ["plan", "bulk-add-users", "users.csv"];
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    assert_eq!(
        fates(&told),
        [
            json!([2, "create", "ida@alpha.onmicrosoft.com"]),
            json!([3, "reject", "IDA@alpha.onmicrosoft.com"]),
            json!([4, "reject", "kim@alpha.onmicrosoft.com"]),
            json!([5, "reject", "ida@Alpha.onmicrosoft.com"]),
            json!([6, "create", "bo@alpha.onmicrosoft.com"]),
        ]
    );
    assert_eq!(
        told["totals"],
        json!({"create": 2, "change": 0, "unchanged": 0, "reject": 3, "rows": 5})
    );
    for all in [&[][..], &["--all"]] {
        let text = place.tenantry(&[&plan[..], all].concat()).ends(1).out;
        assert_eq!(text.matches(": create ").count(), 2, "{text}");
        assert!(text.starts_with("line 2: create ida@"), "{text}");
        assert!(text.contains("\nline 6: create bo@"), "{text}");
        assert!(!text.contains("more row"), "{text}");
    }
    // The plan's file says the same, and is carried out as it says.
    let keep = [&plan[..], &["--skip-invalid", "--out", "users.plan"]].concat();
    place.tenantry(&keep).ends(1);
    let kept: Value = serde_json::from_str(&read(place.path("users.plan"))).expect("a plan");
    let rejected: Vec<_> = fates(&kept).iter().map(|row| row[1].clone()).collect();
    assert_eq!(rejected, ["reject"; 3]);
    let applied = place
        .tenantry(&["apply", "users.plan", "--no-passwords", "--json"])
        .ends(1)
        .json();
    assert_eq!(
        (&applied["counts"]["applied"], &applied["counts"]["rejected"]),
        (&json!(2), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_changes_count_neither_as_destructive_nor_as_users_touched() {
    let place = with_users().await;
    place.write(
        "leavers.csv",
        "customer,user_principal_name\nA-1,nobody@alpha.onmicrosoft.com\nA-1,ida@alpha.onmicrosoft.com\nA-1,Ida@alpha.onmicrosoft.com\n\
         alpha.onmicrosoft.com,IDA@alpha.onmicrosoft.com\n",
    );
    let plan = ["plan", "delete-users", "leavers.csv", "--skip-invalid"];
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let actions: Vec<_> = fates(&told).iter().map(|row| row[1].clone()).collect();
    assert_eq!(actions, ["reject", "change", "reject", "reject"]);
    assert_eq!(told["destructive"], 1);
    assert_eq!(
        (&told["users"][0]["touched"], &told["users"][0]["users"]),
        (&json!(1), &json!(2))
    );
    assert!(told["rows"][2]["changes"].is_null(), "{told}");
    let text = place.tenantry(&[&plan[..], &["--all"]].concat()).ends(1).out;
    assert_eq!(text.matches("(destructive)").count(), 1, "{text}");
    assert!(text.contains("destructive rows: 1\n"), "{text}");
    // What is kept of a plan from a file for approval is the same plan.
    place
        .tenantry(&[&plan[..], &["--out", "leavers.plan"]].concat())
        .ends(1);
    let parked = place.tenantry(&["apply", "leavers.plan", "--json"]).json();
    let job = parked["job"].as_str().expect("a job");
    let kept = place.tenantry(&["plan", job, "--json"]).ends(0).json();
    assert_eq!(kept["plan_hash"], told["hash"]);
    let actions: Vec<_> = fates(&kept).iter().map(|row| row[1].clone()).collect();
    assert_eq!(actions, ["reject", "change", "reject", "reject"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_in_a_file_cannot_call_a_row_repeated_that_is_none() {
    let place = with_users().await;
    place.write(
        "leavers.csv",
        "customer,user_principal_name\nA-1,ida@alpha.onmicrosoft.com\nA-1,IDA@alpha.onmicrosoft.com\n",
    );
    place
        .tenantry(&[
            "plan",
            "delete-users",
            "leavers.csv",
            "--skip-invalid",
            "--out",
            "leavers.plan",
        ])
        .ends(1);
    let plan = read(place.path("leavers.plan"));
    let state = plan
        .split("\"expected\":\"")
        .nth(1)
        .and_then(|rest| rest.get(..32))
        .expect("a state");
    // The hash would be the same.
    let first = plan
        .lines()
        .find(|line| line.contains("\"row\":1"))
        .expect("the first row");
    let hidden = format!("{{\"row\":1,\"line\":2,\"action\":\"reject\",\"repeats\":true,\"expected\":\"{state}\"}},");
    place.write("leavers.plan", plan.replace(first, &hidden));
    let refused = place.tenantry(&["apply", "leavers.plan"]).ends(2);
    assert!(
        refused.err.contains("line 2: the row is said to repeat another"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_rows_are_a_number_and_repeats_make_room() {
    let place = with_users().await;
    let mut file = "customer,user_principal_name,display_name\nA-1,bo@alpha.onmicrosoft.com,Bo Ek\n".to_owned();
    for n in 0..30 {
        let user = n / 2;
        writeln!(file, "A-1,u{user}@alpha.onmicrosoft.com,User {user}").expect("a string");
    }
    place.write("more.csv", file);
    let plan = ["plan", "bulk-add-users", "more.csv", "--skip-invalid"];
    let text = place.tenantry(&plan).ends(1).out;
    assert_eq!(text.matches(": create ").count(), 15, "{text}");
    assert!(!text.contains("line 2: unchanged"), "{text}");
    assert!(text.contains("… and 1 unchanged row; --all shows them"), "{text}");
    assert!(!text.contains("more row;"), "{text}");
    let text = place.tenantry(&[&plan[..], &["--all"]].concat()).ends(1).out;
    assert!(text.contains("line 2: unchanged bo@"), "{text}");
    assert!(!text.contains("--all shows them"), "{text}");
}
