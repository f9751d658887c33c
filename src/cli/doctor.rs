//! `tenantry doctor`: is everything there that the configuration speaks of, and if not, what to do.

use std::io::Write;

use serde_json::json;

use super::End;
use super::output;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION};
use crate::queue::Queue;
use crate::store::partner_center::{PartnerCenter, Speaker, Standing};
use crate::store::{Sources, Stores};

struct Finding {
    what: &'static str,
    fine: bool,
    says: String,
}

pub(super) async fn doctor(config: &Config, json: bool) -> anyhow::Result<End> {
    let mut findings = vec![
        configuration(config),
        ledger(config).await,
        queue(config).await,
        results(config),
        passwords(config),
    ];
    match crate::app::stores(config) {
        Ok(Stores {
            partner_center,
            sources,
        }) => {
            if let Some(store) = partner_center {
                findings.extend(speakers(&store).await);
            }
            for name in sources.names() {
                findings.push(source(&sources, name).await);
            }
            sources.close().await;
        }
        Err(error) => findings.push(Finding {
            what: "partner center",
            fine: false,
            says: error.to_string(),
        }),
    }
    let mut out = output::out();
    for finding in &findings {
        if json {
            let line = json!({ "check": finding.what, "fine": finding.fine, "says": finding.says });
            writeln!(out, "{line}")?;
        } else {
            let mark = if finding.fine { "ok  " } else { "FAIL" };
            writeln!(out, "{mark} {:<14} {}", finding.what, finding.says)?;
        }
    }
    out.flush()?;
    Ok(if findings.iter().all(|finding| finding.fine) {
        End::Fine
    } else {
        End::Unfinished
    })
}

/// A configuration with a fault does not get this far.
fn configuration(config: &Config) -> Finding {
    Finding {
        what: "configuration",
        fine: true,
        says: format!("ledger {}, queue {}", config.ledger.url, config.queue.url),
    }
}

async fn ledger(config: &Config) -> Finding {
    let (fine, says) = match Db::inspect(config.ledger.url.reveal()).await {
        Ok(0) => (true, "empty; the first command that writes sets it up".to_owned()),
        Ok(version) if version < SCHEMA_VERSION => (
            true,
            format!("schema version {version}; the first command that writes brings it to {SCHEMA_VERSION}"),
        ),
        Ok(version) if version == SCHEMA_VERSION => (true, format!("schema version {version}, up to date")),
        Ok(version) => (
            false,
            format!("schema version {version} is newer than this program's {SCHEMA_VERSION}; use a newer tenantry"),
        ),
        Err(error) => (
            false,
            format!("{error}; check `ledger.url`, that the server runs, and that the path is writable"),
        ),
    };
    Finding {
        what: "ledger",
        fine,
        says,
    }
}

/// Whether Partner Center lets the application in, and application and user.
async fn speakers(store: &PartnerCenter) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (speaker, named) in [
        (Speaker::App, "the application"),
        (Speaker::AppAndUser, "application and user"),
    ] {
        let (fine, says) = match store.check(speaker).await {
            Ok(()) => (true, format!("lets {named} in")),
            Err(error) => (
                false,
                format!("{named}, at {}: {error}; check `partner_center`", store.address()),
            ),
        };
        findings.push(Finding {
            what: "partner center",
            fine,
            says,
        });
    }
    // After the check, which may have had it replaced.
    if let Some(standing) = store.refresh_token().await {
        let (fine, says) = match standing {
            Standing::Good(says) => (true, says),
            Standing::Ending(says) => (false, says),
        };
        findings.push(Finding {
            what: "partner center",
            fine,
            says,
        });
    }
    findings
}

async fn source(sources: &Sources, name: &str) -> Finding {
    let (fine, says) = match sources.check(name).await {
        Ok(()) => (true, format!("`{name}` can be copied from")),
        Err(error) if name == PartnerCenter::NAME => (false, format!("{error}; check `partner_center`")),
        Err(error) => (false, format!("{error}; check `stores.{name}.url`")),
    };
    Finding {
        what: "store",
        fine,
        says,
    }
}

async fn queue(config: &Config) -> Finding {
    let (fine, says) = match Queue::connect(&config.queue) {
        Err(error) => (
            false,
            format!("{error}; set `queue.url` to `embedded` or `redis://HOST:PORT`"),
        ),
        Ok(queue) => match queue.ping().await {
            Ok(info) => (true, info.clone()),
            Err(error) => (
                false,
                format!("{error}; check `queue.url` and that Redis runs, or set it to `embedded`"),
            ),
        },
    };
    Finding {
        what: "queue",
        fine,
        says,
    }
}

fn results(config: &Config) -> Finding {
    let dir = &config.results.dir;
    // The nearest directory that exists decides whether ours can be made.
    let existing = dir
        .ancestors()
        .find(|part| part.is_dir() || part.as_os_str().is_empty());
    let place = existing
        .filter(|part| !part.as_os_str().is_empty())
        .unwrap_or(std::path::Path::new("."));
    let (fine, says) = match tempfile::tempfile_in(place) {
        Ok(_) => (true, format!("{} can be written", dir.display())),
        Err(error) => (
            false,
            format!("{} cannot be written: {error}; set `results.dir`", dir.display()),
        ),
    };
    Finding {
        what: "results",
        fine,
        says,
    }
}

fn passwords(config: &Config) -> Finding {
    let (fine, says) = match config.passwords.sealer() {
        Err(error) => (false, error.to_string()),
        Ok(None) => (
            true,
            "no recipient configured: new users' passwords can only be written with --plaintext-passwords".to_owned(),
        ),
        Ok(Some(sealer)) => match sealer.recipients().len() {
            1 => (true, "1 recipient".to_owned()),
            many => (true, format!("{many} recipients")),
        },
    };
    Finding {
        what: "passwords",
        fine,
        says,
    }
}
