//! Workbooks of several sheets: the one that fits is read, and where several do, nobody guesses.

use std::io::{Cursor, Read, Write};

use rust_xlsxwriter::Workbook;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

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

/// A workbook whose sheet `NAME` is called otherwise.
fn renamed(book: Vec<u8>, name: &str) -> Vec<u8> {
    let mut old = ZipArchive::new(Cursor::new(book)).expect("an archive");
    let mut new = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..old.len() {
        let mut part = old.by_index(at).expect("a part");
        let mut text = Vec::new();
        part.read_to_end(&mut text).expect("read");
        let at = part.name().expect("a name").into_owned();
        if at == "xl/workbook.xml" {
            let quoted = |name: &str| format!("name=\"{name}\"");
            let xml = String::from_utf8(text).expect("XML");
            text = xml.replace(&quoted("NAME"), &quoted(name)).into_bytes();
        }
        new.start_file(at, SimpleFileOptions::default()).expect("a part");
        new.write_all(&text).expect("room");
    }
    new.finish().expect("an archive").into_inner()
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
    // A name that no spreadsheet gives, and that would write a line of its own.
    write(&place, "esc.xlsx", &[("NAME", notes)]);
    let bytes = std::fs::read(place.path("esc.xlsx")).expect("a workbook");
    place.write("esc.xlsx", renamed(bytes, "S&#x1b;[31m&#10;error: x"));
    let told = place.tenantry(&["plan", "update-account", "esc.xlsx"]).ends(2);
    let first = told.err.lines().next().unwrap_or_default();
    assert!(
        first.starts_with(r#"error: esc.xlsx sheet "S\u{1b}[31m\nerror: x": the header does not fit"#),
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
