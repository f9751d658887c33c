//! Shares that go away, folders of other installations, other file systems, and files that cannot be moved.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Case 24: a second installation takes nothing and names the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_installation_is_left_alone() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let second = Folder::new(On::Sqlite).await;
    second.configure(&section("mine", &folder.path(""), "bulk-add-users", ""));
    folder.drop("users.csv", users(&["a"]));
    let drained = second.drain();
    let ours = folder.place.ledger().await.installation().number().to_string();
    assert!(
        drained
            .err
            .contains(&format!("belongs to the ledger of installation {ours}")),
        "{}",
        drained.err
    );
    assert!(drained.err.contains("`tenantry folders adopt mine`"), "{}", drained.err);
    assert_eq!(folder.names("in"), ["users.csv"]);
    let found = second.tenantry(&["doctor"]).ends(2);
    assert!(
        found.out.contains("FAIL folder") && found.out.contains(&ours),
        "{}",
        found.out
    );
    // On purpose.
    second.tenantry(&["folders", "adopt", "mine", "--by", "anna"]).ends(0);
    second.drain();
    folder.is_clear();
    assert_eq!(second.jobs().await, (1, 1));
    let drained = folder.drain();
    assert!(drained.err.contains("is not served"), "{}", drained.err);
}

/// Case 30: an empty mount point pauses the folder, and nothing is made in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_point_pauses_the_folder() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let share = folder.place.path("share");
    fs::rename(folder.path(""), &share).expect("unmounted");
    fs::create_dir(folder.path("")).expect("a mount point");
    let drained = folder.drain();
    assert!(drained.err.contains("so its share is not mounted"), "{}", drained.err);
    assert_eq!(names(&folder.path("")), Vec::<String>::new());
    let worker = folder.worker();
    eventually("the trouble to be shown", async || {
        folder
            .tenantry(&["folders"])
            .ends(0)
            .err
            .contains("not mounted")
            .then_some(())
    })
    .await;
    fs::remove_dir(folder.path("")).expect("gone");
    fs::rename(&share, folder.path("")).expect("mounted again");
    folder.drop("users.csv", users(&["a"]));
    folder.until_shelved(1).await;
    std::mem::drop(worker);
    assert_eq!(folder.jobs().await, (1, 1));
    let listed = folder.tenantry(&["folders"]).ends(0);
    assert!(!listed.err.contains("not mounted"), "{}", listed.err);
}

/// Case 33: `done` on another device, whatever step of the copying a worker dies at.
#[tokio::test(flavor = "multi_thread")]
async fn done_on_another_device() {
    let Ok(shelf) = tempfile::TempDir::new_in("/dev/shm") else {
        return;
    };
    for step in ["none", "drop-copied", "drop-copy-named", "drop-published"] {
        let done = shelf.path().join(step);
        fs::create_dir(&done).expect("made");
        let folder = Folder::with(On::Sqlite, &format!("done = \"{}\"", done.display())).await;
        folder.set_up();
        folder.drop("users.csv", users(&["a"]));
        let status = folder
            .command(&["worker", "--drain"])
            .env("TENANTRY_FAILPOINT", step)
            .stderr(Stdio::null())
            .status();
        assert_eq!(status.expect("it starts").success(), step == "none", "{step}");
        folder.drain();
        folder.is_clear();
        let day = done.join(&names(&done)[0]);
        assert_eq!(names(&done).len(), 1, "{step}: nothing beside it");
        let dirs = names(&day);
        assert_eq!(dirs.len(), 1, "{step}: {dirs:?}");
        assert_eq!(
            names(&day.join(&dirs[0])),
            ["receipt.json", "results.csv", "users.csv"],
            "{step}"
        );
        assert_eq!(folder.jobs().await, (1, 1), "{step}");
    }
}

/// Case 34: what cannot be put away stays, with its job's outcome, and is put away once it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_shelf_that_cannot_be_written_to_loses_nothing() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    // Somebody has put a file where the directory of the day belongs, which not even root can write into.
    fs::remove_dir(folder.path("done")).expect("empty");
    fs::write(folder.path("done"), "in the way").expect("written");
    folder.drop("users.csv", users(&["a"]));
    let worker = folder.worker();
    eventually("the trouble to be shown", async || {
        let listed = folder.tenantry(&["folders"]).ends(0);
        listed.err.contains("done").then_some(())
    })
    .await;
    assert_eq!(folder.jobs().await, (1, 1), "the outcome is kept");
    fs::remove_file(folder.path("done")).expect("removed");
    eventually("the file to be put away", async || {
        folder.names("working").is_empty().then_some(())
    })
    .await;
    std::mem::drop(worker);
    assert!(names(&folder.of("done", "users")).contains(&"users.csv".to_owned()));
    assert_eq!(folder.jobs().await, (1, 1));
}

/// Case 36: who may read the folder may read what was written into it, whatever the worker's mask.
#[tokio::test(flavor = "multi_thread")]
async fn droppers_can_read_their_results() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let mut group = fs::metadata(folder.path("working")).expect("there").permissions();
    group.set_mode(0o2700);
    fs::set_permissions(folder.path("working"), group).expect("set");
    folder.drop("users.csv", users(&["a"]));
    folder.drain();
    let done = folder.of("done", "users");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(&done), 0o2750);
    for name in ["results.csv", "receipt.json"] {
        assert_eq!(mode(&done.join(name)), 0o640, "{name}");
    }
    assert_eq!(mode(&folder.path("working")) & 0o777, 0o700);
}

/// Case 37: links, pipes and directories that are no files. What a link leads to is not touched.
#[tokio::test(flavor = "multi_thread")]
async fn entries_that_are_no_files_are_put_aside() {
    let folder = Folder::with(On::Sqlite, "stray_after = \"0s\"").await;
    folder.set_up();
    let target = folder.place.write("target.csv", users(&["a"]));
    std::os::unix::fs::symlink(&target, folder.path("in/link.csv")).expect("linked");
    folder.drain();
    assert_eq!(folder.names("in"), Vec::<String>::new());
    let failed = folder.of("failed", "link");
    assert!(
        fs::symlink_metadata(failed.join("link.csv"))
            .expect("there")
            .is_symlink()
    );
    assert!(
        read(failed.join("reasons.txt")).contains("this is a link"),
        "{}",
        read(failed.join("reasons.txt"))
    );
    assert_eq!(read(&target), users(&["a"]));
    assert_eq!(folder.jobs().await, (0, 0));
}
