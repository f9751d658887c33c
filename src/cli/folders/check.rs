//! `tenantry folders check`: everything that a folder needs, tried.

use std::io::Write;

use serde_json::json;

use super::configured;
use crate::app::App;
use crate::cli::{CommandEnd, output};
use crate::intake::folder::{FolderRules, look, probe};

/// Tries one folder, or all.
pub(super) async fn check(name: Option<&str>, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let folders = match name {
        Some(name) => vec![configured(app, name)?],
        None => app.config.folders.values().collect(),
    };
    let ledger = &app.service.ledger;
    let (mut out, mut is_fine) = (output::out(), true);
    for folder in folders {
        let rules = FolderRules::new(folder.clone(), app.service.settings.form.bom);
        let looked = look(ledger, &rules).await;
        let goes_on = looked.fine;
        let mut findings = vec![looked];
        if goes_on && rules.layout.inbox().is_dir() {
            findings.extend(probe(ledger, &rules));
        }
        for finding in findings {
            is_fine &= finding.fine;
            if json {
                let line = json!({ "folder": rules.name, "fine": finding.fine, "says": finding.says });
                writeln!(out, "{line}")?;
            } else {
                let word = if finding.fine { "ok  " } else { "FAIL" };
                writeln!(out, "{word} {}", output::printable(&finding.says))?;
            }
        }
    }
    out.flush()?;
    Ok(if is_fine {
        CommandEnd::Fine
    } else {
        CommandEnd::Unfinished
    })
}
