//! What is written beside a file that was refused: the reasons, and a receipt. The file itself stays as it came, since it is to
//! be mended.

use std::io;
use std::path::Path;

use serde_json::json;

use super::waiting::BesideFile;
use crate::intake::reasons::{REASONS_TABLE, REASONS_TEXT, RefusedFile, WrittenReasons};
use crate::ledger::drops::{DroppedFile, JobOrigin};
use crate::receipt::{Durable, RECEIPT, write_json};

/// The names of what is written, which give way to the file's own.
struct ReasonNames {
    csv: String,
    text: String,
    receipt: String,
}

impl ReasonNames {
    fn beside(file: &str, stem: &str) -> Self {
        let usual = [REASONS_TABLE, REASONS_TEXT, RECEIPT];
        let is_taken = usual.contains(&file.to_lowercase().as_str());
        let [csv, text, receipt] = usual.map(|name| {
            if is_taken {
                format!("{stem}.job-{name}")
            } else {
                name.to_owned()
            }
        });
        Self { csv, text, receipt }
    }
}

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
    let BesideFile { dir, stem, bom, .. } = *written;
    let names = ReasonNames::beside(&drop.name, stem);
    let summary = refused.summary();
    refused.write(&WrittenReasons {
        csv: &dir.join(&names.csv),
        text: &dir.join(&names.text),
        file: &drop.name,
        before: &format!(
            "{} was refused: {summary}\nNothing of it was carried out. Mend the file and drop it again.\n",
            drop.name
        ),
        after: "The file lies here as it came, with whatever secrets it has; remove it when it is mended.",
        bom,
    })?;
    let receipt = json!({ "job": null, "state": "refused", "origin": origin, "sha256": drop.sha256, "bytes": drop.seen.size,
        "reason": summary, "faults": refused.count(), "reasons": names.csv });
    write_json(dir, &names.receipt, &receipt, Durable::Now)
        .map(std::mem::drop)
        .map_err(|error| error.error)
}
