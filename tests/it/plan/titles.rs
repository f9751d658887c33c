//! What stands around the rows of templates and of sheets for people: titles, examples, headers in other languages.

use rust_xlsxwriter::Workbook;

use crate::place::Place;

const USERS: &str = "customer,user_principal_name,display_name\nA-1,ana@alpha.onmicrosoft.com,Ana\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_title_above_the_header_is_passed_over_and_told() {
    let place = Place::with_customer().await;
    for (title, note) in [
        (
            "Users to create\n",
            "line 1 stands above the header and was passed over",
        ),
        (
            "# exported on Monday,,\n\n",
            "line 1 stands above the header and was passed over",
        ),
        (
            "\"Users; all\"\n\nof Alpha,,\n",
            "lines 1 to 3 stand above the header and were passed over",
        ),
        (" \t \n", ""),
        (
            "#TYPE Selected.User\nUsers\n",
            "line 2 stands above the header and was passed over",
        ),
    ] {
        for delimiter in [",", ";"] {
            place.write("users.csv", format!("{title}{}", USERS.replace(',', delimiter)));
            let told = place
                .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
                .ends(0)
                .json();
            assert_eq!(told["totals"]["create"], 1, "{title:?}: {told:#}");
            assert_eq!(told["notes"][0].as_str().unwrap_or_default(), note, "{title:?}");
        }
    }
    // A row that repeats another is found at its line.
    let twice = format!("Users\n{USERS}A-1,ana@alpha.onmicrosoft.com,Ana\n");
    place.write("twice.csv", twice);
    let told = place.tenantry(&["plan", "bulk-add-users", "twice.csv"]).ends(1);
    let expected = "twice.csv:4: column 2 user_principal_name: `ana@alpha.onmicrosoft.com`: line 3 has the same value";
    assert!(told.out.contains(expected), "{told:#?}");
    place.write("users.csv", format!("Users to create\n{USERS}"));
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_sorted_with_the_header_are_not_lost() {
    let place = Place::with_customer().await;
    let sorted = "A-1,bo@alpha.onmicrosoft.com,Bo\ncustomer,user_principal_name,display_name\nA-1,ana@alpha.onmicrosoft.com,Ana\n";
    place.write("sorted.csv", sorted);
    let told = place.tenantry(&["plan", "bulk-add-users", "sorted.csv"]).ends(2);
    assert!(
        told.all()
            .contains("line 2 looks like the header; delete what stands above it"),
        "{told:#?}"
    );
    // In a file of one column a title and a row look the same.
    place.write("one.csv", "B-2\ncustomer\nA-1\n");
    let told = place.tenantry(&["plan", "remove-relationship", "one.csv"]).ends(2);
    assert!(
        told.all()
            .contains("line 2 looks like the header; delete what stands above it"),
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_template_is_named() {
    let place = Place::with_customer().await;
    let deletion =
        "version:v1.0\nUser name [userPrincipalName] Required\nExample: kim@contoso.com\nana@alpha.onmicrosoft.com\n";
    place.write("delete.csv", deletion);
    place.write("users.csv", USERS);
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    let told = place
        .tenantry(&["plan", "delete-users", "delete.csv", "--customer", "A-1", "--json"])
        .ends(1)
        .json();
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(1), "{told:#}");
    let fault = &told["errors"][0];
    assert_eq!((&fault["code"], &fault["line"]), (&"example-row".into(), &3.into()));
    assert_eq!(fault["expected"], "this row is the example of a template; delete it");
    assert_eq!(told["totals"]["change"], 1, "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_centres_form_is_understood_in_other_languages() {
    let place = Place::with_customer().await;
    let german = "Benutzername;Vorname;Nachname;Anzeigename;Position;Abteilung;Telefon – Geschäftlich;Telefon (gescha\u{308}ftlich);\
                  Mobiltelefon;Fax;Alternative E-Mail-Adresse;Adresse;Ort;Bundesstaat;Postleitzahl;Land oder Region\n\
                  ida@alpha.onmicrosoft.com;Ida;Ek;Ida Ek;;;4a;+49 89 1234;;;;;Ulm;;89073;Deutschland\n";
    let spanish = "Nombre de usuario,Nombre,Apellidos,Nombre para mostrar,Puesto,Departamento,Número del trabajo,Teléfono del trabajo,\
                   Teléfono móvil,Número de fax,Dirección,Ciudad,Estado o provincia,Código postal,País o región\n\
                   ida@alpha.onmicrosoft.com,Ida,Ek,Ida Ek,,,4a,+49 89 1234,,,,Ulm,,89073,DE\n";
    let portuguese = "Nome de usuário,Nome,Sobrenome,Nome de exibição,Cargo,Departamento,Número comercial,Telefone comercial,Celular,Fax,\
                      Endereço de email alternativo,Endereço,Cidade,Estado ou província,CEP,País ou região\n\
                      ida@alpha.onmicrosoft.com,Ida,Ek,Ida Ek,,,4a,+49 89 1234,,,,,Ulm,,89073,DE\n";
    for (file, text, template) in [
        ("de.csv", german, "Microsoft 365 admin centre, German"),
        ("es.csv", spanish, "Microsoft 365 admin centre, Spanish"),
        ("pt.csv", portuguese, "Microsoft 365 admin centre, Portuguese"),
    ] {
        place.write(file, text);
        let told = place
            .tenantry(&["plan", "bulk-add-users", file, "--customer", "A-1", "--json"])
            .ends(0)
            .json();
        assert_eq!(told["template"], template);
        if file == "de.csv" {
            place
                .tenantry(&["run", "bulk-add-users", file, "--customer", "A-1", "--no-passwords"])
                .ends(0);
        } else {
            assert_eq!(told["totals"]["unchanged"], 1, "{told:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_first_sheet_and_titles_in_sheets_are_no_obstacle() {
    let place = Place::with_customer().await;
    let write = |file: &str, sheets: &[(&str, &[&[&str]])]| {
        let mut book = Workbook::new();
        for (name, rows) in sheets {
            let sheet = book.add_worksheet().set_name(*name).expect("a name");
            for (row, cells) in rows.iter().enumerate() {
                sheet.write_row(row as u32, 0, cells.iter().copied()).expect("a row");
            }
        }
        place.write(file, book.save_to_buffer().expect("a workbook"));
    };
    let users: &[&[&str]] = &[&["Leavers"], &["customer", "city"], &["A-1", "Leeds"]];
    write(
        "empty-first.xlsx",
        &[
            ("Sheet1", &[]),
            ("Read me", &[&["How to fill this in"], &["x", "y"]]),
            ("Data", users),
        ],
    );
    let told = place
        .tenantry(&["plan", "update-account", "empty-first.xlsx", "--json"])
        .ends(0)
        .json();
    assert_eq!(told["totals"]["change"], 1, "{told:#}");
    assert_eq!(told["sheet"], "Data");
    assert_eq!(told["rows"][0]["line"], 3);
    let notes = told["notes"].to_string();
    assert!(
        notes.contains("row 1 stands above the header and was passed over"),
        "{notes}"
    );
    // Where nothing else fits, it is said of the first that it is empty.
    write(
        "nothing.xlsx",
        &[("Sheet1", &[]), ("Read me", &[&["How to fill this in"]])],
    );
    let told = place.tenantry(&["plan", "update-account", "nothing.xlsx"]).ends(2);
    assert!(
        told.all().contains("the sheet holds nothing but blank rows"),
        "{told:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_under_a_header_that_stands_for_the_office_is_refused() {
    let place = Place::with_customer().await;
    let header = "Benutzername;Anzeigename;Telefon – Geschäftlich;Telefon (geschäftlich);Postleitzahl";
    place.write(
        "de.csv",
        format!(
            "{header}\nida@alpha.onmicrosoft.com;Ida;+49 89 12345;;89073\nbo@alpha.onmicrosoft.com;Bo;089/123456;;4.9E+11\n\
             cy@alpha.onmicrosoft.com;Cy;2.014;+49 89 12345;89073\n"
        ),
    );
    let told = place
        .tenantry(&["plan", "bulk-add-users", "de.csv", "--customer", "A-1", "--json"])
        .ends(1)
        .json();
    let faults: Vec<_> = told["errors"].as_array().expect("faults").iter().collect();
    let of = |fault: &serde_json::Value| (fault["line"].as_u64(), fault["column"].clone(), fault["header"].clone());
    // What else is wrong with a row is told with it.
    assert_eq!(
        faults.iter().map(|fault| of(fault)).collect::<Vec<_>>(),
        [
            (Some(2), "office".into(), "Telefon – Geschäftlich".into()),
            (Some(3), "office".into(), "Telefon – Geschäftlich".into()),
            (Some(3), "postal_code".into(), "Postleitzahl".into()),
        ],
        "{told:#}"
    );
    let sentence = faults[0]["expected"].as_str().expect("a sentence");
    assert!(
        sentence.ends_with("put it under `office_phone`, or name the column `office` if it is no phone"),
        "{sentence}"
    );
    assert_eq!(told["totals"]["create"], 1, "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_table_or_has_lost_its_columns_is_called_so() {
    let place = Place::with_customer().await;
    let plan = async |name: &str, bytes: &[u8]| {
        place.write(name, bytes);
        place.tenantry(&["plan", "bulk-add-users", name]).ends(2).all()
    };
    // As portals call pages of theirs, and as one line of each becomes one cell where a spreadsheet expects another delimiter.
    for page in [
        "<!DOCTYPE html>\n<html><table><tr><td>customer",
        "  <TABLE border=1>",
        "<?xml version=\"1.0\"?><Workbook>",
    ] {
        let told = plan("users.xls.csv", page.as_bytes()).await;
        assert!(told.contains("this is a page of the web or an XML document"), "{told}");
    }
    for document in [r#"[{"customer":"A-1"}]"#, "{\n \"customer\": \"A-1\"}"] {
        let told = plan("users.csv", document.as_bytes()).await;
        assert!(told.contains("this is JSON"), "{told}");
    }
    let quoted: String = USERS
        .lines()
        .map(|line| format!("\"{}\"\n", line.replace('"', "\"\"")))
        .collect();
    let told = plan("users.csv", quoted.as_bytes()).await;
    assert!(
        told.contains("every line stands in one cell as a whole, `,` and all"),
        "{told}"
    );
    // Cells that stood in quotes before keep them.
    let twice = "\"customer,\"\"user_principal_name\"\",\"\"first_name\"\"\"\n\"A-1,\"\"ana@alpha.onmicrosoft.com\"\",\"\"Ana\"\"\"\n";
    let told = plan("users.csv", twice.as_bytes()).await;
    assert!(
        told.contains("every line stands in one cell as a whole, `,` and all"),
        "{told}"
    );
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (at, line) in USERS.lines().enumerate() {
        sheet.write(at as u32, 0, line.replace(',', ";")).expect("a cell");
    }
    let told = plan("users.xlsx", &book.save_to_buffer().expect("a workbook")).await;
    assert!(
        told.contains("every line stands in one cell as a whole, `;` and all"),
        "{told}"
    );
    // A single column that fits in no way is a header like any other.
    let told = plan("users.csv", b"users; all\nana\n").await;
    assert!(!told.contains("stands in one cell"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_kind_is_told_by_its_kind() {
    let place = crate::place::Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\n",
    );
    let refused = place.tenantry(&["plan", "set-seats", "users.csv"]).ends(2).all();
    assert!(
        refused.contains("the header is one of `bulk-add-users`") && refused.contains("and not of `set-seats`"),
        "{refused}"
    );
    // A kind that is forgotten is told as that.
    let forgotten = place.tenantry(&["run", "users.csv"]).ends(2).err;
    assert!(
        forgotten.contains("`users.csv` was taken for the kind, which comes before the file"),
        "{forgotten}"
    );
}
