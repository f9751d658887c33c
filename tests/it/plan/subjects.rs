//! Every line that is shown says whom it is about: in plans, faults, undo, rows and reports, as text and as data.

use serde_json::{Value, json};

use crate::place::{On, Place, apply, of_this_store, read};

async fn with_users() -> Place {
    let place = Place::with_customer().await;
    place.write(
        "users.csv",
        "customer,user_principal_name,display_name\n\
         A-1,ida@alpha.onmicrosoft.com,Ida Ek\n\
         alpha.onmicrosoft.com,bo@alpha.onmicrosoft.com,\n",
    );
    place
}

fn subjects(rows: &Value) -> Vec<Value> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row["subject"]["key"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_name_created_changed_and_deleted_subjects() {
    let place = with_users().await;
    let plan = place.tenantry(&["plan", "bulk-add-users", "users.csv"]).ends(0).out;
    assert!(
        plan.contains("line 2: create ida@alpha.onmicrosoft.com (Ida Ek, of Alpha Ltd)\nline 3: create bo@alpha.onmicrosoft.com (of Alpha Ltd)\n"),
        "{plan}"
    );
    let told = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .ends(0)
        .json();
    assert_eq!(
        told["rows"][0]["subject"],
        json!({ "kind": "user", "key": "ida@alpha.onmicrosoft.com", "name": "Ida Ek", "customer": "alpha.onmicrosoft.com",
            "customer_name": "Alpha Ltd" })
    );
    place
        .tenantry(&["run", "bulk-add-users", "users.csv", "--no-passwords"])
        .ends(0);
    // A file without a column `customer`, and one whose columns stand elsewhere.
    place.write(
        "leavers.csv",
        "reason,user_principal_name\nleft,ida@alpha.onmicrosoft.com\n",
    );
    let plan = ["plan", "delete-users", "leavers.csv", "--customer", "a-1"];
    let plan = place.tenantry(&plan).ends(0).out;
    assert!(
        plan.contains("line 2: delete ida@alpha.onmicrosoft.com (of Alpha Ltd) (destructive)\n"),
        "{plan}"
    );
    place.write("account.csv", "customer,company_name\nA-1,Alpha Two\n");
    let plan = place.tenantry(&["plan", "update-account", "account.csv"]).ends(0).out;
    assert!(
        plan.contains("line 2: change Alpha Ltd (alpha.onmicrosoft.com)\n"),
        "{plan}"
    );
    let ended = ["plan", "remove-relationship", "--set", "customer=A-1"];
    let ended = place.tenantry(&ended).ends(0).out;
    assert!(
        ended.contains("end the relationship with Alpha Ltd (alpha.onmicrosoft.com) (destructive)"),
        "{ended}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_name_their_subject_for_every_reason() {
    let place = with_users().await;
    place.write(
        "bad.csv",
        "customer,user_principal_name,usage_location,licenses\n\
         A-1,uma@alpha.onmicrosoft.com,UK,\n\
         A-1,eva@alpha.onmicrosoft.com,DE,NOSUCH\n\
         A-1,not a name,DE,\n\
         A-1,kim@alpha.onmicrosoft.com,DE,\n\
         A-1,Kim@alpha.onmicrosoft.com,DE,\n",
    );
    let plan = ["plan", "bulk-add-users", "bad.csv"];
    let text = place.tenantry(&plan).ends(1).out;
    let about = [
        ("bad.csv:2:", "for uma@alpha.onmicrosoft.com (of Alpha Ltd)"),
        ("bad.csv:3:", "for eva@alpha.onmicrosoft.com (of Alpha Ltd)"),
    ];
    for (line, about) in about {
        let told = text.lines().find(|told| told.starts_with(line));
        assert!(told.is_some_and(|told| told.contains(about)), "{line} {about}\n{text}");
    }
    // The value says it already, though not of which customer.
    assert!(!text.contains("for not a name") && !text.contains("for Kim@"), "{text}");
    for line in ["bad.csv:4:", "bad.csv:6:"] {
        let told = text.lines().find(|told| told.starts_with(line));
        assert!(
            told.is_some_and(|told| told.ends_with("] (of Alpha Ltd)")),
            "{line}\n{text}"
        );
    }
    let told = place.tenantry(&[&plan[..], &["--json"]].concat()).ends(1).json();
    let errors = subjects(&told["errors"]);
    let expected = [
        "uma@alpha.onmicrosoft.com",
        "eva@alpha.onmicrosoft.com",
        "not a name",
        "Kim@alpha.onmicrosoft.com",
    ];
    assert_eq!(errors, expected.map(|key| json!(key)));
    for error in told["errors"].as_array().expect("errors") {
        assert_eq!(error["subject"]["customer_name"], "Alpha Ltd", "{error:#}");
    }
    assert_eq!(
        subjects(&told["rows"])[..3],
        [
            json!("uma@alpha.onmicrosoft.com"),
            json!("eva@alpha.onmicrosoft.com"),
            json!("not a name")
        ]
    );

    let run = [
        "run",
        "bulk-add-users",
        "bad.csv",
        "--skip-invalid",
        "--no-passwords",
        "--json",
    ];
    let job = place.tenantry(&run).ends(1).json()["job"]
        .as_str()
        .expect("a job")
        .to_owned();
    let report = place.tenantry(&["report", &job]).ends(0).out;
    assert!(
        report.contains("row 2, line 3, eva@alpha.onmicrosoft.com (of Alpha Ltd): "),
        "{report}"
    );
    let told = place.tenantry(&["report", &job, "--json"]).ends(0).json();
    let example = &told["errors"][0]["examples"][0];
    assert!(
        example["line"].is_u64() && example["subject"]["kind"] == "user",
        "{example}"
    );
    place.tenantry(&["report", &job, "--html", "report.html"]).ends(0);
    assert!(
        read(place.path("report.html"))
            .contains("<td>row 2, line 3</td><td>eva@alpha.onmicrosoft.com (of Alpha Ltd)</td>")
    );
    let rows = place.tenantry(&["rows", &job, "--outcome", "applied"]).ends(0).out;
    assert!(
        rows.contains("row 4, line 5") && rows.contains("kim@alpha.onmicrosoft.com (of Alpha Ltd)"),
        "{rows}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_which_every_row_is_refused_names_the_company_as_well() {
    let place = Place::with_customer().await;
    let rows = "customer,user_principal_name,usage_location\nA-1,uma@alpha.onmicrosoft.com,UK\nA-1,,DE\nA-9,eva@alpha.onmicrosoft.com,UK\n";
    place.write("bad.csv", rows);
    let text = place.tenantry(&["plan", "bulk-add-users", "bad.csv"]).ends(1).out;
    let of_line = |line: &str| text.lines().find(|told| told.starts_with(line)).unwrap_or_default();
    assert!(
        of_line("bad.csv:2:").ends_with("] for uma@alpha.onmicrosoft.com (of Alpha Ltd)"),
        "{text}"
    );
    assert!(of_line("bad.csv:3:").ends_with("[required] (of Alpha Ltd)"), "{text}");
    assert!(
        of_line("bad.csv:4:").ends_with("] for eva@alpha.onmicrosoft.com (of A-9)"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_names_the_subject_of_each_row() {
    let place = with_users().await;
    let run = ["run", "bulk-add-users", "users.csv", "--no-passwords", "--json"];
    let job = place.tenantry(&run).ends(0).json()["job"]
        .as_str()
        .expect("a job")
        .to_owned();
    let plan = place.tenantry(&["undo", &job, "--plan"]).ends(0);
    assert!(plan.err.contains(&format!("hint: tenantry undo {job}\n")), "{plan:#?}");
    let plan = plan.out;
    assert!(
        plan.contains("row 1: undo ida@alpha.onmicrosoft.com (Ida Ek, of Alpha Ltd) (destructive)\n"),
        "{plan}"
    );
    assert!(
        plan.contains("row 2: undo bo@alpha.onmicrosoft.com (of Alpha Ltd) (destructive)\n"),
        "{plan}"
    );
    let told = place.tenantry(&["undo", &job, "--plan", "--json"]).ends(0).json();
    assert_eq!(
        subjects(&told["rows"]),
        [json!("ida@alpha.onmicrosoft.com"), json!("bo@alpha.onmicrosoft.com")]
    );
    assert_eq!(told["rows"][1]["line"], 3);
}

/// Its sample, and its first row once more, of a customer that there is not.
fn with_a_fault(kind: &dyn tenantry_jobs::JobKind) -> String {
    let mut rows = csv::Reader::from_reader(kind.sample().as_bytes());
    let mut all = csv::Writer::from_writer(Vec::new());
    let header = rows.headers().expect("a header").clone();
    all.write_record(&header).expect("memory");
    let rows: Vec<csv::StringRecord> = rows.into_records().map(|row| row.expect("a row")).collect();
    for row in &rows {
        all.write_record(row).expect("memory");
    }
    let faulty = header.iter().zip(&rows[0]).map(|(column, cell)| match column {
        "customer" => "nobody.example",
        "country" => "UK",
        _ => cell,
    });
    all.write_record(faulty).expect("memory");
    String::from_utf8(all.into_inner().expect("memory")).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_every_kind_names_its_subject() {
    let place = Place::new(On::Sqlite).await;
    let ledger = place.ledger().await;
    let says = |what: &str, rows: &Value| {
        for row in rows.as_array().expect("rows") {
            assert!(
                row["subject"]["key"].as_str().is_some_and(|key| !key.is_empty()),
                "{what}: {row}"
            );
        }
    };
    for kind in of_this_store() {
        let name = kind.kind();
        let rows = with_a_fault(kind);
        place.write("rows.csv", &rows);
        let plan = place.tenantry(&["plan", name, "rows.csv", "--json"]).ends(1).json();
        says(name, &plan["rows"]);
        says(name, &plan["errors"]);
        let text = place.tenantry(&["plan", name, "rows.csv", "--all"]).ends(1).out;
        for line in text.lines().filter(|line| line.starts_with("line ")) {
            let (_, told) = line.split_once(": ").expect("what it does");
            assert!(told.trim_end_matches(" (destructive)").contains(' '), "{name}: {line}");
        }
        let job = apply(&ledger, name, kind.sample()).await;
        let undo = place
            .tenantry(&["undo", &job.id.to_string(), "--plan", "--json"])
            .json();
        if !undo["rows"].is_array() {
            continue;
        }
        says(name, &undo["rows"]);
        // Products by name, as in the plan.
        let changes = undo["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["changes"].to_string());
        let of_licences = changes
            .filter(|changes| changes.contains("\"licenses\""))
            .collect::<String>();
        assert!(!of_licences.contains("-4"), "{name}: {of_licences}");
        let report = place
            .tenantry(&["undo", &job.id.to_string(), "--submit", "--json"])
            .ends(0)
            .json();
        let undoing = report["job"].as_str().expect("an id");
        let rows = place.tenantry(&["rows", undoing, "--json"]).ends(0).out;
        let rows: Vec<Value> = rows
            .lines()
            .map(|row| serde_json::from_str(row).expect("JSON"))
            .collect();
        says(name, &json!(rows));
        place.tenantry(&["cancel", undoing]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_at_fault_are_data_and_not_read_from_the_message() {
    let place = with_users().await;
    // A value that reads like a message of another column, and one column that is at fault twice.
    let header = [
        "customer",
        "user_principal_name",
        "display_name",
        "usage_location",
        "licenses",
    ];
    let rows = [
        [
            "A-1",
            "ann@alpha.onmicrosoft.com",
            "Ann",
            "x; display_name: y",
            "NOSUCH;NADA",
        ],
        ["A-1", "kim@alpha.onmicrosoft.com", "Kim", "", ""],
        ["A-1", "KIM@alpha.onmicrosoft.com", "Kim", "XX", ""],
    ];
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("Users").expect("a name");
    for (at, row) in std::iter::once(header).chain(rows).enumerate() {
        sheet.write_row(at as u32, 0, row).expect("a row");
    }
    place.write("users.xlsx", book.save_to_buffer().expect("a workbook"));
    let lines = std::iter::once(header)
        .chain(rows)
        .map(|row| format!("\"{}\"", row.join("\",\"")));
    place.write("users.csv", lines.collect::<Vec<_>>().join("\n") + "\n");
    let first = json!(["usage_location", "licenses"]);
    let last = json!(["usage_location", "user_principal_name"]);
    for (file, cells) in [
        ("users.csv", Value::Null),
        ("users.xlsx", json!([["D2", "E2"], ["D4", "B4"]])),
    ] {
        let run = [
            "run",
            "bulk-add-users",
            file,
            "--skip-invalid",
            "--no-passwords",
            "--json",
            "--out",
            file.trim_start_matches("users."),
        ];
        let job = place.tenantry(&run).ends(1).json()["job"]
            .as_str()
            .expect("a job")
            .to_owned();
        let rows = place.tenantry(&["rows", &job, "--json"]).ends(0).out;
        let rows: Vec<Value> = rows
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!((&rows[0]["columns"], &rows[2]["columns"]), (&first, &last), "{rows:#?}");
        assert!(rows[1].get("columns").is_none(), "{rows:#?}");
        assert_eq!(
            (&rows[0]["cells"], &rows[2]["cells"]),
            (&cells[0], &cells[1]),
            "{rows:#?}"
        );
        let report = place.tenantry(&["report", &job, "--json"]).ends(0).json();
        let examples = report["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .filter_map(|group| group["examples"].as_array());
        let columns: Vec<&Value> = examples.flatten().map(|example| &example["columns"]).collect();
        assert!(columns.contains(&&first) && columns.contains(&&last), "{report:#}");
    }
    let rejects = read(place.path("xlsx").join("rejects.csv"));
    assert!(rejects.contains("sheet Users, row 2 (D2, E2)"), "{rejects}");
}

/// The line of totals that a spreadsheet has at its end names nobody, and is still told as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_subject_is_called_by_its_place() {
    let place = with_users().await;
    place.write(
        "users.csv",
        "customer,user_principal_name,display_name,usage_location\nA-1,ida@alpha.onmicrosoft.com,Ida Ek,GB\nTotal: 1,,,XX\n",
    );
    let told = place
        .tenantry(&["plan", "--all", "bulk-add-users", "users.csv"])
        .ends(1)
        .all();
    assert!(told.contains("users.csv:3: column 4 usage_location: `XX`"), "{told}");
    assert!(!told.contains("for of"), "{told}");
}

/// What a spreadsheet writes for an error says nothing of lost letters, and one fault is enough for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_is_one_fault() {
    let place = with_users().await;
    place.write(
        "users.csv",
        "customer,user_principal_name,first_name,last_name\nA-1,ida@alpha.onmicrosoft.com,Ida,#NAME?\nA-1,bo@alpha.onmicrosoft.com,Bo,M?ller\n",
    );
    let told = place
        .tenantry(&["plan", "bulk-add-users", "users.csv", "--json"])
        .json();
    let codes: Vec<&Value> = told["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|one| &one["code"])
        .collect();
    assert_eq!(codes, ["error-cell", "bad-character"], "{told:#}");
}
