//! Derived counts of the ledger's store, checked and fixed.

use std::fmt::Write;

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{ConnectOptions, Db, SCHEMA_VERSION, patiently};
use crate::ledger::Actor;
use crate::store::sql::derived;

/// How many of the counts that are wrong are named.
const SHOWN: usize = 5;

/// Whether the counts of the ledger's store add up, if there is a ledger.
pub(super) async fn counts(config: &Config, repair: Option<&Actor>) -> Vec<Finding> {
    let url = config.ledger.url.reveal();
    if !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    let found = patiently(config.ledger.connect_timeout, async || {
        let db = Db::open_to_read(url, ConnectOptions::with_connections(1)).await?;
        let found = db.read(derived::find).await?;
        let Some(by) = repair.filter(|_| !found.wrong.is_empty()) else {
            return Ok((found, None));
        };
        let fixed = derived::fix(&db, &found, by, Clock::system().now_millis()).await?;
        Ok((db.read(derived::find).await?, Some(fixed)))
    });
    let finding = |what, fine, says| Finding { what, fine, says };
    let (found, fixed) = match found.await {
        Ok(found) => found,
        Err(error) => {
            let says = format!("users and seats cannot be counted: {error}; try again, or see what the ledger says");
            return vec![finding("counts", false, says)];
        }
    };
    let mut findings = Vec::new();
    if let Some(fixed) = fixed {
        findings.push(finding("counts", true, format!("fixed: {fixed}")));
    }
    if !found.wrong.is_empty() {
        let first = first(&found.wrong, |wrong| {
            let (what, domain) = (wrong.part_number.as_deref().unwrap_or("users"), &wrong.domain);
            format!("{domain} {what}: {} recorded, {} there", wrong.recorded, wrong.counted)
        });
        let number = found.wrong.len();
        let counts = if number == 1 { "count" } else { "counts" };
        let says = format!(
            "{number} {counts} of users or assigned seats not right ({first}); `tenantry doctor --repair` fixes them"
        );
        findings.push(finding("counts", false, says));
    } else if fixed.is_none() {
        findings.push(finding("counts", true, "users and assigned seats add up".to_owned()));
    }
    if !found.overdrawn.is_empty() {
        let first = first(&found.overdrawn, |one| {
            format!(
                "{} {}: {} assigned of {}",
                one.domain, one.part_number, one.assigned, one.seats
            )
        });
        let says = format!(
            "more seats are assigned than there are ({first}); add seats with `set-seats`, or take licences away with \
             `assign-licenses`"
        );
        findings.push(finding("seats", false, says));
    }
    findings
}

/// The first few of many.
fn first<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    let mut text = all.iter().take(SHOWN).map(shown).collect::<Vec<_>>().join("; ");
    if all.len() > SHOWN {
        let _ = write!(text, "; and {} more", all.len() - SHOWN);
    }
    text
}
