//! The commands that look into folders.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_files_are_listed_and_shown() {
    let folder = Folder::new(On::Sqlite).await;
    let listed = folder.tenantry(&["folders", "--json"]).ends(0).json();
    assert_eq!((&listed["folder"], &listed["state"]), (&"users".into(), &"new".into()));
    let new = folder.tenantry(&["folders"]).ends(0).err;
    assert!(
        new.contains("users: no worker has served it yet") && new.contains("a `tenantry worker`"),
        "{new}"
    );
    std::fs::remove_dir(&folder.root).expect("empty");
    let new = folder.tenantry(&["folders"]).ends(0).err;
    assert!(
        new.contains(&format!("there is no directory {} here", folder.root.display())),
        "{new}"
    );
    std::fs::create_dir(&folder.root).expect("made");
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drop("bad.csv", "wrong\n1\n");
    folder.drain();
    let listed = folder.tenantry(&["folders", "--json"]).ends(0).json();
    assert_eq!(
        (
            &listed["counts"]["archived"],
            &listed["counts"]["quarantined"],
            &listed["state"]
        ),
        (&1.into(), &1.into(), &"idle".into())
    );
    let shown = folder.tenantry(&["folders", "show", "users", "--json"]).ends(0).json();
    let id = shown["files"][0]["id"].as_str().expect("an id").to_owned();
    let one = folder
        .tenantry(&["folders", "show", &id[id.len() - 8..], "--json"])
        .ends(0)
        .json();
    assert_eq!(one["id"], id.as_str());
    let text = folder.tenantry(&["folders", "show", &id]).ends(0).out;
    assert!(text.contains("lies in") && text.contains("folder    users"), "{text}");
    let none = folder.tenantry(&["folders", "show", "user"]).ends(2);
    assert!(none.err.contains("did you mean `users`?"), "{}", none.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_takes_ready_files_and_leaves_them_to_the_workers() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    let scanned = folder.tenantry(&["folders", "scan", "users"]).ends(0);
    assert!(scanned.out.starts_with("users.csv submitted, job "), "{scanned:?}");
    assert_eq!(folder.jobs().await, (1, 0), "queued, and not done");
    let again = folder.tenantry(&["folders", "scan", "users"]).ends(0);
    assert!(again.err.contains("nothing was ready"), "{again:?}");
    folder.drain();
    assert_eq!(folder.stems("done"), ["users"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_file_is_put_back_once_its_fault_is_fixed() {
    let folder = Folder::new(On::Sqlite).await;
    folder.configure(&section("users", &folder.path(""), "set-seats", ""));
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    let listed = folder.tenantry(&["folders", "show", "users", "--json"]).ends(0).json();
    let id = listed["files"][0]["id"].as_str().expect("an id").to_owned();
    folder.configure(&section("users", &folder.path(""), "bulk-add-users", ""));
    folder.tenantry(&["folders", "retry", &id, "--by", "anna"]).ends(0);
    let twice = folder.tenantry(&["folders", "retry", &id]).ends(2);
    assert!(twice.err.contains("is there already"), "{}", twice.err);
    folder.drain();
    folder.is_clear();
    assert_eq!(
        (folder.stems("done"), folder.stems("failed")),
        (vec!["users".to_owned()], vec!["users".to_owned()])
    );
    let audit = folder.tenantry(&["audit"]).ends(0).out;
    assert!(
        audit.contains("retried") && audit.contains("folder users, users.csv"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tests_the_requirements_of_a_folder() {
    let folder = Folder::new(On::Sqlite).await;
    let before = folder.tenantry(&["folders", "check"]).ends(0);
    assert!(before.out.contains("was not served yet"), "{before:?}");
    folder.set_up();
    let checked = folder.tenantry(&["folders", "check", "users"]).ends(0);
    for said in [
        "moved and synced",
        "appear in",
        "droppers can write to `in` only",
        "MiB are free",
    ] {
        assert!(checked.out.contains(said), "{said}: {}", checked.out);
    }
    folder.is_clear();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path("working"), mode).expect("set");
    let open = folder.tenantry(&["folders", "check", "users"]).ends(2);
    assert!(
        open.out.contains("FAIL") && open.out.contains("may be written to by others"),
        "{}",
        open.out
    );
}

/// A copy of a ledger that is in use takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_intakes_takes_nothing() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    folder.tenantry(&["worker", "--drain", "--no-intakes"]).ends(0);
    assert_eq!(folder.names("in"), ["users.csv"]);
    assert_eq!(folder.jobs().await, (0, 0));
}
