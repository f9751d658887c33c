//! Quotes out of place: never other rows than somebody meant, in silence.

use crate::place::Place;

const HEADER: &str = "customer,user_principal_name,first_name,last_name,display_name,usage_location,street_address\n";

fn user(name: &str, street: &str) -> String {
    format!("A-1,{name}@alpha.onmicrosoft.com,{name},Smith,{name} Smith,GB,{street}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_quote_swallows_are_refused() {
    let place = Place::with_customer().await;
    let inches = [
        user("ana", "\"Dock 12\"\""),
        user("bo", "Store 2"),
        user("cy", "\"Dock 14\"\""),
        user("di", "Store 3"),
    ];
    place.write("inches.csv", format!("{HEADER}{}", inches.concat()));
    let lost = [user("ana", "\"Dock 12"), user("bo", "Store 2"), user("cy", "Dock 14\"")];
    place.write("lost.csv", format!("{HEADER}{}", lost.concat()));
    place.write("named.csv", format!("{HEADER}{}", user("\"Ana \"Nan\" M\"", "x")));
    for (file, where_) in [
        ("inches.csv", "inches.csv:4:"),
        ("lost.csv", "lost.csv:2:"),
        ("named.csv", "named.csv:2:"),
    ] {
        for run in ["plan", "run"] {
            let told = match run {
                "plan" => place.tenantry(&["plan", "bulk-add-users", file]),
                _ => place.tenantry(&["run", "bulk-add-users", file, "--skip-invalid", "--no-passwords"]),
            };
            let told = told.ends(2);
            assert!(told.all().contains("quote"), "{told:#?}");
            assert!(told.all().contains(where_), "{told:#?}");
        }
    }
    let users = place.tenantry(&["users", "--json"]).ends(0).out;
    assert!(!users.contains("@alpha"), "{users}");

    let meant = [
        "run",
        "bulk-add-users",
        "lost.csv",
        "--multiline-cells",
        "--no-passwords",
        "--json",
    ];
    let run = place.tenantry(&meant).ends(0).json();
    assert_eq!(run["counts"]["applied"], 1);
    assert_eq!(
        run["input"]["notes"][0],
        "the file has 4 lines for a header and 1 row: 1 cell contains line breaks"
    );
}

/// The quote that ends one cell is missing, and one is too many in a row below: what is left has as many cells as the header, the
/// name of the one and the address of the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_which_a_quote_makes_one_are_refused() {
    let place = Place::with_customer().await;
    let header = "customer,user_principal_name,street_address,first_name,last_name";
    let rows = |street: [&str; 3]| {
        let row = |(name, street): (&str, &str)| format!("A-1,{name}@alpha.onmicrosoft.com,{street},{name},Smith\n");
        let rows: String = ["ana", "bo", "cy"].into_iter().zip(street).map(row).collect();
        format!("{header}\n{rows}")
    };
    for (text, is_refused) in [
        (rows(["\"Dock 12", "Store 2\"", "Store 3"]), true),
        (rows(["\"Dock 12", "Store 2", "Dock 14\""]), true),
        (
            rows(["\"Dock 12\n80331 Munich, Bavaria\"", "Store 2", "Store 3"]),
            false,
        ),
        (rows(["\"A,B,Dock 12\nStore, 5, Munich\"", "Store 2", "Store 3"]), false),
    ] {
        for delimiter in [',', ';'] {
            let is_of_text = delimiter == ';' && !is_refused;
            let text = match delimiter {
                _ if is_of_text => continue,
                ',' => text.clone(),
                other => text.replace(',', &other.to_string()),
            };
            for end in ["\n", "\r\n"] {
                place.write("users.csv", text.replace('\n', end));
                let told = place.tenantry(&["plan", "bulk-add-users", "users.csv"]);
                let is_told = told
                    .all()
                    .contains("users.csv:2: character 1: cell 3 of the record that begins here holds whole rows");
                assert_eq!(is_told, is_refused, "{text:?}: {told:#?}");
                let meant = ["plan", "bulk-add-users", "users.csv", "--multiline-cells"];
                assert!(!place.tenantry(&meant).all().contains("stray-quote"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_rows_are_told_apart_where_they_differ() {
    let place = Place::with_customer().await;
    let rows = [
        user("ana", "\"1 High Street\nFloor 2\""),
        user("bo", " \"2 High Street\" "),
    ];
    place.write("users.csv", format!("{HEADER}{}", rows.concat()));
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(0);
    assert!(
        plan.out
            .contains("note: the file has 4 lines for a header and 2 rows: 1 cell contains line breaks"),
        "{plan:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_few_columns_that_a_quote_swallows_are_refused() {
    let place = Place::with_customer().await;
    let streets = |rows: [&str; 3]| format!("customer,address_line2\n{}\n", rows.join("\n"));
    let named = |rows: [&str; 3]| format!("customer,user_principal_name,display_name\n{}\n", rows.join("\n"));
    for (kind, text, is_refused) in [
        (
            "update-account",
            streets(["A-1,\"Dock 12\"\"", "B-2,Store 2", "C-3,\"Dock 14\"\""]),
            true,
        ),
        (
            "update-account",
            streets(["A-1,\"Dock 12", "B-2,Store 2", "C-3,Dock 14\""]),
            true,
        ),
        (
            "update-account",
            streets(["A-1,\"Dock 12", "London, Gate 3", "at the end\""]),
            false,
        ),
        (
            "update-account",
            streets(["A-1,\"Dock 12", "London,Gate", "at the end\""]),
            false,
        ),
        (
            "update-users",
            named([
                "A-1,ana@alpha.onmicrosoft.com,\"Ana 2\"\"",
                "A-1,bo@alpha.onmicrosoft.com,Bo",
                "A-1,cy@alpha.onmicrosoft.com,\"Cy 3\"\"",
            ]),
            true,
        ),
    ] {
        for delimiter in [",", ";", "\t"] {
            let text = if delimiter == "," {
                text.clone()
            } else {
                text.replace(", ", " ").replace(',', delimiter)
            };
            if delimiter != "," && !is_refused {
                continue;
            }
            place.write("few.csv", &text);
            let told = place.tenantry(&["plan", kind, "few.csv"]);
            let is_quote = told.all().contains("stray-quote");
            assert_eq!(is_quote, is_refused, "{text:?}: {told:#?}");
            if told.all().contains("holds whole rows") {
                let meant = place.tenantry(&["plan", kind, "few.csv", "--multiline-cells"]);
                assert!(!meant.all().contains("holds whole rows"), "{meant:#?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_in_files_of_one_column_are_held_to_the_same() {
    let place = Place::with_customer().await;
    for (rows, expected) in [
        ("\"A-1\"\"\nB-2\nC-3\"\n", "holds whole rows"),
        ("\"A-1\nB-2\"\nC-3\n", "holds whole rows"),
        ("\"A-1\r\n\r\nB-2\"\r\n", "holds whole rows"),
        ("\"A-1\"x\n", "text follows the quote"),
        ("\"A-1\nB-2\n", "never closed"),
    ] {
        place.write("one.csv", format!("customer\n{rows}"));
        for command in ["plan", "run"] {
            let told = place.tenantry(&[command, "remove-relationship", "one.csv"]).ends(2);
            assert!(
                told.all().contains(expected) && told.all().contains("quote"),
                "{rows:?}: {told:#?}"
            );
        }
    }
    // A line end at the end of a cell holds no row.
    place.write("one.csv", "customer\n\"A-1\n\"\n");
    let told = place
        .tenantry(&["plan", "remove-relationship", "one.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(told["totals"]["change"], 1, "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_early_is_not_counted_as_if_it_were_whole() {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name,display_name\nA-1,ana@alpha.onmicrosoft.com,Ana\nA-1,bo@alpha.onmicrosoft.com,\"Bo\" Ek\n",
    );
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(2);
    assert!(
        plan.out.contains("the file cannot be read to its end") && !plan.out.contains("to create"),
        "{plan:#?}"
    );
    assert!(plan.err.contains("hint: fix the file and plan it again\n"), "{plan:#?}");
}
