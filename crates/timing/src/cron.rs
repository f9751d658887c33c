//! Cron expressions: minute, hour, day of the month, month, day of the week, matched against civil times.
//!
//! What other crons take and this one does not is refused with what to write instead: a schedule that was understood in another
//! way than it was meant is found out about at night. All faults of an expression are told at once.
//!
//! Beyond what every cron has: `L` and `LW` (the last day and the last working day of the month), `15W` (the working day nearest
//! to a day), `5#2` and `5L` (the second and the last Friday), and `+` before the day of the week, where both days have to fit.

mod field;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday, time};
use tenantry_jobs::{did_you_mean, nearest};

pub(crate) use field::{CronField, CronPart, CronUnit};

/// How far ahead a time is looked for. The longest wait there is, for a 29th of February on a certain day of the week
/// across a year such as 2100, is 40 years.
const YEARS_AHEAD: i16 = 50;

const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    pub(crate) minute: CronField,
    pub(crate) hour: CronField,
    pub(crate) day: CronField,
    pub(crate) month: CronField,
    pub(crate) weekday: CronField,
    /// Whether both days have to fit, where both are restricted.
    pub(crate) both_days: bool,
}

impl Cron {
    /// Reads an expression, or says everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let text = text.trim();
        if let Some(nickname) = text.strip_prefix('@') {
            return Self::of_nickname(nickname);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        if let Some(zone) = words.iter().find_map(|word| zone_in(word)) {
            return Err(vec![format!(
                "expected the time zone under `time_zone`, as `{zone}`, and not in the expression"
            )]);
        }
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(vec![wrong_count(&words)]);
        };
        let (both_days, weekday) = match weekday.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, weekday),
        };
        let mut faults = Vec::new();
        let mut field = |unit, text| {
            CronField::parse(unit, text)
                .map_err(|mut found| faults.append(&mut found))
                .ok()
        };
        let fields = (
            field(CronUnit::Minute, minute),
            field(CronUnit::Hour, hour),
            field(CronUnit::Day, day),
            field(CronUnit::Month, month),
            field(CronUnit::Weekday, weekday),
        );
        let (Some(minute), Some(hour), Some(day), Some(month), Some(weekday)) = fields else {
            return Err(faults);
        };
        let cron = Self {
            minute,
            hour,
            day,
            month,
            weekday,
            both_days,
        };
        cron.checked().map_err(|fault| vec![fault])
    }

    fn of_nickname(nickname: &str) -> Result<Self, Vec<String>> {
        let wanted = format!("@{}", nickname.to_lowercase());
        if let Some((_, expression)) = NICKNAMES.iter().find(|(name, _)| *name == wanted) {
            return Self::parse(expression);
        }
        Err(vec![match wanted.split_whitespace().next().unwrap_or_default() {
            "@reboot" => "`@reboot` is no time; expected a time, or a service of the system that runs `tenantry submit` when it starts".to_owned(),
            "@every" => "expected a duration under `every`, such as `every = \"15m\"`, and not `@every`".to_owned(),
            _ => {
                let names = NICKNAMES.iter().map(|(name, _)| *name);
                let all: Vec<&str> = names.clone().filter(|name| *name != "@annually" && *name != "@midnight").collect();
                format!("`{wanted}`: expected one of {}{}", all.join(", "), did_you_mean(nearest(&wanted, names)))
            }
        }])
    }

    /// What the fields do not say each by itself.
    fn checked(self) -> Result<Self, String> {
        if self.restricts_both_days()
            && !self.both_days
            && (self.day.has_stepped_star() || self.weekday.has_stepped_star())
        {
            return Err(
                "both days are restricted, one of them by `*/n`, which some crons take for \"and\" and others for \"or\"; expected `+` before the day of the week for \"and\", or a range such as `1-31/2` for \"or\""
                    .to_owned(),
            );
        }
        let any_year = Date::constant(2000, 1, 1).to_datetime(time(0, 0, 0, 0));
        match self.next(any_year) {
            Some(_) => Ok(self),
            None => Err("expected a day that there is; this one never comes".to_owned()),
        }
    }

    /// Whether day of the month and day of the week both say something.
    pub fn restricts_both_days(&self) -> bool {
        !self.day.is_any() && !self.weekday.is_any()
    }

    /// Whether it names times of the day. Otherwise it names intervals: there is a `*` in minute or hour.
    pub fn is_clock_time(&self) -> bool {
        !self.minute.has_star() && !self.hour.has_star()
    }

    /// The first time at or after `from`, to the minute; `None` if there is none for a long time.
    pub fn next(&self, from: DateTime) -> Option<DateTime> {
        let whole = from.with().second(0).subsec_nanosecond(0).build().ok()?;
        let from = if whole < from {
            whole.checked_add(1.minute()).ok()?
        } else {
            whole
        };
        let last_year = from.year().saturating_add(YEARS_AHEAD);
        let (mut date, mut hour, mut minute) = (from.date(), from.hour(), from.minute());
        while date.year() <= last_year {
            if !self.month.has(date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if let Some((hour, minute)) = self.fits(date).then(|| self.time_from(hour, minute)).flatten() {
                return Some(date.at(hour, minute, 0, 0));
            } else {
                date = date.tomorrow().ok()?;
            }
            (hour, minute) = (0, 0);
        }
        None
    }

    /// The first time of a day at or after this one.
    fn time_from(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        if self.hour.has(hour)
            && let Some(minute) = self.minute.from(minute)
        {
            return Some((hour, minute));
        }
        Some((self.hour.from(hour + 1)?, self.minute.from(0)?))
    }

    /// Whether a day of a month that fits does, too.
    fn fits(&self, date: Date) -> bool {
        match (self.day.is_any(), self.weekday.is_any()) {
            (true, true) => true,
            (false, true) => self.fits_in_month(date),
            (true, false) => self.fits_in_week(date),
            (false, false) if self.both_days => self.fits_in_month(date) && self.fits_in_week(date),
            (false, false) => self.fits_in_month(date) || self.fits_in_week(date),
        }
    }

    fn fits_in_month(&self, date: Date) -> bool {
        self.day.has(date.day())
            || self.day.parts().iter().any(|part| match part {
                CronPart::LastDay => date.day() == date.days_in_month(),
                CronPart::LastWorkingDay => working_day(date, date.days_in_month()) == Some(date.day()),
                CronPart::WorkingDay(day) => working_day(date, *day) == Some(date.day()),
                _ => false,
            })
    }

    fn fits_in_week(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset();
        self.weekday.has(weekday)
            || self.weekday.parts().iter().any(|part| match part {
                CronPart::NthWeekday(day, nth) => *day == weekday && (date.day() - 1) / 7 + 1 == *nth,
                CronPart::LastWeekday(day) => *day == weekday && date.day() + 7 > date.days_in_month(),
                _ => false,
            })
    }
}

/// The working day nearest to a day, in the month of `date`; none if the month has no such day.
fn working_day(date: Date, day: i8) -> Option<i8> {
    let last = date.days_in_month();
    if day > last {
        return None;
    }
    let wanted = date.with().day(day).build().ok()?;
    Some(match wanted.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == last => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    })
}

/// The zone in `TZ=Europe/Berlin` and `CRON_TZ=Europe/Berlin`.
fn zone_in(word: &str) -> Option<&str> {
    let (name, zone) = word.split_once('=')?;
    ["TZ", "CRON_TZ"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
        .then_some(zone)
}

fn wrong_count(words: &[&str]) -> String {
    const FIELDS: &str = "minute, hour, day of the month, month, day of the week";
    match words.len() {
        0 => format!("expected five fields: {FIELDS}"),
        found @ (6 | 7) => {
            let five = words[1..6].join(" ").replace('?', "*");
            // There 2 is Monday.
            let is_numbered = words[5].contains(|c: char| c.is_ascii_digit());
            let days = if is_numbered {
                "; days of the week count from 1 for Sunday there, and from 0 here"
            } else {
                ""
            };
            format!(
                "expected five fields, found {found}; seconds come first in Quartz and others, leave them out: `{five}`{days}"
            )
        }
        found => format!("expected five fields, found {found}: {FIELDS}"),
    }
}

#[cfg(test)]
mod tests;
