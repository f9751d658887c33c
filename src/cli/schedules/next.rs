//! `tenantry schedules next`: what is due in the time to come, of all schedules.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::show::told_time;
use crate::app::App;
use crate::cli::text_table::TextTable;
use crate::cli::{CommandEnd, output};
use crate::intake::schedule::{KnownSchedule, Schedules};
use crate::ledger::fires::FireReason;
use crate::moment::rfc3339;
use crate::timing::Due;

/// Times of one schedule that are listed one by one.
const MOST_LISTED: usize = 24;
/// Times of one schedule that are counted.
const MOST_COUNTED: usize = 10_000;
/// Records of a schedule that are searched for times that were passed over in advance.
const RECORDS: u64 = 100;

#[derive(Debug, Args)]
pub(super) struct NextArgs {
    /// How far ahead, such as 24h or 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    within: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).ok_or_else(|| "expected a duration such as `24h` or `7d`".to_owned())
}

/// A time of a schedule.
struct Upcoming<'k> {
    at: i64,
    nominal: String,
    known: &'k KnownSchedule,
    /// What happens to it, where it is not carried out.
    instead: &'static str,
    /// How many more there are, where they are not listed.
    more: usize,
}

pub(super) async fn next(args: &NextArgs, app: &App, json: bool) -> anyhow::Result<CommandEnd> {
    let schedules = Schedules { service: &app.service };
    let now = app.service.ledger.clock().now_millis();
    let until = now.saturating_add(i64::try_from(args.within.as_millis()).unwrap_or(i64::MAX));
    let all = schedules.all().await?;
    let mut times = Vec::new();
    for known in all.iter().filter_map(|(_, known)| known.as_ref().ok()) {
        let records = schedules.history(&known.schedule.name, RECORDS).await?;
        let ahead = records
            .iter()
            .filter(|fire| fire.due > now && fire.reason == Some(FireReason::ByHand));
        let passed_over: BTreeSet<&str> = ahead.map(|fire| fire.nominal.as_str()).collect();
        let ahead = known.timing.after(Timestamp::from_millisecond(now)?);
        let found: Vec<Due> = ahead
            .take_while(|due| due.at.as_millisecond() <= until)
            .take(MOST_COUNTED)
            .collect();
        let most = if json { found.len() } else { MOST_LISTED };
        let more = found.len().saturating_sub(most);
        for (at, due) in found.into_iter().take(most).enumerate() {
            let millis = due.at.as_millisecond();
            let instead = if passed_over.contains(due.nominal.as_str()) {
                "passed over"
            } else if known.schedule.pause_at(millis).is_some() {
                "paused"
            } else {
                ""
            };
            times.push(Upcoming {
                at: millis,
                nominal: due.nominal,
                known,
                instead,
                more: if at + 1 == most { more } else { 0 },
            });
        }
    }
    times.sort_by(|a, b| (a.at, &a.known.schedule.name).cmp(&(b.at, &b.known.schedule.name)));
    let mut out = output::out();
    if json {
        for time in &times {
            let told = json!({
                "schedule": time.known.schedule.name, "kind": time.known.config.kind, "nominal": time.nominal,
                "due": rfc3339(time.at), "instead": Some(time.instead).filter(|instead| !instead.is_empty()),
            });
            writeln!(out, "{told}")?;
        }
    } else {
        let mut table = TextTable::untitled(&mut out);
        for time in &times {
            let [local, utc, off] = told_time(time.known, time.at, now);
            let more = if time.more == 0 {
                String::new()
            } else {
                format!("and {} more", time.more)
            };
            let told = [time.instead, &more]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>();
            let (name, kind) = (&time.known.schedule.name, &time.known.config.kind);
            table.row(vec![local, utc, off, name.clone(), kind.clone(), told.join(", ")])?;
        }
        table.end()?;
    }
    out.flush()?;
    if times.is_empty() && !json {
        output::say(&format!("nothing is due before {}", rfc3339(until)));
    }
    Ok(CommandEnd::Fine)
}
