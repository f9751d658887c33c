//! What a folder's surroundings may do: disks that are full, files that belong to somebody else, changes that nobody tells of.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use super::*;

/// A user other than root.
const NOBODY: u32 = 65_534;

/// A small disk, for a process that may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).expect("made");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(path);
        let is_mounted = command
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        is_mounted.then(|| Self(path.to_owned()))
    }

    /// Leaves nothing free.
    fn fill(&self) {
        let filler = fs::File::create(self.0.join("filler")).expect("made");
        let mut blocks = 0;
        while std::os::unix::fs::FileExt::write_all_at(&filler, &[1; 4096], blocks * 4096).is_ok() {
            blocks += 1;
        }
        assert!(blocks > 0);
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Folder {
    async fn shows(&self, trouble: &str) {
        eventually("the trouble to be shown", async || {
            let listed = self.tenantry(&["folders"]).ends(0);
            listed.err.contains(trouble).then_some(())
        })
        .await;
    }
}

/// Case 34: a disk that is full when results are to be written, and when what is done is to be copied to another one. The job's
/// outcome is kept, nothing is lost, and it goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for() {
    for key in ["path", "done"] {
        let mut folder = Folder::new(On::Sqlite).await;
        let Some(disk) = SmallDisk::at(&folder.place.path("small")) else {
            return;
        };
        let small = disk.0.join("here");
        fs::create_dir(&small).expect("made");
        if key == "path" {
            folder.root = small;
            folder.configure(&section("users", &folder.root, "bulk-add-users", ""));
        } else {
            let done = format!("done = \"{}\"", small.display());
            folder.configure(&section("users", &folder.root, "bulk-add-users", &done));
        }
        folder.set_up();
        folder.drop("users.csv", users(&["a"]));
        disk.fill();
        let worker = folder.worker();
        folder.shows("No space left on device").await;
        assert_eq!(folder.jobs().await, (1, 1), "{key}: the outcome is kept");
        assert_eq!(folder.names("working").len(), 1, "{key}: the file is there");
        let done = if key == "path" {
            folder.path("done")
        } else {
            disk.0.join("here")
        };
        let shelved = |done: &Path| {
            names(done)
                .iter()
                .map(|day| names(&done.join(day)).len())
                .sum::<usize>()
        };
        disk.free();
        eventually("the file to be put away", async || {
            (shelved(&done) == 1 && folder.names("working").is_empty()).then_some(())
        })
        .await;
        std::mem::drop(worker);
        folder.is_clear();
        let day = done.join(&names(&done)[0]);
        let dir = day.join(&names(&day)[0]);
        assert_eq!(names(&dir), ["receipt.json", "results.csv", "users.csv"], "{key}");
        assert_eq!(read(dir.join("users.csv")), users(&["a"]), "{key}");
        assert_eq!(folder.jobs().await, (1, 1), "{key}");
    }
}

/// Case 35: a file that cannot be moved is never read, and told of once; once it can be, it is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_user_in_a_sticky_directory_is_not_read() {
    let has_setpriv = Command::new("setpriv").arg("--version").output().is_ok();
    if !is_root() || !has_setpriv {
        return;
    }
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    folder.drop("users.csv", users(&["a"]));
    let all = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(folder.place.path(""))
        .status();
    assert!(all.expect("it starts").success());
    chown(folder.path("in"), Some(0), Some(0)).expect("given");
    chown(folder.path("in/users.csv"), Some(0), Some(0)).expect("given");
    fs::set_permissions(folder.path("in"), fs::Permissions::from_mode(0o1777)).expect("set");
    let drain = || {
        let worker = folder.command(&["worker", "--drain"]);
        let mut command = Command::new("setpriv");
        let who = NOBODY.to_string();
        command.args(["--reuid", &who, "--regid", &who, "--clear-groups"]);
        command.arg(worker.get_program()).args(worker.get_args());
        for (key, value) in worker.get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        Run::from(
            command
                .current_dir(folder.place.path(""))
                .output()
                .expect("a worker starts"),
        )
    };
    let drained = drain().ends(0);
    assert_eq!(drained.err.matches("cannot be moved").count(), 1, "{}", drained.err);
    assert_eq!(folder.names("in"), ["users.csv"]);
    assert_eq!(folder.jobs().await, (0, 0));
    let explained = folder.tenantry(&["folders", "check"]);
    assert!(explained.out.contains("has the sticky bit"), "{explained:?}");
    fs::set_permissions(folder.path("in"), fs::Permissions::from_mode(0o777)).expect("set");
    drain().ends(0);
    folder.is_clear();
    assert_eq!(folder.stems("done"), ["users"]);
}

/// Case 32: what nobody tells of is found by the next look. The directory that is watched is replaced by another one, in which
/// files lie already.
#[tokio::test(flavor = "multi_thread")]
async fn unannounced_files_are_found() {
    let folder = Folder::with(On::Sqlite, "rescan = \"1s\"").await;
    folder.set_up();
    let _worker = folder.worker();
    folder.drop("first.csv", users(&["a"]));
    folder.until_shelved(1).await;
    let other = folder.path("other");
    fs::create_dir(&other).expect("made");
    fs::write(other.join("second.csv"), users(&["b"])).expect("written");
    fs::rename(folder.path("in"), folder.path("before")).expect("away");
    fs::rename(&other, folder.path("in")).expect("in its place");
    folder.until_shelved(2).await;
    assert_eq!(folder.stems("done"), ["first", "second"]);
}

/// Case 4: a file that is opened, written to and closed several times is one drop, of all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_in_several_goes_is_one() {
    let folder = Folder::new(On::Sqlite).await;
    let text = section("users", &folder.path(""), "bulk-add-users", "");
    folder.configure(
        &text
            .replace("\"whole\"", "\"settled\"")
            .replace("settle = \"0s\"", "settle = \"2s\""),
    );
    folder.set_up();
    let _worker = folder.worker();
    let path = folder.path("in/users.csv");
    let whole = users(&["a", "b", "c"]);
    for line in whole.split_inclusive('\n') {
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        std::io::Write::write_all(&mut file.expect("opened"), line.as_bytes()).expect("written");
    }
    folder.until_shelved(1).await;
    assert_eq!(read(folder.of("done", "users").join("users.csv")), whole);
    assert_eq!(folder.jobs().await, (1, 3));
}

/// Case 37: pipes, sockets and devices go to `failed` unopened. Opening the pipe would wait for somebody to write into it.
#[tokio::test(flavor = "multi_thread")]
async fn pipes_sockets_and_devices_are_put_aside() {
    let folder = Folder::new(On::Sqlite).await;
    folder.set_up();
    let at = |name: &str| folder.path("in").join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe.csv"), 0o600.into()).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.csv")).expect("made");
    let device = Command::new("mknod")
        .arg(at("zero.csv"))
        .args(["c", "1", "5"])
        .stderr(Stdio::null())
        .status();
    let mut expected = vec!["pipe", "socket"];
    // Only root may make one.
    expected.extend(device.is_ok_and(|status| status.success()).then_some("zero"));
    folder.drain();
    folder.is_clear();
    assert_eq!(folder.stems("failed"), expected);
    for stem in expected {
        let reasons = read(folder.of("failed", stem).join("reasons.txt"));
        assert!(reasons.contains("not-a-file"), "{stem}: {reasons}");
    }
    assert_eq!(folder.jobs().await, (0, 0));
}
