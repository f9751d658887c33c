//! Rows that end before the header does, as spreadsheets write them: carried out where they are meant so, and never as others.

use crate::place::Place;

const HEADER: &str = "customer,user_principal_name,display_name,first_name,office,city";

fn user(n: usize, rest: &str) -> String {
    format!("A-1,u{n}@alpha.onmicrosoft.com,User {n},N{n}{rest}")
}

/// Fifteen whole rows, the first of which has something in every cell, and others.
fn file(rows: impl IntoIterator<Item = String>) -> String {
    let whole = (1..16).map(|n| user(n, if n == 1 { ",5,York" } else { ",," }));
    let rows: Vec<String> = whole.chain(rows).collect();
    format!("{HEADER}\r\n{}\r\n", rows.join("\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_their_last_cells_are_carried_out_and_told() {
    let place = Place::with_customer().await;
    place.write("users.csv", file((16..21).map(|n| user(n, ""))));
    let plan = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--out", "plan.json"])
        .ends(0);
    assert!(
        plan.out
            .contains("note: 5 rows end before the header does; their last cells were taken as empty"),
        "{plan:#?}"
    );
    // However few rows a chunk has, the same rows are planned and carried out.
    let mut applied = place.command(&["apply", "plan.json", "--no-passwords", "--json"]);
    applied.env("TENANTRY__WORKER__CHUNK_ROWS", "3");
    let applied = crate::place::Run::from(applied.output().expect("tenantry starts"))
        .ends(0)
        .json();
    assert_eq!(applied["counts"]["applied"], 20, "{applied:#}");
    let again = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(again["totals"]["unchanged"], 20, "{again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_may_have_lost_a_cell_is_refused_with_the_columns_that_are_missing() {
    let place = Place::with_customer().await;
    let shifted = format!("{HEADER}\n{}\n{}\n", user(1, ",,"), user(2, ",York"));
    let lacking = file((16..19).map(|_| "A-1".to_owned()));
    let cut = format!(
        "{}A-1,u20@alpha.onmicrosoft.com,Us",
        file((16..20).map(|n| user(n, "")))
    );
    let surplus = format!("{HEADER}\n{}\n{}\n", user(1, ",5,York,,"), user(2, ",5,York,x"));
    for (name, text, place_of, sentence) in [
        (
            "shifted.csv",
            shifted,
            "shifted.csv:3:",
            "the row has 5 cells and the header 6; if `city` is meant to be empty, write the delimiters for that",
        ),
        (
            "lacking.csv",
            lacking,
            "lacking.csv:17:",
            "the row has 1 cell and the header 6, and `user_principal_name`, which has to have a value, is not among them",
        ),
        (
            "cut.csv",
            cut,
            "cut.csv:21:",
            "the row has 3 cells and the header 6; if `first_name`, `office` and `city` are meant to be empty",
        ),
        (
            "surplus.csv",
            surplus,
            "surplus.csv:3:",
            "the row has 7 cells and the header 6; is a quote missing",
        ),
    ] {
        place.write(name, text);
        let told = place.tenantry(&["plan", "bulk-add-users", name]).ends(1);
        assert!(told.out.contains(sentence) && told.out.contains(place_of), "{told:#?}");
        assert!(told.out.contains("ragged-row"), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shifted_row_is_refused_though_it_is_no_shorter_than_the_header() {
    let place = Place::with_customer().await;
    // Each row ends in a delimiter too many, and one of them has lost its display name.
    let lost = |n| format!("A-1,l{n}@alpha.onmicrosoft.com,N{n},5,York,");
    let rows: Vec<String> = (1..4)
        .map(|n| user(n, ",5,York,"))
        .chain([lost(4)])
        .chain((5..8).map(|n| user(n, ",,,")))
        .collect();
    let surplus = format!("{HEADER}\n{}\n", rows.join("\n"));
    // A text with the delimiter in it, and no city.
    let split = "A-1,s@alpha.onmicrosoft.com,Moe, Sam,Sam,5,";
    let split = format!("{HEADER}\n{}\n{split}\n{}\n", user(1, ",5,"), user(2, ",5,"));
    for (name, text, line, sentence) in [
        ("lost.csv", surplus, 5, "the row has 6 cells and the rows around it 7"),
        (
            "split.csv",
            split,
            3,
            "does a text with the delimiter in it stand without quotes?",
        ),
    ] {
        place.write(name, text);
        let told = place
            .tenantry(&["plan", "bulk-add-users", name, "--json"])
            .ends(1)
            .json();
        let errors = told["errors"].as_array().expect("errors");
        let [error] = errors.as_slice() else { panic!("{told:#}") };
        assert_eq!(
            (&error["line"], &error["code"]),
            (&line.into(), &"ragged-row".into()),
            "{told:#}"
        );
        assert!(
            error["expected"].as_str().is_some_and(|told| told.contains(sentence)),
            "{told:#}"
        );
    }
    let run = [
        "run",
        "bulk-add-users",
        "lost.csv",
        "--skip-invalid",
        "--no-passwords",
        "--json",
    ];
    let counts = place.tenantry(&run).ends(1).json()["counts"].clone();
    assert_eq!(
        (&counts["applied"], &counts["rejected"]),
        (&6.into(), &1.into()),
        "{counts}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_beside_a_password_are_kept_where_rows_end_in_empty_cells() {
    let place = Place::with_customer().await;
    let header = "customer,user_principal_name,password,display_name,city";
    place.write(
        "users.csv",
        format!("{header}\nA-1,ana@alpha.onmicrosoft.com,Secret-123,Ana Ek,York,\nA-1,bo@alpha.onmicrosoft.com,Secret-456,Bo,Leeds,\n"),
    );
    let run = ["run", "bulk-add-users", "users.csv", "--no-passwords"];
    place.tenantry(&run).ends(0);
    let users = place.tenantry(&["users", "--json"]).ends(0).out;
    assert!(users.contains("Ana Ek") && !users.contains("redacted"), "{users}");
}
