//! The job that a file asks for: by its folder, by the directories it lies in, and by the job document beside it.
//!
//! A document beside a file, `NAME.job.json`, is one of the inbox without rows. It can only say less than the folder allows:
//! a kind that the folder takes, a customer where the folder has none, and nobody as submitter but the one the folder says.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tenantry_jobs::{JobKind, nearest};

use super::names::shown;
use super::scan::open;
use crate::config::{FolderConfig, Placeholder};
use crate::intake::Reason;
use crate::intake::document::{FileDocument, code};
use crate::ledger::Parameters;

/// What the name of a document is after the file's.
const ENDING: &str = ".job.json";
/// Bytes of a document; it has no rows.
const LONGEST: u64 = 64 << 10;

/// The name of a file's document.
pub(crate) fn name_of(file: &OsStr) -> OsString {
    let mut name = file.to_owned();
    name.push(ENDING);
    name
}

/// Whether a name is that of a document.
pub(crate) fn is_one(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.len() > ENDING.len() && name[name.len() - ENDING.len()..].eq_ignore_ascii_case(ENDING.as_bytes())
}

/// What lies where a file's document belongs.
pub(crate) enum DocumentBeside {
    /// Nothing.
    Nothing,
    /// A link, a pipe or a directory, which says nothing here.
    NoFile,
    /// A document.
    Text(Vec<u8>),
}

/// What lies at that path.
///
/// # Errors
/// It is there and cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<DocumentBeside> {
    let file = match open(path) {
        Ok(file) if file.metadata()?.is_file() => file,
        Ok(_) => return Ok(DocumentBeside::NoFile),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(DocumentBeside::NoFile);
        }
        // The name may be longer than a name can be, where the file's is long already.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => {
            return Ok(DocumentBeside::Nothing);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(DocumentBeside::Text(bytes))
}

/// What a file asks for.
#[derive(Clone)]
pub(crate) struct FileRequest {
    pub(crate) kind: &'static dyn JobKind,
    pub(crate) parameters: Parameters,
    /// Whether columns that the store does not keep are left out; `None` where nothing says it.
    pub(crate) ignore_not_kept: Option<bool>,
    /// Whether cells may hold lines like the file's own.
    pub(crate) multiline_cells: bool,
    /// The sender's own key.
    pub(crate) idempotency_key: Option<String>,
}

/// What the file at that path below the directory asks for, or everything that is wrong with what it asks for. `document` is
/// what lies beside it, and `submitter` whom the folder takes it from.
pub(crate) fn asked(
    folder: &FolderConfig,
    file: &Path,
    document: Option<&[u8]>,
    submitter: &str,
) -> Result<FileRequest, Vec<Reason>> {
    let (said, mut reasons) = document.map(FileDocument::parse).unwrap_or_default();
    let (mut by_place, mut customer) = (
        None,
        Some(folder.customer.clone()).filter(|customer| !customer.is_empty()),
    );
    for (what, directory) in folder.path.below().iter().zip(file) {
        let name = shown(directory);
        match what {
            Placeholder::Customer => customer = Some(name),
            Placeholder::Kind => by_place = Some(name),
        }
    }
    let named = match (&by_place, said.kind) {
        (Some(place), _) => Some((place.as_str(), "{kind}")),
        (None, Some(kind)) => Some((kind.kind(), "$.kind")),
        (None, None) => Some((folder.kind.as_str(), "$.kind")),
    };
    let kind = named.and_then(|(name, path)| {
        if folder.all_kinds().any(|kind| kind == name) {
            return tenantry_jobs::find(name).ok();
        }
        // A document that could not be read has said so already.
        if !name.is_empty() || reasons.is_empty() {
            let all: Vec<&str> = folder.all_kinds().collect();
            let expected = format!("expected a kind that the folder takes: {}", all.join(", "));
            reasons.push(Reason::new(path, code::UNKNOWN_KIND, name, expected).suggest(nearest(name, all)));
        }
        None
    });
    if let (Some(place), Some(kind)) = (&by_place, said.kind)
        && kind.kind() != place
    {
        let expected = format!("expected `{place}`, as the directory says");
        reasons.push(Reason::new("$.kind", code::BAD_VALUE, kind.kind(), expected));
    }
    match (&customer, &said.parameters.customer) {
        (Some(fixed), Some(stated)) if fixed != stated => {
            let expected = format!("expected `{fixed}`, which is the folder's customer");
            reasons.push(Reason::new("$.parameters.customer", code::BAD_VALUE, stated, expected));
        }
        (None, Some(stated)) => customer = Some(stated.clone()),
        _ => {}
    }
    if said.parameters.skip_invalid && !folder.skip_invalid {
        let expected = "expected false, as the folder skips no invalid rows";
        reasons.push(Reason::new(
            "$.parameters.skip_invalid",
            code::BAD_VALUE,
            "true",
            expected,
        ));
    }
    if let Some(stated) = said.submitted_by.filter(|stated| stated != submitter) {
        let expected = format!("expected `{submitter}`, whom the folder takes it from, or nothing");
        reasons.push(Reason::new("$.submitted_by", code::BAD_VALUE, &stated, expected));
    }
    match kind {
        Some(kind) if reasons.is_empty() => Ok(FileRequest {
            kind,
            parameters: Parameters {
                checks_customer: customer.is_some(),
                customer,
                skip_invalid: folder.skip_invalid,
                ..Parameters::default()
            },
            ignore_not_kept: said.ignore_not_kept.or(folder.ignore_not_kept.then_some(true)),
            multiline_cells: said.multiline_cells || folder.multiline_cells,
            idempotency_key: said.idempotency_key,
        }),
        _ => Err(reasons),
    }
}

#[cfg(test)]
mod tests;
