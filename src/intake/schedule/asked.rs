//! Requests of people about schedules: looking them up, fires by hand, pauses, and times made up for.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use tenantry_jobs::{did_you_mean, nearest};
use thiserror::Error;

use super::due::{self, DueTime, MOST_CAUGHT_UP, MissedPolicy, Span, Times};
use super::known::{KnownSchedule, moment};
use super::reach::Reach;
use super::rows::{self, FileWatch, FoundRows};
use crate::config::AfterRun;
use crate::db::DbError;
use crate::ledger::Actor;
use crate::ledger::fires::{Fire, FireCause, FireReason, FireState, NewFire};
use crate::ledger::schedules::{Schedule, ScheduleChange, ScheduleDefinition, ScheduleRefusal};
use crate::moment::rfc3339;
use crate::plan::RowSource;
use crate::service::Service;

/// Times that a backfill makes up for at once at most.
const MOST_BACKFILLED: usize = 1_000;
/// How often a file that may still be written to is looked at for a rehearsal, and how long after each other.
const MOST_LOOKS: usize = 60;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How far before or after a time the nearest due one is looked for.
const NEAR: i64 = 366 * 24 * 3_600_000;

/// Why something about a schedule was not done.
#[derive(Debug, Error)]
pub(crate) enum ScheduleError {
    /// No such schedule.
    #[error("there is no schedule `{name}`{near}")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// What may have been meant.
        near: String,
    },
    /// The schedule cannot be read here.
    #[error("schedule {name} cannot be read here:\n  {}", faults.join("\n  "))]
    Unreadable {
        /// Its name.
        name: String,
        /// Everything that is wrong with it.
        faults: Vec<String>,
    },
    /// A time was not understood.
    #[error("`{text}` is no time; expected one such as `2026-12-24T18:00` (in {zone}) or `2026-12-24T17:00:00Z`")]
    NoTime {
        /// As it was written.
        text: String,
        /// The schedule's zone.
        zone: String,
    },
    /// Nothing is due then.
    #[error("schedule {name} is not due at {at}{near}")]
    NotDue {
        /// Its name.
        name: String,
        /// The time asked for.
        at: String,
        /// When it is due nearby.
        near: String,
    },
    /// Times of the future are not made up for.
    #[error("{0} is in the future; a backfill makes up for times that have passed")]
    Future(String),
    /// Too many times.
    #[error("those are more than {MOST_BACKFILLED} times; make up for them in several parts")]
    TooMany,
    /// The ledger refused.
    #[error(transparent)]
    Refused(#[from] ScheduleRefusal),
    /// The ledger cannot be asked.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn done(change: ScheduleChange) -> Result<(), ScheduleError> {
    match change {
        ScheduleChange::Done => Ok(()),
        ScheduleChange::Refused(why) => Err(why.into()),
    }
}

/// A time that could be made up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackfillTime {
    /// The time.
    pub(crate) time: DueTime,
    /// Why it is left out; `None` of one that is made up for.
    pub(crate) left_out: Option<FireState>,
}

/// Schedules, for somebody who asks.
#[derive(Clone, Copy)]
pub(crate) struct Schedules<'s> {
    /// The service.
    pub(crate) service: &'s Service,
}

impl Schedules<'_> {
    fn now(self) -> i64 {
        self.service.ledger.clock().now_millis()
    }

    /// All schedules, by name; those that cannot be read here with their faults.
    pub(crate) async fn all(self) -> Result<Vec<(Schedule, Result<KnownSchedule, Vec<String>>)>, ScheduleError> {
        let schedules = self.service.patiently(|| self.service.ledger.schedules()).await?;
        let read = |schedule: Schedule| (schedule.clone(), KnownSchedule::read(schedule, None));
        Ok(schedules.into_iter().map(read).collect())
    }

    /// Why a worker with this machine's configuration would not read the schedule's files, or not put them away; as a sentence without a full stop.
    pub(crate) fn unreached(self, known: &KnownSchedule) -> Option<String> {
        let reach = Reach::of(self.service.settings.schedule_roots.clone());
        let now = self.now();
        let local = known.local_of("", now);
        let read = known
            .config
            .file()
            .map(|file| file.place(local, &known.schedule.name).directory);
        let put_away = match &known.config.after {
            AfterRun::Archive(directory) => Some(directory.path(local, &known.schedule.name)),
            AfterRun::Leave => None,
        };
        let directories = [read, put_away].into_iter().flatten();
        directories
            .map(|directory| reach.check(&directory))
            .find_map(Result::err)
    }

    /// The schedule of that name.
    pub(crate) async fn find(self, name: &str) -> Result<KnownSchedule, ScheduleError> {
        let found = self.service.patiently(|| self.service.ledger.schedule(name)).await?;
        let Some(schedule) = found.filter(|found| found.retired_at.is_none()) else {
            let all = self.service.patiently(|| self.service.ledger.schedules()).await?;
            let near = nearest(name, all.iter().map(|one| one.name.as_str()));
            return Err(ScheduleError::Unknown {
                name: name.to_owned(),
                near: did_you_mean(near),
            });
        };
        KnownSchedule::read(schedule, None).map_err(|faults| ScheduleError::Unreadable {
            name: name.to_owned(),
            faults,
        })
    }

    /// The due time that somebody wrote, or else now.
    pub(crate) fn due_or_now(self, known: &KnownSchedule, due: Option<&str>) -> Result<DueTime, ScheduleError> {
        match due {
            Some(due) => due_at(known, time_of(known, due)?),
            None => Ok(moment(self.now())),
        }
    }

    /// The rows that would be submitted at a time, each file as a job of its own; or why there are none. A file that may still be
    /// written to is looked at for a while.
    pub(crate) async fn rows(self, known: &KnownSchedule, time: &DueTime) -> Result<Vec<RowSource>, String> {
        let watch = FileWatch::anywhere();
        for _ in 0..MOST_LOOKS {
            let elapsed = self.service.ledger.clock().elapsed_millis();
            match watch.rehearse(known, time, (self.now(), elapsed)).await {
                FoundRows::Row(source) => return Ok(vec![source]),
                FoundRows::File { path, others } => {
                    return Ok(std::iter::once(&path)
                        .chain(&others)
                        .map(|path| rows::source(known, path))
                        .collect());
                }
                FoundRows::Ends(_, _, why) => return Err(why),
                FoundRows::NotYet(..) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        Err("its file was not whole for as long as it was looked at".to_owned())
    }

    /// Fires once, now, as if it were `time`.
    pub(crate) async fn run(self, known: &KnownSchedule, time: DueTime, by: &Actor) -> Result<(), ScheduleError> {
        let fire = NewFire {
            starts: self.now(),
            ..due::fire(time, FireCause::Manual, 0)
        };
        self.add(known, vec![fire], by).await
    }

    async fn add(self, known: &KnownSchedule, fires: Vec<NewFire>, by: &Actor) -> Result<(), ScheduleError> {
        let schedule = &known.schedule;
        let added = self
            .service
            .ledger
            .add_fires(&schedule.name, schedule.revision, fires, by)
            .await?;
        done(added)
    }

    /// Passes over a time to come.
    pub(crate) async fn skip(self, known: &KnownSchedule, time: DueTime, by: &Actor) -> Result<(), ScheduleError> {
        let schedule = &known.schedule;
        let fire = due::passed_over(time, FireReason::ByHand);
        let skipped = self
            .service
            .ledger
            .skip_time(&schedule.name, schedule.revision, fire, by)
            .await?;
        done(skipped)
    }

    /// Ends a pause. How many times of it are made up for: as the schedule makes up for missed ones, if that is asked for.
    pub(crate) async fn resume(
        self,
        known: &KnownSchedule,
        catches_up: bool,
        by: &Actor,
    ) -> Result<usize, ScheduleError> {
        let now = self.now();
        let look = due::look_at_end_of_pause(&known.schedule, &known.timing, &known.rules, now);
        let since = known.schedule.pause.as_ref().map_or(now, |pause| pause.at);
        let most = match (catches_up, known.rules.missed) {
            (false, _) | (_, MissedPolicy::None) => 0,
            (true, MissedPolicy::Last) => 1,
            (true, MissedPolicy::All) => MOST_CAUGHT_UP,
        };
        let span = Span {
            times: &known.timing,
            from: since,
            to: now,
        };
        let times = if most == 0 { Vec::new() } else { span.newest(most) };
        let caught_up: Vec<NewFire> = times
            .into_iter()
            .map(|time| due::fire(time, FireCause::CatchUp, 0))
            .collect();
        let count = caught_up.len();
        done(self.service.ledger.resume_schedule(look, caught_up, by).await?)?;
        Ok(count)
    }

    /// The due times from one instant to another, and which of them need not be made up for.
    pub(crate) async fn to_backfill(
        self,
        known: &KnownSchedule,
        (from, to): (i64, i64),
        again: bool,
    ) -> Result<Vec<BackfillTime>, ScheduleError> {
        if to > self.now() {
            return Err(ScheduleError::Future(rfc3339(to)));
        }
        let span = Span {
            times: &known.timing,
            from: from - 1,
            to,
        };
        let times: Vec<DueTime> = span.all().take(MOST_BACKFILLED + 1).collect();
        if times.len() > MOST_BACKFILLED {
            return Err(ScheduleError::TooMany);
        }
        let done = self.service.ledger.times_done(&known.schedule.name, from, to).await?;
        let left_out = |at: i64| {
            let mut states = done.iter().filter(|(due, _)| *due == at).map(|(_, state)| *state);
            states.find(|state| !again || *state != FireState::Ended)
        };
        let one = |time: DueTime| BackfillTime {
            left_out: left_out(time.at),
            time,
        };
        Ok(times.into_iter().map(one).collect())
    }

    /// Makes up for times, in their order.
    pub(crate) async fn backfill(
        self,
        known: &KnownSchedule,
        times: &[BackfillTime],
        by: &Actor,
    ) -> Result<usize, ScheduleError> {
        let wanted = times.iter().filter(|one| one.left_out.is_none());
        let fires: Vec<NewFire> = wanted
            .map(|one| due::fire(one.time.clone(), FireCause::Backfill, 0))
            .collect();
        let count = fires.len();
        self.add(known, fires, by).await?;
        Ok(count)
    }

    /// The last fires of a schedule, the newest first.
    pub(crate) async fn history(self, name: &str, limit: u64) -> Result<Vec<Fire>, ScheduleError> {
        Ok(self
            .service
            .patiently(|| self.service.ledger.fires(name, limit))
            .await?)
    }

    /// Defines a schedule, or changes one.
    pub(crate) async fn define(
        self,
        definition: ScheduleDefinition,
        is_new: bool,
        by: &Actor,
    ) -> Result<(), ScheduleError> {
        done(self.service.ledger.define_schedule(definition, is_new, by).await?)
    }

    /// Removes a schedule.
    pub(crate) async fn remove(self, known: &KnownSchedule, by: &Actor) -> Result<(), ScheduleError> {
        done(self.service.ledger.remove_schedule(&known.schedule.name, by).await?)
    }

    /// Lets a schedule do nothing for a while.
    pub(crate) async fn pause(
        self,
        known: &KnownSchedule,
        (because, until): (&str, Option<i64>),
        by: &Actor,
    ) -> Result<(), ScheduleError> {
        done(
            self.service
                .ledger
                .pause_schedule(&known.schedule.name, by, because, until)
                .await?,
        )
    }
}

/// A time that somebody wrote: an instant, or a civil time in the schedule's zone.
pub(crate) fn time_of(known: &KnownSchedule, text: &str) -> Result<i64, ScheduleError> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let civil = text.parse::<DateTime>();
    let civil = civil.or_else(|_| text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    let zone = known.timing.zone();
    let zoned = civil.and_then(|civil| zone.rules().to_timestamp(civil));
    zoned.map(Timestamp::as_millisecond).map_err(|_| ScheduleError::NoTime {
        text: text.to_owned(),
        zone: zone.name().to_owned(),
    })
}

/// The due time at that instant.
pub(crate) fn due_at(known: &KnownSchedule, at: i64) -> Result<DueTime, ScheduleError> {
    let span = |from, to| Span {
        times: &known.timing,
        from,
        to,
    };
    if let Some(time) = span(at - 1, at).newest(1).pop() {
        return Ok(time);
    }
    let before = span(at - NEAR, at).newest(1).pop();
    let after = Times::after(&known.timing, at).next();
    let near: Vec<String> = before.into_iter().chain(after).map(|time| rfc3339(time.at)).collect();
    Err(ScheduleError::NotDue {
        name: known.schedule.name.clone(),
        at: rfc3339(at),
        near: match near.as_slice() {
            [] => String::new(),
            near => format!("; it is at {}", near.join(" and ")),
        },
    })
}

/// The next due times of a schedule.
pub(crate) fn upcoming(known: &KnownSchedule, now: i64, most: usize) -> Vec<DueTime> {
    Times::after(&known.timing, now).take(most).collect()
}

/// That a schedule has had no success for longer than is expected of it.
pub(crate) fn late(known: &KnownSchedule, now: i64) -> Option<String> {
    let within = known.config.expect_within?;
    let since = known.schedule.succeeded_at.unwrap_or(known.schedule.defined_at);
    let is_late = now - since > i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    is_late.then(|| {
        let last = match known.schedule.succeeded_at {
            Some(at) => format!("the last success was at {}", rfc3339(at)),
            None => format!("there has been none since it was defined at {}", rfc3339(since)),
        };
        format!("a success is expected every {within:?}, and {last}")
    })
}
