//! The destination of a submission's checked blocks: held until it is known whether there is more than one, and else into the spool.

use super::SubmitError;
use super::recording::Recording;
use crate::db::DbError;
use crate::ledger::{Draft, Ledger, NewChunk, NewJob, RowOutcome};
use crate::plan::file::PlanFile;
use crate::plan::held::HeldRows;
use crate::plan::{
    CheckedBlock, Drained, FaultLog, KeepError, Keeping, KeptHead, Planning, Repeated, RowFault, Sink, names_told,
};
use crate::store::{at_fault, rejected};
use crate::tasks;
use tokio::task::JoinHandle;

/// Late rejections written per transaction.
const LATE_BATCH: usize = 2_000;

/// Spools a file while it is checked.
pub(super) struct Spooling<'s, 'r> {
    ledger: &'s Ledger,
    /// What comes before it.
    recording: &'s mut Recording<'r>,
    new: &'s NewJob,
    pub(super) plan: Option<&'s mut PlanFile>,
    progress: &'s (dyn Fn(u64) + Sync),
    /// The job, once there is a second block.
    draft: Option<Draft>,
    /// The block before, while it goes into the spool: the next one is checked meanwhile.
    appending: Option<JoinHandle<Result<(), DbError>>>,
    /// The first block, as long as there is no other, with the rows of it that are rejected.
    held: Option<(NewChunk, Vec<RowOutcome>)>,
    /// The plan, in case it has to be approved.
    keeping: Keeping,
    /// Rows that are destructive, where there is a plan to go by, whose hash does not cover it.
    destructive: HeldRows,
    /// What the file is refused for.
    pub(super) faults: FaultLog,
    /// Rejections of rows that turned out to repeat others, with the numbers of their chunks.
    late: Vec<(i64, RowOutcome)>,
    pub(super) chunks: usize,
}

/// Where the blocks are.
pub(super) enum Spooled {
    /// In the spool, under this job.
    Drafted(Draft),
    /// Here: the only one, if there is any, and the rows of it that are rejected.
    Held(Option<NewChunk>, Vec<RowOutcome>),
}

impl<'s, 'r> Spooling<'s, 'r> {
    pub(super) fn new(
        recording: &'s mut Recording<'r>,
        new: &'s NewJob,
        plan: Option<&'s mut PlanFile>,
        progress: &'s (dyn Fn(u64) + Sync),
    ) -> Self {
        Self {
            ledger: recording.submitter.ledger,
            recording,
            new,
            plan,
            progress,
            draft: None,
            appending: None,
            held: None,
            keeping: Keeping::default(),
            destructive: HeldRows::default(),
            faults: FaultLog::default(),
            late: Vec::new(),
            chunks: 0,
        }
    }

    /// Checks the whole file.
    pub(super) async fn all(&mut self, planning: Planning) -> Result<Drained, SubmitError> {
        let drained = planning.drain(self).await?;
        self.appended().await?;
        self.reject_late().await?;
        Ok(drained)
    }

    /// Removes what was spooled.
    pub(super) async fn discard(&mut self) -> Result<(), DbError> {
        // A block that came after would be left behind.
        let _ = self.appended().await;
        match self.draft {
            Some(job) => self.ledger.discard(job).await,
            None => Ok(()),
        }
    }

    /// Keeps the plan with the job, for the approver.
    pub(super) async fn keep_plan(&mut self, head: &KeptHead) -> Result<(), SubmitError> {
        let job = self.job().await?;
        let keeping = self.take_plan()?;
        Ok(keeping.keep(self.ledger, job, head).await?)
    }

    /// The plan, for an approver who may have to approve it.
    pub(super) fn take_plan(&mut self) -> Result<Keeping, SubmitError> {
        let destructive = std::mem::take(&mut self.destructive);
        Ok(match &self.plan {
            Some(plan) => Keeping::of_file(plan, destructive).map_err(KeepError::from)?,
            None => std::mem::take(&mut self.keeping),
        })
    }

    pub(super) fn spooled(self) -> Spooled {
        match (self.draft, self.held) {
            (Some(job), _) => Spooled::Drafted(job),
            (None, held) => {
                let (chunk, rejects) = held.unzip();
                Spooled::Held(chunk, rejects.unwrap_or_default())
            }
        }
    }

    /// The job whose blocks are spooled, begun if it is not.
    async fn job(&mut self) -> Result<Draft, DbError> {
        if let Some(job) = self.draft {
            return Ok(job);
        }
        self.recording.whole_so_far().await?;
        let job = self.ledger.begin(self.new.clone()).await?;
        self.draft = Some(job);
        crate::failpoint::hit("planning");
        if let Some((chunk, rejects)) = self.held.take() {
            self.ledger.append(job, chunk, rejects).await?;
        }
        Ok(job)
    }

    /// Appends a block once the one before is in the spool.
    async fn append(&mut self, chunk: NewChunk, rejects: Vec<RowOutcome>) -> Result<(), DbError> {
        let job = self.job().await?;
        self.appended().await?;
        let ledger = self.ledger.clone();
        let appending = async move { ledger.append(job, chunk, rejects).await };
        self.appending = Some(tasks::spawn("the submission", appending));
        Ok(())
    }

    /// Waits for the block that is on its way into the spool.
    async fn appended(&mut self) -> Result<(), DbError> {
        match self.appending.take() {
            Some(appending) => appending.await.map_err(|error| DbError::Broken(error.to_string()))?,
            None => Ok(()),
        }
    }

    async fn reject_late(&mut self) -> Result<(), DbError> {
        let late = std::mem::take(&mut self.late);
        match (self.draft, &mut self.held) {
            (Some(job), _) if !late.is_empty() => self.ledger.reject(job, late).await,
            (None, Some((_, rejects))) => {
                for (_, reject) in late {
                    reject_also(rejects, reject);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Adds a rejection. One that was rejected before is so for this as well.
fn reject_also(rejects: &mut Vec<RowOutcome>, reject: RowOutcome) {
    match rejects.iter_mut().find(|known| known.row == reject.row) {
        Some(known) => {
            known.message.push_str("; ");
            known.message.push_str(&reject.message);
            known.columns.extend(reject.columns);
        }
        None => rejects.push(reject),
    }
}

impl Sink for Spooling<'_, '_> {
    type Error = SubmitError;

    async fn block(&mut self, mut checked: CheckedBlock, rows_so_far: u64) -> Result<(), SubmitError> {
        let (first_row, rows) = (checked.block.first_row(), checked.block.len() as u64);
        // Totals, impact and hash are of the file as it was planned; drift only takes rows away.
        // Where there is a plan to go by, that one is kept.
        if self.plan.is_none() {
            self.keeping.block(&checked)?;
        }
        let drifted = match &mut self.plan {
            Some(plan) => {
                for preview in checked.previews.iter().filter(|preview| preview.destructive) {
                    self.destructive.push(preview.row, 0, "")?;
                }
                let planned = plan.up_to(first_row + rows.saturating_sub(1))?;
                if let Some(misstated) = checked.misstated(&planned) {
                    return Err(plan.misstated(misstated).into());
                }
                checked.drift(&planned)
            }
            None => Vec::new(),
        };
        if let Some(store) = &self.new.parameters.store {
            self.ledger.keep_names(store, names_told(&checked)).await?;
        }
        (self.progress)(rows_so_far);
        if !self.new.parameters.skip_invalid {
            for fault in std::mem::take(&mut checked.rejects).into_values().flatten() {
                self.faults.push(fault)?;
            }
        }
        // A file that will be refused needs no spool; it is read on for its other faults.
        if self.faults.is_empty() {
            let faulty = checked.rejects.values().filter_map(|faults| reject_row(faults));
            let rejects = faulty.chain(drifted).collect();
            let chunk = NewChunk {
                number: self.chunks as i64,
                first_row,
                rows,
                pending: rows,
                expected: checked.expected(),
                block: Some(std::mem::take(&mut checked.encoded)),
            };
            if self.chunks == 0 {
                self.held = Some((chunk, rejects));
            } else {
                self.append(chunk, rejects).await?;
            }
        }
        self.chunks += 1;
        Ok(())
    }

    async fn repeated(&mut self, repeated: Repeated) -> Result<(), SubmitError> {
        if self.plan.is_none() {
            self.keeping.repeated(repeated.fault.row)?;
        }
        let (chunk, fault) = (repeated.chunk, repeated.fault);
        if !self.new.parameters.skip_invalid {
            self.faults.push(fault)?;
            return Ok(());
        }
        let reject = reject_row(std::slice::from_ref(&fault));
        self.late.extend(reject.map(|reject| (chunk, reject)));
        self.appended().await?;
        if self.late.len() >= LATE_BATCH {
            self.reject_late().await?;
        }
        Ok(())
    }

    fn broken(&mut self, fault: RowFault) -> Result<(), SubmitError> {
        Ok(self.faults.push(fault)?)
    }
}

/// The outcome of a row that was found faulty: the first code, every message and every column.
fn reject_row(faults: &[RowFault]) -> Option<RowOutcome> {
    let first = faults.first()?;
    let mut outcome = rejected(first.row, &first.problem);
    for fault in &faults[1..] {
        outcome.message.push_str("; ");
        outcome.message.push_str(&fault.problem.to_string());
        outcome.columns.extend(at_fault(&fault.problem));
    }
    Some(outcome)
}
