//! `tenantry schedules explain`: what a cron expression means and when that is. Needs no ledger.

use std::io::Write;

use anyhow::bail;
use clap::Args;
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::show::in_words_from;
use crate::cli::text_table::TextTable;
use crate::cli::{CommandEnd, output};
use crate::clock::Clock;
use crate::timing::{Due, Timing, TimingText, ZoneData, clock_changes, in_words, warnings, zone_data};

#[derive(Debug, Args)]
pub(super) struct ScheduleExplainArgs {
    /// The expression, in quotes: minute, hour, day of the month, month, day of the week, such as "0 2 * * 1-5", or @daily
    expression: String,
    /// The time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Times to list
    #[arg(long, value_name = "N", default_value_t = 5)]
    next: u16,
}

pub(super) fn explain(args: &ScheduleExplainArgs, json: bool) -> anyhow::Result<CommandEnd> {
    let text = TimingText {
        cron: &args.expression,
        time_zone: &args.time_zone,
        ..TimingText::default()
    };
    let timing = match Timing::read(text) {
        Ok(timing) => timing,
        Err(faults) => {
            let value = |key| {
                if key == "time_zone" {
                    &args.time_zone
                } else {
                    &args.expression
                }
            };
            let told = faults.iter().map(|(key, fault)| format!("`{}`: {fault}", value(*key)));
            bail!("{}", told.collect::<Vec<_>>().join("\n"));
        }
    };
    let now = Timestamp::from_millisecond(Clock::system().now_millis())?;
    let next: Vec<Due> = timing.after(now).take(args.next.into()).collect();
    if json {
        print_json(&timing, &next, now)
    } else {
        print(&timing, &next, now)
    }
}

fn print(timing: &Timing, next: &[Due], now: Timestamp) -> anyhow::Result<CommandEnd> {
    let mut out = output::out();
    let zone = timing.zone();
    writeln!(out, "{} ({})\n", in_words(timing), zone.name())?;
    let mut table = TextTable::untitled(&mut out);
    for due in next {
        let local = due
            .at
            .to_zoned(zone.rules().clone())
            .strftime("%a %Y-%m-%d %H:%M %Z")
            .to_string();
        let utc = due.at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let off = in_words_from(due.at.duration_since(now).as_millis() as i64);
        table.row(vec![local, utc, off])?;
    }
    table.end()?;
    if next.is_empty() {
        writeln!(out, "no more times")?;
    }
    let changes = clock_changes(timing, now, a_year_after(now));
    if !changes.is_empty() {
        writeln!(out, "\nWhere clocks change:")?;
        for change in changes {
            writeln!(out, "  {}  {}", change.from.date(), change.told)?;
        }
    }
    for warning in warnings(timing) {
        writeln!(out, "\nNote: {warning}")?;
    }
    writeln!(out, "\n{}", told(&zone_data(), zone.is_built_in()))?;
    out.flush()?;
    Ok(CommandEnd::Fine)
}

fn print_json(timing: &Timing, next: &[Due], now: Timestamp) -> anyhow::Result<CommandEnd> {
    let zone = timing.zone();
    let data = zone_data();
    let of_due = |due: &Due| json!({ "nominal": due.nominal, "due": due.at, "local": due.at.to_zoned(zone.rules().clone()).datetime() });
    let changes = clock_changes(timing, now, a_year_after(now));
    let of_change = |change: &crate::timing::ClockChange| json!({ "at": change.at, "from": change.from, "to": change.to, "told": change.told });
    let version = if zone.is_built_in() {
        data.built_in.map(str::to_owned)
    } else {
        data.version
    };
    let mut out = output::out();
    writeln!(
        out,
        "{}",
        json!({
            "words": in_words(timing), "time_zone": zone.name(), "next": next.iter().map(of_due).collect::<Vec<_>>(),
            "clock_changes": changes.iter().map(of_change).collect::<Vec<_>>(), "warnings": warnings(timing),
            "zone_data": { "built_in": zone.is_built_in(), "version": version },
        })
    )?;
    out.flush()?;
    Ok(CommandEnd::Fine)
}

fn a_year_after(now: Timestamp) -> Timestamp {
    now.saturating_add((366 * 24).hours()).unwrap_or(Timestamp::MAX)
}

/// Where the data of a zone is from, in words.
fn told(data: &ZoneData, is_built_in: bool) -> String {
    let version = |version: Option<&str>| version.map_or_else(String::new, |version| format!(" {version}"));
    match &data.directory {
        Some(directory) if !is_built_in => {
            format!(
                "Zone data{} of this system, {}",
                version(data.version.as_deref()),
                directory.display()
            )
        }
        _ => format!(
            "Zone data{} of this program; the system has none of this zone",
            version(data.built_in)
        ),
    }
}
