//! Health of a folder: each thing that it needs is tried.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::disk::rename_new;
use super::layout::{WORKING, seen, sync_dir};
use super::{FolderError, FolderRules};
use crate::ledger::Ledger;
use crate::store::remote::Finding;

/// What all findings are about.
const WHAT: &str = "folder";
/// Free space below which it is told.
const LITTLE: u64 = 64 << 20;
/// A share whose clock is this far off is told; nothing depends on it.
const CLOCKS_MILLIS: i64 = 60_000;

/// Looks at a folder without writing to it: what its record says, and whether it is this ledger's.
pub(crate) async fn look(ledger: &Ledger, rules: &FolderRules) -> Finding {
    let (fine, says) = match looked(ledger, rules).await {
        Ok(says) => (true, says),
        Err(error) => (false, error.to_string()),
    };
    Finding {
        what: WHAT,
        fine,
        says: format!("{}: {says}", rules.name),
    }
}

async fn looked(ledger: &Ledger, rules: &FolderRules) -> Result<String, FolderError> {
    let trouble = |text: String| Err(FolderError::Trouble(text));
    let root = &rules.layout.root;
    let known = ledger.folder_named(&rules.name).await?;
    if !root.is_dir() {
        return trouble(format!(
            "there is no directory {}; make it, or mount it",
            root.display()
        ));
    }
    let Some(marker) = rules.layout.marker()? else {
        return match known {
            Some(known) if known.set_up => trouble(format!(
                "{} is empty, so its share is not mounted; `tenantry folders adopt {}` sets it up anew",
                root.display(),
                rules.name
            )),
            _ => Ok(format!("{} was not served yet; a worker sets it up", root.display())),
        };
    };
    let Some(known) = known.filter(|known| known.id == marker.folder) else {
        return trouble(format!(
            "{} is another folder, or another ledger's (installation {}); `tenantry folders adopt {}` makes it this one's",
            root.display(),
            marker.ledger,
            rules.name
        ));
    };
    if let Some(why) = known.trouble {
        return trouble(why);
    }
    if let Some(held) = known.held {
        let name = &rules.name;
        return trouble(format!(
            "it holds since {held}; `tenantry folders release {name}` goes on"
        ));
    }
    let served = known
        .served_by
        .map_or("served by nobody now".to_owned(), |by| format!("served by {by}"));
    let says = format!("{}, {served}, {} to take", root.display(), known.ready);
    let stays = "files stay in `in`, which is second best: a change that keeps size and time is not seen";
    let more = [known.watched, rules.leaves.then(|| stays.to_owned())];
    let says: Vec<String> = std::iter::once(says).chain(more.into_iter().flatten()).collect();
    Ok(says.join("; "))
}

/// Tries everything that a folder needs, leaving nothing behind.
pub(crate) fn probe(ledger: &Ledger, rules: &FolderRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |fine: bool, says: String| {
        findings.push(Finding {
            what: WHAT,
            fine,
            says: format!("{}: {says}", rules.name),
        });
    };
    let layout = &rules.layout;
    let (inbox, working) = (layout.inbox(), layout.root.join(WORKING));
    let id = ledger.clock().fresh_id();
    let (from, dir) = (
        inbox.join(format!(".tenantry-{id}")),
        working.join(format!(".tenantry-{id}")),
    );
    let made = if rules.leaves {
        fs::read_dir(&inbox).and_then(|_| made(&dir))
    } else {
        moved(&from, &dir)
    };
    match made {
        Ok(at) => {
            let says = if rules.leaves {
                format!(
                    "{} can be read, and a file was made beside it and synced",
                    inbox.display()
                )
            } else {
                format!("a file was made in {}, moved and synced", inbox.display())
            };
            found(true, says);
            let off = at / 1_000_000 - ledger.clock().now_millis();
            let is_off = off.abs() > CLOCKS_MILLIS;
            let says = if is_off {
                format!(
                    "the clock of its file system is off by {} s, on which nothing depends",
                    off / 1000
                )
            } else {
                "the clock of its file system is right".to_owned()
            };
            found(true, says);
        }
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let says = format!(
                "{} and {} have to lie in one file system",
                inbox.display(),
                working.display()
            );
            found(false, says);
        }
        Err(error) if rules.leaves => {
            let says = format!(
                "{} cannot be read, or no file be made in {}: {error}",
                inbox.display(),
                working.display()
            );
            found(false, says);
        }
        Err(error) => {
            let says = format!(
                "a file cannot be made in {} and moved to {}: {error}",
                inbox.display(),
                working.display()
            );
            found(false, says);
        }
    }
    for shelf in [&layout.done, &layout.failed] {
        match carried(&dir, &shelf.join(format!(".tenantry-{id}"))) {
            Ok(()) => found(true, format!("directories appear in {} by one rename", shelf.display())),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                found(
                    true,
                    format!(
                        "{} lies in another file system, to which directories are copied",
                        shelf.display()
                    ),
                );
            }
            Err(error) => found(
                false,
                format!("a directory cannot be moved to {}: {error}", shelf.display()),
            ),
        }
    }
    let _ = fs::remove_dir_all(&dir);
    let _ = fs::remove_file(&from);
    match owners(&inbox, &working, rules.leaves) {
        Ok(None) => found(true, "droppers can write to `in` only".to_owned()),
        Ok(Some(says)) => found(false, says),
        Err(error) => found(false, format!("{}: {error}", working.display())),
    }
    match rustix::fs::statvfs(&layout.root) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            found(free >= LITTLE, format!("{} MiB are free", free >> 20));
        }
        Err(error) => found(false, format!("the space cannot be told: {}", io::Error::from(error))),
    }
    findings
}

/// Makes a file and moves it into a new directory; when its file system says that it was made.
fn moved(from: &Path, dir: &Path) -> io::Result<i64> {
    let mut file = File::options().write(true).create_new(true).open(from)?;
    file.write_all(b"-")?;
    file.sync_all()?;
    fs::create_dir(dir)?;
    rename_new(from, &dir.join("probe"))?;
    let parents = [from.parent(), Some(dir), dir.parent()];
    parents.into_iter().flatten().try_for_each(sync_dir)?;
    Ok(seen(&file.metadata()?).modified)
}

/// Makes a file in a new directory; when its file system says that it was made.
fn made(dir: &Path) -> io::Result<i64> {
    fs::create_dir(dir)?;
    let mut file = File::options().write(true).create_new(true).open(dir.join("probe"))?;
    file.write_all(b"-")?;
    file.sync_all()?;
    [Some(dir), dir.parent()].into_iter().flatten().try_for_each(sync_dir)?;
    Ok(seen(&file.metadata()?).modified)
}

/// Moves a directory there and back.
fn carried(dir: &Path, to: &Path) -> io::Result<()> {
    rename_new(dir, to)?;
    fs::rename(to, dir)
}

/// What is wrong with who may do what.
fn owners(inbox: &Path, working: &Path, leaves: bool) -> io::Result<Option<String>> {
    let (inbox_is, working_is) = (fs::metadata(inbox)?, fs::metadata(working)?);
    let mode = working_is.permissions().mode();
    if mode & 0o022 != 0 {
        return Ok(Some(format!(
            "{} may be written to by others (mode {:o}), who could change files while they are read; chmod 700",
            working.display(),
            mode & 0o7777
        )));
    }
    let is_sticky = inbox_is.permissions().mode() & 0o1000 != 0;
    // Directories that are made here are this process' own.
    if !leaves && is_sticky && inbox_is.uid() != working_is.uid() && working_is.uid() != 0 {
        return Ok(Some(format!(
            "{} has the sticky bit and another owner, so files of others cannot be moved out of it",
            inbox.display()
        )));
    }
    Ok(None)
}
