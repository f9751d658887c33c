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
const HOURS: usize = 24;

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
            of_days(&cron.day).unwrap_or_default(),
            of_weekdays(&cron.weekday).unwrap_or_default()
        ));
    }
    for (field, name, of_all) in [(&cron.minute, "minute", 60), (&cron.hour, "hour", 24)] {
        for part in field.parts() {
            if let CronPart::Star { step } = part
                && of_all % *step != 0
            {
                let last = of_all - 1 - (of_all - 1) % step;
                let rest = of_all - last;
                let s = if rest == 1 { "" } else { "s" };
                told.push(format!(
                    "`*/{step}` begins anew at {name} 0, so after {name} {last} the next time comes {rest} {name}{s} later, not \
                     {step}; `every` keeps its pace"
                ));
            }
        }
    }
    told
}

fn of_cron(cron: &Cron) -> String {
    let (minutes, hours) = (cron.minute.numbers(), cron.hour.numbers());
    let (mut told, comes_all_day) = if cron.is_clock_time() && minutes.len() * hours.len() <= MOST_TIMES {
        (times(&minutes, &hours), false)
    } else {
        of_time(&minutes, &hours)
    };
    let days = match (of_days(&cron.day), of_weekdays(&cron.weekday)) {
        (None, None) => (!comes_all_day).then(|| "every day".to_owned()),
        (Some(days), None) | (None, Some(days)) => Some(days),
        (Some(days), Some(_)) if cron.both_days && cron.weekday.numbers().len() == WEEKDAYS.len() => Some(days),
        (Some(days), Some(weekdays)) if cron.both_days => Some(format!("{days}, but only {weekdays}")),
        (Some(days), Some(weekdays)) => Some(format!("{days}, and besides {weekdays}")),
    };
    for part in [days, of_months(&cron.month.numbers())].into_iter().flatten() {
        told.push_str(", ");
        told.push_str(&part);
    }
    told
}

/// The times of a day, and whether they go on the same way all day long.
fn of_time(minutes: &[i8], hours: &[i8]) -> (String, bool) {
    let is_any_hour = hours.len() == HOURS;
    let steps = EvenSteps::of(minutes, 60);
    let minute = match (minutes, &steps) {
        ([0], _) if is_any_hour => return ("every hour".to_owned(), true),
        ([one], _) if is_any_hour => return (format!("at minute {one} of every hour"), true),
        ([one], _) => return of_hours(*one, hours),
        (
            _,
            Some(EvenSteps {
                step: 1,
                goes_round: true,
                ..
            }),
        ) => "every minute".to_owned(),
        (
            _,
            Some(EvenSteps {
                from: 0,
                step,
                goes_round: true,
                ..
            }),
        ) => format!("every {step} minutes"),
        _ if minutes.len() * hours.len() <= MOST_TIMES => return (times(minutes, hours), false),
        (
            _,
            Some(EvenSteps {
                from,
                step,
                goes_round: true,
                ..
            }),
        ) if is_any_hour => {
            return (format!("every {step} minutes from minute {from} on"), true);
        }
        (
            _,
            Some(EvenSteps {
                step, goes_round: true, ..
            }),
        ) => format!("every {step} minutes"),
        _ => String::new(),
    };
    let Some((first, last)) = minutes.first().zip(minutes.last()) else {
        return (String::new(), false);
    };
    let from_to = |a: &i8, b: &i8| format!("from {a:02}:{first:02} to {b:02}:{last:02}");
    match (minute.as_str(), hours, EvenSteps::of(hours, 24)) {
        ("", [one], _) if is_run(minutes) => (format!("every minute {}", from_to(one, one)), false),
        ("", ..) if is_any_hour => (format!("at minutes {} of every hour", runs(minutes)), true),
        ("", [one], _) => (format!("at minutes {} of hour {one}", runs(minutes)), false),
        ("", ..) => (format!("at minutes {} of hours {}", runs(minutes), runs(hours)), false),
        _ if is_any_hour => (minute, true),
        (_, [one], _) => (format!("{minute} {}", from_to(one, one)), false),
        (_, [a, .., b], Some(EvenSteps { step: 1, .. })) => (format!("{minute} {}", from_to(a, b)), false),
        _ => (format!("{minute} in hours {}", runs(hours)), false),
    }
}

/// The same minute of some hours.
fn of_hours(minute: i8, hours: &[i8]) -> (String, bool) {
    match (hours, EvenSteps::of(hours, 24)) {
        (
            _,
            Some(EvenSteps {
                from: 0,
                step,
                goes_round: true,
                ..
            }),
        ) if minute == 0 => (format!("every {step} hours"), true),
        _ if hours.len() <= MOST_TIMES => (times(&[minute], hours), false),
        (
            _,
            Some(EvenSteps {
                from: 0,
                step,
                goes_round: true,
                ..
            }),
        ) => (format!("at minute {minute} of every {} hour", nth(step)), true),
        ([a, .., b], Some(EvenSteps { step, .. })) => {
            let every = if step == 1 {
                "hour".to_owned()
            } else {
                format!("{step} hours")
            };
            (
                format!("every {every} from {a:02}:{minute:02} to {b:02}:{minute:02}"),
                false,
            )
        }
        _ => (format!("at minute {minute} of hours {}", runs(hours)), false),
    }
}

fn times(minutes: &[i8], hours: &[i8]) -> String {
    let of_hour = |hour: &i8| {
        let hour = *hour;
        minutes.iter().map(move |minute| format!("{hour:02}:{minute:02}"))
    };
    format!("at {}", joined(&hours.iter().flat_map(of_hour).collect::<Vec<_>>()))
}

/// Days of the month; nothing where the field says nothing.
fn of_days(field: &CronField) -> Option<String> {
    if field.is_any() {
        return None;
    }
    let numbers = field.numbers();
    let is_numbers_only = field
        .parts()
        .iter()
        .all(|part| matches!(part, CronPart::Star { .. } | CronPart::One(_) | CronPart::Range { .. }));
    let ordinals = |numbers: &[i8]| {
        joined(
            &numbers
                .iter()
                .map(|day| format!("the {}", nth(*day)))
                .collect::<Vec<_>>(),
        )
    };
    let mut told = match (numbers.as_slice(), EvenSteps::of(&numbers, 31)) {
        ([], _) => Vec::new(),
        ([from, .., to], Some(EvenSteps { step: 1, .. })) if numbers.len() > 2 => {
            vec![format!("from the {} to the {}", nth(*from), nth(*to))]
        }
        _ if numbers.len() <= MOST_TIMES => vec![format!("on {}", ordinals(&numbers))],
        ([from, .., last], Some(EvenSteps { step, .. })) if last + step > 31 && is_numbers_only => {
            return Some(format!(
                "every {} day of the month from the {} on",
                nth(step),
                nth(*from)
            ));
        }
        ([from, .., to], Some(EvenSteps { step, .. })) => {
            vec![format!(
                "every {} day from the {} to the {}",
                nth(step),
                nth(*from),
                nth(*to)
            )]
        }
        _ => vec![format!("on days {}", runs(&numbers))],
    };
    told.extend(field.parts().iter().filter_map(|part| match part {
        CronPart::LastDay => Some("on the last day".to_owned()),
        CronPart::LastWorkingDay => Some("on the last working day (Monday to Friday)".to_owned()),
        CronPart::WorkingDay(day) => Some(format!(
            "on the working day (Monday to Friday) nearest to the {}",
            nth(*day)
        )),
        _ => None,
    }));
    Some(format!("{} of the month", joined(&told)))
}

/// Days of the week; nothing where the field says nothing.
fn of_weekdays(field: &CronField) -> Option<String> {
    let numbers = field.numbers();
    if field.is_any() {
        return None;
    }
    if numbers.len() == WEEKDAYS.len() {
        return Some("every day".to_owned());
    }
    let name = |day: i8| WEEKDAYS[usize::from(day.unsigned_abs()) % 7];
    // From Monday on, or from where days in a row begin that go over a Sunday.
    let is_first = |day: i8| numbers.contains(&day) && !numbers.contains(&((day + 6) % 7));
    let begins = (0..7).filter(|day| is_first(*day)).count();
    let first = (0..7).find(|day| begins == 1 && is_first(*day)).unwrap_or(1);
    let days: Vec<i8> = (first..first + 7)
        .map(|day| day % 7)
        .filter(|day| numbers.contains(day))
        .collect();
    let mut told = match days.as_slice() {
        [] => Vec::new(),
        [from, .., to] if begins == 1 && days.len() > 2 => vec![format!("{} to {}", name(*from), name(*to))],
        days => {
            let plural: Vec<String> = days.iter().map(|day| format!("{}s", name(*day))).collect();
            vec![format!("on {}", joined(&plural))]
        }
    };
    told.extend(field.parts().iter().filter_map(|part| match part {
        CronPart::NthWeekday(weekday, nth) => Some(format!(
            "on the {} {} of the month",
            ORDINALS[usize::from(nth.unsigned_abs()) - 1],
            name(*weekday)
        )),
        CronPart::LastWeekday(weekday) => Some(format!("on the last {} of the month", name(*weekday))),
        _ => None,
    }));
    Some(joined(&told))
}

/// Months; nothing where each fits.
fn of_months(numbers: &[i8]) -> Option<String> {
    let name = |month: &i8| MONTHS[usize::from(month.unsigned_abs()) - 1];
    match numbers {
        _ if numbers.len() == MONTHS.len() => None,
        [from, .., to] if numbers.len() > 2 && is_run(numbers) => Some(format!("from {} to {}", name(from), name(to))),
        _ => {
            let names: Vec<String> = numbers.iter().map(|month| name(month).to_owned()).collect();
            Some(format!("in {}", joined(&names)))
        }
    }
}

/// Numbers of equal distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EvenSteps {
    from: i8,
    step: i8,
    /// Whether the first one comes as long after the last one.
    goes_round: bool,
}

impl EvenSteps {
    /// Of numbers that repeat after so many, if that is what they are.
    fn of(numbers: &[i8], round: i8) -> Option<Self> {
        let [from, second, .., last] = numbers else {
            return match numbers {
                [from, last] => Some(Self {
                    from: *from,
                    step: last - from,
                    goes_round: from + round - last == last - from,
                }),
                _ => None,
            };
        };
        let step = second - from;
        let is_even = numbers.windows(2).all(|two| two[1] - two[0] == step);
        is_even.then_some(Self {
            from: *from,
            step,
            goes_round: from + round - last == step,
        })
    }
}

fn is_run(numbers: &[i8]) -> bool {
    numbers.windows(2).all(|two| two[1] - two[0] == 1)
}

/// Numbers, three and more in a row as "from to".
fn runs(numbers: &[i8]) -> String {
    let told = numbers.chunk_by(|one, next| next - one == 1).flat_map(|run| match run {
        [from, .., to] if run.len() > 2 => vec![format!("{from} to {to}")],
        few => few.iter().map(i8::to_string).collect(),
    });
    joined(&told.collect::<Vec<_>>())
}

fn nth(number: i8) -> String {
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

/// A number of seconds, in the largest unit of a clock that it is a number of.
fn of_seconds(seconds: i64) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| seconds % size == 0)
        .unwrap_or(("second", 1));
    match seconds / size {
        1 => unit.to_owned(),
        count => format!("{count} {unit}s"),
    }
}

#[cfg(test)]
mod tests;
