//! Rows of a sheet that nobody sees: told, and not carried out where that cannot be taken back lightly.

use rust_xlsxwriter::Workbook;

use crate::place::{Place, read};

const USERS: &str = "\
customer,user_principal_name,display_name,usage_location
A-1,ana@alpha.onmicrosoft.com,Ana,GB
A-1,bo@alpha.onmicrosoft.com,Bo,GB
A-1,cy@alpha.onmicrosoft.com,Cy,GB
";

/// A workbook of three users of whom two rows are hidden, one by a filter and one by its height, and a column as well.
fn leavers(place: &Place) {
    let mut book = Workbook::new();
    let other = book.add_worksheet().set_name("A & B").expect("a name");
    other.write(0, 0, "customer").expect("a cell");
    other.set_row_hidden(0).expect("a row");
    let sheet = book.add_worksheet().set_name("Leavers").expect("a name");
    for (row, line) in USERS.lines().enumerate() {
        for (column, cell) in line.split(',').take(2).enumerate() {
            sheet.write(row as u32, column as u16, cell).expect("a cell");
        }
        sheet
            .write(row as u32, 2, if row == 0 { "_left" } else { "yes" })
            .expect("a cell");
    }
    sheet.set_row_hidden(1).expect("a row");
    sheet.set_row_height(3, 0).expect("a row");
    sheet.set_column_hidden(2).expect("a column");
    book.save(place.path("leavers.xlsx")).expect("room");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_rows_are_deleted_only_on_request() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    leavers(&place);
    let told = "2 rows of the sheet are hidden, and `delete-users` would carry out what nobody sees; \
                say --hidden-rows skip or --hidden-rows include";
    for command in ["plan", "run", "submit"] {
        let refused = place
            .tenantry(&[command, "delete-users", "leavers.xlsx", "--sheet", "Leavers"])
            .ends(2);
        assert!(refused.all().contains(told), "{refused:#?}");
    }
    let plan = |word: &str| {
        let plan = [
            "plan",
            "delete-users",
            "leavers.xlsx",
            "--sheet",
            "Leavers",
            "--hidden-rows",
            word,
            "--json",
        ];
        place.tenantry(&plan).ends(0).json()
    };
    let (skip, include) = (plan("skip"), plan("include"));
    assert_eq!(
        (&skip["totals"]["rows"], &include["totals"]["rows"]),
        (&1.into(), &3.into())
    );
    assert_eq!(skip["rows"][0]["line"], 3);
    assert_eq!(skip["notes"][1], "2 rows of the sheet are hidden, and passed over");
    assert_eq!(
        include["notes"][1],
        "2 rows of the sheet are hidden, and read like the others"
    );
    assert_eq!(
        include["notes"][2],
        "1 column of the sheet is hidden, and read like the others"
    );
    assert_ne!(skip["hash"], include["hash"]);

    // A kind that only adds reads them and says so.
    let add = ["plan", "bulk-add-users", "leavers.xlsx", "--sheet", "Leavers", "--json"];
    let add = place.tenantry(&add).json();
    assert_eq!(
        add["notes"][1],
        "2 rows of the sheet are hidden, and read like the others"
    );

    let planned = [
        "plan",
        "delete-users",
        "leavers.xlsx",
        "--sheet",
        "Leavers",
        "--hidden-rows",
        "skip",
        "--out",
        "plan.json",
    ];
    place.tenantry(&planned).ends(0);
    assert!(read(place.path("plan.json")).contains("\"hidden_rows\":\"skip\""));
    let applied = place.tenantry(&["apply", "plan.json", "--json"]);
    assert!(applied.out.contains("awaiting-approval"), "{applied:#?}");
    assert_eq!(applied.json()["counts"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_column_with_the_users_to_delete_has_to_be_agreed_to() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    let write = |hidden: u16| {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (row, line) in USERS.lines().enumerate() {
            let cells: Vec<&str> = line.split(',').take(2).collect();
            sheet.write_row(row as u32, 0, cells).expect("a row");
            sheet
                .write(row as u32, 2, if row == 0 { "_note" } else { "x" })
                .expect("a cell");
        }
        sheet.set_column_hidden(hidden).expect("a column");
        place.write("leavers.xlsx", book.save_to_buffer().expect("a workbook"));
    };
    write(1);
    let told = "column B of the sheet (`user_principal_name`) is hidden, and `delete-users` would carry out what nobody sees; \
                show the column, or say --hidden-rows include";
    for command in ["plan", "run", "submit"] {
        let refused = place.tenantry(&[command, "delete-users", "leavers.xlsx"]).ends(2);
        assert!(refused.all().contains(told), "{refused:#?}");
    }
    let include = ["plan", "delete-users", "leavers.xlsx", "--hidden-rows", "include"];
    place.tenantry(&include).ends(0);
    // Nothing is done by a column that the kind does not read, nor destroyed by other kinds.
    write(2);
    place.tenantry(&["plan", "delete-users", "leavers.xlsx"]).ends(0);
    write(1);
    place.tenantry(&["plan", "bulk-add-users", "leavers.xlsx"]);
}

/// Below a list people hide what they do not use, rows and columns alike.
#[tokio::test(flavor = "multi_thread")]
async fn rows_without_values_and_columns_without_names_hide_nothing() {
    let place = Place::with_customer().await;
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in USERS.lines().enumerate() {
        let cells: Vec<&str> = line.split(',').take(2).collect();
        sheet.write_row(row as u32, 0, cells).expect("a row");
    }
    let bold = rust_xlsxwriter::Format::new().set_bold();
    sheet.write_blank(9, 0, &bold).expect("a cell");
    for row in 4..12 {
        sheet.set_row_hidden(row).expect("a row");
    }
    for column in 2..20 {
        sheet.set_column_hidden(column).expect("a column");
    }
    place.write("leavers.xlsx", book.save_to_buffer().expect("a workbook"));
    let plan = place
        .tenantry(&["plan", "delete-users", "leavers.xlsx", "--json"])
        .ends(0)
        .json();
    assert_eq!(plan["totals"]["change"], 3);
    assert_eq!(plan["notes"], serde_json::json!(["the sheet `Sheet1` was read"]));
}
