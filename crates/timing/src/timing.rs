//! Timing of a schedule: by a cron expression, every so often, or once.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

use crate::cron::Cron;
use crate::due::{Due, local_of_nominal, name_of};
use crate::walk::CivilWalk;
use crate::zone::Zone;

/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(10);

/// A timing as it is written; what is not given is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimingText<'t> {
    /// A cron expression.
    pub cron: &'t str,
    /// An interval.
    pub every: Option<Duration>,
    /// A civil time.
    pub at: &'t str,
    /// A name of the IANA database.
    pub time_zone: &'t str,
    /// Nothing before this civil time or date is due.
    pub from: &'t str,
    /// Nothing after this civil time or date is due.
    pub until: &'t str,
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    pub(crate) sort: TimingSort,
    pub(crate) zone: Zone,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimingSort {
    Cron(Cron),
    Every(SignedDuration),
    Once(DateTime),
}

impl Timing {
    /// Reads a timing, or says everything that is wrong with it, by the name of the key.
    pub fn read(text: TimingText<'_>) -> Result<Self, Vec<(&'static str, String)>> {
        let mut faults = Vec::new();
        let zone = match text.time_zone {
            "" => Ok(Zone::utc()),
            name => Zone::named(name),
        };
        let zone = zone.map_err(|fault| faults.push(("time_zone", fault))).ok();
        let sort = sort(text, &mut faults);
        let mut bound = |key, text: &str, time_of_day| match text {
            "" => None,
            text => civil(text, time_of_day).map_err(|fault| faults.push((key, fault))).ok(),
        };
        let from = bound("from", text.from, TimeOfDay::First);
        let until = bound("until", text.until, TimeOfDay::Last);
        if let (Some(from), Some(until)) = (from, until)
            && from > until
        {
            faults.push(("until", format!("expected a time after `from` = `{}`", text.from)));
        }
        let (Some(zone), Some(sort), true) = (zone, sort, faults.is_empty()) else {
            return Err(faults);
        };
        let instant = |civil: Option<DateTime>| civil.map(|civil| first_instant(&zone, civil));
        Ok(Self {
            from: instant(from),
            until: instant(until),
            sort,
            zone,
        })
    }

    /// The zone its times are in.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The times it is due after an instant, in order, each later than the one before. Mostly there is no end to them.
    pub fn after(&self, instant: Timestamp) -> DueTimes<'_> {
        let before_first = self
            .from
            .and_then(|from| from.checked_sub(SignedDuration::from_nanos(1)).ok());
        DueTimes {
            timing: self,
            after: before_first.map_or(instant, |first| first.max(instant)),
            walk: None,
        }
    }

    /// The civil time that a due time's name stands for, which is read from the name, or for an interval in this zone.
    pub fn local_of(&self, nominal: &str) -> Option<DateTime> {
        local_of_nominal(nominal, &self.zone)
    }

    fn due_of_interval(&self, at: Timestamp) -> Due {
        Due {
            nominal: at.to_string(),
            local: self.zone.rules.to_datetime(at),
            at,
        }
    }
}

/// Due times in order.
#[derive(Debug, Clone)]
pub struct DueTimes<'t> {
    timing: &'t Timing,
    after: Timestamp,
    walk: Option<CivilWalk<'t>>,
}

impl Iterator for DueTimes<'_> {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let due = match &self.timing.sort {
            TimingSort::Every(interval) => self.timing.due_of_interval(next_multiple(self.after, *interval)?),
            TimingSort::Once(civil) => Due {
                nominal: name_of(*civil, 1),
                local: *civil,
                at: first_instant(&self.timing.zone, *civil),
            },
            TimingSort::Cron(cron) => {
                let (zone, after) = (&self.timing.zone.rules, self.after);
                self.walk
                    .get_or_insert_with(|| CivilWalk::new(cron, zone, after))
                    .next()?
            }
        };
        if due.at <= self.after || self.timing.until.is_some_and(|until| due.at > until) {
            return None;
        }
        self.after = due.at;
        Some(due)
    }
}

/// The first multiple of an interval, counted from the epoch, after an instant.
fn next_multiple(after: Timestamp, interval: SignedDuration) -> Option<Timestamp> {
    let interval = interval.as_secs();
    let next = (after.as_second().div_euclid(interval) + 1).checked_mul(interval)?;
    // Within a second before the epoch, `as_second` has rounded up.
    let before = next - interval;
    let next = if Timestamp::from_second(before).is_ok_and(|before| before > after) {
        before
    } else {
        next
    };
    Timestamp::from_second(next).ok()
}

/// The instant of a civil time: the first of two, and the first one after a gap that it lies in.
fn first_instant(zone: &Zone, civil: DateTime) -> Timestamp {
    let rules = &zone.rules;
    let ambiguous = rules.to_ambiguous_timestamp(civil);
    let jiff::tz::AmbiguousOffset::Gap { before, after } = ambiguous.offset() else {
        return ambiguous.earlier().unwrap_or(Timestamp::MAX);
    };
    // With the offset of before the gap it is after the gap, and the other way round.
    let late = before.to_timestamp(civil).unwrap_or(Timestamp::MAX);
    let early = after.to_timestamp(civil).unwrap_or(Timestamp::MIN);
    let end = rules.following(early).find(|change| change.offset() == after);
    end.map_or(late, |end| end.timestamp())
}

fn sort(text: TimingText<'_>, faults: &mut Vec<(&'static str, String)>) -> Option<TimingSort> {
    let given = [
        ("cron", !text.cron.is_empty()),
        ("every", text.every.is_some()),
        ("at", !text.at.is_empty()),
    ];
    let mut given = given.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key);
    let Some(first) = given.next() else {
        faults.push((
            "cron",
            "expected a cron expression such as `0 2 * * 1-5`, or `every` or `at` instead".to_owned(),
        ));
        return None;
    };
    for other in given {
        faults.push((other, format!("expected nothing, since `{first}` is given")));
    }
    let sort = match first {
        "cron" => {
            let cron =
                Cron::parse(text.cron).map_err(|found| faults.extend(found.into_iter().map(|fault| ("cron", fault))));
            TimingSort::Cron(cron.ok()?)
        }
        "every" => {
            let every = text.every.unwrap_or_default();
            if every < SHORTEST || every.subsec_nanos() != 0 {
                faults.push(("every", "expected whole seconds, at least 10s".to_owned()));
            }
            TimingSort::Every(SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX))
        }
        _ => TimingSort::Once(
            civil(text.at, TimeOfDay::Needed)
                .map_err(|fault| faults.push(("at", or_daily(text.at, fault))))
                .ok()?,
        ),
    };
    Some(sort)
}

/// A fault, and what a time of day alone may be meant as.
fn or_daily(text: &str, fault: String) -> String {
    let daily = (!text.contains('-')).then(|| text.parse::<Time>().ok()).flatten();
    match daily {
        Some(time) => format!(
            "{fault}; for every day at that time, write `cron = \"{} {} * * *\"`",
            time.minute(),
            time.hour()
        ),
        None => fault,
    }
}

/// What a date without a time of day stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TimeOfDay {
    First,
    Last,
    Needed,
}

fn civil(text: &str, time_of_day: TimeOfDay) -> Result<DateTime, String> {
    let expected = match time_of_day {
        TimeOfDay::Needed => "expected a time in the schedule's zone such as `2026-12-24T18:00`",
        TimeOfDay::First | TimeOfDay::Last => {
            "expected a date or a time in the schedule's zone such as `2026-12-24` or `2026-12-24T18:00`"
        }
    };
    if text.contains(['[', '+', 'Z', 'z']) {
        return Err(format!("{expected}; the zone stands under `time_zone`"));
    }
    let is_date = !text.contains(['T', 't', ' ', ':']);
    let read = if is_date {
        let date: Result<Date, _> = text.parse();
        match time_of_day {
            TimeOfDay::First => date.map(|date| date.at(0, 0, 0, 0)),
            TimeOfDay::Last => date.map(|date| date.at(23, 59, 59, 999_999_999)),
            TimeOfDay::Needed => return Err(expected.to_owned()),
        }
    } else {
        text.parse::<DateTime>()
    };
    read.map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests;
