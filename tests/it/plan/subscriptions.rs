//! The list of subscriptions, ours and Partner Center's, edited and handed in to the kinds that have a use for it.

use serde_json::{Value, json};
use tenantry_jobs::{ExportOf, default_export_columns};

use super::lists::{list, without};
use crate::place::{On, Place, apply, read};

/// Customers and subscriptions of the samples.
async fn filled() -> Place {
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    for kind in ["add-customer", "set-subscriptions"] {
        apply(&ledger, kind, tenantry_jobs::find(kind).expect("a kind").sample()).await;
    }
    ledger.close().await;
    place
}

fn plan(place: &Place, kind: &str, more: &[&str]) -> Value {
    place
        .tenantry(&[&["plan", kind, "edited.csv", "--json"], more].concat())
        .json()
}

/// Line, field, old and new of everything that would be changed.
fn changes(plan: &Value) -> Vec<Value> {
    let rows = plan["rows"].as_array().expect("rows").iter();
    rows.flat_map(|row| {
        let changes = row["changes"].as_array().cloned().unwrap_or_default();
        let line = row["line"].clone();
        changes
            .into_iter()
            .map(move |change| json!([line, change["field"], change["old"], change["new"]]))
    })
    .collect()
}

fn default_titles() -> Vec<&'static str> {
    let defaults = default_export_columns(ExportOf::Subscriptions);
    defaults.iter().map(|column| column.title).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_subscriptions_changes_edited_cells_only() {
    let place = filled().await;
    let listed = list(&place, ExportOf::Subscriptions);
    let at = |title: &str| listed[0].iter().position(|one| one == title).expect("the column");
    let rows = listed.len() as u64 - 1;
    let others: Vec<&str> = listed[0]
        .iter()
        .map(String::as_str)
        .filter(|title| !default_titles().contains(title))
        .collect();
    let left_out: [&[&str]; 7] = [
        &[],
        &others,
        &["Microsoft ID"],
        &["Status", "Quantity"],
        &["Subscription", "Product type", "Reseller"],
        &["Auto-renew", "Term ends", "Cancellable until"],
        &["Primary domain name", "External ID", "Company name"],
    ];
    for titles in left_out {
        place.write("edited.csv", without(&listed, titles));
        for kind in ["set-subscriptions", "suspend-subscription"] {
            if kind == "suspend-subscription" && titles.contains(&"Status") {
                let refused = place.tenantry(&["plan", kind, "edited.csv"]).ends(2);
                let says = "a list says in `Status`, or in a column `action`, what should become of each";
                assert!(refused.all().contains(says), "{refused:#?}");
                continue;
            }
            let told = plan(&place, kind, &[]);
            assert_eq!(told["totals"]["unchanged"], rows, "{kind} without {titles:?}: {told:#}");
        }
    }

    let mut edited = listed.clone();
    let suspended = edited
        .iter()
        .position(|row| row[at("Status")] == "suspended")
        .expect("one");
    let active = edited
        .iter()
        .position(|row| row[at("Status")] == "active")
        .expect("one");
    let quantity = edited[active][at("Quantity")].clone();
    "77".clone_into(&mut edited[active][at("Quantity")]);
    place.write("edited.csv", without(&edited, &[]));
    let told = plan(&place, "set-subscriptions", &[]);
    assert_eq!(
        changes(&told),
        [json!([active + 1, "quantity", quantity, "77"])],
        "{told:#}"
    );
    // Another kind says that it does not read it.
    let told = plan(&place, "suspend-subscription", &[]);
    assert_eq!((changes(&told), &told["totals"]["unchanged"]), (vec![], &json!(rows)));
    let notes = told["notes"].to_string();
    assert!(
        notes.contains("not read, as `suspend-subscription` has no use for it: `Subscription`, `Quantity`, "),
        "{notes}"
    );
    "suspended".clone_into(&mut edited[active][at("Status")]);
    "active".clone_into(&mut edited[suspended][at("Status")]);
    place.write("edited.csv", without(&edited, &[]));
    let mut expected = [
        json!([active + 1, "status", "active", "suspended"]),
        json!([suspended + 1, "status", "suspended", "active"]),
    ];
    expected.sort_by_key(|change| change[0].as_u64());
    assert_eq!(changes(&plan(&place, "suspend-subscription", &[])), expected);
    // Who empties a cell says nothing of the subscription.
    let mut emptied = listed.clone();
    for row in &mut emptied[1..] {
        row[at("Status")].clear();
    }
    place.write("edited.csv", without(&emptied, &[]));
    for kind in ["set-subscriptions", "suspend-subscription"] {
        assert_eq!(plan(&place, kind, &[])["totals"]["unchanged"], rows, "{kind}");
    }
    // Nor does who adds a column and fills in some of it.
    let marked = |word: &'static str| {
        let mut marked = without(&listed, &[]).replacen("_note,", "action,", 1);
        marked = marked.replace("_note,", ",");
        let line = marked.lines().nth(active).expect("a row").to_owned();
        marked.replace(&line, &format!("{word}{line}"))
    };
    place.write("edited.csv", marked("suspend"));
    let told = plan(&place, "suspend-subscription", &[]);
    assert_eq!(
        changes(&told),
        [json!([active + 1, "status", "active", "suspended"])],
        "{told:#}"
    );
    place.write("edited.csv", marked(""));
    assert_eq!(plan(&place, "suspend-subscription", &[])["totals"]["unchanged"], rows);
    // A file of one's own is of those to suspend.
    let own = format!(
        "customer,subscription_id\n{},{}\n",
        listed[active][at("Microsoft ID")],
        listed[active][at("Subscription ID")]
    );
    place.write("edited.csv", own);
    assert_eq!(changes(&plan(&place, "suspend-subscription", &[])).len(), 1);
    // What cannot be asked for is refused, in words.
    "expired".clone_into(&mut edited[active][at("Status")]);
    place.write("edited.csv", without(&edited, &[]));
    let told = plan(&place, "suspend-subscription", &[]);
    let error = &told["errors"][0];
    assert_eq!(
        json!([error["line"], error["column"], error["code"]]),
        json!([active + 1, "action", "conflicting"])
    );
    // A column of the kind's own says it, and the list's is not read.
    let with_action = without(&listed, &[]).replacen("_note,", "action,", 1);
    let with_action = with_action.replace("_note,", "suspend,");
    place.write("edited.csv", with_action);
    let told = plan(&place, "suspend-subscription", &[]);
    assert!(told["notes"].to_string().contains("`Status`"), "{told:#}");
    assert!(changes(&told).len() > 5, "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partner_centers_own_list_needs_the_customer_and_nothing_else() {
    let place = filled().await;
    let listed = list(&place, ExportOf::Subscriptions);
    let at = |title: &str| listed[0].iter().position(|one| one == title).expect("the column");
    let of_one: Vec<Vec<String>> = listed
        .iter()
        .filter(|row| ["External ID", "CRM-1003"].contains(&row[at("External ID")].as_str()))
        .cloned()
        .collect();
    let titles = ["Subscription ID", "Subscription", "Quantity", "Status", "Reseller"];
    let others: Vec<&str> = listed[0]
        .iter()
        .map(String::as_str)
        .filter(|title| !titles.contains(title))
        .collect();
    place.write("edited.csv", without(&of_one, &others));
    for kind in ["set-subscriptions", "suspend-subscription"] {
        let told = plan(&place, kind, &["--customer", "CRM-1003"]);
        assert_eq!(told["totals"]["unchanged"], 4, "{kind}: {told:#}");
    }
    let refused = place.tenantry(&["plan", "set-subscriptions", "edited.csv"]).ends(2);
    assert!(refused.err.contains("--customer X"), "{}", refused.err);
    // What is new needs more than such a list has.
    let new = read(place.path("edited.csv")).replace("d01e13be", "d01e13bf");
    place.write("edited.csv", new);
    let told = plan(&place, "set-subscriptions", &["--customer", "CRM-1003"]);
    let error = &told["errors"][0];
    assert_eq!(
        json!([error["column"], error["code"]]),
        json!(["product_type", "required"]),
        "{told:#}"
    );
    // A slip is no list.
    place.write("edited.csv", "customer,subscription,action\nCRM-1003,x,\n");
    let refused = place.tenantry(&["plan", "suspend-subscription", "edited.csv"]).ends(2);
    assert!(
        refused.err.contains("did you mean `subscription_id`?"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_set_from_a_list_with_part_numbers() {
    let place = filled().await;
    let listed = list(&place, ExportOf::Subscriptions);
    let at = |title: &str| listed[0].iter().position(|one| one == title).expect("the column");
    let mut rows: Vec<Vec<String>> = listed
        .iter()
        .filter(|row| {
            ["Subscription", "Microsoft 365 Business Premium", "Microsoft 365 E3"]
                .contains(&row[at("Subscription")].as_str())
        })
        .cloned()
        .collect();
    assert_eq!(rows.len(), 3);
    place.write("edited.csv", without(&rows, &[]));
    let told = plan(&place, "set-seats", &[]);
    let errors = told["errors"].as_array().expect("errors").iter();
    let near: Vec<Value> = errors
        .map(|error| json!([error["column"], error["suggestion"]]))
        .collect();
    assert_eq!(near, [json!(["sku", "SPB"]), json!(["sku", "SPE_E3"])], "{told:#}");

    for row in &mut rows[1..] {
        let part_number = if row[at("Subscription")].ends_with("E3") {
            "SPE_E3"
        } else {
            "SPB"
        };
        part_number.clone_into(&mut row[at("Subscription")]);
    }
    place.write("edited.csv", without(&rows, &[]));
    place.tenantry(&["run", "set-seats", "edited.csv"]).ends(0);
    assert_eq!(plan(&place, "set-seats", &[])["totals"]["unchanged"], 2);
    let seats = rows[2][at("Quantity")].clone();
    "99".clone_into(&mut rows[2][at("Quantity")]);
    place.write("edited.csv", without(&rows, &["Status"]));
    let told = plan(&place, "set-seats", &[]);
    assert_eq!(changes(&told), [json!([3, "seats", seats, "99"])], "{told:#}");
}
