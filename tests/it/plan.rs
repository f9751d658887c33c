//! Planning: every fault of a file, however many, and rows that repeat each other.

mod approved;
mod characters;
mod customers;
mod directory;
mod encoding;
mod hash;
mod hidden;
mod lists;
mod once;
mod order;
mod products;
mod quotes;
mod round;
mod sheets;
mod short;
mod subjects;
mod subscriptions;
mod tampered;
mod titles;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::place::{On, Place};

fn errors(plan: &Value) -> Vec<Value> {
    let told = |error: &Value| json!([error["line"], error["column"], error["value"], error["code"]]);
    plan["errors"].as_array().expect("errors").iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_faults_than_fit_in_memory_are_all_told() {
    const ROWS: usize = 12_000;
    let place = Place::new(On::Sqlite).await;
    let mut file = "customer,user_principal_name\n".to_owned();
    for n in 0..ROWS {
        writeln!(file, "A-1,not a name {n}").expect("a string");
    }
    place.write("users.csv", file);
    let plan = ["plan", "bulk-add-users", "users.csv", "--offline"];
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let told = errors(&told);
    assert_eq!(told.len(), ROWS);
    for (n, error) in told.iter().enumerate() {
        let value = format!("not a name {n}");
        assert_eq!(error, &json!([n + 2, "user_principal_name", value, "invalid"]));
    }
    let text = place.tenantry(&plan).ends(1).out;
    assert_eq!(text.matches("users.csv:").count(), 20);
    assert!(text.contains("… and 11980 more; --all shows them"), "{text}");
    assert!(text.contains("12000 rows: 0 sound, 12000 to fix"), "{text}");
    let all = place.tenantry(&[&plan[..], &["--all"]].concat()).ends(1).out;
    assert_eq!(all.matches("users.csv:").count(), ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_row_is_told_with_its_value_and_counted_once() {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "user_principal_name,customer\n\
         a@alpha.onmicrosoft.com,A-1\n\
         b@alpha.onmicrosoft.com,A-9\n\
         A@alpha.onmicrosoft.com,alpha.onmicrosoft.com\n\
         b@alpha.onmicrosoft.com,A-1\n",
    );
    let plan = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(1)
        .json();
    // The second `b` is none: the first is not going to be there.
    assert_eq!(
        errors(&plan),
        [
            json!([3, "customer", "A-9", "unknown-customer"]),
            json!([4, "user_principal_name", "A@alpha.onmicrosoft.com", "duplicate-in-file"]),
        ]
    );
    assert_eq!(plan["errors"][1]["column_number"], 1);
    assert_eq!(
        plan["totals"],
        json!({"create": 2, "change": 0, "unchanged": 0, "reject": 2, "rows": 4})
    );
    let refused = place.tenantry(&["run", "bulk-add-users", "users.csv"]).ends(2);
    assert!(refused.out.contains("apply its 2 good rows"), "{}", refused.out);
    let run = ["run", "bulk-add-users", "users.csv", "--skip-invalid", "--json"];
    let run = place.tenantry(&run).ends(1).json();
    assert_eq!(
        (&run["counts"]["applied"], &run["counts"]["rejected"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_the_same_under_each_of_its_names() {
    let place = Place::with_customer().await;
    place.write(
        "patch.csv",
        "customer,city\nA-1,Leeds\na-1,York\nalpha.onmicrosoft.com,Bath\n",
    );
    let plan = ["plan", "update-account", "patch.csv", "--json"];
    let told = place.tenantry(&plan).ends(1).json();
    assert_eq!(
        errors(&told),
        [
            json!([3, "customer", "a-1", "duplicate-in-file"]),
            json!([4, "customer", "alpha.onmicrosoft.com", "duplicate-in-file"]),
        ]
    );
    // Without the store only the spelling tells.
    let told = place.tenantry(&[&plan[..], &["--offline"]].concat()).ends(1).json();
    assert_eq!(errors(&told), [json!([3, "customer", "a-1", "duplicate-in-file"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_run_out_in_the_order_of_the_file() {
    let place = Place::with_customer().await;
    place.write("seats.csv", "customer,sku,seats\nA-1,SPB,2\n");
    place.tenantry(&["run", "set-seats", "seats.csv"]).ends(0);
    let mut file = "customer,user_principal_name,usage_location,licenses\n".to_owned();
    for user in ["a", "b", "c", "d"] {
        writeln!(file, "A-1,{user}@alpha.onmicrosoft.com,GB,SPB").expect("a string");
    }
    place.write("users.csv", file);
    let plan = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(1)
        .json();
    assert_eq!(
        errors(&plan),
        [
            json!([4, "licenses", "SPB", "no-free-seats"]),
            json!([5, "licenses", "SPB", "no-free-seats"]),
        ]
    );
    assert_eq!(plan["totals"]["create"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_breaks_off_tells_its_other_faults_too() {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\nA-9,b@alpha.onmicrosoft.com\nA-1,\"never closed\n",
    );
    let told = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(2)
        .json();
    assert_eq!(
        errors(&told),
        [
            json!([3, "customer", "A-9", "unknown-customer"]),
            json!([4, "", "", "unclosed-quote"]),
        ]
    );
    assert_eq!((&told["sha256"], &told["totals"]["rows"]), (&Value::Null, &json!(2)));
    let run = ["run", "bulk-add-users", "users.csv"];
    for more in [&[][..], &["--skip-invalid"]] {
        let refused = place.tenantry(&[&run[..], more].concat()).ends(2).out;
        assert!(
            refused.contains("users.csv:4: character 5: the quoted cell"),
            "{refused}"
        );
        assert!(refused.contains("which cannot be read to its end"), "{refused}");
    }
    let jobs = place.tenantry(&["jobs", "--kind", "bulk-add-users", "--json"]).ends(0);
    assert_eq!(jobs.out, "", "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_told_of_by_place_and_code() {
    let place = Place::new(On::Sqlite).await;
    place.write(
        "users.csv",
        "\ncostumer,user_principal_name\nA-1,a@alpha.onmicrosoft.com\n",
    );
    let told = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--offline", "--json"])
        .ends(2)
        .json();
    assert_eq!(told["errors"][0]["line"], 2);
    assert_eq!(told["errors"][0]["code"], "unknown-column");
    assert_eq!(told["errors"][0]["suggestion"], "customer");
}
