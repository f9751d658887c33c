//! A directory with files as people drop them.

use std::fs;
use std::io::Write;

use super::*;
use crate::intake::folder::tests::folder;

struct Drop {
    dir: tempfile::TempDir,
    observer: Observer,
}

/// Long enough that nothing settles by itself while a test runs.
const LONG: &str = "1h";

impl Drop {
    fn new(keys: &[(&str, &str)]) -> Self {
        let mut all = vec![("kind", "bulk-add-users"), ("complete", "whole")];
        all.retain(|(key, _)| !keys.iter().any(|(given, _)| given == key));
        all.extend(keys);
        let dir = tempfile::tempdir().expect("a directory");
        let local = FileSystem {
            is_local: true,
            name: "test",
        };
        let observer = Observer::new(Arc::new(folder(&all)), dir.path().to_owned(), local);
        Self { dir, observer }
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
    }

    /// Looks at everything, or at some files where a test has said that a round takes long.
    fn look(&mut self) -> Vec<String> {
        if self.observer.took < Duration::from_secs(10) {
            self.observer.ended = None;
        }
        self.observer.look().expect("looked");
        let ready = self.observer.ready(100);
        ready.iter().map(|one| one.file.display().to_string()).collect()
    }

    fn waits(&mut self, file: &str) -> Wait {
        self.observer.verdict(file.as_ref()).expect_err("it waits")
    }
}

#[test]
fn files_are_taken_in_the_order_of_their_names_once_each() {
    let mut drop = Drop::new(&[]);
    for name in [
        "users-10.csv",
        "users-9.csv",
        "USERS-1.XLSX",
        "notes.pdf",
        "users-2.csv.part",
        "~$users.xlsx",
    ] {
        drop.put(name, "a\n");
    }
    assert_eq!(drop.look(), ["USERS-1.XLSX", "users-9.csv", "users-10.csv"]);
    assert_eq!(drop.observer.pending(), 0);
    fs::remove_file(drop.dir.path().join("users-9.csv")).expect("taken");
    // What was not moved away is there again.
    assert_eq!(drop.look(), ["USERS-1.XLSX", "users-10.csv"]);
}

#[test]
fn requested_files_are_handed_out_and_the_rest_stay_in_line() {
    let mut drop = Drop::new(&[]);
    for at in 0..10 {
        drop.put(&format!("{at}.csv"), "a\n");
    }
    drop.observer.look_anew().expect("looked");
    assert_eq!(drop.observer.ready(3).len(), 3);
    assert!(drop.observer.has_more());
    assert_eq!(drop.observer.ready(30).len(), 7);
    assert!(!drop.observer.has_more());
}

#[test]
fn a_file_is_not_taken_before_it_has_settled() {
    let mut drop = Drop::new(&[("complete", "settled"), ("settle", LONG), ("stray_after", "2h")]);
    drop.put("a.csv", "a\n");
    assert_eq!(drop.look(), [""; 0]);
    assert!(matches!(drop.waits("a.csv"), Wait::Settling(..)));
    assert!(drop.observer.is_settling());
    let expected = drop.observer.expected().expect("something is expected");
    assert!(
        expected > Duration::from_secs(3_500) && expected <= Duration::from_secs(3_600),
        "{expected:?}"
    );
}

#[test]
fn files_that_are_not_all_there_wait_and_strays_go_after_a_while() {
    let mut drop = Drop::new(&[("stray_after", LONG)]);
    drop.put("empty.csv", "");
    drop.put("zeros.csv", &"\0".repeat(100));
    drop.put("notes.pdf", "x");
    assert_eq!(drop.look(), [""; 0]);
    assert_eq!(drop.waits("empty.csv"), Wait::Incomplete(Incomplete::Empty));
    assert_eq!(drop.waits("zeros.csv"), Wait::Incomplete(Incomplete::Zeros));
    assert!(matches!(drop.waits("notes.pdf"), Wait::Stray(..)));
    assert!(!drop.observer.is_settling());
    // Written after all: one file.
    drop.put("empty.csv", "a\n");
    assert_eq!(drop.look(), ["empty.csv"]);
    let mut drop = Drop::new(&[("stray_after", "0s")]);
    drop.put("empty.csv", "");
    drop.put("zeros.csv", &"\0".repeat(100));
    drop.put("notes.pdf", "x");
    std::os::unix::fs::symlink("/etc/passwd", drop.dir.path().join("link.csv")).expect("linked");
    assert_eq!(drop.look(), ["empty.csv", "link.csv", "notes.pdf"]);
}

#[test]
fn a_file_waits_for_a_marker_that_agrees_with_it() {
    let mut drop = Drop::new(&[("complete", "marker"), ("settle", "0s"), ("stray_after", LONG)]);
    drop.put("a.csv", "a\n1\n");
    assert_eq!(drop.look(), [""; 0]);
    assert_eq!(drop.waits("a.csv"), Wait::NoCompanion("marker", "a.csv.done".into()));
    drop.put("a.csv.done", "size=5");
    assert_eq!(drop.look(), [""; 0]);
    let told = drop.waits("a.csv").to_string();
    assert_eq!(told, "its marker `a.csv.done`: it states 5 bytes, and there are 4");
    // The same again, and another mistake.
    assert_eq!(drop.look(), [""; 0]);
    drop.put("a.csv.done", "sha-256=abc");
    assert_eq!(drop.look(), [""; 0]);
    assert!(drop.waits("a.csv").to_string().contains("64 hexadecimal digits"));
    drop.put("a.csv.done", "rows=1\nsize=4");
    drop.observer.look_anew().expect("looked");
    let ready = drop.observer.ready(9);
    assert_eq!((ready.len(), &ready[0].along), (1, &vec![PathBuf::from("a.csv.done")]));
}

#[test]
fn a_marker_older_than_its_file_counts_only_with_a_statement() {
    let mut drop = Drop::new(&[("complete", "marker"), ("settle", "0s"), ("stray_after", LONG)]);
    drop.put("a.csv.done", "");
    drop.put("b.csv.done", "size=2");
    for _ in 0..3 {
        assert_eq!(drop.look(), [""; 0]);
    }
    drop.put("a.csv", "a\n");
    drop.put("b.csv", "b\n");
    assert_eq!(drop.look(), ["b.csv"]);
    assert!(
        drop.waits("a.csv")
            .to_string()
            .contains("before the file was last changed")
    );
    drop.put("a.csv.done", "now");
    let mut ready = drop.look();
    ready.retain(|file| file == "a.csv");
    assert_eq!(ready, ["a.csv"]);
}

#[test]
fn documents_go_along_with_their_files() {
    let mut drop = Drop::new(&[]);
    drop.put("a.csv", "a\n");
    drop.put("a.csv.job.json", "{}");
    drop.observer.look_anew().expect("looked");
    let ready = drop.observer.ready(9);
    assert_eq!(
        (ready.len(), &ready[0].along),
        (1, &vec![PathBuf::from("a.csv.job.json")])
    );
    let mut drop = Drop::new(&[("sidecar", "required")]);
    drop.put("a.csv", "a\n");
    assert_eq!(drop.look(), [""; 0]);
    assert!(
        drop.waits("a.csv")
            .to_string()
            .contains("`a.csv.job.json` is not there")
    );
}

#[test]
fn directories_for_customers_and_kinds_are_gone_into() {
    let mut drop = Drop::new(&[
        ("path", "/srv/{customer}/{kind}"),
        ("kind", ""),
        ("kinds", "bulk-add-users"),
        ("stray_after", LONG),
    ]);
    drop.put("contoso.com/bulk-add-users/a.csv", "a\n");
    drop.put("contoso.com/b.csv", "a\n");
    drop.put("fabrikam.com/bulk-add-users/deeper/c.csv", "a\n");
    drop.put("@eaDir/bulk-add-users/d.csv", "a\n");
    assert_eq!(drop.look(), ["contoso.com/bulk-add-users/a.csv"]);
    assert!(matches!(drop.waits("contoso.com/b.csv"), Wait::Stray(..)));
}

#[test]
fn a_file_that_cannot_be_moved_is_left_alone_for_a_while() {
    let mut drop = Drop::new(&[]);
    drop.put("a.csv", "a\n");
    assert_eq!(drop.look(), ["a.csv"]);
    drop.observer.cannot_move("a.csv".as_ref(), "is in use");
    assert_eq!(drop.look(), [""; 0]);
    assert_eq!(drop.waits("a.csv"), Wait::Stuck("is in use".to_owned()));
    assert!(!drop.observer.is_settling());
}

#[test]
fn many_files_are_known_and_the_first_are_handed_out_first() {
    let mut drop = Drop::new(&[]);
    for at in 0..2_000 {
        let path = drop.dir.path().join(format!("{at}.csv"));
        fs::File::create(path)
            .and_then(|mut file| file.write_all(b"a\n"))
            .expect("written");
    }
    drop.observer.look_anew().expect("looked");
    let first = drop.observer.ready(2);
    assert_eq!(
        (first[0].file.display().to_string(), first[1].file.display().to_string()),
        ("0.csv".into(), "1.csv".into())
    );
    assert_eq!(drop.observer.pending(), 1_998);
}

#[test]
fn files_that_have_had_the_time_to_settle_are_looked_at_again_before_the_next_round_is_due() {
    let mut drop = Drop::new(&[("complete", "settled"), ("settle", "0s")]);
    drop.put("a.csv", "a\n");
    drop.put("b.csv", "a\n");
    drop.put("c.csv", "a\n");
    drop.observer.settle = Duration::from_nanos(1);
    assert_eq!(drop.look(), [""; 0]);
    // A round that took so long is not repeated soon.
    drop.observer.took = Duration::from_secs(60);
    let (next, earliest) = drop.observer.pauses(Duration::from_secs(30));
    assert!(
        next <= Duration::from_millis(100) && earliest > Duration::from_secs(1_000),
        "{next:?} {earliest:?}"
    );
    fs::remove_file(drop.dir.path().join("b.csv")).expect("removed");
    drop.put("new.csv", "a\n");
    assert_eq!(drop.look(), ["a.csv", "c.csv"]);
    assert_eq!(drop.waits("b.csv"), Wait::Unknown);
    drop.observer.took = Duration::ZERO;
    drop.observer.look_anew().expect("looked");
    assert!(matches!(drop.waits("new.csv"), Wait::Settling(..)));
}

#[test]
fn files_beyond_those_that_are_lined_up_have_their_turn_though_the_first_ones_wait() {
    let mut drop = Drop::new(&[]);
    for number in 0..LINED_UP + 2 {
        drop.put(&format!("a{number}.csv"), "");
        drop.put(&format!("b{number}.csv"), "x\n");
    }
    drop.observer.look_anew().expect("looked");
    let mut taken = Vec::new();
    while drop.observer.has_more() {
        let ready = drop.observer.ready(3);
        taken.extend(ready.iter().map(|one| one.file.display().to_string()));
    }
    let all: Vec<String> = (0..LINED_UP + 2).map(|number| format!("b{number}.csv")).collect();
    assert_eq!(taken, all);
}

proptest::proptest! {
    #[test]
    fn the_first_of_many_files_are_those_that_sorting_puts_first(
        files in proptest::collection::btree_map("[a-c0-9]{1,6}", 0_i64..3, 0..60),
        most in 1_usize..12,
    ) {
        let files: Vec<(i64, PathBuf)> = files.into_iter().map(|(name, time)| (time, name.into())).collect();
        let mut sorted: Vec<(i64, &Path)> = files.iter().map(|(time, file)| (*time, file.as_path())).collect();
        sorted.sort_unstable_by(in_order);
        let is_more = sorted.len() > most;
        sorted.truncate(most);
        let (mut first, is_cut) = first_of(files.iter().map(|(time, file)| (*time, file.as_path())), most);
        first.sort_unstable_by(in_order);
        proptest::prop_assert_eq!((first, is_cut), (sorted, is_more));
    }
}
