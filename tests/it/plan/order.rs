//! What cannot easily be put right again comes first wherever a plan is read by people, and is marked where programs read it:
//! in plans, plans of jobs, those made from a plan in a file, and undos.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::place::{Place, read};

/// More than a plan shows without being asked for all.
const MANY: usize = 25;
/// Those of them that are renamed after they were made.
const RENAMED: usize = 23;

/// Customer and users; the job that made the users.
async fn with_users() -> (Place, String) {
    let place = Place::with_customer().await;
    let mut users = "customer,user_principal_name\n".to_owned();
    for user in 1..=MANY {
        writeln!(users, "A-1,u{user}@alpha.onmicrosoft.com").expect("text");
    }
    place.write("users.csv", users);
    let run = ["run", "bulk-add-users", "users.csv", "--no-passwords", "--json"];
    let made = place.tenantry(&run).ends(0).json();
    (place, made["job"].as_str().expect("a job").to_owned())
}

/// The rows that a text tells of, each with whether it is destructive.
fn order(text: &str, word: &str) -> Vec<(usize, bool)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix(word));
    rows.map(|row| {
        let number = row.split([':', ' ']).next().and_then(|number| number.parse().ok());
        (number.expect("a number"), row.contains("(destructive)"))
    })
    .collect()
}

/// The rows of a document in the order of the file.
fn marks(document: &Value) -> Vec<Value> {
    let rows = document["rows"].as_array().expect("rows");
    rows.iter().map(|row| json!([row["row"], row["destructive"]])).collect()
}

/// Carried out without being approved.
fn done(place: &Place, command: &[&str]) {
    place.needs_no_approval();
    place.tenantry(command).ends(0);
    place.tenantry(&["policy", "reset", "approval.required"]).ends(0);
}

fn submitted(place: &Place, command: &[&str]) -> String {
    let job = place.tenantry(&[command, &["--json"]].concat()).json();
    job["job"].as_str().expect("a job").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn destructive_rows_come_first_in_plans_and_in_plans_of_jobs() {
    let (place, _) = with_users().await;
    place.write(
        "gone.csv",
        "customer,user_principal_name\nA-1,u2@alpha.onmicrosoft.com\nA-1,u4@alpha.onmicrosoft.com\n",
    );
    done(&place, &["run", "delete-users", "gone.csv"]);
    let rows = [1, 2, 3, 4, 1].map(|user| format!("A-1,u{user}@alpha.onmicrosoft.com\n"));
    place.write(
        "leavers.csv",
        format!("customer,user_principal_name\n{}", rows.concat()),
    );
    let plan = ["plan", "delete-users", "leavers.csv", "--skip-invalid"];
    let text = place.tenantry(&[&plan[..], &["--all"]].concat()).ends(1).out;
    assert_eq!(
        order(&text, "line "),
        [(2, true), (4, true), (3, false), (5, false)],
        "{text}"
    );
    let text = place
        .tenantry(&[&plan[..], &["--out", "leavers.plan"]].concat())
        .ends(1)
        .out;
    assert_eq!(order(&text, "line "), [(2, true), (4, true)], "{text}");
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let in_file_order = [json!([1, true]), json!([2, false]), json!([3, true]), json!([4, false])];
    assert_eq!(marks(&told)[..4], in_file_order);
    let kept: Value = serde_json::from_str(&read(place.path("leavers.plan"))).expect("a plan");
    assert_eq!(marks(&kept)[..4], in_file_order);

    let submit = submitted(&place, &["submit", "delete-users", "leavers.csv", "--skip-invalid"]);
    let of_job = place.tenantry(&["plan", &submit, "--json"]).ends(0).json();
    place.tenantry(&["cancel", &submit]).ends(0);
    // A plan that says otherwise is refused; in one that does not say it, it is seen anew.
    let edited = read(place.path("leavers.plan")).replace("\"destructive\":true", "\"destructive\":false");
    place.write("edited.plan", edited.replace("\"destructive\":2", "\"destructive\":0"));
    let without = read(place.path("leavers.plan")).replace("\"destructive\":true,", "");
    place.write("earlier.plan", without.replace("\"destructive\":false,", ""));
    let refused = place.tenantry(&["apply", "edited.plan"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(
        refused.err.contains("row 1: `destructive` of the plan"),
        "{}",
        refused.err
    );
    for file in ["leavers.plan", "earlier.plan"] {
        let job = submitted(&place, &["apply", file]);
        let text = place.tenantry(&["plan", &job, "--all"]).ends(0).out;
        let expected = [(1, true), (3, true), (2, false), (4, false), (5, false)];
        assert_eq!(order(&text, "row "), expected, "{file}: {text}");
        let text = place.tenantry(&["plan", &job]).ends(0).out;
        assert_eq!(
            order(&text, "row "),
            [(1, true), (3, true), (5, false)],
            "{file}: {text}"
        );
        let told = place.tenantry(&["plan", &job, "--json"]).ends(0).json();
        assert_eq!(
            (&told["rows"], &told["plan_hash"]),
            (&of_job["rows"], &of_job["plan_hash"]),
            "{file}"
        );
        place.tenantry(&["cancel", &job]).ends(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_create_something_destructive_are_marked_in_plans_in_files() {
    let place = Place::with_customer().await;
    let held = "5839f99d-9f93-4b39-adb8-0b4d3a5b4c01";
    place.write(
        "held.csv",
        format!(
            "customer,subscription_id,product,product_type,quantity\nA-1,{held},Microsoft 365 E3,legacy-license,5\n"
        ),
    );
    place.tenantry(&["run", "set-subscriptions", "held.csv"]).ends(0);
    let request = format!(
        "customer,subscription_id,direction,partner_tenant_id,partner_name,customer_email,flow\n\
         A-1,{held},out,9a4d2f0e-0b51-4a7c-8f3a-5d2f1f0a7b11,Other,ada@alpha.example,direct-to-indirect\n"
    );
    place.write("leaves.csv", request);
    let plan = ["plan", "switch-subscription", "leaves.csv", "--out", "leaves.plan"];
    place.tenantry(&plan).ends(0);
    let kept = read(place.path("leaves.plan"));
    let lines: Vec<&str> = kept.lines().collect();
    assert!(
        lines[1].contains("\"action\":\"create\"") && lines[1].contains("\"destructive\":true"),
        "{kept}"
    );
    place.write("unsaid.plan", [lines[0], lines[2]].join("\n"));
    let refused = place.tenantry(&["apply", "unsaid.plan"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(
        refused.err.contains("row 1: `destructive` of the plan"),
        "{}",
        refused.err
    );
    let job = submitted(&place, &["apply", "leaves.plan"]);
    let text = place.tenantry(&["plan", &job]).ends(0).out;
    assert_eq!(order(&text, "row "), [(1, true)], "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn undos_list_deletions_first() {
    let (place, made) = with_users().await;
    let mut edits = "customer,user_principal_name,display_name\n".to_owned();
    for user in 1..=RENAMED {
        writeln!(edits, "A-1,u{user}@alpha.onmicrosoft.com,Renamed").expect("text");
    }
    place.write("edits.csv", edits);
    done(&place, &["run", "update-users", "edits.csv"]);
    let first: Vec<_> = (RENAMED + 1..=MANY).map(|row| (row, true)).collect();
    let others: Vec<_> = (1..=RENAMED).map(|row| (row, false)).collect();
    let all = [&first[..], &others].concat();
    let brief = [&first[..], &others[..20]].concat();

    let plan = ["undo", &made, "--plan"];
    let text = place.tenantry(&plan).ends(1).out;
    assert_eq!(order(&text, "row "), brief, "{text}");
    assert!(text.contains("… and 3 more rows; --all shows them"), "{text}");
    let text = place.tenantry(&[&plan[..], &["--all"]].concat()).ends(1).out;
    assert_eq!(order(&text, "row "), all, "{text}");
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let expected: Vec<_> = (1..=MANY).map(|row| json!([row, row > RENAMED])).collect();
    assert_eq!(marks(&told), expected);

    let job = submitted(&place, &["undo", &made, "--submit"]);
    let text = place.tenantry(&["plan", &job]).ends(0).out;
    assert_eq!(order(&text, "row "), brief, "{text}");
    let text = place.tenantry(&["plan", &job, "--all"]).ends(0).out;
    assert_eq!(order(&text, "row "), all, "{text}");
    let told = place.tenantry(&["plan", &job, "--json"]).ends(0).json();
    assert_eq!(marks(&told), expected);
    // Who is to approve it is told why rows stay as they are.
    let why = told["rows"][0]["why"].as_str().expect("a reason");
    assert!(
        why.contains("has changed it since") && text.contains(why),
        "{why}: {text}"
    );
}
