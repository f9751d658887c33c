//! Health of approvals and the audit record: whether signatures are asked for, and whether anybody would notice that the record was rewritten.

use super::Finding;
use crate::anchor::try_place;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION};
use crate::ledger::Ledger;

/// What is to be said of it, if there is a ledger.
pub(super) async fn trust(config: &Config) -> Vec<Finding> {
    let url = config.ledger.url.reveal();
    if !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    // What keeps it from being opened is said of the ledger.
    let Ok(ledger) = Ledger::open_with(url, config.ledger.options(), Clock::system()).await else {
        return Vec::new();
    };
    let findings = vec![approvers(config, &ledger).await, anchors(config, &ledger).await];
    ledger.close().await;
    findings
}

async fn approvers(config: &Config, ledger: &Ledger) -> Finding {
    let (fine, says) = match ledger.approvers().await {
        Err(error) => (false, format!("they cannot be asked for: {error}; see what the ledger says")),
        Ok(_) if !config.approval.keys.is_empty() => (
            true,
            "approvals have to be signed by one of the keys in `approval.keys`".to_owned(),
        ),
        Ok(all) if all.is_empty() => (
            true,
            "nobody's key is enrolled, so approvals go by names alone, which anybody can give: a reminder, and no control; \
             `tenantry approvers add` makes them one"
                .to_owned(),
        ),
        Ok(all) => {
            let valid: Vec<&str> = all
                .iter()
                .filter(|one| one.revoked_at.is_none())
                .map(|one| one.name.as_str())
                .collect();
            match valid.as_slice() {
                [] => (
                    false,
                    "every key was revoked, so nobody can approve anything; `approval.keys` names keys that count here".to_owned(),
                ),
                names => (true, format!("approvals have to be signed by {}", names.join(", "))),
            }
        }
    };
    Finding {
        what: "approvers",
        fine,
        says,
    }
}

async fn anchors(config: &Config, ledger: &Ledger) -> Finding {
    let place = match config.audit.place() {
        Ok(place) => place,
        Err(error) => return finding(false, error.to_string()),
    };
    let Some(place) = place else {
        return finding(
            true,
            "none: the owner of the ledger's database could rewrite the audit record unnoticed; set `audit.anchor`"
                .to_owned(),
        );
    };
    match try_place(&place, ledger).await {
        Ok(Some(anchor)) => {
            let number = anchor.split(':').next().unwrap_or_default();
            finding(true, format!("record {number} was anchored by {place}"))
        }
        Ok(None) => finding(true, format!("by {place}, once something is recorded")),
        Err(why) => finding(
            false,
            format!("{place} cannot be reached: {why}; check `audit.anchor` or `audit.anchor_command`"),
        ),
    }
}

fn finding(fine: bool, says: String) -> Finding {
    Finding {
        what: "anchors",
        fine,
        says,
    }
}
