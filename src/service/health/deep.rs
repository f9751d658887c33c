//! The deep check of a ledger's and its store's invariants: records looked at one by one, which takes as
//! long as there are records.

use super::Finding;
use crate::config::Config;
use crate::db::{ConnectOptions, Db, DbError, SCHEMA_VERSION, patiently};
use crate::ledger::invariants::{self, Violation};
use crate::store::sql;

/// How many of the records that are wrong are listed.
const SHOWN: usize = 3;

/// What is wrong, an invariant each, if there is a ledger.
pub(super) async fn deep(config: &Config) -> Vec<Finding> {
    let url = config.ledger.url.reveal();
    if !matches!(Db::inspect(url).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    let looked = patiently(config.ledger.connect_timeout, async || {
        let db = Db::open_to_read(url, ConnectOptions::with_connections(1)).await?;
        db.read(|tx| {
            let all = invariants::always().into_iter().chain(sql::invariants::always());
            all.map(|invariant| invariant.violations(tx))
                .collect::<Result<Vec<_>, DbError>>()
        })
        .await
    });
    let finding = |fine, says| Finding {
        what: "records",
        fine,
        says,
    };
    match looked.await {
        Err(error) => vec![finding(
            false,
            format!("the records cannot be looked at: {error}; try again, or see what the ledger says"),
        )],
        Ok(looked) if looked.iter().all(Vec::is_empty) => vec![finding(
            true,
            format!(
                "{} things that are always true of ledger and store are true of these",
                looked.len()
            ),
        )],
        Ok(looked) => {
            let wrong = looked.iter().filter_map(|violations| said(violations));
            wrong.map(|says| finding(false, says)).collect()
        }
    }
}

fn said(violations: &[Violation]) -> Option<String> {
    let first = violations.first()?;
    let rows: Vec<&str> = violations.iter().take(SHOWN).map(|one| one.row.as_str()).collect();
    let more = match violations.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!(
        "{} ({}: {}{more}); keep a copy with `tenantry backup` before anything else is done to it",
        first.wrong,
        first.name,
        rows.join("; ")
    ))
}
