//! A timing said in a sentence, and what may be meant otherwise than it is taken.

use crate::cron::{Cron, CronField, CronPart};
use crate::timing::{Timing, TimingSort};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];
/// Times of the day that are listed one by one.
const MOST_TIMES: usize = 8;

/// A timing in words, as in "at 02:00, Monday to Friday".
pub fn in_words(timing: &Timing) -> String {
    match &timing.sort {
        TimingSort::Cron(cron) => of_cron(cron),
        TimingSort::Every(interval) => format!("every {}, counted from 1970 on", of_seconds(interval.as_secs())),
        TimingSort::Once(civil) => format!("once, on {}", civil.strftime("%Y-%m-%d at %H:%M")),
    }
}

/// What might be meant otherwise than it is taken, each as a sentence without a full stop.
pub fn warnings(timing: &Timing) -> Vec<String> {
    let TimingSort::Cron(cron) = &timing.sort else {
        return Vec::new();
    };
    let mut told = Vec::new();
    if cron.restricts_both_days() && !cron.both_days {
        told.push(format!(
            "both days are given, and either is enough ({}, or {}); a `+` before the day of the week asks for both",
            of_days(&cron.day),
            of_weekdays(&cron.weekday)
        ));
    }
    for (field, name, of_all) in [(&cron.minute, "minute", 60), (&cron.hour, "hour", 24)] {
        for part in field.parts() {
            if let CronPart::Star { step } = part
                && of_all % *step != 0
            {
                let last = of_all - 1 - (of_all - 1) % step;
                told.push(format!(
                    "`*/{step}` begins anew at {name} 0, so the step from {name} {last} on is only {}; `every` keeps its pace",
                    of_all - last
                ));
            }
        }
    }
    told
}

fn of_cron(cron: &Cron) -> String {
    let mut told = of_time(cron);
    if let Some(days) = of_both_days(cron) {
        told.push_str(", ");
        told.push_str(&days);
    }
    if !cron.month.is_any() {
        told.push_str(", in ");
        told.push_str(&list(
            &cron.month,
            &|month| MONTHS[usize::from(month.unsigned_abs()) - 1].to_owned(),
            "every",
            "month",
        ));
    }
    told
}

fn of_time(cron: &Cron) -> String {
    let (minutes, hours) = (cron.minute.numbers(), cron.hour.numbers());
    let is_any_hour = cron.hour.is_any();
    if cron.is_clock_time() && minutes.len() * hours.len() <= MOST_TIMES {
        let times = hours
            .iter()
            .flat_map(|hour| minutes.iter().map(move |minute| format!("{hour:02}:{minute:02}")));
        return format!("at {}", joined(&times.collect::<Vec<_>>()));
    }
    let minute = match cron.minute.parts() {
        _ if cron.minute.is_any() => "every minute".to_owned(),
        [CronPart::Star { step }] if 60 % step == 0 => format!("every {step} minutes"),
        _ if is_any_hour && minutes == [0] => return "every hour".to_owned(),
        [CronPart::One(minute)] => format!("at minute {minute}"),
        _ => format!(
            "at minutes {}",
            list(&cron.minute, &|minute| minute.to_string(), "every", "minute")
        ),
    };
    let hour = match cron.hour.parts() {
        _ if is_any_hour => None,
        [CronPart::Star { step }] if 24 % step == 0 && minutes == [0] => return format!("every {step} hours"),
        [CronPart::Range { from, to, step: 1 }] if cron.minute.has_star() => {
            let last = minutes.last().copied().unwrap_or_default();
            Some(format!(
                "from {from:02}:{:02} to {to:02}:{last:02}",
                minutes.first().copied().unwrap_or_default()
            ))
        }
        [CronPart::One(hour)] => Some(format!("of hour {hour}")),
        _ => Some(format!(
            "of hours {}",
            list(&cron.hour, &|hour| hour.to_string(), "every", "hour")
        )),
    };
    match hour {
        Some(hour) => format!("{minute} {hour}"),
        None if minute.starts_with("every") => minute,
        None => format!("{minute} of every hour"),
    }
}

fn of_both_days(cron: &Cron) -> Option<String> {
    match (cron.day.is_any(), cron.weekday.is_any()) {
        (true, true) if cron.is_clock_time() => Some("every day".to_owned()),
        (true, true) => None,
        (false, true) => Some(of_days(&cron.day)),
        (true, false) => Some(of_weekdays(&cron.weekday)),
        (false, false) if cron.both_days => Some(format!(
            "{}, if that is also one of: {}",
            of_days(&cron.day),
            of_weekdays(&cron.weekday)
        )),
        (false, false) => Some(format!(
            "{}, and besides: {}",
            of_days(&cron.day),
            of_weekdays(&cron.weekday)
        )),
    }
}

/// Days of the month.
fn of_days(field: &CronField) -> String {
    let of_part = |part: &CronPart| match part {
        CronPart::LastDay => Some("the last day of the month".to_owned()),
        CronPart::LastWorkingDay => Some("the last working day of the month (Monday to Friday)".to_owned()),
        CronPart::WorkingDay(day) => Some(format!("the working day nearest to day {day} of the month")),
        _ => None,
    };
    let mut told: Vec<String> = Vec::new();
    if !field.numbers().is_empty() {
        let days = list(field, &|day| day.to_string(), "every", "day");
        told.push(if days.starts_with("every") {
            format!("{days} of the month")
        } else {
            format!("day {days} of the month")
        });
    }
    told.extend(field.parts().iter().filter_map(of_part));
    joined(&told)
}

/// Days of the week.
fn of_weekdays(field: &CronField) -> String {
    let day = |day: i8| WEEKDAYS[usize::from(day.unsigned_abs()) % 7].to_owned();
    let of_part = |part: &CronPart| match part {
        CronPart::NthWeekday(weekday, nth) => Some(format!(
            "the {} {} of the month",
            ORDINALS[usize::from(nth.unsigned_abs()) - 1],
            day(*weekday)
        )),
        CronPart::LastWeekday(weekday) => Some(format!("the last {} of the month", day(*weekday))),
        _ => None,
    };
    let mut told = Vec::new();
    if !field.numbers().is_empty() {
        told.push(list(field, &day, "every", "day of the week"));
    }
    told.extend(field.parts().iter().filter_map(of_part));
    joined(&told)
}

/// The numbers of a field as they are written: ranges as such.
fn list(field: &CronField, shown: &dyn Fn(i8) -> String, every: &str, unit: &str) -> String {
    let of_part = |part: &CronPart| match part {
        CronPart::Star { step: 1 } => Some(format!("{every} {unit}")),
        CronPart::Star { step } => Some(format!("{every} {} {unit} from the first on", ordinal(*step))),
        CronPart::One(number) => Some(shown(*number)),
        CronPart::Range { from, to, step: 1 } => Some(format!("{} to {}", shown(*from), shown(*to))),
        CronPart::Range { from, to, step } => Some(format!(
            "{every} {} {unit} from {} to {}",
            ordinal(*step),
            shown(*from),
            shown(*to)
        )),
        _ => None,
    };
    joined(&field.parts().iter().filter_map(of_part).collect::<Vec<_>>())
}

fn ordinal(number: i8) -> String {
    let end = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{end}")
}

fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// A number of seconds in the units of a clock.
fn of_seconds(seconds: i64) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let mut rest = seconds;
    let mut told = Vec::new();
    for (unit, size) in units {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            told.push(format!("{count} {unit}{plural}"));
        }
    }
    match told.as_slice() {
        [one] => one.strip_prefix("1 ").unwrap_or(one).to_owned(),
        _ => joined(&told),
    }
}

#[cfg(test)]
mod tests;
