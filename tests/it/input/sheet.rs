//! Sheets of workbooks, read as rows like any others.

use std::io::{Cursor, Write};
use std::path::Path;

use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use tenantry_foundation::input::{Input, InputError, InputLimits, InputOptions};
use zip::write::SimpleFileOptions;

use crate::input::rows;

fn workbook(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    fill(book.add_worksheet().set_name("Users").expect("a name"));
    book.save_to_buffer().expect("a workbook")
}

pub(super) fn open(bytes: &[u8], limits: InputLimits) -> Result<Input, InputError> {
    Input::from_reader("users.xlsx", Box::new(Cursor::new(bytes.to_vec())), limits)
}

fn on_disk(path: &Path, sheet: Option<&str>) -> Result<Input, InputError> {
    let sheet = sheet.map(str::to_owned);
    Input::open_with(
        path,
        InputLimits::default(),
        &InputOptions {
            sheet,
            ..InputOptions::default()
        },
    )
}

/// An archive of these parts.
pub(super) fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).expect("a part");
        zip.write_all(bytes).expect("room");
    }
    zip.finish().expect("an archive").into_inner()
}

/// The least a workbook needs, around the XML of a sheet and of the texts its cells share.
fn by_hand(sheet: &str, texts: &str) -> Vec<u8> {
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = format!(
        "<Relationships><Relationship Id=\"a\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let book = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
    );
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", package.as_bytes()),
        ("xl/_rels/workbook.xml.rels", book.as_bytes()),
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"Users\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>",
        ),
        ("xl/sharedStrings.xml", texts.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// A formula whose value nobody has calculated is no empty cell.
#[test]
fn a_formula_without_a_value_is_an_error_of_its_cell() {
    let sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c><c r=\"B1\" t=\"str\"><v>b</v></c></row>\
        <row r=\"2\"><c r=\"A2\"><f>1+1</f></c><c r=\"B2\"><f>1+1</f><v>2</v></c></row></sheetData></worksheet>";
    let mut input = open(&by_hand(sheet, "<sst/>"), InputLimits::default()).expect("a workbook");
    let block = input.read_block(10).expect("read").expect("a block");
    let errors: Vec<_> = block
        .rows()
        .flat_map(|row| block.errors(row.number).map(move |column| (row.line, column)))
        .collect();
    assert_eq!(errors, [(2, 0)]);
    assert_eq!(
        block.row(0).and_then(|row| row.cell(1).map(str::to_owned)).as_deref(),
        Some("2")
    );
}

pub(super) fn told(result: Result<Input, InputError>) -> String {
    let error = result
        .and_then(|mut input| rows(&mut input).map(drop))
        .expect_err("a fault");
    format!("{}: {error}", error.code)
}

#[test]
fn every_kind_of_value_reads_as_one_would_type_it() {
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let span = Format::new().set_num_format("[h]:mm:ss");
    let bold = Format::new().set_bold();
    let bytes = workbook(|sheet| {
        sheet.write(2, 0, "text").expect("a cell");
        sheet.write(2, 1, "other").expect("a cell");
        let values = 4;
        sheet.write(values, 0, " as it is, =1 ").expect("a cell");
        sheet.write(values + 1, 0, 12_345_678_901_234_i64).expect("a cell");
        sheet.write(values + 2, 0, 1.5).expect("a cell");
        sheet.write(values + 3, 0, true).expect("a cell");
        let date = ExcelDateTime::from_ymd(2024, 2, 29).expect("a day");
        sheet.write_with_format(values + 4, 0, &date, &day).expect("a cell");
        let date = date.and_hms(8, 30, 0).expect("a time");
        sheet.write_with_format(values + 5, 0, &date, &moment).expect("a cell");
        sheet.write_with_format(values + 6, 0, 1.5, &span).expect("a cell");
        let formula = Formula::new("=A2&\"x\"").set_result("cached");
        sheet.write(values + 7, 0, formula).expect("a cell");
        let parts = [(&bold, "rich "), (&Format::new(), "text")];
        sheet.write_rich_string(values + 8, 0, &parts).expect("a cell");
        sheet
            .write(values + 9, 0, Formula::new("=NA()").set_result("#N/A"))
            .expect("a cell");
        // Cells that are there for their looks alone, below and to the right.
        sheet.write_blank(values + 9, 9, &bold).expect("a cell");
        sheet.write_blank(values + 20, 0, &bold).expect("a cell");
        sheet.write(values + 11, 3, "far").expect("a cell");
    });
    let mut input = open(&bytes, InputLimits::default()).expect("a header");
    assert_eq!((input.sheet(), input.name()), (Some("Users"), "users.xlsx"));
    assert_eq!(
        (input.header(), input.header_line()),
        (&["text".to_owned(), "other".to_owned()][..], 3)
    );
    let mut texts: Vec<(u64, Vec<String>)> = rows(&mut input).expect("rows");
    let (line, far) = texts.pop().expect("the last");
    assert_eq!((line, far), (16, ["", "", "", "far"].map(str::to_owned).to_vec()));
    let expected = [
        " as it is, =1 ",
        "12345678901234",
        "1.5",
        "TRUE",
        "2024-02-29",
        "2024-02-29T08:30:00",
        "PT36H",
        "cached",
        "rich text",
        "#N/A",
    ];
    let expected: Vec<(u64, Vec<String>)> = (5..)
        .zip(expected.map(|text| vec![text.to_owned(), String::new()]))
        .collect();
    assert_eq!(texts, expected);
    let digest = input.finish().expect("rows");
    assert_eq!((digest.bytes, digest.rows), (bytes.len() as u64, 11));
}

#[test]
fn the_digest_is_that_of_the_file() {
    let bytes = workbook(|sheet| {
        sheet.write(0, 0, "a").expect("a cell");
        sheet.write(1, 0, "b").expect("a cell");
    });
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.dat");
    std::fs::write(&path, &bytes).expect("room");
    let digest = on_disk(&path, None).and_then(Input::finish).expect("rows");
    // As of text: the same bytes with a line of text before them would be read as such.
    let mut text = tempfile::NamedTempFile::new().expect("room");
    text.write_all(&bytes).expect("room");
    let sum = std::process::Command::new("sha256sum")
        .arg(text.path())
        .output()
        .expect("sha256sum");
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(digest.sha256.as_str()));
}

#[test]
fn cells_with_errors_are_marked() {
    let sheet = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c><c r=\"B1\" t=\"str\"><v>b</v></c></row>\
                 <row r=\"2\"><c r=\"A2\" t=\"str\"><v>#N/A</v></c><c r=\"B2\" t=\"e\"><v>#N/A</v></c></row>\
                 <row r=\"4\"><c r=\"A4\" t=\"e\"><v>#REF!</v></c></row></sheetData></worksheet>";
    let mut input = open(&by_hand(sheet, "<sst/>"), InputLimits::default()).expect("a header");
    let block = input.read_block(10).expect("rows").expect("rows");
    let errors: Vec<(u64, usize)> = block
        .rows()
        .flat_map(|row| block.errors(row.number).map(move |column| (row.line, column)))
        .collect();
    assert_eq!(errors, [(2, 1), (4, 0)]);
    assert_eq!(block.row(1).and_then(|row| row.cell(0)), Some("#REF!"));
}

#[test]
fn a_long_sheet_streams_through_many_batches() {
    const ROWS: u32 = 20_000;
    let bytes = workbook(|sheet| {
        sheet.write(0, 0, "n").expect("a cell");
        for row in 1..=ROWS {
            sheet.write(row, 0, row).expect("a cell");
        }
    });
    let mut input = open(&bytes, InputLimits::default()).expect("a header");
    let all = rows(&mut input).expect("rows");
    assert_eq!(all.len(), ROWS as usize);
    for (row, (line, cells)) in (1..).zip(all) {
        assert_eq!((line, cells[0].as_str()), (row + 1, row.to_string().as_str()));
    }
    // A reader that stops early leaves no thread behind that waits for ever.
    drop(open(&bytes, InputLimits::default()).expect("a header"));
}

#[test]
fn sheets_are_chosen_by_name() {
    let mut book = Workbook::new();
    for name in ["Hidden", "Notes", "Users"] {
        let sheet = book.add_worksheet().set_name(name).expect("a name");
        sheet.write(0, 0, name).expect("a cell");
        sheet.write(1, 0, "x").expect("a cell");
        if name == "Hidden" {
            sheet.set_hidden(true);
        }
        if name == "Notes" {
            sheet.set_active(true);
        }
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("users.xlsx");
    book.save(&path).expect("room");
    for (wanted, expected) in [
        (None, "Notes"),
        (Some("Users"), "Users"),
        (Some("users"), "Users"),
        (Some("Hidden"), "Hidden"),
    ] {
        assert_eq!(on_disk(&path, wanted).expect("a header").header(), [expected]);
    }
    let notes = |wanted| on_disk(&path, wanted).expect("a header").finish().expect("rows").notes;
    assert_eq!(
        notes(None),
        ["the sheet `Notes` was read, and not `Users`; --sheet names another"]
    );
    assert_eq!(
        notes(Some("hidden")),
        ["the sheet `Hidden` was read, and not `Notes`, `Users`; --sheet names another"]
    );
    let message = told(on_disk(&path, Some("User")));
    assert!(
        message.starts_with("unknown-sheet: ")
            && message.ends_with(
                "there is no sheet `User`, the sheets are `Hidden`, `Notes`, `Users`; did you mean `Users`?"
            ),
        "{message}"
    );
    let csv = dir.path().join("users.csv");
    std::fs::write(&csv, "a\n1\n").expect("room");
    assert!(told(on_disk(&csv, Some("Users"))).starts_with("unknown-sheet: "));
}

#[test]
fn files_that_are_no_workbooks_are_told_apart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let compound = |name: &str| {
        let name: Vec<u8> = name.bytes().flat_map(|byte| [byte, 0]).collect();
        [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &vec![0; 70_000], &name].concat()
    };
    let good = workbook(|sheet| {
        sheet.write(0, 0, "a").expect("a cell");
    });
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    for byte in &mut flipped[60..middle] {
        *byte ^= 0x55;
    }
    let cases: [(&str, Vec<u8>, &str, &str); 9] = [
        ("users.xlsx", b"a,b\n1,2\n".to_vec(), "not-a-workbook", "ends in .csv"),
        (
            "users.csv",
            archive(&[("users.csv", b"a\n1\n")]),
            "not-a-workbook",
            "unzip it",
        ),
        (
            "a.ods",
            archive(&[("mimetype", b"x"), ("content.xml", b"x")]),
            "not-a-workbook",
            ".ods",
        ),
        (
            "a.xlsb",
            archive(&[("[Content_Types].xml", b"x"), ("xl/workbook.bin", b"x")]),
            "not-a-workbook",
            ".xlsb",
        ),
        (
            "a.xlsx",
            compound("EncryptedPackage"),
            "password-protected",
            "save it without one",
        ),
        ("a.xls", compound("Workbook"), "not-a-workbook", ".xls"),
        (
            "cut.xlsx",
            good[..good.len() / 2].to_vec(),
            "bad-workbook",
            "save it again",
        ),
        ("flipped.xlsx", flipped, "bad-workbook", "save it again"),
        (
            "empty.xlsx",
            good,
            "no-rows",
            "sheet \"Users\": the sheet has a header and no rows",
        ),
    ];
    for (name, bytes, code, hint) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("room");
        let message = told(on_disk(&path, None));
        assert!(
            message.starts_with(&format!("{code}: ")) && message.contains(hint),
            "{name}: {message}"
        );
    }
}

#[test]
fn damage_within_a_sheet_is_placed() {
    let sheet =
        |rows: &str| format!("<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row>{rows}");
    for (rows, expected) in [
        (
            "<row r=\"7\"><c r=\"A7\"><v>1</v></c></row>",
            "bad-workbook: users.xlsx sheet \"Users\" row 7: the workbook is damaged",
        ),
        (
            "<row r=\"7\"><c r=\"A7\"><v>1</v></c></row><row r=\"6\"><c r=\"A6\"><v>1</v></c></row></sheetData></worksheet>",
            "bad-workbook: users.xlsx sheet \"Users\" row 6: its cells are out of order",
        ),
        (
            "<row r=\"7\"><c r=\"XFE7\"><v>1</v></c></row></sheetData></worksheet>",
            "bad-workbook: users.xlsx sheet \"Users\" row 7: a cell is beyond",
        ),
        (
            "<row r=\"7\"><c r=\"A7\" t=\"s\"><v>5</v></c></row></sheetData></worksheet>",
            "bad-workbook: users.xlsx sheet \"Users\" row 1: the workbook is damaged",
        ),
    ] {
        let message = told(open(&by_hand(&sheet(rows), "<sst></sst>"), InputLimits::default()));
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn little_that_unzips_to_much_is_refused() {
    let limits = InputLimits {
        record_bytes: 10_000,
        unzipped_bytes: 200_000,
        held_bytes: 100_000,
        ..InputLimits::default()
    };
    let cell = |n: u32| format!("<row r=\"{n}\"><c r=\"A{n}\" t=\"str\"><v>a</v></c></row>");
    let sheet = |rows: &str| format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let fine = sheet(&(1..1000).map(cell).collect::<String>());
    assert!(open(&by_hand(&fine, "<sst/>"), limits).is_ok());
    let long = format!(
        "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>{}</v></c></row>",
        "a".repeat(20_000)
    );
    let rich = format!(
        "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is>{}</is></c></row>",
        "<r><t>a</t></r>".repeat(9_000)
    );
    for (sheet, texts, hint) in [
        (
            sheet(&(1..9000).map(cell).collect::<String>()),
            "<sst/>".to_owned(),
            "more than 200000 bytes in its part xl/worksheets/sheet1.xml",
        ),
        (
            fine.clone(),
            format!("<sst>{}</sst>", "<si/>".repeat(30_000)),
            "texts, formats and names of more than 100000 bytes in its part xl/sharedstrings.xml",
        ),
        (
            fine,
            "<sst uniqueCount=\"99999999999\"></sst>".to_owned(),
            "99999999999 texts promised",
        ),
        (sheet(&long), "<sst/>".to_owned(), "a text longer than 10000 bytes"),
        (sheet(&rich), "<sst/>".to_owned(), "a row longer than 10000 bytes"),
    ] {
        let message = told(open(&by_hand(&sheet, &texts), limits));
        assert!(
            message.starts_with("too-large: ") && message.contains(hint),
            "{message}"
        );
    }
}

#[test]
fn sheets_are_turned_to_in_a_workbook_that_was_opened_once() {
    let mut book = Workbook::new();
    for (name, rows) in [("A", 3), ("Empty", 0), ("Long", 2000), ("B", 1)] {
        let sheet = book.add_worksheet().set_name(name).expect("a name");
        for row in 0..rows {
            sheet.write(row, 0, format!("{name}{row}")).expect("a cell");
        }
    }
    // What it is read from can be read once.
    let bytes = book.save_to_buffer().expect("a workbook");
    let mut input = open(&bytes, InputLimits::default()).expect("a workbook");
    let mut heads = Vec::new();
    for name in ["Long", "A", "Empty", "B", "Long", "Nowhere", "B", "A"] {
        let turned = input.turn_to(name);
        heads.push(turned.map_or_else(|error| error.code.to_owned(), |()| input.header().join(",")));
    }
    assert_eq!(
        heads,
        ["Long0", "A0", "empty-file", "B0", "Long0", "bad-workbook", "B0", "A0"]
    );
    assert_eq!((input.sheet(), input.other_sheets().len()), (Some("A"), 3));
    let all = rows(&mut input).expect("rows");
    assert_eq!(all, [(2, vec!["A1".to_owned()]), (3, vec!["A2".to_owned()])]);
    let digest = input.finish().expect("a whole file");
    assert_eq!((digest.bytes, digest.rows), (bytes.len() as u64, 2));
}
