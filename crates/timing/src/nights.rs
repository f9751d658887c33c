//! Times of a timing in the nights in which its zone's clocks change.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::cron::Cron;
use crate::timing::{Timing, TimingSort};

/// A change of a zone's clocks that concerns a timing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockChange {
    /// When clocks change.
    pub at: Timestamp,
    /// The first civil time that is missing or comes twice.
    pub from: DateTime,
    /// The first civil time after those.
    pub to: DateTime,
    /// What happens to the timing then, as a sentence without a full stop.
    pub told: String,
}

/// The changes of the zone's clocks after one instant and up to another that concern a timing.
pub fn clock_changes(timing: &Timing, after: Timestamp, until: Timestamp) -> Vec<ClockChange> {
    let TimingSort::Cron(cron) = &timing.sort else {
        return Vec::new();
    };
    let rules = timing.zone().rules();
    let mut offset = rules.to_offset(after);
    let mut found = Vec::new();
    for change in rules.following(after).take_while(|change| change.timestamp() <= until) {
        let (before, now) = (
            offset.to_datetime(change.timestamp()),
            change.offset().to_datetime(change.timestamp()),
        );
        offset = change.offset();
        let (from, to) = (before.min(now), before.max(now));
        let Some(first) = cron.next(from).filter(|first| *first < to) else {
            continue;
        };
        let told = if before < now {
            of_gap(cron, first, to, change.abbreviation())
        } else {
            of_repeated(cron, first, to)
        };
        found.push(ClockChange {
            at: change.timestamp(),
            from,
            to,
            told,
        });
    }
    found
}

fn of_gap(cron: &Cron, first: DateTime, to: DateTime, abbreviation: &str) -> String {
    let several = several(cron, first, to);
    if cron.is_clock_time() {
        let then = shown(to, first);
        let does = if several {
            format!(
                "{} and others do not exist, and it is due once instead",
                shown(first, first)
            )
        } else {
            format!("{} does not exist, and it is due", shown(first, first))
        };
        format!("{does} at {then} {abbreviation}")
    } else {
        format!(
            "{} to {} does not exist, and nothing is due in it",
            shown(first, first),
            shown(to, first)
        )
    }
}

fn of_repeated(cron: &Cron, first: DateTime, to: DateTime) -> String {
    let others = if several(cron, first, to) {
        " and others come"
    } else {
        " comes"
    };
    let which = if cron.is_clock_time() {
        "the first time only"
    } else {
        "both times"
    };
    format!("{}{others} twice, and it is due {which}", shown(first, first))
}

/// Whether more than one time before `to` matches.
fn several(cron: &Cron, first: DateTime, to: DateTime) -> bool {
    let next = first.saturating_add(jiff::Span::new().minutes(1));
    cron.next(next).is_some_and(|next| next < to)
}

/// The time of day, with its date if that is not the one of `beside`.
fn shown(time: DateTime, beside: DateTime) -> String {
    let form = if time.date() == beside.date() {
        "%H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    time.strftime(form).to_string()
}

#[cfg(test)]
mod tests;
