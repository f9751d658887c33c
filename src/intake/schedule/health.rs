//! Health of schedules, for `doctor`.

use super::asked::upcoming;
use super::standing::{ScheduleStatus, standing};
use super::sync;
use crate::app::App;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION};
use crate::moment::rfc3339;
use crate::service::health::Finding;
use crate::timing::zone_data;

/// Looks at the schedules of the ledger, if there is one. Nothing is found where there are none.
pub(crate) async fn findings(config: &Config) -> Vec<Finding> {
    if !matches!(Db::inspect(config.ledger.url.reveal()).await, Ok(SCHEMA_VERSION)) {
        return Vec::new();
    }
    // What the ledger says of itself is told elsewhere.
    let Ok(app) = App::open(config.clone()).await else {
        return Vec::new();
    };
    let found = examined(&app).await;
    app.service.close().await;
    found.unwrap_or_else(|error| vec![finding(false, format!("they cannot be asked for: {error:#}"))])
}

fn finding(fine: bool, says: String) -> Finding {
    Finding {
        what: "schedules",
        fine,
        says,
    }
}

async fn examined(app: &App) -> anyhow::Result<Vec<Finding>> {
    let service = &app.service;
    let all = standing(&service.ledger).await?;
    let now = service.ledger.clock().now_millis();
    let mut found = Vec::new();
    if let Some(says) = sync::differs(service, &app.config).await? {
        found.push(finding(true, says));
    }
    if all.is_empty() {
        return Ok(found);
    }
    let known = || all.iter().filter_map(|one| one.known.as_ref());
    for known in known() {
        let warnings = known.config.warnings().into_iter();
        found.extend(warnings.map(|warning| finding(true, format!("{}: {warning}", known.schedule.name))));
    }
    let next = known().filter_map(|known| {
        let time = upcoming(known, now, 1).pop()?;
        Some((time.at, known.schedule.name.as_str()))
    });
    let next = next.min().map_or_else(
        || "none is due any more".to_owned(),
        |(at, name)| format!("next {name} at {}", rfc3339(at)),
    );
    let bad = all.iter().filter(|one| !one.status.is_fine()).count();
    found.push(finding(
        bad == 0,
        format!("{} in all, {bad} not well; {next}; {}", all.len(), zones()),
    ));
    let told = all.into_iter().filter(|one| one.status != ScheduleStatus::Well);
    found.extend(told.map(|one| finding(one.status.is_fine(), one.says)));
    Ok(found)
}

/// Where time zones are from.
fn zones() -> String {
    let data = zone_data();
    let version = |version: Option<&str>| version.map_or_else(String::new, |version| format!(" {version}"));
    match data.directory {
        Some(directory) => format!(
            "time zones{} of {}",
            version(data.version.as_deref()),
            directory.display()
        ),
        None => format!(
            "time zones{} built in, since this system has none",
            version(data.built_in)
        ),
    }
}
