//! Status of schedules: whether each does what is expected of it.

use super::asked::late;
use super::due::Times;
use super::known::KnownSchedule;
use crate::db::DbError;
use crate::ledger::Ledger;
use crate::ledger::fires::{Fire, FireReason, FireState, OpenFire};
use crate::ledger::schedules::Schedule;
use crate::moment::rfc3339;

/// A time that has come for longer than this, and that nobody has begun, is told.
const UNSERVED: i64 = 5 * 60_000;

/// How it stands with a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleStatus {
    /// It does what it should.
    Well,
    /// It does nothing, since somebody has said so.
    Paused,
    /// It does nothing, since it has failed too often.
    Stopped,
    /// Its time has come and nobody serves it, or it has had no success for too long.
    Overdue,
    /// Its last fire failed.
    Failing,
    /// It cannot be read here.
    Unreadable,
}

impl ScheduleStatus {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Well,
        Self::Paused,
        Self::Stopped,
        Self::Overdue,
        Self::Failing,
        Self::Unreadable,
    ];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Overdue => "overdue",
            Self::Failing => "failing",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether nobody has to do anything about it.
    pub(crate) fn is_fine(self) -> bool {
        matches!(self, Self::Well | Self::Paused)
    }
}

/// A schedule and how it stands with it.
pub(crate) struct StandingSchedule {
    /// The schedule.
    pub(crate) schedule: Schedule,
    /// The same, read, if it can be.
    pub(crate) known: Option<KnownSchedule>,
    /// How it stands.
    pub(crate) status: ScheduleStatus,
    /// Why, with its name and what to do; empty if all is well.
    pub(crate) says: String,
}

/// How it stands with all schedules, by name.
pub(crate) async fn standing(ledger: &Ledger) -> Result<Vec<StandingSchedule>, DbError> {
    let schedules = ledger.schedules().await?;
    if schedules.is_empty() {
        return Ok(Vec::new());
    }
    let (mut last, open) = (ledger.last_fires().await?, ledger.open_fires().await?);
    let now = ledger.clock().now_millis();
    let judged = schedules.into_iter().map(|schedule| {
        let known = KnownSchedule::read(schedule.clone(), None);
        let first = open.iter().find(|open| open.fire.schedule == schedule.name);
        let fires = (last.remove(&schedule.name), first);
        let (status, says) = judged(&schedule, known.as_ref(), fires, now);
        StandingSchedule {
            known: known.ok(),
            schedule,
            status,
            says,
        }
    });
    Ok(judged.collect())
}

/// How it stands with a schedule whose last fire and first open one are these.
fn judged(
    schedule: &Schedule,
    known: Result<&KnownSchedule, &Vec<String>>,
    (last, open): (Option<Fire>, Option<&OpenFire>),
    now: i64,
) -> (ScheduleStatus, String) {
    let name = &schedule.name;
    let known = match known {
        Ok(known) => known,
        Err(faults) => {
            let says = format!("{name} cannot be read here: {}", faults.join("; "));
            return (ScheduleStatus::Unreadable, says);
        }
    };
    if let Some(pause) = schedule.pause_at(now) {
        if pause.by == "tenantry" {
            let why = &pause.because;
            let says = format!("{name} is paused, because {why}; `tenantry schedules resume {name}` goes on");
            return (ScheduleStatus::Stopped, says);
        }
        let until = pause
            .until
            .map_or_else(String::new, |until| format!(" until {}", rfc3339(until)));
        let because = match pause.because.as_str() {
            "" => String::new(),
            because => format!(", because {because}"),
        };
        return (
            ScheduleStatus::Paused,
            format!("{name} is paused{until} by {}{because}", pause.by),
        );
    }
    if let Some(at) = unserved(known, open, now) {
        let says = format!(
            "{name} was due at {} and nobody has begun it; start a `tenantry worker` without --no-intakes",
            rfc3339(at)
        );
        return (ScheduleStatus::Overdue, says);
    }
    if let Some(told) = late(known, now) {
        let says = format!("{name}: {told}; `tenantry schedules show {name}` shows its history");
        return (ScheduleStatus::Overdue, says);
    }
    if last.is_none() && open.is_none() && Times::after(&known.timing, schedule.defined_at).next().is_none() {
        let says = format!(
            "{name} is never due: none of its times lies after {}, when it was defined",
            rfc3339(schedule.defined_at)
        );
        return (ScheduleStatus::Failing, says);
    }
    match last.filter(|fire| fire.state == FireState::Failed) {
        Some(failed) => (ScheduleStatus::Failing, format!("{name}: {}", failure(&failed))),
        None => (ScheduleStatus::Well, String::new()),
    }
}

/// When a time came that no worker has looked at, or whose fire none has taken in hand.
fn unserved(known: &KnownSchedule, open: Option<&OpenFire>, now: i64) -> Option<i64> {
    let first = Times::after(&known.timing, known.schedule.considered_until).next();
    let unseen = first.map(|time| time.at);
    // One that waits for its file is looked at again and again.
    let is_left = |open: &&OpenFire| {
        matches!(open.fire.state, FireState::Due | FireState::Waiting)
            && open.lease_until.is_none_or(|until| until < now)
    };
    let unbegun = open.filter(is_left).map(|open| open.fire.look_at);
    unseen
        .into_iter()
        .chain(unbegun)
        .filter(|at| *at < now - UNSERVED)
        .min()
}

/// The outcome of a fire that failed.
fn failure(fire: &Fire) -> String {
    let why = fire.reason.map_or("", FireReason::as_str);
    let detail = fire.detail.as_deref().unwrap_or_default();
    let mut lines = detail.lines();
    let first = lines.next().unwrap_or_default();
    // The last line says where all of it is.
    match lines.next_back() {
        Some(last) => format!("{} failed ({why}): {first}; {last}", fire.nominal),
        None => format!("{} failed ({why}): {first}", fire.nominal),
    }
}

#[cfg(test)]
mod tests;
