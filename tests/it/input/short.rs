//! Rows that end before the header does: completed where the rows around them show that nothing but empty cells is missing.

use std::fmt::Write as _;

use proptest::prelude::*;
use tenantry_foundation::input::{InputLimits, REDACTED};

use super::trickle;

/// Rows that a spreadsheet writes in one width.
const TOGETHER: usize = 16;

/// The cells of every row, where those that have at least `least` may be completed, and the notes.
fn read(text: &str, at_once: usize, block: usize, least: usize) -> (Vec<Vec<String>>, Vec<String>) {
    let mut input = trickle(text.as_bytes(), at_once, InputLimits::default()).expect("a header");
    let named = input.header().iter().filter(|name| !name.is_empty()).count();
    input.complete_short(least, named);
    let mut all = Vec::new();
    while let Some(block) = input.read_block(block).expect("rows") {
        all.extend(
            block
                .rows()
                .map(|row| row.cells().map(str::to_owned).collect::<Vec<_>>()),
        );
    }
    (all, input.finish().expect("a whole file").notes)
}

/// How many cells each row has.
#[track_caller]
fn check(text: &str, expected: &[usize]) {
    for (at_once, block) in [(1, 1), (7, 3), (text.len(), 1000)] {
        let (rows, _) = read(text, at_once, block, 2);
        let widths: Vec<usize> = rows.iter().map(Vec::len).collect();
        assert_eq!(widths, expected, "{block} rows at once: {text}");
    }
}

/// A header of four, and rows.
fn file(rows: &[&str]) -> String {
    format!("a,b,c,d\n{}\n", rows.join("\n"))
}

#[test]
fn blocks_as_excel_writes_them_are_completed() {
    let mut rows = vec!["1,2,3,4"; 15];
    rows.extend(["1,2"; 4]);
    check(&file(&rows), &[4; 19]);
    // Blank lines, and one row that is one line more, do not move the blocks.
    let blank = file(&rows)
        .replacen("1,2,3,4\n", "\n\"1\n1\",2,3,4\n", 1)
        .replacen("1,2,3,4\n", "", 1);
    check(&blank, &[4; 18]);
    // One row of a block alone could be any, unless others left those cells empty.
    rows.truncate(16);
    check(&file(&rows), &[[4; 15].as_slice(), &[2]].concat());
    rows[3] = "1,2,,";
    check(&file(&rows), &[4; 16]);
    let (_, notes) = read(&file(&rows), 9, 9, 2);
    assert_eq!(
        notes,
        ["1 row ends before the header does; its last cells were taken as empty"]
    );
    // Too few for what is needed.
    rows.push("1");
    check(&file(&rows), &[[4; 15].as_slice(), &[2, 1]].concat());
}

#[test]
fn rows_that_may_have_lost_a_cell_or_their_end_stay_as_they_are() {
    check(&file(&["1,2,3,4", "1,2,,", "1,2,4", "1,2,3,4"]), &[4, 4, 3, 4]);
    // Several in a row are no accident, where others have those cells empty; a program that leaves out every empty cell
    // writes none.
    check(&file(&["1,2,,", "1,2", "1,2", "1,2"]), &[4; 4]);
    check(&file(&["1,2,3,4", "1,2,4", "1,2,4", "1,2,4"]), &[4, 3, 3, 3]);
    check(&file(&["1,2,,", "1,2", "1,2"]), &[4, 2, 2]);
    check(&file(&["1,2", "1,2", "1,2"]), &[2; 3]);
    // The file ends within a row.
    check("a,b,c,d\n1,2,,\n1,2\n1,2\n1,2\n1,2", &[4; 5]);
    check("a,b,c,d\n1,2,,\n1,2\n1,2\n1,2", &[4, 2, 2, 2]);
    let mut cut = vec!["1,2,3,"; 15];
    cut.extend(["1,2,3"; 3]);
    check(
        format!("{}1,2", file(&cut)).as_str(),
        &[[4; 18].as_slice(), &[2]].concat(),
    );
}

/// Sixteen records of a header of six, in which no two neighbouring columns hold the same sort of value; and rows.
fn people(full: &[&str], rows: &[&str]) -> String {
    let mut all = vec!["sku,mail,name,office,city,code"];
    all.extend((0..15).map(|at| full[at % full.len()]));
    all.extend(rows);
    format!("{}\n", all.join("\n"))
}

#[test]
fn a_lone_row_that_lost_a_cell_is_told_by_the_contents_of_its_columns() {
    let full = [
        "SPB,ana@x.com,Ana Ek,12,York,DE",
        "SPB,bo@x.com,Bo Gil,7,,",
        "SPB,cy@x.com,Cy,,St. Gallen,",
        "SPB,ed@x.com,,,,",
    ];
    let width = |full: &[&str], row: &str| {
        let (rows, _) = read(&people(full, &[row]), 9, 5, 2);
        rows[15].len()
    };
    // What a spreadsheet writes.
    for meant in [
        "SPB,di@x.com,Di,12",
        "SPB,di@x.com,Di Fo",
        "SPB,di@x.com,Di,,Bern",
        "SPB,di@x.com",
        "SPB,o.di@x.com,Di-Ana O'Fo,1",
        "SPB,di@x.com,Di,12,Biel/Bienne",
    ] {
        assert_eq!(width(&full, meant), 6, "{meant}");
    }
    for shifted in [
        // The name is lost, or the office, or the address, or what is first.
        "SPB,di@x.com,12,Bern",
        "SPB,di@x.com,12,Bern,DE",
        "SPB,di@x.com,Di,Bern",
        "SPB,di@x.com,Di,Bern,DE",
        "SPB,di@x.com,Di,12,DE",
        "SPB,Di,12,Bern,DE",
        "SPB,Di,12",
        "di@x.com,Di,12,Bern,DE",
        "di@x.com,Di,12",
        // Two are lost.
        "SPB,di@x.com,Bern,DE",
        "SPB,12,Bern,DE",
        // An empty cell is lost, which leaves another one last.
        "SPB,di@x.com,Di,,",
        "SPB,di@x.com,Di,",
    ] {
        let len = shifted.split(',').count();
        assert_eq!(width(&full, shifted), len, "{shifted}");
    }
    // Columns that nobody used before tell nothing, and a row alone is not believed then.
    let sparse = ["SPB,ana@x.com,Ana Ek,,,"];
    assert_eq!(width(&sparse, "SPB,di@x.com,Di,12"), 4);
    assert_eq!(width(&sparse, "SPB,di@x.com,12"), 3);
    assert_eq!(width(&sparse, "SPB,di@x.com,Di"), 6);
    // With others it is.
    let (rows, _) = read(&people(&sparse, &["SPB,di@x.com,Di,12"; 3]), 9, 5, 2);
    assert!(rows.iter().all(|row| row.len() == 6), "{rows:?}");
}

#[test]
fn a_shifted_row_does_not_hide_among_short_ones() {
    let full = ["SPB,ana@x.com,Ana Ek,12,York,DE", "SPB,bo@x.com,Bo Gil,7,,"];
    // One of fifteen wide rows lost a cell, which makes it as long as those of the next sixteen.
    let mut text = people(&full, &["SPB,di@x.com,Di,12"; 16]);
    text.push_str("SPB,ed@x.com,Ed,12,York\nSPB,fa@x.com,Fa,York\n");
    text.push_str(&"SPB,di@x.com,Di,12\n".repeat(5));
    let (rows, _) = read(&text, 9, 5, 2);
    let short: Vec<&str> = rows
        .iter()
        .filter(|row| row.len() < 6)
        .map(|row| row[1].as_str())
        .collect();
    assert_eq!(short, ["ed@x.com", "fa@x.com"]);
}

#[test]
fn columns_without_a_name_need_not_be_there() {
    check("a,b,c,,\n1,2,3\n1,2,3,,\n1,2,\n", &[5, 5, 3]);
    let (_, notes) = read("a,b,c,,\n1,2,3\n", 9, 9, 2);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn no_other_cell_than_a_secret_is_redacted_in_a_completed_row() {
    let mut rows = vec!["1,pass,3,"; 15];
    rows.extend(["1,pass,3"; 3]);
    rows.push("1,pass");
    let text = file(&rows);
    let mut input = trickle(text.as_bytes(), 9, InputLimits::default()).expect("a header");
    input.complete_short(2, 4);
    input.redact(&[1]);
    let block = input.read_block(100).expect("rows").expect("rows");
    let cells = |row: usize| -> Vec<&str> { block.row(row).expect("a row").cells().collect() };
    assert_eq!(cells(17), ["1", REDACTED, "3", ""]);
    // Of a row that stays as it is nobody knows which cell is which.
    assert_eq!(cells(18), [REDACTED, REDACTED]);
}

fn written(header: usize, rows: &[Vec<bool>], cell: impl Fn(usize, usize) -> Option<String>) -> String {
    let mut text = (0..header).map(|at| format!("h{at}")).collect::<Vec<_>>().join(",");
    text.push_str("\r\n");
    for row in 0..rows.len() {
        let cells: Vec<String> = (0..header).map_while(|at| cell(row, at)).collect();
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}

fn text_of(rows: &[Vec<bool>], row: usize, at: usize) -> String {
    // The first cell always has something in it, or the row would be blank.
    if at == 0 || rows[row][at] {
        format!("{row}.{at}")
    } else {
        String::new()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cells_that_a_spreadsheet_leaves_out_come_back_and_nothing_else(
        (width, rows) in (2_usize..6).prop_flat_map(|width| {
            let row = prop_oneof![
                proptest::collection::vec(any::<bool>(), width),
                (1..=width).prop_map(move |filled| (0..width).map(|at| at < filled).collect()),
                Just((0..width).map(|at| at == 0).collect()),
            ];
            (Just(width), proptest::collection::vec(row, 1..70))
        }),
        at_once in 1_usize..40,
        block in 1_usize..40,
    ) {
        // Row 0 is the second record.
        let group = |row: usize| (row + 1) / TOGETHER;
        let of_group = |row: usize| {
            if group(row) == 0 {
                return width;
            }
            let same = (0..rows.len()).filter(|other| group(*other) == group(row));
            let filled = |row: usize| (1..width).rev().find(|at| rows[row][*at]).unwrap_or(0) + 1;
            same.map(filled).max().unwrap_or(width)
        };
        let text = written(width, &rows, |row, at| (at < of_group(row)).then(|| text_of(&rows, row, at)));
        let (read_rows, _) = read(&text, at_once, block, 1);
        prop_assert_eq!(read_rows.len(), rows.len());
        for (row, cells) in read_rows.iter().enumerate() {
            let meant: Vec<String> = (0..width).map(|at| text_of(&rows, row, at)).collect();
            let of_same = (0..rows.len()).filter(|other| group(*other) == group(row)).count();
            if cells.len() < width {
                prop_assert!(of_same < 3, "row {} of {}", row, text);
                prop_assert_eq!(cells, &meant[..cells.len()]);
            } else {
                prop_assert_eq!(cells, &meant);
            }
        }
        let (again, _) = read(&text, text.len(), 1000, 1);
        prop_assert_eq!(again, read_rows);
    }

    #[test]
    fn a_row_that_lost_a_cell_is_never_completed(
        (width, lost, rows) in (3_usize..6).prop_flat_map(|width| {
            let rows = proptest::collection::vec(proptest::collection::vec(any::<bool>(), width), 1..40);
            (Just(width), 1..width, rows)
        }),
        which: prop::sample::Index,
    ) {
        let short = which.index(rows.len());
        // The first of sixteen, where it is the last of the file, is what Excel writes as well.
        prop_assume!((short + 1) % TOGETHER != 0);
        let text = written(width, &rows, |row, at| match at {
            _ if row != short => Some(text_of(&rows, row, at)),
            at if at + 1 == width => None,
            at if at >= lost => Some(text_of(&rows, row, at + 1)),
            at => Some(text_of(&rows, row, at)),
        });
        let (read_rows, _) = read(&text, 9, 5, 1);
        for (row, cells) in read_rows.iter().enumerate() {
            prop_assert_eq!(cells.len(), if row == short { width - 1 } else { width });
        }
    }

    #[test]
    fn no_value_comes_to_stand_in_another_column(
        (rows, lost) in (proptest::collection::vec(proptest::collection::vec(any::<bool>(), 6), 1..50), 1_usize..6),
        which: prop::sample::Index,
        written_short: bool,
        block in 1_usize..40,
    ) {
        // No two columns hold the same sort of value, at least where one row shows it.
        let value = |row: usize, at: usize| {
            let sorts = ["SKU", "u@x.com", "Ana Ek", "12", "York", "DE 1"];
            // The first cell always has something in it, or the row would be blank.
            if at == 0 || row == 0 || rows[row][at] { sorts[at] } else { "" }
        };
        let group = |row: usize| (row + 1) / TOGETHER;
        let used = |row: usize| (0..6).rev().find(|at| !value(row, *at).is_empty()).map_or(1, |at| at + 1);
        let width = |row: usize| match group(row) {
            of if of > 0 && written_short => {
                (0..rows.len()).filter(|other| group(*other) == of).map(used).max().unwrap_or(6)
            }
            _ => 6,
        };
        let shifted = which.index(rows.len());
        prop_assume!(shifted > 0);
        let mut text = String::from("a,b,c,d,e,f\n");
        for row in 0..rows.len() {
            let mut cells: Vec<&str> = (0..width(row)).map(|at| value(row, at)).collect();
            if row == shifted && lost < cells.len() {
                cells.remove(lost);
            }
            let _ = writeln!(text, "{}", cells.join(","));
        }
        let (read_rows, _) = read(&text, 9, block, 1);
        prop_assert_eq!(read_rows.len(), rows.len());
        for (row, cells) in read_rows.iter().enumerate().filter(|(_, cells)| cells.len() == 6) {
            for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                prop_assert_eq!(cell, value(row, at), "row {} of {}", row, text);
            }
        }
    }
}
