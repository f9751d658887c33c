//! Changes to schedules by people, each recorded with who made it.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::By;
use crate::app::App;
use crate::cli::text_table::TextTable;
use crate::cli::{CommandEnd, output};
use crate::config::{Config, ScheduleConfig};
use crate::intake::schedule::{self, Schedules, due_at, time_of};
use crate::ledger::fires::FireState;
use crate::moment::rfc3339;

#[derive(Debug, Args)]
pub(super) struct ScheduleRunArgs {
    /// The schedule
    name: String,
    /// As if it were this due time, such as 2026-12-24T18:00 in the schedule's zone [default: now]
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct SkipArgs {
    /// The schedule
    name: String,
    /// The due time, such as 2026-12-24T18:00 in the schedule's zone
    #[arg(long, value_name = "TIME")]
    due: String,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// The schedule
    name: String,
    /// Why; it is shown wherever the schedule is
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
    /// Go on by itself at this time [default: not before `resume`]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The schedule
    name: String,
    /// Make up for the times of the pause as for missed ones: the last, all in order, or none, as the schedule says
    #[arg(long)]
    catch_up: bool,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// The schedule
    name: String,
    /// The first time
    #[arg(long, value_name = "TIME")]
    from: String,
    /// The last time
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Those that were done, too
    #[arg(long)]
    again: bool,
    /// Do it; otherwise the times are only listed
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct DefineArgs {
    /// The schedule: lower-case letters, digits, - and _
    name: String,
    /// What it is, as in a section [schedules.NAME] of the configuration: kind=export-customers cron="0 2 * * *"; `edit` leaves
    /// alone what is not named, and KEY= takes a value away
    #[arg(value_name = "KEY=VALUE", required = true)]
    values: Vec<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The schedule
    name: String,
    #[command(flatten)]
    by: By,
}

/// Says what was done: a sentence, or an object with `done`.
fn say(json: bool, mut told: serde_json::Value, done: &str, sentence: &str) -> anyhow::Result<CommandEnd> {
    let mut out = output::out();
    if json {
        told["done"] = json!(done);
        writeln!(out, "{told}")?;
    } else {
        writeln!(out, "{}", output::printable(sentence))?;
    }
    out.flush()?;
    Ok(CommandEnd::Fine)
}

pub(super) async fn run(args: &ScheduleRunArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let time = schedules.due_or_now(&known, args.due.as_deref())?;
    schedules.run(&known, time.clone(), &args.by.by).await?;
    let told = json!({ "schedule": args.name, "nominal": time.nominal, "due": rfc3339(time.at) });
    let sentence = format!(
        "schedule {} fires for {}, in its turn; a worker does it, and `tenantry schedules show {}` shows its outcome",
        args.name, time.nominal, args.name
    );
    say(json, told, "run", &sentence)
}

pub(super) async fn skip(args: &SkipArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let time = due_at(&known, time_of(&known, &args.due)?)?;
    schedules.skip(&known, time.clone(), &args.by.by).await?;
    let told = json!({ "schedule": args.name, "nominal": time.nominal, "due": rfc3339(time.at) });
    say(
        json,
        told,
        "skip",
        &format!("schedule {} does nothing at {}", args.name, time.nominal),
    )
}

pub(super) async fn pause(args: &PauseArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let until = args.until.as_deref().map(|text| time_of(&known, text)).transpose()?;
    schedules.pause(&known, (&args.because, until), &args.by.by).await?;
    let told = json!({ "schedule": args.name, "until": until.map(rfc3339) });
    let sentence = match until {
        Some(until) => format!("schedule {} does nothing until {}", args.name, rfc3339(until)),
        None => format!(
            "schedule {} does nothing until `tenantry schedules resume {}`",
            args.name, args.name
        ),
    };
    say(json, told, "pause", &sentence)
}

pub(super) async fn resume(args: &ResumeArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let caught_up = schedules.resume(&known, args.catch_up, &args.by.by).await?;
    let told = json!({ "schedule": args.name, "caught_up": caught_up });
    let more = match caught_up {
        0 => String::new(),
        count => format!("; {} of the pause made up for", output::counted(count as u64, "time")),
    };
    say(json, told, "resume", &format!("schedule {} goes on{more}", args.name))
}

pub(super) async fn backfill(args: &BackfillArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    let (from, to) = (time_of(&known, &args.from)?, time_of(&known, &args.to)?);
    let times = schedules.to_backfill(&known, (from, to), args.again).await?;
    let count = if args.yes {
        schedules.backfill(&known, &times, &args.by.by).await?
    } else {
        0
    };
    let left_out = |state: Option<FireState>| match state {
        None => "to do",
        Some(FireState::Ended) => "done before; --again does it again",
        Some(_) => "at work",
    };
    let mut out = output::out();
    if json {
        let list: Vec<_> = times
            .iter()
            .map(|one| {
                json!({ "nominal": one.time.nominal, "due": rfc3339(one.time.at), "left_out": one.left_out.map(FireState::as_str) })
            })
            .collect();
        writeln!(
            out,
            "{}",
            json!({ "schedule": args.name, "times": list, "begun": count })
        )?;
        out.flush()?;
        return Ok(CommandEnd::Fine);
    }
    let mut table = TextTable::new(out, ["time", "due", ""]);
    for one in &times {
        table.row(vec![
            one.time.nominal.clone(),
            rfc3339(one.time.at),
            left_out(one.left_out).to_owned(),
        ])?;
    }
    table.end()?;
    let wanted = times.iter().filter(|one| one.left_out.is_none()).count() as u64;
    if args.yes {
        output::say(&format!("{} fire in their turn", output::counted(wanted, "time")));
    } else {
        output::say(&format!(
            "--yes makes up for {}, one after the other",
            output::counted(wanted, "time")
        ));
    }
    Ok(CommandEnd::Fine)
}

pub(super) async fn define(args: &DefineArgs, is_new: bool, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    if app.config.schedules.named.contains_key(&args.name) {
        bail!("the configuration defines a schedule `{}`; change it there", args.name);
    }
    let mut values = if is_new {
        Vec::new()
    } else {
        values_of(&schedules.find(&args.name).await?.config)
    };
    for value in &args.values {
        let (key, value) = value
            .split_once('=')
            .ok_or_else(|| anyhow::anyhow!("`{value}`: expected KEY=VALUE"))?;
        values.retain(|(known, _)| known != key.trim());
        values.push((key.trim().to_owned(), value.to_owned()));
    }
    values.retain(|(_, value)| !value.is_empty());
    let config = Config::schedule(&args.name, &values, "the command line")?;
    schedules
        .define(schedule::definition(&args.name, &config), is_new, &args.by.by)
        .await?;
    let known = schedules.find(&args.name).await?;
    if let Some(why) = schedules.unreached(&known) {
        output::warn(&format!(
            "workers with this configuration do not serve the schedule: {why}"
        ));
    }
    let told = super::show::document(&known, None, &[], app.service.ledger.clock().now_millis());
    let done = if is_new { "add" } else { "edit" };
    let next = super::show::next_in_words(&known, app.service.ledger.clock().now_millis());
    say(
        json,
        told,
        done,
        &format!("schedule {}: {}; next {next}", args.name, super::show::in_words(&known)),
    )
}

/// The keys and values of a schedule, as they could be typed.
fn values_of(config: &ScheduleConfig) -> Vec<(String, String)> {
    let mut values = Vec::new();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Ok(serde_json::Value::Object(keys)) = serde_json::to_value(config) {
        for (key, value) in keys {
            match value {
                serde_json::Value::Object(inner) => {
                    values.extend(inner.iter().map(|(name, value)| (format!("{key}.{name}"), text(value))));
                }
                serde_json::Value::Null => {}
                value => values.push((key, text(&value))),
            }
        }
    }
    values
}

pub(super) async fn remove(args: &RemoveArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let known = schedules.find(&args.name).await?;
    schedules.remove(&known, &args.by.by).await?;
    say(
        json,
        json!({ "schedule": args.name }),
        "remove",
        &format!("schedule {} is removed", args.name),
    )
}
