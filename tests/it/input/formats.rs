//! Numbers in workbooks whose format shows more than the number.

use std::io::Cursor;

use rust_xlsxwriter::{Format, Formula, Workbook};
use tenantry_foundation::input::{Input, InputLimits};

use crate::input::rows;

#[test]
fn a_cell_is_read_as_its_format_shows() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, title) in ["zip", "phone", "other", "last"].into_iter().enumerate() {
        sheet.write(0, column as u16, title).expect("a cell");
    }
    let [zip, plus, ssn, money, count, text] = ["00000", "\"+\"0", "000\\-00\\-0000", "$#,##0.00", "#,##0", "\"+\"@"]
        .map(|code| Format::new().set_num_format(code));
    let number = |sheet: &mut rust_xlsxwriter::Worksheet, row, column, value: f64, format: &Format| {
        sheet.write_with_format(row, column, value, format).expect("a cell");
    };
    number(sheet, 1, 0, 1067.0, &zip);
    number(sheet, 1, 1, 491_701_234_567.0, &plus);
    number(sheet, 1, 2, 12_345_678.0, &ssn);
    number(sheet, 1, 3, 5.5, &money);
    // Formats that change within a column, a text under a format, and a row that is not there.
    number(sheet, 3, 0, 7.0, &Format::new());
    sheet.write_with_format(3, 1, "030 1", &plus).expect("a cell");
    number(sheet, 3, 2, 1200.0, &count);
    sheet.write_with_format(3, 3, "49 30", &text).expect("a cell");
    number(sheet, 4, 0, 8.0, &zip);
    let formula = Formula::new("=A2").set_result("1067");
    sheet.write_with_format(4, 3, formula, &zip).expect("a cell");
    let bytes = book.save_to_buffer().expect("a workbook");
    let input = Input::from_reader("a.xlsx", Box::new(Cursor::new(bytes)), InputLimits::default());
    let read = rows(&mut input.expect("a header")).expect("rows");
    let expected = [
        (2, ["01067", "+491701234567", "012-34-5678", "$5.50"]),
        (4, ["7", "030 1", "1200", "+49 30"]),
        (5, ["00008", "", "", "01067"]),
    ];
    let expected = expected.map(|(line, cells)| (line, cells.map(str::to_owned).to_vec()));
    assert_eq!(read, expected);
}

#[test]
fn shares_and_fractions_are_read_as_typed() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, (code, value)) in [
        ("0%", 0.03),
        ("0.0%", 0.125),
        ("[$€-407] #,##0.00", 19.9),
        ("#,##0.00\\ [$kr-414]", 5.0),
        ("# ?/?", 12.5),
    ]
    .into_iter()
    .enumerate()
    {
        sheet.write(0, column as u16, code).expect("a cell");
        let format = Format::new().set_num_format(code);
        sheet
            .write_with_format(1, column as u16, value, &format)
            .expect("a cell");
    }
    let bytes = book.save_to_buffer().expect("a workbook");
    let input = Input::from_reader("a.xlsx", Box::new(Cursor::new(bytes)), InputLimits::default());
    let read = rows(&mut input.expect("a header")).expect("rows");
    assert_eq!(read[0].1, ["3%", "12.5%", "€ 19.90", "5.00 kr", "12 1/2"]);
}
