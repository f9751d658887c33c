//! One field of a cron expression: what is written there, and the values it stands for.

use tenantry_jobs::{did_you_mean, nearest};

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Which field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CronUnit {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

impl CronUnit {
    fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "day of the week",
        }
    }

    /// The least and the greatest number. The week begins and ends with Sunday.
    fn bounds(self) -> (i8, i8) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 7),
        }
    }

    /// How many values there are.
    fn count(self) -> i8 {
        let (least, greatest) = self.bounds();
        greatest - least + i8::from(self != Self::Weekday)
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => MONTHS,
            Self::Weekday => WEEKDAYS,
            Self::Minute | Self::Hour | Self::Day => &[],
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::Day => "1 to 31, `L`, `LW`, or a day and `W`",
            Self::Month => "1 to 12 or JAN to DEC",
            Self::Weekday => "0 to 7 or SUN to SAT (0 and 7 are Sunday)",
        }
    }
}

/// An item of a field's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CronPart {
    /// `*` and `*/n`.
    Star { step: i8 },
    /// A single number.
    One(i8),
    /// From one number to a greater one.
    Range { from: i8, to: i8, step: i8 },
    /// `L`, of the month.
    LastDay,
    /// `LW`.
    LastWorkingDay,
    /// `15W`.
    WorkingDay(i8),
    /// `5#2`.
    NthWeekday(i8, i8),
    /// `5L`, of the week.
    LastWeekday(i8),
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CronField {
    parts: Vec<CronPart>,
    /// A bit for each number that is named as such. Sunday is 0.
    numbers: u64,
}

impl CronField {
    pub(super) fn parse(unit: CronUnit, text: &str) -> Result<Self, Vec<String>> {
        let upper = text.to_uppercase();
        let (mut parts, mut faults) = (Vec::new(), Vec::new());
        for item in upper.split(',') {
            match part(unit, item) {
                Ok(part) => parts.push(part),
                Err(expected) => faults.push(format!("{} `{text}`: {expected}", unit.name())),
            }
        }
        if parts.len() > 1 && parts.contains(&CronPart::Star { step: 1 }) {
            faults.push(format!(
                "{} `{text}`: expected `*` alone, or a list without it",
                unit.name()
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let numbers = parts.iter().fold(0, |numbers, part| numbers | bits(unit, *part));
        Ok(Self { parts, numbers })
    }

    pub(crate) fn parts(&self) -> &[CronPart] {
        &self.parts
    }

    /// Whether it says nothing: it is `*`.
    pub(crate) fn is_any(&self) -> bool {
        self.parts.contains(&CronPart::Star { step: 1 })
    }

    /// Whether there is a `*` in it, with or without a step.
    pub(crate) fn has_star(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, CronPart::Star { .. }))
    }

    pub(super) fn has_stepped_star(&self) -> bool {
        !self.is_any() && self.has_star()
    }

    /// Whether it names this number.
    pub(super) fn has(&self, number: i8) -> bool {
        self.numbers >> number & 1 == 1
    }

    /// The least number it names that is not below this one.
    pub(super) fn from(&self, number: i8) -> Option<i8> {
        let rest = self.numbers & (u64::MAX << number);
        (rest != 0).then_some(rest.trailing_zeros() as i8)
    }

    /// The numbers it names, in order.
    pub(crate) fn numbers(&self) -> Vec<i8> {
        (0..64).filter(|number| self.has(*number)).collect()
    }
}

fn bits(unit: CronUnit, part: CronPart) -> u64 {
    let (from, to, step) = match part {
        CronPart::Star { step } => {
            let least = unit.bounds().0;
            (least, least + unit.count() - 1, step)
        }
        CronPart::One(one) => (one, one, 1),
        CronPart::Range { from, to, step } => (from, to, step),
        _ => return 0,
    };
    let every = usize::from(step.unsigned_abs()).max(1);
    (from..=to).step_by(every).fold(0, |bits, number| {
        let number = if unit == CronUnit::Weekday { number % 7 } else { number };
        bits | 1 << number
    })
}

/// An item in upper case, or what was expected.
fn part(unit: CronUnit, item: &str) -> Result<CronPart, String> {
    if item.contains('?') {
        return Err("expected `*` for `?`".to_owned());
    }
    if item.starts_with('H') && !unit.names().contains(&item) {
        return Err("expected a number for `H`; `jitter` spreads schedules over a while".to_owned());
    }
    match unit {
        CronUnit::Day if item == "L" => return Ok(CronPart::LastDay),
        CronUnit::Day if item == "LW" || item == "WL" => return Ok(CronPart::LastWorkingDay),
        CronUnit::Day if item.starts_with("L-") => {
            return Err(format!(
                "expected {}; days before the last one cannot be named",
                unit.expected()
            ));
        }
        CronUnit::Day => {
            if let Some(day) = item.strip_suffix('W') {
                return Ok(CronPart::WorkingDay(number(unit, day)?));
            }
        }
        CronUnit::Weekday if item == "L" => {
            return Err("expected the day before `L`: `5L` is the last Friday of the month".to_owned());
        }
        CronUnit::Weekday => {
            if let Some((day, nth)) = item.split_once('#') {
                return nth_weekday(day, nth);
            }
            if let Some(day) = item.strip_suffix('L') {
                return Ok(CronPart::LastWeekday(number(unit, day)? % 7));
            }
        }
        CronUnit::Minute | CronUnit::Hour | CronUnit::Month => {}
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let step = step.map(|step| stride(unit, range, step)).transpose()?;
    if range == "*" {
        return Ok(CronPart::Star {
            step: step.unwrap_or(1),
        });
    }
    let Some((from, to)) = range.split_once('-') else {
        return match step {
            None => number(unit, range).map(|one| one_of(unit, one)),
            Some(step) => {
                let greatest = unit.bounds().1 - i8::from(unit == CronUnit::Weekday);
                Err(format!(
                    "expected a range before the step, such as `{range}-{greatest}/{step}`"
                ))
            }
        };
    };
    let (from, mut to) = (number(unit, from)?, number(unit, to)?);
    // Sunday ends a range that it cannot begin.
    if unit == CronUnit::Weekday && to == 0 && from > 0 {
        to = 7;
    }
    let (least, greatest) = unit.bounds();
    match from.cmp(&to) {
        std::cmp::Ordering::Less => Ok(CronPart::Range {
            from,
            to,
            step: step.unwrap_or(1),
        }),
        std::cmp::Ordering::Equal => Ok(one_of(unit, from)),
        std::cmp::Ordering::Greater => {
            let (first, last) = match unit {
                CronUnit::Weekday => ("0".to_owned(), "6".to_owned()),
                _ => (least.to_string(), greatest.to_string()),
            };
            Err(format!("expected a range that goes up: `{from}-{last},{first}-{to}`"))
        }
    }
}

fn one_of(unit: CronUnit, number: i8) -> CronPart {
    CronPart::One(if unit == CronUnit::Weekday { number % 7 } else { number })
}

fn nth_weekday(day: &str, nth: &str) -> Result<CronPart, String> {
    let day = number(CronUnit::Weekday, day)? % 7;
    if nth == "L" {
        return Err(format!("expected `{day}L` for the last one"));
    }
    match nth.parse() {
        Ok(nth @ 1..=5) => Ok(CronPart::NthWeekday(day, nth)),
        _ => Err("expected 1 to 5 after `#`".to_owned()),
    }
}

/// The step after a `/`. One that leads past the end in the first go says something else than it seems to.
fn stride(unit: CronUnit, range: &str, step: &str) -> Result<i8, String> {
    let count = unit.count();
    match step.parse::<u32>() {
        Ok(0) | Err(_) => Err("expected a step of 1 or more after `/`".to_owned()),
        Ok(step) if step < count as u32 => Ok(step as i8),
        Ok(step) => {
            let instead = match unit {
                CronUnit::Minute => {
                    format!("; for every {step} minutes write `every = \"{step}m\"` instead of a cron expression")
                }
                CronUnit::Hour => {
                    format!("; for every {step} hours write `every = \"{step}h\"` instead of a cron expression")
                }
                _ if range == "*" => String::new(),
                _ => "; leave it out".to_owned(),
            };
            Err(format!("expected a step below {count}{instead}"))
        }
    }
}

fn number(unit: CronUnit, text: &str) -> Result<i8, String> {
    let (least, greatest) = unit.bounds();
    if let Some(at) = unit.names().iter().position(|name| *name == text) {
        return Ok(at as i8 + i8::from(unit == CronUnit::Month));
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i8>() {
        Ok(number) if is_number && (least..=greatest).contains(&number) => Ok(number),
        _ => {
            let near = if is_number || text.is_empty() {
                None
            } else {
                nearest(text, unit.names().iter().copied())
            };
            Err(format!("expected {}{}", unit.expected(), did_you_mean(near)))
        }
    }
}
