//! The schedules of the configuration, brought into the ledger when a worker starts.

use serde_json::json;

use crate::config::{Config, ScheduleConfig};
use crate::db::DbError;
use crate::input::StreamHasher;
use crate::ledger::schedules::{ScheduleDefiner, ScheduleDefinition, ScheduleSync, ScheduleSynced};
use crate::service::Service;

/// What the configuration says of schedules, as the ledger takes it.
pub(crate) fn of_configuration(config: &Config) -> ScheduleSync {
    let definitions: Vec<ScheduleDefinition> = config
        .schedules
        .named
        .iter()
        .map(|(name, config)| definition(name, config))
        .collect();
    ScheduleSync {
        definer: ScheduleDefiner {
            host: crate::machine::host_name(),
            pid: std::process::id(),
            digest: digest(&definitions),
            at: 0,
        },
        generation: i64::from(config.schedules.generation),
        definitions,
    }
}

/// A section, or what a command says in place of one, as the ledger keeps it.
pub(crate) fn definition(name: &str, config: &ScheduleConfig) -> ScheduleDefinition {
    ScheduleDefinition {
        name: name.to_owned(),
        definition: serde_json::to_string(config).unwrap_or_default(),
        timing: timing(config),
    }
}

/// The part of a definition that says when.
fn timing(config: &ScheduleConfig) -> String {
    let every = config.every.map(|every| every.as_millis() as u64);
    json!({
        "cron": config.cron, "every": every, "at": config.at, "time_zone": config.time_zone, "from": config.from,
        "until": config.until,
    })
    .to_string()
}

/// A hash of all definitions.
fn digest(definitions: &[ScheduleDefinition]) -> String {
    let mut meter = StreamHasher::default();
    for one in definitions {
        meter.pass(format!("{}\n{}\n", one.name, one.definition).as_bytes());
    }
    meter.sha256().to_string()
}

/// Brings the ledger in line with the configuration, and tells what that came to.
pub(crate) async fn bring(service: &Service, mut sync: ScheduleSync) -> Result<ScheduleSynced, DbError> {
    sync.definer.at = service.ledger.clock().now_millis();
    let mine = sync.definer.digest.clone();
    let synced = service
        .patiently(|| service.ledger.sync_schedules(sync.clone()))
        .await?;
    if let Some(seen) = synced.outdated {
        tracing::warn!(
            "the schedules of this configuration are left out: its `schedules.generation` is {}, and one with {seen} has been seen",
            sync.generation
        );
        return Ok(synced);
    }
    for (what, names) in [
        ("new", &synced.added),
        ("changed", &synced.changed),
        ("removed", &synced.removed),
    ] {
        if !names.is_empty() {
            tracing::info!("schedules {what}: {}", names.join(", "));
        }
    }
    for name in &synced.taken {
        tracing::error!(
            "schedule {name} of the configuration is left out, for somebody has defined another one of that name; \
             `tenantry schedules remove {name}` makes room for it"
        );
    }
    if let Some(before) = &synced.before
        && is_alive(service, &before.host, before.pid).await?
    {
        tracing::warn!(
            "process {} on {} is at work and has other schedules in its configuration ({}, this one's are {}); \
             those of this worker, which started later, stand now",
            before.pid,
            before.host,
            before.digest.get(..8).unwrap_or_default(),
            mine.get(..8).unwrap_or_default()
        );
    }
    Ok(synced)
}

async fn is_alive(service: &Service, host: &str, pid: u32) -> Result<bool, DbError> {
    let workers = service.ledger.workers().await?;
    let is_it = |worker: &crate::ledger::Worker| worker.host == host && worker.pid == i64::from(pid) && !worker.is_lost;
    Ok(workers.iter().any(is_it))
}

/// Schedules of a configuration that differ from those in the ledger, for people: which, and whose the ledger's are.
pub(crate) async fn differs(service: &Service, config: &Config) -> Result<Option<String>, DbError> {
    let mine = of_configuration(config);
    let (definer, generation) = service.ledger.schedules_defined_by().await?;
    let Some(definer) = definer.filter(|definer| definer.digest != mine.definer.digest) else {
        return Ok(None);
    };
    Ok(Some(format!(
        "those in force are of the configuration of {} (process {}, {}, generation {generation}), which has other schedules \
         than this one",
        definer.host,
        definer.pid,
        crate::moment::rfc3339(definer.at)
    )))
}
