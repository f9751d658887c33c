//! Files as people and programs drop them: with names of all sorts, half written, with markers and documents beside them, and
//! with what is no file at all.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

/// A file without the customer.
fn without_customer(name: &str) -> String {
    format!("user_principal_name,first_name,last_name\n{name}@alpha.onmicrosoft.com,First,{name}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_files_that_are_being_written_are_left_alone_until_they_have_their_own() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let temporary = [
        "x.csv.filepart",
        "~$users.xlsx",
        ".~lock.users.csv#",
        "._users.csv",
        "Thumbs.db",
    ];
    for name in temporary {
        std::fs::write(folder.path("in").join(name), users(&["ada"])).expect("written");
    }
    std::fs::create_dir(folder.path("in/@eaDir")).expect("made");
    folder.drain();
    assert_eq!(folder.names("in").len(), temporary.len() + 1);
    assert_eq!(folder.stems("done"), [""; 0]);
    std::fs::rename(folder.path("in/x.csv.filepart"), folder.path("in/x.csv")).expect("renamed");
    folder.drain();
    assert_eq!(folder.stems("done"), ["x"]);
    let path = folder.path("in").join(".~lock.users.csv#");
    let told = folder
        .tenantry(&["folders", "explain", &path.display().to_string()])
        .ends(0);
    assert!(told.out.contains("its name begins with `.`"), "{}", told.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_in_any_case_and_strays_are_put_aside() {
    let folder = Folder::with(On::Sqlite, "stray_after = \"0s\"").await;
    folder.set_up();
    folder.drop("USERS.CSV", users(&["ada"]));
    folder.drop("notes.pdf", "%PDF");
    folder.drop("empty.csv", "");
    folder.drain();
    assert_eq!(folder.stems("done"), ["USERS"]);
    assert_eq!(folder.stems("failed"), ["empty", "notes"]);
    let reasons = |stem: &str| read(folder.of("failed", stem).join("reasons.txt"));
    assert!(reasons("notes").contains("*.csv.gz"), "{}", reasons("notes"));
    assert!(reasons("empty").contains("empty"), "{}", reasons("empty"));
    folder.is_clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_that_a_file_can_have_is_taken() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let long = format!("{}.csv", "n".repeat(251));
    let names: Vec<&[u8]> = vec![
        "ä.csv".as_bytes(),
        "a\u{308}.csv".as_bytes(),
        b"a.csv",
        b"A.csv",
        b"not-\xff-text.csv",
        b"two\nlines.csv",
        b"CON.csv",
        b"a:b*c.csv",
        b"back\\slash.csv",
        "\u{202e}vsc.csv".as_bytes(),
        long.as_bytes(),
    ];
    for (at, name) in names.iter().enumerate() {
        let name = OsStr::from_bytes(name);
        std::fs::write(folder.path("in").join(name), users(&[&format!("u{at}")])).expect("written");
    }
    folder.drain();
    folder.is_clear();
    let shelved = folder.shelved("done");
    assert_eq!(
        shelved.len(),
        names.len(),
        "{:?} {:?}",
        folder.stems("done"),
        folder.stems("failed")
    );
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for (stem, directory) in &shelved {
        assert!(
            !stem.contains([':', '*', '\\', '\n', '\u{202e}']) && stem.len() <= 101,
            "{stem:?}"
        );
        let ours = ["receipt.json", "results.csv"];
        let files = std::fs::read_dir(directory).expect("a directory").flatten();
        let files = files.map(|entry| entry.file_name().as_bytes().to_vec());
        kept.extend(files.filter(|name| !ours.iter().any(|ours| ours.as_bytes() == name)));
    }
    // Each keeps its name, byte for byte.
    kept.sort();
    let mut names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    names.sort();
    assert_eq!(kept, names);
    let list = folder.tenantry(&["--json", "folders", "show", "users"]).ends(0);
    assert!(list.out.contains("not-\\\\xff-text.csv"), "{}", list.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_has_to_be_there_and_true() {
    let folder = Folder::with(On::Sqlite, "").await;
    let section = section("users", &folder.path(""), "bulk-add-users", "");
    folder.configure(&section.replace("\"whole\"", "\"marker\""));
    folder.set_up();
    folder.drop("users.csv", users(&["ada"]));
    folder.drain();
    assert_eq!(folder.names("in"), ["users.csv"]);
    let explained = || {
        let file = folder.path("in/users.csv").display().to_string();
        folder.tenantry(&["folders", "explain", &file]).ends(0).out
    };
    assert!(
        explained().contains("its marker `users.csv.done` is not there"),
        "{}",
        explained()
    );
    let size = users(&["ada"]).len();
    folder.drop("users.csv.done", format!("size={}", size + 1));
    folder.drain();
    assert_eq!(folder.names("in").len(), 2);
    assert!(
        explained().contains(&format!("it states {} bytes, and there are {size}", size + 1)),
        "{}",
        explained()
    );
    folder.drop("users.csv.done", format!("size={size}\nrows=1\n"));
    folder.drain();
    folder.is_clear();
    let done = folder.of("done", "users");
    assert!(done.join("users.csv.done").is_file() && done.join("users.csv").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_beside_a_file_sets_its_kind_and_parameters() {
    let folder = Folder::with(On::Sqlite, "kinds = [\"update-users\"]").await;
    folder.set_up();
    folder.drop("a.csv", without_customer("ada"));
    folder.drop(
        "a.csv.job.json",
        r#"{"kind": "bulk-add-users", "parameters": {"customer": "A-1"}}"#,
    );
    folder.drop("b.csv", users(&["ada"]));
    folder.drop(
        "b.csv.job.json",
        r#"{"kind": "update-user", "submitted_by": "the boss"}"#,
    );
    folder.drop("c.csv", users(&["ada"]));
    folder.drop("c.csv.job.json", "no JSON");
    folder.drop("d.csv", users(&["ada"]));
    folder.drop("d.csv.job.json", r#"{"kind": "delete-users"}"#);
    folder.drop("e.csv", users(&["eve"]));
    // No document, and nothing that is looked at; whatever it was to say, the file is not carried out without it.
    std::os::unix::fs::symlink("/etc/passwd", folder.path("in/e.csv.job.json")).expect("linked");
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["a"]);
    assert!(folder.of("done", "a").join("a.csv.job.json").is_file());
    assert_eq!(folder.stems("failed"), ["b", "c", "d", "e"]);
    let reasons = |stem: &str| read(folder.of("failed", stem).join("reasons.txt"));
    assert!(reasons("b").contains("did you mean `update-users`"), "{}", reasons("b"));
    assert!(reasons("b").contains("$.submitted_by"), "{}", reasons("b"));
    assert!(reasons("c").contains("expected a JSON object"), "{}", reasons("c"));
    assert!(
        reasons("e").contains("its job document to be a file, and it is a link"),
        "{}",
        reasons("e")
    );
    assert!(
        reasons("d").contains("expected a kind that the folder takes: bulk-add-users, update-users"),
        "{}",
        reasons("d")
    );
    assert!(folder.of("failed", "d").join("d.csv.job.json").is_file());
}

/// Directories that are made while the folder is served are listened to, also while nothing lies in them.
#[tokio::test(flavor = "multi_thread")]
async fn directories_for_customers_are_listened_to() {
    let folder = Folder::new(On::Sqlite).await;
    let path = folder.path("{customer}/{kind}");
    folder.configure(&section(
        "users",
        &path,
        "",
        "kinds = [\"bulk-add-users\"]\nrescan = \"1h\"",
    ));
    folder.set_up();
    let worker = folder.worker();
    let directory = folder.path("in/A-1/bulk-add-users");
    std::fs::create_dir_all(&directory).expect("made");
    folder.drop("A-1/bulk-add-users/first.csv", without_customer("ada"));
    folder.until_shelved(1).await;
    folder.drop("A-1/bulk-add-users/second.csv", without_customer("bob"));
    folder.until_shelved(2).await;
    let shown = folder.tenantry(&["folders", "show", "users"]).ends(0).out;
    assert!(shown.contains("the system tells of changes"), "{shown}");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_say_customer_and_kind_and_rows_of_another_customer_are_rejected() {
    let folder = Folder::new(On::Sqlite).await;
    let path = folder.path("{customer}/{kind}");
    let section = section("users", &path, "", "kinds = [\"bulk-add-users\"]\nstray_after = \"0s\"");
    folder.configure(&section);
    folder.set_up();
    let put = |place: &str, text: String| {
        let path = folder.path("in").join(place);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    put("A-1/bulk-add-users/mine.csv", without_customer("ada"));
    put("A-1/bulk-add-users/theirs.csv", users(&["ada"]).replace("A-1", "B-2"));
    // By another of its names.
    put(
        "A-1/bulk-add-users/named.csv",
        users(&["bob"]).replace("A-1,", "ALPHA.onmicrosoft.com,"),
    );
    put("A-l/bulk-add-users/unknown.csv", without_customer("ada"));
    put("A-1/bulk-ad-users/kind.csv", users(&["ada"]));
    put("A-1/stray.csv", users(&["ada"]));
    folder.drain();
    assert_eq!(folder.stems("done"), ["mine", "named"]);
    assert_eq!(folder.stems("failed"), ["kind", "stray", "theirs", "unknown"]);
    let reasons = |stem: &str| read(folder.of("failed", stem).join("reasons.txt"));
    assert!(
        reasons("kind").contains("did you mean `bulk-add-users`"),
        "{}",
        reasons("kind")
    );
    assert!(reasons("unknown").contains("A-l"), "{}", reasons("unknown"));
    assert!(
        reasons("theirs").contains("theirs.csv:2: column 1 customer")
            && reasons("theirs").contains("of customer `A-1`"),
        "{}",
        reasons("theirs")
    );
}

/// Case 42: in a folder of one customer, rows that name another one are rejected, and the others are done.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_customer_do_not_pass_a_folder_of_one() {
    let folder = Folder::with(On::Sqlite, "customer = \"A-1\"\nskip_invalid = true").await;
    folder.set_up();
    let text = "customer,user_principal_name,first_name,last_name\nA-1,a@alpha.onmicrosoft.com,A,A\n,b@alpha.onmicrosoft.com,B,B\n\
        B-2,c@beta.onmicrosoft.com,C,C\nNobody,d@alpha.onmicrosoft.com,D,D\nalpha.onmicrosoft.com,e@alpha.onmicrosoft.com,E,E\n";
    folder.drop("users.csv", text);
    folder.drain();
    folder.is_clear();
    let receipt = folder.receipt("done", "users");
    assert_eq!(
        (&receipt["counts"]["applied"], &receipt["counts"]["rejected"]),
        (&3.into(), &2.into()),
        "{receipt}"
    );
    let results = read(folder.of("done", "users").join("results.csv"));
    assert_eq!(results.matches("other-customer").count(), 2, "{results}");
    let ledger = folder.place.ledger().await;
    let sql = "SELECT COUNT(*) FROM users u JOIN customers c ON c.id = u.customer WHERE c.external_id = 'A-1'";
    let row = ledger.db().read(|tx| tx.query_first(sql, &[])).await.expect("asked");
    assert_eq!(row.expect("a row").int(0).expect("a number"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_takes_new_work() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let _worker = folder.worker();
    for round in 1..=3 {
        folder.drop(&format!("{round}.csv"), users(&[&format!("u{round}")]));
        folder.until_shelved(round).await;
    }
    folder.is_clear();
}

/// Files that are ready together are recorded in one transaction, on PostgreSQL as well: one by one is only for those that cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_ready_together_are_recorded_together() {
    let folder = Folder::new(On::Postgres).await;
    folder.set_up();
    for at in 0..40 {
        folder.drop(&format!("{at}.csv"), users(&[&format!("u{at}")]));
    }
    let drained = folder.drain();
    assert!(!drained.err.contains("one by one"), "{}", drained.err);
    assert_eq!((folder.stems("done").len(), folder.jobs().await), (40, (40, 40)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_taken_whole() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let _worker = folder.worker();
    // All at once, so that the system's queue of events may well run over.
    for at in 0..1_000 {
        std::fs::write(folder.path("in").join(format!("{at}.csv")), users(&[&format!("u{at}")])).expect("written");
    }
    folder.until_shelved(1_000).await;
    assert_eq!(folder.stems("failed"), [""; 0]);
    folder.is_clear();
}
