//! Whether results can be written somewhere, tried before there are any.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::DeliveryError;

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
