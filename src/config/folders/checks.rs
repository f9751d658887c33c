//! Checks of folders beyond the types of their keys.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use tenantry_jobs::did_you_mean;

use super::{Complete, FolderConfig, FolderSubmitter, Placeholder, SidecarUse};

/// The key at fault, with the others it has to go together with, and what was expected.
type Fault = (Vec<String>, String);

/// Every fault of every folder.
pub(in crate::config) fn faults(folders: &BTreeMap<String, FolderConfig>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, folder) in folders {
        let mut check = |fine: bool, keys: &[&str], expected: &str| {
            if !fine {
                let keys = keys.iter().map(|key| format!("folders.{name}.{key}")).collect();
                faults.push((keys, format!("expected {expected}")));
            }
        };
        of_one(folder, &mut check);
        faults.extend(kinds_of(name, folder));
    }
    let by_name: Vec<(&String, &FolderConfig)> = folders.iter().collect();
    for (at, (name, folder)) in by_name.iter().enumerate() {
        for (other_name, other) in &by_name[at + 1..] {
            if let Some(fault) = one_in_another((name, folder), (other_name, other)) {
                faults.push(fault);
            }
        }
    }
    faults
}

fn of_one(folder: &FolderConfig, check: &mut dyn FnMut(bool, &[&str], &str)) {
    let path = &folder.path;
    let root = path.root();
    let has_root = !root.as_os_str().is_empty();
    check(
        has_root,
        &["path"],
        "a path from the root on, such as `/srv/drop/users`",
    );
    let both = path.says(Placeholder::Customer) && !folder.customer.is_empty();
    check(!both, &["customer", "path"], "nothing, as `path` has `{customer}`");
    let both = path.says(Placeholder::Kind) && !folder.kind.is_empty();
    check(
        !both,
        &["kind", "path"],
        "nothing, as `path` has `{kind}`; `kinds` says which there may be",
    );
    let by_sidecar = folder.sidecar == SidecarUse::Required || folder.complete == Complete::Sidecar;
    let has_kind = !folder.kind.is_empty() || path.says(Placeholder::Kind) || by_sidecar;
    check(
        has_kind,
        &["kind", "path", "sidecar"],
        "the name of a job kind; `tenantry kinds` lists them",
    );
    let listed = folder.all_kinds().next().is_some();
    check(
        listed || !has_kind,
        &["kinds", "kind", "path", "sidecar"],
        "the names of the job kinds that may be named",
    );
    let waits = folder.complete == Complete::Sidecar && folder.sidecar == SidecarUse::No;
    check(
        !waits,
        &["sidecar", "complete"],
        "`optional` or `required`, as `complete` is `sidecar`",
    );
    check(
        !folder.files.written().is_empty(),
        &["files"],
        "at least one name, such as `*.csv`",
    );
    let marks = folder.complete == Complete::Marker;
    // A marker that is a file itself would be waited for a marker of its own.
    let samples = ["users.csv", "users.csv.gz", "users.xlsx", "users.txt"].map(OsStr::new);
    let is_file = samples
        .iter()
        .any(|file| folder.files.fitting(file).is_some() && folder.files.fitting(&folder.marker.of(file)).is_some());
    check(
        !(marks && is_file),
        &["marker", "files", "complete"],
        "a name that is none of `files`",
    );
    let second = std::time::Duration::from_secs(1);
    check(folder.rescan >= second, &["rescan"], "at least 1s");
    check(
        folder.complete == Complete::Whole || folder.stray_after >= folder.settle,
        &["stray_after", "settle"],
        "at least `settle`",
    );
    let day = std::time::Duration::from_secs(86_400);
    check(
        folder.keep.is_none_or(|keep| keep >= day),
        &["keep"],
        "at least 1d, or nothing",
    );
    if let FolderSubmitter::Named(by) = &folder.submitted_by {
        let is_name = crate::ledger::person::named(by).is_ok_and(|name| name == *by);
        check(
            is_name,
            &["submitted_by"],
            "a name of at most 200 characters, all of them seen and of one script, or `owner`",
        );
    }
    if has_root {
        for (key, shelf) in [("done", &folder.done), ("failed", &folder.failed)] {
            let Some(shelf) = shelf else { continue };
            let own = ["in", "working", "waiting"].map(|own| root.join(own));
            let is_apart = !own.iter().any(|own| overlap(own, shelf)) && shelf != root && !root.starts_with(shelf);
            check(
                is_apart,
                &[key, "path"],
                "a directory that neither lies in `in`, `working` or `waiting` of the folder nor contains them",
            );
        }
        if let (Some(done), Some(failed)) = (&folder.done, &folder.failed) {
            check(
                !overlap(done, failed),
                &["failed", "done"],
                "a directory apart from `done`",
            );
        }
    }
}

fn kinds_of(name: &str, folder: &FolderConfig) -> Vec<Fault> {
    let keys = std::iter::once(("kind", &folder.kind)).chain(folder.kinds.iter().map(|kind| ("kinds", kind)));
    let named = keys.filter(|(_, kind)| !kind.is_empty());
    let faults = named.filter_map(|(key, kind)| {
        let near = tenantry_jobs::find(kind).err()?;
        let expected = format!("expected the name of a job kind, found `{kind}`{}", did_you_mean(near));
        Some((vec![format!("folders.{name}.{key}")], expected))
    });
    faults.collect()
}

/// A folder that lies within another one would be taken for its content.
fn one_in_another((name, folder): (&str, &FolderConfig), (other_name, other): (&str, &FolderConfig)) -> Option<Fault> {
    let places = |folder: &FolderConfig| {
        let all = [
            Some(folder.path.root().to_owned()),
            folder.done.clone(),
            folder.failed.clone(),
        ];
        all.into_iter().zip(["path", "done", "failed"]).collect::<Vec<_>>()
    };
    for (mine, key) in places(folder) {
        for (theirs, other_key) in places(other) {
            let (Some(mine), Some(theirs)) = (&mine, &theirs) else {
                continue;
            };
            let is_set = !mine.as_os_str().is_empty() && !theirs.as_os_str().is_empty();
            // What has ended may go to one place from several folders.
            let may = key != "path" && other_key != "path";
            let is_kept = (key, other_key) == ("done", "done") && folder.keep == other.keep;
            let removes = |key: &str, folder: &FolderConfig| key == "done" && folder.keep.is_some();
            if is_set && may && !is_kept && overlap(mine, theirs) && (removes(key, folder) || removes(other_key, other))
            {
                let keys = ["keep", other_key].map(|key| format!("folders.{other_name}.{key}"));
                let expected = format!(
                    "expected the `keep` of `folders.{name}`, whose directory for what has ended is the same, or another directory"
                );
                return Some((keys.into(), expected));
            }
            if is_set && !may && overlap(mine, theirs) {
                let keys = vec![
                    format!("folders.{other_name}.{other_key}"),
                    format!("folders.{name}.{key}"),
                ];
                let expected = format!(
                    "expected a directory apart from `folders.{name}.{key}`, which is {}",
                    mine.display()
                );
                return Some((keys, expected));
            }
        }
    }
    None
}

fn overlap(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
