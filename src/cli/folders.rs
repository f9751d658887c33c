//! `tenantry folders`: drop folders, the files taken from them, and what somebody has to see to.

mod check;
mod explain;
mod retry;

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tenantry_jobs::{did_you_mean, nearest};

use super::jobs::short_ids;
use super::text_table::TextTable;
use super::{CommandEnd, output, when};
use crate::app::App;
use crate::config::FolderConfig;
use crate::intake::folder::{FolderRules, Folders};
use crate::ledger::Actor;
use crate::ledger::drops::{DroppedFile, FolderCounts, FolderRecord};
use crate::moment::rfc3339;

/// Files of a folder that are shown.
const SHOWN: u64 = 20;
/// How often it is looked whether a scan has come to its end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct FoldersArgs {
    #[command(subcommand)]
    command: Option<FoldersCommand>,
}

#[derive(Debug, Subcommand)]
enum FoldersCommand {
    /// Show a folder and its newest files, or one file
    Show(ShowArgs),
    /// Explain why a file is not taken, or what it waits for
    Explain(explain::ExplainArgs),
    /// Take the ready files of a folder now; workers carry out the jobs
    Scan(NamedArgs),
    /// Put a failed file back into its folder
    Retry(RetryArgs),
    /// Release a folder that holds after a failure
    Release(DecidedArgs),
    /// Take over a folder of another ledger, or one that was emptied
    Adopt(DecidedArgs),
    /// Test what a folder needs: moving, syncing, owners, modes, space, clocks
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The folder's name, or the ID of a file or of its job, or a unique beginning or end of it
    what: String,
}

#[derive(Debug, Args)]
struct NamedArgs {
    /// The folder's name
    name: String,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The folder's name [default: all]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct RetryArgs {
    /// The ID of the file, or a unique beginning or end of it
    id: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

#[derive(Debug, Args)]
struct DecidedArgs {
    /// The folder's name
    name: String,
    /// Name for the audit record
    #[arg(long, value_name = "NAME", default_value_t = super::user(), value_parser = super::actor)]
    by: Actor,
}

pub(super) async fn folders(args: &FoldersArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    match &args.command {
        None => list(app, json).await,
        Some(FoldersCommand::Show(args)) => show(&args.what, app, json).await,
        Some(FoldersCommand::Explain(args)) => explain::explain(args, app, json).await,
        Some(FoldersCommand::Scan(args)) => scan(&args.name, app, json).await,
        Some(FoldersCommand::Retry(args)) => retry::retry(&args.id, &args.by, app, json).await,
        Some(FoldersCommand::Release(args)) => release(args, app, json).await,
        Some(FoldersCommand::Adopt(args)) => retry::adopt(&args.name, &args.by, app, json).await,
        Some(FoldersCommand::Check(args)) => check::check(args.name.as_deref(), app, json).await,
    }
}

/// The folder of that name in the configuration.
fn configured<'a>(app: &'a App, name: &str) -> anyhow::Result<&'a FolderConfig> {
    if let Some(folder) = app.config.folders.get(name) {
        return Ok(folder);
    }
    let names: Vec<&str> = app.config.folders.keys().map(String::as_str).collect();
    let near = did_you_mean(nearest(name, names.iter().copied()));
    if names.is_empty() {
        bail!(
            "the configuration has no folders; a section `[folders.NAME]` makes one ({})",
            app.config.read_from()
        );
    }
    Err(output::hinted(
        format!("the configuration has no folder `{name}`{near}"),
        format!("folders are {}", names.join(", ")),
    ))
}

/// A folder as its configuration and the ledger know it.
struct Shown<'a> {
    name: &'a str,
    path: String,
    known: Option<FolderRecord>,
    counts: FolderCounts,
}

impl<'a> Shown<'a> {
    async fn of(app: &App, name: &'a str, path: String) -> anyhow::Result<Shown<'a>> {
        let ledger = &app.service.ledger;
        let known = app.service.patiently(|| ledger.folder_named(name)).await?;
        let counts = match &known {
            Some(known) => app.service.patiently(|| ledger.folder_counts(&known.id)).await?,
            None => FolderCounts::default(),
        };
        Ok(Self {
            name,
            path,
            known,
            counts,
        })
    }

    fn state(&self) -> &'static str {
        match &self.known {
            None => "new",
            Some(known) => known.status().as_str(),
        }
    }

    fn document(&self) -> Value {
        let known = self.known.as_ref();
        json!({ "folder": self.name, "path": self.path, "state": self.state(), "id": known.map(|known| &known.id),
            "served_by": known.and_then(|known| known.served_by.as_ref()), "held": known.and_then(|known| known.held.as_ref()),
            "trouble": known.and_then(|known| known.trouble.as_ref()),
            "watched": known.and_then(|known| known.watched.as_ref()),
            "looked_at": known.and_then(|known| known.looked_at).map(rfc3339),
            "ready": known.map_or(0, |known| known.ready), "counts": self.counts })
    }
}

/// Says of a folder that no worker has served why that may be.
fn say_unserved(name: &str, app: &App) -> anyhow::Result<()> {
    let rules = FolderRules::new(configured(app, name)?.clone(), app.service.settings.form.bom);
    output::warn(&format!("{name}: no worker has served it yet"));
    let root = &rules.layout.root;
    output::hint(&if root.is_dir() {
        "a `tenantry worker` with this configuration serves it".to_owned()
    } else {
        format!("there is no directory {} here; make it, or mount it", root.display())
    });
    Ok(())
}

async fn list(app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let mut out = output::out();
    let mut shown = Vec::new();
    for (name, folder) in &app.config.folders {
        shown.push(Shown::of(app, name, folder.path.to_string()).await?);
    }
    if json {
        for one in &shown {
            writeln!(out, "{}", one.document())?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let titles = [
        "folder", "state", "to take", "at work", "waiting", "done", "failed", "path",
    ];
    let mut table = TextTable::new(out, titles);
    for one in &shown {
        let counts = one.counts;
        table.row(vec![
            one.name.to_owned(),
            one.state().to_owned(),
            one.known.as_ref().map_or(0, |known| known.ready).to_string(),
            (counts.open - counts.waiting).to_string(),
            counts.waiting.to_string(),
            counts.archived.to_string(),
            counts.quarantined.to_string(),
            output::printable(&one.path),
        ])?;
    }
    table.end()?;
    for one in &shown {
        let Some(known) = &one.known else {
            say_unserved(one.name, app)?;
            continue;
        };
        if let Some(trouble) = &known.trouble {
            output::warn(&format!("{}: {trouble}", one.name));
        }
        if let Some(held) = &known.held {
            let name = one.name;
            output::warn(&format!("{name} has held since {held}"));
            output::hint(&format!("`tenantry folders release {name}` lets it go on"));
        }
    }
    if shown.is_empty() {
        output::say(&format!(
            "the configuration has no folders; a section `[folders.NAME]` makes one ({})",
            app.config.read_from()
        ));
    }
    Ok(CommandEnd::Fine)
}

async fn show(what: &str, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let ledger = &app.service.ledger;
    let mut out = output::out();
    if let Some(folder) = app.config.folders.get(what) {
        let shown = Shown::of(app, what, folder.path.to_string()).await?;
        let newest = match &shown.known {
            Some(known) => app.service.patiently(|| ledger.newest_drops(&known.id, SHOWN)).await?,
            None => Vec::new(),
        };
        if json {
            let mut document = shown.document();
            document["files"] = newest.iter().map(document_of).collect();
            writeln!(out, "{document}")?;
            out.flush()?;
            return Ok(CommandEnd::Fine);
        }
        writeln!(
            out,
            "folder    {what}\npath      {}\nstate     {}",
            shown.path,
            shown.state()
        )?;
        if let Some(known) = &shown.known {
            let lines = [
                ("id", Some(&known.id)),
                ("served by", known.served_by.as_ref()),
                ("watched", known.watched.as_ref()),
                ("held", known.held.as_ref()),
                ("trouble", known.trouble.as_ref()),
            ];
            for (title, line) in lines.into_iter().filter_map(|(title, line)| Some((title, line?))) {
                writeln!(out, "{title:<9} {}", output::printable(line))?;
            }
        }
        let short = short_ids(app, newest.iter().filter_map(|drop| drop.job)).await?;
        let mut table = TextTable::new(out, ["file", "state", "job", "taken", "lies in"]);
        for drop in &newest {
            table.row(vec![
                output::printable(&drop.name),
                drop.state.as_str().to_owned(),
                short.of_some(drop.job),
                when::second(drop.seen_at),
                drop.place.clone(),
            ])?;
        }
        table.end()?;
        return Ok(CommandEnd::Fine);
    }
    let drop = found(what, app).await?;
    if json {
        writeln!(out, "{}", document_of(&drop))?;
    } else {
        let folder = app
            .service
            .patiently(|| ledger.folders())
            .await?
            .into_iter()
            .find(|one| one.id == drop.folder);
        let (name, path) = folder.map_or((String::new(), String::new()), |folder| (folder.name, folder.path));
        writeln!(
            out,
            "file      {}\nfolder    {name}\nid        {}",
            output::printable(&drop.name),
            drop.id
        )?;
        writeln!(
            out,
            "state     {}\ntaken     {}",
            drop.state.as_str(),
            when::second(drop.seen_at)
        )?;
        writeln!(out, "lies in   {path}/{}", drop.place)?;
        let lines = [
            ("job", drop.job.map(|job| job.to_string())),
            ("reason", drop.reason.clone()),
            ("owner", drop.owner.clone()),
            ("corrects", drop.corrects.clone()),
            ("sha256", drop.sha256.clone()),
            ("ended", drop.ended_at.map(rfc3339)),
        ];
        for (title, line) in lines.into_iter().filter_map(|(title, line)| Some((title, line?))) {
            writeln!(out, "{title:<9} {}", output::printable(&line))?;
        }
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// The one file that is meant.
async fn found(what: &str, app: &App) -> anyhow::Result<DroppedFile> {
    let mut found = app.service.patiently(|| app.service.ledger.find_drops(what)).await?;
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|drop| drop.id.as_str()).collect();
        bail!("several files answer to `{what}`: {}", ids.join(", "));
    }
    let Some(drop) = found.pop() else {
        if app.config.folders.contains_key(what) {
            return Err(output::hinted(
                format!("`{what}` is a folder, and the ID of a file is expected"),
                format!(
                    "`tenantry folders show {what}` lists its files; the ID of one ends as its directory's name does"
                ),
            ));
        }
        let names: Vec<&str> = app.config.folders.keys().map(String::as_str).collect();
        let near = did_you_mean(nearest(what, names.iter().copied()));
        return Err(output::hinted(
            format!("there is no folder and no file `{what}`{near}"),
            "`tenantry folders` lists the folders",
        ));
    };
    Ok(drop)
}

fn document_of(drop: &DroppedFile) -> Value {
    json!({ "id": drop.id, "file": drop.name, "state": drop.state, "job": drop.job, "place": drop.place, "reason": drop.reason,
        "owner": drop.owner, "corrects": drop.corrects, "sha256": drop.sha256, "bytes": drop.seen.size,
        "taken_at": rfc3339(drop.seen_at), "ended_at": drop.ended_at.map(rfc3339) })
}

/// Serves a folder here until nothing is left in it that could be taken.
async fn scan(name: &str, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let folder = configured(app, name)?;
    let ledger = &app.service.ledger;
    let before = app.service.patiently(|| ledger.folder_named(name)).await?;
    if let Some(by) = before.as_ref().and_then(|known| known.served_by.as_ref()) {
        bail!(
            "{name} is served by {by}, which takes what is ready by itself; `tenantry folders show {name}` says what it has taken"
        );
    }
    let last = match &before {
        Some(known) => app
            .service
            .patiently(|| ledger.newest_drops(&known.id, 1))
            .await?
            .first()
            .map_or(0, |drop| drop.seq),
        None => 0,
    };
    let stop = super::stop_signal()?.child_token();
    let folders = Folders::new([folder.clone()]);
    let serving = folders.clone().serve(app.service.clone(), None, stop.clone());
    let watching = async {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            if folders.have_nothing_to_take() {
                stop.cancel();
            }
        }
    };
    tokio::join!(serving, watching);
    let Some(known) = app.service.patiently(|| ledger.folder_named(name)).await? else {
        bail!("{name} could not be looked into; `tenantry folders check {name}` says why");
    };
    if let Some(trouble) = &known.trouble {
        bail!("{trouble}");
    }
    let mut taken = app.service.patiently(|| ledger.newest_drops(&known.id, 10_000)).await?;
    taken.retain(|drop| drop.seq > last);
    let mut out = output::out();
    for drop in taken.iter().rev() {
        if json {
            writeln!(out, "{}", document_of(drop))?;
        } else {
            let job = drop.job.map_or(String::new(), |job| format!(", job {job}"));
            let reason = drop
                .reason
                .as_ref()
                .map_or(String::new(), |reason| format!(": {reason}"));
            writeln!(
                out,
                "{} {}{job}{}",
                output::printable(&drop.name),
                drop.state.as_str(),
                output::printable(&reason)
            )?;
        }
    }
    out.flush()?;
    if !json && taken.is_empty() {
        output::say(&format!(
            "nothing was ready in {name}; `tenantry folders show {name}` says what was taken before"
        ));
    }
    Ok(CommandEnd::Fine)
}

async fn release(args: &DecidedArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    configured(app, &args.name)?;
    let ledger = &app.service.ledger;
    let name = &args.name;
    let known = app.service.patiently(|| ledger.folder_named(name)).await?;
    let held = match known {
        Some(known) => {
            app.service
                .patiently(|| ledger.release_folder(&known.id, &args.by))
                .await?
        }
        None => None,
    };
    let Some(held) = held else {
        bail!("{name} does not hold; nothing is to be released")
    };
    let mut out = output::out();
    if json {
        writeln!(out, "{}", json!({ "folder": name, "held": held }))?;
    } else {
        writeln!(out, "{name} goes on; it held since {}", output::printable(&held))?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}
