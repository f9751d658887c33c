//! Workbooks of several sheets: the one that fits is read, and where several do, nobody guesses.

use rust_xlsxwriter::Workbook;

use crate::place::Place;

const HEADER: [&str; 2] = ["customer", "city"];

fn write(place: &Place, file: &str, sheets: &[(&str, &[[&str; 2]])]) {
    let mut book = Workbook::new();
    for (name, rows) in sheets {
        let sheet = book.add_worksheet().set_name(*name).expect("a name");
        for (row, cells) in rows.iter().enumerate() {
            sheet.write_row(row as u32, 0, *cells).expect("a row");
        }
    }
    place.write(file, book.save_to_buffer().expect("a workbook"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sheet_that_fits_is_read_and_several_are_a_question() {
    let place = Place::with_customer().await;
    let notes: &[[&str; 2]] = &[["Read me", "first"], ["A-1", "nothing"]];
    let leeds: &[[&str; 2]] = &[HEADER, ["A-1", "Leeds"]];
    let york: &[[&str; 2]] = &[HEADER, ["A-1", "York"]];
    write(
        &place,
        "one.xlsx",
        &[("Notes", notes), ("Empty", &[]), ("Change", leeds)],
    );
    let run = place.tenantry(&["run", "update-account", "one.xlsx"]).ends(0);
    assert!(run.all().contains("the sheet `Change` was read"), "{run:#?}");
    write(
        &place,
        "several.xlsx",
        &[("Old", leeds), ("Notes", notes), ("New", york)],
    );
    for command in ["plan", "run"] {
        let told = place.tenantry(&[command, "update-account", "several.xlsx"]).ends(2);
        let expected =
            "several.xlsx: the sheets `Old`, `New` all fit `update-account`; say which one is meant with --sheet";
        assert!(told.all().contains(expected), "{told:#?}");
    }
    let plan = ["plan", "update-account", "several.xlsx", "--sheet", "New", "--json"];
    assert_eq!(place.tenantry(&plan).ends(0).json()["totals"]["change"], 1);
    // None fits: the faults are those of the first.
    write(&place, "none.xlsx", &[("Notes", notes), ("More", notes)]);
    let told = place.tenantry(&["plan", "update-account", "none.xlsx"]).ends(2);
    assert!(
        told.all().contains("Notes") && told.all().contains("Read me"),
        "{told:#?}"
    );
    // What was planned of a sheet further back is what is applied.
    write(&place, "later.xlsx", &[("Notes", notes), ("Change", york)]);
    place
        .tenantry(&["plan", "update-account", "later.xlsx", "--out", "plan.json"])
        .ends(0);
    let applied = place.tenantry(&["apply", "plan.json", "--json"]).ends(0).json();
    assert_eq!(applied["counts"]["applied"], 1, "{applied:#}");
}
