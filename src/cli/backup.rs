//! `tenantry backup`: one consistent file of an SQLite ledger, made while workers go on.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use tempfile::NamedTempFile;

use super::{CommandEnd, output};
use crate::config::Config;
use crate::db::{ConnectOptions, Db, sqlite_path};

/// What SQLite adds to the name of a database for the files it keeps beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

#[derive(Debug, Args)]
#[command(
    after_help = "To restore: stop the workers, put the copy in the place of the ledger, and remove the files \
                        that end in -wal and -shm beside it. PostgreSQL has a program of its own: pg_dump."
)]
pub(super) struct BackupArgs {
    /// The file to make; one that is there already is never overwritten
    file: PathBuf,
}

pub(super) async fn backup(args: &BackupArgs, config: &Config, json: bool) -> anyhow::Result<CommandEnd> {
    let url = config.ledger.url.reveal();
    let Some(ledger) = sqlite_path(url) else {
        bail!(
            "the ledger `{}` is no SQLite file; back it up with `pg_dump`, which may run while workers do",
            config.ledger.url
        );
    };
    let file = &args.file;
    check(file, &ledger)?;
    let stop = super::stop_signal()?;
    let copy = copy_beside(file)?;
    // Whatever its schema: before a newer program brings it up to date is a good time for a backup.
    let db = Db::open_as_it_is(url, ConnectOptions::with_connections(1)).with_context(|| cannot(&ledger))?;
    let filled = stop.run_until_cancelled(fill(&db, &ledger, copy.path())).await;
    // Before the copy goes: what is interrupted may still write to it.
    db.close().await;
    let Some(filled) = filled else {
        output::say("stopped; no backup was made");
        return Ok(CommandEnd::Unfinished);
    };
    filled?;
    let file_of = file.display();
    let bytes = keep(copy, file).with_context(|| format!("the backup {file_of} cannot be written"))?;
    let mut out = output::out();
    if json {
        writeln!(out, "{}", json!({ "backup": file, "bytes": bytes }))?;
    } else {
        writeln!(out, "{file_of}: {}", output::counted(bytes, "byte"))?;
        output::say(&format!(
            "To restore it, stop the workers, put it in the place of {ledger}, and remove {ledger}-wal and \
             {ledger}-shm if they are left.",
            ledger = ledger.display()
        ));
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// Refuses what would make no backup, or would spoil another file.
fn check(file: &Path, ledger: &Path) -> anyhow::Result<()> {
    let (named, there) = (file.display(), ledger.display());
    let Ok(original) = std::fs::metadata(ledger) else {
        bail!("there is no ledger at {there}; set `ledger.url`, or start `tenantry backup` where the workers run");
    };
    match std::fs::symlink_metadata(file) {
        Ok(_)
            if std::fs::metadata(file)
                .is_ok_and(|same| (same.dev(), same.ino()) == (original.dev(), original.ino())) =>
        {
            bail!("{named} is the ledger itself; name another file")
        }
        Ok(_) => bail!("{named} is there already and is not overwritten; name another file"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{named} cannot be looked at")),
    }
    let wanted = std::path::absolute(file)?;
    let directory = |path: &Path| std::fs::canonicalize(parent(path)).ok();
    let real = std::fs::canonicalize(ledger).unwrap_or_else(|_| ledger.to_owned());
    for end in BESIDE {
        // SQLite would take it for the log of this ledger.
        for original in [ledger, &real] {
            if with_end(original, end).file_name() == wanted.file_name() && directory(original) == directory(&wanted) {
                bail!("{named} is a name that SQLite uses for the ledger {there}; name another file");
            }
        }
        // And what is left of another file it would take for the log of this backup.
        let left = with_end(file, end);
        if std::fs::symlink_metadata(&left).is_ok() {
            bail!(
                "{} is there, of another database; name another file, or remove it",
                left.display()
            );
        }
    }
    Ok(())
}

/// An empty file beside the one that is to be, which goes unless it is kept. Nobody else may read it.
fn copy_beside(file: &Path) -> anyhow::Result<NamedTempFile> {
    let directory = parent(file);
    tempfile::Builder::new()
        .prefix(".tenantry-backup-")
        .tempfile_in(directory)
        .with_context(|| format!("nothing can be written in {}", directory.display()))
}

async fn fill(db: &Db, ledger: &Path, copy: &Path) -> anyhow::Result<()> {
    if db.version().await.with_context(|| cannot(ledger))? == 0 {
        bail!("{} is no ledger of tenantry's, or an empty one", ledger.display());
    }
    db.copy_to(copy)
        .await
        .with_context(|| format!("{} cannot be copied", ledger.display()))
}

/// Gives the copy its name, once it would survive a power cut. Its size.
fn keep(copy: NamedTempFile, file: &Path) -> std::io::Result<u64> {
    // SQLite wrote it through a descriptor of its own.
    copy.as_file().sync_all()?;
    let bytes = copy.as_file().metadata()?.len();
    copy.persist_noclobber(file).map_err(|error| error.error)?;
    File::open(parent(file))?.sync_all()?;
    Ok(bytes)
}

fn cannot(ledger: &Path) -> String {
    format!("the ledger {} cannot be opened", ledger.display())
}

fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}
