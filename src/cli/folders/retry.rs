//! `tenantry folders retry` and `adopt`: a failed file put back, and a folder made this ledger's.

use std::io::Write;

use anyhow::{Context, bail};
use serde_json::json;

use super::{configured, found};
use crate::app::App;
use crate::cli::{CommandEnd, output};
use crate::intake::folder::{FolderRules, put_back};
use crate::ledger::Actor;
use crate::ledger::drops::DropState;

/// Copies a failed file back to where it was dropped, under its own name.
pub(super) async fn retry(id: &str, by: &Actor, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let drop = found(id, app).await?;
    let ledger = &app.service.ledger;
    if drop.state != DropState::Quarantined {
        bail!(
            "{} is {}; only a file that failed can be put back",
            drop.name,
            drop.state.as_str()
        );
    }
    let folder = app
        .service
        .patiently(|| ledger.folders())
        .await?
        .into_iter()
        .find(|one| one.id == drop.folder);
    let Some(folder) = folder else {
        bail!("the folder of {} is no longer known", drop.name)
    };
    let rules = FolderRules::new(configured(app, &folder.name)?.clone(), app.service.settings.form.bom);
    let to = put_back(&rules, &drop).with_context(|| format!("{} cannot be put back", drop.name))?;
    app.service
        .patiently(|| ledger.drop_retried(&folder.name, &drop.name, by))
        .await?;
    let mut out = output::out();
    if json {
        writeln!(
            out,
            "{}",
            json!({ "folder": folder.name, "file": drop.name, "path": to.display().to_string() })
        )?;
    } else {
        writeln!(
            out,
            "{} lies in {} again; what failed stays in {}",
            drop.name,
            to.display(),
            drop.place
        )?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

/// Makes the folder of that name this ledger's, whatever lies there.
pub(super) async fn adopt(name: &str, by: &Actor, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let rules = FolderRules::new(configured(app, name)?.clone(), app.service.settings.form.bom);
    let layout = &rules.layout;
    if !layout.root.is_dir() {
        bail!("there is no directory {}; make it, or mount it", layout.root.display());
    }
    let ledger = &app.service.ledger;
    let ours = ledger.installation().number().to_string();
    let marker = layout.marker().unwrap_or(None);
    let id = match &marker {
        // One of this ledger keeps its id, and the files that are recorded under it.
        Some(marker) if marker.ledger == ours => marker.folder.clone(),
        _ => ledger.clock().fresh_id().to_string(),
    };
    let path = layout.root.display().to_string();
    layout.set_up(&id, &ours)?;
    app.service
        .patiently(|| ledger.adopt_folder(name, &id, &path, by))
        .await?;
    let mut out = output::out();
    if json {
        writeln!(
            out,
            "{}",
            json!({ "folder": name, "id": id, "path": path, "before": marker.map(|marker| marker.ledger) })
        )?;
    } else {
        writeln!(out, "{path} is folder {name} of this ledger")?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}
