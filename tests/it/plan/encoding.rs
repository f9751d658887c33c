//! Files in other encodings: read by their letters and said so, or refused; never changed in silence.

use encoding_rs::{WINDOWS_1250, WINDOWS_1251, WINDOWS_1252};

use crate::place::{Place, read};

const HEADER: &str = "customer,user_principal_name,first_name,last_name,display_name,usage_location\n";

/// A file of one user in that encoding.
fn one_user(encoding: &'static encoding_rs::Encoding, first: &str, last: &str) -> Vec<u8> {
    let text = format!("{HEADER}A-1,ana@alpha.onmicrosoft.com,{first},{last},{first} {last},GB\n");
    encoding.encode(&text).0.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_by_its_letters_and_said_to_be() {
    let place = Place::with_customer().await;
    place.write("users.csv", one_user(WINDOWS_1250, "Łukasz", "Žák"));
    let note = "the file was read as windows-1250: `Łukasz`, `Žák`, `Łukasz Žák`; if that is wrong, say --encoding";
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(0);
    assert!(plan.out.contains(note), "{plan:#?}");
    let plan = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(plan["notes"][0], note);
    let run = ["run", "bulk-add-users", "users.csv", "--no-passwords", "--json"];
    let run = place.tenantry(&run).ends(0).json();
    assert_eq!(run["input"]["notes"][0], note);
    let receipt = read(run["receipt"].as_str().expect("a path"));
    assert!(receipt.contains(note), "{receipt}");
    let shown = place.tenantry(&["show", run["job"].as_str().expect("an id")]).ends(0);
    assert!(shown.out.contains(note), "{shown:#?}");
    let users = place.tenantry(&["users", "--json"]).ends(0).out;
    assert!(users.contains("Łukasz Žák"), "{users}");
}

/// The first letter beyond ASCII is looked at with the word that it stands in.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_accented_name_is_read_correctly_or_refused() {
    let place = Place::with_customer().await;
    for (last, end, expected) in [
        (&b"Fran\xe7ois"[..], 0, "Fran\u{e7}ois"),
        (b"Lo\xefc", 0, "Lo\u{ef}c"),
        (b"\xa6koda K\xf6ln", 0, "\u{160}koda K\u{f6}ln"),
        // ü as consoles have it.
        (b"M\x81ller", 2, "--encoding"),
    ] {
        let file = [HEADER.as_bytes(), b"A-1,ana@alpha.onmicrosoft.com,Ana,", last, b",,\n"].concat();
        place.write("users.csv", file);
        let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(end);
        assert!(plan.all().contains(expected), "{plan:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_encoding_can_be_said_and_is_part_of_the_plan() {
    let place = Place::with_customer().await;
    place.write("users.csv", one_user(WINDOWS_1251, "Zoe", "Ж"));
    let said = [
        "plan",
        "bulk-add-users",
        "users.csv",
        "--encoding",
        "cp1251",
        "--out",
        "plan.json",
    ];
    let plan = place.tenantry(&said).ends(0);
    assert!(plan.out.contains("windows-1251: `Ж`, `Zoe Ж`"), "{plan:#?}");
    place.tenantry(&["apply", "plan.json", "--no-passwords"]).ends(0);
    let users = place.tenantry(&["users", "--json"]).ends(0).out;
    assert!(users.contains("Zoe Ж"), "{users}");
    // The same bytes in another encoding are other work.
    let other = [
        "run",
        "bulk-add-users",
        "users.csv",
        "--encoding",
        "windows-1252",
        "--no-passwords",
        "--json",
    ];
    let other = place.tenantry(&other);
    assert!(!other.out.contains("already"), "{other:#?}");

    place.write("marked.csv", "\u{feff}customer,phone\nA-1,1\n");
    let wrong = place
        .tenantry(&["plan", "update-account", "marked.csv", "--encoding", "windows-1252"])
        .ends(2);
    assert!(
        wrong
            .all()
            .contains("begins with the mark of UTF-8, and is said to be windows-1252"),
        "{wrong:#?}"
    );
    let unknown = place
        .tenantry(&["plan", "update-account", "marked.csv", "--encoding", "cp850"])
        .ends(2);
    assert!(
        unknown
            .all()
            .contains("there is no encoding `cp850` here; usual ones are utf-8"),
        "{unknown:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_cannot_be_told_is_refused() {
    let place = Place::with_customer().await;
    // Code page 850, which nobody can tell from others by one name.
    let mut file = HEADER.as_bytes().to_vec();
    file.extend_from_slice(b"A-1,ana@alpha.onmicrosoft.com,J\x81rgen,M\x81ller,J\x81rgen M\x81ller,GB\n");
    place.write("users.csv", file);
    let run = place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(2);
    assert!(run.all().contains("users.csv:2:"), "{run:#?}");
    assert!(run.all().contains("what it is cannot be told"), "{run:#?}");
    assert!(run.all().contains("--encoding"), "{run:#?}");
    let users = place.tenantry(&["users", "--json"]).ends(0).out;
    assert!(!users.contains("ana@"), "{users}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_an_encoding_did_not_have_are_refused() {
    let place = Place::with_customer().await;
    // As a spreadsheet saves it, with `?` for what Windows-1252 lacks.
    place.write("users.csv", one_user(WINDOWS_1252, "B\u{f6}", "?ukasz"));
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(1);
    assert!(
        plan.out
            .contains("column 4 last_name: `?ukasz`: the `?` at character 1 stands for a letter that was lost"),
        "{plan:#?}"
    );
    assert!(
        plan.out
            .contains("column 5 display_name: `B\u{f6} ?ukasz`: the `?` at character 4"),
        "{plan:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn garbled_text_is_noted_with_its_likely_original() {
    let place = Place::with_customer().await;
    let (garbled, _) = WINDOWS_1252.decode_without_bom_handling("Müller".as_bytes());
    place.write(
        "users.csv",
        format!("{HEADER}A-1,ana@alpha.onmicrosoft.com,Ana,{garbled},Ana M,GB\n"),
    );
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(0);
    assert!(
        plan.out
            .contains("note: line 2: `MÃ¼ller` looks like `Müller`, garbled by another program before"),
        "{plan:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_mails_and_addresses_write_in_ascii_are_told() {
    let place = Place::with_customer().await;
    let users = |name: &str, row: &[&str]| {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_row(0, 0, HEADER.trim().split(',')).expect("a row");
        sheet.write_row(1, 0, row.iter().copied()).expect("a row");
        place.write(&format!("{name}.xlsx"), book.save_to_buffer().expect("a workbook"));
        place.write(&format!("{name}.csv"), format!("{HEADER}{}\n", row.join(",")));
    };
    let row = [
        "A-1",
        "ana@alpha.onmicrosoft.com",
        "Jos+AOk",
        "M+APw-ller",
        "M=C3=BCller",
        "GB",
    ];
    users("mail", &row);
    for (file, place_of) in [("mail.csv", "line"), ("mail.xlsx", "row")] {
        let told = place.tenantry(&["plan", "bulk-add-users", file]).ends(0).out;
        for (read, meant) in [("Jos+AOk", "José"), ("M+APw-ller", "Müller"), ("M=C3=BCller", "Müller")] {
            let note =
                format!("note: {place_of} 2: `{read}` looks like `{meant}`, garbled by another program before\n");
            assert!(told.contains(&note), "{told}");
        }
    }
}
