//! Cells that a spreadsheet would run: guarded in what we write, as they were when that is read again.

use std::io::Cursor;

use proptest::prelude::*;
use tenantry::testing::receipt::{Form, Line, RejectRows, ResultRows, TableFormat};
use tenantry_foundation::input::{Block, Input, InputLimits, guard};

const RUNS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn cell() -> impl Strategy<Value = String> {
    // Where every other byte is nothing, a text reads as UTF-16.
    let any = "[^\\x00\n]{0,6}";
    let harsh = proptest::collection::vec(
        prop_oneof![
            proptest::sample::select(&RUNS[..]),
            Just('\''),
            Just('"'),
            Just(','),
            Just('a')
        ],
        0..7,
    );
    let digits = "'{0,2}[01]{1,16}([.,][01]{0,4})?'?";
    let codes = "'{0,2}([0-9]{1,2}[-/.:e ]([0-9]{1,2}|Mar)?|(MAR|dez|A)[- .]?[0-9]{0,4}|True|wahr)'?";
    let cell = prop_oneof![
        any,
        harsh.prop_map(|chars| chars.into_iter().collect::<String>()),
        digits,
        codes
    ];
    // What is read is composed, so whatever is written is.
    cell.prop_map(|cell| tenantry_jobs::key::composed(&cell).into_owned())
}

fn read(text: &[u8]) -> Input {
    Input::from_reader("ours.csv", Box::new(Cursor::new(text.to_vec())), InputLimits::default()).expect("a header")
}

fn first_row(text: &[u8]) -> Vec<String> {
    let block = read(text).read_block(10).expect("rows").expect("a row");
    let row = block.row(0).expect("a row");
    row.cells().map(str::to_owned).collect()
}

/// Every cell of the text, read by a program that knows nothing of guards.
fn as_others_read(text: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let records = reader.records().map(|record| record.expect("CSV"));
    records
        .flat_map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn block(cells: &[String]) -> Block {
    let mut block = Block::new(1);
    block.push(2, cells.iter().map(String::as_str)).expect("little");
    block
}

proptest! {
    #[test]
    fn cells_and_header_survive_any_number_of_rounds(
        cells in proptest::collection::vec(cell(), 1..5),
        header in proptest::collection::vec(cell(), 1..5),
        message in cell(),
        bom: bool,
    ) {
        let form = Form { bom, ..Form::default() };
        let line = Line { outcome: "rejected", code: "invalid", message: &message, ..Line::default() };
        let (mut row, mut names) = (cells.clone(), header.clone());
        let mut before: Option<Vec<u8>> = None;
        for _ in 0..3 {
            let mut rejects = RejectRows::new(Vec::new(), &names, form).expect("room");
            rejects.write(&block(&row).row(0).expect("a row"), &line).expect("room");
            let text = rejects.finish().expect("room");
            for cell in as_others_read(&text) {
                prop_assert!(!cell.trim_start_matches('\u{feff}').starts_with(RUNS) || bom || header[0].contains('\u{feff}'), "{:?}", cell);
            }
            let mut input = read(&text);
            names = input.header().to_vec();
            prop_assert_eq!(&names[..header.len()], &header[..]);
            let block = input.read_block(10).expect("rows").expect("a row");
            row = block.row(0).expect("a row").cells().map(str::to_owned).collect();
            prop_assert_eq!(&row[..cells.len()], &cells[..]);
            prop_assert_eq!(row.iter().rev().nth(1), Some(&message), "before the job");
            prop_assert!(before.is_none_or(|before| before == text));
            before = Some(text);
        }
        let mut results = ResultRows::new(Vec::new(), &header, form).expect("room");
        results.write(&block(&cells).row(0).expect("a row"), &line).expect("room");
        let text = results.finish().expect("room");
        prop_assert_eq!(&first_row(&text)[..cells.len()], &cells[..]);
    }

    #[test]
    fn cells_survive_two_rounds_through_a_workbook(
        cells in proptest::collection::vec(cell(), 1..5),
        message in cell(),
    ) {
        let form = Form { format: TableFormat::Xlsx, ..Form::default() };
        // Whose first cell is empty may be taken for a row that was left empty.
        let cells = [vec!["007".to_owned()], cells].concat();
        let mut names: Vec<String> = (0..cells.len()).map(|number| format!("c{number}")).collect();
        let mut row = cells.clone();
        for _ in 0..2 {
            let mut rejects = RejectRows::new(Vec::new(), &names, form).expect("room");
            let line = Line { message: &message, place: "here", ..Line::default() };
            rejects.write(&block(&row).row(0).expect("a row"), &line).expect("room");
            let mut input = read(&rejects.finish().expect("room"));
            names = input.header().to_vec();
            let block = input.read_block(10).expect("rows").expect("a row");
            row = block.row(0).expect("a row").cells().map(str::to_owned).collect();
            prop_assert_eq!(&row[..cells.len()], &cells[..]);
            prop_assert_eq!(row.iter().rev().nth(1), Some(&message), "before the job");
        }
    }

    #[test]
    fn a_guarded_cell_runs_nowhere(cell in cell()) {
        let written = if guard::is_needed(cell.as_bytes()) { format!("'{cell}") } else { cell.clone() };
        prop_assert!(!written.starts_with(RUNS));
        prop_assert_eq!(guard::unguarded(&written), cell);
    }
}

#[test]
fn digits_that_a_spreadsheet_would_change_are_guarded_and_others_are_not() {
    for cell in [
        "0155",
        "00491701234567",
        "01067",
        "491701234567",
        "2.10",
        "1,0",
        "00",
        "0.50",
        "1234567890.123456",
        "1e5",
        "5-3",
        "1/2",
        "10:30",
        "MAR5",
        "5-Mar",
        "true",
        "2.718",
        "3%",
        "$5",
        "12 1/2",
    ] {
        assert!(guard::is_needed(cell.as_bytes()), "{cell}");
        assert_eq!(guard::unguarded(&format!("'{cell}")), cell);
    }
    for cell in [
        "0",
        "155",
        "49170123456",
        "2.71828",
        "0.5",
        "0155 x",
        "089 123",
        "1.2.3.4",
        "2026-11-29",
        "7ed8ea9a",
        "Mara",
        "TRUE",
    ] {
        assert!(!guard::is_needed(cell.as_bytes()), "{cell}");
        assert_eq!(guard::unguarded(&format!("'{cell}")), format!("'{cell}"));
    }
}

#[test]
fn the_apostrophe_goes_in_any_file_but_a_quoted_cell_of_a_foreign_file_stays() {
    let cells = |header: &str| first_row(format!("{header}\n'=x,''+y,'a,','-b',\"'t Hooft\"\n").as_bytes());
    for header in ["a,b,c,d,e,f", "a,b,c,d,code,f"] {
        assert_eq!(cells(header), ["=x", "'+y", "'a", "'", "'-b'", "'t Hooft"], "{header}");
    }
    // Any of our columns shows that a file is ours: alone, moved, spelled in another way.
    for header in [
        "a,_Code,c,d,e,f",
        "_message,b,c,d,e,f",
        "a,b,c,d,e,Microsoft ID",
        "a,b,_ ROW,d,e,f",
        "primary domain NAME,b,c,d,e,f",
    ] {
        assert_eq!(cells(header), ["=x", "'+y", "'a", "'", "-b'", "'t Hooft"], "{header}");
    }
}
