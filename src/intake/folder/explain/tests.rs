//! Every reason why a file is not taken, said by looking at it.

use super::*;

fn rules(root: &Path, keys: &[(&str, &str)]) -> Vec<FolderRules> {
    let path = root.display().to_string();
    let mut all = vec![
        ("path", path.as_str()),
        ("kind", "bulk-add-users"),
        ("complete", "whole"),
    ];
    all.retain(|(key, _)| !keys.iter().any(|(given, _)| given == key));
    all.extend(keys);
    vec![FolderRules::new(super::super::tests::folder(&all), false)]
}

#[test]
fn every_file_has_an_explanation() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = fs::canonicalize(dir.path()).expect("a path");
    for place in ["in/sub", "working/x", "done/x"] {
        fs::create_dir_all(root.join(place)).expect("made");
    }
    for (file, content) in [
        ("in/a.csv", "a\n"),
        ("in/b.csv", ""),
        ("in/c.csv.part", "a\n"),
        ("in/notes.pdf", "a\n"),
        ("in/sub/d.csv", "a\n"),
        ("in/e.csv", "a\n"),
        ("in/e.csv.job.json", "{\"kind\": \"delete-users\"}"),
        ("working/x/a.csv", "a\n"),
        ("done/x/a.csv", "a\n"),
        ("a.csv", "a\n"),
    ] {
        fs::write(root.join(file), content).expect("written");
    }
    std::os::unix::fs::symlink("/etc/passwd", root.join("in/link.csv")).expect("linked");
    let folders = rules(&root, &[("stray_after", "1h")]);
    let told = |file: &str| explain(&folders, &root.join(file));
    for (file, code, says) in [
        ("in/a.csv", "ready", "it can be taken"),
        ("in/b.csv", "empty", "it is empty"),
        ("in/c.csv.part", "ignored", "ends with `.part`"),
        ("in/notes.pdf", "not-an-input", "it is none of `files`"),
        ("in/sub", "directory", "nothing in it is taken"),
        ("in/sub/d.csv", "too-deep", "deeper"),
        (
            "in/e.csv",
            "refused",
            "$.kind: `delete-users`: expected a kind that the folder takes: bulk-add-users",
        ),
        ("in/e.csv.job.json", "companion", "goes along"),
        ("in/link.csv", "ready", "it will be taken and go to `failed`"),
        ("in/gone.csv", "not-there", "it is not there"),
        ("working/x/a.csv", "not-in-in", "it was taken"),
        ("done/x/a.csv", "not-in-in", "its job has ended"),
        ("a.csv", "not-in-in", "files are dropped into `in`"),
    ] {
        let explanation = told(file);
        assert_eq!(explanation.code, code, "{file}: {}", explanation.says);
        assert!(explanation.says.contains(says), "{file}: {}", explanation.says);
        assert_eq!(explanation.folder.as_deref(), Some("users"), "{file}");
    }
    let nowhere = explain(&folders, Path::new("/elsewhere/a.csv"));
    assert_eq!((nowhere.code, nowhere.folder), ("no-folder", None));
    assert!(nowhere.says.contains(&root.join("in").display().to_string()));
}

#[test]
fn a_file_is_watched_for_as_long_as_it_settles() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = fs::canonicalize(dir.path()).expect("a path");
    fs::create_dir(root.join("in")).expect("made");
    fs::write(root.join("in/a.csv"), "a\n").expect("written");
    fs::write(root.join("in/open.csv"), "a").expect("written");
    let folders = rules(&root, &[("complete", "settled"), ("settle", "200ms")]);
    let begun = Instant::now();
    let explanation = explain(&folders, &root.join("in/a.csv"));
    assert_eq!(explanation.code, "ready", "{}", explanation.says);
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let explanation = explain(&folders, &root.join("in/open.csv"));
    assert!(
        explanation.says.contains("its last line does not end"),
        "{}",
        explanation.says
    );
}
