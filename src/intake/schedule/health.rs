//! Whether schedules do what is expected of them, for `doctor`.

use super::asked::{Schedules, late, upcoming};
use super::known::KnownSchedule;
use super::sync;
use crate::app::App;
use crate::config::Config;
use crate::db::{Db, SCHEMA_VERSION};
use crate::ledger::fires::{FireState, LastFires};
use crate::ledger::schedules::Schedule;
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
    let all = Schedules { service }.all().await?;
    let last = service.ledger.last_fires().await?;
    let now = service.ledger.clock().now_millis();
    let mut found = Vec::new();
    if let Some(says) = sync::differs(service, &app.config).await? {
        found.push(finding(true, says));
    }
    if all.is_empty() {
        return Ok(found);
    }
    let bad: Vec<Finding> = all
        .iter()
        .filter_map(|(schedule, known)| judged(schedule, known, &last, now))
        .collect();
    let known = all.iter().filter_map(|(_, known)| known.as_ref().ok());
    for (known, warning) in known
        .clone()
        .flat_map(|known| known.config.warnings().into_iter().map(move |told| (known, told)))
    {
        found.push(finding(true, format!("{}: {warning}", known.schedule.name)));
    }
    let next = known
        .filter_map(|known| {
            upcoming(known, now, 1)
                .pop()
                .map(|time| (time.at, known.schedule.name.as_str()))
        })
        .min();
    let next = next.map_or_else(
        || "none is due any more".to_owned(),
        |(at, name)| format!("next {name} at {}", rfc3339(at)),
    );
    found.push(finding(
        bad.is_empty(),
        format!("{} in all, {} not well; {next}; {}", all.len(), bad.len(), zones()),
    ));
    found.extend(bad);
    Ok(found)
}

/// What is wrong with a schedule, if something is.
fn judged(
    schedule: &Schedule,
    known: &Result<KnownSchedule, Vec<String>>,
    last: &LastFires,
    now: i64,
) -> Option<Finding> {
    let name = &schedule.name;
    let known = match known {
        Ok(known) => known,
        Err(faults) => {
            return Some(finding(
                false,
                format!("{name} cannot be read here: {}", faults.join("; ")),
            ));
        }
    };
    if let Some(told) = late(known, now) {
        return Some(finding(
            false,
            format!("{name}: {told}; `tenantry schedules show {name}` says what came of it"),
        ));
    }
    if let Some(pause) = schedule.pause_at(now).filter(|pause| pause.by == "tenantry") {
        let why = &pause.because;
        return Some(finding(
            false,
            format!("{name} is paused, because {why}; `tenantry schedules resume {name}` goes on"),
        ));
    }
    let failed = last.get(name).filter(|fire| fire.state == FireState::Failed)?;
    let why = failed.reason.map_or("", |reason| reason.as_str());
    let detail = failed
        .detail
        .as_deref()
        .and_then(|detail| detail.lines().next())
        .unwrap_or_default();
    Some(finding(
        false,
        format!("{name}: {} failed ({why}): {detail}", failed.nominal),
    ))
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
