//! Files written beside a file that was refused: the reasons, and a receipt. The file itself stays as it came, since it is to
//! be fixed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::json;

use super::waiting::BesideFile;
use crate::intake::reasons::{REASONS_TABLE, REASONS_TEXT, RefusedFile, WrittenReasons};
use crate::ledger::drops::{DroppedFile, JobOrigin};
use crate::receipt::{Durable, RECEIPT, write_json};

/// Whether this is the name of something that is written beside dropped files.
pub(super) fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let names = [
        REASONS_TABLE,
        REASONS_TEXT,
        RECEIPT,
        "results.csv",
        "results.xlsx",
        "plan.txt",
        "plan.csv",
        "plan.json",
    ];
    names.contains(&name.as_str())
        || name.starts_with('.')
        || name.ends_with(".partial")
        || name.contains(".rejects.")
        || name.contains(".job-")
        || (name.starts_with("passwords") && path.extension().is_some_and(|end| end == "age"))
}

/// Writes all that is to be said of a refused file into the directory where it lies.
pub(super) fn write(
    written: &BesideFile<'_>,
    drop: &DroppedFile,
    origin: &JobOrigin,
    refused: &mut RefusedFile,
) -> io::Result<()> {
    let BesideFile { dir, bom, .. } = *written;
    let [csv, text, receipt] = written.names([REASONS_TABLE, REASONS_TEXT, RECEIPT]);
    let summary = refused.summary();
    let name = Path::new(OsStr::from_bytes(&drop.file)).file_name().unwrap_or_default();
    // One that stays where it was dropped may not have been copied.
    let lies_here = dir.join(name).symlink_metadata().is_ok();
    refused.write(&WrittenReasons {
        csv: &dir.join(&csv),
        text: &dir.join(&text),
        file: &drop.name,
        before: &format!(
            "{} was refused: {summary}\nNothing of it was carried out. Fix the file and drop it again.\n",
            drop.name
        ),
        after: if lies_here {
            "The file lies here as it came, with whatever secrets it has; remove it when it is fixed."
        } else {
            ""
        },
        bom,
    })?;
    let document = json!({ "job": null, "state": "refused", "origin": origin, "sha256": drop.sha256, "bytes": drop.seen.size,
        "reason": summary, "faults": refused.count(), "reasons": csv });
    write_json(dir, &receipt, &document, Durable::Now)
        .map(std::mem::drop)
        .map_err(|error| error.error)
}
