//! A schedule of the ledger, read: what its definition says, and when it is due.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use tenantry_jobs::{JobKind, did_you_mean};

use super::due::{DueRules, DueTime, MissedPolicy, OverlapPolicy, Times};
use crate::config::{Missed, Overlap, Pick, ScheduleConfig};
use crate::ledger::fires::Fire;
use crate::ledger::schedules::Schedule;
use crate::moment::rfc3339;
use crate::timing::{Due, PathTemplate, Timing};

/// A schedule that can be read here.
#[derive(Clone)]
pub(crate) struct KnownSchedule {
    /// As the ledger has it.
    pub(crate) schedule: Schedule,
    /// What its definition says.
    pub(crate) config: ScheduleConfig,
    /// The kind of its jobs.
    pub(crate) kind: &'static dyn JobKind,
    /// When it is due.
    pub(crate) timing: Timing,
    /// How times that have passed are handled.
    pub(crate) rules: DueRules,
    /// Where its file is; `None` of kinds that need none.
    pub(crate) file: Option<PathTemplate>,
    /// Where its results go.
    pub(crate) out: Option<PathTemplate>,
}

impl Times for Timing {
    fn after(&self, instant: i64) -> Box<dyn Iterator<Item = DueTime> + '_> {
        match Timestamp::from_millisecond(instant) {
            Ok(instant) => Box::new(Timing::after(self, instant).map(due_time)),
            Err(_) => Box::new(std::iter::empty()),
        }
    }
}

fn due_time(due: Due) -> DueTime {
    DueTime {
        at: due.at.as_millisecond(),
        nominal: due.nominal,
    }
}

impl KnownSchedule {
    /// Reads a schedule, or says everything that is wrong with it. What a reading before found of the same definition is kept.
    pub(crate) fn read(schedule: Schedule, before: Option<&KnownSchedule>) -> Result<Self, Vec<String>> {
        if let Some(before) = before.filter(|before| before.schedule.definition == schedule.definition) {
            return Ok(Self {
                schedule,
                ..before.clone()
            });
        }
        let config: ScheduleConfig =
            serde_json::from_str(&schedule.definition).map_err(|error| vec![error.to_string()])?;
        let told = |faults: Vec<(&str, String)>| {
            faults
                .into_iter()
                .map(|(key, fault)| format!("`{key}`: {fault}"))
                .collect::<Vec<_>>()
        };
        let timing = config.timing().map_err(told)?;
        let kind = tenantry_jobs::find(&config.kind)
            .map_err(|near| vec![format!("there is no kind `{}`{}", config.kind, did_you_mean(near))])?;
        let (file, out) = (config.file(), config.out());
        let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
        Ok(Self {
            rules: DueRules {
                missed: match config.missed {
                    Missed::Last => MissedPolicy::Last,
                    Missed::All => MissedPolicy::All,
                    Missed::None => MissedPolicy::None,
                },
                within: millis(config.missed_within),
                jitter: millis(config.jitter),
            },
            schedule,
            config,
            kind,
            timing,
            file,
            out,
        })
    }

    /// The same by the rules of its zone as they are now, and what that changes about its next time, for people.
    pub(crate) fn anew(&self, now: i64) -> Result<(Self, Option<String>), Vec<String>> {
        let anew = Self::read(self.schedule.clone(), None)?;
        let moved = self.moved_to(&anew, now);
        Ok((anew, moved))
    }

    /// That the next time of the other is the same by its name, and comes at another moment.
    fn moved_to(&self, anew: &Self, now: i64) -> Option<String> {
        let next = |known: &Self| Times::after(&known.timing, now).next();
        let (before, after) = (next(self)?, next(anew)?);
        (before.at != after.at).then(|| {
            format!(
                "by the rules of {} as they are now it is next due at {} ({}), and not at {} ({}) any more",
                anew.timing.zone().name(),
                rfc3339(after.at),
                after.nominal,
                rfc3339(before.at),
                before.nominal
            )
        })
    }

    /// What happens to a fire whose predecessor has not ended.
    pub(crate) fn overlap(&self) -> OverlapPolicy {
        match self.config.overlap {
            Overlap::Skip => OverlapPolicy::Skip,
            Overlap::WaitOne => OverlapPolicy::WaitOne,
            Overlap::Wait => OverlapPolicy::Wait,
            Overlap::Allow => OverlapPolicy::Allow,
            Overlap::Supersede => OverlapPolicy::Supersede,
        }
    }

    /// The civil time that the placeholders of a fire's files stand for.
    pub(crate) fn local_of(&self, nominal: &str, due: i64) -> DateTime {
        let at = || {
            self.timing
                .zone()
                .rules()
                .to_datetime(Timestamp::from_millisecond(due).unwrap_or_default())
        };
        self.timing.local_of(nominal).unwrap_or_else(at)
    }

    /// Where the results of a fire with that file go. Where each of several files is a job, each has a directory of its name.
    pub(crate) fn out_of(&self, fire: &Fire, file: Option<&Path>) -> Option<PathBuf> {
        let local = self.local_of(&fire.nominal, fire.due);
        let mut path = self.out.as_ref()?.path(local, &self.schedule.name);
        if let (Pick::All, Some(name)) = (self.config.pick, file.and_then(Path::file_name)) {
            path.push(name);
        }
        Some(std::path::absolute(&path).unwrap_or(path))
    }
}

/// This moment, as a time of a schedule.
pub(crate) fn moment(now: i64) -> DueTime {
    let at = Timestamp::from_millisecond(now).unwrap_or_default();
    DueTime {
        nominal: at.to_string(),
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::ledger::schedules::ScheduleSource;

    fn nightly(zone: &str) -> KnownSchedule {
        let keys = [
            ("kind", "export-customers"),
            ("set.what", "customers"),
            ("cron", "30 2 * * *"),
            ("time_zone", zone),
        ];
        let values = keys.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::schedule("s", &values, "a test").expect("sound");
        let schedule = Schedule {
            name: "s".to_owned(),
            source: ScheduleSource::Cli,
            definition: serde_json::to_string(&config).expect("JSON"),
            timing: String::new(),
            revision: 1,
            considered_until: 0,
            defined_by: "ada".to_owned(),
            defined_at: 0,
            pause: None,
            failures: 0,
            succeeded_at: None,
            retired_at: None,
        };
        KnownSchedule::read(schedule, None).expect("sound")
    }

    #[test]
    fn a_time_that_other_rules_of_its_zone_move_is_told() {
        let now = 1_800_000_000_000;
        let berlin = nightly("Europe/Berlin");
        let (_, moved) = berlin.anew(now).expect("sound");
        assert_eq!(moved, None, "the rules are what they were");
        // As if the country had changed its clocks.
        let moved = berlin.moved_to(&nightly("Europe/London"), now).expect("moved");
        for expected in ["2027-01-16T02:30:00Z", "2027-01-16T01:30:00Z", "(2027-01-16T02:30/1)"] {
            assert!(moved.contains(expected), "{moved}");
        }
    }
}
