//! Schedules: what is to happen by itself at certain times, and who said so.
//!
//! A schedule is defined by a section of the configuration (source `toml`) or by a command (source `cli`), never by both. Its
//! definition is kept as it was given, as JSON that only the intake reads; what the ledger itself goes by stands in columns. The
//! part that says *when* is kept apart (`timing`): a change of it begins a new revision whose due times are looked at from that
//! moment on, so that no edit makes anything happen in retrospect. A removed schedule is retired: it stays, with all it did, and
//! what was due and had not begun ends as `removed`.
//!
//! What people change is recorded in the audit record in the same transaction. Locks are taken in the order schedules, fires, audit
//! record.

use serde::{Deserialize, Serialize};

use super::audit::{self, Action, AuditEntry};
use super::{Actor, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx, Value};

/// Where the highest generation of a configuration is kept that has defined schedules.
const GENERATION: &str = "schedules_generation";
/// Where it is kept whose configuration the schedules are from.
const DEFINED_BY: &str = "schedules_defined_by";

/// Who says what a schedule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleSource {
    /// A section of the configuration.
    Toml,
    /// Somebody by a command.
    Cli,
}

impl ScheduleSource {
    /// The word in the ledger and on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            ScheduleSource::Toml => "toml",
            ScheduleSource::Cli => "cli",
        }
    }

    fn read(text: &str) -> Result<Self, DbError> {
        [Self::Toml, Self::Cli]
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| DbError::Broken(format!("`{text}` is no source of a schedule")))
    }
}

/// That a schedule does nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulePause {
    /// Since when.
    pub at: i64,
    /// Who said so.
    pub by: String,
    /// Why.
    pub because: String,
    /// Up to when; until somebody resumes it where this is `None`.
    pub until: Option<i64>,
}

/// A schedule as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Who says what it is.
    pub source: ScheduleSource,
    /// What it is, as JSON.
    pub definition: String,
    /// The part of it that says when, as JSON.
    pub timing: String,
    /// How often that has changed.
    pub revision: i64,
    /// Up to when due times have been looked at.
    pub considered_until: i64,
    /// Who defined it as it is; that person cannot approve its jobs.
    pub defined_by: String,
    /// When.
    pub defined_at: i64,
    /// Whether it does nothing for now.
    pub pause: Option<SchedulePause>,
    /// Fires in a row that failed.
    pub failures: u64,
    /// When a fire ended well last.
    pub succeeded_at: Option<i64>,
    /// When it was removed.
    pub retired_at: Option<i64>,
}

impl Schedule {
    /// The pause in force at that time.
    pub fn pause_at(&self, at: i64) -> Option<&SchedulePause> {
        self.pause
            .as_ref()
            .filter(|pause| at > pause.at && pause.until.is_none_or(|until| at < until))
    }
}

/// What a schedule is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleDefinition {
    /// Its name.
    pub name: String,
    /// All of it, as JSON.
    pub definition: String,
    /// The part of it that says when, as JSON.
    pub timing: String,
}

/// The schedules of a configuration.
#[derive(Debug, Clone)]
pub struct ScheduleSync {
    /// Each of them.
    pub definitions: Vec<ScheduleDefinition>,
    /// The generation of the configuration; one that is lower than what was seen defines nothing.
    pub generation: i64,
    /// Who has it.
    pub definer: ScheduleDefiner,
}

/// Whose configuration schedules are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDefiner {
    /// The machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// A hash of all sections.
    pub digest: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// The outcome of bringing the ledger in line with a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleSynced {
    /// Schedules that were not there.
    pub added: Vec<String>,
    /// Schedules that are something else now.
    pub changed: Vec<String>,
    /// Schedules that the configuration does not have any more.
    pub removed: Vec<String>,
    /// Names that a command has given to schedules of its own; those of the configuration are left out.
    pub taken: Vec<String>,
    /// A higher generation has been seen; nothing was changed.
    pub outdated: Option<i64>,
    /// Who had defined other schedules before.
    pub before: Option<ScheduleDefiner>,
}

/// The outcome of defining or changing a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ScheduleChange {
    /// It was done.
    Done,
    /// There is a schedule of that name, or there is none.
    Refused(ScheduleRefusal),
}

/// Why a schedule was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ScheduleRefusal {
    #[error("there is a schedule of that name already; `tenantry schedules edit` changes it")]
    Exists,
    #[error("there is no schedule of that name")]
    Unknown,
    #[error("the configuration defines that schedule; change it there")]
    OfConfiguration,
    #[error("the schedule is not paused")]
    NotPaused,
    #[error("the schedule has changed in the meantime; look at it again")]
    Changed,
    #[error("that time has been dealt with already")]
    TimeTaken,
}

const COLUMNS: &str =
    "name, source, definition, timing, revision, considered_until, defined_by, defined_at, paused_at, paused_by,
    paused_because, paused_until, failures, succeeded_at, retired_at";

fn read(row: &Row) -> Result<Schedule, DbError> {
    let pause = match row.opt_int(8)? {
        None => None,
        Some(at) => Some(SchedulePause {
            at,
            by: row.text_or_empty(9)?.to_owned(),
            because: row.text_or_empty(10)?.to_owned(),
            until: row.opt_int(11)?,
        }),
    };
    Ok(Schedule {
        name: row.text(0)?.to_owned(),
        source: ScheduleSource::read(row.text(1)?)?,
        definition: row.text(2)?.to_owned(),
        timing: row.text(3)?.to_owned(),
        revision: row.int(4)?,
        considered_until: row.int(5)?,
        defined_by: row.text(6)?.to_owned(),
        defined_at: row.int(7)?,
        pause,
        failures: row.int(12)? as u64,
        succeeded_at: row.opt_int(13)?,
        retired_at: row.opt_int(14)?,
    })
}

impl Ledger {
    /// The schedules that are not removed, by name.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, DbError> {
        self.db
            .read(|tx| {
                let sql = format!("SELECT {COLUMNS} FROM schedules WHERE retired_at IS NULL ORDER BY name");
                tx.query(&sql, &[])?.iter().map(read).collect()
            })
            .await
    }

    /// A schedule, removed or not.
    pub async fn schedule(&self, name: &str) -> Result<Option<Schedule>, DbError> {
        let name = name.to_owned();
        self.db.read(move |tx| find(tx, &name)).await
    }

    /// Whose configuration the schedules are from, and the highest generation seen.
    pub async fn schedules_defined_by(&self) -> Result<(Option<ScheduleDefiner>, i64), DbError> {
        self.db.read(|tx| Ok((definer(tx)?, generation(tx)?))).await
    }

    /// Brings the schedules in line with a configuration, all in one transaction.
    pub async fn sync_schedules(&self, sync: ScheduleSync) -> Result<ScheduleSynced, DbError> {
        let now = self.clock.now_millis();
        self.db.write(move |tx| synced(tx, &sync, now)).await
    }

    /// Defines a schedule (`is_new`), or changes one that was defined by a command.
    pub async fn define_schedule(
        &self,
        definition: ScheduleDefinition,
        is_new: bool,
        by: &Actor,
    ) -> Result<ScheduleChange, DbError> {
        let (by, now) = (by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let there = locked(tx, &definition.name)?;
                let live = there.as_ref().filter(|there| there.retired_at.is_none());
                let refusal = match (live, is_new) {
                    (Some(live), _) if live.source == ScheduleSource::Toml => Some(ScheduleRefusal::OfConfiguration),
                    (Some(_), true) => Some(ScheduleRefusal::Exists),
                    (None, false) => Some(ScheduleRefusal::Unknown),
                    _ => None,
                };
                if let Some(refusal) = refusal {
                    return Ok(ScheduleChange::Refused(refusal));
                }
                let action = if is_new { Action::Defined } else { Action::Changed };
                put(tx, &definition, there.as_ref(), (ScheduleSource::Cli, &by.name), now)?;
                let note = format!("schedule {}: {}", definition.name, definition.definition);
                audit::append(tx, now, &AuditEntry::own(action, note).by(&by))?;
                Ok(ScheduleChange::Done)
            })
            .await
    }

    /// Removes a schedule that was defined by a command. What was due and has not begun is not done.
    pub async fn remove_schedule(&self, name: &str, by: &Actor) -> Result<ScheduleChange, DbError> {
        let (name, by, now) = (name.to_owned(), by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let refusal = match live(tx, &name)? {
                    None => Some(ScheduleRefusal::Unknown),
                    Some(there) if there.source == ScheduleSource::Toml => Some(ScheduleRefusal::OfConfiguration),
                    Some(_) => None,
                };
                if let Some(refusal) = refusal {
                    return Ok(ScheduleChange::Refused(refusal));
                }
                retire(tx, &name, now)?;
                audit::append(
                    tx,
                    now,
                    &AuditEntry::own(Action::Removed, format!("schedule {name}")).by(&by),
                )?;
                Ok(ScheduleChange::Done)
            })
            .await
    }

    /// Lets a schedule do nothing until it is resumed, or until `until`.
    pub async fn pause_schedule(
        &self,
        name: &str,
        by: &Actor,
        because: &str,
        until: Option<i64>,
    ) -> Result<ScheduleChange, DbError> {
        let (name, by, because, now) = (name.to_owned(), by.clone(), because.to_owned(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let Some(there) = live(tx, &name)? else {
                    return Ok(ScheduleChange::Refused(ScheduleRefusal::Unknown));
                };
                let pause = SchedulePause {
                    // One that is in force goes on, and has been since it began.
                    at: there.pause_at(now).map_or(now, |pause| pause.at),
                    by: by.name.clone(),
                    because,
                    until,
                };
                set_pause(tx, &name, &pause)?;
                audit::append(
                    tx,
                    now,
                    &AuditEntry::own(Action::Paused, pause_note(&name, &pause)).by(&by),
                )?;
                Ok(ScheduleChange::Done)
            })
            .await
    }
}

/// Removes a schedule: it stays with what it did, and what is due and has not begun is not done any more.
fn retire(tx: &mut dyn Tx, name: &str, now: i64) -> Result<(), DbError> {
    tx.send(
        "UPDATE schedules SET retired_at = $2, paused_at = NULL, paused_by = NULL, paused_because = NULL, paused_until = NULL
         WHERE name = $1",
        &[name.into(), now.into()],
    )?;
    tx.send(
        "UPDATE fires SET state = 'skipped', reason = 'removed', fence = fence + 1, ended_at = $2
         WHERE schedule = $1 AND state IN ('due', 'waiting')",
        &[name.into(), now.into()],
    )
}

/// What is recorded of a pause.
pub(super) fn pause_note(name: &str, pause: &SchedulePause) -> String {
    let because = match pause.because.as_str() {
        "" => String::new(),
        because => format!(", because {because}"),
    };
    let until = pause.until.map_or_else(String::new, |until| {
        format!(" until {}", tenantry_foundation::moment::rfc3339(until))
    });
    format!("schedule {name}{until}{because}")
}

pub(super) fn set_pause(tx: &mut dyn Tx, name: &str, pause: &SchedulePause) -> Result<(), DbError> {
    tx.send(
        "UPDATE schedules SET paused_at = $2, paused_by = $3, paused_because = $4, paused_until = $5 WHERE name = $1",
        &[
            name.into(),
            pause.at.into(),
            pause.by.as_str().into(),
            pause.because.as_str().into(),
            pause.until.into(),
        ],
    )
}

fn find(tx: &mut dyn Tx, name: &str) -> Result<Option<Schedule>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM schedules WHERE name = $1");
    tx.query_first(&sql, &[name.into()])?.as_ref().map(read).transpose()
}

/// A schedule, removed or not, locked.
pub(super) fn locked(tx: &mut dyn Tx, name: &str) -> Result<Option<Schedule>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM schedules WHERE name = $1{}",
        tx.dialect().for_update()
    );
    tx.query_first(&sql, &[name.into()])?.as_ref().map(read).transpose()
}

/// A schedule that is not removed, locked.
pub(super) fn live(tx: &mut dyn Tx, name: &str) -> Result<Option<Schedule>, DbError> {
    Ok(locked(tx, name)?.filter(|there| there.retired_at.is_none()))
}

/// Writes what a schedule is. Where the times it says have changed, or it was removed before, a new revision begins now.
fn put(
    tx: &mut dyn Tx,
    new: &ScheduleDefinition,
    there: Option<&Schedule>,
    (source, by): (ScheduleSource, &str),
    now: i64,
) -> Result<(), DbError> {
    let (revision, considered_until) = match there {
        None => (1, now),
        Some(there) if there.retired_at.is_none() && there.timing == new.timing => {
            (there.revision, there.considered_until)
        }
        Some(there) => (there.revision + 1, now),
    };
    let params: Vec<Value> = vec![
        new.name.as_str().into(),
        source.as_str().into(),
        new.definition.as_str().into(),
        new.timing.as_str().into(),
        revision.into(),
        considered_until.into(),
        by.into(),
        now.into(),
    ];
    tx.send(
        "INSERT INTO schedules (name, source, definition, timing, revision, considered_until, defined_by, defined_at, failures)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
         ON CONFLICT (name) DO UPDATE SET source = excluded.source, definition = excluded.definition, timing = excluded.timing,
           revision = excluded.revision, considered_until = excluded.considered_until, defined_by = excluded.defined_by,
           defined_at = excluded.defined_at, failures = 0, retired_at = NULL",
        &params,
    )
}

fn synced(tx: &mut dyn Tx, sync: &ScheduleSync, now: i64) -> Result<ScheduleSynced, DbError> {
    let mut synced = ScheduleSynced::default();
    // The row of the generation also keeps two workers that start together from doing this at the same time.
    tx.send(
        "INSERT INTO meta (key, value) VALUES ($1, '0') ON CONFLICT (key) DO UPDATE SET value = meta.value",
        &[GENERATION.into()],
    )?;
    let seen = generation(tx)?;
    if sync.generation < seen {
        synced.outdated = Some(seen);
        return Ok(synced);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM schedules ORDER BY name{}",
        tx.dialect().for_update()
    );
    let there: Vec<Schedule> = tx.query(&sql, &[])?.iter().map(read).collect::<Result<_, _>>()?;
    let mut entries = Vec::new();
    let on = format!("by the configuration on {}", sync.definer.host);
    for new in &sync.definitions {
        let old = there.iter().find(|old| old.name == new.name);
        let live = old.filter(|old| old.retired_at.is_none());
        match live {
            Some(live) if live.source == ScheduleSource::Cli => {
                synced.taken.push(new.name.clone());
                continue;
            }
            Some(live) if live.definition == new.definition && live.timing == new.timing => continue,
            _ => {}
        }
        let definer = format!("schedule:{}", new.name);
        put(tx, new, old, (ScheduleSource::Toml, &definer), now)?;
        let action = if live.is_some() {
            Action::Changed
        } else {
            Action::Defined
        };
        entries.push(AuditEntry::own(
            action,
            format!("schedule {} {on}: {}", new.name, new.definition),
        ));
        let told = if live.is_some() {
            &mut synced.changed
        } else {
            &mut synced.added
        };
        told.push(new.name.clone());
    }
    for old in &there {
        let is_gone = old.retired_at.is_none()
            && old.source == ScheduleSource::Toml
            && !sync.definitions.iter().any(|new| new.name == old.name);
        if is_gone {
            retire(tx, &old.name, now)?;
            entries.push(AuditEntry::own(Action::Removed, format!("schedule {} {on}", old.name)));
            synced.removed.push(old.name.clone());
        }
    }
    synced.before = definer(tx)?.filter(|before| before.digest != sync.definer.digest);
    set_meta(tx, GENERATION, &sync.generation.to_string())?;
    set_meta(
        tx,
        DEFINED_BY,
        &serde_json::to_string(&sync.definer).unwrap_or_default(),
    )?;
    audit::append_all(tx, now, &entries)?;
    Ok(synced)
}

fn set_meta(tx: &mut dyn Tx, key: &str, value: &str) -> Result<(), DbError> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.send(sql, &[key.into(), value.into()])
}

fn meta(tx: &mut dyn Tx, key: &str) -> Result<Option<String>, DbError> {
    let found = tx.query_first("SELECT value FROM meta WHERE key = $1", &[key.into()])?;
    found.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

fn generation(tx: &mut dyn Tx) -> Result<i64, DbError> {
    Ok(meta(tx, GENERATION)?.and_then(|value| value.parse().ok()).unwrap_or(0))
}

fn definer(tx: &mut dyn Tx) -> Result<Option<ScheduleDefiner>, DbError> {
    Ok(meta(tx, DEFINED_BY)?.and_then(|value| serde_json::from_str(&value).ok()))
}
