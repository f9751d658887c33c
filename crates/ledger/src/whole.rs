//! Jobs whose rows are all in one chunk, as they are handed in to be recorded whole.

use super::{Claim, Commit, Counts, EndedJob, Job, JobId, JobState, NewChunk, NewJob, RowOutcome, Trial};

/// A job whose rows are all in one chunk.
#[derive(Debug, Clone)]
pub struct WholeJob {
    /// The id that it will have.
    pub id: JobId,
    /// What was known before its file was read.
    pub new: NewJob,
    /// What is known now. It needs no approval, unless a limit of the day leaves too little for it.
    pub commit: Commit,
    /// Its rows; `None` of a file that has none.
    pub chunk: Option<NewChunk>,
    /// Rows that it rejects.
    pub rejects: Vec<RowOutcome>,
}

impl WholeJob {
    /// Rows that are left to be carried out.
    pub(super) fn pending(&self) -> u64 {
        let pending = self.chunk.as_ref().map_or(0, |chunk| chunk.pending);
        pending - self.rejects.len() as u64
    }

    /// Its rows, before any is carried out.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            rejected: self.rejects.len() as u64,
            total: self.commit.rows,
            ..Counts::default()
        }
    }

    /// Whether it can end in the transaction that records it, as far as that is seen from here.
    pub fn may_end_at_once(&self) -> bool {
        let has_rows = self.chunk.as_ref().is_some_and(|chunk| {
            (chunk.block.is_some(), chunk.number, chunk.first_row, chunk.rows) == (true, 0, 1, self.commit.rows)
        });
        has_rows && self.pending() > 0 && self.commit.not_before.is_none() && self.new.parameters.store.is_none()
    }

    /// What would be claimed of it under that number, were its input kept with it.
    pub(super) fn claim(&self, seq: i64, owner: &str, now: i64) -> Option<Claim> {
        let chunk = self.chunk.as_ref()?;
        Some(Claim {
            job: seq,
            job_id: self.id,
            kind: self.new.kind.clone(),
            parameters: self.new.parameters.clone(),
            created_at: now,
            approved_at: None,
            started_at: now,
            retry_of: None,
            undo_of: None,
            input: -seq,
            header: self.new.header.clone(),
            chunk: chunk.number,
            first_row: chunk.first_row,
            rows: chunk.rows,
            pending: self.pending(),
            attempt: 1,
            turn: None,
            together: 1,
            apart: false,
            has_others: false,
            trial: Trial::default(),
            died: None,
            alone: false,
            owner: owner.to_owned(),
            waited: false,
            expected: self.commit.checks_drift.then(|| chunk.expected.clone()),
        })
    }

    /// The job as it is read back once it has ended like this.
    pub(super) fn ended(&self, claim: &Claim, how: &EndedJob) -> Job {
        let Self { id, new, commit, .. } = self;
        Job {
            seq: claim.job,
            id: *id,
            kind: new.kind.clone(),
            parameters: new.parameters.clone(),
            state: JobState::named(&how.state).unwrap_or(JobState::Completed),
            counts: how.counts,
            submitted_by: new.submitted_by.name.clone(),
            submitted_via: Some(new.submitted_by.way()),
            retry_of: None,
            undo_of: None,
            undo_of_id: None,
            undone: None,
            keeps_rows: true,
            plan_hash: Some(commit.plan_hash.clone()),
            seal: None,
            gate: Vec::new(),
            approval_until: None,
            decided_by: None,
            waiting: 0,
            files: Vec::new(),
            waits_for: None,
            next_look: None,
            has_work: false,
            created_at: claim.created_at,
            started_at: Some(claim.started_at),
            finished_at: Some(claim.started_at),
            cancel_requested: false,
            message: None,
            out_dir: new.out_dir.clone(),
            out_format: None,
            delivered_at: None,
            input: claim.input,
            input_name: new.input_name.clone(),
            input_sha256: commit.sha256.clone(),
            input_bytes: commit.bytes,
            input_rows: commit.rows,
            input_notes: commit.notes.clone(),
            input_sheet: commit.sheet.clone(),
            header: new.header.clone(),
        }
    }
}
