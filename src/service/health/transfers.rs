//! Open requests to other partners that no row waits for, found and closed.

use super::Finding;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{ConnectOptions, Db, SCHEMA_VERSION, patiently};
use crate::ledger::Actor;
use crate::store::sql::cancelling;

/// How many are named.
const SHOWN: usize = 5;

/// Requests of the ledger's store that no row waits for; `None` where there are none. They are withdrawn for `repair`.
pub(super) async fn transfers(config: &Config, repair: Option<&Actor>) -> Option<Finding> {
    let url = config.ledger.url.reveal();
    if !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return None;
    }
    let finding = |fine, says| {
        let what = "transfers";
        Some(Finding { what, fine, says })
    };
    let now = Clock::system().now_millis();
    let found = patiently(config.ledger.connect_timeout, async || {
        let db = Db::open_to_read(url, ConnectOptions::with_connections(1)).await?;
        let found = db.read(move |tx| cancelling::find(tx, now)).await?;
        let Some(by) = repair.filter(|_| !found.is_empty()) else {
            return Ok((found, None));
        };
        let closed = cancelling::close(&db, &found, by, now).await?;
        Ok((found, Some(closed)))
    });
    match found.await {
        Err(error) => finding(
            false,
            format!("requests to other partners cannot be read: {error}; try again, or see what the ledger says"),
        ),
        Ok((found, _)) if found.is_empty() => None,
        Ok((_, Some(closed))) => finding(true, format!("withdrawn: {closed}")),
        Ok((found, None)) => {
            let of = |one: &cancelling::Abandoned| format!("subscription {} of job {}", one.subscription_id, one.job);
            let first: Vec<String> = found.iter().take(SHOWN).map(of).collect();
            let more = match found.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            finding(
                false,
                format!(
                    "transfer requests are pending that no row waits for any more ({}{more}); `tenantry doctor --repair` \
                     withdraws them, and so do rows of `switch-subscription` with the action `cancel`",
                    first.join("; ")
                ),
            )
        }
    }
}
