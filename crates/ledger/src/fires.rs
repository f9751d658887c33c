//! Fires: due times of schedules, each recorded once, and its outcome.
//!
//! A fire is keyed by schedule, revision, nominal time and attempt. The nominal time is what the schedule says (`2026-10-25T02:30/1`),
//! not the instant: two workers with different zone data compute different instants for the same time, and both may fire only once.
//! Attempt 1 is the due time itself, or that an operator has it skipped; what people ask for (`run`, `backfill`) has higher ones and
//! uses up no due time. One transaction records due times and moves `considered_until`; a second worker finds that it has moved.
//!
//! ```text
//! due → waiting (for its file, or its turn) → submitted (its job is recorded) → ended
//!     → skipped(reason), failed(reason)
//! ```
//!
//! The worker that starts a fire holds its lease, fenced as a chunk's is. The job is linked under that fence in the transaction that
//! records it ([`Origin`](super::Origin)). So a fire has one job no matter which worker dies when. Times that were passed over in a row
//! are one record with `times` of them. Its attempt is 0 or less, for it uses up no due time either: where a clock was put ahead by
//! mistake and back, each of those times fires when it comes, the first as the others.

mod ends;
mod read;

pub use ends::FireEnd;
pub use read::{LastFires, OpenFire};

use serde::Serialize;

use super::audit::{self, Action, AuditEntry};
use super::schedules::{ScheduleChange, ScheduleRefusal, live};
use super::{Actor, JobId, JobState, Ledger};
use tenantry_foundation::db::{DbError, Tx, Value};

/// Declares words that are kept in a column.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$doc:meta])* $variant:ident => $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// The word in the ledger and on every surface.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            fn parse(text: &str) -> Result<Self, DbError> {
                match text {
                    $($word => Ok($name::$variant),)*
                    _ => Err(DbError::Broken(format!("`{text}` is no {}", $what))),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where a fire stands.
    FireState, "state of a fire", {
        /// Its time has come, or will after its jitter.
        Due => "due",
        /// It waits for its file or its turn.
        Waiting => "waiting",
        /// Its job is recorded.
        Submitted => "submitted",
        /// Its job has ended.
        Ended => "ended",
        /// Nothing was done, as was to be.
        Skipped => "skipped",
        /// Nothing could be done.
        Failed => "failed",
    }
}

words! {
    /// What brought a fire about.
    FireCause, "cause of a fire", {
        /// Its time had come.
        Due => "due",
        /// Its time had passed while nobody looked.
        CatchUp => "catch-up",
        /// Somebody asked for times of the past.
        Backfill => "backfill",
        /// Somebody asked for it.
        Manual => "manual",
    }
}

words! {
    /// Why a fire did nothing.
    FireReason, "reason of a fire", {
        /// The one before was not done.
        Overlap => "overlap",
        /// The schedule was paused.
        Paused => "paused",
        /// Its time had passed, and missed times are not made up for.
        Missed => "missed",
        /// Its time had passed too long ago.
        TooLate => "too-late",
        /// More times had passed than are made up for.
        TooMany => "too-many",
        /// A later time stands for it.
        Superseded => "superseded",
        /// The schedule was removed.
        Removed => "removed",
        /// Somebody asked for that.
        ByHand => "by-hand",
        /// Its file was not there.
        NoFile => "no-file",
        /// More files than one were there.
        SeveralFiles => "several-files",
        /// The file was that of the fire before.
        StaleFile => "stale-file",
        /// The file could not be read.
        Unreadable => "unreadable",
        /// The file was not whole.
        Incomplete => "incomplete",
        /// The file had faults.
        Refused => "refused",
        /// It could not be started for too long.
        NotStarted => "not-started",
    }
}

words! {
    /// What the end of a fire says about its schedule.
    FireOutcome, "outcome of a fire", {
        /// Its job was carried out.
        Good => "good",
        /// It, or its job, failed.
        Bad => "bad",
        /// Somebody decided against it.
        Neither => "neither",
    }
}

/// Due times in a row that are recorded as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedTimes {
    /// Why nothing is done at them.
    pub reason: FireReason,
    /// The last one as the schedule says it.
    pub last_nominal: String,
    /// Its instant.
    pub last_due: i64,
    /// How many there are.
    pub times: u64,
}

/// A fire to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFire {
    /// The time as the schedule says it.
    pub nominal: String,
    /// Its instant.
    pub due: i64,
    /// When it may begin.
    pub starts: i64,
    /// What brings it about.
    pub cause: FireCause,
    /// Set where nothing is to be done at this and the following times.
    pub skipped: Option<SkippedTimes>,
}

/// What was found due of a schedule, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueLook {
    /// Its name.
    pub schedule: String,
    /// Its revision then.
    pub revision: i64,
    /// Up to when it had been looked at before.
    pub from: i64,
    /// Since when it was paused, if it was.
    pub paused_at: Option<i64>,
    /// Up to when it has been looked at now.
    pub until: i64,
    /// What was due.
    pub fires: Vec<NewFire>,
}

/// A fire as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the ledger's columns")]
pub struct Fire {
    pub seq: i64,
    pub schedule: String,
    pub revision: i64,
    pub nominal: String,
    pub attempt: i64,
    pub part: i64,
    pub due: i64,
    pub starts: i64,
    pub look_at: i64,
    pub cause: FireCause,
    pub state: FireState,
    pub reason: Option<FireReason>,
    pub detail: Option<String>,
    pub last_nominal: Option<String>,
    pub last_due: Option<i64>,
    pub times: u64,
    pub asked_by: Option<String>,
    pub file: Option<String>,
    pub out_path: Option<String>,
    /// `good`, `bad` or `neither`, once it has ended.
    pub outcome: Option<FireOutcome>,
    pub sha256: Option<String>,
    pub made_at: i64,
    pub ended_at: Option<i64>,
    pub job: Option<JobId>,
    pub job_state: Option<JobState>,
}

/// The fence under which a worker holds a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldFire {
    /// The number of its record.
    pub seq: i64,
    /// A worker that takes it over has a higher one.
    pub fence: i64,
}

impl Ledger {
    /// Records what was found due, each schedule's in so far as it is still as it was then. Whether it was.
    pub async fn record_due(&self, looks: Vec<DueLook>) -> Result<Vec<bool>, DbError> {
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                let mut recorded = Vec::with_capacity(looks.len());
                // In the order of their names, as in every other transaction that locks several of them.
                let mut order: Vec<usize> = (0..looks.len()).collect();
                order.sort_by(|a, b| looks[*a].schedule.cmp(&looks[*b].schedule));
                recorded.resize(looks.len(), false);
                for at in order {
                    recorded[at] = record_look(tx, &looks[at], now)?;
                }
                Ok(recorded)
            })
            .await
    }

    /// Ends a pause. `look` is what was due while it lasted, and `catch_up` what is made up for of that.
    pub async fn resume_schedule(
        &self,
        look: DueLook,
        catch_up: Vec<NewFire>,
        by: &Actor,
    ) -> Result<ScheduleChange, DbError> {
        let (by, now) = (by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let name = look.schedule.as_str();
                match live(tx, name)? {
                    None => return Ok(ScheduleChange::Refused(ScheduleRefusal::Unknown)),
                    Some(there) if there.pause.is_none() => {
                        return Ok(ScheduleChange::Refused(ScheduleRefusal::NotPaused));
                    }
                    Some(_) => {}
                }
                if !record_look(tx, &look, now)? {
                    return Ok(ScheduleChange::Refused(ScheduleRefusal::Changed));
                }
                tx.send(
                    "UPDATE schedules SET paused_at = NULL, paused_by = NULL, paused_because = NULL, paused_until = NULL,
                       failures = 0 WHERE name = $1",
                    &[name.into()],
                )?;
                for fire in &catch_up {
                    add_attempt(tx, (name, look.revision), fire, (&by.name, now))?;
                }
                let made_up = match catch_up.len() {
                    0 => String::new(),
                    count => format!(", {count} of the times in the pause made up for"),
                };
                audit::append(tx, now, &AuditEntry::own(Action::Resumed, format!("schedule {name}{made_up}")).by(&by))?;
                Ok(ScheduleChange::Done)
            })
            .await
    }

    /// Records fires that somebody asked for, in their order, as further attempts at their times.
    pub async fn add_fires(
        &self,
        schedule: &str,
        revision: i64,
        fires: Vec<NewFire>,
        by: &Actor,
    ) -> Result<ScheduleChange, DbError> {
        let (name, by, now) = (schedule.to_owned(), by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                if let Some(refusal) = refusal(tx, &name, revision)? {
                    return Ok(ScheduleChange::Refused(refusal));
                }
                for fire in &fires {
                    add_attempt(tx, (&name, revision), fire, (&by.name, now))?;
                }
                let note = match fires.as_slice() {
                    [] => return Ok(ScheduleChange::Done),
                    [one] => format!("schedule {name}, {} of {}", one.cause.as_str(), one.nominal),
                    [first, .., last] => {
                        let cause = first.cause.as_str();
                        format!(
                            "schedule {name}, {cause} of {} times, {} to {}",
                            fires.len(),
                            first.nominal,
                            last.nominal
                        )
                    }
                };
                audit::append(tx, now, &AuditEntry::own(Action::Fired, note).by(&by))?;
                Ok(ScheduleChange::Done)
            })
            .await
    }

    /// Records that nothing is to be done at a time to come.
    pub async fn skip_time(
        &self,
        schedule: &str,
        revision: i64,
        fire: NewFire,
        by: &Actor,
    ) -> Result<ScheduleChange, DbError> {
        let (name, by, now) = (schedule.to_owned(), by.clone(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                if let Some(refusal) = refusal(tx, &name, revision)? {
                    return Ok(ScheduleChange::Refused(refusal));
                }
                if !insert(
                    tx,
                    (&name, revision),
                    &fire,
                    Insert {
                        attempt: 1,
                        by: Some(&by.name),
                        now,
                    },
                )? {
                    return Ok(ScheduleChange::Refused(ScheduleRefusal::TimeTaken));
                }
                let note = format!("schedule {name}, {}", fire.nominal);
                audit::append(tx, now, &AuditEntry::own(Action::Skipped, note).by(&by))?;
                Ok(ScheduleChange::Done)
            })
            .await
    }

    /// Takes a fire in hand that may begin and that nobody has.
    pub async fn lease_fire(&self, seq: i64, owner: &str, lease_millis: i64) -> Result<Option<HeldFire>, DbError> {
        let (owner, now) = (owner.to_owned(), self.clock.now_millis());
        self.db
            .write(move |tx| {
                let sql = "UPDATE fires SET fence = fence + 1, lease_owner = $2, lease_until = $3
                    WHERE seq = $1 AND state IN ('due', 'waiting') AND look_at <= $4
                      AND (lease_until IS NULL OR lease_until <= $4 OR lease_until > $5) RETURNING fence";
                // A lease that ends later than any can has been given by a clock that was put back since.
                let never = now + lease_millis.saturating_mul(10);
                let params = [
                    seq.into(),
                    owner.into(),
                    (now + lease_millis).into(),
                    now.into(),
                    never.into(),
                ];
                let row = tx.query_first(sql, &params)?;
                row.map(|row| {
                    Ok(HeldFire {
                        seq,
                        fence: row.int(0)?,
                    })
                })
                .transpose()
            })
            .await
    }

    /// Keeps a fire in hand for longer. Whether it still was.
    pub async fn renew_fire(&self, held: HeldFire, lease_millis: i64) -> Result<bool, DbError> {
        let until = self.clock.now_millis() + lease_millis;
        self.db
            .write_apart(move |tx| {
                let sql =
                    "UPDATE fires SET lease_until = $3 WHERE seq = $1 AND fence = $2 AND state IN ('due', 'waiting')";
                Ok(tx.exec(sql, &[held.seq.into(), held.fence.into(), until.into()])? > 0)
            })
            .await
    }

    /// Lets go of a fire that cannot begin yet, until `look_at`.
    pub async fn put_off_fire(
        &self,
        held: HeldFire,
        state: FireState,
        look_at: i64,
        why: String,
    ) -> Result<(), DbError> {
        self.db
            .write(move |tx| {
                let sql =
                    "UPDATE fires SET state = $3, look_at = $4, detail = $5, lease_owner = NULL, lease_until = NULL
                    WHERE seq = $1 AND fence = $2 AND state IN ('due', 'waiting')";
                let params = [
                    held.seq.into(),
                    held.fence.into(),
                    state.as_str().into(),
                    look_at.into(),
                    why.into(),
                ];
                tx.send(sql, &params)
            })
            .await
    }

    /// Records what a fire is about to submit, and where its results go. Where there are several files, each further one becomes a
    /// fire of its own. Whether the fire was still in hand.
    pub async fn begin_fire(&self, held: HeldFire, files: Vec<String>, out: Option<String>) -> Result<bool, DbError> {
        self.db
            .write(move |tx| {
                let sql = "UPDATE fires SET file = $3, out_path = $4, detail = NULL
                    WHERE seq = $1 AND fence = $2 AND state IN ('due', 'waiting')";
                let first: Value = files.first().cloned().into();
                if tx.exec(sql, &[held.seq.into(), held.fence.into(), first, out.into()])? == 0 {
                    return Ok(false);
                }
                for (part, file) in files.iter().enumerate().skip(1) {
                    tx.send(
                        "INSERT INTO fires (schedule, revision, nominal, attempt, part, due, starts, look_at, cause, state, times,
                           asked_by, file, fence, made_at)
                         SELECT schedule, revision, nominal, attempt, $2, due, starts, starts, cause, 'due', 1, asked_by, $3, 0, made_at
                         FROM fires WHERE seq = $1 ON CONFLICT DO NOTHING",
                        &[held.seq.into(), (part as u64).into(), file.as_str().into()],
                    )?;
                }
                Ok(true)
            })
            .await
    }
}

impl Ledger {
    /// Passes over a fire that has not begun, no matter which worker has it in hand, for one that came after it.
    pub async fn supersede_fire(&self, seq: i64, detail: String) -> Result<(), DbError> {
        let now = self.clock.now_millis();
        self.db
            .write(move |tx| {
                let sql = "UPDATE fires SET state = 'skipped', reason = 'superseded', detail = $2, outcome = 'neither',
                      fence = fence + 1, lease_owner = NULL, lease_until = NULL, ended_at = $3
                    WHERE seq = $1 AND state IN ('due', 'waiting')";
                tx.send(sql, &[seq.into(), detail.into(), now.into()])
            })
            .await
    }
}

/// Records what was due of one schedule, if that is still as it was.
fn record_look(tx: &mut dyn Tx, look: &DueLook, now: i64) -> Result<bool, DbError> {
    let there = live(tx, &look.schedule)?;
    let is_as_it_was = there.is_some_and(|there| {
        let paused_at = there.pause.map(|pause| pause.at);
        there.revision == look.revision && there.considered_until == look.from && paused_at == look.paused_at
    });
    if !is_as_it_was {
        return Ok(false);
    }
    tx.send(
        "UPDATE schedules SET considered_until = $2 WHERE name = $1",
        &[look.schedule.as_str().into(), look.until.into()],
    )?;
    let of = (look.schedule.as_str(), look.revision);
    for fire in &look.fires {
        let attempt = if fire.skipped.is_some() {
            attempts(tx, of, fire)?.0.min(1) - 1
        } else {
            1
        };
        insert(tx, of, fire, Insert { attempt, by: None, now })?;
    }
    Ok(true)
}

/// The lowest and the highest attempt at a time; 1 where there is none.
fn attempts(tx: &mut dyn Tx, of: (&str, i64), fire: &NewFire) -> Result<(i64, i64), DbError> {
    let sql = "SELECT COALESCE(MIN(attempt), 1), COALESCE(MAX(attempt), 1) FROM fires
        WHERE schedule = $1 AND revision = $2 AND nominal = $3";
    let params = [of.0.into(), of.1.into(), fire.nominal.as_str().into()];
    let row = tx.query_first(sql, &params)?;
    row.map_or(Ok((1, 1)), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Records a further attempt at a time.
fn add_attempt(tx: &mut dyn Tx, of: (&str, i64), fire: &NewFire, (by, now): (&str, i64)) -> Result<(), DbError> {
    // After the due time itself, whether or not that has come.
    let attempt = attempts(tx, of, fire)?.1.max(1) + 1;
    insert(
        tx,
        of,
        fire,
        Insert {
            attempt,
            by: Some(by),
            now,
        },
    )
    .map(drop)
}

/// How a fire is recorded.
#[derive(Clone, Copy)]
struct Insert<'i> {
    attempt: i64,
    by: Option<&'i str>,
    now: i64,
}

/// Records a fire unless its time has one. Whether it did.
fn insert(
    tx: &mut dyn Tx,
    (schedule, revision): (&str, i64),
    fire: &NewFire,
    how: Insert<'_>,
) -> Result<bool, DbError> {
    let skipped = fire.skipped.as_ref();
    let state = if skipped.is_some() {
        FireState::Skipped
    } else {
        FireState::Due
    };
    let params: Vec<Value> = vec![
        schedule.into(),
        revision.into(),
        fire.nominal.as_str().into(),
        how.attempt.into(),
        fire.due.into(),
        fire.starts.into(),
        fire.cause.as_str().into(),
        state.as_str().into(),
        skipped.map(|skipped| skipped.reason.as_str()).into(),
        skipped.map(|skipped| skipped.last_nominal.clone()).into(),
        skipped.map(|skipped| skipped.last_due).into(),
        skipped.map_or(1, |skipped| skipped.times).into(),
        how.by.into(),
        how.now.into(),
        skipped.map(|_| how.now).into(),
    ];
    let inserted = tx.exec(
        "INSERT INTO fires (schedule, revision, nominal, attempt, part, due, starts, look_at, cause, state, reason, last_nominal,
           last_due, times, asked_by, fence, made_at, ended_at)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15) ON CONFLICT DO NOTHING",
        &params,
    )?;
    Ok(inserted > 0)
}

/// Why nothing can be recorded of times of that revision of a schedule.
fn refusal(tx: &mut dyn Tx, name: &str, revision: i64) -> Result<Option<ScheduleRefusal>, DbError> {
    Ok(match live(tx, name)? {
        None => Some(ScheduleRefusal::Unknown),
        Some(there) if there.revision != revision => Some(ScheduleRefusal::Changed),
        Some(_) => None,
    })
}
