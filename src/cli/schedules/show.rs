//! Schedules, their next times and their history.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::jobs::short_ids;
use crate::cli::plan::{PlannedRows, of_rows};
use crate::cli::text_table::TextTable;
use crate::cli::{CommandEnd, output};
use crate::intake::schedule::{KnownSchedule, Schedules, due_at, time_of, upcoming};
use crate::ledger::fires::{Fire, FireCause, FireReason, FireState};
use crate::ledger::schedules::Schedule;
use crate::moment::rfc3339;

const YEAR: i64 = 366 * 24 * 3_600_000;

#[derive(Debug, Args)]
pub(super) struct ScheduleShowArgs {
    /// The schedule
    name: String,
    /// Due times to come
    #[arg(long, value_name = "N", default_value_t = 5)]
    next: u16,
    /// Fires of the past, the newest first
    #[arg(long, value_name = "N", default_value_t = 10)]
    history: u16,
}

#[derive(Debug, Args)]
pub(super) struct SchedulePlanArgs {
    /// The schedule
    name: String,
    /// The due time, such as 2026-12-24T18:00 in the schedule's zone [default: the next one]
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// Show every row and every fault, not just the first; --json always does
    #[arg(long)]
    all: bool,
}

/// A due time to come, for people: in the schedule's zone, in UTC, and how far off.
pub(super) fn told_time(known: &KnownSchedule, at: i64, now: i64) -> [String; 3] {
    let zone = known.timing.zone();
    let local = jiff::Timestamp::from_millisecond(at).map(|at| at.to_zoned(zone.rules().clone()));
    let local = local.map_or_else(
        |_| String::new(),
        |local| local.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
    );
    [local, rfc3339(at), in_words_from(at - now)]
}

/// `in 3 h`, `2 d ago`.
pub(super) fn in_words_from(millis: i64) -> String {
    let seconds = millis.abs() / 1000;
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    if millis >= 0 {
        format!("in {count} {unit}")
    } else {
        format!("{count} {unit} ago")
    }
}

/// When a schedule is due, in words.
pub(super) fn in_words(known: &KnownSchedule) -> String {
    crate::timing::in_words(&known.timing)
}

/// When a schedule is due next, in words.
pub(super) fn next_in_words(known: &KnownSchedule, now: i64) -> String {
    match upcoming(known, now, 1).first() {
        Some(time) => told_time(known, time.at, now).join(", "),
        None => "never".to_owned(),
    }
}

/// What a schedule does for now.
fn state(schedule: &Schedule, now: i64) -> String {
    match schedule.pause_at(now) {
        None => "active".to_owned(),
        Some(pause) => {
            let until = pause
                .until
                .map_or_else(String::new, |until| format!(" until {}", rfc3339(until)));
            let because = match pause.because.as_str() {
                "" => String::new(),
                because => format!(": {because}"),
            };
            format!("paused{until} by {}{because}", pause.by)
        }
    }
}

/// The outcome of a fire, in a few words.
fn came_of(fire: &Fire) -> String {
    match (fire.job_state, fire.reason) {
        (Some(state), _) => state.as_str().to_owned(),
        (None, Some(reason)) => format!("{} ({})", fire.state.as_str(), reason.as_str()),
        (None, None) => fire.state.as_str().to_owned(),
    }
}

/// A schedule as programs read it.
pub(super) fn document(known: &KnownSchedule, last: Option<&Fire>, history: &[Fire], now: i64) -> Value {
    let schedule = &known.schedule;
    let next: Vec<Value> = upcoming(known, now, 5)
        .iter()
        .map(|time| json!({ "nominal": time.nominal, "due": rfc3339(time.at) }))
        .collect();
    let pause = schedule.pause_at(now).map(|pause| {
        json!({ "at": rfc3339(pause.at), "by": pause.by, "because": pause.because, "until": pause.until.map(rfc3339) })
    });
    let mut told = json!({
        "schedule": schedule.name, "source": schedule.source, "kind": known.config.kind, "words": in_words(known),
        "time_zone": known.timing.zone().name(), "revision": schedule.revision, "defined_by": schedule.defined_by,
        "defined_at": rfc3339(schedule.defined_at), "pause": pause, "failures": schedule.failures,
        "succeeded_at": schedule.succeeded_at.map(rfc3339), "definition": known.config, "next": next,
        "last": last.map(fire_document),
    });
    if !history.is_empty() {
        told["history"] = history.iter().map(fire_document).collect();
    }
    told
}

fn fire_document(fire: &Fire) -> Value {
    json!({
        "fire": fire.seq, "nominal": fire.nominal, "due": rfc3339(fire.due), "attempt": fire.attempt, "part": fire.part,
        "cause": fire.cause, "state": fire.state, "reason": fire.reason, "detail": fire.detail, "times": fire.times,
        "last_due": fire.last_due.map(rfc3339), "asked_by": fire.asked_by, "file": fire.file, "out": fire.out_path,
        "sha256": fire.sha256, "job": fire.job, "job_state": fire.job_state, "outcome": fire.outcome,
        "ended_at": fire.ended_at.map(rfc3339),
    })
}

pub(super) async fn list(app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let (all, last) = (
        schedules.all().await?,
        app.service.patiently(|| app.service.ledger.last_fires()).await?,
    );
    let now = app.service.ledger.clock().now_millis();
    let mut out = output::out();
    if json {
        for (schedule, known) in &all {
            let told = match known {
                Ok(known) => document(known, last.get(&schedule.name), &[], now),
                Err(faults) => json!({ "schedule": schedule.name, "faults": faults }),
            };
            writeln!(out, "{told}")?;
        }
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let is_empty = all.is_empty();
    let mut table = TextTable::new(out, ["schedule", "kind", "when", "next", "last", "state"]);
    for (schedule, known) in all {
        let Ok(known) = known.as_ref() else {
            let faults = known.err().unwrap_or_default().join("; ");
            let nothing = String::new;
            table.row(vec![
                schedule.name,
                nothing(),
                nothing(),
                nothing(),
                nothing(),
                format!("cannot be read here: {faults}"),
            ])?;
            continue;
        };
        let last = last.get(&schedule.name);
        let last = last.map_or_else(
            || "-".to_owned(),
            |fire| format!("{}, {}", came_of(fire), in_words_from(fire.due - now)),
        );
        let next = upcoming(known, now, 1);
        let next = next.first().map_or_else(
            || "never".to_owned(),
            |time| told_time(known, time.at, now)[..].join(", "),
        );
        table.row(vec![
            schedule.name.clone(),
            known.config.kind.clone(),
            format!("{} ({})", in_words(known), known.timing.zone().name()),
            next,
            last,
            output::printable(&state(&schedule, now)),
        ])?;
    }
    table.end()?;
    if is_empty {
        let named = app.config.schedules.named.len();
        // They come into the ledger with a worker.
        let told = if named > 0 {
            format!(
                "there are no schedules yet: those of the configuration ({named}) are in force once a `tenantry worker` has started with it"
            )
        } else {
            "there are no schedules; `tenantry schedules add` or a section [schedules.NAME] of a worker's configuration makes one"
                .to_owned()
        };
        output::say(&format!("{told} ({})", app.config.read_from()));
    }
    Ok(CommandEnd::Fine)
}

pub(super) async fn show(args: &ScheduleShowArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let history = schedules.history(&args.name, args.history.into()).await?;
    let now = app.service.ledger.clock().now_millis();
    let next = upcoming(&known, now, args.next.into());
    let mut out = output::out();
    if json {
        let mut told = document(
            &known,
            history.iter().find(|fire| fire.state != FireState::Skipped),
            &history,
            now,
        );
        told["next"] = next
            .iter()
            .map(|time| json!({ "nominal": time.nominal, "due": rfc3339(time.at) }))
            .collect();
        writeln!(out, "{told}")?;
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let schedule = &known.schedule;
    writeln!(out, "schedule  {}", schedule.name)?;
    writeln!(out, "kind      {}", known.config.kind)?;
    writeln!(out, "when      {} ({})", in_words(&known), known.timing.zone().name())?;
    writeln!(out, "state     {}", output::printable(&state(schedule, now)))?;
    let by = output::printable(&schedule.defined_by);
    writeln!(
        out,
        "defined   by {by} at {}, revision {}",
        rfc3339(schedule.defined_at),
        schedule.revision
    )?;
    if let Some(at) = schedule.succeeded_at {
        writeln!(out, "success   {} ({})", rfc3339(at), in_words_from(at - now))?;
    }
    for warning in known.config.warnings() {
        writeln!(out, "note      {}", output::printable(&warning))?;
    }
    for change in clock_changes(&known, now) {
        writeln!(out, "clocks    {change}")?;
    }
    if let Some(told) = late(&known, now) {
        writeln!(out, "late      {told}")?;
    }
    writeln!(out, "\nnext")?;
    let mut table = TextTable::untitled(&mut out);
    for time in &next {
        let [local, utc, off] = told_time(&known, time.at, now);
        table.row(vec![format!("  {local}"), utc, off])?;
    }
    table.end()?;
    if next.is_empty() {
        writeln!(out, "  never")?;
    }
    writeln!(out, "\nhistory")?;
    let short = short_ids(app, history.iter().filter_map(|fire| fire.job)).await?;
    let mut table = TextTable::untitled(&mut out);
    for fire in &history {
        table.row(vec![
            format!("  {}", times(fire)),
            cause(fire),
            came_of(fire),
            short.of_some(fire.job),
            output::printable(fire.detail.as_deref().unwrap_or_default()),
        ])?;
    }
    table.end()?;
    out.flush()?;
    Ok(CommandEnd::Fine)
}

pub(super) async fn plan(args: &SchedulePlanArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let now = app.service.ledger.clock().now_millis();
    let time = match &args.due {
        Some(due) => due_at(&known, time_of(&known, due)?)?,
        None => match upcoming(&known, now, 1).pop() {
            Some(next) => next,
            None => anyhow::bail!(
                "schedule {} is never due again; --due names a time of the past",
                args.name
            ),
        },
    };
    let sources = match schedules.rows(&known, &time).await {
        Ok(sources) => sources,
        Err(why) => anyhow::bail!("schedule {}, {}: {why}", args.name, time.nominal),
    };
    let mut end = CommandEnd::Fine;
    for source in sources {
        if !json {
            output::say(&format!(
                "{}: {}",
                told_time(&known, time.at, now).join(", "),
                source.name()
            ));
        }
        let work = PlannedRows {
            kind: known.kind,
            parameters: known.config.parameters(),
            ignore_not_kept: known.config.ignore_not_kept(),
            source,
            all: args.all,
        };
        end = end.max(Box::pin(of_rows(app, work, json)).await?);
    }
    Ok(end)
}

/// Which times a record is about.
fn times(fire: &Fire) -> String {
    match &fire.last_nominal {
        Some(last) if fire.times > 1 => format!("{} to {last} ({} times)", fire.nominal, fire.times),
        _ => fire.nominal.clone(),
    }
}

fn cause(fire: &Fire) -> String {
    match (fire.cause, &fire.asked_by) {
        (FireCause::Due, _) if fire.reason == Some(FireReason::ByHand) => "by hand".to_owned(),
        (cause, Some(by)) => format!("{} by {}", cause.as_str(), output::printable(by)),
        (cause, None) => cause.as_str().to_owned(),
    }
}

/// What happens to a schedule where clocks change within a year.
fn clock_changes(known: &KnownSchedule, now: i64) -> Vec<String> {
    let at = |millis| jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    let changes = crate::timing::clock_changes(&known.timing, at(now), at(now + YEAR));
    let told = |change: crate::timing::ClockChange| format!("{}: {}", change.at, change.told);
    changes.into_iter().map(told).collect()
}

/// That a schedule has not succeeded for longer than it should.
fn late(known: &KnownSchedule, now: i64) -> Option<String> {
    crate::intake::schedule::late(known, now)
}
