//! What files say of themselves: rejected rows that come back, secrets, and failures that hold a folder.

use super::*;

const MIXED: &str =
    "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\nA-1,not a name,B,B\n";

/// Case 26: rejects, fixed, are dropped as they are: only those rows are done, and the receipt names the job that had rejected them.
#[tokio::test(flavor = "multi_thread")]
async fn corrected_rejects_come_back_and_name_their_job() {
    let folder = Folder::with(On::Sqlite, "skip_invalid = true").await;
    let other = folder.place.path("seats");
    std::fs::create_dir(&other).expect("made");
    let both = section("users", &folder.path(""), "bulk-add-users", "skip_invalid = true")
        + &section("seats", &other, "set-seats", "");
    folder.configure(&both);
    folder.set_up();
    folder.drop("users.csv", MIXED);
    folder.drain();
    let done = folder.of("done", "users");
    let job = folder.receipt("done", "users")["job"]
        .as_str()
        .expect("an id")
        .to_owned();
    let rejects = format!("users--{}.rejects.csv", &job[job.len() - 8..]);
    let fixed = read(done.join(&rejects)).replace("not a name", "b@alpha.onmicrosoft.com");
    assert!(fixed.contains(&job), "{fixed}");
    folder.drop(&rejects, &fixed);
    // Dropped where another kind belongs, they are refused with the right place.
    std::fs::write(other.join("in").join(&rejects), &fixed).expect("written");
    folder.drain();
    folder.is_clear();
    let stem = format!("users--{}", &job[job.len() - 8..]);
    let back = folder.shelved("done").into_iter().find(|(_, path)| {
        path.to_string_lossy().contains(&format!("{stem}.rejects")) || path.join(&rejects).exists() && path != &done
    });
    let (_, back) = back.unwrap_or_else(|| panic!("{:?}", folder.shelved("done")));
    let receipt: Value = serde_json::from_str(&read(back.join("receipt.json"))).expect("JSON");
    assert_eq!(
        (&receipt["counts"]["applied"], &receipt["counts"]["total"]),
        (&1.into(), &1.into())
    );
    assert_eq!(receipt["origin"]["corrects"], job.as_str());
    let failed = other.join("failed");
    let day = failed.join(&names(&failed)[0]);
    let reasons = read(day.join(&names(&day)[0]).join("reasons.txt"));
    assert!(
        reasons.contains("wrong-folder") || reasons.contains("drop them into the folder `users`"),
        "{reasons}"
    );
    // All of the results dropped again change nothing.
    folder.drop("everything.csv", read(done.join("results.csv")));
    folder.drain();
    let receipt = folder.receipt("done", "everything");
    assert_eq!(
        (&receipt["counts"]["applied"], &receipt["counts"]["unchanged"]),
        (&0.into(), &1.into()),
        "{receipt}"
    );
}

/// Secrets are in no file that is kept once it was carried out; one that was refused comes back as it came.
#[tokio::test(flavor = "multi_thread")]
async fn archived_files_have_no_secrets() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let planted = "Pl4nted-Secret!";
    let text = |name: &str| {
        format!("customer,user_principal_name,first_name,last_name,password\nA-1,{name},A,\"A, B\",{planted}\n")
    };
    folder.drop("users.csv", text("a@alpha.onmicrosoft.com"));
    folder.drop("bad.csv", text("not a name"));
    folder.drain();
    folder.is_clear();
    let done = folder.of("done", "users");
    for name in names(&done) {
        assert!(!read(done.join(&name)).contains(planted), "{name}");
    }
    let kept = read(done.join("users.csv"));
    assert!(kept.contains("a@alpha.onmicrosoft.com,A,\"A, B\",<redacted>"), "{kept}");
    let failed = folder.of("failed", "bad");
    assert_eq!(read(failed.join("bad.csv")), text("not a name"));
    for name in names(&failed).into_iter().filter(|name| name != "bad.csv") {
        assert!(!read(failed.join(&name)).contains(planted), "{name}");
    }
    assert!(read(failed.join("reasons.txt")).contains("with whatever secrets it has"));
}

/// Case 41: the same of packed files and workbooks, of which a text without secrets is kept.
#[tokio::test(flavor = "multi_thread")]
async fn packed_files_and_workbooks_are_archived_without_secrets() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let planted = "Pl4nted-Secret!";
    let head = ["customer", "user_principal_name", "first_name", "last_name", "password"];
    let row = |name: &str| {
        [
            "A-1".to_owned(),
            format!("{name}@alpha.onmicrosoft.com"),
            "A".to_owned(),
            "B".to_owned(),
            planted.to_owned(),
        ]
    };
    folder.drop(
        "packed.csv.gz",
        packed(&format!("{}\n{}\n", head.join(","), row("a").join(","))),
    );
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (at, (name, cell)) in (0..).zip(head.iter().zip(row("b"))) {
        sheet.write_string(0, at, *name).expect("written");
        sheet.write_string(1, at, cell).expect("written");
    }
    folder.drop("book.xlsx", book.save_to_buffer().expect("made"));
    folder.drain();
    folder.is_clear();
    for (stem, file) in [("packed", "packed.csv.gz.csv"), ("book", "book.xlsx.csv")] {
        let done = folder.of("done", stem);
        assert_eq!(names(&done), [file, "receipt.json", "results.csv"]);
        for name in names(&done) {
            assert!(!read(done.join(&name)).contains(planted), "{name}");
        }
        assert!(
            read(done.join(file)).contains("<redacted>"),
            "{}",
            read(done.join(file))
        );
    }
    assert_eq!(folder.jobs().await, (2, 2));
}

/// The same, where the worker dies between the copy and what follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_over_a_redacted_copy_makes_no_second_drop_of_it() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop(
        "users.csv",
        "customer,user_principal_name,first_name,last_name,password\nA-1,a@alpha.onmicrosoft.com,A,B,Pl4nted-Secret!\n",
    );
    for step in ["drop-redacting", "drop-results", "drop-archiving"] {
        let status = folder
            .command(&["worker", "--drain"])
            .env("TENANTRY_FAILPOINT", step)
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("it starts").code().is_none(), "{step}");
    }
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["users"]);
    assert!(read(folder.of("done", "users").join("users.csv")).contains("<redacted>"));
}

/// Case 44: a folder that holds takes nothing after a failure until somebody says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_folder_waits_for_its_release() {
    let folder = Folder::with(On::Sqlite, "on_failed = \"hold\"").await;
    folder.set_up();
    folder.drop("01.csv", users(&["a"]));
    folder.drop("02.csv", users(&["not a name"]));
    folder.drop("03.csv", users(&["c"]));
    folder.drain();
    assert_eq!(
        (folder.stems("done"), folder.stems("failed")),
        (vec!["01".to_owned()], vec!["02".to_owned()])
    );
    assert_eq!(folder.names("in"), ["03.csv"]);
    let listed = folder.tenantry(&["folders"]).ends(0);
    assert!(
        listed.out.contains("held") && listed.err.contains("users has held since 02.csv was refused"),
        "{listed:?}"
    );
    let found = folder.tenantry(&["doctor"]).ends(2);
    assert!(
        found
            .out
            .contains("it holds since 02.csv was refused; `tenantry folders release users` goes on"),
        "{}",
        found.out
    );
    folder
        .tenantry(&["folders", "release", "users", "--by", "anna"])
        .ends(0);
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["01", "03"]);
    let audit = folder.tenantry(&["audit"]).ends(0).out;
    assert!(audit.contains("released") && audit.contains("anna"), "{audit}");
    folder.tenantry(&["folders", "release", "users"]).ends(2);
}

/// What nothing came of is a failure; what some rows came of is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_applied_nothing_lies_with_the_failures() {
    let folder = Folder::with(On::Sqlite, "skip_invalid = true").await;
    folder.set_up();
    folder.drop("none.csv", users(&["not a name", "nor this"]));
    folder.drop("some.csv", MIXED);
    folder.drain();
    assert_eq!(
        (folder.stems("done"), folder.stems("failed")),
        (vec!["some".to_owned()], vec!["none".to_owned()])
    );
    assert_eq!(folder.receipt("failed", "none")["counts"]["rejected"], 2);
    let reasons = read(folder.of("failed", "none").join("reasons.txt"));
    for told in [
        "none.csv was not carried out: no row was applied",
        "row 1: ",
        "not a name",
        "row 2: ",
    ] {
        assert!(reasons.contains(told), "{told}: {reasons}");
    }
}

/// Encoding, sheet and hidden rows are said by the folder, as there is no command line.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_says_how_its_files_are_read() {
    let folder = Folder::with(
        On::Sqlite,
        "encoding = \"windows-1250\"\nsheet = \"B\"\nhidden_rows = \"skip\"\n",
    )
    .await;
    folder.set_up();
    let mut text = b"customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,".to_vec();
    text.extend(b"Ji\xf8\xed,Nov\xe1k\n");
    // Texts have no sheets, and a folder for workbooks says so of them.
    folder.drop("text.csv", &text);
    let mut book = rust_xlsxwriter::Workbook::new();
    for (name, user) in [("A", "first"), ("B", "second")] {
        let sheet = book.add_worksheet().set_name(name).expect("a name");
        for (row, cells) in [
            ["customer", "user_principal_name", "first_name", "last_name"],
            ["A-1", &format!("{user}@alpha.onmicrosoft.com"), "F", "L"],
            ["A-1", &format!("hidden.{user}@alpha.onmicrosoft.com"), "F", "L"],
        ]
        .iter()
        .enumerate()
        {
            for (column, cell) in cells.iter().enumerate() {
                sheet.write(row as u32, column as u16, *cell).expect("a cell");
            }
        }
        sheet.set_row_hidden(2).expect("a row");
    }
    folder.drop("book.xlsx", book.save_to_buffer().expect("room"));
    folder.drain();
    folder.is_clear();
    assert_eq!(
        (folder.stems("done"), folder.stems("failed")),
        (vec!["book".to_owned()], vec!["text".to_owned()])
    );
    let results = read(folder.of("done", "book").join("results.csv"));
    assert!(
        results.contains("second@") && !results.contains("first@") && !results.contains("hidden."),
        "{results}"
    );
    let both = section(
        "users",
        &folder.path(""),
        "bulk-add-users",
        "encoding = \"windows-1250\"",
    );
    folder.configure(&both);
    folder.drop("again.csv", &text);
    folder.drain();
    let listed = folder.tenantry(&["users", "--json"]).ends(0).out;
    assert!(listed.contains("Jiří Novák"), "{listed}");
}

/// A faulty key is told with what it may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_names_no_encoding_or_way_is_refused() {
    let folder = Folder::with(On::Sqlite, "encoding = \"windows-125\"\nhidden_rows = \"drop\"\n").await;
    let refused = folder.tenantry(&["folders"]).ends(2);
    for told in [
        "there is no encoding `windows-125` here",
        "folders.users.hidden_rows",
        "`include` or `skip`",
    ] {
        assert!(refused.err.contains(told), "{told}: {}", refused.err);
    }
}
