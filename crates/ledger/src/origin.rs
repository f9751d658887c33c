//! The origin of a submission that no person made: a file of a drop folder, or a due time of a schedule.
//!
//! Either has a record of its own, which is linked to the job in the transaction that records the job, or finds the one that is
//! the same. So a program that dies is followed by one that sees either both or neither, and nothing is submitted twice.

use serde::{Deserialize, Serialize};

use super::drops::JobOrigin;
use super::{JobId, Ledger};
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_foundation::moment::rfc3339;
use tenantry_jobs::printable;

/// What brought a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Where its record is.
    pub intake: OriginIntake,
    /// The number of its record.
    pub seq: i64,
    /// The fence by which the submitter holds the record; a worker that takes it over has a higher one.
    pub fence: i64,
}

/// What brought a job, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BroughtBy {
    /// A file of a drop folder.
    Drop(JobOrigin),
    /// A due time of a schedule.
    Fire(FireOrigin),
}

/// The due time of a schedule that brought a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FireOrigin {
    /// The schedule's name.
    pub schedule: String,
    /// The time as the schedule says it.
    pub nominal: String,
    /// Its instant.
    pub due: String,
    /// `due`, `catch-up`, `backfill` or `manual`.
    pub cause: String,
    /// Who asked for it, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
}

impl Ledger {
    /// What brought a job, if no person did.
    pub async fn brought_by(&self, job: i64) -> Result<Option<BroughtBy>, DbError> {
        if let Some(drop) = self.origin_of(job).await? {
            return Ok(Some(BroughtBy::Drop(drop)));
        }
        let fire = self.fire_of(job).await?;
        Ok(fire.map(|fire| {
            BroughtBy::Fire(FireOrigin {
                due: rfc3339(fire.due),
                cause: fire.cause.as_str().to_owned(),
                schedule: fire.schedule,
                nominal: fire.nominal,
                asked_by: fire.asked_by,
            })
        }))
    }
}

/// The ways in that keep records of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginIntake {
    /// A file of a drop folder.
    Drop,
    /// A due time of a schedule.
    Fire,
}

impl OriginIntake {
    const ALL: [OriginIntake; 2] = [Self::Drop, Self::Fire];

    fn table(self) -> &'static str {
        match self {
            OriginIntake::Drop => "drops",
            OriginIntake::Fire => "fires",
        }
    }

    /// Those of this way in, with their places.
    fn of(self, origins: &[Option<Origin>]) -> Vec<(usize, Origin)> {
        let brought = origins.iter().enumerate();
        brought
            .filter_map(|(at, origin)| Some((at, (*origin)?)))
            .filter(|(_, origin)| origin.intake == self)
            .collect()
    }
}

/// How a job is to be linked to what brought it.
pub(super) struct JobLink<'l> {
    pub(super) origin: Origin,
    pub(super) job: JobId,
    /// Of the file's bytes.
    pub(super) sha256: &'l str,
}

/// Why nothing is to be recorded of a submission.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settled {
    /// It has its job.
    Linked(JobId),
    /// It is not its submitter's any more.
    Lost,
}

/// What has become of origins already, in their order: `None` of one that its submitter holds and that has no job.
pub(super) fn settled(tx: &mut dyn Tx, origins: &[Option<Origin>]) -> Result<Vec<Option<Settled>>, DbError> {
    let mut settled = vec![None; origins.len()];
    for intake in OriginIntake::ALL {
        let of_it = intake.of(origins);
        if of_it.is_empty() {
            continue;
        }
        let sql = format!(
            "SELECT o.fence, j.id FROM {} o LEFT JOIN jobs j ON j.seq = o.job WHERE o.seq = $1",
            intake.table()
        );
        let wanted: Vec<Vec<Value>> = of_it.iter().map(|(_, origin)| vec![origin.seq.into()]).collect();
        for ((at, origin), rows) in of_it.iter().zip(tx.query_each(&sql, &wanted)?) {
            settled[*at] = answer(*origin, rows.first())?;
        }
    }
    Ok(settled)
}

fn answer(origin: Origin, row: Option<&Row>) -> Result<Option<Settled>, DbError> {
    let Some(row) = row else {
        return Ok(Some(Settled::Lost));
    };
    if row.opt_text(1)?.is_some() {
        return Ok(Some(Settled::Linked(JobId::read(row, 1)?)));
    }
    Ok((row.int(0)? != origin.fence).then_some(Settled::Lost))
}

/// What the audit record says of origins, in their order.
pub(super) fn notes(tx: &mut dyn Tx, origins: &[Option<Origin>]) -> Result<Vec<Option<String>>, DbError> {
    let mut notes = vec![None; origins.len()];
    for intake in OriginIntake::ALL {
        let of_it = intake.of(origins);
        if of_it.is_empty() {
            continue;
        }
        let sql = match intake {
            OriginIntake::Drop => {
                "SELECT f.name, d.name, 0 FROM drops d JOIN folders f ON f.id = d.folder WHERE d.seq = $1"
            }
            OriginIntake::Fire => "SELECT schedule, nominal, due FROM fires WHERE seq = $1",
        };
        let wanted: Vec<Vec<Value>> = of_it.iter().map(|(_, origin)| vec![origin.seq.into()]).collect();
        for ((at, _), rows) in of_it.iter().zip(tx.query_each(sql, &wanted)?) {
            let Some(row) = rows.first() else { continue };
            let (of, what) = (row.text(0)?, row.text(1)?);
            notes[*at] = Some(match intake {
                OriginIntake::Drop => format!("folder {of}, {}", printable(what)),
                OriginIntake::Fire => format!("schedule {of}, {what}, due {}", rfc3339(row.int(2)?)),
            });
        }
    }
    Ok(notes)
}

/// Links jobs to what brought them. If one of these is not its submitter's any more, nothing of the transaction may stay.
pub(super) fn link(tx: &mut dyn Tx, links: &[JobLink<'_>]) -> Result<(), DbError> {
    for intake in OriginIntake::ALL {
        let links: Vec<&JobLink<'_>> = links.iter().filter(|link| link.origin.intake == intake).collect();
        if links.is_empty() {
            continue;
        }
        // Asked for first: a statement for many sets is joined to them at its only WHERE.
        let ids: Vec<Vec<Value>> = links.iter().map(|link| vec![link.job.to_string().into()]).collect();
        let found = tx.query_each("SELECT seq FROM jobs WHERE id = $1", &ids)?;
        let mut sets: Vec<Vec<Value>> = Vec::with_capacity(links.len());
        for (link, rows) in links.iter().zip(found) {
            let job = rows.first().map(|row| row.int(0)).transpose()?;
            sets.push(vec![
                link.origin.seq.into(),
                link.origin.fence.into(),
                job.into(),
                link.sha256.into(),
            ]);
        }
        let sql = format!(
            "UPDATE {} SET job = $3, sha256 = $4, state = 'submitted' WHERE seq = $1 AND fence = $2 AND job IS NULL",
            intake.table()
        );
        if tx.exec_all(&sql, &sets)? != sets.len() as u64 {
            return Err(DbError::LeaseLost);
        }
    }
    Ok(())
}
