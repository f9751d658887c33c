//! `tenantry folders explain`: why a file is not taken, and what its folder waits for.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::cli::{CommandEnd, output};
use crate::intake::folder::{Explanation, FolderRules, explain as explain_file};
use crate::ledger::drops::FolderRecord;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The file, where it was dropped
    file: PathBuf,
}

/// Looks at the file for as long as it takes to settle. What the ledger knows of the folder is said besides.
pub(super) async fn explain(args: &ExplainArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let file = std::path::absolute(&args.file).with_context(|| args.file.display().to_string())?;
    let folders: Vec<FolderRules> = app
        .config
        .folders
        .values()
        .map(|folder| FolderRules::new(folder.clone(), app.service.settings.form.bom))
        .collect();
    let asked = file.clone();
    let explained = tokio::task::spawn_blocking(move || explain_file(&folders, &asked)).await?;
    let known = match &explained.folder {
        Some(name) => app.service.patiently(|| app.service.ledger.folder_named(name)).await?,
        None => None,
    };
    let state = state(&explained, known.as_ref());
    let mut out = output::out();
    if json {
        let line = json!({ "file": file.display().to_string(), "folder": explained.folder, "code": explained.code,
            "says": explained.says, "before": explained.before, "state": state });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{}", output::printable(&explained.says))?;
        if explained.before > 0 {
            writeln!(out, "{} files come before it", explained.before)?;
        }
        if let Some(state) = state {
            writeln!(out, "{}", output::printable(&state))?;
        }
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// What keeps the folder from taking anything, if something does.
fn state(explained: &Explanation, known: Option<&FolderRecord>) -> Option<String> {
    let name = explained.folder.as_ref()?;
    if explained.code == "not-in-in" || explained.code == "not-served" {
        return None;
    }
    let Some(known) = known else {
        return Some(format!("folder `{name}` was not served yet; `tenantry worker` does"));
    };
    if let Some(trouble) = &known.trouble {
        return Some(format!("folder `{name}` is not served: {trouble}"));
    }
    if let Some(held) = &known.held {
        return Some(format!(
            "folder `{name}` holds since {held}; `tenantry folders release {name}` lets it go on"
        ));
    }
    known
        .served_by
        .is_none()
        .then(|| format!("no worker serves folder `{name}` now; `tenantry worker` does"))
}
