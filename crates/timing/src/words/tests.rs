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
        ("0,30 * * * *", "every 30 minutes"),
        ("5-59/10 * * * *", "every 10 minutes from minute 5 on"),
        (
            "*/7 * * * *",
            "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
        ),
        ("*/25 * * * *", "at minutes 0, 25 and 50 of every hour"),
        ("10-20,40 * * * *", "at minutes 10 to 20 and 40 of every hour"),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "at minute 5 of every hour"),
        ("0-59/5 0-23 * * *", "every 5 minutes"),
        (
            "*/15 9-17 * * MON-FRI",
            "every 15 minutes from 09:00 to 17:45, Monday to Friday",
        ),
        ("5-59/10 9-17 * * *", "every 10 minutes from 09:05 to 17:55, every day"),
        ("*/15 9 * * *", "every 15 minutes from 09:00 to 09:45, every day"),
        ("10-20 9 * * *", "every minute from 09:10 to 09:20, every day"),
        ("* 9-17 * * *", "every minute from 09:00 to 17:59, every day"),
        ("* 8,12 * * *", "every minute in hours 8 and 12, every day"),
        ("*/20 0-3,6 * * *", "every 20 minutes in hours 0 to 3 and 6, every day"),
        ("0,20 8-18 * * *", "at minutes 0 and 20 of hours 8 to 18, every day"),
        ("0 */6 * * *", "every 6 hours"),
        ("30 */6 * * *", "at 00:30, 06:30, 12:30 and 18:30, every day"),
        ("0 */5 * * *", "at 00:00, 05:00, 10:00, 15:00 and 20:00, every day"),
        ("30 */2 * * *", "at minute 30 of every 2nd hour"),
        ("30 9-17 * * *", "every hour from 09:30 to 17:30, every day"),
        ("0 1-23/2 * * *", "every 2 hours from 01:00 to 23:00, every day"),
        (
            "0 0-3,6,8-12 * * *",
            "at minute 0 of hours 0 to 3, 6 and 8 to 12, every day",
        ),
        ("0 * 1 * *", "every hour, on the 1st of the month"),
        ("0 3 1 * *", "at 03:00, on the 1st of the month"),
        ("0 3 1,15 * *", "at 03:00, on the 1st and the 15th of the month"),
        (
            "0 3 1-7 * +MON",
            "at 03:00, from the 1st to the 7th of the month, but only on Mondays",
        ),
        ("0 3 */2 * *", "at 03:00, every 2nd day of the month from the 1st on"),
        (
            "0 3 1-20/2 * *",
            "at 03:00, every 2nd day from the 1st to the 19th of the month",
        ),
        (
            "0 3 1-5,10,20-25 * *",
            "at 03:00, on days 1 to 5, 10 and 20 to 25 of the month",
        ),
        ("0 3 1,L * *", "at 03:00, on the 1st and on the last day of the month"),
        (
            "0 3 LW * *",
            "at 03:00, on the last working day (Monday to Friday) of the month",
        ),
        (
            "0 3 15W * *",
            "at 03:00, on the working day (Monday to Friday) nearest to the 15th of the month",
        ),
        ("0 3 * * 5#2", "at 03:00, on the second Friday of the month"),
        (
            "0 3 * * 1,5L",
            "at 03:00, on Mondays and on the last Friday of the month",
        ),
        ("0 3 * * 7", "at 03:00, on Sundays"),
        ("0 3 * * 5-7", "at 03:00, Friday to Sunday"),
        ("0 3 * * 0-2", "at 03:00, Sunday to Tuesday"),
        ("0 3 * * 1-7", "at 03:00, every day"),
        ("0 3 * * */2", "at 03:00, on Tuesdays, Thursdays, Saturdays and Sundays"),
        ("0 0 1 1 *", "at 00:00, on the 1st of the month, in January"),
        ("0 0 * 6-8 *", "at 00:00, every day, from June to August"),
        (
            "0 0 * */3 *",
            "at 00:00, every day, in January, April, July and October",
        ),
        (
            "0 0 13 * 5",
            "at 00:00, on the 13th of the month, and besides on Fridays",
        ),
        (
            "0 0 13 * 0-6",
            "at 00:00, on the 13th of the month, and besides every day",
        ),
        ("0 0 13 * +5", "at 00:00, on the 13th of the month, but only on Fridays"),
        ("0 0 13 * +0-6", "at 00:00, on the 13th of the month"),
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
    assert_eq!(every(5_400), "every 90 minutes, counted from 1970 on");
    assert_eq!(every(172_800), "every 2 days, counted from 1970 on");
    let once = Timing::read(TimingText {
        at: "2026-12-24T18:00",
        ..TimingText::default()
    })
    .expect("sound");
    assert_eq!(in_words(&once), "once, on 2026-12-24 at 18:00");
}

#[test]
fn an_ambiguous_timing_is_warned_of() {
    let told = |text: &str| warnings(&timing(text)).join("\n");
    assert_eq!(
        told("0 0 13 * 5"),
        "both days are given, and either is enough (on the 13th of the month, or on Fridays); a `+` before the day of the week asks for both"
    );
    assert_eq!(told("0 0 13 * +5"), "");
    assert_eq!(
        told("*/25 * * * *"),
        "`*/25` begins anew at minute 0, so after minute 50 the next time comes 10 minutes later, not 25; `every` keeps its pace"
    );
    assert_eq!(told("0 */5 * * *").lines().count(), 1);
    assert_eq!(told("*/15 */6 * * *"), "");
}
