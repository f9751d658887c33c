//! Facts that results have of a row besides its outcome: where it stands, and whom it is about.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::db::DbError;
use crate::input::RowView;
use crate::ledger::{ChunkRows, Job, JobId, Ledger, RowRecord};
use crate::plan::{About, Place, SubjectLines, Subjects};

/// Tells of the rows of one job.
#[derive(Clone)]
pub(super) struct RowDetails {
    job: Arc<Job>,
    /// `None` for a job of a kind that is not known here.
    subjects: Option<Subjects>,
}

/// Tells of the rows of one of its chunks.
pub(super) struct ChunkTold {
    told: RowDetails,
    about: Option<About>,
}

impl RowDetails {
    pub(super) async fn of(ledger: &Ledger, job: &Job) -> Result<Self, DbError> {
        Ok(Self {
            job: Arc::new(job.clone()),
            subjects: Subjects::of(ledger, job).await?,
        })
    }

    pub(super) async fn of_chunk(&self, rows: &ChunkRows) -> Result<ChunkTold, DbError> {
        let about = match &self.subjects {
            Some(subjects) => Some(subjects.about(rows.block().rows()).await?),
            None => None,
        };
        Ok(ChunkTold {
            told: self.clone(),
            about,
        })
    }
}

impl ChunkTold {
    /// Of the only chunks of some jobs.
    pub(super) async fn of_all(ledger: &Ledger, all: &[(&Job, &ChunkRows)]) -> Result<Vec<Self>, DbError> {
        let mut told = Vec::with_capacity(all.len());
        for (job, _) in all {
            told.push(RowDetails::of(ledger, job).await?);
        }
        let known = told.iter().zip(all);
        let known: Vec<_> = known
            .filter_map(|(told, (_, rows))| Some((told.subjects.as_ref()?, rows.block())))
            .collect();
        let mut about = Subjects::about_all(ledger, &known).await?.into_iter();
        let all = told.into_iter().map(|told| {
            let about = told.subjects.as_ref().and_then(|_| about.next());
            Self { told, about }
        });
        Ok(all.collect())
    }

    pub(super) fn job(&self) -> JobId {
        self.told.job.id
    }

    /// Tells of one row after the other.
    pub(super) fn lines(&self) -> ToldLines<'_> {
        ToldLines {
            of: &self.told,
            about: self.about.as_ref().map(About::lines),
        }
    }
}

/// What is told of rows, one after the other.
pub(super) struct ToldLines<'a> {
    of: &'a RowDetails,
    about: Option<SubjectLines<'a>>,
}

impl ToldLines<'_> {
    /// Writes both of a row in place of what `place` and `subject` held.
    pub(super) fn write(&mut self, row: &RowView<'_>, record: &RowRecord, place: &mut String, subject: &mut String) {
        let RowDetails { job, subjects } = self.of;
        let columns = match subjects {
            Some(subjects) if job.input_sheet.is_some() => subjects.places(&record.columns),
            _ => Vec::new(),
        };
        place.clear();
        let _ = write!(place, "{}", Place::of(job, row.number, Some(row.line), &columns));
        subject.clear();
        if let Some(about) = &mut self.about {
            about.write(row, subject);
        }
    }
}
