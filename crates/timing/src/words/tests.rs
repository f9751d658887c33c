//! Sentences and warnings.

use std::time::Duration;

use super::*;
use crate::timing::TimingText;

fn timing(cron: &str) -> Timing {
    let text = TimingText {
        cron,
        ..TimingText::default()
    };
    Timing::read(text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

#[test]
fn expressions_in_words() {
    let words = [
        ("0 2 * * 1-5", "at 02:00, Monday to Friday"),
        ("0 2,14 * * *", "at 02:00 and 14:00, every day"),
        ("30 6,12,18 * * *", "at 06:30, 12:30 and 18:30, every day"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        (
            "*/15 9-17 * * MON-FRI",
            "every 15 minutes from 09:00 to 17:45, Monday to Friday",
        ),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "at minute 5 of every hour"),
        ("0 */6 * * *", "every 6 hours"),
        ("30 */6 * * *", "at minute 30 of hours every 6th hour from the first on"),
        (
            "0-59/5 0-23 * * *",
            "at minutes every 5th minute from 0 to 59 of hours 0 to 23, every day",
        ),
        ("0 3 1 * *", "at 03:00, day 1 of the month"),
        ("0 3 1,15 * *", "at 03:00, day 1 and 15 of the month"),
        ("0 3 L * *", "at 03:00, the last day of the month"),
        (
            "0 3 LW * *",
            "at 03:00, the last working day of the month (Monday to Friday)",
        ),
        (
            "0 3 15W * *",
            "at 03:00, the working day nearest to day 15 of the month",
        ),
        ("0 3 * * 5#2", "at 03:00, the second Friday of the month"),
        ("0 3 * * 5L", "at 03:00, the last Friday of the month"),
        ("0 3 * * 7", "at 03:00, Sunday"),
        ("0 3 * * 5-7", "at 03:00, Friday to Sunday"),
        ("0 0 1 1 *", "at 00:00, day 1 of the month, in January"),
        (
            "0 0 */2 6-8 *",
            "at 00:00, every 2nd day from the first on of the month, in June to August",
        ),
        ("0 0 13 * 5", "at 00:00, day 13 of the month, and besides: Friday"),
        (
            "0 0 13 * +5",
            "at 00:00, day 13 of the month, if that is also one of: Friday",
        ),
        ("@daily", "at 00:00, every day"),
    ];
    for (text, expected) in words {
        assert_eq!(in_words(&timing(text)), expected, "{text}");
    }
    let every = |seconds| {
        let every = Some(Duration::from_secs(seconds));
        in_words(
            &Timing::read(TimingText {
                every,
                ..TimingText::default()
            })
            .expect("sound"),
        )
    };
    assert_eq!(every(900), "every 15 minutes, counted from 1970 on");
    assert_eq!(every(3_600), "every hour, counted from 1970 on");
    assert_eq!(
        every(5_430),
        "every 1 hour, 30 minutes and 30 seconds, counted from 1970 on"
    );
    let once = Timing::read(TimingText {
        at: "2026-12-24T18:00",
        ..TimingText::default()
    })
    .expect("sound");
    assert_eq!(in_words(&once), "once, on 2026-12-24 at 18:00");
}

#[test]
fn what_may_be_meant_otherwise_is_warned_of() {
    let told = |text: &str| warnings(&timing(text)).join("\n");
    assert_eq!(
        told("0 0 13 * 5"),
        "both days are given, and either is enough (day 13 of the month, or Friday); a `+` before the day of the week asks for both"
    );
    assert_eq!(told("0 0 13 * +5"), "");
    assert_eq!(
        told("*/25 * * * *"),
        "`*/25` begins anew at minute 0, so the step from minute 50 on is only 10; `every` keeps its pace"
    );
    assert_eq!(told("0 */5 * * *").lines().count(), 1);
    assert_eq!(told("*/15 */6 * * *"), "");
}
