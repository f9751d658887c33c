//! A trial of the place for results, before there are any.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use serde::Deserialize;

use super::DeliveryError;
use crate::ledger::JobId;
use crate::receipt::RECEIPT;

/// Receipts that are longer are none of ours.
const LONGEST_RECEIPT: u64 = 16 << 20;

/// Whose results may be in a directory that results are to be written to. Others' are not written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayHold {
    /// No job's: they are of a job to come.
    Nothing,
    /// Those of this job.
    Of(JobId),
    /// Any job's, for now: which job they are of is not known yet.
    Any,
}

impl MayHold {
    /// Looks at a directory, which need not be there.
    pub(crate) fn check(self, dir: &Path) -> Result<(), DeliveryError> {
        let Some(held) = held(dir) else {
            return Ok(());
        };
        match self {
            Self::Any => Ok(()),
            Self::Of(job) if held == Some(job) => Ok(()),
            Self::Of(_) | Self::Nothing => Err(DeliveryError::Taken {
                path: dir.to_owned(),
                by: held.map_or_else(|| "another program".to_owned(), |job| format!("job {job}")),
            }),
        }
    }
}

/// The job whose receipt lies in a directory; none of it if that is nobody's we know.
#[expect(clippy::option_option, reason = "there may be a receipt of no job")]
fn held(dir: &Path) -> Option<Option<JobId>> {
    #[derive(Deserialize)]
    struct Head {
        job: JobId,
    }
    let receipt = std::fs::File::open(dir.join(RECEIPT)).ok()?;
    let head: Result<Head, _> = serde_json::from_reader(io::BufReader::new(receipt.take(LONGEST_RECEIPT)));
    Some(head.ok().map(|head| head.job))
}

/// What is written to find out; enough to meet a disk that is full.
static TRIAL: [u8; 64 << 10] = [b'-'; 64 << 10];

/// Tries to write to a directory or, where that is still to be made, to the nearest one above it. Leaves nothing there.
pub(crate) fn try_dir(dir: &Path) -> Result<(), DeliveryError> {
    let named = |path: &Path| {
        let path = path.to_owned();
        move |error| DeliveryError::Directory { path, error }
    };
    for part in dir.ancestors() {
        let place = if part.as_os_str().is_empty() {
            Path::new(".")
        } else {
            part
        };
        match std::fs::metadata(place) {
            Ok(found) if found.is_dir() => return try_in(place).map_err(named(place)),
            Ok(_) => return Err(named(place)(ErrorKind::NotADirectory.into())),
            // A link that leads nowhere is in the way; what is merely not there can be made.
            Err(error) if error.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(place).is_err() => {}
            // Something above is no directory, which the next part says.
            Err(error) if error.kind() == ErrorKind::NotADirectory => {}
            Err(error) => return Err(named(place)(error)),
        }
    }
    Err(named(dir)(ErrorKind::NotFound.into()))
}

fn try_in(dir: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(&TRIAL)?;
    file.sync_all()
}
