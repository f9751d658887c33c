//! Due times of a schedule, and whether a fire may begin: pure, given the time.
//!
//! A look goes over the due times since the last one. Those of the last minute fire; earlier ones were missed, and the schedule
//! says which of them are made up for: the newest (`last`), each in order (`all`), or none. What is not is recorded all the same,
//! times in a row as one. Nothing is read in full that can be large: of years of missed times only the newest are computed, and
//! the others counted up to a bound.
//!
//! A clock that was put back makes nothing fire again (the ledger keys fires by their nominal times), and nothing silent: what
//! had been looked at beyond now is forgotten. One that was put forward by mistake makes one time fire, or as many as are made up
//! for, and one record of the others.

use crate::ledger::fires::{DueLook, FireCause, FireReason, NewFire, SkippedTimes};
use crate::ledger::schedules::Schedule;
use crate::ledger::{JobId, JobState};

/// A time that is this late was missed.
pub(crate) const LATE: i64 = 60_000;
/// How far beyond now due times may have been looked at; clocks of workers differ a little.
const AHEAD: i64 = 60_000;
/// Missed times that are made up for at most.
pub(crate) const MOST_CAUGHT_UP: usize = 100;
/// Missed times that are counted one by one at most.
const MOST_COUNTED: u64 = 10_000;
/// The first stretch that is searched backwards for due times.
const STRETCH: i64 = 2 * LATE;

/// A due time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueTime {
    /// As the schedule says it; the key of its fire.
    pub(crate) nominal: String,
    /// Its instant, in milliseconds since the epoch.
    pub(crate) at: i64,
}

/// Something that says due times.
pub(crate) trait Times {
    /// The due times after an instant, ascending.
    fn after(&self, instant: i64) -> Box<dyn Iterator<Item = DueTime> + '_>;
}

/// How missed times are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MissedPolicy {
    /// The newest one fires.
    Last,
    /// Each fires, in order.
    All,
    /// None fires.
    None,
}

/// What a look goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueRules {
    /// How missed times are handled.
    pub(crate) missed: MissedPolicy,
    /// How long ago a time may have been that is made up for.
    pub(crate) within: i64,
    /// The longest that a fire begins after its time; how long exactly is the same for every fire of a schedule.
    pub(crate) jitter: i64,
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    /// What to record; nothing where nothing is to be.
    pub(crate) record: Option<DueLook>,
    /// How far beyond now had been looked at, if the clock was put back.
    pub(crate) was_ahead: Option<i64>,
    /// When the next time is due.
    pub(crate) next: Option<i64>,
}

/// Looks at what has become due of a schedule up to `now`.
pub(crate) fn look(schedule: &Schedule, times: &dyn Times, rules: &DueRules, now: i64) -> Looked {
    let next = times.after(now).next().map(|time| time.at);
    let mut record = DueLook {
        schedule: schedule.name.clone(),
        revision: schedule.revision,
        from: schedule.considered_until,
        paused_at: schedule.pause.as_ref().map(|pause| pause.at),
        until: now,
        fires: Vec::new(),
    };
    let was_ahead = Some(schedule.considered_until - now).filter(|ahead| *ahead > AHEAD);
    if was_ahead.is_some() {
        return Looked {
            record: Some(record),
            was_ahead,
            next,
        };
    }
    let span = Span {
        times,
        from: schedule.considered_until,
        to: now,
    };
    match &schedule.pause {
        None => record.fires = fires_of(&span, schedule, rules, now),
        // Recorded as one when it ends, however that comes about.
        Some(pause) if pause.until.is_none_or(|until| now < until) => {
            record.fires = fires_of(&span.part(span.from, pause.at), schedule, rules, now);
            record.until = pause.at.max(span.from);
        }
        Some(pause) => {
            let ends = pause.until.map_or(now, |until| until - 1);
            record.fires = through_pause(&span, schedule, rules, (ends, now));
            let after = span.part(ends, now);
            record.fires.extend(fires_of(&after, schedule, rules, now));
        }
    }
    Looked {
        record: (!record.fires.is_empty()).then_some(record),
        was_ahead,
        next,
    }
}

/// What is to be recorded when somebody ends a pause now.
pub(crate) fn look_at_end_of_pause(schedule: &Schedule, times: &dyn Times, rules: &DueRules, now: i64) -> DueLook {
    let from = schedule.considered_until.min(now);
    let span = Span { times, from, to: now };
    DueLook {
        schedule: schedule.name.clone(),
        revision: schedule.revision,
        from: schedule.considered_until,
        paused_at: schedule.pause.as_ref().map(|pause| pause.at),
        until: now,
        fires: through_pause(&span, schedule, rules, (now, now)),
    }
}

/// What is to be recorded up to the end of a pause.
fn through_pause(span: &Span<'_>, schedule: &Schedule, rules: &DueRules, (ends, now): (i64, i64)) -> Vec<NewFire> {
    let at = schedule.pause.as_ref().map_or(ends, |pause| pause.at);
    let mut fires = fires_of(&span.part(span.from, at), schedule, rules, now);
    fires.extend(span.part(at, ends).skipped(FireReason::Paused));
    fires
}

/// What is to be recorded of the due times in a span.
fn fires_of(span: &Span<'_>, schedule: &Schedule, rules: &DueRules, now: i64) -> Vec<NewFire> {
    let on_time = span.part(span.from.max(now - LATE), span.to);
    let timely: Vec<DueTime> = on_time.all().collect();
    let missed = span.part(span.from, span.to.min(now - LATE));
    let within = missed.part(missed.from.max(now - rules.within - 1), missed.to);
    let too_late = missed.part(missed.from, missed.to.min(now - rules.within - 1));
    let mut fires = Vec::new();
    let caught_up = match rules.missed {
        MissedPolicy::None => {
            fires.extend(missed.skipped(FireReason::Missed));
            Vec::new()
        }
        MissedPolicy::Last => {
            let newest = if timely.is_empty() {
                within.newest(1)
            } else {
                Vec::new()
            };
            match newest.first() {
                // All that came before stand behind the one time that fires.
                Some(first) => fires.extend(missed.part(missed.from, first.at - 1).skipped(FireReason::Superseded)),
                None if timely.is_empty() => fires.extend(missed.skipped(FireReason::TooLate)),
                None => fires.extend(missed.skipped(FireReason::Superseded)),
            }
            newest
        }
        MissedPolicy::All => {
            let newest = within.newest(MOST_CAUGHT_UP);
            fires.extend(too_late.skipped(FireReason::TooLate));
            if let Some(first) = newest.first() {
                fires.extend(within.part(within.from, first.at - 1).skipped(FireReason::TooMany));
            }
            newest
        }
    };
    fires.extend(caught_up.into_iter().map(|time| fire(time, FireCause::CatchUp, 0)));
    let jitter = jitter_of(&schedule.name, rules.jitter);
    fires.extend(timely.into_iter().map(|time| fire(time, FireCause::Due, jitter)));
    fires
}

/// A fire at that time.
pub(crate) fn fire(time: DueTime, cause: FireCause, jitter: i64) -> NewFire {
    NewFire {
        nominal: time.nominal,
        due: time.at,
        starts: time.at + jitter,
        cause,
        skipped: None,
    }
}

/// One time at which nothing is to be done.
pub(crate) fn passed_over(time: DueTime, reason: FireReason) -> NewFire {
    NewFire {
        skipped: Some(SkippedTimes {
            reason,
            last_nominal: time.nominal.clone(),
            last_due: time.at,
            times: 1,
        }),
        ..fire(time, FireCause::Due, 0)
    }
}

/// How long after its time a fire of that schedule begins: by a hash of its name, so that every worker says the same.
pub(crate) fn jitter_of(name: &str, longest: i64) -> i64 {
    if longest <= 0 {
        return 0;
    }
    // FNV-1a with a last mixing step; what it is made of must never change.
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    (hash % longest as u64) as i64
}

/// The due times after `from`, up to `to` inclusive.
pub(crate) struct Span<'t> {
    /// What says them.
    pub(crate) times: &'t dyn Times,
    /// After that instant.
    pub(crate) from: i64,
    /// Up to that one.
    pub(crate) to: i64,
}

impl<'t> Span<'t> {
    fn part(&self, from: i64, to: i64) -> Span<'t> {
        Span {
            times: self.times,
            from: from.max(self.from),
            to: to.min(self.to),
        }
    }

    /// All of them, ascending.
    pub(crate) fn all(&self) -> impl Iterator<Item = DueTime> + '_ {
        let to = self.to;
        let times = (self.from < to).then(|| self.times.after(self.from));
        times.into_iter().flatten().take_while(move |time| time.at <= to)
    }

    /// The newest of them, at most so many, ascending.
    pub(crate) fn newest(&self, most: usize) -> Vec<DueTime> {
        let mut stretch = STRETCH;
        loop {
            let part = self.part(self.to.saturating_sub(stretch), self.to);
            let mut found = std::collections::VecDeque::new();
            for time in part.all() {
                found.push_back(time);
                if found.len() > most {
                    found.pop_front();
                }
            }
            if found.len() == most || part.from == self.from || part.from >= part.to {
                return found.into();
            }
            stretch = stretch.saturating_mul(2);
        }
    }

    /// All of them as one record of times at which nothing is done.
    fn skipped(&self, reason: FireReason) -> Option<NewFire> {
        let mut all = self.all();
        let first = all.next()?;
        let (mut last, mut times) = (first.clone(), 1);
        for time in all.by_ref().take(MOST_COUNTED as usize) {
            last = time;
            times += 1;
        }
        drop(all);
        if times > MOST_COUNTED
            && let Some(newest) = self.newest(1).pop()
        {
            last = newest;
        }
        Some(NewFire {
            skipped: Some(SkippedTimes {
                reason,
                last_nominal: last.nominal,
                last_due: last.at,
                times,
            }),
            ..fire(first, FireCause::Due, 0)
        })
    }
}

/// What happens to a fire whose predecessor has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverlapPolicy {
    /// It is passed over.
    Skip,
    /// It waits, unless another one does already.
    WaitOne,
    /// It waits.
    Wait,
    /// It begins all the same.
    Allow,
    /// What waits for approval or its turn makes way for it; where something is at work it is passed over.
    Supersede,
}

/// A fire of the same schedule that came before and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FireAhead {
    /// The number of its record.
    pub(crate) seq: i64,
    /// Its job, and where that stands; `None` of one that has not begun.
    pub(crate) job: Option<(JobId, JobState)>,
}

/// Whether a fire may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FireTurn {
    /// Now.
    Begin,
    /// When what is ahead has ended.
    Wait,
    /// It is passed over, for what is ahead.
    Skip(FireAhead),
    /// When these have made way: a job that waits for approval is cancelled, a fire that has not begun passed over.
    After(Vec<FireAhead>),
}

/// Whether a fire may begin, given those that came before it and have not ended.
pub(crate) fn turn(overlap: OverlapPolicy, cause: FireCause, ahead: &[FireAhead]) -> FireTurn {
    let Some(first) = ahead.first() else {
        return FireTurn::Begin;
    };
    // Made up for and asked for is what would be lost otherwise: it always goes in turn.
    if cause != FireCause::Due {
        return FireTurn::Wait;
    }
    let is_at_work = |one: &&FireAhead| one.job.is_some_and(|(_, state)| state != JobState::AwaitingApproval);
    match overlap {
        OverlapPolicy::Allow => FireTurn::Begin,
        OverlapPolicy::Wait => FireTurn::Wait,
        OverlapPolicy::Skip => FireTurn::Skip(*first),
        OverlapPolicy::WaitOne => match ahead.iter().find(|one| one.job.is_none() && one.seq != first.seq) {
            Some(waiting) => FireTurn::Skip(*waiting),
            None => FireTurn::Wait,
        },
        OverlapPolicy::Supersede => match ahead.iter().find(is_at_work) {
            Some(at_work) => FireTurn::Skip(*at_work),
            None => FireTurn::After(ahead.to_vec()),
        },
    }
}

#[cfg(test)]
mod tests;
