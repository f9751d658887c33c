//! Sections of drop folders: each has a name of its own and all of its keys, and is sound by itself and beside the others.

use std::path::Path;
use std::time::Duration;

use tenantry::testing::config::{
    Approve, Complete, FolderSubmitter, OnFailed, Order, Placeholder, Repeated, SidecarUse,
};

use super::{faults, load};

/// Asserts that each of these is said in a line of its own, and nothing else.
fn assert_told(told: &str, expected: &[&str]) {
    let lines: Vec<&str> = told.lines().skip(1).map(str::trim).collect();
    for one in expected {
        assert!(lines.iter().any(|line| line.contains(one)), "no `{one}` in\n{told}");
    }
    assert_eq!(lines.len(), expected.len(), "{told}");
}

#[test]
fn a_section_needs_a_path_and_a_kind_and_has_defaults_for_the_rest() {
    let file = "[folders.users]\npath = \"/srv/drop/users/\"\nkind = \"bulk-add-users\"";
    let config = load(Some(file), &[], &[]).expect("sound");
    let folder = &config.folders["users"];
    assert_eq!(folder.name, "users");
    assert_eq!(folder.path.root(), Path::new("/srv/drop/users"));
    assert_eq!(folder.kind().map(tenantry_jobs::JobKind::kind), Some("bulk-add-users"));
    assert!(folder.enabled && !folder.skip_invalid);
    assert_eq!(
        (folder.complete, folder.settle),
        (Complete::Settled, Duration::from_secs(5))
    );
    assert_eq!(folder.files.written(), ["*.csv", "*.csv.gz", "*.xlsx"]);
    assert_eq!(folder.marker.of("a.csv".as_ref()), "a.csv.done");
    assert_eq!((folder.sidecar, folder.order), (SidecarUse::Optional, Order::Name));
    assert_eq!((folder.on_failed, folder.approve), (OnFailed::GoOn, Approve::ByRule));
    assert_eq!(
        (&folder.submitted_by, folder.repeated),
        (&FolderSubmitter::Folder, Repeated::ByKind)
    );
    assert_eq!(
        (folder.rescan, folder.stray_after),
        (Duration::from_secs(30), Duration::from_secs(600))
    );
    assert_eq!((&folder.done, &folder.failed, folder.mode), (&None, &None, 0o640));
    assert!(load(None, &[], &[]).expect("sound").folders.is_empty());
}

#[test]
fn sections_come_from_the_environment_as_well() {
    let environment = [
        ("TENANTRY__FOLDERS__NEW__PATH", "/srv/{customer}/{kind}"),
        ("TENANTRY__FOLDERS__NEW__KINDS", "bulk-add-users, update-users"),
        ("TENANTRY__FOLDERS__NEW__SUBMITTED_BY", "owner"),
    ];
    let config = load(None, &environment, &[]).expect("sound");
    let folder = &config.folders["new"];
    assert_eq!(folder.path.below(), [Placeholder::Customer, Placeholder::Kind]);
    assert_eq!(folder.kinds, ["bulk-add-users", "update-users"]);
    assert_eq!(folder.submitted_by, FolderSubmitter::Owner);
}

#[test]
fn all_faults_of_all_sections_come_at_once() {
    let told = faults(
        "[folders.users]\npath = \"drop/users\"\nkind = \"bulk-ad-users\"\nsettel = \"5s\"\ncomplete = \"setled\"\nmode = \"999\"\n\
         [folders.empty]\n\
         [folders.Big]\npath = \"/srv/big\"\nkind = \"bulk-add-users\"\n\
         [folders.both]\npath = \"/srv/both/{kind}\"\nkind = \"bulk-add-users\"\nfiles = []\nmarker = \"done\"\n\
         [wroker]",
        &[("TENANTRY__FOLDERS__USERS__RESCAN", "100ms")],
        &[],
    );
    assert_told(
        &told,
        &[
            "my.toml: `folders.users.path` = `drop/users`: expected a path from the root on",
            "my.toml: `folders.users.kind`: expected the name of a job kind, found `bulk-ad-users`; did you mean `bulk-add-users`?",
            "my.toml: there is no key `folders.users.settel`; did you mean `folders.users.settle`?",
            "my.toml: `folders.users.complete` = `setled`: expected `settled`, `marker`, `sidecar` or `whole`; did you mean `settled`?",
            "my.toml: `folders.users.mode` = `999`: expected permissions in octal",
            "TENANTRY__FOLDERS__USERS__RESCAN: `folders.users.rescan`: expected at least 1s",
            "my.toml: `folders.empty.path`: expected a path from the root on",
            "my.toml: `folders.empty.kind`: expected the name of a job kind",
            "my.toml: `folders.Big`: expected a name of lower-case letters",
            "my.toml: `folders.both.kind`: expected nothing, as `path` has `{kind}`",
            "my.toml: `folders.both.files`: expected at least one name",
            "my.toml: `folders.both.marker` = `done`: expected a name with `{name}` or `{stem}`",
            "my.toml: there is no key `wroker`; did you mean `worker",
        ],
    );
}

#[test]
fn folders_lie_apart_from_each_other_and_from_where_files_go() {
    let kind = "kind = \"bulk-add-users\"\n";
    let told = faults(
        &format!(
            "[folders.a]\npath = \"/srv/a\"\n{kind}done = \"/srv/a/in/done\"\n\
             [folders.b]\npath = \"/srv/a/in/b\"\n{kind}\
             [folders.c]\npath = \"/srv/c\"\n{kind}failed = \"/srv\"\n"
        ),
        &[],
        &[],
    );
    assert_told(
        &told,
        &[
            "`folders.a.done`: expected a directory that neither lies in `in`",
            "`folders.b.path`: expected a directory apart from `folders.a.path`, which is /srv/a",
            "`folders.c.failed`: expected a directory apart from `folders.a.path`",
            "`folders.c.failed`: expected a directory that neither lies in `in`",
            "`folders.c.failed`: expected a directory apart from `folders.b.path`",
        ],
    );
    // One place for what has ended is fine.
    let apart = format!(
        "[folders.a]\npath = \"/srv/a\"\n{kind}done = \"/srv/done\"\n[folders.b]\npath = \"/srv/ab\"\n{kind}done = \"/srv/done\"\n"
    );
    load(Some(&apart), &[], &[]).expect("sound");
}

#[test]
fn a_marker_or_sidecar_is_no_file_itself() {
    let folder = "[folders.a]\npath = \"/srv/a\"\nkind = \"bulk-add-users\"\n";
    let told = faults(
        &format!("{folder}complete = \"marker\"\nmarker = \"done-{{name}}\"\nsidecar = \"no\"\n"),
        &[],
        &[],
    );
    assert_told(&told, &["`folders.a.marker`: expected a name that is none of `files`"]);
    let told = faults(&format!("{folder}complete = \"sidecar\"\nsidecar = \"no\"\n"), &[], &[]);
    assert_told(&told, &["`folders.a.sidecar`: expected `optional` or `required`"]);
    let told = faults(
        "[folders.a]\npath = \"/srv/{customer}\"\nkind = \"bulk-add-users\"\ncustomer = \"contoso.com\"\n",
        &[],
        &[],
    );
    assert_told(
        &told,
        &["`folders.a.customer`: expected nothing, as `path` has `{customer}`"],
    );
}
