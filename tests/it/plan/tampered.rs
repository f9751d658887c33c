//! Plans in files that are not what `plan --out` wrote: each is refused with a reason, and nothing is done.

use crate::place::{On, Place, apply, on_both};

/// A change, one that is so already, one of nobody's, and one twice.
const ROWS: &str = "\
customer,phone
CRM-1003,+1 206 555 0101
CRM-1002,+47 55 50 01 20
CRM-9999,+41 33 555 01 11
CRM-1001,+41 33 555 01 12
CRM-1001,+41 33 555 01 13
";

/// What of a plan is replaced by what.
const EDITS: [(&str, &str); 10] = [
    // What is to be written, and over what.
    ("\"new\":\"+1 206 555 0101\"", "\"new\":\"+1 206 555 0102\""),
    ("\"old\":\"+41 33 555 01 10\"", "\"old\":\"\""),
    ("\"action\":\"unchanged\"", "\"action\":\"create\""),
    ("\"action\":\"reject\"", "\"action\":\"create\""),
    ("\"row\":5", "\"row\":6"),
    ("\"kind\":\"update-account\"", "\"kind\":\"delete-users\""),
    ("\"skip_invalid\":true", "\"skip_invalid\":false"),
    ("\"sheet\":null", "\"sheet\":\"Users\""),
    ("\"code\":\"duplicate-in-file\"", "\"code\":\"unknown-customer\""),
    ("\"sha256\":\"", "\"sha256\":\"0"),
];

on_both! {
    async fn a_plan_that_was_tampered_with_is_refused(place: Place) {
        let ledger = place.ledger().await;
        apply(&ledger, "add-customer", tenantry_jobs::find("add-customer").expect("a kind").sample()).await;
        place.write("rows.csv", ROWS);
        place.tenantry(&["plan", "update-account", "rows.csv", "--skip-invalid", "--out", "plan.json"]).ends(1);
        let plan = crate::place::read(place.path("plan.json"));
        let before = place.dump().await;
        let is_refused = |text: &str, why: &str| {
            assert_ne!(text, plan, "{why}");
            place.write("tampered.json", text);
            let refused = place.tenantry(&["apply", "tampered.json"]);
            assert_eq!(refused.code, 2, "{why}: {refused:#?}\n{text}");
            assert!(refused.err.contains("tampered.json, line ") && refused.err.contains(why), "{why}: {}", refused.err);
        };

        let changed = "the plan was changed after it was written";
        for (from, to) in EDITS {
            assert!(plan.contains(from), "no {from} in {plan}");
            is_refused(&plan.replacen(from, to, 1), changed);
        }
        let hash = plan.split("\"hash\":\"").nth(1).and_then(|rest| rest.get(..64)).expect("a hash");
        is_refused(&plan.replace(hash, &"0".repeat(64)), changed);
        let lines: Vec<&str> = plan.split_inclusive('\n').collect();
        let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
        is_refused(&without(1), changed);
        is_refused(&[&lines[..2], &lines[1..]].concat().concat(), changed);

        // What the hash does not cover is compared with the file.
        let unsaid = |what: &str| format!("`{what}` of the plan is not that of the planned file");
        is_refused(&plan.replacen("\"line\":2,", "\"line\":3,", 1), &unsaid("line"));
        is_refused(&plan.replacen("\"destructive\":false", "\"destructive\":true", 1), &unsaid("destructive"));
        is_refused(&plan.replacen("\"kind\":\"customer\"", "\"kind\":\"user\"", 1), &unsaid("subject"));
        let key = plan.split("\"key\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a key");
        is_refused(&plan.replacen(key, "other.example", 1), &unsaid("subject"));
        let name = plan.split("\"customer_name\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a name");
        is_refused(&plan.replacen(name, "Other Ltd", 1), &unsaid("subject"));
        let unnamed = plan.replacen(&format!("\"customer_name\":\"{name}\","), "", 1);
        is_refused(&unnamed, &unsaid("subject"));

        // Nor does it cover what is said of all rows.
        let totals = plan.split("\"totals\":{").nth(1).and_then(|rest| rest.split('}').next()).expect("totals");
        for key in ["create", "change", "unchanged", "reject", "rows"] {
            let count = totals.split(&format!("\"{key}\":")).nth(1).and_then(|rest| rest.split(',').next()).expect("a count");
            let other = totals.replacen(&format!("\"{key}\":{count}"), &format!("\"{key}\":1{count}"), 1);
            is_refused(&plan.replacen(totals, &other, 1), &unsaid("totals"));
        }
        is_refused(&plan.replacen("\"destructive\":0,\"error", "\"destructive\":1,\"error", 1), &unsaid("destructive"));
        let more = totals.replacen("\"create\":0", "\"create\":1", 1).replacen("\"rows\":5", "\"rows\":6", 1);
        is_refused(&plan.replacen(totals, &more, 1), &unsaid("totals"));
        is_refused(&plan.replacen("\"undo\":\"as long as", "\"undo\":\"not possible: as long as", 1), &unsaid("undo"));

        let cut = "it was not written whole";
        is_refused(lines[0], cut);
        is_refused(&lines[..3].concat(), cut);
        is_refused(&plan[..plan.len() - 10], "EOF while parsing");
        is_refused("", "this is no plan");
        is_refused(ROWS, "this is no plan");
        is_refused(&plan.replacen("{\"file\"", "{file", 1), "key must be a string");
        is_refused(&plan.replace("\"tenantry_plan\":1", "\"tenantry_plan\":2"), "a plan of format 2");
        is_refused(&plan.replacen("{\"action\"", "{action", 1), "key must be a string");
        is_refused(&plan.replacen("\"row\":1,", "\"row\":-1,", 1), "invalid value");
        is_refused(&format!("{plan}more"), "trailing characters");
        assert_eq!(place.dump().await, before, "nothing was done or recorded");

        let done = place.tenantry(&["apply", "plan.json", "--json"]).ends(1).json();
        let counts = &done["counts"];
        assert_eq!((&counts["applied"], &counts["unchanged"], &counts["rejected"]), (&2.into(), &1.into(), &2.into()));
    }
}
